/* Conditions on objects, for filtering on the server what selectors cannot: `.status.containerStatuses[*].restartCount > 3
 * and .metadata.namespace in (shop, checkout)`. Compiled once, evaluated often.
 *
 *   condition  = term { "or" term }            term = factor { "and" factor }      ("||", "&&" work too)
 *   factor     = [ "not" | "!" ] ( "(" condition ")" | test )
 *   test       = "exists" operand | operand "exists"
 *              | operand op operand | operand [ "not" ] "in" "(" value { "," value } ")"
 *   op         = "=" "==" "!=" "<" "<=" ">" ">=" | "contains" | "matches" "=~" | "!~" ; words in any case
 *   operand    = path | "count(" path ")" | value
 *   value      = word | number | quantity | "quoted" | 'quoted' | "now" [ ("-"|"+") duration ]     ("now-1h30m", "now-7d")
 *
 * A path that selects several values holds when any of them does; "!=", "!~" and "not in" hold when none fails them, and
 * when there is no value at all. Any other test without a value is false. Numbers, quantities and times compare by what
 * they stand for ("1Gi" = "1024Mi"). "contains" is a member of an array, a key of an object, or a part of a text.
 * A text without any test is refused. */
#ifndef KM_CODEC_WHERE_H
#define KM_CODEC_WHERE_H

#include "kube_mcp/codec/json.h"
#include "kube_mcp/codec/path.h"

struct km_where;

/* Errors: KM_E_INVALID, type ValidationError, with the position (1-based column) and what was expected there. */
enum km_rc km_where_compile(struct km_arena *arena, const char *text, int64_t now_ms, struct km_where **ret,
                            struct km_error *err);
/* One thread at a time. Memory that a test needs is given back before it returns. Errors: a regular expression that is too
 * expensive. */
enum km_rc km_where_test(struct km_where *where, yyjson_val *object, bool *ret, struct km_error *err);
/* The paths it reads, in order of appearance. */
const struct km_path *const *km_where_paths(const struct km_where *where, size_t *ret_count);
/* The text of the first path that selected nothing in any object tested so far, NULL if none or nothing was tested: a
 * condition on it says nothing. */
const char *km_where_never_found(const struct km_where *where);

#endif
