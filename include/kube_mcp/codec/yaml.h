/* YAML to and from the JSON tree as Kubernetes reads and prints it, with limits: no unbounded alias expansion, no
 * custom tags. */
#ifndef KM_CODEC_YAML_H
#define KM_CODEC_YAML_H

#include "kube_mcp/codec/json.h"

struct km_yaml_limits {
  unsigned max_depth; /* nesting */
  size_t max_nodes;   /* after alias expansion, over all documents */
  size_t max_bytes;   /* of input, and of text after alias expansion */
};
extern const struct km_yaml_limits km_yaml_default_limits; /* depth 64, 1,000,000 nodes, 16 MiB */

/* Reads the documents of LEN bytes of YAML (or JSON) into one JSON array (one element per non-empty document),
 * scalars typed as Kubernetes does (YAML 1.1 booleans yes/no/on/off stay strings only when quoted, as in
 * sigs.k8s.io/yaml). Duplicate keys are an error. SOURCE names the input in messages.
 * Errors: KM_E_INVALID / KM_E_TOO_LARGE with SOURCE:line:column. */
enum km_rc km_yaml_parse(struct km_arena *arena, const char *data, size_t len, const char *source,
                         const struct km_yaml_limits *limits, yyjson_doc **ret_array, struct km_error *err);

/* Writes VAL, which a parser of this layer made, as block YAML the way kubectl prints it (keys in given order, strings
 * quoted only when needed, multi-line strings as | blocks, long lines folded), with a newline at the end. It reads
 * back equal; a float without a fraction comes back as the integer. False if OUT is full. */
bool km_yaml_write(yyjson_val *val, struct km_buf *out);

#endif
