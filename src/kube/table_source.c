/* Reading one document of a listing: which columns there are, and what stands in a row's cells.
 *
 * Keeps no state. A Table brings its columns and cells; a List, or a single object, from a server without Tables is
 * shown with NAME and AGE, as kubectl does. Everything is untrusted: cells are cleaned, flattened to one line and cut,
 * rows may lack cells or hold other types, and columns beyond KM_MAX_COLUMNS are ignored. */
#include "table_internal.h"

#include <ctype.h>
#include <string.h>

#include "kube_mcp/base/clock.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/kube/line.h"

#include "kube_mcp/base/banned.h"

#define MAX_CELL_COLUMNS    ((size_t)512)
#define MAX_HEADING_COLUMNS ((size_t)64)
#define MAX_STATUS_COLUMNS  ((size_t)64)
#define MAX_VALUE_BYTES     ((size_t)64 * 1024) /* of an object or array in a cell, before it is cut */

/* The cells of a row that is an object. */
enum { OBJECT_NAME, OBJECT_AGE, OBJECT_CELLS };
static const char *const object_cells[OBJECT_CELLS] = {[OBJECT_NAME] = "Name", [OBJECT_AGE] = "Age"};

/* -- documents ---------------------------------------------------------------------------------------------------- */

/* Columns that tell rows apart by state, the most telling first. */
static const char *const status_names[] = {"Status", "Phase", "State", "Ready", "Reason", "Type"};

/* The column with the object's name. */
static void find_name(struct km_table_source *source)
{
  size_t i = 0;
  size_t count = 0;
  yyjson_val *definition = NULL;
  yyjson_arr_foreach(source->definitions, i, count, definition)
  {
    if (i < KM_MAX_COLUMNS && (km_streq(km_json_str(definition, "format"), "name") ||
                               km_strcaseeq(km_json_str(definition, "name"), object_cells[OBJECT_NAME]))) {
      source->name_cell = i;
      return;
    }
  }
}

/* Also a column that is shown only in wide listings will do: the groups are printed beside the table. */
static void find_status(struct km_table_source *source)
{
  size_t best = KM_ARRAY_LEN(status_names);
  size_t i = 0;
  size_t count = 0;
  yyjson_val *definition = NULL;
  source->status_cell = KM_NO_COLUMN;
  yyjson_arr_foreach(source->definitions, i, count, definition)
  {
    const char *name = km_json_str(definition, "name");
    for (size_t rank = 0; rank < best && i < KM_MAX_COLUMNS; rank++) {
      if (km_strcaseeq(name, status_names[rank])) {
        best = rank;
        source->status_cell = i;
        source->status_name = status_names[rank];
      }
    }
  }
}

bool km_table_source_init(struct km_table_source *source, yyjson_val *root)
{
  *source = (struct km_table_source){.name_cell = KM_NO_COLUMN, .status_cell = KM_NO_COLUMN};
  if (km_streq(km_json_str(root, "kind"), "Table")) {
    source->rows = km_json_arr(root, "rows");
    source->definitions = km_json_arr(root, "columnDefinitions");
    find_name(source);
    find_status(source);
    return source->definitions != NULL;
  }
  if (yyjson_obj_get(root, "items") != NULL) {
    source->rows = km_json_arr(root, "items");
    return true;
  }
  source->single = root;
  return km_json_obj(root, "metadata") != NULL;
}

yyjson_val *km_table_row_object(const struct km_table_source *source, yyjson_val *row)
{
  return source->definitions != NULL ? km_json_obj(row, "object") : row;
}

/* -- columns ------------------------------------------------------------------------------------------------------ */

/* Headings of custom resources are as untrusted as their cells. */
static const char *clean_heading(struct km_arena *arena, const char *text)
{
  struct km_buf line;
  km_buf_init(&line, KM_LINE_ROOM(MAX_HEADING_COLUMNS));
  km_put_line(&line, text, strlen(text), MAX_HEADING_COLUMNS);
  char *heading = km_arena_strndup(arena, line.data, line.len);
  km_buf_done(&line);
  for (char *c = heading; *c != '\0'; c++) {
    *c = (char)toupper((unsigned char)*c);
  }
  return heading;
}

static void add_column(struct km_columns *columns, struct km_column column)
{
  if (columns->count < KM_MAX_COLUMNS) {
    columns->items[columns->count++] = column;
  }
}

static void add_server_column(struct km_arena *arena, struct km_columns *columns, const char *name)
{
  add_column(columns, (struct km_column){.source = KM_COLUMN_SERVER,
                                         .heading = clean_heading(arena, name),
                                         .name = km_arena_strdup(arena, name)});
}

/* Priority 0 is what kubectl shows by default, the rest is for wide listings. */
static void add_server_columns(struct km_arena *arena, bool wide, const struct km_table_source *source,
                               struct km_columns *columns)
{
  if (source->definitions == NULL) {
    for (size_t i = 0; i < OBJECT_CELLS; i++) {
      add_server_column(arena, columns, object_cells[i]);
    }
    return;
  }
  size_t i = 0;
  size_t count = 0;
  yyjson_val *definition = NULL;
  yyjson_arr_foreach(source->definitions, i, count, definition)
  {
    const char *name = km_json_str(definition, "name");
    if (name != NULL && columns->count < KM_MAX_COLUMNS &&
        (wide || km_json_int(definition, "priority", 0) == 0)) {
      add_server_column(arena, columns, name);
    }
  }
}

void km_table_choose_columns(struct km_arena *arena, const struct km_table_options *options,
                             const struct km_table_source *source, struct km_columns *ret)
{
  ret->count = 0;
  for (size_t i = 0; i < options->label_count; i++) {
    add_column(ret, (struct km_column){.source = KM_COLUMN_LABEL, .heading = options->labels[i]});
  }
  if (options->namespace_column) {
    add_column(ret, (struct km_column){.source = KM_COLUMN_NAMESPACE, .heading = "NAMESPACE"});
  }
  add_server_columns(arena, options->wide, source, ret);
  for (size_t i = 0; i < options->extra_count; i++) {
    const struct km_path *path = options->extra[i];
    const char *heading =
        options->extra_headings != NULL ? options->extra_headings[i] : km_path_heading(path);
    add_column(ret, (struct km_column){
                        .source = KM_COLUMN_PATH, .heading = clean_heading(arena, heading), .path = path});
  }
}

/* The first server column of that name that has no cell yet: names may repeat. */
static size_t take_server_column(const struct km_columns *columns, const char *name, bool *taken)
{
  for (size_t i = 0; i < columns->count; i++) {
    const struct km_column *column = &columns->items[i];
    if (!taken[i] && column->source == KM_COLUMN_SERVER && km_strcaseeq(column->name, name)) {
      taken[i] = true;
      return i;
    }
  }
  return KM_NO_COLUMN;
}

void km_table_map_cells(struct km_table_source *source, const struct km_columns *columns)
{
  bool taken[KM_MAX_COLUMNS] = {false};
  for (size_t i = 0; i < KM_MAX_COLUMNS; i++) {
    bool object_cell = source->definitions == NULL && i < OBJECT_CELLS;
    source->column_of_cell[i] =
        object_cell ? take_server_column(columns, object_cells[i], taken) : KM_NO_COLUMN;
  }
  size_t i = 0;
  size_t count = 0;
  yyjson_val *definition = NULL;
  yyjson_arr_foreach(source->definitions, i, count, definition)
  {
    const char *name = km_json_str(definition, "name");
    if (i < KM_MAX_COLUMNS && name != NULL) {
      source->column_of_cell[i] = take_server_column(columns, name, taken);
    }
  }
}

/* -- rows --------------------------------------------------------------------------------------------------------- */

/* Appends VAL as text: strings as they are, null as nothing (as kubectl does), anything else as JSON. */
static void put_value(struct km_buf *out, yyjson_val *val, size_t max_columns)
{
  if (yyjson_is_str(val)) {
    km_put_line(out, yyjson_get_str(val), yyjson_get_len(val), max_columns);
  } else if (val != NULL && !yyjson_is_null(val)) {
    struct km_buf json;
    km_buf_init(&json, MAX_VALUE_BYTES);
    if (!km_json_write_val(val, false, &json)) {
      km_buf_puts(out, yyjson_is_arr(val) ? "[...]" : "{...}");
    }
    km_put_line(out, json.data, json.len, max_columns);
    km_buf_done(&json);
  }
}

static void put_text(struct km_buf *out, const char *text)
{
  if (text != NULL) {
    km_put_line(out, text, strlen(text), MAX_CELL_COLUMNS);
  }
}

/* As kubectl prints the age of what has no Table. */
static void put_age(struct km_buf *out, yyjson_val *metadata)
{
  const char *created = km_json_str(metadata, "creationTimestamp");
  int64_t created_ms = 0;
  char age[32] = "<unknown>";
  if (created != NULL && km_rfc3339_parse(created, strlen(created), &created_ms)) {
    km_human_duration(age, sizeof(age), km_clock_wall_ms() - created_ms);
  }
  km_buf_puts(out, age);
}

/* A value too large for the buffer is named instead. */
static void put_path(struct km_buf *out, const struct km_path *path, yyjson_val *object)
{
  struct km_buf value;
  km_buf_init(&value, MAX_VALUE_BYTES);
  if (!km_path_format(path, object, &value)) {
    km_buf_clear(&value);
    km_buf_puts(&value, KM_CELL_TOO_LARGE);
  }
  km_put_line(out, value.data, value.len, MAX_CELL_COLUMNS);
  km_buf_done(&value);
}

/* Cells may come in any order; each remembers where its text lies, since the buffer may move while it grows. */
static void begin_cell(struct km_draft *draft, size_t column)
{
  draft->cells[column].offset = draft->text.len;
}

static void end_cell(struct km_draft *draft, size_t column)
{
  draft->cells[column].len = draft->text.len - draft->cells[column].offset;
}

/* The cells that come from a Table's row. */
static void read_server_cells(const struct km_table_source *source, yyjson_val *row, struct km_draft *draft)
{
  size_t i = 0;
  size_t count = 0;
  yyjson_val *cell = NULL;
  yyjson_arr_foreach(km_json_arr(row, "cells"), i, count, cell)
  {
    size_t column = i < KM_MAX_COLUMNS ? source->column_of_cell[i] : KM_NO_COLUMN;
    if (column != KM_NO_COLUMN) {
      begin_cell(draft, column);
      put_value(&draft->text, cell, MAX_CELL_COLUMNS);
      end_cell(draft, column);
    }
  }
}

/* The same for a row that is an object. */
static void read_object_cells(const struct km_table_source *source, yyjson_val *object,
                              struct km_draft *draft)
{
  yyjson_val *metadata = km_json_obj(object, "metadata");
  size_t name = source->column_of_cell[OBJECT_NAME];
  size_t age = source->column_of_cell[OBJECT_AGE];
  if (name != KM_NO_COLUMN) {
    begin_cell(draft, name);
    put_text(&draft->text, km_json_str(metadata, "name"));
    end_cell(draft, name);
  }
  if (age != KM_NO_COLUMN) {
    begin_cell(draft, age);
    put_age(&draft->text, metadata);
    end_cell(draft, age);
  }
}

void km_table_read_row(const struct km_table_source *source, const struct km_columns *columns,
                       yyjson_val *row, yyjson_val *object, const char *const *extra, struct km_draft *draft)
{
  km_buf_clear(&draft->text);
  memset(draft->cells, 0, columns->count * sizeof(draft->cells[0]));
  extra = object != NULL ? NULL : extra;
  object = object != NULL ? object : km_table_row_object(source, row);
  if (source->definitions != NULL) {
    read_server_cells(source, row, draft);
  } else {
    read_object_cells(source, object, draft);
  }
  for (size_t i = 0; i < columns->count; i++) {
    enum km_column_source from = columns->items[i].source;
    if (from == KM_COLUMN_SERVER || from == KM_COLUMN_LABEL) {
      continue;
    }
    begin_cell(draft, i);
    if (from == KM_COLUMN_NAMESPACE) {
      put_text(&draft->text, km_json_str(km_json_obj(object, "metadata"), "namespace"));
    } else if (extra != NULL) {
      put_text(&draft->text, *extra++);
    } else {
      put_path(&draft->text, columns->items[i].path, object);
    }
    end_cell(draft, i);
  }
}

void km_table_put_status_cell(const struct km_table_source *source, yyjson_val *row, struct km_buf *out)
{
  put_value(out, yyjson_arr_get(km_json_arr(row, "cells"), source->status_cell), MAX_STATUS_COLUMNS);
}
