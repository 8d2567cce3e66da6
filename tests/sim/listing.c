/* Lists and objects: selected, paged, and as objects, metadata or a Table.
 *
 * A continue token names the last object sent and the version of the list; one of another version has expired, and the
 * answer to it brings a token that goes on at the same place, as the API server's does. */
#include <stdlib.h>
#include <string.h>

#include "kube_mcp/base/clock.h"
#include "kube_mcp/base/crypto.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/codec/json.h"
#include "sim.h"

#include "kube_mcp/base/banned.h"

#define TABLE_HEAD "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\""

struct page {
  const struct sim_request *request;
  const struct sim_target *target;
  struct sim_view view;
  struct sim_object start; /* objects up to this key were sent already; name NULL = from the first */
  int64_t limit;           /* 0 = all */
};

static enum sim_form wanted_form(const struct sim_request *request, const struct sim_target *target)
{
  bool has_table = target->resource == NULL || yyjson_arr_size(target->resource->columns) > 0;
  if (strstr(request->accept, "as=Table") != NULL && has_table) {
    return SIM_FORM_TABLE;
  }
  return strstr(request->accept, "as=PartialObjectMetadata") != NULL ? SIM_FORM_METADATA : SIM_FORM_OBJECTS;
}

/* --- tables ------------------------------------------------------------------------------------------------------------- */

static const char default_columns[] =
    "[{\"name\":\"Name\",\"type\":\"string\",\"format\":\"name\",\"priority\":0},"
    "{\"name\":\"Age\",\"type\":\"date\",\"format\":\"\",\"priority\":0}]";

static void put_columns(const struct sim_view *view, struct km_buf *out)
{
  if (view->resource == NULL) {
    km_buf_puts(out, default_columns);
  } else {
    km_json_write_val(view->resource->columns, false, out);
  }
}

static void put_age(const struct sim_object *object, struct km_buf *out)
{
  char age[32];
  int64_t ms = km_clock_wall_ms() - object->created_ms;
  km_human_duration(age, sizeof(age), ms < 0 ? 0 : ms);
  km_buf_printf(out, "\"%s\"", age);
}

/* What a written object's other columns would show is not known. */
static void put_cell(const struct sim_object *object, size_t index, struct km_buf *out)
{
  if (object->cells == NULL) {
    km_buf_puts(out, "\"<unknown>\"");
  } else {
    km_json_write_val(yyjson_arr_get(object->cells, index), false, out);
  }
}

static void put_row(const struct sim_view *view, const struct sim_object *object, struct km_buf *out)
{
  km_buf_puts(out, "{\"cells\":[");
  size_t i, max;
  yyjson_val *column;
  yyjson_arr_foreach(view->resource->columns, i, max, column)
  {
    bool is_age =
        km_streq(km_json_str(column, "name"), "Age") || km_streq(km_json_str(column, "name"), "AGE");
    km_buf_puts(out, i == 0 ? "" : ",");
    if (km_streq(km_json_str(column, "format"), "name")) {
      km_buf_printf(out, "\"%s\"", object->name);
    } else if (is_age && object->created_ms != 0) {
      put_age(object, out);
    } else {
      put_cell(object, i, out);
    }
  }
  const char *shown = km_streq(view->include, "Object") ? object->json
                      : km_streq(view->include, "None") ? NULL
                                                        : object->metadata;
  km_buf_printf(out, "],\"object\":%s}", shown == NULL ? "null" : shown);
}

void sim_view_put_item(const struct sim_view *view, const struct sim_object *object, struct km_buf *out)
{
  switch (view->form) {
  case SIM_FORM_TABLE: put_row(view, object, out); break;
  case SIM_FORM_METADATA: km_buf_puts(out, object->metadata); break;
  case SIM_FORM_OBJECTS: km_buf_puts(out, object->item); break;
  }
}

void sim_view_put(const struct sim_view *view, const struct sim_cluster *cluster,
                  const struct sim_object *object, struct km_buf *out)
{
  if (view->form != SIM_FORM_TABLE) {
    km_buf_puts(out, view->form == SIM_FORM_METADATA ? object->metadata : object->json);
    return;
  }
  km_buf_printf(out, TABLE_HEAD ",\"metadata\":{\"resourceVersion\":\"%llu\"},\"columnDefinitions\":",
                (unsigned long long)cluster->written);
  put_columns(view, out);
  km_buf_puts(out, ",\"rows\":[");
  put_row(view, object, out);
  km_buf_puts(out, "]}");
}

bool sim_view_open(const struct sim_request *request, const struct sim_target *target, struct km_arena *arena,
                   struct sim_view *ret, struct sim_answer *answer)
{
  struct km_error err = {0};
  struct sim_view view = {.form = wanted_form(request, target),
                          .resource = target->resource,
                          .ns = km_arena_strdup(arena, target->ns),
                          .include = km_arena_strdup(arena, sim_query(request, "includeObject"))};
  view.labels = sim_labels_parse(arena, sim_query(request, "labelSelector"), &err);
  if (view.labels != NULL) {
    view.fields = sim_fields_parse(arena, sim_query(request, "fieldSelector"), target, &err);
  }
  if (view.fields == NULL) {
    sim_fail(answer, 400, "BadRequest", NULL, "%s", err.message);
    return false;
  }
  *ret = view;
  return true;
}

bool sim_view_has(const struct sim_view *view, const struct sim_object *object)
{
  return (view->ns[0] == '\0' || km_streq(object->ns, view->ns)) &&
         sim_selector_matches(view->labels, object) && sim_selector_matches(view->fields, object);
}

/* --- paging ------------------------------------------------------------------------------------------------------------- */

static const char *write_token(const struct sim_request *request, const struct sim_object *last)
{
  struct km_arena *arena = request->arena;
  char *text = km_arena_printf(arena, "{\"v\":\"meta.k8s.io/v1\",\"rv\":%llu,\"start\":\"/%s/%s\"}",
                               (unsigned long long)request->cluster->written, last->ns, last->name);
  return km_base64url_encode(arena, text, strlen(text));
}

static void refuse_expired(const struct page *page, struct sim_answer *answer)
{
  sim_fail(
      answer, 410, "Expired", NULL,
      "The provided continue parameter is too old to display a consistent list result. You can start a new "
      "list "
      "without the continue parameter, or use the continue token in this response to retrieve the remainder "
      "of the "
      "results. Continuing with the provided token results in an inconsistent list - objects that were "
      "created, "
      "modified, or deleted between the time the first chunk was returned and now may show up in the list.");
  struct km_buf *body = &answer->body;
  char *text = km_arena_strdup(page->request->arena, body->data);
  char *hole = strstr(text, "\"metadata\":{}");
  km_buf_clear(body);
  km_buf_append(body, text, (size_t)(hole - text));
  km_buf_printf(body, "\"metadata\":{\"continue\":\"%s\"}%s", write_token(page->request, &page->start),
                hole + strlen("\"metadata\":{}"));
}

static bool read_token(struct page *page, const char *token, struct sim_answer *answer)
{
  struct km_arena *arena = page->request->arena;
  struct km_error err;
  uint8_t *text = NULL;
  size_t len = 0;
  yyjson_doc *doc = NULL;
  const char *start = NULL;
  if (km_base64url_decode(arena, token, strlen(token), &text, &len, &err) == KM_OK &&
      km_json_parse(arena, (const char *)text, len, 4, &doc, &err) == KM_OK) {
    start = km_json_str(yyjson_doc_get_root(doc), "start");
  }
  const char *slash = start == NULL || start[0] != '/' ? NULL : strchr(start + 1, '/');
  if (slash == NULL) {
    sim_fail(answer, 400, "BadRequest", NULL,
             "invalid continue token: continue key is not valid: invalid character 'i' "
             "looking for beginning of value");
    return false;
  }
  page->start = (struct sim_object){.ns = km_arena_strndup(arena, start + 1, (size_t)(slash - start) - 1),
                                    .name = slash + 1};
  if ((uint64_t)km_json_int(yyjson_doc_get_root(doc), "rv", 0) != page->request->cluster->written) {
    refuse_expired(page, answer);
    return false;
  }
  return true;
}

static bool is_after(const struct sim_object *object, const struct sim_object *start)
{
  return start->name == NULL || sim_object_order(object, start) > 0;
}

/* Of the first object after the start of the page. */
static size_t first_index(const struct page *page)
{
  const struct sim_resource *resource = page->target->resource;
  size_t low = 0, high = resource == NULL ? 0 : resource->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (is_after(&resource->objects[middle], &page->start)) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

static bool is_selected(const struct page *page)
{
  return sim_query(page->request, "labelSelector")[0] != '\0' ||
         sim_query(page->request, "fieldSelector")[0] != '\0';
}

/* How many belong to the list from INDEX on; with selectors, which hide the number, only that there are some. */
static size_t count_left(const struct page *page, size_t index)
{
  const struct sim_resource *resource = page->target->resource;
  const char *ns = page->view.ns;
  size_t left = is_selected(page) ? 1 : resource->count - index;
  if (ns[0] != '\0' && !is_selected(page)) {
    for (left = 0; index + left < resource->count && km_streq(resource->objects[index + left].ns, ns);) {
      left++;
    }
  }
  return left;
}

/* Reads the query; false when it has been refused. */
static bool read_query(struct page *page, struct sim_answer *answer)
{
  const struct sim_request *request = page->request;
  const char *limit = sim_query(request, "limit"), *token = sim_query(request, "continue");
  if (*limit != '\0' && !km_parse_i64(limit, &page->limit)) {
    sim_fail(answer, 400, "BadRequest", NULL, "strconv.ParseInt: parsing \"%s\": invalid syntax", limit);
    return false;
  }
  if (!sim_view_open(request, page->target, request->arena, &page->view, answer)) {
    return false;
  }
  int64_t version = 0;
  if (km_streq(sim_query(request, "resourceVersionMatch"), "Exact") &&
      km_parse_i64(sim_query(request, "resourceVersion"), &version) &&
      (uint64_t)version != request->cluster->written) {
    sim_fail(answer, 410, "Expired", NULL, "The provided resource version is too old.");
    return false;
  }
  return *token == '\0' || read_token(page, token, answer);
}

/* Opens the list up to its metadata. */
static void put_head(const struct page *page, struct km_buf *out)
{
  const struct sim_target *target = page->target;
  switch (page->view.form) {
  case SIM_FORM_TABLE: km_buf_puts(out, TABLE_HEAD); break;
  case SIM_FORM_METADATA:
    km_buf_puts(out, "{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"meta.k8s.io/v1\"");
    break;
  case SIM_FORM_OBJECTS:
    km_buf_printf(out, "{\"kind\":\"%sList\",\"apiVersion\":\"%s%s%s\"", target->kind, target->group,
                  target->group[0] == '\0' ? "" : "/", target->version);
    break;
  }
}

static void put_metadata(const struct page *page, const struct sim_object *last, size_t left,
                         struct km_buf *out)
{
  km_buf_printf(out, ",\"metadata\":{\"resourceVersion\":\"%llu\"",
                (unsigned long long)page->request->cluster->written);
  if (left > 0) {
    km_buf_printf(out, ",\"continue\":\"%s\"", write_token(page->request, last));
    if (!is_selected(page)) {
      km_buf_printf(out, ",\"remainingItemCount\":%zu", left);
    }
  }
  km_buf_putc(out, '}');
}

void sim_list(const struct sim_request *request, const struct sim_target *target, struct sim_answer *answer)
{
  struct page page = {.request = request, .target = target};
  if (!read_query(&page, answer)) {
    return;
  }
  const struct sim_resource *resource = target->resource;
  const struct sim_object *last = NULL;
  struct km_buf items;
  km_buf_init(&items, SIM_MAX_ANSWER);
  int64_t sent = 0;
  size_t left = 0;
  for (size_t i = first_index(&page); resource != NULL && i < resource->count; i++) {
    const struct sim_object *object = &resource->objects[i];
    if (!sim_view_has(&page.view, object)) {
      continue;
    }
    if (page.limit > 0 && sent == page.limit) {
      left = count_left(&page, i);
      break;
    }
    km_buf_puts(&items, sent++ == 0 ? "" : ",");
    sim_view_put_item(&page.view, object, &items);
    last = object;
  }
  struct km_buf *out = &answer->body;
  put_head(&page, out);
  put_metadata(&page, last, left, out);
  if (page.view.form == SIM_FORM_TABLE) {
    km_buf_puts(out, ",\"columnDefinitions\":");
    put_columns(&page.view, out);
    km_buf_puts(out, ",\"rows\":[");
  } else {
    km_buf_puts(out, ",\"items\":[");
  }
  km_buf_append(out, items.data, items.len);
  km_buf_puts(out, "]}\n");
  km_buf_done(&items);
}

void sim_get(const struct sim_request *request, const struct sim_target *target, struct sim_answer *answer)
{
  const struct sim_object *object = sim_object_find(target->resource, target->ns, target->name);
  if (object == NULL) {
    bool core = target->group[0] == '\0';
    char *details =
        km_arena_printf(request->arena, "{\"name\":\"%s\",%s%s%s\"kind\":\"%s\"}", target->name,
                        core ? "" : "\"group\":\"", target->group, core ? "" : "\",", target->plural);
    sim_fail(answer, 404, "NotFound", details, "%s%s%s \"%s\" not found", target->plural, core ? "" : ".",
             target->group, target->name);
    return;
  }
  struct sim_view view;
  if (sim_view_open(request, target, request->arena, &view, answer)) {
    sim_view_put(&view, request->cluster, object, &answer->body);
    km_buf_putc(&answer->body, '\n');
  }
}
