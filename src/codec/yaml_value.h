/* From scalars of YAML to values of the JSON tree. Private to the codec layer. */
#ifndef KM_CODEC_YAML_VALUE_H
#define KM_CODEC_YAML_VALUE_H

#include "kube_mcp/codec/json.h"
#include "yaml_scalar.h"

/* The value of SCALAR, whose text was TEXT. NULL when memory runs out, and for KM_YAML_NONFINITE. */
yyjson_mut_val *km_yaml_value(yyjson_mut_doc *doc, const struct km_yaml_scalar *scalar, const char *text,
                              size_t len);
/* The string that VAL becomes as the name of a member, as in sigs.k8s.io/yaml; NULL if it can be none. */
yyjson_mut_val *km_yaml_key(yyjson_mut_doc *doc, yyjson_mut_val *val);
/* Makes a tree that came from JSON equal to the one the YAML reader would make of the same text: numbers
 * without a fraction are integers. False if an object in it has a key twice (or memory runs out). */
bool km_yaml_adopt_json(yyjson_mut_val *val);

#endif
