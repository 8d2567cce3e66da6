/* Who may do what: roles with their rules, bindings with their subjects, service accounts. */
#include "describe.h"

#include <string.h>

#include "sheet.h"

#include "kube_mcp/base/banned.h"

#define MAX_RULES      ((size_t)100)
#define MAX_TEXT_BYTES ((size_t)4096)

/* --- rules ----------------------------------------------------------------------------------------------------------------------- */

static const char *text_of(yyjson_val *val)
{
  return yyjson_is_str(val) ? yyjson_get_str(val) : "";
}

/* "deployments.apps, pods/log": every resource with every group of the rule. */
static void put_resources(yyjson_val *rule, struct km_buf *out)
{
  size_t start = out->len, i, max, j, group_count;
  yyjson_val *resource, *group;
  yyjson_arr_foreach(km_json_arr(rule, "resources"), i, max, resource)
  {
    yyjson_arr_foreach(km_json_arr(rule, "apiGroups"), j, group_count, group)
    {
      const char *dot = *text_of(group) != '\0' ? "." : "";
      km_buf_printf(out, "%s%s%s%s", out->len > start ? ", " : "", text_of(resource), dot, text_of(group));
    }
  }
}

static void put_list(yyjson_val *rule, const char *key, struct km_buf *out)
{
  size_t i, max;
  yyjson_val *item;
  yyjson_arr_foreach(km_json_arr(rule, key), i, max, item)
  {
    km_buf_printf(out, "%s%s", i > 0 ? ", " : "", text_of(item));
  }
}

static void add_rule(struct sheet *sheet, yyjson_val *rule)
{
  static const char *const lists[] = {"verbs", "resourceNames", "nonResourceURLs"};
  struct km_buf text;
  km_buf_init(&text, MAX_TEXT_BYTES);
  sheet_row(sheet, NULL);
  for (size_t i = 0; i < KM_ARRAY_LEN(lists); i++) {
    km_buf_clear(&text);
    put_list(rule, lists[i], &text);
    sheet_cell(sheet, text.data);
  }
  km_buf_clear(&text);
  put_resources(rule, &text);
  sheet_cell(sheet, text.data); /* the longest, last: nothing is padded to its width */
  km_buf_done(&text);
}

static void write_role(struct describe *d)
{
  static const char *const headings[] = {"VERBS", "NAMES", "URLS", "RESOURCES"};
  struct sheet sheet;
  sheet_init(&sheet);
  for (size_t i = 0; i < KM_ARRAY_LEN(headings); i++) {
    sheet_column(&sheet, headings[i]);
  }
  yyjson_val *rules = km_json_arr(d->object, "rules");
  size_t i, max;
  yyjson_val *rule;
  yyjson_arr_foreach(rules, i, max, rule)
  {
    if (i < MAX_RULES) {
      add_rule(&sheet, rule);
    }
  }
  if (yyjson_arr_size(rules) > 0) {
    describe_put_sheet(d, "rules", &sheet, yyjson_arr_size(rules));
  } else {
    describe_line(d, "rules", "none");
  }
  sheet_done(&sheet);
}

/* --- the kinds -------------------------------------------------------------------------------------------------------------------- */

static const struct describe_row cluster_role_rows[] = {
    ROW_TEXT("takes in", ".aggregationRule.clusterRoleSelectors[*].matchLabels"),
};

static const struct describe_column subject_columns[] = {
    {"KIND", ".kind", DESCRIBE_TEXT},
    {"NAMESPACE", ".namespace", DESCRIBE_TEXT},
    {"NAME", ".name", DESCRIBE_TEXT},
};
static const struct describe_row binding_rows[] = {
    ROW_OBJECT("role", ".roleRef"),
    ROW_TABLE("subjects", ".subjects", subject_columns),
};

static const struct describe_row account_rows[] = {
    ROW_TEXT("image pull secrets", ".imagePullSecrets[*].name"),
    ROW_TEXT("secrets", ".secrets[*].name"),
    ROW_TEXT("token mounted in pods", ".automountServiceAccountToken"),
};

const struct describe_kind describe_access_kinds[] = {
    {"rbac.authorization.k8s.io", "Role", NULL, 0, write_role},
    {"rbac.authorization.k8s.io", "ClusterRole", cluster_role_rows, KM_ARRAY_LEN(cluster_role_rows),
     write_role},
    {"rbac.authorization.k8s.io", "RoleBinding", binding_rows, KM_ARRAY_LEN(binding_rows), NULL},
    {"rbac.authorization.k8s.io", "ClusterRoleBinding", binding_rows, KM_ARRAY_LEN(binding_rows), NULL},
    {"", "ServiceAccount", account_rows, KM_ARRAY_LEN(account_rows), NULL},
    {0},
};
