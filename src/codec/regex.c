/* Regular expressions on PCRE2, interpreted, never compiled to machine code.
 *
 * Three bounds make every search end. PCRE2 counts the steps from one start of a match (MAX_STEPS) and the memory for going
 * back (MAX_HEAP_KIB): an expression that explodes meets them within milliseconds. What is left are expressions that are
 * a little too expensive at each of very many starts. Therefore a callout stands before the expression: it is called at
 * every start that PCRE2 does not pass over, costs some nanoseconds, and gives up when the search has had its share of
 * processor time, which grows with the text. A match never spans invalid UTF-8 (PCRE2_MATCH_INVALID_UTF). */
#include "kube_mcp/codec/regex.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

#define MAX_PATTERN_BYTES ((size_t)1024)
#define MAX_NESTING       50
#define MAX_STEPS         100000
#define MAX_HEAP_KIB      4096
/* What a search may take of the processor: something, and more for a longer text. */
#define MAX_CPU_NS          INT64_C(100000000)
#define MAX_CPU_NS_PER_BYTE 100
/* The clock is looked at once in so many starts; a start in a long text counts for more, as it may look at all of it. */
#define STARTS_PER_LOOK 64
#define BYTES_PER_START 4096

#define WATCH "(?C1)"

struct km_regex {
  const char *pattern;
  pcre2_code *code;
  pcre2_match_data *match;
  pcre2_match_context *context;
  /* Of the search under way. */
  size_t weight; /* of a start */
  size_t starts; /* since the clock was looked at */
  int64_t tick;  /* of the coarse clock, when the processor time was read last; 0 = never */
  int64_t max_ns, until_ns;
};

static int64_t read_clock(clockid_t clock)
{
  struct timespec now;
  KM_ASSERT(clock_gettime(clock, &now) == 0);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* PCRE2 gives up when the answer is negative. The coarse clock costs a few nanoseconds, that of the processor time some
 * hundred: it is read when the coarse one has moved, every few milliseconds. */
static int watch(pcre2_callout_block *block, void *data)
{
  (void)block;
  struct km_regex *regex = data;
  regex->starts += regex->weight;
  if (regex->starts < STARTS_PER_LOOK) {
    return 0;
  }
  regex->starts = 0;
  int64_t tick = read_clock(CLOCK_MONOTONIC_COARSE);
  if (tick == regex->tick) {
    return 0;
  }
  int64_t used_ns = read_clock(CLOCK_THREAD_CPUTIME_ID);
  if (regex->tick == 0) {
    regex->until_ns = used_ns + regex->max_ns;
  }
  regex->tick = tick;
  return used_ns > regex->until_ns ? PCRE2_ERROR_CALLOUT : 0;
}

static void free_regex(void *data)
{
  struct km_regex *regex = data;
  pcre2_match_data_free(regex->match);
  pcre2_match_context_free(regex->context);
  pcre2_code_free(regex->code);
}

/* 1-based, in code points. */
static size_t column_of(const char *text, size_t offset)
{
  size_t column = 1;
  for (size_t i = 0; i < offset && text[i] != '\0'; i++) {
    column += ((unsigned char)text[i] & 0xc0) != 0x80;
  }
  return column;
}

static enum km_rc refuse_pattern(const char *pattern, int code, size_t offset, struct km_error *err)
{
  unsigned char message[160] = "";
  (void)pcre2_get_error_message(code, message, sizeof(message));
  size_t prefix = strlen(WATCH);
  km_error_set(err, KM_E_INVALID, "column %zu: %s", column_of(pattern, offset > prefix ? offset - prefix : 0),
               (const char *)message);
  return km_error_hint(err,
                       "the syntax is Perl's; a backslash takes the meaning from . * + ? ( ) [ ] { } ^ $ |");
}

static pcre2_code *compile(const char *pattern, unsigned flags, int *ret_code, size_t *ret_offset)
{
  char watched[sizeof(WATCH) + MAX_PATTERN_BYTES];
  int len = snprintf(watched, sizeof(watched), WATCH "%s", pattern);
  KM_ASSERT(len > 0 && (size_t)len < sizeof(watched));
  pcre2_compile_context *context = pcre2_compile_context_create(NULL);
  KM_ASSERT(context != NULL);
  (void)pcre2_set_parens_nest_limit(context, MAX_NESTING);
  unsigned options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C;
  options |= (flags & KM_REGEX_CASELESS) != 0 ? PCRE2_CASELESS : 0;
  pcre2_code *code = pcre2_compile((PCRE2_SPTR)watched, (size_t)len, options, ret_code, ret_offset, context);
  pcre2_compile_context_free(context);
  return code;
}

enum km_rc km_regex_compile(struct km_arena *arena, const char *pattern, unsigned flags,
                            struct km_regex **ret, struct km_error *err)
{
  size_t len = strlen(pattern);
  if (len > MAX_PATTERN_BYTES) {
    return km_error_set(err, KM_E_INVALID, "the regular expression has %zu bytes, more than %zu", len,
                        MAX_PATTERN_BYTES);
  }
  if (!km_utf8_valid(pattern, len)) {
    return km_error_set(err, KM_E_INVALID, "the regular expression is not valid UTF-8");
  }
  int code = 0;
  size_t offset = 0;
  pcre2_code *compiled = compile(pattern, flags, &code, &offset);
  if (compiled == NULL) {
    return refuse_pattern(pattern, code, offset, err);
  }
  struct km_regex *regex = KM_ARENA_NEW(arena, struct km_regex);
  regex->pattern = km_arena_strdup(arena, pattern);
  regex->code = compiled;
  regex->match = pcre2_match_data_create(1, NULL);
  regex->context = pcre2_match_context_create(NULL);
  KM_ASSERT(regex->match != NULL && regex->context != NULL);
  (void)pcre2_set_match_limit(regex->context, MAX_STEPS);
  (void)pcre2_set_depth_limit(regex->context, MAX_STEPS);
  (void)pcre2_set_heap_limit(regex->context, MAX_HEAP_KIB);
  (void)pcre2_set_callout(regex->context, watch, regex);
  km_arena_defer(arena, free_regex, regex);
  *ret = regex;
  return KM_OK;
}

static enum km_rc give_up(const struct km_regex *regex, int code, size_t len, struct km_error *err)
{
  switch (code) {
  case PCRE2_ERROR_MATCHLIMIT:
  case PCRE2_ERROR_DEPTHLIMIT:
  case PCRE2_ERROR_HEAPLIMIT:
  case PCRE2_ERROR_CALLOUT:
    km_error_set(err, KM_E_INVALID,
                 "the regular expression '%.100s' is too expensive: it was given up on a text of %zu bytes",
                 regex->pattern, len);
    return km_error_hint(err,
                         "avoid a repetition within a repetition, such as (a+)+, and several .* in a row; "
                         "begin with literal text or ^, or search for plain text");
  case PCRE2_ERROR_RECURSELOOP:
    return km_error_set(err, KM_E_INVALID, "the regular expression '%.100s' calls itself without end",
                        regex->pattern);
  case PCRE2_ERROR_NOMEMORY:
    return km_error_set(err, KM_E_INTERNAL, "no memory is left for the regular expression '%.100s'",
                        regex->pattern);
  default:
    return km_error_set(err, KM_E_INTERNAL, "the regular expression '%.100s' failed with PCRE2's error %d",
                        regex->pattern, code);
  }
}

enum km_rc km_regex_search(struct km_regex *regex, const char *text, size_t len, bool *ret,
                           struct km_error *err)
{
  regex->weight = 1 + len / BYTES_PER_START;
  regex->starts = 0;
  regex->tick = 0;
  regex->max_ns = MAX_CPU_NS + (int64_t)len * MAX_CPU_NS_PER_BYTE;
  int code = pcre2_match(regex->code, (PCRE2_SPTR)text, len, 0, 0, regex->match, regex->context);
  if (code < 0 && code != PCRE2_ERROR_NOMATCH) {
    return give_up(regex, code, len, err);
  }
  *ret = code >= 0;
  return KM_OK;
}
