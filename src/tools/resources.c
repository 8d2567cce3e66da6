/* resources_list and resources_get: any kind the cluster serves, named as for kubectl. */
#include "common.h"

#include "kube_mcp/base/banned.h"

#define KIND_DESCRIPTION                                                                                     \
  "Kind, plural, singular or short name, with or without group: \"Deployment\", \"deploy\", "                \
  "\"deployments.apps\", "                                                                                   \
  "\"ing\", \"certificates.cert-manager.io\"."
#define API_VERSION_DESCRIPTION                                                                              \
  "Group/version if the kind alone is ambiguous, e.g. \"apps/v1\". Usually not needed."

struct resources_list_args {
  const char *context, *kind, *api_version, *ns, *label_selector, *field_selector, *cursor;
  int64_t limit;
  int output;
  struct km_arg_strings fields;
};

static const struct km_arg list_args[] = {
    ARG_CONTEXT(struct resources_list_args),
    {.name = "kind",
     .type = KM_ARG_STRING,
     .flags = KM_ARG_REQUIRED,
     .max = 253,
     KM_ARG_AT(struct resources_list_args, kind),
     .description = KIND_DESCRIPTION},
    {.name = "api_version",
     .type = KM_ARG_STRING,
     .max = 253,
     KM_ARG_AT(struct resources_list_args, api_version),
     .description = API_VERSION_DESCRIPTION},
    {.name = "namespace",
     .type = KM_ARG_STRING,
     .flags = KM_ARG_DNS_LABEL,
     KM_ARG_AT(struct resources_list_args, ns),
     .description = "Namespace. Empty = all namespaces."},
    ARG_LABEL_SELECTOR(struct resources_list_args),
    ARG_FIELD_SELECTOR(struct resources_list_args),
    ARG_LIST_OUTPUT(struct resources_list_args),
    ARG_FIELDS(struct resources_list_args),
    ARG_LIMIT(struct resources_list_args),
    ARG_CURSOR(struct resources_list_args),
};

static enum km_rc run_list(struct km_call *call, const void *data, struct km_result *out,
                           struct km_error *err)
{
  const struct resources_list_args *given = data;
  struct target target;
  struct km_resource resource;
  enum km_rc rc = target_open(call, given->context, &target, err);
  if (rc == KM_OK) {
    rc = km_client_resolve_kind(target.client, given->kind, given->api_version, &target.request, call->arena,
                                &resource, err);
  }
  if (rc != KM_OK) {
    return rc;
  }
  if (!resource.namespaced && !km_str_empty(given->ns)) {
    km_error_set_type(err, KM_E_INVALID, KM_TYPE_VALIDATION_ERROR, "%s are not in namespaces",
                      km_resource_display(call->arena, &resource));
    return km_error_hint(err, "leave out the argument 'namespace'");
  }
  struct listing listing = {
      .ns = given->ns,
      .label_selector = given->label_selector,
      .field_selector = given->field_selector,
      .cursor = given->cursor,
      .limit = given->limit,
      .output = (enum output)given->output,
      .fields = given->fields,
      .resource = &resource,
  };
  return run_listing(call, &target, &listing, out, err);
}

const struct km_tool km_tool_resources_list = {
    .name = "resources_list",
    .title = "List resources",
    .description = "Lists objects of any kind, built in or custom, with the columns `kubectl get` shows.",
    .hints = KM_HINT_READ_ONLY | KM_HINT_IDEMPOTENT | KM_HINT_OPEN_WORLD,
    .args = list_args,
    .arg_count = KM_ARRAY_LEN(list_args),
    .args_size = sizeof(struct resources_list_args),
    .run = run_list,
};

struct resources_get_args {
  const char *context, *kind, *api_version, *ns, *name;
  int output;
  struct km_arg_strings fields;
};

static const struct km_arg get_args[] = {
    ARG_CONTEXT(struct resources_get_args),
    {.name = "kind",
     .type = KM_ARG_STRING,
     .flags = KM_ARG_REQUIRED,
     .max = 253,
     KM_ARG_AT(struct resources_get_args, kind),
     .description = KIND_DESCRIPTION},
    {.name = "name",
     .type = KM_ARG_STRING,
     .flags = KM_ARG_REQUIRED | KM_ARG_DNS_NAME,
     KM_ARG_AT(struct resources_get_args, name),
     .description = "Name of the object."},
    {.name = "namespace",
     .type = KM_ARG_STRING,
     .flags = KM_ARG_DNS_LABEL,
     KM_ARG_AT(struct resources_get_args, ns),
     .description =
         "Its namespace. Empty = the context's namespace, else \"default\". Ignored for cluster-wide kinds."},
    {.name = "api_version",
     .type = KM_ARG_STRING,
     .max = 253,
     KM_ARG_AT(struct resources_get_args, api_version),
     .description = API_VERSION_DESCRIPTION},
    ARG_OBJECT_OUTPUT(struct resources_get_args),
    ARG_FIELDS(struct resources_get_args),
};

static enum km_rc run_resources_get(struct km_call *call, const void *data, struct km_result *out,
                                    struct km_error *err)
{
  const struct resources_get_args *given = data;
  struct target target;
  struct km_resource resource;
  enum km_rc rc = target_open(call, given->context, &target, err);
  if (rc == KM_OK) {
    rc = km_client_resolve_kind(target.client, given->kind, given->api_version, &target.request, call->arena,
                                &resource, err);
  }
  if (rc != KM_OK) {
    return rc;
  }
  struct object_query query = {
      .ns = given->ns,
      .name = given->name,
      .output = (enum output)given->output,
      .fields = given->fields,
      .resource = &resource,
  };
  return run_get(call, &target, &query, out, err);
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
    .args_size = sizeof(struct resources_get_args),
    .run = run_resources_get,
};
