/* Lists: what is asked for, page after page, and what happens when a position expires or a page is too large. */
#include "kube/fixture.h"

#include "kube_mcp/kube/list.h"

#include "kube_mcp/base/banned.h"

/* Serves TOTAL rows; the continue token is the number of the first row of the page. */
struct rows {
  int total;
  int expire_at;       /* a continue token that has expired; 0 = none */
  const char *fresh;   /* the token sent along with that 410; NULL = none */
  bool stuck;          /* sends the same token for ever */
  size_t row_bytes;    /* padding of each row */
  const char *instead; /* this body instead of any page */
  char paths[64][2048];
  char accepts[64][256];
  atomic_uint requests;
};

static int parameter(const char *path, const char *name, int fallback)
{
  const char *at = strstr(path, name);
  return at != NULL ? (int)strtol(at + strlen(name), NULL, 10) : fallback;
}

static bool serve_page(struct exchange *x, const struct rows *rows)
{
  int start = parameter(x->path, "continue=", 0);
  int limit = parameter(x->path, "limit=", 500);
  if (start != 0 && start == rows->expire_at) {
    char body[512];
    (void)snprintf(body, sizeof(body),
                   "{\"kind\":\"Status\",\"reason\":\"Expired\",\"code\":410,\"message\":\"too "
                   "old\",\"metadata\":{%s%s%s}}",
                   rows->fresh != NULL ? "\"continue\":\"" : "", rows->fresh != NULL ? rows->fresh : "",
                   rows->fresh != NULL ? "\"" : "");
    return server_reply(x, 410, "", body);
  }
  int end = start + limit < rows->total ? start + limit : rows->total;
  struct km_buf out;
  km_buf_init(&out, 16 * MIB);
  km_buf_printf(&out, "{\"kind\":\"Table\",\"metadata\":{\"resourceVersion\":\"77\"");
  if (rows->stuck) {
    km_buf_puts(&out, ",\"continue\":\"7\"");
  } else if (end < rows->total) {
    km_buf_printf(&out, ",\"continue\":\"%d\",\"remainingItemCount\":%d", end, rows->total - end);
  }
  km_buf_puts(&out, "},\"rows\":[");
  for (int i = start; i < end; i++) {
    km_buf_printf(&out, "%s{\"cells\":[%d],\"pad\":\"", i > start ? "," : "", i);
    km_buf_fill(&out, 'x', rows->row_bytes);
    km_buf_puts(&out, "\"}");
  }
  km_buf_puts(&out, "]}");
  bool open = server_reply(x, 200, "Content-Type: application/json\r\n", out.data);
  km_buf_done(&out);
  return open;
}

static bool serve(struct exchange *x)
{
  struct rows *rows = (struct rows *)(uintptr_t)x->server->data;
  unsigned i = atomic_fetch_add(&rows->requests, 1);
  if (i < KM_ARRAY_LEN(rows->paths)) {
    (void)snprintf(rows->paths[i], sizeof(rows->paths[i]), "%s", x->path);
    (void)server_header(x, "Accept", rows->accepts[i], sizeof(rows->accepts[i]));
  }
  return rows->instead != NULL ? server_reply(x, 200, "", rows->instead) : serve_page(x, rows);
}

static const struct km_resource pods = {.group = "", .version = "v1", .plural = "pods", .kind = "Pod"};

/* What a listing has met. */
struct met {
  int pages, rows, first_row, last_row;
  int stop_after; /* pages; 0 = never */
  int64_t remaining;
  bool inconsistent;
  char token[64], next_token[64];
};

static bool meet(const struct km_list_page *page, void *data)
{
  struct met *met = data;
  met->pages++;
  met->remaining = page->remaining;
  met->inconsistent = page->inconsistent;
  (void)snprintf(met->token, sizeof(met->token), "%s", page->token);
  (void)snprintf(met->next_token, sizeof(met->next_token), "%s", page->next_token);
  size_t i = 0;
  size_t count = 0;
  yyjson_val *row = NULL;
  yyjson_arr_foreach(km_json_arr(page->root, "rows"), i, count, row)
  {
    int number = (int)yyjson_get_int(yyjson_arr_get_first(yyjson_obj_get(row, "cells")));
    met->first_row = met->rows == 0 ? number : met->first_row;
    met->last_row = number;
    met->rows++;
  }
  return met->stop_after == 0 || met->pages < met->stop_after;
}

struct listing {
  struct world *world;
  struct rows *rows;
  struct km_list_query query;
  struct met met;
};

static struct listing *begin(int total)
{
  struct listing *listing = calloc(1, sizeof(*listing));
  listing->rows = calloc(1, sizeof(*listing->rows));
  listing->rows->total = total;
  listing->world = world_new(serve, listing->rows);
  listing->query = (struct km_list_query){.resource = &pods, .page_size = 10};
  world_client(listing->world);
  return listing;
}

static enum km_rc list(struct listing *listing)
{
  struct km_kube_request request = {0};
  int stop_after = listing->met.stop_after;
  listing->met = (struct met){.stop_after = stop_after};
  return km_client_list(listing->world->client, &listing->query, &request, meet, &listing->met,
                        &listing->world->err);
}

static void expect_list(struct listing *listing)
{
  if (list(listing) != KM_OK) {
    fail_msg("%s", listing->world->err.message);
  }
}

static void end(struct listing *listing)
{
  world_free(listing->world);
  free(listing->rows);
  free(listing);
}

static void test_pages(void **state)
{
  (void)state;
  struct listing *listing = begin(25);
  expect_list(listing);
  assert_int_equal(listing->met.pages, 3);
  assert_int_equal(listing->met.rows, 25);
  assert_int_equal(listing->met.last_row, 24);
  assert_int_equal(listing->met.remaining, -1);
  assert_string_equal(listing->met.token, "20");
  assert_string_equal(listing->met.next_token, "");
  assert_string_equal(listing->rows->paths[0], "/api/v1/pods?limit=10&includeObject=Metadata");
  assert_string_equal(listing->rows->paths[1], "/api/v1/pods?limit=10&continue=10&includeObject=Metadata");
  end(listing);
}

static void test_stops_when_told(void **state)
{
  (void)state;
  struct listing *listing = begin(25);
  listing->met.stop_after = 2;
  expect_list(listing);
  assert_int_equal(listing->rows->requests, 2);
  assert_int_equal(listing->met.remaining, 5);
  assert_string_equal(listing->met.next_token, "20");
  /* And goes on from there. */
  listing->query.resume_token = "20";
  expect_list(listing);
  assert_int_equal(listing->met.first_row, 20);
  assert_int_equal(listing->met.rows, 5);
  end(listing);
}

static void test_queries(void **state)
{
  (void)state;
  struct listing *listing = begin(0);
  listing->query.ns = "shop";
  listing->query.name = "web-0";
  listing->query.label_selector = "app in (a,b),!c";
  listing->query.field_selector = "status.phase=Running";
  listing->query.resource_version = "123";
  expect_list(listing);
  const char *path = listing->rows->paths[0];
  assert_contains(path, "/api/v1/namespaces/shop/pods?limit=10&");
  assert_contains(path, "labelSelector=app%20in%20%28a%2Cb%29%2C%21c&");
  assert_contains(path, "fieldSelector=metadata.name%3Dweb-0%2Cstatus.phase%3DRunning&");
  assert_contains(path, "resourceVersion=123&resourceVersionMatch=Exact&");
  assert_contains(path, "includeObject=Metadata");
  listing->query.field_selector = NULL;
  listing->query.page_size = 0;
  expect_list(listing);
  assert_contains(listing->rows->paths[1], "fieldSelector=metadata.name%3Dweb-0&");
  assert_contains(listing->rows->paths[1], "limit=500&");
  /* A token carries its own resourceVersion. */
  listing->query.resume_token = "5";
  expect_list(listing);
  assert_null(strstr(listing->rows->paths[2], "resourceVersion"));
  end(listing);
}

static void test_forms(void **state)
{
  (void)state;
  static const struct {
    enum km_list_form form;
    const char *accept, *include;
  } cases[] = {
      {KM_LIST_TABLE, "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
       "includeObject=Metadata"},
      {KM_LIST_TABLE_BARE, "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
       "includeObject=None"},
      {KM_LIST_TABLE_OBJECTS, "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
       "includeObject=Object"},
      {KM_LIST_METADATA, "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json",
       NULL},
      {KM_LIST_OBJECTS, "application/json", NULL},
  };
  struct listing *listing = begin(1);
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    listing->query.form = cases[i].form;
    expect_list(listing);
    assert_string_equal(listing->rows->accepts[i], cases[i].accept);
    if (cases[i].include != NULL) {
      assert_contains(listing->rows->paths[i], cases[i].include);
    } else {
      assert_null(strstr(listing->rows->paths[i], "includeObject"));
    }
  }
  end(listing);
}

static void test_expired_with_a_fresh_token(void **state)
{
  (void)state;
  struct listing *listing = begin(25);
  listing->rows->expire_at = 10;
  listing->rows->fresh = "11";
  expect_list(listing);
  assert_true(listing->met.inconsistent);
  assert_int_equal(listing->met.rows, 10 + 14);
  assert_int_equal(listing->met.last_row, 24);
  assert_string_equal(listing->rows->paths[2], "/api/v1/pods?limit=10&continue=11&includeObject=Metadata");
  end(listing);
}

static void test_expired_cursor(void **state)
{
  (void)state;
  struct listing *listing = begin(25);
  listing->rows->expire_at = 10;
  listing->query.resume_token = "10";
  assert_int_equal(list(listing), KM_E_CONFLICT);
  assert_string_equal(listing->world->err.reason, "Expired");
  assert_int_equal(listing->world->err.http_status, 410);
  assert_contains(listing->world->err.hint, "without cursor");
  assert_int_equal(listing->rows->requests, 1);
  /* A token that brings back itself leads nowhere. */
  listing->rows->fresh = "10";
  assert_int_equal(list(listing), KM_E_CONFLICT);
  assert_int_equal(listing->rows->requests, 2);
  end(listing);
}

static void test_server_that_stands_still(void **state)
{
  (void)state;
  struct listing *listing = begin(5);
  listing->rows->stuck = true;
  assert_int_equal(list(listing), KM_E_PROTOCOL);
  assert_contains(listing->world->err.message, "does not advance");
  assert_int_equal(listing->rows->requests, 2);
  end(listing);
}

static void test_large_pages_shrink(void **state)
{
  (void)state;
  struct listing *listing = begin(40);
  listing->rows->row_bytes = 100000;
  listing->query.page_size = 500;
  listing->world->options.max_response_bytes = 1000000;
  km_client_unref(listing->world->client);
  world_client(listing->world);
  expect_list(listing);
  assert_int_equal(listing->met.rows, 40);
  assert_int_equal(listing->met.last_row, 39);
  assert_true(listing->rows->requests < 16);
  /* One row that does not fit is an error. */
  listing->rows->row_bytes = 2000000;
  assert_int_equal(list(listing), KM_E_TOO_LARGE);
  end(listing);
}

static void test_answers_that_are_no_lists(void **state)
{
  (void)state;
  struct listing *listing = begin(1);
  listing->rows->instead = "{\"kind\":\"Pod\",\"metadata\":{}}";
  assert_int_equal(list(listing), KM_E_PROTOCOL);
  listing->rows->instead = "[]";
  assert_int_equal(list(listing), KM_E_PROTOCOL);
  listing->rows->instead = "no json";
  assert_int_equal(list(listing), KM_E_PROTOCOL);
  /* What would pass for an empty list, or for rows with nothing in them. */
  listing->rows->instead = "{\"kind\":\"Surprise\",\"items\":{\"a\":1}}";
  assert_int_equal(list(listing), KM_E_PROTOCOL);
  listing->rows->instead = "{\"kind\":\"PodList\",\"items\":[{},null]}";
  assert_int_equal(list(listing), KM_E_PROTOCOL);
  listing->rows->instead = "{\"kind\":\"Table\",\"rows\":[{},7]}";
  assert_int_equal(list(listing), KM_E_PROTOCOL);
  listing->rows->instead = "{\"kind\":\"Table\",\"rows\":7}";
  assert_int_equal(list(listing), KM_E_PROTOCOL);
  assert_int_equal(listing->met.pages, 0);
  /* Empty in Go's way, and a List from a server without Tables. */
  listing->rows->instead = "{\"kind\":\"Table\",\"rows\":null}";
  expect_list(listing);
  listing->rows->instead = "{\"kind\":\"PodList\",\"items\":null}";
  expect_list(listing);
  assert_int_equal(listing->met.pages, 1);
  end(listing);
}

static void test_selector_too_long(void **state)
{
  (void)state;
  struct listing *listing = begin(1);
  char *selector = calloc(1, 20001);
  for (size_t i = 0; i < 20000; i++) {
    selector[i] = i % 2 == 0 ? 'a' : ',';
  }
  selector[19999] = '\0';
  listing->query.label_selector = selector;
  assert_int_equal(list(listing), KM_E_TOO_LARGE);
  assert_int_equal(listing->rows->requests, 0);
  free(selector);
  end(listing);
}

static void test_selectors_are_checked_first(void **state)
{
  (void)state;
  struct listing *listing = begin(1);
  listing->query.label_selector = "app=web,tier in (";
  assert_int_equal(list(listing), KM_E_INVALID);
  assert_contains(listing->world->err.message, "label_selector: column 18: ");
  listing->query.label_selector = NULL;
  listing->query.field_selector = "status.phase";
  listing->world->err = (struct km_error){0};
  assert_int_equal(list(listing), KM_E_INVALID);
  assert_contains(listing->world->err.message, "field_selector: column 13: ");
  assert_int_equal(listing->rows->requests, 0);
  end(listing);
}

static void test_get_object(void **state)
{
  (void)state;
  struct listing *listing = begin(1);
  struct world *world = listing->world;
  struct km_kube_request request = {0};
  yyjson_doc *doc = NULL;
  listing->rows->instead = "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"web-0\"}}";
  assert_int_equal(km_client_get_object(world->client, &pods, "shop", "web-0", false, &request, world->arena,
                                        &doc, &world->err),
                   KM_OK);
  assert_string_equal(listing->rows->paths[0], "/api/v1/namespaces/shop/pods/web-0");
  assert_string_equal(listing->rows->accepts[0], "application/json");
  assert_int_equal(km_client_get_object(world->client, &pods, "shop", "web-0", true, &request, world->arena,
                                        &doc, &world->err),
                   KM_OK);
  assert_string_equal(listing->rows->paths[1], "/api/v1/namespaces/shop/pods/web-0?includeObject=Metadata");
  assert_contains(listing->rows->accepts[1], "as=Table");
  /* An empty name would read the whole list, a dotted one something else. */
  static const char *const bad[] = {"", ".", "..", "a/b", "%2e"};
  for (size_t i = 0; i < KM_ARRAY_LEN(bad); i++) {
    assert_int_equal(km_client_get_object(world->client, &pods, "shop", bad[i], false, &request, world->arena,
                                          &doc, &world->err),
                     KM_E_INVALID);
  }
  assert_int_equal(listing->rows->requests, 2);
  end(listing);
}

static void test_answers_that_are_no_objects(void **state)
{
  (void)state;
  static const struct {
    bool table;
    const char *answer;
    enum km_rc rc;
  } cases[] = {
      {false, "{\"kind\":\"Pod\",\"metadata\":{}}", KM_OK},
      {true, "{\"kind\":\"Pod\",\"metadata\":{}}", KM_OK}, /* from a server without Tables */
      {true, "{\"kind\":\"Table\",\"rows\":[{}]}", KM_OK},
      {false, "{\"kind\":\"Table\",\"metadata\":{},\"rows\":[{}]}", KM_E_PROTOCOL},
      {true, "{\"kind\":\"Table\",\"rows\":[null]}", KM_E_PROTOCOL},
      {false, "{\"kind\":\"Pod\",\"metadata\":null}", KM_E_PROTOCOL},
      {false, "{\"metadata\":{}}", KM_E_PROTOCOL},
      {false, "[]", KM_E_PROTOCOL},
  };
  struct listing *listing = begin(1);
  struct world *world = listing->world;
  struct km_kube_request request = {0};
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    yyjson_doc *doc = NULL;
    listing->rows->instead = cases[i].answer;
    assert_int_equal(km_client_get_object(world->client, &pods, "shop", "web-0", cases[i].table, &request,
                                          world->arena, &doc, &world->err),
                     cases[i].rc);
    assert_true((doc != NULL) == (cases[i].rc == KM_OK));
  }
  end(listing);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_pages),
      cmocka_unit_test(test_stops_when_told),
      cmocka_unit_test(test_queries),
      cmocka_unit_test(test_forms),
      cmocka_unit_test(test_expired_with_a_fresh_token),
      cmocka_unit_test(test_expired_cursor),
      cmocka_unit_test(test_server_that_stands_still),
      cmocka_unit_test(test_large_pages_shrink),
      cmocka_unit_test(test_answers_that_are_no_lists),
      cmocka_unit_test(test_selector_too_long),
      cmocka_unit_test(test_selectors_are_checked_first),
      cmocka_unit_test(test_get_object),
      cmocka_unit_test(test_answers_that_are_no_objects),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
