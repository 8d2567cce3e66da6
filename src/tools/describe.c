/* resources_describe: one object with what belongs to it, as `kubectl describe` puts it together.
 *
 * What every object has comes first, then the sections of its kind, its conditions, and what happened to it lately. A kind
 * nobody wrote sections for shows its own members as YAML. What lies elsewhere in the cluster is asked for on the way; where
 * that is not allowed, the section says so and the rest goes on. The events have their share of the budget, whatever the
 * size of the object; the object is cut on a line boundary. Values of Secrets never get here: the object is redacted before
 * anything is written of it. */
#include "describe.h"

#include <inttypes.h>
#include <string.h>

#include "events.h"
#include "parts.h"
#include "sheet.h"

#include "kube_mcp/base/banned.h"

#define MAX_BODY_BYTES   ((size_t)1024 * 1024)
#define MAX_EVENTS_BYTES ((size_t)4096)
#define NOTE_BYTES       ((size_t)256)
#define MAX_EVENTS       10

/* --- what every object has -------------------------------------------------------------------------------------------- */

static const struct describe_row identity_rows[] = {
    ROW_PAIRS("labels", ".metadata.labels"),
    ROW_LINES("annotations", ".metadata.annotations"),
    ROW_TIME("created", ".metadata.creationTimestamp"),
    ROW_TIME("being deleted since", ".metadata.deletionTimestamp"),
    ROW_TEXT("deletion grace seconds", ".metadata.deletionGracePeriodSeconds"),
    ROW_TEXT("finalizers", ".metadata.finalizers[*]"),
};

static const struct describe_column condition_columns[] = {
    {"TYPE", ".type", DESCRIBE_TEXT},
    {"STATUS", ".status", DESCRIBE_TEXT},
    {"REASON", ".reason", DESCRIBE_TEXT},
    {"SINCE", ".lastTransitionTime", DESCRIBE_TIME},
    {"HEARTBEAT", ".lastHeartbeatTime", DESCRIBE_TIME},
    {"MESSAGE", ".message", DESCRIBE_TEXT},
};
static const struct describe_row condition_rows[] = {
    ROW_TABLE("conditions", ".status.conditions", condition_columns),
};

static void write_owners(struct describe *d)
{
  size_t i, max;
  yyjson_val *owner;
  yyjson_arr_foreach(km_json_arr(km_json_obj(d->object, "metadata"), "ownerReferences"), i, max, owner)
  {
    const char *kind = km_json_str(owner, "kind"), *name = km_json_str(owner, "name");
    describe_line(d, km_json_bool(owner, "controller", false) ? "controlled by" : "owned by", "%s/%s",
                  kind != NULL ? kind : "", name != NULL ? name : "");
  }
}

static void write_identity(struct describe *d)
{
  const char *version = km_json_str(d->object, "apiVersion");
  describe_line(d, d->resource->kind, "%s%s%s%s%s%s", d->ns != NULL ? d->ns : "", d->ns != NULL ? "/" : "",
                d->name, version != NULL ? " (" : "", version != NULL ? version : "",
                version != NULL ? ")" : "");
  describe_rows(d, d->object, identity_rows, KM_ARRAY_LEN(identity_rows));
  write_owners(d);
}

/* --- the sections of a kind --------------------------------------------------------------------------------------------- */

static const struct describe_kind *find_kind(const struct km_resource *resource)
{
  static const struct describe_kind *const files[] = {
      describe_pod_kinds,    describe_workload_kinds, describe_network_kinds, describe_node_kinds,
      describe_config_kinds, describe_access_kinds,   describe_storage_kinds};
  for (size_t i = 0; i < KM_ARRAY_LEN(files); i++) {
    for (const struct describe_kind *kind = files[i]; kind->kind != NULL; kind++) {
      if (km_streq(kind->kind, resource->kind) && km_streq(kind->group, resource->group)) {
        return kind;
      }
    }
  }
  return NULL;
}

/* The members of an object that nobody wrote rows for, without what is shown already. */
static yyjson_doc *own_members(yyjson_val *object)
{
  static const char *const shown[] = {"apiVersion", "kind", "metadata"};
  yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
  yyjson_mut_val *copy = yyjson_val_mut_copy(doc, object);
  for (size_t i = 0; i < KM_ARRAY_LEN(shown); i++) {
    yyjson_mut_obj_remove_key(copy, shown[i]);
  }
  yyjson_mut_val *status = yyjson_mut_obj_get(copy, "status");
  yyjson_mut_obj_remove_key(status, "conditions");
  if (yyjson_mut_is_obj(status) && yyjson_mut_obj_size(status) == 0) {
    yyjson_mut_obj_remove_key(copy, "status");
  }
  yyjson_doc *members = yyjson_mut_val_imut_copy(copy, NULL);
  yyjson_mut_doc_free(doc);
  return members;
}

static void write_yaml(struct describe *d)
{
  yyjson_doc *members = own_members(d->object);
  if (yyjson_obj_size(yyjson_doc_get_root(members)) > 0) {
    struct km_buf yaml;
    km_buf_init(&yaml, MAX_BODY_BYTES);
    km_yaml_write(yyjson_doc_get_root(members), &yaml);
    describe_block(d, yaml.data, yaml.len, yaml.len);
    km_buf_done(&yaml);
  }
  yyjson_doc_free(members);
}

static void write_body(struct describe *d)
{
  write_identity(d);
  const struct describe_kind *kind = find_kind(d->resource);
  if (kind == NULL) {
    write_yaml(d);
  } else {
    describe_rows(d, d->object, kind->rows, kind->row_count);
  }
  describe_rows(d, d->object, condition_rows, KM_ARRAY_LEN(condition_rows));
  if (kind != NULL && kind->more != NULL) {
    kind->more(d);
  }
}

/* --- what else there is -------------------------------------------------------------------------------------------------- */

const struct km_resource describe_replicasets = {.group = "apps",
                                                 .version = "v1",
                                                 .plural = "replicasets",
                                                 .singular = "replicaset",
                                                 .kind = "ReplicaSet",
                                                 .namespaced = true};
const struct km_resource describe_endpointslices = {.group = "discovery.k8s.io",
                                                    .version = "v1",
                                                    .plural = "endpointslices",
                                                    .singular = "endpointslice",
                                                    .kind = "EndpointSlice",
                                                    .namespaced = true};
const struct km_resource describe_quotas = {.group = "",
                                            .version = "v1",
                                            .plural = "resourcequotas",
                                            .singular = "resourcequota",
                                            .kind = "ResourceQuota",
                                            .namespaced = true};
const struct km_resource describe_limits = {.group = "",
                                            .version = "v1",
                                            .plural = "limitranges",
                                            .singular = "limitrange",
                                            .kind = "LimitRange",
                                            .namespaced = true};

struct visit {
  struct describe *d;
  void (*fn)(struct describe *d, yyjson_val *item, void *data);
  void *data;
};

static bool on_page(const struct km_list_page *page, void *data)
{
  struct visit *visit = data;
  size_t i, max;
  yyjson_val *item;
  yyjson_arr_foreach(km_json_arr(page->root, "items"), i, max, item)
  {
    visit->fn(visit->d, item, visit->data);
  }
  return true;
}

/* Why a section is missing. */
static void write_unavailable(struct describe *d, const char *label, const struct km_error *err)
{
  describe_line(d, label, "(%s: %s)", err->code == KM_E_FORBIDDEN ? "not allowed" : "not available",
                err->message);
}

bool describe_list(struct describe *d, const struct describe_query *query,
                   void (*fn)(struct describe *d, yyjson_val *item, void *data), void *data)
{
  struct visit visit = {.d = d, .fn = fn, .data = data};
  struct km_list_query list = {.resource = query->resource,
                               .ns = query->ns,
                               .label_selector = query->label_selector,
                               .field_selector = query->field_selector,
                               .form = KM_LIST_OBJECTS,
                               .page_size = toolbox(d->call)->page_size};
  struct km_error err = {0};
  if (km_client_list(d->target->client, &list, &d->target->request, on_page, &visit, &err) != KM_OK) {
    write_unavailable(d, query->label, &err);
    return false;
  }
  return true;
}

bool describe_owns(const struct describe *d, yyjson_val *item)
{
  const char *uid = km_json_str(km_json_obj(d->object, "metadata"), "uid");
  size_t i, max;
  yyjson_val *owner;
  yyjson_arr_foreach(km_json_arr(km_json_obj(item, "metadata"), "ownerReferences"), i, max, owner)
  {
    if (uid != NULL && km_streq(km_json_str(owner, "uid"), uid)) {
      return true;
    }
  }
  return false;
}

static void write_event_table(struct describe *d, const struct events *events)
{
  size_t rows = events->row_count;
  if (events->narrowed != NULL) {
    describe_line(d, "events allowed", "those in namespace '%s' only", events->narrowed);
  }
  if (rows == 0) {
    describe_line(d, "events", "none");
    return;
  }
  struct km_buf table;
  km_buf_init(&table, MAX_EVENTS_BYTES);
  struct events_limits limits = {.max_bytes = MAX_EVENTS_BYTES / 2, .max_rows = MAX_EVENTS};
  size_t shown = (size_t)events_put_table(events, d->call->arena, &limits, &table);
  const char *label =
      shown == rows ? "events"
                    : km_arena_printf(d->call->arena,
                                      "events (the newest %zu of %zu; events_list shows more)", shown, rows);
  describe_begin(d, label);
  describe_block(d, table.data, table.len, table.len);
  describe_end(d);
  km_buf_done(&table);
}

static void write_events(struct describe *d)
{
  /* The kubelet writes a node's name in place of its uid: what is in no namespace goes by its name. */
  const char *uid = d->ns != NULL ? km_json_str(km_json_obj(d->object, "metadata"), "uid") : NULL;
  struct events_query query = {.ns = d->ns, .kind = d->resource->kind, .name = d->name, .uid = uid};
  struct events events;
  struct km_error err = {0};
  if (events_gather(d->call, d->target, &query, &events, &err) != KM_OK) {
    write_unavailable(d, "events", &err);
  } else {
    write_event_table(d, &events);
  }
  events_done(&events);
}

/* --- the answer ---------------------------------------------------------------------------------------------------------- */

/* How much of TEXT fits ROOM when it ends with a line. */
static size_t whole_lines(const struct km_buf *text, size_t room)
{
  if (text->len <= room) {
    return text->len;
  }
  const char *newline = memrchr(text->data, '\n', room);
  return newline != NULL ? (size_t)(newline - text->data) + 1 : 0;
}

/* Puts BODY and EVENTS together; it is the body that gives way, up to half of the answer. */
static void write_answer(struct km_call *call, struct km_buf *body, const struct km_buf *events,
                         struct km_result *out)
{
  size_t most = toolbox(call)->max_result_bytes;
  size_t after = whole_lines(events, most / 2 > NOTE_BYTES ? most / 2 - NOTE_BYTES : 0);
  size_t total = body->len;
  bool cut = body->failed || total + after > most;
  if (cut) {
    km_buf_truncate(body, whole_lines(body, most - after - NOTE_BYTES));
  }
  struct km_buf text;
  km_buf_init(&text, most + NOTE_BYTES);
  km_buf_append(&text, body->data, body->len);
  if (cut) {
    km_buf_printf(
        &text,
        "# cut: %zu of %s%zu bytes shown. Ask for the parts you need: resources_get with fields, e.g. "
        "fields=[\".spec\"]\n",
        body->len, body->failed ? "more than " : "", total);
  }
  km_buf_append(&text, events->data, after);
  km_result_text(out, text.data, text.len);
  km_buf_done(&text);
}

/* A copy of OBJECT that may be shown. */
static yyjson_doc *redacted(const struct km_resource *resource, yyjson_val *object)
{
  yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
  yyjson_doc *shown = yyjson_mut_val_imut_copy(shown_object(doc, resource, object), NULL);
  yyjson_mut_doc_free(doc);
  return shown;
}

static void describe(struct describe *d, struct km_result *out)
{
  struct km_buf body, events;
  km_buf_init(&body, MAX_BODY_BYTES);
  km_buf_init(&events, MAX_EVENTS_BYTES);
  d->out = &body;
  write_body(d);
  d->out = &events;
  write_events(d);
  write_answer(d->call, &body, &events, out);
  km_buf_done(&events);
  km_buf_done(&body);
}

static enum km_rc describe_one(struct km_call *call, const void *data, struct km_result *out,
                               struct km_error *err)
{
  struct object_query query = *(const struct object_query *)data;
  struct target target;
  yyjson_doc *doc = NULL;
  enum km_rc rc = target_open(call, query.context, &target, err);
  if (rc == KM_OK) {
    rc = target_resource(call, &target, query.kind, query.api_version, &query.resource, err);
  }
  if (rc != KM_OK) {
    return rc;
  }
  const char *ns = query.resource->namespaced ? object_namespace(&target, query.ns) : NULL;
  rc = fetch_object(call, &target, &query, ns, false, &doc, err);
  if (rc != KM_OK) {
    return rc;
  }
  yyjson_doc *shown = redacted(query.resource, yyjson_doc_get_root(doc));
  struct describe d = {
      .call = call,
      .target = &target,
      .resource = query.resource,
      .ns = ns,
      .name = query.name,
      .object = yyjson_doc_get_root(shown),
      .now_ms = km_client_now_ms(target.client, NULL),
  };
  describe(&d, out);
  yyjson_doc_free(shown);
  return km_call_check(call, err);
}

RUN_IN_CONTEXTS(run_describe, struct object_query, describe_one)

static const struct km_arg describe_args[] = {
    ARGS_OF_OBJECT,
};

const struct km_tool km_tool_resources_describe = {
    .name = "resources_describe",
    .title = "Describe a resource",
    .description =
        "One object in short with what belongs to it (conditions, containers, endpoints, pods, quotas, "
        "events), as `kubectl describe` does.",
    .hints = KM_HINT_READ_ONLY | KM_HINT_IDEMPOTENT | KM_HINT_OPEN_WORLD,
    .args = describe_args,
    .arg_count = KM_ARRAY_LEN(describe_args),
    .args_size = sizeof(struct object_query),
    .run = run_describe,
};
