/* Recursive descent over the grammar of where.h. All that does not depend on the object is done here: paths and regular
 * expressions are compiled, words are read as numbers, times or text. Bounded: length, nesting, tests and values; the tree
 * lives in the caller's arena. A mistake is told with its column, with what was expected there, and where people are known
 * to write something else, with how it is written here. */
#include <string.h>
#include <strings.h>

#include "where_internal.h"

#include "kube_mcp/base/banned.h"

struct parser {
  struct km_where_lexer lexer;
  struct km_where_token token; /* the next one that is not used up */
  struct km_where *where;
  int64_t now_ms;
  size_t depth, tests;
};

#define refuse(parser, at, err, ...) km_where_refuse(&(parser)->lexer, (at), (err), __VA_ARGS__)

static enum km_rc advance(struct parser *parser, struct km_error *err)
{
  return km_where_next(&parser->lexer, &parser->token, err);
}

static bool at_word(const struct parser *parser, const char *word)
{
  return parser->token.type == KM_TOKEN_WORD && km_strcaseeq(parser->token.text.data, word);
}

static bool at_symbol(const struct parser *parser, const char *symbol)
{
  return parser->token.type == KM_TOKEN_SYMBOL && parser->token.text.len == strlen(symbol) &&
         memcmp(parser->token.text.data, symbol, parser->token.text.len) == 0;
}

/* A bracket opens right behind the token. */
static bool opens_after(const struct parser *parser)
{
  return *parser->lexer.next == '(';
}

static enum km_rc expected(const struct parser *parser, const char *what, struct km_error *err)
{
  const struct km_where_token *token = &parser->token;
  if (token->type == KM_TOKEN_END) {
    return refuse(parser, token->at, err, "expected %s, but the condition ends", what);
  }
  int len = (int)km_utf8_prefix(token->text.data, token->text.len, 60);
  return refuse(parser, token->at, err, "expected %s, found '%.*s'", what, len, token->text.data);
}

static enum km_rc take_symbol(struct parser *parser, const char *symbol, const char *what,
                              struct km_error *err)
{
  return at_symbol(parser, symbol) ? advance(parser, err) : expected(parser, what, err);
}

/* ---- operands ---- */

static struct km_where_operand values_of(const struct km_value *values, size_t count)
{
  return (struct km_where_operand){.type = KM_OPERAND_VALUES, .values = values, .count = count};
}

/* The compiled path of the token, which is used up; one that was met before is not compiled again. */
static enum km_rc parse_path(struct parser *parser, const struct km_path **ret, struct km_error *err)
{
  struct km_where *where = parser->where;
  const char *text = parser->token.text.data;
  size_t i = 0;
  while (i < where->path_count && !km_streq(where->paths[i].text, text)) {
    i++;
  }
  if (i == where->path_count) {
    struct km_path *path = NULL;
    size_t column = km_where_column(&parser->lexer, parser->token.at);
    enum km_rc rc = km_path_compile_at(parser->lexer.arena, text, column, &path, err);
    if (rc != KM_OK) {
      return rc;
    }
    where->compiled[i] = path;
    where->paths[i].text = text;
    where->path_count++;
  }
  *ret = where->compiled[i];
  return advance(parser, err);
}

/* "count" has been seen, and the bracket behind it. */
static enum km_rc parse_count(struct parser *parser, struct km_where_operand *ret, struct km_error *err)
{
  ret->type = KM_OPERAND_COUNT;
  enum km_rc rc = advance(parser, err);
  rc = rc == KM_OK ? take_symbol(parser, "(", "(", err) : rc;
  if (rc != KM_OK) {
    return rc;
  }
  if (parser->token.type != KM_TOKEN_WORD) {
    return expected(parser, "a path to count, as in count(.spec.containers)", err);
  }
  rc = parse_path(parser, &ret->path, err);
  return rc == KM_OK ? take_symbol(parser, ")", ")", err) : rc;
}

/* SPAN is a duration behind its sign. */
static enum km_rc shift_time(const struct parser *parser, const char *span, bool back, int64_t *time_ms,
                             struct km_error *err)
{
  int64_t ms = 0;
  if (!km_duration_parse(span, &ms)) {
    refuse(parser, parser->token.at, err, "'%.40s' is no duration", span);
    return km_error_hint(err, "write one such as 90s, 15m, 1h30m or 7d: now-1h30m");
  }
  bool overflow =
      back ? __builtin_sub_overflow(*time_ms, ms, time_ms) : __builtin_add_overflow(*time_ms, ms, time_ms);
  return overflow ? refuse(parser, parser->token.at, err, "the time is out of range") : KM_OK;
}

/* TEXT is "now" or begins with "now-" or "now+". */
static bool is_now(const char *text)
{
  return strncasecmp(text, "now", 3) == 0 && (text[3] == '\0' || text[3] == '-' || text[3] == '+');
}

/* "now-1h", also with blanks around the sign. The token is used up. */
static enum km_rc parse_now(struct parser *parser, struct km_value *ret, struct km_error *err)
{
  *ret = (struct km_value){.type = KM_VALUE_TIME, .time_ms = parser->now_ms};
  const char *shift = parser->token.text.data + strlen("now");
  if (*shift == '\0') {
    enum km_rc rc = advance(parser, err);
    bool signed_word =
        parser->token.type == KM_TOKEN_WORD && strchr("+-", parser->token.text.data[0]) != NULL;
    if (rc != KM_OK || !signed_word) {
      return rc;
    }
    shift = parser->token.text.data;
  }
  bool back = *shift == '-';
  if (shift[1] == '\0') {
    enum km_rc rc = advance(parser, err);
    if (rc != KM_OK) {
      return rc;
    }
    if (parser->token.type != KM_TOKEN_WORD) {
      return expected(parser, "a duration such as 1h", err);
    }
    shift = parser->token.text.data;
  } else {
    shift++;
  }
  enum km_rc rc = shift_time(parser, shift, back, &ret->time_ms, err);
  return rc == KM_OK ? advance(parser, err) : rc;
}

static enum km_rc parse_value(struct parser *parser, struct km_value *ret, struct km_error *err)
{
  const struct km_where_token *token = &parser->token;
  if (at_word(parser, "and") || at_word(parser, "or") || token->type == KM_TOKEN_END ||
      token->type == KM_TOKEN_SYMBOL) {
    expected(parser, "a value", err);
    return km_error_hint(err, "an empty text is \"\"; whether there is a value at all is told by `exists`");
  }
  if (token->type == KM_TOKEN_WORD && opens_after(parser)) {
    refuse(parser, token->at, err, "there is no function '%.40s'", token->text.data);
    return km_error_hint(err, "put a text that holds brackets into quotes; count(path) is the only function");
  }
  if (token->type == KM_TOKEN_WORD && is_now(token->text.data)) {
    return parse_now(parser, ret, err);
  }
  *ret = km_value_of_text(token->text.data, token->text.len);
  if (token->type == KM_TOKEN_QUOTED && ret->type == KM_VALUE_NONE) {
    ret->type = KM_VALUE_TEXT; /* "null" in quotes is a text */
  }
  return advance(parser, err);
}

/* ".5" is a number. */
static bool looks_like_path(const struct km_where_token *token)
{
  const char *text = token->text.data;
  bool number = text[0] == '.' && text[1] >= '0' && text[1] <= '9';
  return token->type == KM_TOKEN_WORD && strchr(".${[", text[0]) != NULL && text[0] != '\0' && !number;
}

/* On the left, all that is no value is a path. */
static bool is_path(const struct parser *parser, bool left)
{
  const struct km_where_token *token = &parser->token;
  if (!left || token->type != KM_TOKEN_WORD || is_now(token->text.data)) {
    return looks_like_path(token);
  }
  return km_value_of_text(token->text.data, token->text.len).type == KM_VALUE_TEXT;
}

static enum km_rc parse_operand(struct parser *parser, bool left, struct km_where_operand *ret,
                                struct km_error *err)
{
  *ret = (struct km_where_operand){.type = KM_OPERAND_PATH};
  if (at_word(parser, "count") && parser->lexer.next[strspn(parser->lexer.next, " ")] == '(') {
    return parse_count(parser, ret, err);
  }
  if (left && parser->token.type == KM_TOKEN_WORD && opens_after(parser)) {
    refuse(parser, parser->token.at, err, "there is no function '%.40s'", parser->token.text.data);
    return km_error_hint(err, "the only function is count(path); tests are written .spec.replicas > 3, "
                              ".metadata.name contains web");
  }
  if (is_path(parser, left)) {
    return parse_path(parser, &ret->path, err);
  }
  if (left && (parser->token.type == KM_TOKEN_SYMBOL || parser->token.type == KM_TOKEN_END)) {
    return expected(parser, "a test such as .status.phase = Running", err);
  }
  struct km_value *value = KM_ARENA_NEW(parser->lexer.arena, struct km_value);
  *ret = values_of(value, 1);
  return parse_value(parser, value, err);
}

/* "(a, b)" */
static enum km_rc parse_values(struct parser *parser, struct km_where_operand *ret, struct km_error *err)
{
  static const char hint[] = "write the values in round brackets: .metadata.namespace in (shop, payments)";
  if (!at_symbol(parser, "(")) {
    expected(parser, "(", err);
    return km_error_hint(err, "%s", hint);
  }
  struct km_value *values = KM_ARENA_ARRAY(parser->lexer.arena, struct km_value, KM_WHERE_MAX_VALUES);
  size_t count = 0;
  do {
    if (count == KM_WHERE_MAX_VALUES) {
      return refuse(parser, parser->token.at, err, "more than %d values", KM_WHERE_MAX_VALUES);
    }
    enum km_rc rc = advance(parser, err);
    rc = rc == KM_OK ? parse_value(parser, &values[count++], err) : rc;
    if (rc != KM_OK) {
      return rc;
    }
  } while (at_symbol(parser, ","));
  *ret = values_of(values, count);
  return take_symbol(parser, ")", "a comma or )", err);
}

/* ---- tests ---- */

struct operation {
  const char *name;
  enum km_where_op op;
  bool negated;
  bool list;
};

static const struct operation symbols[] = {
    {"=", KM_OP_EQUAL, false, false},          {"==", KM_OP_EQUAL, false, false},
    {"!=", KM_OP_EQUAL, true, false},          {"<", KM_OP_LESS, false, false},
    {"<=", KM_OP_LESS_EQUAL, false, false},    {">", KM_OP_GREATER, false, false},
    {">=", KM_OP_GREATER_EQUAL, false, false}, {"=~", KM_OP_MATCHES, false, false},
    {"!~", KM_OP_MATCHES, true, false},
};

static const struct operation words[] = {
    {"exists", KM_OP_EXISTS, false, false},
    {"in", KM_OP_EQUAL, false, true},
    {"contains", KM_OP_CONTAINS, false, false},
    {"matches", KM_OP_MATCHES, false, false},
};

/* What other languages have in an operator's place, and how it is written here. */
static const struct {
  const char *word, *hint;
} foreign[] = {
    {"like", "write .metadata.name contains web, or a regular expression: .metadata.name =~ \"^web-.*\""},
    {"ilike", "write a regular expression that ignores case: .metadata.name =~ \"(?i)web\""},
    {"regex", "write =~, as in .metadata.name =~ \"^web-\""},
    {"regexp", "write =~, as in .metadata.name =~ \"^web-\""},
    {"rlike", "write =~, as in .metadata.name =~ \"^web-\""},
    {"is",
     "write `.a not exists` for what is null or missing, `.a exists` for what is not, and = for values"},
    {"isnull", "write `.a not exists`"},
    {"between", "write .a >= 1 and .a <= 5"},
    {"startswith", "write =~ with ^, as in .metadata.name =~ \"^web-\""},
    {"endswith", "write =~ with $, as in .metadata.name =~ \"-0$\""},
    {"has", "write contains"},
    {"includes", "write contains"},
    {"contain", "write contains"},
    {"match", "write matches, or =~"},
    {"exist", "write exists"},
    {"notin", "write not in (a, b)"},
    {"equals", "write ="},
    {"eq", "write ="},
    {"ne", "write !="},
    {"gt", "write >"},
    {"lt", "write <"},
    {"ge", "write >="},
    {"gte", "write >="},
    {"le", "write <="},
    {"lte", "write <="},
};

static enum km_rc no_operator(const struct parser *parser, bool negated, struct km_error *err)
{
  if (negated) {
    expected(parser, "in, exists, contains or matches after not", err);
  } else {
    expected(parser, "an operator: = != < <= > >= =~ !~ contains matches in exists", err);
  }
  for (size_t i = 0; i < KM_ARRAY_LEN(foreign); i++) {
    if (at_word(parser, foreign[i].word)) {
      return km_error_hint(err, "%s", foreign[i].hint);
    }
  }
  bool ends = parser->token.type == KM_TOKEN_END || at_word(parser, "and") || at_word(parser, "or") ||
              at_symbol(parser, ")");
  return ends ? km_error_hint(err, "a path alone is no test: write `.a exists`, or compare it: .a = value")
              : err->code;
}

/* Reads an operator, also one with "not" before it. */
static enum km_rc parse_operator(struct parser *parser, struct operation *ret, struct km_error *err)
{
  bool negated = at_word(parser, "not");
  if (negated) {
    enum km_rc rc = advance(parser, err);
    if (rc != KM_OK) {
      return rc;
    }
  }
  for (size_t i = 0; i < KM_ARRAY_LEN(words); i++) {
    if (at_word(parser, words[i].name)) {
      *ret = words[i];
      ret->negated = negated;
      return advance(parser, err);
    }
  }
  for (size_t i = 0; i < KM_ARRAY_LEN(symbols) && !negated; i++) {
    if (at_symbol(parser, symbols[i].name)) {
      *ret = symbols[i];
      return advance(parser, err);
    }
  }
  return no_operator(parser, negated, err);
}

static enum km_rc parse_regex(struct parser *parser, struct km_where_test *test, struct km_error *err)
{
  if (parser->token.type != KM_TOKEN_QUOTED && parser->token.type != KM_TOKEN_WORD) {
    expected(parser, "a regular expression", err);
    return km_error_hint(err, "put it into quotes: .metadata.name =~ \"^(web|api)-\"");
  }
  if (parser->token.type == KM_TOKEN_WORD && opens_after(parser)) {
    refuse(parser, parser->lexer.next, err, "a regular expression with brackets needs quotes");
    return km_error_hint(err, "write it as .metadata.name =~ \"^(web|api)-\"");
  }
  enum km_rc rc = km_regex_compile(parser->lexer.arena, parser->token.text.data, 0, &test->regex, err);
  if (rc != KM_OK) {
    return km_error_wrap(err, "column %zu: the regular expression",
                         km_where_column(&parser->lexer, parser->token.at));
  }
  return advance(parser, err);
}

/* What the tests do with the path that OPERAND is, if it is one. */
static void note_use(struct km_where *where, const struct km_where_operand *operand, bool by_order)
{
  for (size_t i = 0; operand->type == KM_OPERAND_PATH && i < where->path_count; i++) {
    if (where->compiled[i] == operand->path) {
      *(by_order ? &where->paths[i].ordered : &where->paths[i].asked_for) = true;
    }
  }
}

/* AT is where the right side begins. */
static enum km_rc check_order(const struct parser *parser, const struct km_where_test *test, const char *at,
                              struct km_error *err)
{
  if (test->op < KM_OP_LESS || test->op > KM_OP_GREATER_EQUAL) {
    return KM_OK;
  }
  note_use(parser->where, &test->left, true);
  note_use(parser->where, &test->right, true);
  if (test->right.type != KM_OPERAND_VALUES || test->right.values[0].type > KM_VALUE_BOOL) {
    return KM_OK;
  }
  refuse(parser, at, err, "null, true and false have no order");
  return km_error_hint(err, "write = or !=");
}

static enum km_rc parse_right(struct parser *parser, bool list, struct km_where_test *test,
                              struct km_error *err)
{
  const char *at = parser->token.at;
  if (test->op == KM_OP_MATCHES) {
    return parse_regex(parser, test, err);
  }
  if (list) {
    return parse_values(parser, &test->right, err);
  }
  enum km_rc rc = parse_operand(parser, false, &test->right, err);
  return rc == KM_OK ? check_order(parser, test, at, err) : rc;
}

static enum km_rc no_path(const struct parser *parser, const char *at, struct km_error *err)
{
  refuse(parser, at, err, "this test reads no path of the object");
  return km_error_hint(err, "write the path without quotes, as in .status.phase = Running");
}

/* "exists" has been seen. Brackets around the path are taken, too. */
static enum km_rc parse_exists(struct parser *parser, struct km_where_test *test, struct km_error *err)
{
  enum km_rc rc = advance(parser, err);
  bool brackets = rc == KM_OK && at_symbol(parser, "(");
  rc = brackets ? advance(parser, err) : rc;
  if (rc != KM_OK) {
    return rc;
  }
  if (parser->token.type != KM_TOKEN_WORD) {
    return expected(parser, "a path after exists", err);
  }
  test->op = KM_OP_EXISTS;
  test->left.type = KM_OPERAND_PATH;
  rc = parse_path(parser, &test->left.path, err);
  note_use(parser->where, &test->left, false);
  return rc == KM_OK && brackets ? take_symbol(parser, ")", ")", err) : rc;
}

static enum km_rc parse_test(struct parser *parser, struct km_where_test *test, struct km_error *err)
{
  const char *at = parser->token.at;
  if (parser->tests++ == KM_WHERE_MAX_TESTS) {
    return refuse(parser, at, err, "more than %d tests", KM_WHERE_MAX_TESTS);
  }
  if (at_word(parser, "exists")) {
    return parse_exists(parser, test, err);
  }
  struct operation operation = {0};
  enum km_rc rc = parse_operand(parser, true, &test->left, err);
  rc = rc == KM_OK ? parse_operator(parser, &operation, err) : rc;
  if (rc != KM_OK) {
    return rc;
  }
  test->op = operation.op;
  test->negated = operation.negated;
  if (test->op == KM_OP_EXISTS) {
    note_use(parser->where, &test->left, false);
    return test->left.type == KM_OPERAND_PATH ? KM_OK : no_path(parser, at, err);
  }
  rc = parse_right(parser, operation.list, test, err);
  if (rc == KM_OK && test->left.type == KM_OPERAND_VALUES && test->right.type == KM_OPERAND_VALUES) {
    return no_path(parser, at, err);
  }
  return rc;
}

/* ---- conditions ---- */

static enum km_rc parse_or(struct parser *parser, struct km_where_node **ret, struct km_error *err);

static struct km_where_node *new_node(const struct parser *parser, enum km_where_node_type type,
                                      const struct km_where_node *left, const struct km_where_node *right)
{
  struct km_where_node *node = KM_ARENA_NEW(parser->lexer.arena, struct km_where_node);
  node->type = type;
  node->left = left;
  node->right = right;
  return node;
}

static enum km_rc parse_factor(struct parser *parser, struct km_where_node **ret, struct km_error *err);

/* "not" or an opening bracket has been seen. */
static enum km_rc parse_nested(struct parser *parser, bool negated, struct km_where_node **ret,
                               struct km_error *err)
{
  if (parser->depth == KM_WHERE_MAX_DEPTH) {
    return refuse(parser, parser->token.at, err, "nested deeper than %d", KM_WHERE_MAX_DEPTH);
  }
  enum km_rc rc = advance(parser, err);
  if (rc != KM_OK) {
    return rc;
  }
  parser->depth++;
  rc = negated ? parse_factor(parser, ret, err) : parse_or(parser, ret, err);
  parser->depth--;
  if (rc != KM_OK) {
    return rc;
  }
  if (negated) {
    *ret = new_node(parser, KM_NODE_NOT, *ret, NULL);
    return KM_OK;
  }
  return take_symbol(parser, ")", "and, or, or the closing )", err);
}

static enum km_rc parse_factor(struct parser *parser, struct km_where_node **ret, struct km_error *err)
{
  if (at_word(parser, "not") || at_symbol(parser, "!")) {
    return parse_nested(parser, true, ret, err);
  }
  if (at_symbol(parser, "(")) {
    return parse_nested(parser, false, ret, err);
  }
  *ret = new_node(parser, KM_NODE_TEST, NULL, NULL);
  return parse_test(parser, &(*ret)->test, err);
}

/* One level of the grammar: factors joined by "and", or with OR, terms joined by "or". */
static enum km_rc parse_joined(struct parser *parser, bool or, struct km_where_node **ret,
                               struct km_error *err)
{
  struct km_where_node *left = NULL;
  enum km_rc rc = or ? parse_joined(parser, false, &left, err) : parse_factor(parser, &left, err);
  while (rc == KM_OK && (at_word(parser, or ? "or" : "and") || at_symbol(parser, or ? "||" : "&&"))) {
    struct km_where_node *right = NULL;
    rc = advance(parser, err);
    if (rc == KM_OK) {
      rc = or ? parse_joined(parser, false, &right, err) : parse_factor(parser, &right, err);
    }
    if (rc == KM_OK) {
      left = new_node(parser, or ? KM_NODE_OR : KM_NODE_AND, left, right);
    }
  }
  *ret = left;
  return rc;
}

static enum km_rc parse_or(struct parser *parser, struct km_where_node **ret, struct km_error *err)
{
  return parse_joined(parser, true, ret, err);
}

enum km_rc km_where_parse(struct km_arena *arena, const char *text, int64_t now_ms, struct km_where *where,
                          struct km_error *err)
{
  struct parser parser = {
      .lexer = {.arena = arena, .text = text, .next = text}, .where = where, .now_ms = now_ms};
  where->compiled = KM_ARENA_ARRAY(arena, const struct km_path *, (size_t)2 * KM_WHERE_MAX_TESTS);
  where->paths = KM_ARENA_ARRAY(arena, struct km_where_path, (size_t)2 * KM_WHERE_MAX_TESTS);
  struct km_where_node *root = NULL;
  enum km_rc rc = advance(&parser, err);
  rc = rc == KM_OK ? parse_or(&parser, &root, err) : rc;
  if (rc != KM_OK) {
    return rc;
  }
  if (parser.token.type != KM_TOKEN_END) {
    expected(&parser, "and, or, or the end", err);
    bool word = parser.token.type == KM_TOKEN_WORD || parser.token.type == KM_TOKEN_QUOTED;
    return word ? km_error_hint(err, "put a value that holds blanks into quotes, and join tests by and, or")
                : err->code;
  }
  where->root = root;
  return KM_OK;
}
