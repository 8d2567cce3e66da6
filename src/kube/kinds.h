/* Names of kinds as people type them, and what they match. */
#ifndef KM_SRC_KUBE_KINDS_H
#define KM_SRC_KUBE_KINDS_H

#include "kube_mcp/kube/discovery.h"

/* What a caller asked for: a bare name, narrowed as far as the caller did. */
struct km_kind_query {
  const char *name;    /* "deploy", "Deployment" */
  const char *group;   /* NULL = any; "" = core */
  const char *version; /* NULL = any */
};

/* The most preferred of ITEMS that QUERY names, as kubectl would choose: plural or singular before short name before
 * kind; of several the first in order. NULL if there is none. */
const struct km_resource *km_kind_find(const struct km_resource *items, size_t count,
                                       const struct km_kind_query *query);
/* The ways to read "NAME", "NAME.group" or "NAME.version.group" together with API_VERSION (or NULL), likeliest first; at
 * most two. Returns how many; 0 when the two contradict each other. */
size_t km_kind_parse(struct km_arena *arena, const char *kind, const char *api_version,
                     struct km_kind_query ret[2]);
/* The resources that every cluster has and nothing can shadow: those of the core group, and of groups of the API server
 * itself by their full name. NULL for any other; such a query needs discovery. */
const struct km_resource *km_kind_builtin(const struct km_kind_query *query);

#endif
