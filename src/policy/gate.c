/* The policy gate. Stateless: everything it needs is in its arguments. The rules are asked in the order of their weight:
 * read-only mode cannot be lifted by a list, and denied wins over allowed. A tool that does not say that it only reads
 * counts as one that writes. Globs are matched against names without the configured prefix. */
#include "kube_mcp/policy/gate.h"

#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

static const char *first_match(const struct km_strings *globs, const char *name)
{
  for (size_t i = 0; i < globs->count; i++) {
    if (km_glob_match(globs->items[i], name)) {
      return globs->items[i];
    }
  }
  return NULL;
}

enum km_rc km_gate_check(const struct km_gate *gate, const struct km_tool *tool, struct km_error *err)
{
  if (gate->read_only && (tool->hints & KM_HINT_READ_ONLY) == 0) {
    km_error_set_type(err, KM_E_FORBIDDEN, KM_TYPE_POLICY_DENIED,
                      "%s can change things and this server is read-only", tool->name);
    return km_error_hint(err, "security.read_only is set in the server's configuration");
  }
  const char *denied = first_match(&gate->denied_tools, tool->name);
  if (denied != NULL) {
    return km_error_set_type(err, KM_E_FORBIDDEN, KM_TYPE_POLICY_DENIED,
                             "%s is denied by security.denied_tools ('%s')", tool->name, denied);
  }
  if (gate->allowed_tools.count > 0 && first_match(&gate->allowed_tools, tool->name) == NULL) {
    return km_error_set_type(err, KM_E_FORBIDDEN, KM_TYPE_POLICY_DENIED,
                             "%s is not in security.allowed_tools", tool->name);
  }
  return KM_OK;
}
