/* What pods ask for and what bounds them, counted as the scheduler counts. */
#ifndef KM_TOOLS_POD_RESOURCES_H
#define KM_TOOLS_POD_RESOURCES_H

#include "kube_mcp/codec/value.h"

enum compute { COMPUTE_CPU, COMPUTE_MEMORY, COMPUTE_COUNT };
extern const char *const compute_names[COMPUTE_COUNT]; /* as resource lists spell them */

struct amount {
  bool known;
  km_nano value; /* 0 unless known */
};

/* The member NAME of a list such as status.allocatable; unknown when missing or no quantity. */
struct amount amount_of(yyjson_val *list, const char *name);

/* What the scheduler reserves for POD: the sum of its containers and sidecars, or the most that one init container needs
 * beside the sidecars started before it, if that is more; the pod's own figure where it has one; the overhead of its
 * runtime class. Containers resized in place count with the largest of wanted, allotted and actual. Unknown: nothing of
 * it asks for any. */
struct amount pod_request(yyjson_val *pod, enum compute what);
/* The bound on POD as a whole; unknown when any container that keeps running has none. */
struct amount pod_limit(yyjson_val *pod, enum compute what);
/* One container's own. KIND is "requests" or "limits". */
struct amount container_amount(yyjson_val *container, const char *kind, enum compute what);

/* WHOLE per cent as kubectl prints it: rounded down; -1 when WHOLE is 0. */
int64_t percent_of(km_nano part, km_nano whole);

#endif
