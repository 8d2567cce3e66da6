/* Conditions on objects, for filtering on the server what selectors cannot: `.status.containerStatuses[*].restartCount > 3
 * and .metadata.namespace in (shop, checkout)`. Compiled once, evaluated often.
 *
 *   condition  = term { "or" term }            term = factor { "and" factor }      ("||", "&&" work too)
 *   factor     = [ "not" | "!" ] ( "(" condition ")" | test )
 *   test       = "exists" path | path [ "not" ] "exists"
 *              | operand op operand | operand [ "not" ] "in" "(" value { "," value } ")"
 *   op         = "=" "==" "!=" "<" "<=" ">" ">=" | [ "not" ] "contains" | [ "not" ] "matches" | "=~" | "!~"
 *   operand    = path | "count(" path ")" | value
 *   value      = word | number | quantity | "quoted" | 'quoted' | "now" [ ("-"|"+") duration ]     ("now-1h30m", "now-7d")
 *
 * Words of the language are taken in any case. On the left of an operator a word is a path without its first dot
 * (`status.phase`); on its right, a path begins with ".", "$" or "{", and all else is a value.
 *
 * A path that selects several values holds when any of them does; "!=", "!~" and those with "not" hold when none of them
 * fails it, and when there is no value at all. Any other test without a value is false, but for "= null", which is true
 * then: null is no value. Numbers, quantities and times compare by what they stand for ("1Gi" = "1024Mi"), also when
 * quoted; what cannot be compared (a phase with a number) is neither equal nor less nor greater. true and false equal the
 * texts as well, in any case. "contains" is a member of an array, a key of an object, or a part of a text. "matches" looks
 * for a regular expression in a text, or in the members of an array. count() counts values, and the members of arrays.
 * A text without any test is refused, and so is a test without any path. */
#ifndef KM_CODEC_WHERE_H
#define KM_CODEC_WHERE_H

#include "kube_mcp/codec/json.h"
#include "kube_mcp/codec/path.h"

struct km_where;

/* Lives in ARENA. NOW_MS is what "now" means. Errors: KM_E_INVALID, type ValidationError, with the position (1-based
 * column), what was expected there and often a hint. */
enum km_rc km_where_compile(struct km_arena *arena, const char *text, int64_t now_ms, struct km_where **ret,
                            struct km_error *err);
/* One thread at a time. Memory that a test needs is given back before it returns. Errors: a regular expression that is too
 * expensive. */
enum km_rc km_where_test(struct km_where *where, yyjson_val *object, bool *ret, struct km_error *err);
/* The paths it reads, each once, in order of appearance. */
const struct km_path *const *km_where_paths(const struct km_where *where, size_t *ret_count);
/* The text of the first path that selected nothing in any object tested so far, NULL if none or nothing was tested: a
 * condition on it says nothing. */
const char *km_where_never_found(const struct km_where *where);
/* The text of the first path compared by order (<, <=, >, >=) that was missing in some objects tested so far, and in how many;
 * NULL if none, or if the condition asks whether it exists. Such a comparison does not hold there, though Kubernetes leaves out many a number that is 0. */
const char *km_where_often_missing(const struct km_where *where, int64_t *ret_objects);

#endif
