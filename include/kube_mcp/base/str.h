/* Strings: comparing, matching, measuring, cleaning. All text is UTF-8. */
#ifndef KM_BASE_STR_H
#define KM_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kube_mcp/base/arena.h"
#include "kube_mcp/base/buf.h"

/* A borrowed piece of text, not NUL-terminated. */
struct km_view {
  const char *data;
  size_t len;
};

bool km_streq(const char *a, const char *b);     /* NULL equals only NULL */
bool km_strcaseeq(const char *a, const char *b); /* ASCII case folded */
bool km_starts_with(const char *text, const char *prefix);
bool km_ends_with(const char *text, const char *suffix);
bool km_str_empty(const char *text); /* NULL or "" */
/* strlcpy: copies at most SIZE-1 bytes on a UTF-8 boundary, always terminates; false if it had to cut. */
bool km_strcopy(char *dest, size_t size, const char *src);
/* Shell-style glob with * and ? over the whole of TEXT. No backtracking blow-up. */
bool km_glob_match(const char *pattern, const char *text);

/* The most similar of CANDIDATES to TEXT (case-insensitive Damerau-Levenshtein, and unique-prefix or substring
 * matches), or NULL when none is near enough to be worth suggesting. */
const char *km_nearest(const char *text, const char *const *candidates, size_t count);

/* Strict decimal parsing of the whole string; false on anything else or out of range. */
bool km_parse_i64(const char *text, int64_t *ret);
bool km_parse_u64(const char *text, uint64_t *ret);

/* True when LEN bytes at DATA are valid UTF-8 (no surrogates, no overlong forms). */
bool km_utf8_valid(const char *data, size_t len);
/* Columns TEXT occupies in a fixed-width listing: code points less combining marks, wide ones counted twice. */
size_t km_utf8_width(const char *text, size_t len);
/* Longest prefix of at most MAX bytes that ends between code points. */
size_t km_utf8_prefix(const char *text, size_t len, size_t max);
/* Appends untrusted text as harmless UTF-8: invalid bytes become U+FFFD; ANSI/OSC escape sequences, C0 (but \n, \t)
 * and C1 controls, bidi overrides, zero-width, tag and all other default-ignorable characters are dropped; U+2028 and
 * U+2029 become newlines. Returns how many pieces were dropped or replaced; the \r of \r\n is dropped uncounted. */
size_t km_text_sanitize(struct km_buf *out, const char *text, size_t len);

/* Current time as RFC 3339 UTC with milliseconds into BUF (at least 32 bytes). */
void km_rfc3339(char *buf, size_t size, int64_t wall_ms);
/* Parses RFC 3339 ("2026-01-02T03:04:05Z", fraction and offset allowed) to ms since the epoch. */
bool km_rfc3339_parse(const char *text, size_t len, int64_t *ret_wall_ms);
/* "5s", "3m", "2h5m", "7d": kubectl's age format. */
void km_human_duration(char *buf, size_t size, int64_t ms);
/* "30s", "1h30m", "250ms", "2d", or a bare number of seconds -> milliseconds. False if malformed or negative. */
bool km_duration_parse(const char *text, int64_t *ret_ms);

#endif
