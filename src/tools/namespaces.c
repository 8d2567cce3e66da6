/* namespaces_list. */
#include "common.h"

#include "kube_mcp/base/banned.h"

struct namespaces_list_args {
  const char *context, *label_selector, *field_selector, *cursor;
  int64_t limit;
  int output;
  struct km_arg_strings fields;
};

static const struct km_arg args[] = {
    ARG_CONTEXT(struct namespaces_list_args),        ARG_LABEL_SELECTOR(struct namespaces_list_args),
    ARG_FIELD_SELECTOR(struct namespaces_list_args), ARG_LIST_OUTPUT(struct namespaces_list_args),
    ARG_FIELDS(struct namespaces_list_args),         ARG_LIMIT(struct namespaces_list_args),
    ARG_CURSOR(struct namespaces_list_args),
};

static enum km_rc run(struct km_call *call, const void *data, struct km_result *out, struct km_error *err)
{
  const struct namespaces_list_args *given = data;
  struct target target;
  enum km_rc rc = target_open(call, given->context, &target, err);
  if (rc != KM_OK) {
    return rc;
  }
  struct listing listing = {
      .label_selector = given->label_selector,
      .field_selector = given->field_selector,
      .cursor = given->cursor,
      .limit = given->limit,
      .output = (enum output)given->output,
      .fields = given->fields,
      .resource = &namespaces_resource,
  };
  return run_listing(call, &target, &listing, out, err);
}

static const struct km_rbac_row rbac[] = {{"list", "", "namespaces", NULL}};

const struct km_tool km_tool_namespaces_list = {
    .name = "namespaces_list",
    .title = "List namespaces",
    .description = "Lists the namespaces of a cluster with status and age.",
    .hints = KM_HINT_READ_ONLY | KM_HINT_IDEMPOTENT | KM_HINT_OPEN_WORLD,
    .args = args,
    .arg_count = KM_ARRAY_LEN(args),
    .args_size = sizeof(struct namespaces_list_args),
    .rbac = rbac,
    .rbac_count = KM_ARRAY_LEN(rbac),
    .run = run,
};
