/* May this identity do that here? SelfSubjectAccessReview in the target cluster, cached per client, single flight. */
#ifndef KM_KUBE_RBAC_H
#define KM_KUBE_RBAC_H

#include "kube_mcp/kube/client.h"

struct km_access {
  const char *verb, *group, *resource, *subresource, *ns, *name; /* NULL = "" */
};

/* KM_OK when allowed; KM_E_FORBIDDEN naming what is missing and who lacks it. A review that cannot be made is that
 * request's error. */
enum km_rc km_client_access(struct km_client *client, const struct km_access *access,
                            const struct km_kube_request *request, struct km_error *err);

#endif
