/* Scalar typing as the Kubernetes YAML library does it: YAML 1.1 words (yes, no, on, off, y, n are booleans),
 * the integer and float forms of Go (0x1f, 0o17, 017, 0b11, 1_000, 1e3), timestamps.
 *
 * Where that library loses digits (integers beyond 64 bits become floats there) the kind says so and the
 * caller keeps the text. Numbers longer than KM_YAML_MAX_NUMBER_BYTES, and those beyond the range of a
 * double, are text. Pure functions; decimal points are those of the C locale, which the process never
 * leaves. */
#include "yaml_scalar.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kube_mcp/base/compiler.h"

#include "kube_mcp/base/banned.h"

/* Words with a meaning; other capitals ("nULL") have none. */
static const struct {
  const char *spellings[3];
  struct km_yaml_scalar scalar;
} words[] = {
    {{"", "~"}, {.kind = KM_YAML_NULL}},
    {{"null", "Null", "NULL"}, {.kind = KM_YAML_NULL}},
    {{"y", "Y"}, {.kind = KM_YAML_BOOL, .truth = true}},
    {{"n", "N"}, {.kind = KM_YAML_BOOL, .truth = false}},
    {{"yes", "Yes", "YES"}, {.kind = KM_YAML_BOOL, .truth = true}},
    {{"no", "No", "NO"}, {.kind = KM_YAML_BOOL, .truth = false}},
    {{"on", "On", "ON"}, {.kind = KM_YAML_BOOL, .truth = true}},
    {{"off", "Off", "OFF"}, {.kind = KM_YAML_BOOL, .truth = false}},
    {{"true", "True", "TRUE"}, {.kind = KM_YAML_BOOL, .truth = true}},
    {{"false", "False", "FALSE"}, {.kind = KM_YAML_BOOL, .truth = false}},
    {{".inf", ".Inf", ".INF"}, {.kind = KM_YAML_NONFINITE}},
    {{"+.inf", "+.Inf", "+.INF"}, {.kind = KM_YAML_NONFINITE}},
    {{"-.inf", "-.Inf", "-.INF"}, {.kind = KM_YAML_NONFINITE}},
    {{".nan", ".NaN", ".NAN"}, {.kind = KM_YAML_NONFINITE}},
};
#define MAX_WORD_BYTES 5
#define WORD_INITIALS  "~yYnNtTfFoO+-." /* and the empty word */

/* ---- pieces of numbers ---- */

static bool is_digit(char c)
{
  return c >= '0' && c <= '9';
}

static const char *skip_digits(const char *s)
{
  while (is_digit(*s)) {
    s++;
  }
  return s;
}

static const char *skip_sign(const char *s)
{
  return *s == '+' || *s == '-' ? s + 1 : s;
}

/* Value of C as a digit of at most base 16, or 16. */
static unsigned digit_value(char c)
{
  if (is_digit(c)) {
    return (unsigned)(c - '0');
  }
  if (c >= 'a' && c <= 'f') {
    return (unsigned)(c - 'a') + 10;
  }
  if (c >= 'A' && c <= 'F') {
    return (unsigned)(c - 'A') + 10;
  }
  return 16;
}

/* The base a Go integer literal announces; moves *S past the prefix. */
static unsigned take_base(const char **s)
{
  const char *p = *s;
  if (p[0] != '0' || p[1] == '\0') {
    return 10;
  }
  if (p[2] != '\0') {
    *s = p + 2;
    switch (p[1]) {
    case 'x':
    case 'X': return 16;
    case 'o':
    case 'O': return 8;
    case 'b':
    case 'B': return 2;
    default: break;
    }
  }
  *s = p + 1;
  return 8;
}

/* An integer of any base within 64 bits, or a decimal beyond them. */
static bool parse_integer(const char *s, struct km_yaml_scalar *ret)
{
  bool negative = *s == '-';
  s = skip_sign(s);
  if (*s == '\0') {
    return false;
  }
  unsigned base = take_base(&s);
  uint64_t value = 0;
  bool overflow = false;
  for (; *s != '\0'; s++) {
    unsigned digit = digit_value(*s);
    if (digit >= base) {
      return false;
    }
    overflow |= __builtin_mul_overflow(value, base, &value);
    overflow |= __builtin_add_overflow(value, digit, &value);
  }
  overflow |= negative && value > (uint64_t)INT64_MAX + 1;
  if (overflow) {
    ret->kind = KM_YAML_BIGINT;
    return base == 10;
  }
  if (negative) {
    ret->kind = KM_YAML_SINT;
    ret->sint = (int64_t)(0 - value);
  } else if (value <= INT64_MAX) {
    ret->kind = KM_YAML_SINT;
    ret->sint = (int64_t)value;
  } else {
    ret->kind = KM_YAML_UINT;
    ret->uint = value;
  }
  return true;
}

/* [-+]? ( .digits | digits [. [digits]] ) ( [eE] [-+]? digits )? and nothing else. */
static bool has_float_form(const char *s)
{
  s = skip_sign(s);
  const char *after_digits = skip_digits(s);
  bool digits = after_digits != s;
  if (*after_digits == '.') {
    s = after_digits + 1;
    after_digits = skip_digits(s);
    digits = digits || after_digits != s;
  }
  if (!digits) {
    return false;
  }
  s = after_digits;
  if (*s == 'e' || *s == 'E') {
    s = skip_sign(s + 1);
    after_digits = skip_digits(s);
    if (after_digits == s) {
      return false;
    }
    s = after_digits;
  }
  return *s == '\0';
}

/* What overflows is no number at all, as in Go; what underflows is zero. */
static bool parse_real(const char *s, double *ret)
{
  if (!has_float_form(s)) {
    return false;
  }
  double real = strtod(s, NULL);
  if (!isfinite(real)) {
    return false;
  }
  *ret = real;
  return true;
}

/* Copies TEXT without its underscores. False if it cannot be a number: too long, a NUL in it, or, where it
 * begins with the point, an underscore that does not separate digits. */
static bool strip_underscores(const char *text, size_t len, char out[KM_YAML_MAX_NUMBER_BYTES + 1])
{
  if (len > KM_YAML_MAX_NUMBER_BYTES) {
    return false;
  }
  size_t n = 0;
  for (size_t i = 0; i < len; i++) {
    if (text[i] == '\0') {
      return false;
    }
    if (text[i] != '_') {
      out[n++] = text[i];
    } else if (text[0] == '.' && !(is_digit(text[i - 1]) && is_digit(text[i + 1]))) {
      return false;
    }
  }
  out[n] = '\0';
  return true;
}

/* ---- timestamps, in the four layouts the Kubernetes library knows ---- */

/* One or two digits, as Go's time.Parse takes them. */
static bool take_number(const char **s, int *ret)
{
  if (!is_digit(**s)) {
    return false;
  }
  int value = *(*s)++ - '0';
  if (is_digit(**s)) {
    value = value * 10 + (*(*s)++ - '0');
  }
  *ret = value;
  return true;
}

static bool take_char(const char **s, char c)
{
  if (**s != c) {
    return false;
  }
  (*s)++;
  return true;
}

/* A year of four digits, a month and a day that exist. */
static bool take_date(const char **s)
{
  static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  int year = 0;
  for (int i = 0; i < 4; i++) {
    if (!is_digit(**s)) {
      return false;
    }
    year = year * 10 + (*(*s)++ - '0');
  }
  int month = 0;
  int day = 0;
  if (!take_char(s, '-') || !take_number(s, &month) || !take_char(s, '-') || !take_number(s, &day)) {
    return false;
  }
  if (month < 1 || month > 12 || day < 1) {
    return false;
  }
  bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return day <= month_days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* "h:m:s" with an optional fraction after a point or a comma. */
static bool take_time(const char **s)
{
  int hour = 0;
  int minute = 0;
  int second = 0;
  if (!take_number(s, &hour) || !take_char(s, ':') || !take_number(s, &minute) || !take_char(s, ':') ||
      !take_number(s, &second)) {
    return false;
  }
  if ((**s == '.' || **s == ',') && is_digit((*s)[1])) {
    *s = skip_digits(*s + 1);
  }
  return hour < 24 && minute < 60 && second < 60;
}

/* "Z" or "+hh:mm". */
static bool take_zone(const char **s)
{
  if (take_char(s, 'Z')) {
    return true;
  }
  if (**s != '+' && **s != '-') {
    return false;
  }
  const char *digits = *s + 1;
  int hours = 0;
  int minutes = 0;
  const char *p = digits;
  if (!take_number(&p, &hours) || p != digits + 2 || !take_char(&p, ':') || !take_number(&p, &minutes) ||
      p != digits + 5) {
    return false;
  }
  *s = p;
  return hours <= 24 && minutes <= 60;
}

static bool is_timestamp(const char *s)
{
  if (!take_date(&s)) {
    return false;
  }
  if (*s == '\0') {
    return true;
  }
  if (take_char(&s, ' ')) {
    return take_time(&s) && *s == '\0';
  }
  return (take_char(&s, 'T') || take_char(&s, 't')) && take_time(&s) && take_zone(&s) && *s == '\0';
}

/* ---- resolving ---- */

static bool resolve_word(const char *text, size_t len, struct km_yaml_scalar *ret)
{
  if (len > MAX_WORD_BYTES || strchr(WORD_INITIALS, text[0]) == NULL) {
    return false;
  }
  for (size_t i = 0; i < KM_ARRAY_LEN(words); i++) {
    for (size_t k = 0; k < KM_ARRAY_LEN(words[i].spellings) && words[i].spellings[k] != NULL; k++) {
      const char *word = words[i].spellings[k];
      if (word[0] == text[0] && strlen(word) == len && memcmp(text, word, len) == 0) {
        *ret = words[i].scalar;
        return true;
      }
    }
  }
  return false;
}

/* Spares most text the attempts that follow. */
static bool looks_numeric(const char *text)
{
  return text[0] == '.' || is_digit(text[0]) || skip_sign(text) != text;
}

/* Octal beyond 64 bits falls through to the float it also looks like; hexadecimal looks like none and is
 * text. */
struct km_yaml_scalar km_yaml_resolve(const char *text, size_t len)
{
  struct km_yaml_scalar scalar = {.kind = KM_YAML_TEXT};
  if (resolve_word(text, len, &scalar)) {
    return scalar;
  }
  char number[KM_YAML_MAX_NUMBER_BYTES + 1];
  if (!looks_numeric(text) || !strip_underscores(text, len, number)) {
    return scalar;
  }
  if (is_timestamp(text)) {
    scalar.kind = KM_YAML_TIMESTAMP;
    return scalar;
  }
  double real = 0;
  bool is_real = parse_real(number, &real);
  struct km_yaml_scalar integer = {.kind = KM_YAML_TEXT};
  if (parse_integer(number, &integer) && (integer.kind != KM_YAML_BIGINT || is_real)) {
    return integer;
  }
  if (is_real) {
    scalar.kind = KM_YAML_REAL;
    scalar.real = real;
  }
  return scalar;
}

/* [-+]? digits and underscores, then ":" and at most two digits below 60 once or more, then perhaps a
 * fraction. */
bool km_yaml_is_sexagesimal(const char *text)
{
  const char *s = skip_sign(text);
  if (!is_digit(*s)) {
    return false;
  }
  while (is_digit(*s) || *s == '_') {
    s++;
  }
  if (*s != ':') {
    return false;
  }
  while (*s == ':') {
    const char *digits = s + 1;
    s = skip_digits(digits);
    if (s == digits || s > digits + 2 || (s == digits + 2 && *digits > '5')) {
      return false;
    }
  }
  if (*s == '.') {
    s++;
    while (is_digit(*s) || *s == '_') {
      s++;
    }
  }
  return *s == '\0';
}

/* Writes the shortest digits of REAL in scientific form, "-d.ddde+XX", perhaps with zeros behind them. As
 * many digits as the type guarantees are tried at once: more only if they do not suffice, fewer only where it
 * guarantees none. */
static void shortest_digits(double real, bool single, char *out, size_t size)
{
  int sure = single ? FLT_DIG : DBL_DIG;
  int most = single ? FLT_DECIMAL_DIG : DBL_DECIMAL_DIG;
  double least_normal = single ? (double)FLT_MIN : DBL_MIN;
  for (int digits = fabs(real) < least_normal ? 1 : sure; digits <= most; digits++) {
    snprintf(out, size, "%.*e", digits - 1, real);
    double back = strtod(out, NULL);
    if (single ? (float)back == (float)real : back == real) {
      return;
    }
  }
}

/* ---- formatting ---- */

size_t km_yaml_format_real(double real, bool single, char out[KM_YAML_REAL_BYTES])
{
  if (single && isfinite((float)real)) {
    real = (float)real;
  }
  if (!isfinite(real)) {
    int n = snprintf(out, KM_YAML_REAL_BYTES, "%s", isnan(real) ? ".nan" : real < 0 ? "-.inf" : ".inf");
    return (size_t)n;
  }
  char scientific[40];
  shortest_digits(real, single, scientific, sizeof(scientific));

  const char *sign = scientific[0] == '-' ? "-" : "";
  char digits[24];
  size_t count = 0;
  const char *s = skip_sign(scientific);
  for (; *s != 'e'; s++) {
    if (is_digit(*s)) {
      digits[count++] = *s;
    }
  }
  while (count > 1 && digits[count - 1] == '0') {
    count--;
  }
  digits[count] = '\0';
  int exponent = (int)strtol(s + 1, NULL, 10);

  int n;
  if (exponent < -4 || exponent >= 6) {
    n = snprintf(out, KM_YAML_REAL_BYTES, "%s%c%s%se%+03d", sign, digits[0], count > 1 ? "." : "", digits + 1,
                 exponent);
  } else if (exponent < 0) {
    n = snprintf(out, KM_YAML_REAL_BYTES, "%s0.%.*s%s", sign, -exponent - 1, "000", digits);
  } else if ((size_t)exponent + 1 >= count) {
    n = snprintf(out, KM_YAML_REAL_BYTES, "%s%s%.*s", sign, digits, exponent + 1 - (int)count, "00000");
  } else {
    n = snprintf(out, KM_YAML_REAL_BYTES, "%s%.*s.%s", sign, exponent + 1, digits, digits + exponent + 1);
  }
  return (size_t)n;
}
