/* Events into rows: read page by page, equal ones taken together.
 *
 * Two events are equal when object, type, reason and message are, the message without its numbers and generated names:
 * a controller that creates a hundred pods says one thing a hundred times. At most 2 * MAX_ROWS rows are held; then all but
 * the MAX_ROWS newest are forgotten but for their numbers, so memory does not depend on how many events a cluster has. A
 * row forgotten and then met again begins anew: only rows far older than what an answer shows can be short of a count.
 * Owns its rows until events_done. One thread at a time. */
#include "events.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "kube_mcp/base/alloc.h"
#include "kube_mcp/base/map.h"
#include "sheet.h"

#include "kube_mcp/base/banned.h"

#define MAX_ROWS          ((size_t)2048)
#define MAX_MESSAGE_BYTES ((size_t)400)
#define MAX_SOURCE_BYTES  ((size_t)120)
#define MAX_COMPARED      ((size_t)400) /* of a message: what comes later makes no difference */
#define MAX_KEY_BYTES     ((size_t)2048)
#define MAX_SELECTOR      ((size_t)2048)

static const struct km_resource events_resource = {.group = "",
                                                   .version = "v1",
                                                   .plural = "events",
                                                   .singular = "event",
                                                   .kind = "Event",
                                                   .namespaced = true};

/* --- one event -------------------------------------------------------------------------------------------------------- */

static int64_t time_of(yyjson_val *val, const char *key)
{
  const char *text = km_json_str(val, key);
  int64_t ms = 0;
  return text != NULL && km_rfc3339_parse(text, strlen(text), &ms) ? ms : 0;
}

static int64_t first_known(int64_t a, int64_t b, int64_t c)
{
  return a != 0 ? a : b != 0 ? b : c;
}

/* When and how often, whichever of the two forms of events this one is of. */
static void read_times(yyjson_val *event, struct event_row *row)
{
  yyjson_val *series = km_json_obj(event, "series");
  int64_t created_ms = time_of(km_json_obj(event, "metadata"), "creationTimestamp");
  int64_t event_ms = time_of(event, "eventTime");
  row->first_ms = first_known(time_of(event, "firstTimestamp"), event_ms, created_ms);
  row->last_ms = first_known(time_of(series, "lastObservedTime"), time_of(event, "lastTimestamp"),
                             first_known(event_ms, row->first_ms, 0));
  row->first_ms = first_known(row->first_ms, row->last_ms, 0);
  row->times = km_json_int(series != NULL ? series : event, "count", 1);
  row->times = row->times < 1 ? 1 : row->times;
  row->events = 1;
}

static void read_text(char *out, size_t size, yyjson_val *obj, const char *key)
{
  const char *text = km_json_str(obj, key);
  (void)km_strcopy(out, size, text != NULL ? text : "");
}

/* Everything but message and source, which only the newest event of a row gives. */
static void read_event(yyjson_val *event, struct event_row *row)
{
  yyjson_val *object = km_json_obj(event, "involvedObject");
  read_times(event, row);
  read_text(row->ns, sizeof(row->ns), km_json_obj(event, "metadata"), "namespace");
  read_text(row->kind, sizeof(row->kind), object, "kind");
  read_text(row->name, sizeof(row->name), object, "name");
  read_text(row->type, sizeof(row->type), event, "type");
  read_text(row->reason, sizeof(row->reason), event, "reason");
}

/* TEXT as memory of its own, cut with an ellipsis. */
static char *cut_copy(const char *text, size_t max)
{
  size_t len = text != NULL ? strlen(text) : 0;
  size_t kept = km_utf8_prefix(text != NULL ? text : "", len, max);
  struct km_buf out;
  km_buf_init(&out, max + 4);
  km_buf_append(&out, text, kept);
  km_buf_puts(&out, kept < len ? "\xE2\x80\xA6" : "");
  return km_buf_detach(&out, NULL);
}

static void take_texts(yyjson_val *event, struct event_row *row)
{
  const char *source = km_json_str(km_json_obj(event, "source"), "component");
  free(row->message);
  free(row->source);
  row->message = cut_copy(km_json_str(event, "message"), MAX_MESSAGE_BYTES);
  row->source =
      cut_copy(km_str_empty(source) ? km_json_str(event, "reportingComponent") : source, MAX_SOURCE_BYTES);
}

/* --- equal ones --------------------------------------------------------------------------------------------------------- */

static bool is_word(char c)
{
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The ending of a generated name: Kubernetes draws it from consonants and digits. */
static bool is_generated(const char *word, size_t len)
{
  static const char drawn[] = "bcdfghjklmnpqrstvwxz2456789";
  return len >= 5 && len <= 10 && word[-1] == '-' && strspn(word, drawn) >= len;
}

static bool has_digit(const char *word, size_t len)
{
  for (size_t i = 0; i < len; i++) {
    if (word[i] >= '0' && word[i] <= '9') {
      return true;
    }
  }
  return false;
}

/* Appends TEXT with "#" for what differs between repetitions of one message. */
static void put_normalised(struct km_buf *out, const char *text)
{
  size_t len = strlen(text);
  len = len < MAX_COMPARED ? len : MAX_COMPARED;
  for (size_t i = 0; i < len;) {
    size_t word = 0;
    while (i + word < len && is_word(text[i + word])) {
      word++;
    }
    if (word == 0) {
      km_buf_putc(out, text[i++]);
    } else if (has_digit(text + i, word) || (i > 0 && is_generated(text + i, word))) {
      km_buf_putc(out, '#');
    } else {
      km_buf_append(out, text + i, word);
    }
    i += word;
  }
}

static void put_key(const struct event_row *row, const char *message, struct km_buf *out)
{
  const char *const parts[] = {row->ns, row->kind, row->name, row->type, row->reason};
  km_buf_clear(out);
  for (size_t i = 0; i < KM_ARRAY_LEN(parts); i++) {
    km_buf_puts(out, parts[i]);
    km_buf_putc(out, '\x1f'); /* in none of them */
  }
  put_normalised(out, message != NULL ? message : "");
}

static void free_row(void *data)
{
  struct event_row *row = data;
  free(row->message);
  free(row->source);
  free(row);
}

/* --- the rows ------------------------------------------------------------------------------------------------------------ */

struct keyed {
  const char *key;
  struct event_row *row;
};

struct collected {
  struct keyed *items;
  size_t count;
};

static bool collect(const char *key, void *row, void *data)
{
  struct collected *collected = data;
  collected->items[collected->count++] = (struct keyed){.key = key, .row = row};
  return true;
}

/* The newest first; of those of one moment by key, so that the same events give the same answer. */
static int newest_first(const void *a, const void *b)
{
  const struct keyed *x = a, *y = b;
  if (x->row->last_ms != y->row->last_ms) {
    return x->row->last_ms > y->row->last_ms ? -1 : 1;
  }
  return strcmp(x->key, y->key);
}

/* In memory of the caller's. */
static struct collected sorted_rows(const struct events *events)
{
  struct collected all = {.items = km_alloc((km_map_count(events->by_key) + 1) * sizeof(struct keyed))};
  km_map_each(events->by_key, collect, &all);
  qsort(all.items, all.count, sizeof(all.items[0]), newest_first);
  return all;
}

void events_leave_out(struct events *events, const struct event_row *row)
{
  km_tally_add(events->arena, &events->by_reason, row->reason, strlen(row->reason), row->events);
  km_tally_add(events->arena, &events->by_namespace, row->ns, strlen(row->ns), row->events);
}

static void forget_old_rows(struct events *events)
{
  struct collected all = sorted_rows(events);
  for (size_t i = MAX_ROWS; i < all.count; i++) {
    const struct event_row *row = all.items[i].row;
    events->forgotten += row->events;
    events_leave_out(events, row);
    (void)km_map_remove(events->by_key, all.items[i].key);
  }
  free(all.items);
}

static void merge(struct event_row *row, const struct event_row *met, yyjson_val *event)
{
  row->times += met->times;
  row->events++;
  if (met->first_ms != 0 && (row->first_ms == 0 || met->first_ms < row->first_ms)) {
    row->first_ms = met->first_ms;
  }
  if (met->last_ms > row->last_ms) {
    row->last_ms = met->last_ms;
    take_texts(event, row);
  }
}

static void add_event(struct events *events, const struct event_row *met, yyjson_val *event,
                      struct km_buf *key)
{
  events->events++;
  events->times += met->times;
  put_key(met, km_json_str(event, "message"), key);
  struct event_row *row = km_map_get(events->by_key, key->data);
  if (row != NULL) {
    merge(row, met, event);
    return;
  }
  row = km_alloc(sizeof(*row));
  *row = *met;
  take_texts(event, row);
  km_map_put(events->by_key, key->data, row);
  if (km_map_count(events->by_key) >= 2 * MAX_ROWS) {
    forget_old_rows(events);
  }
}

/* --- reading ------------------------------------------------------------------------------------------------------------- */

struct reader {
  struct km_call *call;
  struct target *target;
  const struct events_query *query;
  struct events *events;
  int64_t read;
};

static bool is_wanted(const struct reader *reader, const struct event_row *met, yyjson_val *event)
{
  const struct events_query *query = reader->query;
  const char *uid = km_json_str(km_json_obj(event, "involvedObject"), "uid");
  bool another =
      query->uid != NULL && !km_str_empty(uid) && !km_streq(uid, query->uid); /* of the same name */
  return !another && (query->within_ms == 0 || met->last_ms >= reader->events->now_ms - query->within_ms) &&
         (query->since_ms == 0 || met->last_ms >= query->since_ms);
}

static bool on_page(const struct km_list_page *page, void *data)
{
  struct reader *reader = data;
  struct events *events = reader->events;
  yyjson_val *items = km_json_arr(page->root, "items");
  struct km_buf key;
  km_buf_init(&key, MAX_KEY_BYTES);
  if (reader->read == 0) {
    events->now_ms = km_client_now_ms(reader->target->client, &events->ahead_ms);
  }
  size_t i, max;
  yyjson_val *event;
  yyjson_arr_foreach(items, i, max, event)
  {
    struct event_row met = {0};
    read_event(event, &met);
    if (is_wanted(reader, &met, event)) {
      add_event(events, &met, event, &key);
    }
  }
  km_buf_done(&key);
  reader->read += (int64_t)yyjson_arr_size(items);
  events->inconsistent = events->inconsistent || page->inconsistent;
  km_call_progress(reader->call, (double)reader->read, -1, "events read");
  return true;
}

/* Appends one requirement; the value's own commas and equal signs are escaped. */
static void put_requirement(struct km_buf *out, const char *field, const char *value)
{
  if (value == NULL) {
    return;
  }
  km_buf_printf(out, "%s%s=", out->len > 0 ? "," : "", field);
  for (; *value != '\0'; value++) {
    if (strchr("\\,=", *value) != NULL) {
      km_buf_putc(out, '\\');
    }
    km_buf_putc(out, *value);
  }
}

static enum km_rc read_namespace(struct reader *reader, const char *ns, struct km_error *err)
{
  const struct events_query *query = reader->query;
  struct km_buf selector;
  km_buf_init(&selector, MAX_SELECTOR);
  put_requirement(&selector, "involvedObject.kind", query->kind);
  put_requirement(&selector, "involvedObject.name", query->name);
  put_requirement(&selector, "type", query->type);
  put_requirement(&selector, "reason", query->reason);
  struct km_list_query list = {
      .resource = &events_resource,
      .ns = ns,
      .field_selector = selector.data,
      .form = KM_LIST_OBJECTS,
      .page_size = toolbox(reader->call)->page_size,
  };
  enum km_rc rc =
      selector.failed
          ? km_error_set(err, KM_E_INVALID, "the names are too long: %zu bytes at most", MAX_SELECTOR)
          : km_client_list(reader->target->client, &list, &reader->target->request, on_page, reader, err);
  km_buf_done(&selector);
  return rc;
}

static void finish(struct events *events, struct km_arena *arena)
{
  struct collected all = sorted_rows(events);
  events->rows = KM_ARENA_ARRAY(arena, struct event_row *, all.count + 1);
  events->row_count = all.count;
  for (size_t i = 0; i < all.count; i++) {
    events->rows[i] = all.items[i].row;
  }
  free(all.items);
}

enum km_rc events_gather(struct km_call *call, struct target *target, const struct events_query *query,
                         struct events *ret, struct km_error *err)
{
  *ret = (struct events){.arena = call->arena, .by_key = km_map_new(free_row), .now_ms = km_clock_wall_ms()};
  struct reader reader = {.call = call, .target = target, .query = query, .events = ret};
  enum km_rc rc = read_namespace(&reader, query->ns, err);
  const char *own = rc != KM_OK && query->ns == NULL ? narrower_namespace(target, err) : NULL;
  if (own != NULL) {
    km_error_clear(err);
    ret->narrowed = own;
    rc = read_namespace(&reader, own, err);
  }
  if (rc == KM_OK) {
    finish(ret, call->arena);
  }
  return rc;
}

void events_done(struct events *events)
{
  km_map_free(events->by_key);
  *events = (struct events){0};
}

/* --- a table of them ------------------------------------------------------------------------------------------------------ */

/* Clocks of two machines: what seems to lie ahead is now. */
static void put_age(struct km_buf *out, int64_t now_ms, int64_t then_ms)
{
  char age[32] = "<unknown>";
  if (then_ms != 0) {
    km_human_duration(age, sizeof(age), now_ms > then_ms ? now_ms - then_ms : 0);
  }
  km_buf_puts(out, age);
}

void event_put_object(const struct event_row *row, struct km_buf *out)
{
  for (const char *c = row->kind; *c != '\0'; c++) {
    km_buf_putc(out, *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c);
  }
  km_buf_printf(out, "/%s", row->name);
}

static void add_cells(const struct events *events, const struct event_row *row, bool object,
                      struct sheet *sheet)
{
  struct km_buf text;
  km_buf_init(&text, 512);
  put_age(&text, events->now_ms, row->last_ms);
  size_t len = text.len;
  km_buf_puts(&text, " (first ");
  put_age(&text, events->now_ms, row->first_ms);
  if (row->first_ms == 0 || strncmp(text.data, text.data + len + strlen(" (first "), len) == 0) {
    km_buf_truncate(&text, len);
  } else {
    km_buf_putc(&text, ')');
  }
  sheet_cell(sheet, text.data);
  sheet_cellf(sheet, "%" PRId64, row->times);
  sheet_cell(sheet, row->type);
  sheet_cell(sheet, row->reason);
  if (object) {
    km_buf_clear(&text);
    event_put_object(row, &text);
    sheet_cell(sheet, text.data);
  }
  sheet_cell(sheet, row->message);
  km_buf_done(&text);
}

int64_t events_put_table(const struct events *events, struct km_arena *arena,
                         const struct events_limits *limits, struct km_buf *out)
{
  static const char *const headings[] = {"Last Seen", "Count", "Type", "Reason", "Object", "Message"};
  struct sheet sheet;
  sheet_init(&sheet);
  for (size_t i = 0; i < KM_ARRAY_LEN(headings); i++) {
    if (limits->object_column || !km_streq(headings[i], "Object")) {
      sheet_column(&sheet, headings[i]);
    }
  }
  for (size_t i = 0; i < events->row_count; i++) {
    if (limits->max_rows > 0 && (int64_t)i >= limits->max_rows) {
      break;
    }
    sheet_row(&sheet, limits->namespace_column ? events->rows[i]->ns : NULL);
    add_cells(events, events->rows[i], limits->object_column, &sheet);
  }
  struct sheet_limits size = {.max_bytes = limits->max_bytes, .namespace_column = limits->namespace_column};
  int64_t shown = sheet_render(&sheet, arena, &size, out);
  sheet_done(&sheet);
  return shown;
}
