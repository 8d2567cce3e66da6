/* resources_list and resources_get: any kind the cluster serves, named as for kubectl. */
#include "common.h"

#include "kube_mcp/base/banned.h"

static const struct km_arg list_args[] = {
    ARG_CONTEXT(struct listing),
    ARG_KIND(struct listing),
    ARG_API_VERSION(struct listing),
    ARG_NAMESPACE(struct listing, "Namespace. Empty = all namespaces."),
    ARGS_OF_LISTING,
};

static enum km_rc run_list(struct km_call *call, const void *data, struct km_result *out,
                           struct km_error *err)
{
  return run_listing(call, *(const struct listing *)data, out, err);
}

const struct km_tool km_tool_resources_list = {
    .name = "resources_list",
    .title = "List resources",
    .description = "Lists objects of any kind, built in or custom, with the columns `kubectl get` shows.",
    .hints = KM_HINT_READ_ONLY | KM_HINT_IDEMPOTENT | KM_HINT_OPEN_WORLD,
    .args = list_args,
    .arg_count = KM_ARRAY_LEN(list_args),
    .args_size = sizeof(struct listing),
    .run = run_list,
};

static const struct km_arg get_args[] = {
    ARGS_OF_OBJECT,
    ARG_OBJECT_OUTPUT,
    ARG_FIELDS(struct object_query),
};

static enum km_rc run_resources_get(struct km_call *call, const void *data, struct km_result *out,
                                    struct km_error *err)
{
  return run_get(call, *(const struct object_query *)data, out, err);
}

const struct km_tool km_tool_resources_get = {
    .name = "resources_get",
    .title = "Get a resource",
    .description =
        "One object of any kind as YAML (without managedFields; Secret values masked), or only the parts "
        "named in `fields`.",
    .hints = KM_HINT_READ_ONLY | KM_HINT_IDEMPOTENT | KM_HINT_OPEN_WORLD,
    .args = get_args,
    .arg_count = KM_ARRAY_LEN(get_args),
    .args_size = sizeof(struct object_query),
    .run = run_resources_get,
};
