/* What the fields of a kind mean, from the schemas that the cluster publishes. */
#ifndef KM_TOOLS_EXPLAIN_H
#define KM_TOOLS_EXPLAIN_H

#include "common.h"

/* Answers FIELD, a kind and a path ("pods.spec.containers[].livenessProbe"), with its documentation and that of the
 * fields in it, DEPTH levels of them. API_VERSION (or NULL) narrows the kind. Errors: unknown kind or field KM_E_NOT_FOUND
 * with the nearest; a group that publishes no schema KM_E_NOT_FOUND. */
enum km_rc explain(struct km_call *call, struct target *target, const char *field, const char *api_version,
                   int64_t depth, struct km_result *out, struct km_error *err);

#endif
