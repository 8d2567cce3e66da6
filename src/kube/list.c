/* Lists, page by page.
 *
 * Owns one page at a time: its document is freed before the next is fetched, so memory is bounded by the page. The
 * server's continue token carries the position; nothing is kept between calls. A position that has expired (410) goes
 * on with the token the server sends along, which resumes at the same key in today's data: the page says so. A page
 * that outgrows the response limit is asked for again at a quarter of the size. A server that answers a plain List
 * where a Table was asked for (an old aggregated API) is taken as it is; one that stands still is an error. */
#include "kube_mcp/kube/list.h"

#include <inttypes.h>
#include <string.h>

#include "internal.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/kube/line.h"
#include "kube_mcp/kube/selector.h"

#include "kube_mcp/base/banned.h"

#define DEFAULT_PAGE_SIZE 500
#define MAX_QUERY_BYTES   ((size_t)12 * 1024)

#define ACCEPT_TABLE    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
#define ACCEPT_METADATA "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"

/* How each form is asked for. */
static const struct form {
  const char *accept;
  const char *include_object; /* for Tables */
} forms[] = {
    [KM_LIST_TABLE] = {ACCEPT_TABLE, "Metadata"},       [KM_LIST_TABLE_BARE] = {ACCEPT_TABLE, "None"},
    [KM_LIST_METADATA] = {ACCEPT_METADATA, NULL},       [KM_LIST_OBJECTS] = {"application/json", NULL},
    [KM_LIST_TABLE_OBJECTS] = {ACCEPT_TABLE, "Object"},
};

/* A listing under way. */
struct listing {
  struct km_client *client;
  const struct km_list_query *query;
  const struct km_kube_request *request;
  int64_t page_size;
  char *token; /* of the page to fetch; the listing arena's */
  struct km_arena *arena;
  bool inconsistent;
};

/* Appends a query parameter unless it is empty, which for all of these means the same as absent. */
static void put_parameter(struct km_buf *out, const char *name, const char *value)
{
  if (!km_str_empty(value)) {
    km_buf_putc(out, strchr(out->data, '?') == NULL ? '?' : '&');
    km_buf_puts(out, name);
    km_buf_putc(out, '=');
    (void)km_url_escape(out, value);
  }
}

/* The caller's field selector and the one for its object name, joined. */
static const char *field_selector(struct km_arena *arena, const struct km_list_query *query)
{
  if (query->name == NULL) {
    return query->field_selector;
  }
  bool both = !km_str_empty(query->field_selector);
  return km_arena_printf(arena, "metadata.name=%s%s%s", query->name, both ? "," : "",
                         both ? query->field_selector : "");
}

/* The path of the page at the listing's token. */
static enum km_rc page_path(const struct listing *listing, struct km_arena *arena, char **ret,
                            struct km_error *err)
{
  const struct km_list_query *query = listing->query;
  struct km_buf out;
  km_buf_init(&out, MAX_QUERY_BYTES);
  km_buf_puts(&out, km_resource_path(arena, query->resource, query->ns, NULL, NULL));
  put_parameter(&out, "limit", km_arena_printf(arena, "%" PRId64, listing->page_size));
  put_parameter(&out, "continue", listing->token);
  put_parameter(&out, "labelSelector", query->label_selector);
  put_parameter(&out, "fieldSelector", field_selector(arena, query));
  /* A token holds the version it belongs to; the server refuses both together. */
  if (listing->token[0] == '\0' && !km_str_empty(query->resource_version)) {
    put_parameter(&out, "resourceVersion", query->resource_version);
    put_parameter(&out, "resourceVersionMatch", "Exact");
  }
  put_parameter(&out, "includeObject", forms[query->form].include_object);
  enum km_rc rc = KM_OK;
  if (out.failed) {
    rc = km_error_set(err, KM_E_TOO_LARGE, "the selectors are too long for a request: %zu bytes at most",
                      MAX_QUERY_BYTES);
  } else {
    *ret = km_arena_strndup(arena, out.data, out.len);
  }
  km_buf_done(&out);
  return rc;
}

/* The token that a 410 brings to go on with, "" if none. */
static const char *fresh_token(struct km_arena *arena, const struct km_http_response *response)
{
  yyjson_doc *doc = NULL;
  struct km_error unused;
  if (km_json_parse(arena, response->body.data, response->body.len, KM_JSON_MAX_DEPTH, &doc, &unused) !=
      KM_OK) {
    return "";
  }
  const char *token = km_json_str(km_json_obj(yyjson_doc_get_root(doc), "metadata"), "continue");
  return token != NULL ? token : "";
}

/* Notes the way round a refusal and returns true when the page should be asked for again. */
static bool work_round(struct listing *listing, struct km_arena *arena,
                       const struct km_http_response *response)
{
  if (response->status != 410 || listing->token[0] == '\0') {
    return false;
  }
  const char *token = fresh_token(arena, response);
  if (token[0] == '\0' || km_streq(token, listing->token)) {
    return false;
  }
  listing->token = km_arena_strdup(listing->arena, token);
  listing->inconsistent = true;
  return true;
}

/* Makes pages smaller when one did not fit. */
static bool shrink(struct listing *listing, enum km_rc rc)
{
  if (rc != KM_E_TOO_LARGE || listing->page_size <= 1) {
    return false;
  }
  listing->page_size = listing->page_size > 4 ? listing->page_size / 4 : 1;
  return true;
}

/* Fetches the page at the listing's token, whatever that takes. A 410 is worked round once. */
static enum km_rc fetch_page(struct listing *listing, struct km_arena *arena, yyjson_doc **ret,
                             struct km_error *err)
{
  bool worked_round = false;
  for (;;) {
    struct km_kube_request request = *listing->request;
    char *path = NULL;
    enum km_rc rc = page_path(listing, arena, &path, err);
    if (rc != KM_OK) {
      return rc;
    }
    request.method = NULL;
    request.path = path;
    request.accept = forms[listing->query->form].accept;
    struct km_http_response response = {0};
    rc = km_client_exchange(listing->client, &request, &response, err);
    if (rc == KM_OK && km_is_success(&response)) {
      return km_client_parse(listing->client, &request, &response, arena, ret, err);
    }
    bool again = rc != KM_OK ? shrink(listing, rc) : !worked_round && work_round(listing, arena, &response);
    if (rc == KM_OK) {
      worked_round = again;
      rc = again ? KM_OK : km_client_refusal(listing->client, &request, &response, err);
      km_http_response_done(&response);
    }
    if (!again) {
      return rc;
    }
  }
}

static const char *text_or_empty(yyjson_val *obj, const char *key)
{
  const char *text = km_json_str(obj, key);
  return text != NULL ? text : "";
}

/* Go writes an empty array as null. */
static bool holds_objects(yyjson_val *members)
{
  size_t i, max;
  yyjson_val *member;
  yyjson_arr_foreach(members, i, max, member)
  {
    if (!yyjson_is_obj(member)) {
      return false;
    }
  }
  return members == NULL || yyjson_is_null(members) || yyjson_is_arr(members);
}

static bool is_table(yyjson_val *root)
{
  return km_streq(km_json_str(root, "kind"), "Table");
}

/* By its members, all of them: what is no list must not be taken for an empty one. */
static bool is_list(yyjson_val *root)
{
  yyjson_val *items = yyjson_obj_get(root, "items");
  return is_table(root) ? holds_objects(yyjson_obj_get(root, "rows")) : items != NULL && holds_objects(items);
}

/* A server may answer with the object where a Table was asked for. */
static bool is_object_or_table(yyjson_val *root, bool table)
{
  if (is_table(root)) {
    return table && holds_objects(yyjson_obj_get(root, "rows"));
  }
  return km_json_str(root, "kind") != NULL && km_json_obj(root, "metadata") != NULL;
}

/* Fetches one page and hands it over. *RET_MORE is false at the end and when FN has seen enough. */
static enum km_rc deliver_page(struct listing *listing,
                               bool (*fn)(const struct km_list_page *page, void *data), void *data,
                               bool *ret_more, struct km_error *err)
{
  KM_CLEANUP(km_arena_freep) struct km_arena *arena = km_arena_new(0);
  yyjson_doc *doc = NULL;
  enum km_rc rc = fetch_page(listing, arena, &doc, err);
  if (rc != KM_OK) {
    return rc;
  }
  yyjson_val *root = yyjson_doc_get_root(doc);
  yyjson_val *metadata = km_json_obj(root, "metadata");
  if (!is_list(root)) {
    return km_error_set(err, KM_E_PROTOCOL,
                        "context '%s': the answer to a list of %s is neither Table nor List",
                        listing->client->endpoint.context, listing->query->resource->plural);
  }
  struct km_list_page page = {
      .root = root,
      .token = listing->token,
      .next_token = text_or_empty(metadata, "continue"),
      .resource_version = text_or_empty(metadata, "resourceVersion"),
      .remaining = km_json_int(metadata, "remainingItemCount", -1),
      .inconsistent = listing->inconsistent,
  };
  if (page.next_token[0] != '\0' && km_streq(page.next_token, page.token)) {
    return km_error_set(err, KM_E_PROTOCOL,
                        "context '%s': the list of %s does not advance: the server sent the same "
                        "continue token twice",
                        listing->client->endpoint.context, listing->query->resource->plural);
  }
  *ret_more = fn(&page, data) && page.next_token[0] != '\0';
  listing->token = km_arena_strdup(listing->arena, page.next_token);
  return KM_OK;
}

enum km_rc km_client_list(struct km_client *client, const struct km_list_query *query,
                          const struct km_kube_request *request,
                          bool (*fn)(const struct km_list_page *page, void *data), void *data,
                          struct km_error *err)
{
  KM_CLEANUP(km_arena_freep) struct km_arena *arena = km_arena_new(0);
  struct listing listing = {
      .client = client,
      .query = query,
      .request = request,
      .page_size = query->page_size > 0 ? query->page_size : DEFAULT_PAGE_SIZE,
      .token = km_arena_strdup(arena, query->resume_token != NULL ? query->resume_token : ""),
      .arena = arena,
  };
  enum km_rc rc = km_label_selector_check(query->label_selector, err);
  rc = rc == KM_OK ? km_field_selector_check(query->field_selector, err) : rc;
  for (bool more = rc == KM_OK; more;) {
    rc = deliver_page(&listing, fn, data, &more, err);
    more = more && rc == KM_OK;
  }
  return rc;
}

enum km_rc km_client_get_object(struct km_client *client, const struct km_resource *resource, const char *ns,
                                const char *name, bool table, const struct km_kube_request *request,
                                struct km_arena *arena, yyjson_doc **ret, struct km_error *err)
{
  if (km_str_empty(name)) {
    return km_error_set(err, KM_E_INVALID, "no name was given for the %s to get", resource->kind);
  }
  struct km_kube_request get = *request;
  char *path = km_resource_path(arena, resource, ns, name, NULL);
  get.method = NULL;
  get.path = table ? km_arena_printf(arena, "%s?includeObject=Metadata", path) : path;
  get.accept = table ? ACCEPT_TABLE : NULL;
  yyjson_doc *doc = NULL;
  enum km_rc rc = km_client_get_json(client, &get, arena, &doc, err);
  if (rc == KM_OK && !is_object_or_table(yyjson_doc_get_root(doc), table)) {
    km_error_set(err, KM_E_PROTOCOL, "context '%s': the answer to GET %.*s is not the %s it should be",
                 client->endpoint.context, km_shown_path_len(get.path), get.path, resource->kind);
    rc = km_error_hint(err, "check that the server URL of this context is that of a Kubernetes API server");
  }
  if (rc == KM_OK) {
    *ret = doc;
  }
  return rc;
}
