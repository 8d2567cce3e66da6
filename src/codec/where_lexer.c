/* Tokens of a condition. A word ends at a blank, a quote, a bracket or an operator, but what stands in square brackets or
 * braces belongs to it, whatever it is: .status.conditions[?(@.type=="Ready")].status is one word. Strings are copied into
 * the arena, never longer than the text, which is bounded. */
#include <string.h>

#include "where_internal.h"

#include "kube_mcp/base/banned.h"

#define BLANKS    " \t\r\n"
#define QUOTES    "'\""
#define OPERATORS "=!<>&|~"

size_t km_where_column(const struct km_where_lexer *lexer, const char *at)
{
  size_t column = 1;
  for (const char *p = lexer->text; p < at; p++) {
    column += ((unsigned char)*p & 0xc0) != 0x80;
  }
  return column;
}

/* C is one of SET; the NUL is in no set. */
static bool is_in(char c, const char *set)
{
  return c != '\0' && strchr(set, c) != NULL;
}

/* Behind the quoted text that begins at AT; NULL when it does not end. */
static const char *skip_quoted(const char *at)
{
  char quote = *at++;
  for (; *at != '\0' && *at != quote; at++) {
    at += *at == '\\' && at[1] != '\0';
  }
  return *at == quote ? at + 1 : NULL;
}

/* Behind the bracket or brace that opens at AT and all within it; NULL when it is not closed. */
static const char *skip_brackets(const char *at)
{
  size_t depth = 0;
  while (*at != '\0') {
    if (is_in(*at, QUOTES)) {
      at = skip_quoted(at);
      if (at == NULL) {
        return NULL;
      }
      continue;
    }
    depth += is_in(*at, "[{");
    depth -= is_in(*at, "]}") && depth > 0;
    at += *at == '\\' && at[1] != '\0' ? 2 : 1;
    if (depth == 0) {
      return at;
    }
  }
  return NULL;
}

static enum km_rc read_word(struct km_where_lexer *lexer, struct km_where_token *ret, struct km_error *err)
{
  const char *at = lexer->next;
  while (*at != '\0' && !is_in(*at, BLANKS QUOTES OPERATORS "(),")) {
    if (is_in(*at, "[{")) {
      const char *end = skip_brackets(at);
      if (end == NULL) {
        km_where_refuse(lexer, at, err, "the %s is not closed", *at == '[' ? "bracket" : "brace");
        return km_error_hint(err, "put a value that holds brackets into quotes");
      }
      at = end;
      continue;
    }
    if (*at == '\\' && at[1] == '\0') {
      return km_where_refuse(lexer, at, err, "nothing follows the backslash");
    }
    at += *at == '\\' ? 2 : 1;
  }
  size_t len = (size_t)(at - lexer->next);
  ret->type = KM_TOKEN_WORD;
  ret->text = (struct km_view){.data = km_arena_strndup(lexer->arena, lexer->next, len), .len = len};
  lexer->next = at;
  return KM_OK;
}

/* A backslash takes a quote or a backslash as it is; before anything else it stays, so that regular expressions need not be
 * written with two. */
static enum km_rc read_quoted(struct km_where_lexer *lexer, struct km_where_token *ret, struct km_error *err)
{
  const char *end = skip_quoted(lexer->next);
  if (end == NULL) {
    return km_where_refuse(lexer, lexer->next, err, "the quote is not closed");
  }
  char *text = km_arena_alloc(lexer->arena, (size_t)(end - lexer->next));
  size_t len = 0;
  for (const char *p = lexer->next + 1; p < end - 1; p++) {
    p += *p == '\\' && is_in(p[1], QUOTES "\\");
    text[len++] = *p;
  }
  ret->type = KM_TOKEN_QUOTED;
  ret->text = (struct km_view){.data = text, .len = len};
  lexer->next = end;
  return KM_OK;
}

/* What other languages write, and what it is here. */
static const struct {
  const char *symbol, *instead;
} foreign[] = {{"===", "="}, {"!==", "!="}, {"<>", "!="}, {"=>", ">="}, {"=<", "<="},
               {"~=", "=~"}, {"!=~", "!~"}, {"~", "=~"},  {"&", "and"}, {"|", "or"}};

static enum km_rc refuse_symbol(const struct km_where_lexer *lexer, const char *at, size_t len,
                                struct km_error *err)
{
  for (size_t i = 0; i < KM_ARRAY_LEN(foreign); i++) {
    if (strlen(foreign[i].symbol) == len && memcmp(foreign[i].symbol, at, len) == 0) {
      km_where_refuse(lexer, at, err, "there is no operator '%s'", foreign[i].symbol);
      return km_error_hint(err, "write %s", foreign[i].instead);
    }
  }
  km_where_refuse(lexer, at, err, "there is no operator '%.*s'", (int)(len < 8 ? len : 8), at);
  return km_error_hint(err, "operators are = != < <= > >= =~ !~ contains matches in exists and or not; "
                            "put a value that holds such characters into quotes");
}

/* The longest run of operator characters, but a "!" that stands alone may be followed by a path. */
static enum km_rc read_symbol(struct km_where_lexer *lexer, struct km_where_token *ret, struct km_error *err)
{
  static const char *const symbols[] = {"=", "==", "!=", "<", "<=", ">", ">=", "=~", "!~", "&&", "||", "!"};
  const char *at = lexer->next;
  size_t len = is_in(*at, "(),") ? 1 : strspn(at, OPERATORS);
  if (len > 1 && at[0] == '!' && at[1] == '!') {
    len = 1;
  }
  bool known = is_in(*at, "(),");
  for (size_t i = 0; i < KM_ARRAY_LEN(symbols) && !known; i++) {
    known = strlen(symbols[i]) == len && memcmp(symbols[i], at, len) == 0;
  }
  if (!known) {
    return refuse_symbol(lexer, at, len, err);
  }
  ret->type = KM_TOKEN_SYMBOL;
  ret->text = (struct km_view){.data = at, .len = len};
  lexer->next = at + len;
  return KM_OK;
}

enum km_rc km_where_next(struct km_where_lexer *lexer, struct km_where_token *ret, struct km_error *err)
{
  lexer->next += strspn(lexer->next, BLANKS);
  ret->at = lexer->next;
  ret->text = (struct km_view){.data = "", .len = 0};
  if (*lexer->next == '\0') {
    ret->type = KM_TOKEN_END;
    return KM_OK;
  }
  if (is_in(*lexer->next, QUOTES)) {
    return read_quoted(lexer, ret, err);
  }
  return is_in(*lexer->next, OPERATORS "(),") ? read_symbol(lexer, ret, err) : read_word(lexer, ret, err);
}
