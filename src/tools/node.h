/* Nodes as a person looks at them: state, troubles, room. */
#ifndef KM_TOOLS_NODE_H
#define KM_TOOLS_NODE_H

#include "common.h"
#include "pod_resources.h"

enum node_rank { NODE_NOT_READY, NODE_IN_TROUBLE, NODE_CORDONED, NODE_FINE }; /* the worst first */

struct node {
  const char *name, *status, *roles, *version, *age;
  const char *state;    /* of status: "Ready", "NotReady", "Unknown" */
  const char *troubles; /* "MemoryPressure,StorageReady=False"; "" = none */
  const char *os, *arch, *runtime, *os_image, *kernel;
  enum node_rank rank;
  const char **taints; /* "key=value:NoSchedule" */
  size_t taint_count;
  struct amount capacity[COMPUTE_COUNT], allocatable[COMPUTE_COUNT];
  struct amount pod_capacity, pod_allocatable;
  km_nano requested[COMPUTE_COUNT]; /* of pods that have not ended */
  int64_t pods;
};

struct nodes {
  struct km_arena *arena;
  struct node **items; /* worst first, then by name, after nodes_list */
  size_t count, capacity;
  struct km_map *by_name; /* the arena's */
};

extern const struct km_resource nodes_resource;

/* Lists the nodes that LABEL_SELECTOR and NAME (each may be NULL or empty) select. Errors: those of the list; a NAME that
 * does not exist is KM_E_NOT_FOUND. */
enum km_rc nodes_list(struct km_call *call, struct target *target, const char *label_selector,
                      const char *name, struct nodes *ret, struct km_error *err);

#endif
