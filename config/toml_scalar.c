/* TOML numbers, booleans and date-times.
 *
 * A scalar is first cut out as one word (and, for a date followed by a blank and a time, two), then
 * classified by its first characters and checked to its last: whatever is left over is an error, so no form
 * is accepted by its prefix. Integers are exact within 64 bits. Floats go through strtod, which is exact in
 * the "C" locale; the process never leaves that locale. Date-times stay text, checked against the calendar.
 */
#include "toml_lex.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kube_mcp/base/banned.h"

/* The longest piece of a word that a message repeats. */
#define SHOWN_BYTES 40

struct word {
  const char *start, *end;
};

static bool is_digit(char c)
{
  return c >= '0' && c <= '9';
}

static bool is_word_char(char c)
{
  char lower = (char)(c | 0x20);
  return is_digit(c) || (lower >= 'a' && lower <= 'z') || c == '+' || c == '-' || c == '_' || c == '.' ||
         c == ':';
}

static void extend_word(struct km_toml_lexer *lex, struct word *word)
{
  while (lex->at < lex->end && is_word_char(*lex->at)) {
    lex->at++;
  }
  word->end = lex->at;
}

static size_t word_len(const struct word *word)
{
  return (size_t)(word->end - word->start);
}

static int shown_len(const struct word *word)
{
  return word_len(word) > SHOWN_BYTES ? SHOWN_BYTES : (int)word_len(word);
}

static bool word_is(const struct word *word, const char *text)
{
  return word_len(word) == strlen(text) && memcmp(word->start, text, word_len(word)) == 0;
}

/* COUNT digits and then SEPARATOR: how dates and times are told from numbers. */
static bool starts_with_digits(const struct word *word, size_t count, char separator)
{
  if (word_len(word) <= count || word->start[count] != separator) {
    return false;
  }
  for (size_t i = 0; i < count; i++) {
    if (!is_digit(word->start[i])) {
      return false;
    }
  }
  return true;
}

/* --- date-times --- */

/* The functions below consume what they recognise from *AT and return what is wrong, or NULL. */

/* Exactly DIGITS digits with a value of MIN..MAX. */
static bool number(const char **at, const char *end, int digits, int min, int max, int *ret)
{
  int value = 0;
  for (int i = 0; i < digits; i++, (*at)++) {
    if (*at >= end || !is_digit(**at)) {
      return false;
    }
    value = value * 10 + (**at - '0');
  }
  *ret = value;
  return value >= min && value <= max;
}

static bool literal(const char **at, const char *end, char c)
{
  if (*at >= end || **at != c) {
    return false;
  }
  (*at)++;
  return true;
}

static int days_in_month(int year, int month)
{
  static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : days[month - 1];
}

static const char *date(const char **at, const char *end)
{
  int year, month, day;
  if (!number(at, end, 4, 0, 9999, &year) || !literal(at, end, '-')) {
    return "a date is written YYYY-MM-DD";
  }
  if (!number(at, end, 2, 1, 12, &month) || !literal(at, end, '-')) {
    return "the month must be two digits, 01 to 12";
  }
  if (!number(at, end, 2, 1, days_in_month(year, month), &day)) {
    return "that month has no such day";
  }
  return NULL;
}

static const char *time_of_day(const char **at, const char *end)
{
  int hour, minute, second;
  if (!number(at, end, 2, 0, 23, &hour) || !literal(at, end, ':')) {
    return "the hour must be two digits, 00 to 23";
  }
  if (!number(at, end, 2, 0, 59, &minute)) {
    return "the minute must be two digits, 00 to 59";
  }
  if (!literal(at, end, ':') || !number(at, end, 2, 0, 60, &second)) {
    return "the seconds must be two digits, 00 to 60";
  }
  if (literal(at, end, '.')) {
    const char *fraction = *at;
    while (*at < end && is_digit(**at)) {
      (*at)++;
    }
    if (*at == fraction) {
      return "digits must follow the decimal point";
    }
  }
  return NULL;
}

static const char *offset(const char **at, const char *end)
{
  int hour, minute;
  if (literal(at, end, 'Z') || literal(at, end, 'z')) {
    return NULL;
  }
  if (!literal(at, end, '+') && !literal(at, end, '-')) {
    return "a time is followed by Z, +HH:MM, -HH:MM or nothing";
  }
  if (!number(at, end, 2, 0, 23, &hour) || !literal(at, end, ':') || !number(at, end, 2, 0, 59, &minute)) {
    return "the offset must be +HH:MM or -HH:MM";
  }
  return NULL;
}

static const char *check_date_time(const struct word *word, enum km_toml_type *ret_type)
{
  const char *at = word->start;
  const char *problem = NULL;
  bool has_date = starts_with_digits(word, 4, '-');
  *ret_type = has_date ? KM_TOML_LOCAL_DATE : KM_TOML_LOCAL_TIME;
  if (has_date) {
    problem = date(&at, word->end);
    if (problem != NULL || at == word->end) {
      return problem;
    }
    if (!literal(&at, word->end, 'T') && !literal(&at, word->end, 't') && !literal(&at, word->end, ' ')) {
      return "T or a blank must stand between date and time";
    }
    *ret_type = KM_TOML_LOCAL_DATETIME;
  }
  problem = time_of_day(&at, word->end);
  if (problem == NULL && at < word->end && has_date) {
    *ret_type = KM_TOML_OFFSET_DATETIME;
    problem = offset(&at, word->end);
  }
  return problem == NULL && at < word->end ? "something follows that does not belong to it" : problem;
}

static enum km_rc date_time(struct km_toml_lexer *lex, struct word *word, struct km_toml_value *ret)
{
  bool date_then_time = word_len(word) == strlen("YYYY-MM-DD") && lex->end - lex->at >= 2 &&
                        lex->at[0] == ' ' && is_digit(lex->at[1]);
  if (date_then_time) {
    lex->at++;
    extend_word(lex, word);
  }
  enum km_toml_type type;
  const char *problem = check_date_time(word, &type);
  if (problem != NULL) {
    return km_toml_fail(lex, word->start, "'%.*s' is not a date or time: %s", shown_len(word), word->start,
                        problem);
  }
  char *text = km_arena_strndup(lex->arena, word->start, word_len(word));
  for (char *c = text; *c != '\0'; c++) {
    if (*c == 't' || *c == ' ') {
      *c = 'T';
    } else if (*c == 'z') {
      *c = 'Z';
    }
  }
  ret->type = type;
  ret->as.string.data = text;
  ret->as.string.len = word_len(word);
  return KM_OK;
}

/* --- numbers --- */

static int digit_value(char c)
{
  if (is_digit(c)) {
    return c - '0';
  }
  char lower = (char)(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 99;
}

/* Digits of BASE in which every underscore stands between two of them; at least one. */
static bool skip_digits(const char **at, const char *end, int base)
{
  bool after_digit = false;
  for (; *at < end; (*at)++) {
    bool digit = digit_value(**at) < base;
    if (!digit && !(**at == '_' && after_digit)) {
      break;
    }
    after_digit = digit;
  }
  return after_digit;
}

/* The magnitude of a checked run of digits; false beyond LIMIT. */
static bool magnitude(const char *at, const char *end, int base, uint64_t limit, uint64_t *ret)
{
  uint64_t value = 0;
  for (; at < end; at++) {
    if (*at == '_') {
      continue;
    }
    if (__builtin_mul_overflow(value, (uint64_t)base, &value) ||
        __builtin_add_overflow(value, (uint64_t)digit_value(*at), &value)) {
      return false;
    }
  }
  *ret = value;
  return value <= limit;
}

static enum km_rc not_a_value(struct km_toml_lexer *lex, const struct word *word)
{
  return km_toml_fail(lex, word->start, "'%.*s' is not a value; text needs quotes", shown_len(word),
                      word->start);
}

static enum km_rc integer(struct km_toml_lexer *lex, const struct word *word, const char *digits, int base,
                          bool negative, struct km_toml_value *ret)
{
  uint64_t value;
  uint64_t limit = (uint64_t)INT64_MAX + (negative ? 1 : 0);
  if (!magnitude(digits, word->end, base, limit, &value)) {
    return km_toml_fail(lex, word->start, "%.*s does not fit into 64 bits", shown_len(word), word->start);
  }
  ret->type = KM_TOML_INTEGER;
  ret->as.integer = negative ? (int64_t)(0 - value) : (int64_t)value;
  return KM_OK;
}

static enum km_rc floating(struct km_toml_lexer *lex, const struct word *word, struct km_toml_value *ret)
{
  char *out = lex->scratch;
  for (const char *at = word->start; at < word->end; at++) {
    if (*at != '_') {
      *out++ = *at;
    }
  }
  *out = '\0';
  double value = strtod(lex->scratch, NULL);
  if (isinf(value)) {
    return km_toml_fail(lex, word->start, "%.*s is too large for a float", shown_len(word), word->start);
  }
  ret->type = KM_TOML_FLOAT;
  ret->as.floating = value;
  return KM_OK;
}

/* 0x, 0o and 0b take neither sign nor fraction. */
static int prefixed_base(const struct word *word)
{
  if (word_len(word) < 2 || word->start[0] != '0') {
    return 0;
  }
  switch (word->start[1]) {
  case 'x': return 16;
  case 'o': return 8;
  case 'b': return 2;
  default: return 0;
  }
}

static enum km_rc decimal(struct km_toml_lexer *lex, const struct word *word, struct km_toml_value *ret)
{
  const char *at = word->start;
  bool negative = *at == '-';
  if (negative || *at == '+') {
    at++;
  }
  const char *digits = at;
  if (!skip_digits(&at, word->end, 10)) {
    return not_a_value(lex, word);
  }
  if (*digits == '0' && at - digits > 1) {
    return km_toml_fail(lex, word->start, "%.*s has a leading zero", shown_len(word), word->start);
  }
  if (at == word->end) {
    return integer(lex, word, digits, 10, negative, ret);
  }
  bool sound = !literal(&at, word->end, '.') || skip_digits(&at, word->end, 10);
  if (sound && (literal(&at, word->end, 'e') || literal(&at, word->end, 'E'))) {
    if (!literal(&at, word->end, '+')) {
      literal(&at, word->end, '-');
    }
    sound = skip_digits(&at, word->end, 10);
  }
  return sound && at == word->end ? floating(lex, word, ret) : not_a_value(lex, word);
}

/* inf and nan with an optional sign. */
static bool special_float(const struct word *word, double *ret)
{
  struct word name = *word;
  bool negative = *name.start == '-';
  if (negative || *name.start == '+') {
    name.start++;
  }
  bool infinite = word_is(&name, "inf");
  if (!infinite && !word_is(&name, "nan")) {
    return false;
  }
  double value = infinite ? (double)INFINITY : (double)NAN;
  *ret = negative ? -value : value;
  return true;
}

enum km_rc km_toml_scalar(struct km_toml_lexer *lex, struct km_toml_value *ret)
{
  struct word word = {.start = lex->at};
  extend_word(lex, &word);
  if (word_len(&word) == 0) {
    return km_toml_expected(lex, "a value");
  }
  if (word_is(&word, "true") || word_is(&word, "false")) {
    ret->type = KM_TOML_BOOLEAN;
    ret->as.boolean = *word.start == 't';
    return KM_OK;
  }
  if (starts_with_digits(&word, 4, '-') || starts_with_digits(&word, 2, ':')) {
    return date_time(lex, &word, ret);
  }
  if (special_float(&word, &ret->as.floating)) {
    ret->type = KM_TOML_FLOAT;
    return KM_OK;
  }
  int base = prefixed_base(&word);
  if (base != 0) {
    const char *digits = word.start + 2;
    const char *at = digits;
    if (!skip_digits(&at, word.end, base) || at < word.end) {
      return not_a_value(lex, &word);
    }
    return integer(lex, &word, digits, base, false, ret);
  }
  return decimal(lex, &word, ret);
}
