/* Protocol revisions, the capabilities a client declares, and the `_meta` envelope by which a 2026-07-28 request is
 * told from an older one. Pure functions over the parsed message. */
#include "kube_mcp/mcp/era.h"

#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

static const char *const revision_names[] = {
    [KM_REV_NONE] = "",
    [KM_REV_2024_11_05] = "2024-11-05",
    [KM_REV_2025_03_26] = "2025-03-26",
    [KM_REV_2025_06_18] = "2025-06-18",
    [KM_REV_2025_11_25] = "2025-11-25",
    [KM_REV_2026_07_28] = "2026-07-28",
};

const char *km_revision_name(enum km_revision revision)
{
  return revision_names[revision];
}

enum km_revision km_revision_parse(const char *name)
{
  for (size_t i = KM_REV_2024_11_05; i < KM_ARRAY_LEN(revision_names); i++) {
    if (km_streq(name, revision_names[i])) {
      return (enum km_revision)i;
    }
  }
  /* A draft that the SDKs still offer; on the wire it is the same as the first release. */
  return km_streq(name, "2024-10-07") ? KM_REV_2024_11_05 : KM_REV_NONE;
}

unsigned km_client_caps_parse(yyjson_val *capabilities)
{
  unsigned caps = 0;
  if (km_json_obj(capabilities, "sampling") != NULL) {
    caps |= KM_CAP_SAMPLING;
  }
  if (km_json_obj(capabilities, "roots") != NULL) {
    caps |= KM_CAP_ROOTS;
  }
  yyjson_val *elicitation = km_json_obj(capabilities, "elicitation");
  if (elicitation != NULL) {
    bool url = km_json_obj(elicitation, "url") != NULL;
    /* An empty object means the form mode, which was the only one when the capability was introduced. */
    bool form = km_json_obj(elicitation, "form") != NULL || !url;
    caps |= (form ? KM_CAP_ELICITATION_FORM : 0U) | (url ? KM_CAP_ELICITATION_URL : 0U);
  }
  if (km_json_at(capabilities, "extensions", "io.modelcontextprotocol/tasks", NULL) != NULL) {
    caps |= KM_CAP_TASKS;
  }
  return caps;
}

void km_envelope_read(yyjson_val *params, struct km_envelope *ret)
{
  *ret = (struct km_envelope){0};
  yyjson_val *meta = km_json_obj(params, "_meta");
  yyjson_val *token = yyjson_obj_get(meta, "progressToken");
  if (yyjson_is_str(token) || yyjson_is_int(token)) {
    ret->progress_token = token;
  }
  yyjson_val *version = yyjson_obj_get(meta, KM_META_VERSION);
  ret->present = version != NULL;
  if (!ret->present) {
    return;
  }
  ret->version = yyjson_get_str(version);
  enum km_revision revision = km_revision_parse(ret->version);
  ret->revision = revision == KM_REV_MODERN ? revision : KM_REV_NONE;
  ret->capabilities = km_json_obj(meta, KM_META_CAPABILITIES);
  ret->caps = km_client_caps_parse(ret->capabilities);
  yyjson_val *info = km_json_obj(meta, KM_META_CLIENT_INFO);
  ret->client_name = km_json_str(info, "name");
  ret->client_version = km_json_str(info, "version");
  ret->log_level = km_json_str(meta, KM_META_LOG_LEVEL);
}
