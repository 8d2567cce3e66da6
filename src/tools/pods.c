/* pods_list and pods_get. */
#include "common.h"

#include "kube_mcp/base/banned.h"

static const struct km_arg list_args[] = {
    ARG_CONTEXT(struct listing),
    ARG_NAMESPACE(struct listing, "Namespace. Empty = all namespaces."),
    ARGS_OF_LISTING,
};

static enum km_rc run_list(struct km_call *call, const void *data, struct km_result *out,
                           struct km_error *err)
{
  struct listing listing = *(const struct listing *)data;
  listing.resource = &pods_resource;
  return run_listing(call, listing, out, err);
}

static const struct km_rbac_row list_rbac[] = {{"list", "", "pods", NULL}};

const struct km_tool km_tool_pods_list = {
    .name = "pods_list",
    .title = "List pods",
    .description =
        "Lists pods with readiness, status, restarts and age, as `kubectl get pods` does; output=wide adds "
        "node and IP.",
    .hints = KM_HINT_READ_ONLY | KM_HINT_IDEMPOTENT | KM_HINT_OPEN_WORLD,
    .args = list_args,
    .arg_count = KM_ARRAY_LEN(list_args),
    .args_size = sizeof(struct listing),
    .rbac = list_rbac,
    .rbac_count = KM_ARRAY_LEN(list_rbac),
    .run = run_list,
};

static const struct km_arg get_args[] = {
    ARG_CONTEXT(struct object_query),
    ARG_CONTEXTS(struct object_query),
    ARG_NAME("Name of the pod."),
    ARG_NAMESPACE(struct object_query, "Its namespace. Empty = the context's namespace, else \"default\"."),
    ARG_OBJECT_OUTPUT,
    ARG_FIELDS(struct object_query),
};

static enum km_rc run_pods_get(struct km_call *call, const void *data, struct km_result *out,
                               struct km_error *err)
{
  struct object_query query = *(const struct object_query *)data;
  query.resource = &pods_resource;
  return run_get(call, query, out, err);
}

static const struct km_rbac_row get_rbac[] = {{"get", "", "pods", NULL}};

const struct km_tool km_tool_pods_get = {
    .name = "pods_get",
    .title = "Get a pod",
    .description = "One pod as YAML (without managedFields), or only the parts named in `fields`.",
    .hints = KM_HINT_READ_ONLY | KM_HINT_IDEMPOTENT | KM_HINT_OPEN_WORLD,
    .args = get_args,
    .arg_count = KM_ARRAY_LEN(get_args),
    .args_size = sizeof(struct object_query),
    .rbac = get_rbac,
    .rbac_count = KM_ARRAY_LEN(get_rbac),
    .run = run_pods_get,
};
