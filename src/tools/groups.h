/* Objects counted by what paths select in them: `group_by`. */
#ifndef KM_TOOLS_GROUPS_H
#define KM_TOOLS_GROUPS_H

#include "kube_mcp/base/buf.h"
#include "kube_mcp/codec/path.h"
#include "kube_mcp/kube/table.h"

#define MAX_GROUP_PATHS 4

/* A bounded tally. An object counts once for each combination of values that its paths select, under "<none>" where one
 * selects nothing. */
struct groups;

struct group {
  const char *values[MAX_GROUP_PATHS]; /* one line of clean text each */
  int64_t count;
};

/* PATHS (COUNT of them, 1 to MAX_GROUP_PATHS) must outlive it. Lives in ARENA. */
struct groups *groups_new(struct km_arena *arena, struct km_path *const *paths, size_t count);
void groups_add(struct groups *groups, yyjson_val *object);
/* All groups, the largest first, equals by their values. In the arena. */
const struct group *groups_sorted(struct groups *groups, size_t *ret_count);
/* Objects of which some combination found no room. */
int64_t groups_uncounted(const struct groups *groups);

#endif
