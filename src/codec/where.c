/* Conditions on objects: evaluation.
 *
 * Nothing is allocated for scalars, which are compared where they lie in the document. Objects and arrays that have to be
 * compared as text are written into a scratch arena that is made when it is first needed and freed with the test. A test
 * ends at the first value that decides it; "and" and "or" at the first side that does. */
#include "kube_mcp/codec/where.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "where_internal.h"

#include "kube_mcp/base/banned.h"

#define NUMBER_BYTES 40

enum km_rc km_where_compile(struct km_arena *arena, const char *text, int64_t now_ms, struct km_where **ret,
                            struct km_error *err)
{
  size_t len = strlen(text);
  if (len > KM_WHERE_MAX_BYTES) {
    return km_error_set(err, KM_E_INVALID, "the condition has %zu bytes, more than %d", len,
                        KM_WHERE_MAX_BYTES);
  }
  if (!km_utf8_valid(text, len)) {
    return km_error_set(err, KM_E_INVALID, "the condition is not valid UTF-8");
  }
  struct km_where *where = KM_ARENA_NEW(arena, struct km_where);
  enum km_rc rc = km_where_parse(arena, text, now_ms, where, err);
  if (rc == KM_OK) {
    *ret = where;
  }
  return rc;
}

/* One test of a condition on one object. */
struct evaluation {
  const struct km_where_test *test;
  yyjson_val *object;
  struct km_arena *scratch; /* NULL until something is written out */
  struct km_value left;     /* the value of the left side that is being compared */
  yyjson_val *left_val;     /* where it comes from; NULL for constants and counts */
  bool present;             /* the left side had a value */
  bool holds;
  enum km_rc rc;
  struct km_error *err;
};

static struct km_value value_of(struct evaluation *evaluation, yyjson_val *val)
{
  if (yyjson_is_ctn(val) && evaluation->scratch == NULL) {
    evaluation->scratch = km_arena_new(0);
  }
  return km_value_of(evaluation->scratch, val);
}

/* ---- comparing ---- */

static bool same_text(const struct km_value *a, const struct km_value *b, bool any_case)
{
  return a->text != NULL && b->text != NULL && a->len == b->len &&
         (any_case ? strncasecmp(a->text, b->text, a->len) == 0 : memcmp(a->text, b->text, a->len) == 0);
}

static bool equals(const struct km_value *a, const struct km_value *b)
{
  if (a->type == b->type) {
    return km_value_compare(a, b) == 0;
  }
  bool boolean = (a->type == KM_VALUE_BOOL && b->type == KM_VALUE_TEXT) ||
                 (a->type == KM_VALUE_TEXT && b->type == KM_VALUE_BOOL);
  /* A date is no timestamp where it stands in a label: then its text counts. */
  bool dated = (a->type == KM_VALUE_TIME && b->type == KM_VALUE_TEXT) ||
               (a->type == KM_VALUE_TEXT && b->type == KM_VALUE_TIME);
  return (boolean && same_text(a, b, true)) || (dated && same_text(a, b, false));
}

/* Unlike things have no order, as null has none. */
static bool is_ordered(enum km_where_op op, const struct km_value *a, const struct km_value *b)
{
  if (a->type != b->type || a->type == KM_VALUE_NONE) {
    return false;
  }
  int order = km_value_compare(a, b);
  if (op == KM_OP_LESS || op == KM_OP_LESS_EQUAL) {
    return order < 0 || (order == 0 && op == KM_OP_LESS_EQUAL);
  }
  return order > 0 || (order == 0 && op == KM_OP_GREATER_EQUAL);
}

/* The text of VALUE; a JSON number's is written into BUFFER. */
static struct km_view text_of(const struct km_value *value, yyjson_val *val, char buffer[NUMBER_BYTES])
{
  if (value->text != NULL || val == NULL) {
    return (struct km_view){.data = value->text != NULL ? value->text : "", .len = value->len};
  }
  if (yyjson_is_raw(val)) {
    return (struct km_view){.data = yyjson_get_raw(val), .len = yyjson_get_len(val)};
  }
  int len = 0;
  if (yyjson_is_uint(val)) {
    len = snprintf(buffer, NUMBER_BYTES, "%llu", (unsigned long long)yyjson_get_uint(val));
  } else if (yyjson_is_sint(val)) {
    len = snprintf(buffer, NUMBER_BYTES, "%lld", (long long)yyjson_get_sint(val));
  } else if (yyjson_is_real(val)) {
    len = snprintf(buffer, NUMBER_BYTES, "%.17g", yyjson_get_real(val));
  }
  return (struct km_view){.data = buffer, .len = len > 0 ? (size_t)len : 0};
}

static bool is_member(struct evaluation *evaluation, yyjson_val *array, const struct km_value *wanted)
{
  yyjson_arr_iter iter = yyjson_arr_iter_with(array);
  for (yyjson_val *item = yyjson_arr_iter_next(&iter); item != NULL; item = yyjson_arr_iter_next(&iter)) {
    struct km_value value = value_of(evaluation, item);
    if (equals(&value, wanted)) {
      return true;
    }
  }
  return false;
}

static bool contains(struct evaluation *evaluation, const struct km_value *wanted, yyjson_val *wanted_val)
{
  yyjson_val *val = evaluation->left_val;
  char wanted_buffer[NUMBER_BYTES];
  char buffer[NUMBER_BYTES];
  if (yyjson_is_arr(val)) {
    return is_member(evaluation, val, wanted);
  }
  struct km_view part = text_of(wanted, wanted_val, wanted_buffer);
  if (yyjson_is_obj(val)) {
    return yyjson_obj_getn(val, part.data, part.len) != NULL;
  }
  struct km_view whole = text_of(&evaluation->left, val, buffer);
  return part.len == 0 || memmem(whole.data, whole.len, part.data, part.len) != NULL;
}

static bool matches_one(struct evaluation *evaluation, const struct km_value *value, yyjson_val *val)
{
  char buffer[NUMBER_BYTES];
  struct km_view text = text_of(value, val, buffer);
  bool found = false;
  evaluation->rc = km_regex_search(evaluation->test->regex, text.data, text.len, &found, evaluation->err);
  return found;
}

static bool matches(struct evaluation *evaluation)
{
  yyjson_val *val = evaluation->left_val;
  if (!yyjson_is_arr(val)) {
    return matches_one(evaluation, &evaluation->left, val);
  }
  bool found = false;
  yyjson_arr_iter iter = yyjson_arr_iter_with(val);
  for (yyjson_val *item = yyjson_arr_iter_next(&iter); item != NULL && !found && evaluation->rc == KM_OK;
       item = yyjson_arr_iter_next(&iter)) {
    struct km_value value = value_of(evaluation, item);
    found = value.type != KM_VALUE_NONE && matches_one(evaluation, &value, item);
  }
  return found;
}

/* ---- both sides ---- */

/* The left value against one value of the right side, which comes from VAL or is a constant. */
static void meet(struct evaluation *evaluation, const struct km_value *right, yyjson_val *val)
{
  enum km_where_op op = evaluation->test->op;
  if (op == KM_OP_EQUAL) {
    evaluation->holds = equals(&evaluation->left, right);
  } else if (op == KM_OP_CONTAINS) {
    evaluation->holds = contains(evaluation, right, val);
  } else {
    evaluation->holds = is_ordered(op, &evaluation->left, right);
  }
}

static bool meet_right(yyjson_val *val, void *data)
{
  struct evaluation *evaluation = data;
  if (!yyjson_is_null(val)) {
    struct km_value right = value_of(evaluation, val);
    meet(evaluation, &right, val);
  }
  return !evaluation->holds;
}

static bool count_one(yyjson_val *val, void *data)
{
  size_t *count = data;
  if (!yyjson_is_null(val)) {
    *count += yyjson_is_arr(val) ? yyjson_arr_size(val) : 1;
  }
  return true;
}

static struct km_value count_of(const struct km_where_operand *operand, yyjson_val *object)
{
  size_t count = 0;
  km_path_eval(operand->path, object, count_one, &count);
  return (struct km_value){.type = KM_VALUE_NUMBER, .nano = (km_nano)count * 1000000000};
}

/* The left value against all of the right side, until the test holds. */
static void compare_left(struct evaluation *evaluation)
{
  const struct km_where_operand *right = &evaluation->test->right;
  evaluation->present = true;
  if (evaluation->test->op == KM_OP_EXISTS) {
    evaluation->holds = true;
  } else if (evaluation->test->op == KM_OP_MATCHES) {
    evaluation->holds = matches(evaluation);
  } else if (right->type == KM_OPERAND_PATH) {
    km_path_eval(right->path, evaluation->object, meet_right, evaluation);
  } else if (right->type == KM_OPERAND_COUNT) {
    struct km_value count = count_of(right, evaluation->object);
    meet(evaluation, &count, NULL);
  } else {
    for (size_t i = 0; i < right->count && !evaluation->holds; i++) {
      meet(evaluation, &right->values[i], NULL);
    }
  }
}

static bool compare_left_value(yyjson_val *val, void *data)
{
  struct evaluation *evaluation = data;
  if (!yyjson_is_null(val)) {
    const struct km_where_test *test = evaluation->test;
    /* What only looks at the value itself, or into it, does not need its text. */
    bool inside = yyjson_is_ctn(val) && (test->op == KM_OP_EXISTS || test->op == KM_OP_CONTAINS ||
                                         (test->op == KM_OP_MATCHES && yyjson_is_arr(val)));
    evaluation->left = (struct km_value){.type = KM_VALUE_TEXT};
    if (!inside) {
      evaluation->left = value_of(evaluation, val);
    }
    evaluation->left_val = val;
    compare_left(evaluation);
  }
  return !evaluation->holds && evaluation->rc == KM_OK;
}

static bool has_null(const struct km_where_operand *operand)
{
  for (size_t i = 0; operand->type == KM_OPERAND_VALUES && i < operand->count; i++) {
    if (operand->values[i].type == KM_VALUE_NONE) {
      return true;
    }
  }
  return false;
}

static void run_test(struct evaluation *evaluation)
{
  const struct km_where_test *test = evaluation->test;
  if (test->left.type == KM_OPERAND_PATH) {
    km_path_eval(test->left.path, evaluation->object, compare_left_value, evaluation);
  } else {
    evaluation->left = test->left.type == KM_OPERAND_COUNT ? count_of(&test->left, evaluation->object)
                                                           : test->left.values[0];
    compare_left(evaluation);
  }
  if (!evaluation->present && test->op == KM_OP_EQUAL && has_null(&test->right)) {
    evaluation->holds = true;
  }
}

static enum km_rc eval_test(const struct km_where_test *test, yyjson_val *object, bool *ret,
                            struct km_error *err)
{
  struct evaluation evaluation = {.test = test, .object = object, .err = err};
  run_test(&evaluation);
  km_arena_free(evaluation.scratch);
  if (evaluation.rc == KM_OK) {
    *ret = evaluation.holds != test->negated;
  }
  return evaluation.rc;
}

static enum km_rc eval(const struct km_where_node *node, yyjson_val *object, bool *ret, struct km_error *err)
{
  bool left = false;
  if (node->type == KM_NODE_TEST) {
    return eval_test(&node->test, object, ret, err);
  }
  enum km_rc rc = eval(node->left, object, &left, err);
  if (rc != KM_OK) {
    return rc;
  }
  if (node->type == KM_NODE_NOT) {
    *ret = !left;
    return KM_OK;
  }
  if (left == (node->type == KM_NODE_OR)) {
    *ret = left;
    return KM_OK;
  }
  return eval(node->right, object, ret, err);
}

static bool note_found(yyjson_val *val, void *data)
{
  (void)val;
  bool *found = data;
  *found = true;
  return false;
}

enum km_rc km_where_test(struct km_where *where, yyjson_val *object, bool *ret, struct km_error *err)
{
  where->tested = true;
  for (size_t i = 0; i < where->path_count; i++) {
    struct km_where_path *path = &where->paths[i];
    if ((path->ordered && !path->asked_for) || !path->found) {
      bool found = false;
      km_path_eval(where->compiled[i], object, note_found, &found);
      path->found = path->found || found;
      path->missing += found ? 0 : 1;
    }
  }
  return eval(where->root, object, ret, err);
}

const struct km_path *const *km_where_paths(const struct km_where *where, size_t *ret_count)
{
  *ret_count = where->path_count;
  return where->compiled;
}

const char *km_where_never_found(const struct km_where *where)
{
  for (size_t i = 0; i < where->path_count && where->tested; i++) {
    if (!where->paths[i].found) {
      return where->paths[i].text;
    }
  }
  return NULL;
}

const char *km_where_often_missing(const struct km_where *where, int64_t *ret_objects)
{
  for (size_t i = 0; i < where->path_count; i++) {
    const struct km_where_path *path = &where->paths[i];
    if (path->ordered && !path->asked_for && path->missing > 0) {
      *ret_objects = path->missing;
      return path->text;
    }
  }
  return NULL;
}
