/* Comparing, copying, matching and parsing short strings.
 *
 * Owns nothing, allocates nothing, keeps no state; every function is safe on any thread. Case folding is ASCII only,
 * because everything compared here is a name from Kubernetes, HTTP, MCP or our configuration. Matching runs in time
 * proportional to pattern times text at worst, and names longer than 128 bytes are not compared for similarity, so
 * no input is expensive. UTF-8 lives in utf8.c, time and durations in time.c. */
#include "kube_mcp/base/str.h"

#include <string.h>

#include "kube_mcp/base/banned.h"

/* ASCII lower case; tolower() would ask the locale. */
static char fold(char c)
{
  if (c >= 'A' && c <= 'Z') {
    return (char)(c - 'A' + 'a');
  }
  return c;
}

bool km_streq(const char *a, const char *b)
{
  return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool km_strcaseeq(const char *a, const char *b)
{
  if (a == NULL || b == NULL) {
    return a == b;
  }
  while (*a != '\0' && fold(*a) == fold(*b)) {
    a++;
    b++;
  }
  return fold(*a) == fold(*b);
}

bool km_starts_with(const char *text, const char *prefix)
{
  return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool km_ends_with(const char *text, const char *suffix)
{
  size_t len = strlen(text);
  size_t suffix_len = strlen(suffix);
  return len >= suffix_len && memcmp(text + len - suffix_len, suffix, suffix_len) == 0;
}

bool km_str_empty(const char *text)
{
  return text == NULL || *text == '\0';
}

bool km_strcopy(char *dest, size_t size, const char *src)
{
  KM_ASSERT(size > 0);
  size_t len = strlen(src);
  size_t kept = km_utf8_prefix(src, len, size - 1);
  memcpy(dest, src, kept);
  dest[kept] = '\0';
  return kept == len;
}

/* Where the code point after the one at TEXT begins; TEXT is not at the end. */
static const char *next_code_point(const char *text)
{
  do {
    text++;
  } while (((unsigned char)*text & 0xC0) == 0x80);
  return text;
}

bool km_glob_match(const char *pattern, const char *text)
{
  /* On a mismatch only the latest star is widened: an earlier one could match nothing that it cannot. */
  const char *after_star = NULL;
  const char *star_text = NULL;
  while (*text != '\0') {
    if (*pattern == '*') {
      after_star = ++pattern;
      star_text = text;
    } else if (*pattern == '?') {
      pattern++;
      text = next_code_point(text);
    } else if (*pattern == *text) {
      pattern++;
      text++;
    } else if (after_star != NULL) {
      pattern = after_star;
      text = ++star_text;
    } else {
      return false;
    }
  }
  /* The text is used up; only stars match nothing. */
  while (*pattern == '*') {
    pattern++;
  }
  return *pattern == '\0';
}

/* Longest name that km_nearest looks at. */
#define NEAREST_MAX_LEN 128

static size_t min_size(size_t a, size_t b)
{
  return a < b ? a : b;
}

/* Edits (insert, delete, replace, swap neighbours) that turn A into B; both at most NEAREST_MAX_LEN long. This is
 * the restricted Damerau-Levenshtein distance: three rows of the table suffice. */
static size_t edit_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
  size_t rows[3][NEAREST_MAX_LEN + 1];
  for (size_t j = 0; j <= b_len; j++) {
    rows[0][j] = j;
  }
  for (size_t i = 1; i <= a_len; i++) {
    size_t *row = rows[i % 3];
    const size_t *above = rows[(i + 2) % 3];
    const size_t *two_above = rows[(i + 1) % 3];
    row[0] = i;
    for (size_t j = 1; j <= b_len; j++) {
      char x = fold(a[i - 1]);
      char y = fold(b[j - 1]);
      row[j] = min_size(above[j - 1] + (x != y), 1 + min_size(above[j], row[j - 1]));
      if (i > 1 && j > 1 && x == fold(b[j - 2]) && y == fold(a[i - 2])) {
        row[j] = min_size(row[j], two_above[j - 2] + 1);
      }
    }
  }
  return rows[a_len % 3][b_len];
}

/* How many edits between names of this length still look like a slip of the hand. */
static size_t tolerated_edits(size_t shorter_len)
{
  if (shorter_len < 3) {
    return 0;
  }
  if (shorter_len < 6) {
    return 1;
  }
  return shorter_len < 10 ? 2 : 3;
}

/* The candidate within the tolerated distance that is nearest, the first of equals; NULL if none. */
static const char *nearest_by_edits(const char *text, const char *const *candidates, size_t count)
{
  const char *best = NULL;
  size_t best_distance = SIZE_MAX;
  size_t len = strlen(text);
  for (size_t i = 0; i < count; i++) {
    size_t candidate_len = strlen(candidates[i]);
    if (candidate_len > NEAREST_MAX_LEN) {
      continue;
    }
    size_t distance = edit_distance(text, len, candidates[i], candidate_len);
    if (distance < best_distance && distance <= tolerated_edits(min_size(len, candidate_len))) {
      best = candidates[i];
      best_distance = distance;
    }
  }
  return best;
}

/* "pods_l" was asked for, "pods_list" exists. */
static bool is_prefix(const char *text, const char *candidate)
{
  while (*text != '\0' && fold(*text) == fold(*candidate)) {
    text++;
    candidate++;
  }
  return *text == '\0';
}

static bool is_equal(const char *text, const char *candidate)
{
  return km_strcaseeq(text, candidate);
}

/* "shop" was asked for, "arn:aws:eks:…:cluster/shop" exists. */
static bool contains(const char *text, const char *candidate)
{
  for (; *candidate != '\0'; candidate++) {
    if (is_prefix(text, candidate)) {
      return true;
    }
  }
  return false;
}

/* "production" was asked for, "prod" exists. */
static bool is_extension(const char *text, const char *candidate)
{
  return strlen(candidate) >= 3 && is_prefix(candidate, text);
}

/* The only candidate that MATCHES, NULL if there is none or more than one. */
static const char *only_match(const char *text, const char *const *candidates, size_t count,
                              bool (*matches)(const char *text, const char *candidate))
{
  const char *found = NULL;
  for (size_t i = 0; i < count; i++) {
    if (matches(text, candidates[i])) {
      if (found != NULL) {
        return NULL;
      }
      found = candidates[i];
    }
  }
  return found;
}

const char *km_nearest(const char *text, const char *const *candidates, size_t count)
{
  size_t len = strlen(text);
  if (len == 0 || len > NEAREST_MAX_LEN) {
    return NULL;
  }
  /* Strongest evidence first; a match that is not the only one of its kind proves nothing. */
  const char *found = only_match(text, candidates, count, is_equal);
  if (found == NULL && len >= 2) {
    found = only_match(text, candidates, count, is_prefix);
  }
  if (found == NULL) {
    found = nearest_by_edits(text, candidates, count);
  }
  if (found == NULL && len >= 3) {
    found = only_match(text, candidates, count, contains);
  }
  if (found == NULL) {
    found = only_match(text, candidates, count, is_extension);
  }
  return found;
}

bool km_parse_u64(const char *text, uint64_t *ret)
{
  if (text == NULL || *text == '\0') {
    return false;
  }
  uint64_t value = 0;
  for (; *text != '\0'; text++) {
    if (*text < '0' || *text > '9' || __builtin_mul_overflow(value, (uint64_t)10, &value) ||
        __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value)) {
      return false;
    }
  }
  *ret = value;
  return true;
}

bool km_parse_i64(const char *text, int64_t *ret)
{
  if (text == NULL) {
    return false;
  }
  /* The magnitude of the smallest number is one more than that of the largest. */
  bool negative = *text == '-';
  uint64_t magnitude = 0;
  if (!km_parse_u64(text + negative, &magnitude) || magnitude > (uint64_t)INT64_MAX + negative) {
    return false;
  }
  *ret = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
  return true;
}
