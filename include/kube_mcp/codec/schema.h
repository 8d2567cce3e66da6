/* Field documentation: walking the schemas of an OpenAPI v3 document, as API servers publish them per group and version.
 * Everything in a document is untrusted; what is missing or of another type is as good as absent. */
#ifndef KM_CODEC_SCHEMA_H
#define KM_CODEC_SCHEMA_H

#include "kube_mcp/codec/json.h"

/* A field: what is said where it stands, and the type that it refers to. Points into the document. */
struct km_schema {
  yyjson_val *document;
  yyjson_val *field; /* the schema where it stands: description, default */
  yyjson_val *type;  /* the same behind its references: properties, items, enum; equal to FIELD without one */
  const char *name;  /* of the type that FIELD refers to, its last part ("PodSpec"), or NULL */
  bool required;     /* by the object it stands in */
};

/* The schema of a kind in the document of its group and version; false when there is none. */
bool km_schema_of_kind(yyjson_val *document, const char *group, const char *version, const char *kind,
                       struct km_schema *ret);

/* Follows PATH, e.g. "spec.containers[].ports" (without brackets lists are entered just the same; a key of a map may be
 * any name, or in brackets and quotes) from START. TEXT is what the caller typed and PATH a part of it, so that an error
 * can tell the position (1-based column in TEXT). "" stays at START.
 * Errors: KM_E_NOT_FOUND, reason "UnknownField", naming the nearest fields; KM_E_INVALID when PATH does not parse. */
enum km_rc km_schema_walk(const struct km_schema *start, const char *text, const char *path,
                          struct km_schema *ret, struct km_error *err);

/* Appends its type: "string", "[]Container", "map[string]Quantity", "IntOrString", "object". */
void km_schema_put_type(const struct km_schema *schema, struct km_buf *out);
/* What it says of itself, or else its type does; "" if neither. */
const char *km_schema_description(const struct km_schema *schema);
/* Keyword KEY of the field, or else of its type ("default", "enum", "format", ...); NULL if neither has it. */
yyjson_val *km_schema_keyword(const struct km_schema *schema, const char *key);

/* Lists and maps have the fields of what is in them: enters those until it is something else. */
struct km_schema km_schema_element(const struct km_schema *schema);
/* Calls FN with each field of an object, in the order of the document. */
void km_schema_each_field(const struct km_schema *schema,
                          void (*fn)(void *data, const char *name, const struct km_schema *field),
                          void *data);

#endif
