/* The grammar of selectors, as the API server reads it (labels.Parse and fields.ParseSelector of k8s.io/apimachinery),
 * oddities included: "in ()" and "in (,)" hold the empty value, and empty terms of a field selector are passed over. Keeps
 * no state and allocates nothing. */
#include "kube_mcp/kube/selector.h"

#include <string.h>

#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

#define MAX_NAME   ((size_t)63)
#define MAX_PREFIX ((size_t)253)
#define BLANKS     " \t\r\n"
#define SYMBOLS    "=!(),<>"

/* ---- what labels and their keys are made of ---- */

static bool is_lower(char c)
{
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alphanumeric(char c)
{
  return is_lower(c) || (c >= 'A' && c <= 'Z');
}

/* Letters, digits and inside also "-", "_", ".". */
static bool is_name(struct km_view text)
{
  for (size_t i = 0; i < text.len; i++) {
    bool inside = i > 0 && i + 1 < text.len;
    if (!is_alphanumeric(text.data[i]) && !(inside && strchr("-_.", text.data[i]) != NULL)) {
      return false;
    }
  }
  return text.len > 0 && text.len <= MAX_NAME;
}

/* A DNS subdomain: each part begins and ends with a lower-case letter or a digit. */
static bool is_subdomain(struct km_view text)
{
  char before = '.';
  for (size_t i = 0; i < text.len; i++) {
    char c = text.data[i];
    bool joint = c == '.' || c == '-';
    if ((!joint && !is_lower(c)) || (c == '.' && !is_lower(before)) || (c == '-' && before == '.')) {
      return false;
    }
    before = c;
  }
  return text.len > 0 && text.len <= MAX_PREFIX && is_lower(before);
}

static bool is_key(struct km_view text)
{
  const char *slash = memchr(text.data, '/', text.len);
  if (slash == NULL) {
    return is_name(text);
  }
  struct km_view prefix = {.data = text.data, .len = (size_t)(slash - text.data)};
  struct km_view name = {.data = slash + 1, .len = text.len - prefix.len - 1};
  return is_subdomain(prefix) && is_name(name);
}

/* ---- tokens ---- */

enum token_type { END, WORD, SYMBOL };

struct parser {
  const char *text;
  const char *next; /* behind the token */
  enum token_type type;
  struct km_view token;
};

static void advance(struct parser *parser)
{
  const char *at = parser->next + strspn(parser->next, BLANKS);
  size_t len = strcspn(at, BLANKS SYMBOLS);
  parser->type = WORD;
  if (*at == '\0') {
    parser->type = END;
  } else if (len == 0) {
    parser->type = SYMBOL;
    len = (at[0] == '=' || at[0] == '!') && at[1] == '=' ? 2 : 1;
  }
  parser->token = (struct km_view){.data = at, .len = len};
  parser->next = at + len;
}

static bool at_text(const struct parser *parser, const char *text)
{
  return parser->type != END && parser->token.len == strlen(text) &&
         memcmp(parser->token.data, text, parser->token.len) == 0;
}

/* Column of AT in TEXT, 1-based, in code points. */
static size_t column_of(const char *text, const char *at)
{
  size_t column = 1;
  for (const char *p = text; p < at; p++) {
    column += ((unsigned char)*p & 0xc0) != 0x80;
  }
  return column;
}

#define refuse(parser, at, err, ...)                                                                         \
  (km_error_set((err), KM_E_INVALID, __VA_ARGS__),                                                           \
   km_error_wrap((err), "column %zu", column_of((parser)->text, (at))))

static int shown_length(struct km_view text)
{
  return (int)km_utf8_prefix(text.data, text.len, 80);
}

static enum km_rc expected(const struct parser *parser, const char *what, struct km_error *err)
{
  if (parser->type == END) {
    return refuse(parser, parser->token.data, err, "expected %s, but the selector ends", what);
  }
  return refuse(parser, parser->token.data, err, "expected %s, found '%.*s'", what,
                shown_length(parser->token), parser->token.data);
}

/* ---- label selectors ---- */

static enum km_rc check_value(const struct parser *parser, struct km_error *err)
{
  struct km_view value = parser->token;
  if (is_name(value)) {
    return KM_OK;
  }
  if (value.len > MAX_NAME) {
    return refuse(parser, value.data, err, "the value of a label has at most %zu bytes, this has %zu",
                  MAX_NAME, value.len);
  }
  refuse(parser, value.data, err, "no label can have the value '%.*s'", shown_length(value), value.data);
  return km_error_hint(
      err, "values are letters, digits, and inside also - _ . : there are no quotes, globs or regular "
           "expressions in selectors");
}

static enum km_rc check_key(const struct parser *parser, struct km_error *err)
{
  struct km_view key = parser->token;
  if (is_key(key)) {
    return KM_OK;
  }
  refuse(parser, key.data, err, "no label can have the key '%.*s'", shown_length(key), key.data);
  return km_error_hint(
      err, "a key is a name of at most 63 letters, digits, - _ . that begins and ends with a letter or "
           "digit; a DNS name and / may stand before it, as in app.kubernetes.io/name");
}

/* After "<" or ">". */
static enum km_rc parse_bound(struct parser *parser, struct km_error *err)
{
  char digits[MAX_NAME + 1] = "";
  int64_t unused = 0;
  if (parser->type != WORD) {
    return expected(parser, "a whole number", err);
  }
  if (parser->token.len <= MAX_NAME) {
    memcpy(digits, parser->token.data, parser->token.len);
  }
  if (strspn(digits, "0123456789") != parser->token.len || !km_parse_i64(digits, &unused)) {
    return expected(parser, "a whole number", err);
  }
  advance(parser);
  return KM_OK;
}

/* After "=", "==" or "!=". No value is the empty one. */
static enum km_rc parse_exact(struct parser *parser, struct km_error *err)
{
  if (parser->type == END || at_text(parser, ",")) {
    return KM_OK;
  }
  if (parser->type != WORD) {
    return expected(parser, "a value", err);
  }
  enum km_rc rc = check_value(parser, err);
  advance(parser);
  return rc;
}

/* After "in" or "notin". Between, before and behind commas there may be nothing, which is the empty value. */
static enum km_rc parse_list(struct parser *parser, struct km_error *err)
{
  if (!at_text(parser, "(")) {
    return expected(parser, "( and a list of values", err);
  }
  advance(parser);
  while (!at_text(parser, ")")) {
    enum km_rc rc = KM_OK;
    if (at_text(parser, ",")) {
      advance(parser);
    } else if (parser->type == WORD) {
      rc = check_value(parser, err);
      advance(parser);
      if (rc == KM_OK && !at_text(parser, ",") && !at_text(parser, ")")) {
        rc = expected(parser, "a comma or )", err);
      }
    } else {
      rc = expected(parser, "a value or )", err);
    }
    if (rc != KM_OK) {
      return rc;
    }
  }
  advance(parser);
  return KM_OK;
}

static enum km_rc parse_operation(struct parser *parser, struct km_error *err)
{
  static const char *const exact[] = {"=", "==", "!="};
  for (size_t i = 0; i < KM_ARRAY_LEN(exact); i++) {
    if (at_text(parser, exact[i])) {
      advance(parser);
      return parse_exact(parser, err);
    }
  }
  if (at_text(parser, "in") || at_text(parser, "notin")) {
    advance(parser);
    return parse_list(parser, err);
  }
  if (at_text(parser, "<") || at_text(parser, ">")) {
    advance(parser);
    return parse_bound(parser, err);
  }
  expected(parser, "one of = == != in notin < > or a comma", err);
  return at_text(parser, "not") ? km_error_hint(err, "write notin (a,b) as one word") : err->code;
}

static enum km_rc parse_requirement(struct parser *parser, struct km_error *err)
{
  bool absent = at_text(parser, "!");
  if (absent) {
    advance(parser);
  }
  if (parser->type != WORD) {
    return expected(parser, absent ? "the key of a label" : "the key of a label, or ! and a key", err);
  }
  enum km_rc rc = check_key(parser, err);
  advance(parser);
  if (rc != KM_OK || absent || parser->type == END || at_text(parser, ",")) {
    return rc;
  }
  return parse_operation(parser, err);
}

static enum km_rc parse_labels(struct parser *parser, struct km_error *err)
{
  advance(parser);
  while (parser->type != END) {
    enum km_rc rc = parse_requirement(parser, err);
    if (rc != KM_OK) {
      return rc;
    }
    if (parser->type == END) {
      return KM_OK;
    }
    if (!at_text(parser, ",")) {
      return expected(parser, "a comma or the end of the selector", err);
    }
    advance(parser);
    if (parser->type == END) {
      return expected(parser, "the key of a label", err);
    }
  }
  return KM_OK;
}

enum km_rc km_label_selector_check(const char *text, struct km_error *err)
{
  struct parser parser = {.text = text, .next = text};
  if (km_str_empty(text) || parse_labels(&parser, err) == KM_OK) {
    return KM_OK;
  }
  return km_error_wrap(err, "label_selector");
}

/* ---- field selectors ---- */

/* Behind the value at AT: its comma, or the end. NULL after an error. */
static const char *check_field_value(const struct parser *parser, const char *at, struct km_error *err)
{
  for (; *at != '\0' && *at != ','; at++) {
    if (*at == '=') {
      refuse(parser, at, err, "a = in a value is written \\=");
      return NULL;
    }
    if (*at == '\\' && (at[1] == '\0' || strchr("\\,=", at[1]) == NULL)) {
      refuse(parser, at, err, "a backslash stands only before \\ , or =");
      return NULL;
    }
    at += *at == '\\';
  }
  return at;
}

/* Behind the field at AT: its operator. NULL after an error. */
static const char *check_field_name(const struct parser *parser, const char *at, struct km_error *err)
{
  static const char how[] = "a field selector is written status.phase=Running or spec.nodeName!=node-1";
  size_t len = strcspn(at, "=,");
  const char *end = at + len;
  bool negated = len > 0 && end[-1] == '!';
  if (*end != '=') {
    refuse(parser, end, err, "expected = or != after '%.*s'",
           shown_length((struct km_view){.data = at, .len = len}), at);
    km_error_hint(err, "%s", how);
    return NULL;
  }
  len -= negated;
  if (len == 0 || memchr(at, ' ', len) != NULL) {
    refuse(parser, at, err,
           len == 0 ? "expected the name of a field" : "the name of a field holds no blanks");
    km_error_hint(err, "%s", how);
    return NULL;
  }
  return at + len;
}

static bool parse_fields(const struct parser *parser, struct km_error *err)
{
  const char *at = parser->text;
  while (*at != '\0') {
    if (*at == ',') { /* the server passes over empty terms */
      at++;
      continue;
    }
    at = check_field_name(parser, at, err);
    if (at == NULL) {
      return false;
    }
    at += *at == '!' || at[1] == '=' ? 2 : 1;
    at = check_field_value(parser, at, err);
    if (at == NULL) {
      return false;
    }
  }
  return true;
}

enum km_rc km_field_selector_check(const char *text, struct km_error *err)
{
  struct parser parser = {.text = text};
  if (km_str_empty(text) || parse_fields(&parser, err)) {
    return KM_OK;
  }
  return km_error_wrap(err, "field_selector");
}
