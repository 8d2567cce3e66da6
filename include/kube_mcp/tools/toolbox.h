/* What the Kubernetes tools work with, and their registry. call->app points to a struct km_toolbox. */
#ifndef KM_TOOLS_TOOLBOX_H
#define KM_TOOLS_TOOLBOX_H

#include "kube_mcp/base/lane.h"
#include "kube_mcp/kube/pool.h"
#include "kube_mcp/mcp/seal.h"
#include "kube_mcp/policy/gate.h"
#include "kube_mcp/tool.h"

struct km_toolbox {
  struct km_pool *pool;
  struct km_lane *fan_out; /* for asking many contexts at once */
  struct km_gate gate;
  const struct km_sealer *sealer; /* cursors */
  size_t max_result_bytes;        /* budget of one answer */
  int64_t page_size;              /* objects per list request */
  bool require_rbac;
};

/* Every tool, in listing order, NULL-terminated: src/tools/registry.c. */
extern const struct km_tool *const km_tools[];
size_t km_tool_count(void);

#endif
