/* Thin helpers on yyjson, which may be used directly wherever JSON is read or built.
 * Reading: a km_json_parse document lives in its arena. Building: yyjson_mut documents on the arena's allocator. */
#ifndef KM_CODEC_JSON_H
#define KM_CODEC_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yyjson.h>

#include "kube_mcp/base/arena.h"
#include "kube_mcp/base/buf.h"
#include "kube_mcp/base/error.h"

/* Deepest nesting accepted from a peer. */
#define KM_JSON_MAX_DEPTH 64

/* Parses LEN bytes of strict RFC 8259 JSON in UTF-8, no deeper than MAX_DEPTH. Integers are exact; those beyond 64 bits
 * stay raw text. Memory is malloc'ed by yyjson and released with ARENA.
 * Errors: KM_E_INVALID, message with line and column. */
enum km_rc km_json_parse(struct km_arena *arena, const char *data, size_t len, unsigned max_depth,
                         yyjson_doc **ret, struct km_error *err);
/* The same for a text of which nothing else is needed: takes TEXT over, parses it in place and releases it with ARENA.
 * A big document takes a third less memory that way. Also on failure TEXT is left empty.
 * Errors: KM_E_INVALID, message with the offset in bytes. */
enum km_rc km_json_parse_buf(struct km_arena *arena, struct km_buf *text, unsigned max_depth,
                             yyjson_doc **ret, struct km_error *err);

/* An empty mutable document whose memory is the arena's. NULL when the arena's cap is reached; yyjson takes a NULL
 * document, and the NULL values it then makes, without harm. */
yyjson_mut_doc *km_json_new(struct km_arena *arena);
/* False when the arena's cap has refused memory to DOC (from km_json_new, or NULL), so that values may be missing. */
bool km_json_complete(const yyjson_mut_doc *doc);
/* Writes VAL as compact (or, with PRETTY, two-space indented) JSON into OUT. False if OUT is full. */
bool km_json_write(const yyjson_mut_val *val, bool pretty, struct km_buf *out);
bool km_json_write_val(const yyjson_val *val, bool pretty, struct km_buf *out);

/* Member access that tolerates absence and other types: NULL / fallback then. OBJ may be NULL. */
const char *km_json_str(yyjson_val *obj, const char *key);
yyjson_val *km_json_obj(yyjson_val *obj, const char *key);
yyjson_val *km_json_arr(yyjson_val *obj, const char *key);
int64_t km_json_int(yyjson_val *obj, const char *key, int64_t fallback);
bool km_json_bool(yyjson_val *obj, const char *key, bool fallback);
/* Walks a chain of object members: km_json_at(obj, "metadata", "name", NULL). */
yyjson_val *km_json_at(yyjson_val *obj, ...) __attribute__((sentinel));
const char *km_json_type_name(yyjson_val *val); /* "string", "integer", "number", "object", ... */

#endif
