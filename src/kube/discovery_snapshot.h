/* Building a discovery snapshot from what API servers send, in either form. */
#ifndef KM_SRC_KUBE_DISCOVERY_SNAPSHOT_H
#define KM_SRC_KUBE_DISCOVERY_SNAPSHOT_H

#include "kube_mcp/kube/discovery.h"

/* A snapshot under construction: resources in kubectl's order of preference (core first, then groups as the server
 * lists them, each with its preferred version first). */
struct km_snapshot;

struct km_snapshot *km_snapshot_new(void);
void km_snapshot_free(struct km_snapshot *snapshot); /* accepts NULL */
/* Hands over what was collected, as of now. */
struct km_discovery *km_snapshot_finish(struct km_snapshot *snapshot);

/* Adds an APIGroupDiscoveryList (apidiscovery.k8s.io/v2 or v2beta1). False when ROOT is none. */
bool km_snapshot_add_aggregated(struct km_snapshot *snapshot, yyjson_val *root);
/* Adds the resources of an APIResourceList under GROUP and VERSION. False when ROOT is none. */
bool km_snapshot_add_legacy(struct km_snapshot *snapshot, yyjson_val *root, const char *group,
                            const char *version, bool preferred);
/* Records that GROUP/VERSION could not be listed. */
void km_snapshot_add_broken(struct km_snapshot *snapshot, const char *group, const char *version,
                            const char *why);

/* One group and version as the old form lists them. */
struct km_group_version {
  const char *group, *version; /* borrowed from the document */
  bool preferred;
};
/* The versions that an APIVersions (core) or APIGroupList document names, preferred first within each group. NULL when
 * ROOT is neither. */
struct km_group_version *km_legacy_versions(struct km_arena *arena, yyjson_val *root, size_t *ret_count);

/* When the snapshot was finished, in km_clock_ns. */
uint64_t km_discovery_fetched_ns(const struct km_discovery *discovery);

#endif
