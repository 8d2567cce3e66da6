/* The policy gate: which tools may be seen and called. Asked when tools are listed and again when one is called; the
 * Kubernetes client checks a third time what leaves the process (kube/client.h, read_only). */
#ifndef KM_POLICY_GATE_H
#define KM_POLICY_GATE_H

#include <stdbool.h>

#include "kube_mcp/base/error.h"
#include "kube_mcp/config/field.h"
#include "kube_mcp/tool.h"

struct km_gate {
  bool read_only;                  /* only tools with KM_HINT_READ_ONLY */
  struct km_strings allowed_tools; /* globs; empty = all */
  struct km_strings denied_tools;  /* globs; wins over allowed */
};

/* KM_OK, or KM_E_FORBIDDEN with type PolicyDenied naming the rule. Any thread. */
enum km_rc km_gate_check(const struct km_gate *gate, const struct km_tool *tool, struct km_error *err);

#endif
