/* The lexical half of the TOML parser: positions, messages, line structure, strings and keys.
 *
 * The lexer walks one pointer through the text. Lines and columns are worked out only when somebody asks, by
 * counting on from the last position asked for, so that a document costs one counting pass whatever its
 * shape. Invariant: text[0..len) is valid UTF-8 (checked once at the start), so the rest may copy bytes above
 * 0x7f blindly. A decoded string is never longer than its source; the scratch buffer of the document's size
 * therefore suffices. */
#include "toml_lex.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kube_mcp/base/crypto.h"
#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

/* --- positions and messages --- */

struct km_toml_place km_toml_place(struct km_toml_lexer *lex, const char *at)
{
  if (at < lex->mark.at) {
    lex->mark.at = lex->text;
    lex->mark.place = (struct km_toml_place){1, 1};
  }
  for (; lex->mark.at < at; lex->mark.at++) {
    if (*lex->mark.at == '\n') {
      lex->mark.place.line++;
      lex->mark.place.col = 1;
    } else if (((unsigned char)*lex->mark.at & 0xc0) != 0x80) {
      lex->mark.place.col++;
    }
  }
  return lex->mark.place;
}

static enum km_rc fail_v(struct km_toml_lexer *lex, struct km_toml_place place, const char *format,
                         va_list args) KM_PRINTF(3, 0);
static enum km_rc fail_v(struct km_toml_lexer *lex, struct km_toml_place place, const char *format,
                         va_list args)
{
  char what[sizeof lex->err->message];
  vsnprintf(what, sizeof what, format, args);
  return km_error_set(lex->err, KM_E_INVALID, "%s:%d:%d: %s", lex->source, place.line, place.col, what);
}

enum km_rc(km_toml_fail)(struct km_toml_lexer *lex, const char *at, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  enum km_rc rc = fail_v(lex, km_toml_place(lex, at), format, args);
  va_end(args);
  return rc;
}

enum km_rc(km_toml_fail_at)(struct km_toml_lexer *lex, struct km_toml_place place, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  enum km_rc rc = fail_v(lex, place, format, args);
  va_end(args);
  return rc;
}

/* The code point at AT, whose text is known to be valid UTF-8. */
static unsigned code_point(const char *at)
{
  unsigned char lead = (unsigned char)*at;
  if (lead < 0x80) {
    return lead;
  }
  unsigned following = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
  unsigned value = lead & (0x3fU >> following);
  for (unsigned i = 1; i <= following; i++) {
    value = value << 6 | ((unsigned char)at[i] & 0x3f);
  }
  return value;
}

static bool at_newline(const struct km_toml_lexer *lex)
{
  return lex->at < lex->end &&
         (*lex->at == '\n' || (*lex->at == '\r' && lex->at + 1 < lex->end && lex->at[1] == '\n'));
}

/* Names the next character for a message. */
static void describe(const struct km_toml_lexer *lex, char *buf, size_t size)
{
  if (lex->at >= lex->end) {
    snprintf(buf, size, "the end of the file");
  } else if (at_newline(lex)) {
    snprintf(buf, size, "the end of the line");
  } else if (*lex->at > ' ' && *lex->at < 0x7f) {
    snprintf(buf, size, "'%c'", *lex->at);
  } else {
    snprintf(buf, size, "the character U+%04X", code_point(lex->at));
  }
}

enum km_rc(km_toml_expected)(struct km_toml_lexer *lex, const char *what)
{
  char found[40];
  describe(lex, found, sizeof found);
  return km_toml_fail(lex, lex->at, "expected %s, found %s", what, found);
}

/* --- start --- */

/* Length of the longest valid prefix of a text that is not valid as a whole. */
static size_t valid_prefix(const char *text, size_t len)
{
  size_t good = 0;
  while (good < len) {
    size_t step = 1;
    while (step <= 4 && good + step <= len && !km_utf8_valid(text + good, step)) {
      step++;
    }
    if (step > 4 || good + step > len) {
      break;
    }
    good += step;
  }
  return good;
}

enum km_rc km_toml_lexer_init(struct km_toml_lexer *lex, struct km_arena *arena, const char *text, size_t len,
                              const char *source, struct km_error *err)
{
  static const char byte_order_mark[] = "\xef\xbb\xbf";
  if (len >= 3 && memcmp(text, byte_order_mark, 3) == 0) {
    text += 3;
    len -= 3;
  }
  *lex = (struct km_toml_lexer){
      .arena = arena,
      .source = source,
      .text = text,
      .at = text,
      .end = text + len,
      .mark = {.at = text, .place = {1, 1}},
      .err = err,
  };
  if (!km_utf8_valid(text, len)) {
    return km_toml_fail(lex, text + valid_prefix(text, len), "the text is not valid UTF-8 here");
  }
  lex->scratch = km_arena_alloc(arena, len + 1);
  return KM_OK;
}

void km_toml_lexer_done(struct km_toml_lexer *lex)
{
  km_wipe(lex->scratch, (size_t)(lex->end - lex->text));
}

/* --- line structure --- */

char km_toml_peek(const struct km_toml_lexer *lex)
{
  if (lex->at == lex->end) {
    return '\0';
  }
  return *lex->at;
}

bool km_toml_accept(struct km_toml_lexer *lex, const char *literal)
{
  size_t len = strlen(literal);
  if ((size_t)(lex->end - lex->at) < len || memcmp(lex->at, literal, len) != 0) {
    return false;
  }
  lex->at += len;
  return true;
}

void km_toml_skip_blanks(struct km_toml_lexer *lex)
{
  while (lex->at < lex->end && (*lex->at == ' ' || *lex->at == '\t')) {
    lex->at++;
  }
}

static bool accept_newline(struct km_toml_lexer *lex)
{
  return km_toml_accept(lex, "\n") || km_toml_accept(lex, "\r\n");
}

/* Control characters but tab, and DEL, may appear nowhere. */
static bool is_forbidden(char c)
{
  return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

static enum km_rc skip_comment(struct km_toml_lexer *lex)
{
  if (!km_toml_accept(lex, "#")) {
    return KM_OK;
  }
  while (lex->at < lex->end && !at_newline(lex)) {
    if (is_forbidden(*lex->at)) {
      return km_toml_fail(lex, lex->at, "the control character U+%04X is not allowed in a comment",
                          code_point(lex->at));
    }
    lex->at++;
  }
  return KM_OK;
}

enum km_rc km_toml_skip_lines(struct km_toml_lexer *lex)
{
  do {
    km_toml_skip_blanks(lex);
    enum km_rc rc = skip_comment(lex);
    if (rc != KM_OK) {
      return rc;
    }
  } while (accept_newline(lex));
  return KM_OK;
}

enum km_rc km_toml_end_line(struct km_toml_lexer *lex)
{
  km_toml_skip_blanks(lex);
  enum km_rc rc = skip_comment(lex);
  if (rc != KM_OK) {
    return rc;
  }
  if (lex->at < lex->end && !accept_newline(lex)) {
    return km_toml_expected(lex, "the end of the line");
  }
  return KM_OK;
}

/* --- strings --- */

struct string_state {
  const char *open; /* the opening quote, for messages */
  char quote;
  bool multiline;
  size_t len; /* bytes decoded into the scratch buffer */
};

static void put(struct km_toml_lexer *lex, struct string_state *string, char c)
{
  lex->scratch[string->len++] = c;
}

static void put_code_point(struct km_toml_lexer *lex, struct string_state *string, uint32_t point)
{
  if (point < 0x80) {
    put(lex, string, (char)point);
    return;
  }
  unsigned following = point >= 0x10000 ? 3 : point >= 0x800 ? 2 : 1;
  static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
  put(lex, string, (char)(lead[following] | point >> (6 * following)));
  while (following-- > 0) {
    put(lex, string, (char)(0x80 | (point >> (6 * following) & 0x3f)));
  }
}

static int hex_digit(char c)
{
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  char lower = (char)(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* The digits of \u or \U. */
static enum km_rc unicode_escape(struct km_toml_lexer *lex, struct string_state *string, int digits)
{
  const char *start = lex->at - 2;
  uint32_t point = 0;
  for (int i = 0; i < digits; i++, lex->at++) {
    int digit = hex_digit(km_toml_peek(lex));
    if (digit < 0) {
      return km_toml_fail(lex, start, "\\%c needs %d hexadecimal digits", start[1], digits);
    }
    point = point << 4 | (uint32_t)digit;
  }
  if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
    return km_toml_fail(lex, start, "%.*s is not a Unicode character", digits + 2, start);
  }
  put_code_point(lex, string, point);
  return KM_OK;
}

/* A backslash at the end of a line swallows all white space up to the next text. */
static bool line_continuation(struct km_toml_lexer *lex)
{
  const char *start = lex->at;
  km_toml_skip_blanks(lex);
  if (!accept_newline(lex)) {
    lex->at = start;
    return false;
  }
  do {
    km_toml_skip_blanks(lex);
  } while (accept_newline(lex));
  return true;
}

static enum km_rc escape(struct km_toml_lexer *lex, struct string_state *string)
{
  static const char names[] = "btnfr\"\\";
  static const char values[] = "\b\t\n\f\r\"\\";
  const char *start = lex->at++;
  if (string->multiline && line_continuation(lex)) {
    return KM_OK;
  }
  char name = km_toml_peek(lex);
  const char *known = name != '\0' ? strchr(names, name) : NULL;
  if (known != NULL) {
    lex->at++;
    put(lex, string, values[known - names]);
    return KM_OK;
  }
  if (name == 'u' || name == 'U') {
    lex->at++;
    return unicode_escape(lex, string, name == 'u' ? 4 : 8);
  }
  return km_toml_fail(lex, start,
                      "unknown escape; use \\\\ for a backslash or a 'literal string' in single quotes");
}

/* A run of quotes inside the string: text, or the end. Two may stand before the closing three. */
static bool close_string(struct km_toml_lexer *lex, struct string_state *string)
{
  if (!string->multiline) {
    lex->at++;
    return true;
  }
  size_t run = 0;
  while (run < 5 && lex->at < lex->end && *lex->at == string->quote) {
    run++;
    lex->at++;
  }
  bool closed = run >= 3;
  for (size_t i = closed ? 3 : 0; i < run; i++) {
    put(lex, string, string->quote);
  }
  return closed;
}

/* One plain character or line end. */
static enum km_rc plain(struct km_toml_lexer *lex, struct string_state *string)
{
  if (at_newline(lex)) {
    if (!string->multiline) {
      return km_toml_fail(lex, string->open, "the string is not closed on its line");
    }
    if (*lex->at == '\r') {
      put(lex, string, *lex->at++);
    }
  } else if (is_forbidden(*lex->at)) {
    return km_toml_fail(lex, lex->at, "the control character U+%04X is not allowed in a string",
                        code_point(lex->at));
  }
  put(lex, string, *lex->at++);
  return KM_OK;
}

enum km_rc km_toml_string(struct km_toml_lexer *lex, bool allow_multiline, char **ret, size_t *ret_len)
{
  struct string_state string = {.open = lex->at, .quote = *lex->at};
  string.multiline = km_toml_accept(lex, string.quote == '"' ? "\"\"\"" : "'''");
  if (string.multiline) {
    if (!allow_multiline) {
      return km_toml_fail(lex, string.open, "a key cannot be a multi-line string");
    }
    accept_newline(lex);
  } else {
    lex->at++;
  }
  for (;;) {
    if (lex->at >= lex->end) {
      return km_toml_fail(lex, string.open, "the string is not closed");
    }
    enum km_rc rc = KM_OK;
    if (*lex->at == string.quote) {
      if (close_string(lex, &string)) {
        break;
      }
    } else if (*lex->at == '\\' && string.quote == '"') {
      rc = escape(lex, &string);
    } else {
      rc = plain(lex, &string);
    }
    if (rc != KM_OK) {
      return rc;
    }
  }
  char *copy = km_arena_alloc(lex->arena, string.len + 1);
  memcpy(copy, lex->scratch, string.len);
  *ret = copy;
  *ret_len = string.len;
  return KM_OK;
}

/* --- keys --- */

static bool is_bare_key_char(char c)
{
  char lower = (char)(c | 0x20);
  return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

enum km_rc km_toml_key(struct km_toml_lexer *lex, struct km_toml_key *ret)
{
  struct km_toml_key key = {.place = km_toml_place(lex, lex->at)};
  char first = km_toml_peek(lex);
  if (first == '"' || first == '\'') {
    enum km_rc rc = km_toml_string(lex, false, &key.text, &key.len);
    if (rc != KM_OK) {
      return rc;
    }
  } else {
    const char *start = lex->at;
    while (is_bare_key_char(km_toml_peek(lex))) {
      lex->at++;
    }
    key.len = (size_t)(lex->at - start);
    if (key.len == 0) {
      return km_toml_expected(lex, "a key");
    }
    key.text = km_arena_strndup(lex->arena, start, key.len);
  }
  *ret = key;
  return KM_OK;
}
