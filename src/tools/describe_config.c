/* What configures and bounds: ConfigMaps, Secrets, Namespaces with their quotas and limits, custom resource definitions.
 * Of a Secret only what redaction leaves is at hand: keys, sizes and fingerprints. */
#include "describe.h"

#include <string.h>

#include "sheet.h"

#include "kube_mcp/base/banned.h"

#define MAX_DATA_BYTES ((size_t)4096) /* of one value of a ConfigMap */
#define MAX_KEYS       ((size_t)200)

/* --- data ---------------------------------------------------------------------------------------------------------------------- */

static void write_text(struct describe *d, const char *key, yyjson_val *value)
{
  size_t len = yyjson_get_len(value);
  describe_begin(d, km_arena_printf(d->call->arena, "%.253s (%zu bytes)", key, len));
  describe_block(d, yyjson_get_str(value), len, MAX_DATA_BYTES);
  describe_end(d);
}

/* The size of what the base64 text VALUE stands for. */
static size_t decoded_size(yyjson_val *value)
{
  size_t len = yyjson_get_len(value);
  const char *text = yyjson_get_str(value);
  size_t padding = len >= 2 && text[len - 1] == '=' ? (text[len - 2] == '=' ? 2 : 1) : 0;
  return len / 4 * 3 - (len / 4 * 3 >= padding ? padding : 0);
}

static void write_configmap(struct describe *d)
{
  yyjson_val *data = km_json_obj(d->object, "data"), *binary = km_json_obj(d->object, "binaryData");
  size_t i, max;
  yyjson_val *key, *value;
  describe_line(d, "keys", "%zu", yyjson_obj_size(data) + yyjson_obj_size(binary));
  yyjson_obj_foreach(describe_members(data), i, max, key, value)
  {
    if (i < MAX_KEYS && yyjson_is_str(value)) {
      write_text(d, yyjson_get_str(key), value);
    }
  }
  yyjson_obj_foreach(describe_members(binary), i, max, key, value)
  {
    if (i < MAX_KEYS && yyjson_is_str(value)) {
      describe_line(d, yyjson_get_str(key), "%zu bytes, binary", decoded_size(value));
    }
  }
}

static const struct describe_row configmap_rows[] = {
    ROW_TEXT("immutable", ".immutable"),
};

static const struct describe_row secret_rows[] = {
    ROW_TEXT("type", ".type"),
    ROW_TEXT("immutable", ".immutable"),
    ROW_LINES("data", ".data"),
};

/* --- quotas and limits ----------------------------------------------------------------------------------------------------------- */

static void write_quota(struct describe *d, yyjson_val *quota, const char *label)
{
  yyjson_val *status = km_json_obj(quota, "status");
  yyjson_val *hard = km_json_obj(status, "hard"), *used = km_json_obj(status, "used");
  struct sheet sheet;
  sheet_init(&sheet);
  sheet_column(&sheet, "RESOURCE");
  sheet_column(&sheet, "USED");
  sheet_column(&sheet, "HARD");
  size_t i, max;
  yyjson_val *key, *value;
  yyjson_obj_foreach(describe_members(hard), i, max, key, value)
  {
    const char *name = yyjson_get_str(key);
    sheet_row(&sheet, NULL);
    sheet_cell(&sheet, name);
    sheet_cell(&sheet, km_json_str(used, name));
    sheet_cell(&sheet, yyjson_get_str(value));
  }
  describe_put_sheet(d, label, &sheet, max);
  sheet_done(&sheet);
}

/* One line for each resource that a limit of a LimitRange names. */
static size_t add_limit(struct sheet *sheet, yyjson_val *limit)
{
  static const char *const members[] = {"min", "max", "defaultRequest", "default", "maxLimitRequestRatio"};
  const char *type = km_json_str(limit, "type");
  size_t added = 0;
  for (size_t i = 0; i < KM_ARRAY_LEN(members); i++) {
    size_t j, max;
    yyjson_val *key, *value;
    yyjson_obj_foreach(describe_members(km_json_obj(limit, members[i])), j, max, key, value)
    {
      const char *name = yyjson_get_str(key);
      bool told = false; /* by an earlier member */
      for (size_t k = 0; k < i; k++) {
        told = told || yyjson_obj_get(km_json_obj(limit, members[k]), name) != NULL;
      }
      if (told) {
        continue;
      }
      sheet_row(sheet, NULL);
      sheet_cell(sheet, type);
      sheet_cell(sheet, name);
      for (size_t k = 0; k < KM_ARRAY_LEN(members); k++) {
        sheet_cell(sheet, km_json_str(km_json_obj(limit, members[k]), name));
      }
      added++;
    }
  }
  return added;
}

static void write_limits(struct describe *d, yyjson_val *range, const char *label)
{
  static const char *const headings[] = {"TYPE",          "RESOURCE",     "MIN", "MAX", "DEFAULT REQUEST",
                                         "DEFAULT LIMIT", "LIMIT/REQUEST"};
  struct sheet sheet;
  sheet_init(&sheet);
  for (size_t i = 0; i < KM_ARRAY_LEN(headings); i++) {
    sheet_column(&sheet, headings[i]);
  }
  size_t count = 0, i, max;
  yyjson_val *limit;
  yyjson_arr_foreach(km_json_arr(km_json_obj(range, "spec"), "limits"), i, max, limit)
  {
    count += add_limit(&sheet, limit);
  }
  describe_put_sheet(d, label, &sheet, count);
  sheet_done(&sheet);
}

static const struct describe_row quota_rows[] = {
    ROW_TEXT("scopes", ".spec.scopes[*]"),
    ROW_TEXT("scope selector", ".spec.scopeSelector"),
};

static void write_own_quota(struct describe *d)
{
  write_quota(d, d->object, "resources");
}

static void write_own_limits(struct describe *d)
{
  write_limits(d, d->object, "limits");
}

/* --- Namespace ------------------------------------------------------------------------------------------------------------------- */

static const char *label_of(struct describe *d, const char *what, yyjson_val *item)
{
  const char *name = km_json_str(km_json_obj(item, "metadata"), "name");
  return km_arena_printf(d->call->arena, "%s %.253s", what, name != NULL ? name : "?");
}

static void write_found_quota(struct describe *d, yyjson_val *quota, void *count)
{
  ++*(size_t *)count;
  write_quota(d, quota, label_of(d, "quota", quota));
}

static void write_found_limits(struct describe *d, yyjson_val *range, void *count)
{
  ++*(size_t *)count;
  write_limits(d, range, label_of(d, "limit range", range));
}

static const struct describe_row namespace_rows[] = {
    ROW_TEXT("status", ".status.phase"),
};

static void write_namespace(struct describe *d)
{
  const struct {
    struct describe_query query;
    void (*fn)(struct describe *d, yyjson_val *item, void *data);
  } sections[] = {
      {{.label = "quotas", .resource = &describe_quotas, .ns = d->name}, write_found_quota},
      {{.label = "limit ranges", .resource = &describe_limits, .ns = d->name}, write_found_limits},
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(sections); i++) {
    size_t count = 0;
    if (describe_list(d, &sections[i].query, sections[i].fn, &count) && count == 0) {
      describe_line(d, sections[i].query.label, "none");
    }
  }
}

/* --- custom resource definitions --------------------------------------------------------------------------------------------------- */

static const struct describe_column version_columns[] = {
    {"NAME", ".name", DESCRIBE_TEXT},
    {"SERVED", ".served", DESCRIBE_TEXT},
    {"STORED", ".storage", DESCRIBE_TEXT},
    {"DEPRECATED", ".deprecated", DESCRIBE_TEXT},
    {"SUBRESOURCES", ".subresources", DESCRIBE_PAIRS},
    {"COLUMNS", ".additionalPrinterColumns[*].jsonPath", DESCRIBE_TEXT},
    {"FIELDS OF SPEC", ".schema.openAPIV3Schema.properties.spec.required[*]", DESCRIBE_TEXT},
};
static const struct describe_row crd_rows[] = {
    ROW_TEXT("group", ".spec.group"),
    ROW_TEXT("scope", ".spec.scope"),
    ROW_PAIRS("names", ".spec.names"),
    ROW_TABLE("versions", ".spec.versions", version_columns),
    ROW_TEXT("stored versions", ".status.storedVersions[*]"),
    ROW_TEXT("conversion", ".spec.conversion"),
    ROW_TEXT("preserves unknown fields", ".spec.preserveUnknownFields"),
};

const struct describe_kind describe_config_kinds[] = {
    {"", "ConfigMap", configmap_rows, KM_ARRAY_LEN(configmap_rows), write_configmap},
    {"", "Secret", secret_rows, KM_ARRAY_LEN(secret_rows), NULL},
    {"", "ResourceQuota", quota_rows, KM_ARRAY_LEN(quota_rows), write_own_quota},
    {"", "LimitRange", NULL, 0, write_own_limits},
    {"", "Namespace", namespace_rows, KM_ARRAY_LEN(namespace_rows), write_namespace},
    {"apiextensions.k8s.io", "CustomResourceDefinition", crd_rows, KM_ARRAY_LEN(crd_rows), NULL},
    {0},
};
