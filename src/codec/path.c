/* Paths into the JSON tree: the part of kubectl's JSONPath that selects values.
 *
 * path   := ["{"] ["$"] step* ["}"]        the first "." may be left out step   := "." name | ".*" | "[" (
 * "*" | integer | quoted | "?(" filter ")" ) "]" filter := "@" step* [ ("==" | "!=" | "<" | "<=" | ">" |
 * ">=") literal ]
 *
 * In a name, a backslash takes the next character as it is. As in kubectl, a filter looks at the first value
 * of its left side, and an element that has none is not selected, whatever the operator. Compiled paths are
 * immutable, live in the caller's arena and may be used by many threads. Bounded: MAX_TEXT bytes, MAX_STEPS
 * steps, no filter within a filter; evaluation recurses no deeper than the steps. */
#include "kube_mcp/codec/path.h"

#include <stdlib.h>
#include <string.h>

#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

#define MAX_TEXT   1024
#define MAX_STEPS  32
#define MAX_NUMBER 32
#define NOTHING    "<none>"

enum step_kind { STEP_MEMBER, STEP_INDEX, STEP_ALL, STEP_FILTER };

struct filter;

struct step {
  enum step_kind kind;
  union {
    struct km_view name;
    int64_t index; /* from the end when negative */
    const struct filter *filter;
  };
};

struct km_path {
  const struct step *steps;
  size_t count;
  const char *heading;
};

enum comparison { EXISTS, EQUAL, NOT_EQUAL, LESS, LESS_EQUAL, GREATER, GREATER_EQUAL };

struct literal {
  yyjson_type type; /* string, number, boolean or null */
  struct km_view text;
  double number;
  bool truth;
};

struct filter {
  struct km_path left;
  enum comparison comparison;
  struct literal right;
};

/* ---- compiling: the text ---- */

struct compiler {
  struct km_arena *arena;
  const char *text;
  const char *next;
  size_t first_column; /* that of the text's first character */
  bool in_filter;
};

/* Column of AT, in code points. */
static size_t column_of(const struct compiler *compiler, const char *at)
{
  size_t column = compiler->first_column;
  for (const char *p = compiler->text; p < at; p++) {
    column += ((unsigned char)*p & 0xc0) != 0x80;
  }
  return column;
}

/* Sets the error with the column of AT, a place in the text, before the message; returns its code. */
#define refuse(compiler, at, err, ...)                                                                       \
  (km_error_set((err), KM_E_INVALID, __VA_ARGS__),                                                           \
   km_error_wrap((err), "column %zu", column_of((compiler), (at))))

static void skip_blanks(struct compiler *compiler)
{
  compiler->next += strspn(compiler->next, " ");
}

static bool take(struct compiler *compiler, const char *token)
{
  if (!km_starts_with(compiler->next, token)) {
    return false;
  }
  compiler->next += strlen(token);
  return true;
}

/* Everything with a meaning in a path or a filter; such characters in names need a backslash or quotes. */
static bool ends_name(char c)
{
  return strchr(".[](){}=!<>&|,?*@$'\" ", c) != NULL; /* and the NUL */
}

/* Never longer than what is left of the text, which is bounded. */
static enum km_rc read_name(struct compiler *compiler, struct km_view *ret, struct km_error *err)
{
  const char *start = compiler->next;
  char *name = km_arena_alloc(compiler->arena, strlen(start) + 1);
  size_t len = 0;
  while (!ends_name(*compiler->next)) {
    if (*compiler->next == '\\' && *++compiler->next == '\0') {
      return refuse(compiler, compiler->next, err, "nothing follows the backslash");
    }
    name[len++] = *compiler->next++;
  }
  if (len == 0) {
    return refuse(compiler, start, err, "expected the name of a member");
  }
  *ret = (struct km_view){.data = name, .len = len};
  return KM_OK;
}

/* A name or string in the quotes it begins with; a backslash takes the next character as it is. */
static enum km_rc read_quoted(struct compiler *compiler, struct km_view *ret, struct km_error *err)
{
  const char *start = compiler->next;
  char quote = *compiler->next++;
  char *text = km_arena_alloc(compiler->arena, strlen(start));
  size_t len = 0;
  while (*compiler->next != quote) {
    if (*compiler->next == '\\' && compiler->next[1] != '\0') {
      compiler->next++;
    }
    if (*compiler->next == '\0') {
      return refuse(compiler, start, err, "the quote is not closed");
    }
    text[len++] = *compiler->next++;
  }
  compiler->next++;
  *ret = (struct km_view){.data = text, .len = len};
  return KM_OK;
}

/* Copies what may be a number; an empty string if that is too long. */
static void read_number_text(struct compiler *compiler, char text[MAX_NUMBER])
{
  size_t len = strspn(compiler->next, "+-.0123456789eE");
  size_t copied = len < MAX_NUMBER ? len : 0;
  memcpy(text, compiler->next, copied);
  text[copied] = '\0';
  compiler->next += len;
}

/* ---- compiling: the steps ---- */

static enum km_rc read_path(struct compiler *compiler, bool bare, struct km_path *ret, struct km_error *err);

/* The longer tokens come first. EXISTS when there is none. */
static enum comparison read_comparison(struct compiler *compiler)
{
  static const struct {
    const char *token;
    enum comparison comparison;
  } comparisons[] = {
      {"==", EQUAL},         {"!=", NOT_EQUAL}, {"<=", LESS_EQUAL},
      {">=", GREATER_EQUAL}, {"<", LESS},       {">", GREATER},
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(comparisons); i++) {
    if (take(compiler, comparisons[i].token)) {
      return comparisons[i].comparison;
    }
  }
  return EXISTS;
}

static enum km_rc read_literal(struct compiler *compiler, struct literal *ret, struct km_error *err)
{
  const char *start = compiler->next;
  if (*start == '\'' || *start == '"') {
    ret->type = YYJSON_TYPE_STR;
    return read_quoted(compiler, &ret->text, err);
  }
  if (take(compiler, "null")) {
    ret->type = YYJSON_TYPE_NULL;
    return KM_OK;
  }
  if (take(compiler, "true") || take(compiler, "false")) {
    ret->type = YYJSON_TYPE_BOOL;
    ret->truth = *start == 't';
    return KM_OK;
  }
  char text[MAX_NUMBER];
  char *end = text;
  read_number_text(compiler, text);
  ret->type = YYJSON_TYPE_NUM;
  ret->number = strtod(text, &end);
  if (end == text || *end != '\0') {
    return refuse(compiler, start, err,
                  "compare with a quoted string, a number, true, false or null, as in @.name==\"web\"");
  }
  return KM_OK;
}

/* After "[?". */
static enum km_rc read_filter(struct compiler *compiler, struct step *ret, struct km_error *err)
{
  if (compiler->in_filter) {
    return refuse(compiler, compiler->next - 1, err, "a filter within a filter is not supported");
  }
  struct filter *filter = KM_ARENA_NEW(compiler->arena, struct filter);
  skip_blanks(compiler);
  if (!take(compiler, "(")) {
    return refuse(compiler, compiler->next, err, "a filter is written [?(@.name==\"web\")]");
  }
  skip_blanks(compiler);
  if (!take(compiler, "@")) {
    return refuse(compiler, compiler->next, err, "the left side of a filter begins with @, as in @.name");
  }
  compiler->in_filter = true;
  enum km_rc rc = read_path(compiler, false, &filter->left, err);
  compiler->in_filter = false;
  if (rc == KM_OK) {
    skip_blanks(compiler);
    filter->comparison = read_comparison(compiler);
    skip_blanks(compiler);
    rc = filter->comparison == EXISTS ? KM_OK : read_literal(compiler, &filter->right, err);
  }
  if (rc != KM_OK) {
    return rc;
  }
  skip_blanks(compiler);
  if (*compiler->next == '&' || *compiler->next == '|') {
    return refuse(compiler, compiler->next, err,
                  "a filter holds one comparison: && and || are not supported");
  }
  if (!take(compiler, ")")) {
    return refuse(compiler, compiler->next, err, "expected ==, !=, <, <=, >, >= or the end of the filter, )");
  }
  ret->kind = STEP_FILTER;
  ret->filter = filter;
  return KM_OK;
}

/* All else that could stand between brackets is told apart for the sake of the message. */
static enum km_rc read_index(struct compiler *compiler, struct step *ret, struct km_error *err)
{
  const char *start = compiler->next;
  char text[MAX_NUMBER];
  read_number_text(compiler, text);
  if (*compiler->next == ':') {
    return refuse(compiler, compiler->next, err, "ranges are not supported: use [0] or [*]");
  }
  if (!km_parse_i64(text, &ret->index)) {
    return refuse(compiler, start, err, "expected *, a number, a quoted name or ?(...) between the brackets");
  }
  ret->kind = STEP_INDEX;
  return KM_OK;
}

/* After "[". */
static enum km_rc read_brackets(struct compiler *compiler, struct step *ret, struct km_error *err)
{
  enum km_rc rc = KM_OK;
  skip_blanks(compiler);
  if (take(compiler, "*")) {
    ret->kind = STEP_ALL;
  } else if (take(compiler, "?")) {
    rc = read_filter(compiler, ret, err);
  } else if (*compiler->next == '\'' || *compiler->next == '"') {
    ret->kind = STEP_MEMBER;
    rc = read_quoted(compiler, &ret->name, err);
  } else {
    rc = read_index(compiler, ret, err);
  }
  if (rc != KM_OK) {
    return rc;
  }
  skip_blanks(compiler);
  if (*compiler->next == ',') {
    return refuse(compiler, compiler->next, err, "several names or numbers in one bracket are not supported");
  }
  return take(compiler, "]") ? KM_OK : refuse(compiler, compiler->next, err, "expected ]");
}

/* Reads one step if one follows; *RET_MORE tells. BARE allows a name without its dot. */
static enum km_rc read_step(struct compiler *compiler, bool bare, struct step *ret, bool *ret_more,
                            struct km_error *err)
{
  *ret_more = true;
  if (km_starts_with(compiler->next, "..")) {
    return refuse(
        compiler, compiler->next, err,
        "searching at any depth (..) is not supported: name each step, as in .spec.containers[*].image");
  }
  bool dot = take(compiler, ".");
  if (take(compiler, "[")) {
    return read_brackets(compiler, ret, err);
  }
  if ((dot || bare) && take(compiler, "*")) {
    ret->kind = STEP_ALL;
    return KM_OK;
  }
  if ((dot || bare) && !ends_name(*compiler->next)) {
    ret->kind = STEP_MEMBER;
    return read_name(compiler, &ret->name, err);
  }
  compiler->next -= dot;
  *ret_more = false;
  return KM_OK;
}

/* Reads steps up to what cannot be one. A dot alone is the whole of the tree. */
static enum km_rc read_path(struct compiler *compiler, bool bare, struct km_path *ret, struct km_error *err)
{
  struct step *steps = KM_ARENA_ARRAY(compiler->arena, struct step, MAX_STEPS);
  size_t count = 0;
  for (;;) {
    const char *start = compiler->next;
    struct step step = {0};
    bool more = false;
    enum km_rc rc = read_step(compiler, bare && count == 0, &step, &more, err);
    if (rc != KM_OK) {
      return rc;
    }
    if (!more) {
      break;
    }
    if (count == MAX_STEPS) {
      return refuse(compiler, start, err, "more than %d steps", MAX_STEPS);
    }
    steps[count++] = step;
  }
  if (take(compiler, ".") && count > 0) {
    return refuse(compiler, compiler->next, err, "expected the name of a member after the dot");
  }
  ret->steps = steps;
  ret->count = count;
  return KM_OK;
}

/* The last member named, in capitals (ASCII; others stay). */
static const char *make_heading(struct km_arena *arena, const struct km_path *path)
{
  for (size_t i = path->count; i > 0; i--) {
    const struct step *step = &path->steps[i - 1];
    if (step->kind == STEP_MEMBER && step->name.len > 0) {
      char *heading = km_arena_strndup(arena, step->name.data, step->name.len);
      for (char *p = heading; *p != '\0'; p++) {
        *p = *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
      }
      return heading;
    }
  }
  return "VALUE";
}

enum km_rc km_path_compile(struct km_arena *arena, const char *text, struct km_path **ret,
                           struct km_error *err)
{
  return km_path_compile_at(arena, text, 1, ret, err);
}

enum km_rc km_path_compile_at(struct km_arena *arena, const char *text, size_t column, struct km_path **ret,
                              struct km_error *err)
{
  size_t len = strlen(text);
  if (len > MAX_TEXT) {
    return km_error_set(err, KM_E_INVALID, "the path has %zu bytes, more than %d", len, MAX_TEXT);
  }
  if (!km_utf8_valid(text, len)) {
    return km_error_set(err, KM_E_INVALID, "the path is not valid UTF-8");
  }
  struct compiler compiler = {.arena = arena, .text = text, .next = text, .first_column = column};
  for (const char *p = text; *p != '\0'; p++) {
    if ((unsigned char)*p < ' ' || *p == '\x7f') {
      return refuse(&compiler, p, err, "a control character");
    }
  }
  skip_blanks(&compiler);
  if (*compiler.next == '\0') {
    return refuse(&compiler, compiler.next, err, "the path is empty: write one such as .metadata.name");
  }
  bool braces = take(&compiler, "{");
  skip_blanks(&compiler);
  bool rooted = take(&compiler, "$") || take(&compiler, "@");
  struct km_path *path = KM_ARENA_NEW(arena, struct km_path);
  enum km_rc rc = read_path(&compiler, !rooted, path, err);
  if (rc != KM_OK) {
    return rc;
  }
  skip_blanks(&compiler);
  if (braces && !take(&compiler, "}")) {
    return refuse(&compiler, compiler.next, err, "expected a step such as .name or [0], or the closing }");
  }
  skip_blanks(&compiler);
  if (*compiler.next != '\0') {
    return refuse(&compiler, compiler.next, err,
                  "expected a step such as .name or [0], or the end of the path");
  }
  path->heading = make_heading(arena, path);
  *ret = path;
  return KM_OK;
}

/* ---- evaluating ---- */

struct visitor {
  bool (*fn)(yyjson_val *val, void *data);
  void *data;
};

static bool visit(const struct step *step, size_t left, yyjson_val *val, const struct visitor *visitor);

static bool keep_first(yyjson_val *val, void *data)
{
  yyjson_val **first = data;
  *first = val;
  return false;
}

static bool holds(enum comparison comparison, int order)
{
  switch (comparison) {
  case EQUAL: return order == 0;
  case NOT_EQUAL: return order != 0;
  case LESS: return order < 0;
  case LESS_EQUAL: return order <= 0;
  case GREATER: return order > 0;
  case GREATER_EQUAL: return order >= 0;
  case EXISTS:
  default: return true;
  }
}

static int compare_text(yyjson_val *val, struct km_view text)
{
  size_t len = yyjson_get_len(val);
  int order = memcmp(yyjson_get_str(val), text.data, len < text.len ? len : text.len);
  return order != 0 ? order : len < text.len ? -1 : len > text.len;
}

/* Values of different types differ, and neither comes first. Booleans and null have no order either. */
static bool compares(yyjson_val *val, enum comparison comparison, const struct literal *right)
{
  if (yyjson_get_type(val) != right->type) {
    return comparison == NOT_EQUAL;
  }
  bool equality = comparison == EQUAL || comparison == NOT_EQUAL;
  switch (right->type) {
  case YYJSON_TYPE_STR: return holds(comparison, compare_text(val, right->text));
  case YYJSON_TYPE_NUM: {
    double number = yyjson_get_num(val);
    return holds(comparison, number < right->number ? -1 : number > right->number);
  }
  case YYJSON_TYPE_BOOL: return equality && holds(comparison, yyjson_get_bool(val) != right->truth);
  default: return equality && comparison == EQUAL;
  }
}

/* Whether VAL passes FILTER. */
static bool selects(const struct filter *filter, yyjson_val *val)
{
  yyjson_val *first = NULL;
  km_path_eval(&filter->left, val, keep_first, &first);
  return first != NULL &&
         (filter->comparison == EXISTS || compares(first, filter->comparison, &filter->right));
}

static bool visit_items(const struct step *step, size_t left, yyjson_val *array,
                        const struct visitor *visitor)
{
  yyjson_arr_iter iter = yyjson_arr_iter_with(array);
  for (yyjson_val *item = yyjson_arr_iter_next(&iter); item != NULL; item = yyjson_arr_iter_next(&iter)) {
    bool wanted = step->kind != STEP_FILTER || selects(step->filter, item);
    if (wanted && !visit(step + 1, left - 1, item, visitor)) {
      return false;
    }
  }
  return true;
}

static bool visit_members(const struct step *step, size_t left, yyjson_val *object,
                          const struct visitor *visitor)
{
  yyjson_obj_iter iter = yyjson_obj_iter_with(object);
  for (yyjson_val *key = yyjson_obj_iter_next(&iter); key != NULL; key = yyjson_obj_iter_next(&iter)) {
    if (!visit(step + 1, left - 1, yyjson_obj_iter_get_val(key), visitor)) {
      return false;
    }
  }
  return true;
}

static yyjson_val *item_at(yyjson_val *array, int64_t index)
{
  size_t size = yyjson_arr_size(array);
  if (index < 0) {
    index += (int64_t)size;
  }
  return index < 0 ? NULL : yyjson_arr_get(array, (size_t)index);
}

/* Calls the visitor for what the LEFT steps select in VAL (which may be NULL); false once it has had
 * enough. */
static bool visit(const struct step *step, size_t left, yyjson_val *val, const struct visitor *visitor)
{
  if (val == NULL) {
    return true;
  }
  if (left == 0) {
    return visitor->fn(val, visitor->data);
  }
  switch (step->kind) {
  case STEP_MEMBER:
    return visit(step + 1, left - 1, yyjson_obj_getn(val, step->name.data, step->name.len), visitor);
  case STEP_INDEX: return visit(step + 1, left - 1, item_at(val, step->index), visitor);
  case STEP_ALL:
    if (yyjson_is_obj(val)) {
      return visit_members(step, left, val, visitor);
    }
    return visit_items(step, left, val, visitor);
  case STEP_FILTER:
  default: return visit_items(step, left, val, visitor);
  }
}

void km_path_eval(const struct km_path *path, yyjson_val *root, bool (*fn)(yyjson_val *val, void *data),
                  void *data)
{
  const struct visitor visitor = {.fn = fn, .data = data};
  visit(path->steps, path->count, root, &visitor);
}

bool km_path_may_reach(const struct km_path *path, const char *const *names, size_t count)
{
  for (size_t i = 0; i < count && i < path->count; i++) {
    const struct step *step = &path->steps[i];
    if (step->kind == STEP_MEMBER &&
        (step->name.len != strlen(names[i]) || memcmp(step->name.data, names[i], step->name.len) != 0)) {
      return false;
    }
  }
  return true;
}

/* ---- formatting ---- */

struct line {
  struct km_buf *out;
  bool any;
};

/* What a cluster holds is not trusted: escape sequences and invisible characters go, line breaks become
 * blanks. */
static void append_one_line(struct km_buf *out, const char *text, size_t len)
{
  size_t start = out->len;
  km_text_sanitize(out, text, len);
  for (size_t i = start; i < out->len; i++) {
    if (out->data[i] == '\n' || out->data[i] == '\t') {
      out->data[i] = ' ';
    }
  }
}

static bool append_value(yyjson_val *val, void *data)
{
  struct line *line = data;
  if (line->any) {
    km_buf_putc(line->out, ',');
  }
  line->any = true;
  if (yyjson_is_null(val)) {
    km_buf_puts(line->out, NOTHING);
  } else if (yyjson_is_str(val)) {
    append_one_line(line->out, yyjson_get_str(val), yyjson_get_len(val));
  } else {
    size_t len = 0;
    char *json = yyjson_val_write(val, YYJSON_WRITE_NOFLAG, &len);
    append_one_line(line->out, json != NULL ? json : "", len);
    free(json);
  }
  return !line->out->failed;
}

bool km_path_format(const struct km_path *path, yyjson_val *root, struct km_buf *out)
{
  struct line line = {.out = out};
  km_path_eval(path, root, append_value, &line);
  if (!line.any) {
    km_buf_puts(out, NOTHING);
  }
  return !out->failed;
}

const char *km_path_heading(const struct km_path *path)
{
  return path->heading;
}
