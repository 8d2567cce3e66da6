/* events_list: what happened in a cluster lately, the newest first, with equal events in one row.
 *
 * The newest event may be on any page, so all pages are read, and there is no cursor: `since`, `for`, `type` and `reason`
 * narrow what is read, and an answer that was cut says how the rest is distributed. */
#include "events.h"

#include <inttypes.h>
#include <string.h>

#include "kube_mcp/kube/line.h"
#include "parts.h"
#include "sheet.h"

#include "kube_mcp/base/banned.h"

#define MAX_ITEM_BYTES    ((size_t)8192)
#define MAX_LINE_COLUMNS  ((size_t)420)
#define NOTICED_SKEW_MS   INT64_C(30000)
#define MAX_LISTED_EVENTS 2000

struct events_args {
  const char *context, *ns, *object, *reason, *since;
  int type; /* index into types, -1 = any */
  int output;
  int64_t limit;
  struct km_arg_strings contexts;
};

enum form { FORM_TABLE, FORM_JSON, FORM_COUNT };
static const char *const forms[] = {"table", "json", "count", NULL};
static const char *const types[] = {"Normal", "Warning", NULL};
static const char *const type_aliases[] = {"types", NULL};
static const char *const object_aliases[] = {"object", "involved_object", NULL};

/* --- the question ------------------------------------------------------------------------------------------------------- */

static enum km_rc refuse_object(const char *object, struct km_error *err)
{
  km_error_set_type(err, KM_E_INVALID, KM_TYPE_VALIDATION_ERROR, "argument 'for': '%.100s' names no object",
                    object);
  return km_error_hint(err, "write \"pod/web-0\", or the name alone for objects of any kind");
}

/* "deployment/web" or "web" into kind and name. What is in no namespace has its events in any. */
static enum km_rc read_object(struct km_call *call, struct target *target, const char *object,
                              struct events_query *query, struct km_error *err)
{
  if (km_str_empty(object)) {
    return KM_OK;
  }
  const char *slash = strchr(object, '/');
  query->name = slash != NULL ? slash + 1 : object;
  if (slash == NULL) {
    return KM_OK;
  }
  if (slash == object || *query->name == '\0' || strchr(query->name, '/') != NULL) {
    return refuse_object(object, err);
  }
  const char *kind = km_arena_strndup(call->arena, object, (size_t)(slash - object));
  const struct km_resource *resource = NULL;
  enum km_rc rc = target_resource(call, target, kind, NULL, &resource, err);
  if (rc != KM_OK) {
    return km_error_wrap(err, "argument 'for'");
  }
  query->kind = resource->kind;
  if (!resource->namespaced) {
    query->ns = NULL;
  }
  return KM_OK;
}

/* "1h30m" ago, or a time. */
static enum km_rc read_since(const char *since, struct events_query *query, struct km_error *err)
{
  if (km_str_empty(since) || km_rfc3339_parse(since, strlen(since), &query->since_ms) ||
      (km_duration_parse(since, &query->within_ms) && query->within_ms > 0)) {
    return KM_OK;
  }
  km_error_set_type(err, KM_E_INVALID, KM_TYPE_VALIDATION_ERROR,
                    "argument 'since': '%.100s' is neither a duration nor a time", since);
  return km_error_hint(err, "write \"30m\", \"2h\", \"1d\" or \"2026-01-02T15:04:05Z\"");
}

/* --- the answer --------------------------------------------------------------------------------------------------------- */

static void put_counts(const struct events *events, struct km_buf *out)
{
  km_buf_printf(out, "%" PRId64 " event%s", events->events, events->events == 1 ? "" : "s");
  if (events->times != events->events) {
    km_buf_printf(out, " (%" PRId64 " times)", events->times);
  }
}

/* What was left out, and how it groups. */
static void put_rest(struct events *events, int64_t shown, bool across, struct km_buf *out)
{
  int64_t rows = (int64_t)events->row_count, left_out = events->forgotten;
  for (int64_t i = shown; i < rows; i++) {
    const struct event_row *row = events->rows[i];
    left_out += row->events;
    events_leave_out(events, row);
  }
  if (left_out == 0) {
    return;
  }
  km_buf_printf(out, ": the newest %" PRId64 " shown, %" PRId64 " events left out (by reason: ", shown,
                left_out);
  km_tally_put(events->arena, &events->by_reason, out);
  if (across) {
    km_buf_puts(out, "; by namespace: ");
    km_tally_put(events->arena, &events->by_namespace, out);
  }
  km_buf_puts(out, ")\n# there is no cursor: narrow with since, for, type, reason or namespace");
}

static void put_remarks(const struct events *events, struct km_buf *out)
{
  if (events->narrowed != NULL) {
    put_narrowed(events->narrowed, out);
  }
  if (events->inconsistent) {
    km_buf_puts(out, "# the list changed while it was read: events may be missing\n");
  }
  if (events->forgotten > 0) {
    km_buf_puts(out, "# too many different events to compare all: the COUNT of old rows may be too low\n");
  }
  int64_t ahead_ms = events->ahead_ms, apart_ms = ahead_ms < 0 ? -ahead_ms : ahead_ms;
  if (apart_ms >= NOTICED_SKEW_MS) {
    char apart[32];
    km_human_duration(apart, sizeof(apart), apart_ms);
    km_buf_printf(out, "# the cluster's clock is %s %s ours: ages are by its clock\n", apart,
                  ahead_ms > 0 ? "ahead of" : "behind");
  }
}

static void write_footer(struct km_call *call, struct events *events, int64_t shown, bool across,
                         struct km_buf *out)
{
  put_context(call, out);
  if (events->events == 0) {
    km_buf_puts(out, "nothing found; a cluster keeps events for an hour unless told otherwise\n");
  } else {
    put_counts(events, out);
    size_t rows = events->row_count;
    km_buf_printf(out, " in %s%zu row%s, newest first", events->forgotten > 0 ? "more than " : "", rows,
                  rows == 1 ? "" : "s");
    put_rest(events, shown, across, out);
    km_buf_putc(out, '\n');
  }
  put_remarks(events, out);
}

/* One line of clean text as a member of OBJ. */
static void add_line(yyjson_mut_doc *doc, yyjson_mut_val *obj, const char *key, const char *text)
{
  struct km_buf line;
  km_buf_init(&line, KM_LINE_ROOM(MAX_LINE_COLUMNS));
  km_put_line(&line, text, strlen(text), MAX_LINE_COLUMNS);
  yyjson_mut_obj_add_strncpy(doc, obj, key, line.data, line.len);
  km_buf_done(&line);
}

static void add_time(yyjson_mut_doc *doc, yyjson_mut_val *obj, const char *key, int64_t ms)
{
  char text[32];
  if (ms != 0) {
    km_rfc3339(text, sizeof(text), ms);
    yyjson_mut_obj_add_strcpy(doc, obj, key, text);
  }
}

static void write_json(const struct event_row *row, struct km_buf *out)
{
  yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
  yyjson_mut_val *obj = yyjson_mut_obj(doc);
  add_time(doc, obj, "last", row->last_ms);
  add_time(doc, obj, "first", row->first_ms);
  yyjson_mut_obj_add_int(doc, obj, "count", row->times);
  yyjson_mut_obj_add_int(doc, obj, "events", row->events);
  struct km_buf object;
  km_buf_init(&object, sizeof(*row));
  event_put_object(row, &object);
  const char *const parts[][2] = {{"type", row->type},       {"reason", row->reason},
                                  {"namespace", row->ns},    {"object", object.data},
                                  {"message", row->message}, {"source", row->source}};
  for (size_t i = 0; i < KM_ARRAY_LEN(parts); i++) {
    add_line(doc, obj, parts[i][0], parts[i][1]);
  }
  km_json_write(obj, false, out);
  km_buf_putc(out, '\n');
  km_buf_done(&object);
  yyjson_mut_doc_free(doc);
}

/* One object a line, as many as BUDGET and LIMIT allow; returns how many. */
static int64_t put_json(const struct events *events, size_t budget, int64_t limit, struct km_buf *out)
{
  int64_t shown = 0;
  struct km_buf item;
  km_buf_init(&item, MAX_ITEM_BYTES);
  for (size_t i = 0; i < events->row_count && (limit == 0 || shown < limit); i++, shown++) {
    km_buf_clear(&item);
    write_json(events->rows[i], &item);
    if (item.failed || out->len + item.len > budget) {
      break;
    }
    km_buf_append(out, item.data, item.len);
  }
  km_buf_done(&item);
  return shown;
}

static void write_answer(struct km_call *call, const struct events_args *args, struct events *events,
                         bool across, struct km_result *out)
{
  struct km_buf rows, footer;
  size_t budget = sheet_budget(call);
  km_buf_init(&rows, budget + SHEET_FOOTER_BYTES);
  km_buf_init(&footer, 2 * SHEET_FOOTER_BYTES);
  int64_t shown = 0;
  if (args->output == FORM_TABLE) {
    struct events_limits limits = {
        .max_bytes = budget, .max_rows = args->limit, .namespace_column = across, .object_column = true};
    shown = events_put_table(events, call->arena, &limits, &rows);
  } else if (args->output == FORM_JSON) {
    shown = put_json(events, budget, args->limit, &rows);
  } else {
    km_buf_printf(&rows, "%" PRId64 "\n", events->events);
    shown = (int64_t)events->row_count;
  }
  if (args->output == FORM_COUNT) {
    put_remarks(events, &footer);
  } else {
    write_footer(call, events, shown, across, &footer);
  }
  answer_rows(call, &rows, &footer, out);
  km_buf_done(&footer);
  km_buf_done(&rows);
}

static enum km_rc list_events(struct km_call *call, const void *data, struct km_result *out,
                              struct km_error *err)
{
  const struct events_args *args = data;
  struct target target;
  struct events_query query = {
      .ns = km_str_empty(args->ns) ? NULL : args->ns,
      .type = args->type < 0 ? NULL : types[args->type],
      .reason = km_str_empty(args->reason) ? NULL : args->reason,
  };
  enum km_rc rc = target_open(call, args->context, &target, err);
  if (rc == KM_OK) {
    rc = read_since(args->since, &query, err);
  }
  if (rc == KM_OK) {
    rc = read_object(call, &target, args->object, &query, err);
  }
  if (rc != KM_OK) {
    return rc;
  }
  struct events events;
  rc = events_gather(call, &target, &query, &events, err);
  if (rc == KM_OK) {
    write_answer(call, args, &events, query.ns == NULL && events.narrowed == NULL, out);
  }
  events_done(&events);
  return rc;
}

/* --- the tool ----------------------------------------------------------------------------------------------------------- */

RUN_IN_CONTEXTS(run_events, struct events_args, list_events)

static const struct km_arg events_arg_rows[] = {
    ARG_CONTEXT(struct events_args),
    ARG_CONTEXTS(struct events_args),
    ARG_NAMESPACE(struct events_args, "Namespace. Empty = all namespaces."),
    {.name = "for",
     .type = KM_ARG_STRING,
     KM_ARG_AT(struct events_args, object),
     .max = 512,
     .aliases = object_aliases,
     .description = "The object they are about: \"pod/web-0\", \"deploy/web\", or a name alone."},
    {.name = "type",
     .type = KM_ARG_ENUM,
     KM_ARG_AT(struct events_args, type),
     .one_of = types,
     .aliases = type_aliases,
     .description = "Only these. Default: both."},
    {.name = "reason",
     .type = KM_ARG_STRING,
     KM_ARG_AT(struct events_args, reason),
     .max = 128,
     .description = "e.g. \"FailedScheduling\"."},
    {.name = "since",
     .type = KM_ARG_STRING,
     KM_ARG_AT(struct events_args, since),
     .max = 64,
     .description = "What happened since: \"30m\" ago, or an RFC 3339 time."},
    {.name = "limit",
     .type = KM_ARG_INT,
     KM_ARG_AT(struct events_args, limit),
     .min = 1,
     .max = MAX_LISTED_EVENTS,
     .description = "Default: what fits the answer."},
    {.name = "output",
     .type = KM_ARG_ENUM,
     KM_ARG_AT(struct events_args, output),
     .one_of = forms,
     .fallback = "\"table\"",
     .description = "Form of the answer."},
};

static const struct km_rbac_row events_rbac[] = {{"list", "", "events", NULL}};

const struct km_tool km_tool_events_list = {
    .name = "events_list",
    .title = "List events",
    .description = "Events of a cluster, a namespace or an object, newest first; equal ones are one row with "
                   "their count.",
    .hints = KM_HINT_READ_ONLY | KM_HINT_IDEMPOTENT | KM_HINT_OPEN_WORLD,
    .args = events_arg_rows,
    .arg_count = KM_ARRAY_LEN(events_arg_rows),
    .args_size = sizeof(struct events_args),
    .rbac = events_rbac,
    .rbac_count = KM_ARRAY_LEN(events_rbac),
    .run = run_events,
};
