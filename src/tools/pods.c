/* pods_list and pods_get. */
#include "common.h"

#include "kube_mcp/base/banned.h"

struct pods_list_args {
  const char *context, *ns, *label_selector, *field_selector, *cursor;
  int64_t limit;
  int output;
  struct km_arg_strings fields;
};

static const struct km_arg list_args[] = {
    ARG_CONTEXT(struct pods_list_args),
    {.name = "namespace",
     .type = KM_ARG_STRING,
     .flags = KM_ARG_DNS_LABEL,
     KM_ARG_AT(struct pods_list_args, ns),
     .description = "Namespace. Empty = all namespaces."},
    ARG_LABEL_SELECTOR(struct pods_list_args),
    ARG_FIELD_SELECTOR(struct pods_list_args),
    ARG_LIST_OUTPUT(struct pods_list_args),
    ARG_FIELDS(struct pods_list_args),
    ARG_LIMIT(struct pods_list_args),
    ARG_CURSOR(struct pods_list_args),
};

static enum km_rc run_list(struct km_call *call, const void *data, struct km_result *out,
                           struct km_error *err)
{
  const struct pods_list_args *given = data;
  struct target target;
  enum km_rc rc = target_open(call, given->context, &target, err);
  if (rc != KM_OK) {
    return rc;
  }
  struct listing listing = {
      .ns = given->ns,
      .label_selector = given->label_selector,
      .field_selector = given->field_selector,
      .cursor = given->cursor,
      .limit = given->limit,
      .output = (enum output)given->output,
      .fields = given->fields,
      .resource = &pods_resource,
  };
  return run_listing(call, &target, &listing, out, err);
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
    .args_size = sizeof(struct pods_list_args),
    .rbac = list_rbac,
    .rbac_count = KM_ARRAY_LEN(list_rbac),
    .run = run_list,
};

struct pods_get_args {
  const char *context, *ns, *name;
  int output;
  struct km_arg_strings fields;
};

static const struct km_arg get_args[] = {
    ARG_CONTEXT(struct pods_get_args),
    {.name = "name",
     .type = KM_ARG_STRING,
     .flags = KM_ARG_REQUIRED | KM_ARG_DNS_NAME,
     KM_ARG_AT(struct pods_get_args, name),
     .description = "Name of the pod."},
    {.name = "namespace",
     .type = KM_ARG_STRING,
     .flags = KM_ARG_DNS_LABEL,
     KM_ARG_AT(struct pods_get_args, ns),
     .description = "Its namespace. Empty = the context's namespace, else \"default\"."},
    ARG_OBJECT_OUTPUT(struct pods_get_args),
    ARG_FIELDS(struct pods_get_args),
};

static enum km_rc run_pods_get(struct km_call *call, const void *data, struct km_result *out,
                               struct km_error *err)
{
  const struct pods_get_args *given = data;
  struct target target;
  enum km_rc rc = target_open(call, given->context, &target, err);
  if (rc != KM_OK) {
    return rc;
  }
  struct object_query query = {
      .ns = given->ns,
      .name = given->name,
      .output = (enum output)given->output,
      .fields = given->fields,
      .resource = &pods_resource,
  };
  return run_get(call, &target, &query, out, err);
}

static const struct km_rbac_row get_rbac[] = {{"get", "", "pods", NULL}};

const struct km_tool km_tool_pods_get = {
    .name = "pods_get",
    .title = "Get a pod",
    .description = "One pod as YAML (without managedFields), or only the parts named in `fields`.",
    .hints = KM_HINT_READ_ONLY | KM_HINT_IDEMPOTENT | KM_HINT_OPEN_WORLD,
    .args = get_args,
    .arg_count = KM_ARRAY_LEN(get_args),
    .args_size = sizeof(struct pods_get_args),
    .rbac = get_rbac,
    .rbac_count = KM_ARRAY_LEN(get_rbac),
    .run = run_pods_get,
};
