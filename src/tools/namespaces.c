/* namespaces_list. */
#include "common.h"

#include "kube_mcp/base/banned.h"

static const struct km_arg args[] = {ARG_CONTEXT(struct listing), ARGS_OF_LISTING};

static enum km_rc run(struct km_call *call, const void *data, struct km_result *out, struct km_error *err)
{
  struct listing listing = *(const struct listing *)data;
  listing.resource = &namespaces_resource;
  return run_listing(call, listing, out, err);
}

static const struct km_rbac_row rbac[] = {{"list", "", "namespaces", NULL}};

const struct km_tool km_tool_namespaces_list = {
    .name = "namespaces_list",
    .title = "List namespaces",
    .description = "Lists the namespaces of a cluster with status and age.",
    .hints = KM_HINT_READ_ONLY | KM_HINT_IDEMPOTENT | KM_HINT_OPEN_WORLD,
    .args = args,
    .arg_count = KM_ARRAY_LEN(args),
    .args_size = sizeof(struct listing),
    .rbac = rbac,
    .rbac_count = KM_ARRAY_LEN(rbac),
    .run = run,
};
