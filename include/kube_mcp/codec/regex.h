/* Regular expressions as people write them for grep -P, on PCRE2, with a bound on what one match may cost: patterns come
 * from strangers and texts from clusters. No pattern can keep a thread busy beyond the bound. */
#ifndef KM_CODEC_REGEX_H
#define KM_CODEC_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "kube_mcp/base/arena.h"
#include "kube_mcp/base/error.h"

struct km_regex;

enum km_regex_flags { KM_REGEX_CASELESS = 1 };

/* Compiles PATTERN (UTF-8). Freed with ARENA. One thread at a time may match with it.
 * Errors: KM_E_INVALID, type ValidationError, with the position (1-based column) and what was not understood. */
enum km_rc km_regex_compile(struct km_arena *arena, const char *pattern, unsigned flags,
                            struct km_regex **ret, struct km_error *err);
/* Whether PATTERN occurs anywhere in TEXT, which may hold invalid UTF-8 and NUL bytes.
 * Errors: KM_E_INVALID, type ValidationError: the pattern is too expensive for this text (says so, with a hint). */
enum km_rc km_regex_search(struct km_regex *regex, const char *text, size_t len, bool *ret,
                           struct km_error *err);

#endif
