/* The engine of descriptions: rows of label and path into lines and tables.
 *
 * Everything that comes from the cluster goes through put_line: clean, on one line, cut. A path that selects nothing writes
 * nothing. Paths are constants of the program: one that does not compile is a bug. Memory is the call's; output is bounded
 * by the buffer's maximum. One thread at a time. */
#include "describe.h"

#include <inttypes.h>
#include <string.h>

#include "kube_mcp/kube/line.h"
#include "sheet.h"

#include "kube_mcp/base/banned.h"

#define MAX_VALUE_COLUMNS ((size_t)600)
#define MAX_FLAT_BYTES    ((size_t)16 * 1024) /* of a value, before it is cut */
#define MAX_TABLE_ROWS    ((size_t)100)
#define MAX_LINES         ((size_t)100)
#define MAX_TABLE_BYTES   ((size_t)64 * 1024)

/* --- values --------------------------------------------------------------------------------------------------------------- */

static void put_scalar(yyjson_val *val, struct km_buf *out)
{
  if (yyjson_is_str(val)) {
    km_buf_append(out, yyjson_get_str(val), yyjson_get_len(val));
  } else {
    km_json_write_val(val, false, out);
  }
}

yyjson_val *describe_members(yyjson_val *val)
{
  /* With what yyjson_obj_foreach computes the address of before it sees that there is no member. */
  static const yyjson_val none[3] = {{.tag = YYJSON_TYPE_OBJ}};
  return yyjson_is_obj(val) ? val : km_unconst(none);
}

static void put_members(yyjson_val *val, const char *separator, struct km_buf *out)
{
  size_t i, max;
  yyjson_val *key, *member;
  yyjson_obj_foreach(describe_members(val), i, max, key, member)
  {
    km_buf_puts(out, i > 0 ? separator : "");
    put_scalar(key, out);
    km_buf_putc(out, '=');
    bool nested = yyjson_is_obj(member);
    km_buf_puts(out, nested ? "{" : "");
    describe_put_flat(member, out);
    km_buf_puts(out, nested ? "}" : "");
  }
}

/* Recurses no deeper than the parser allows. */
void describe_put_flat(yyjson_val *val, struct km_buf *out)
{
  if (yyjson_is_obj(val)) {
    put_members(val, " ", out);
    return;
  }
  if (!yyjson_is_arr(val)) {
    put_scalar(val, out);
    return;
  }
  size_t i, max;
  yyjson_val *item;
  km_buf_putc(out, '[');
  yyjson_arr_foreach(val, i, max, item)
  {
    bool nested = yyjson_is_obj(item);
    km_buf_puts(out, i > 0 ? ", " : "");
    km_buf_puts(out, nested ? "{" : "");
    describe_put_flat(item, out);
    km_buf_puts(out, nested ? "}" : "");
  }
  km_buf_putc(out, ']');
}

/* "tier in (a, b)", as kubectl writes a requirement. */
static void put_requirement(yyjson_val *requirement, struct km_buf *out)
{
  static const struct {
    const char *operator, * before, *after;
  } operators[] = {
      {"In", "", " in ("}, {"NotIn", "", " notin ("}, {"Exists", "", ""}, {"DoesNotExist", "!", ""}};
  const char *operator= km_json_str(requirement, "operator");
  const char *key = km_json_str(requirement, "key");
  for (size_t i = 0; i < KM_ARRAY_LEN(operators); i++) {
    if (!km_streq(operator, operators[i].operator)) {
      continue;
    }
    km_buf_printf(out, "%s%s%s", operators[i].before, key != NULL ? key : "", operators[i].after);
    if (*operators[i].after != '\0') {
      size_t j, max;
      yyjson_val *value;
      yyjson_arr_foreach(km_json_arr(requirement, "values"), j, max, value)
      {
        km_buf_puts(out, j > 0 ? "," : "");
        put_scalar(value, out);
      }
      km_buf_putc(out, ')');
    }
    return;
  }
  describe_put_flat(requirement, out);
}

void describe_put_selector(yyjson_val *selector, struct km_buf *out)
{
  size_t start = out->len;
  put_members(km_json_obj(selector, "matchLabels"), ",", out);
  size_t i, max;
  yyjson_val *requirement;
  yyjson_arr_foreach(km_json_arr(selector, "matchExpressions"), i, max, requirement)
  {
    km_buf_puts(out, out->len > start ? "," : "");
    put_requirement(requirement, out);
  }
  km_buf_puts(out, out->len == start ? "(all)" : "");
}

void describe_put_age(const struct describe *d, const char *time, struct km_buf *out)
{
  int64_t then_ms = 0;
  char age[32];
  if (time != NULL && km_rfc3339_parse(time, strlen(time), &then_ms)) {
    km_human_duration(age, sizeof(age), d->now_ms > then_ms ? d->now_ms - then_ms : 0);
    km_buf_puts(out, age);
  }
}

void describe_put_time(const struct describe *d, const char *time, struct km_buf *out)
{
  int64_t then_ms = 0;
  km_buf_puts(out, time);
  if (km_rfc3339_parse(time, strlen(time), &then_ms)) {
    km_buf_puts(out, " (");
    char age[32];
    int64_t ago_ms = d->now_ms - then_ms;
    km_human_duration(age, sizeof(age), ago_ms < 0 ? -ago_ms : ago_ms);
    km_buf_printf(out, ago_ms < 0 ? "in %s)" : "%s ago)", age);
  }
}

static void put_object(yyjson_val *reference, struct km_buf *out)
{
  static const char *const members[] = {"kind", "namespace", "name"};
  size_t start = out->len;
  for (size_t i = 0; i < KM_ARRAY_LEN(members); i++) {
    const char *text = km_json_str(reference, members[i]);
    if (text != NULL) {
      km_buf_printf(out, "%s%s", out->len > start ? "/" : "", text);
    }
  }
}

/* --- one path ------------------------------------------------------------------------------------------------------------- */

struct value {
  const struct describe *d;
  enum describe_form form;
  struct km_buf *out;
  size_t count;
};

static bool put_value(yyjson_val *val, void *data)
{
  struct value *value = data;
  bool empty = yyjson_is_null(val) || (yyjson_is_ctn(val) && yyjson_get_len(val) == 0) ||
               (yyjson_is_str(val) && yyjson_get_len(val) == 0);
  if (empty && value->form != DESCRIBE_SELECTOR) {
    return true;
  }
  km_buf_puts(value->out, value->count++ > 0 ? ", " : "");
  if (value->form == DESCRIBE_TIME && yyjson_is_str(val)) {
    describe_put_time(value->d, yyjson_get_str(val), value->out);
  } else if (value->form == DESCRIBE_SELECTOR) {
    describe_put_selector(val, value->out);
  } else if (value->form == DESCRIBE_OBJECT) {
    put_object(val, value->out);
  } else if (value->form == DESCRIBE_PAIRS && yyjson_is_obj(val)) {
    put_members(val, ", ", value->out);
  } else {
    describe_put_flat(val, value->out);
  }
  return true;
}

static struct km_path *compile(const struct describe *d, const char *path)
{
  struct km_path *compiled = NULL;
  struct km_error err;
  KM_ASSERT(km_path_compile(d->call->arena, path, &compiled, &err) == KM_OK);
  return compiled;
}

/* What PATH selects as one line in OUT; false when it is nothing. */
static bool put_path(const struct describe *d, yyjson_val *root, const struct km_path *path,
                     enum describe_form form, struct km_buf *out)
{
  struct value value = {.d = d, .form = form, .out = out};
  km_path_eval(path, root, put_value, &value);
  return value.count > 0;
}

static bool keep_first(yyjson_val *val, void *data)
{
  *(yyjson_val **)data = val;
  return false;
}

static yyjson_val *first_value(const struct describe *d, yyjson_val *root, const char *path)
{
  yyjson_val *first = NULL;
  km_path_eval(compile(d, path), root, keep_first, &first);
  return first;
}

/* --- lines ----------------------------------------------------------------------------------------------------------------- */

static void put_indent(struct describe *d)
{
  km_buf_fill(d->out, ' ', d->indent);
}

static void put_line(struct describe *d, const char *label, const char *text, size_t len)
{
  put_indent(d);
  if (label != NULL) {
    km_put_line(d->out, label, strlen(label), MAX_VALUE_COLUMNS);
    km_buf_puts(d->out, ": ");
  }
  km_put_line(d->out, text, len, MAX_VALUE_COLUMNS);
  km_buf_putc(d->out, '\n');
}

void describe_line(struct describe *d, const char *label, const char *format, ...)
{
  struct km_buf text;
  km_buf_init(&text, MAX_FLAT_BYTES);
  va_list args;
  va_start(args, format);
  km_buf_vprintf(&text, format, args);
  va_end(args);
  put_line(d, label, text.data, text.len);
  km_buf_done(&text);
}

void describe_begin(struct describe *d, const char *label)
{
  put_indent(d);
  km_put_line(d->out, label, strlen(label), MAX_VALUE_COLUMNS);
  km_buf_puts(d->out, ":\n");
  d->indent += 2;
}

void describe_end(struct describe *d)
{
  d->indent -= 2;
}

void describe_block(struct describe *d, const char *text, size_t len, size_t max_bytes)
{
  size_t kept = km_utf8_prefix(text, len, max_bytes);
  struct km_buf clean;
  km_buf_init(&clean, 3 * kept + 8);
  (void)km_text_sanitize(&clean, text, kept);
  for (const char *at = clean.data; *at != '\0';) {
    size_t line = strcspn(at, "\n");
    put_indent(d);
    km_buf_append(d->out, at, line);
    km_buf_putc(d->out, '\n');
    at += line + (at[line] == '\n' ? 1 : 0);
  }
  if (kept < len) {
    describe_line(d, NULL, "... %zu of %zu bytes shown", kept, len);
  }
  km_buf_done(&clean);
}

/* An object's or array's members, a line each. */
static void put_lines(struct describe *d, const char *label, yyjson_val *val)
{
  size_t count = yyjson_is_ctn(val) ? yyjson_get_len(val) : 0;
  if (count == 0) {
    return;
  }
  describe_begin(d, label);
  bool object = yyjson_is_obj(val);
  yyjson_obj_iter members = yyjson_obj_iter_with(val);
  yyjson_arr_iter items = yyjson_arr_iter_with(val);
  struct km_buf text;
  km_buf_init(&text, MAX_FLAT_BYTES);
  for (size_t i = 0; i < count && i < MAX_LINES; i++) {
    yyjson_val *key = object ? yyjson_obj_iter_next(&members) : NULL;
    km_buf_clear(&text);
    describe_put_flat(object ? yyjson_obj_iter_get_val(key) : yyjson_arr_iter_next(&items), &text);
    put_line(d, object ? yyjson_get_str(key) : NULL, text.data, text.len);
  }
  if (count > MAX_LINES) {
    describe_line(d, NULL, "... and %zu more", count - MAX_LINES);
  }
  km_buf_done(&text);
  describe_end(d);
}

/* --- tables ---------------------------------------------------------------------------------------------------------------- */

/* Which columns any item has something for. */
static size_t find_used(struct describe *d, yyjson_val *items, const struct describe_row *row,
                        struct km_path **ret_paths)
{
  size_t used = 0;
  struct km_buf text;
  km_buf_init(&text, MAX_FLAT_BYTES);
  for (size_t i = 0; i < row->column_count; i++) {
    struct km_path *path = compile(d, row->columns[i].path);
    size_t j, max;
    yyjson_val *item;
    yyjson_arr_foreach(items, j, max, item)
    {
      if (put_path(d, item, path, row->columns[i].form, &text)) {
        ret_paths[i] = path;
        used++;
        break;
      }
      km_buf_clear(&text);
    }
  }
  km_buf_done(&text);
  return used;
}

/* A time in a cell is an age. */
static void add_cell(struct describe *d, yyjson_val *item, const struct describe_column *column,
                     const struct km_path *path, struct sheet *sheet)
{
  struct km_buf text;
  km_buf_init(&text, MAX_FLAT_BYTES);
  if (column->form == DESCRIBE_TIME) {
    yyjson_val *time = first_value(d, item, column->path);
    describe_put_age(d, yyjson_get_str(time), &text);
  } else {
    (void)put_path(d, item, path, column->form, &text);
  }
  sheet_cell(sheet, text.data);
  km_buf_done(&text);
}

void describe_put_sheet(struct describe *d, const char *label, struct sheet *sheet, size_t count)
{
  struct km_buf table;
  km_buf_init(&table, MAX_TABLE_BYTES);
  struct sheet_limits limits = {.max_bytes = MAX_TABLE_BYTES, .max_rows = MAX_TABLE_ROWS};
  int64_t shown = sheet_render(sheet, d->call->arena, &limits, &table);
  describe_begin(d, label);
  describe_block(d, table.data, table.len, table.len);
  if ((size_t)shown < count) {
    describe_line(d, NULL, "... and %zu more", count - (size_t)shown);
  }
  describe_end(d);
  km_buf_done(&table);
}

static void put_table(struct describe *d, yyjson_val *items, const struct describe_row *row)
{
  struct km_path **paths = KM_ARENA_ARRAY(d->call->arena, struct km_path *, row->column_count);
  size_t count = yyjson_is_arr(items) ? yyjson_arr_size(items) : 0;
  if (count == 0 || find_used(d, items, row, paths) == 0) {
    return;
  }
  struct sheet sheet;
  sheet_init(&sheet);
  for (size_t i = 0; i < row->column_count; i++) {
    if (paths[i] != NULL) {
      sheet_column(&sheet, row->columns[i].heading);
    }
  }
  size_t j, max;
  yyjson_val *item;
  yyjson_arr_foreach(items, j, max, item)
  {
    if (j == MAX_TABLE_ROWS) {
      break;
    }
    sheet_row(&sheet, NULL);
    for (size_t i = 0; i < row->column_count; i++) {
      if (paths[i] != NULL) {
        add_cell(d, item, &row->columns[i], paths[i], &sheet);
      }
    }
  }
  describe_put_sheet(d, row->label, &sheet, count);
  sheet_done(&sheet);
}

/* --- rows ------------------------------------------------------------------------------------------------------------------ */

static void put_row(struct describe *d, yyjson_val *root, const struct describe_row *row)
{
  struct km_buf text;
  km_buf_init(&text, MAX_FLAT_BYTES);
  /* What is too long for the buffer is cut like any long line. */
  if (put_path(d, root, compile(d, row->path), row->form, &text) && !km_streq(text.data, row->usual)) {
    put_line(d, row->label, text.data, text.len);
  }
  km_buf_done(&text);
}

void describe_rows(struct describe *d, yyjson_val *root, const struct describe_row *rows, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    const struct describe_row *row = &rows[i];
    switch (row->form) {
    case DESCRIBE_TABLE: put_table(d, first_value(d, root, row->path), row); break;
    case DESCRIBE_LINES: put_lines(d, row->label, first_value(d, root, row->path)); break;
    case DESCRIBE_TEXT:
    case DESCRIBE_TIME:
    case DESCRIBE_PAIRS:
    case DESCRIBE_SELECTOR:
    case DESCRIBE_OBJECT: put_row(d, root, row); break;
    }
  }
}
