/* Time as people write it: RFC 3339 stamps, ages as kubectl prints them, durations as configuration spells them.
 *
 * Owns nothing, keeps no state and never asks for the local time zone; every function is safe on any thread.
 * Instants are milliseconds since the Unix epoch, limited to the years 0000 to 9999 that RFC 3339 can express.
 * Ages follow HumanDuration of k8s.io/apimachinery (the same steps and the same rounding down), so that a listing
 * reads like kubectl's. Overflow is always an error, never a wrapped number. */
#include "kube_mcp/base/str.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "kube_mcp/base/banned.h"

#define MS_PER_S      INT64_C(1000)
#define MS_PER_MIN    (60 * MS_PER_S)
#define MS_PER_H      (60 * MS_PER_MIN)
#define MS_PER_DAY    (24 * MS_PER_H)
#define DAYS_PER_YEAR INT64_C(365) /* as kubectl counts */

/* 0000-01-01T00:00:00.000Z and 9999-12-31T23:59:59.999Z. */
#define MIN_WALL_MS INT64_C(-62167219200000)
#define MAX_WALL_MS INT64_C(253402300799999)

void km_rfc3339(char *buf, size_t size, int64_t wall_ms)
{
  if (wall_ms < MIN_WALL_MS) {
    wall_ms = MIN_WALL_MS;
  } else if (wall_ms > MAX_WALL_MS) {
    wall_ms = MAX_WALL_MS;
  }
  /* C rounds towards zero, a clock towards the past. */
  int64_t ms = wall_ms % MS_PER_S;
  ms = ms < 0 ? ms + MS_PER_S : ms;
  time_t seconds = (time_t)((wall_ms - ms) / MS_PER_S);
  struct tm tm;
  KM_ASSERT(gmtime_r(&seconds, &tm) != NULL);
  (void)snprintf(buf, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
                 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)ms);
}

/* What is left of the text being parsed. */
struct cursor {
  const char *at;
  const char *end;
};

/* The take_ functions read one thing and move behind it; false, at any place, when it is not there. */
static bool take_char(struct cursor *in, const char *one_of)
{
  if (in->at == in->end || *in->at == '\0' || strchr(one_of, *in->at) == NULL) {
    return false;
  }
  in->at++;
  return true;
}

static bool at_digit(const struct cursor *in)
{
  return in->at < in->end && *in->at >= '0' && *in->at <= '9';
}

/* Exactly COUNT digits with a value in [LOW, HIGH]. */
static bool take_number(struct cursor *in, int count, int low, int high, int *ret)
{
  int value = 0;
  for (; count > 0; count--) {
    if (!at_digit(in)) {
      return false;
    }
    value = value * 10 + (*in->at++ - '0');
  }
  *ret = value;
  return value >= low && value <= high;
}

/* In the Gregorian calendar, which RFC 3339 uses for all years. */
static int days_in_month(int year, int month)
{
  static const signed char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return days[month - 1] + (month == 2 && leap);
}

/* "2026-01-02", a day that exists. */
static bool take_date(struct cursor *in, struct tm *tm)
{
  int year = 0;
  int month = 0;
  if (!take_number(in, 4, 0, 9999, &year) || !take_char(in, "-") || !take_number(in, 2, 1, 12, &month) ||
      !take_char(in, "-") || !take_number(in, 2, 1, days_in_month(year, month), &tm->tm_mday)) {
    return false;
  }
  tm->tm_year = year - 1900;
  tm->tm_mon = month - 1;
  return true;
}

/* A leap second (:60) counts as the first second of the next minute. */
static bool take_clock(struct cursor *in, struct tm *tm)
{
  return take_number(in, 2, 0, 23, &tm->tm_hour) && take_char(in, ":") &&
         take_number(in, 2, 0, 59, &tm->tm_min) && take_char(in, ":") &&
         take_number(in, 2, 0, 60, &tm->tm_sec);
}

/* An optional fraction of a second; digits beyond milliseconds are dropped. */
static bool take_fraction(struct cursor *in, int *ret_ms)
{
  *ret_ms = 0;
  if (!take_char(in, ".")) {
    return true;
  }
  if (!at_digit(in)) {
    return false;
  }
  for (int unit = 100; at_digit(in); unit /= 10) {
    *ret_ms += unit * (*in->at++ - '0');
  }
  return true;
}

/* "Z" or "+hh:mm" as what has to be subtracted to get UTC. */
static bool take_offset(struct cursor *in, int64_t *ret_ms)
{
  if (take_char(in, "Zz")) {
    *ret_ms = 0;
    return true;
  }
  bool west = in->at < in->end && *in->at == '-';
  int hours = 0;
  int minutes = 0;
  if (!take_char(in, "+-") || !take_number(in, 2, 0, 23, &hours) || !take_char(in, ":") ||
      !take_number(in, 2, 0, 59, &minutes)) {
    return false;
  }
  *ret_ms = (hours * MS_PER_H + minutes * MS_PER_MIN) * (west ? -1 : 1);
  return true;
}

bool km_rfc3339_parse(const char *text, size_t len, int64_t *ret_wall_ms)
{
  struct cursor in = {.at = text, .end = text + len};
  struct tm tm = {0};
  int ms = 0;
  int64_t offset_ms = 0;
  if (!take_date(&in, &tm) || !take_char(&in, "Tt ") || !take_clock(&in, &tm) || !take_fraction(&in, &ms) ||
      !take_offset(&in, &offset_ms) || in.at != in.end) {
    return false;
  }
  *ret_wall_ms = (int64_t)timegm(&tm) * MS_PER_S + ms - offset_ms;
  return true;
}

/* "5m" or, when REST is not 0, "5m30s". */
static void print_pair(char *buf, size_t size, int64_t value, const char *unit, int64_t rest,
                       const char *rest_unit)
{
  if (rest == 0) {
    (void)snprintf(buf, size, "%" PRId64 "%s", value, unit);
  } else {
    (void)snprintf(buf, size, "%" PRId64 "%s%" PRId64 "%s", value, unit, rest, rest_unit);
  }
}

void km_human_duration(char *buf, size_t size, int64_t ms)
{
  int64_t seconds = ms / MS_PER_S;
  int64_t minutes = seconds / 60;
  int64_t hours = minutes / 60;
  int64_t days = hours / 24;
  if (seconds < -1) {
    (void)snprintf(buf, size, "<invalid>");
  } else if (seconds < 0) {
    (void)snprintf(buf, size, "0s"); /* clocks of two machines may differ that much */
  } else if (seconds < 120) {
    print_pair(buf, size, seconds, "s", 0, "");
  } else if (minutes < 10) {
    print_pair(buf, size, minutes, "m", seconds % 60, "s");
  } else if (minutes < 180) {
    print_pair(buf, size, minutes, "m", 0, "");
  } else if (hours < 8) {
    print_pair(buf, size, hours, "h", minutes % 60, "m");
  } else if (hours < 48) {
    print_pair(buf, size, hours, "h", 0, "");
  } else if (days < 8) {
    print_pair(buf, size, days, "d", hours % 24, "h");
  } else if (days < 2 * DAYS_PER_YEAR) {
    print_pair(buf, size, days, "d", 0, "");
  } else if (days < 8 * DAYS_PER_YEAR) {
    print_pair(buf, size, days / DAYS_PER_YEAR, "y", days % DAYS_PER_YEAR, "d");
  } else {
    print_pair(buf, size, days / DAYS_PER_YEAR, "y", 0, "");
  }
}

/* Largest first, as they must appear. */
static const struct duration_unit {
  const char *name;
  int64_t ms;
} duration_units[] = {{"d", MS_PER_DAY}, {"h", MS_PER_H}, {"m", MS_PER_MIN}, {"s", MS_PER_S}, {"ms", 1}};

/* The unit whose name starts at TEXT, from FIRST on; "ms" is not taken for "m". */
static const struct duration_unit *find_unit(const char *text, size_t first)
{
  size_t len = strspn(text, "dhms");
  for (size_t i = first; i < KM_ARRAY_LEN(duration_units); i++) {
    if (strlen(duration_units[i].name) == len && memcmp(duration_units[i].name, text, len) == 0) {
      return &duration_units[i];
    }
  }
  return NULL;
}

/* Digits as a number; false without any, and when the number is too large. */
static bool take_count(const char **text, int64_t *ret)
{
  const char *start = *text;
  int64_t value = 0;
  for (; **text >= '0' && **text <= '9'; (*text)++) {
    if (__builtin_mul_overflow(value, INT64_C(10), &value) ||
        __builtin_add_overflow(value, (int64_t)(**text - '0'), &value)) {
      return false;
    }
  }
  *ret = value;
  return *text != start;
}

bool km_duration_parse(const char *text, int64_t *ret_ms)
{
  int64_t total = 0;
  size_t next_unit = 0;
  do {
    int64_t value = 0;
    if (text == NULL || !take_count(&text, &value)) {
      return false;
    }
    /* Without a unit only a bare number of seconds makes sense. */
    const struct duration_unit *unit = find_unit(text, next_unit);
    if (unit == NULL && (*text != '\0' || next_unit > 0)) {
      return false;
    }
    int64_t unit_ms = unit != NULL ? unit->ms : MS_PER_S;
    if (__builtin_mul_overflow(value, unit_ms, &value) || __builtin_add_overflow(total, value, &total)) {
      return false;
    }
    if (unit != NULL) {
      text += strlen(unit->name);
      next_unit = (size_t)(unit - duration_units) + 1;
    }
  } while (*text != '\0');
  *ret_ms = total;
  return true;
}
