/* Discovery from the recorded aggregated documents: as they are, or taken apart into the old form. OpenAPI documents hold
 * all recorded schemas, whatever document they came from. */
#include <string.h>

#include "kube_mcp/base/str.h"
#include "kube_mcp/codec/json.h"
#include "sim.h"

#include "kube_mcp/base/banned.h"

static const char *group_name(yyjson_val *group)
{
  const char *name = km_json_str(km_json_obj(group, "metadata"), "name");
  return name == NULL ? "" : name;
}

/* The APIVersionDiscovery of GROUP and VERSION, or NULL. */
static yyjson_val *find_version(const struct sim_cluster *cluster, const char *group, const char *version)
{
  yyjson_val *groups = group[0] == '\0' ? cluster->core : cluster->groups;
  size_t i, j, max, versions;
  yyjson_val *entry, *candidate;
  yyjson_arr_foreach(groups, i, max, entry)
  {
    yyjson_arr_foreach(km_json_arr(entry, "versions"), j, versions, candidate)
    {
      if (km_streq(group_name(entry), group) && km_streq(km_json_str(candidate, "version"), version)) {
        return candidate;
      }
    }
  }
  return NULL;
}

bool sim_is_broken(const struct sim_cluster *cluster, const char *group, const char *version)
{
  return km_streq(km_json_str(find_version(cluster, group, version), "freshness"), "Stale");
}

yyjson_val *sim_discovered(const struct sim_cluster *cluster, const char *group, const char *version,
                           const char *plural)
{
  size_t i, max;
  yyjson_val *resource;
  yyjson_arr_foreach(km_json_arr(find_version(cluster, group, version), "resources"), i, max, resource)
  {
    if (km_streq(km_json_str(resource, "resource"), plural)) {
      return resource;
    }
  }
  return NULL;
}

static void put_aggregated(yyjson_val *groups, struct sim_answer *answer)
{
  answer->type = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
  km_buf_puts(&answer->body, "{\"kind\":\"APIGroupDiscoveryList\",\"apiVersion\":\"apidiscovery.k8s.io/v2\","
                             "\"metadata\":{},\"items\":");
  km_json_write_val(groups, false, &answer->body);
  km_buf_puts(&answer->body, "}\n");
}

static void put_group_list(const struct sim_cluster *cluster, struct km_buf *out)
{
  km_buf_puts(out, "{\"kind\":\"APIGroupList\",\"apiVersion\":\"v1\",\"groups\":[");
  size_t i, j, max, versions;
  yyjson_val *group, *version;
  yyjson_arr_foreach(cluster->groups, i, max, group)
  {
    const char *name = group_name(group), *preferred = NULL;
    km_buf_printf(out, "%s{\"name\":\"%s\",\"versions\":[", i == 0 ? "" : ",", name);
    yyjson_arr_foreach(km_json_arr(group, "versions"), j, versions, version)
    {
      const char *text = km_json_str(version, "version");
      preferred = j == 0 ? text : preferred;
      km_buf_printf(out, "%s{\"groupVersion\":\"%s/%s\",\"version\":\"%s\"}", j == 0 ? "" : ",", name, text,
                    text);
    }
    km_buf_printf(out, "],\"preferredVersion\":{\"groupVersion\":\"%s/%s\",\"version\":\"%s\"}}", name,
                  preferred, preferred);
  }
  km_buf_puts(out, "]}\n");
}

static void put_resource_list(const char *group, const char *version, yyjson_val *found, struct km_buf *out)
{
  km_buf_printf(
      out, "{\"kind\":\"APIResourceList\",\"apiVersion\":\"v1\",\"groupVersion\":\"%s%s%s\",\"resources\":[",
      group, group[0] == '\0' ? "" : "/", version);
  size_t i, max;
  yyjson_val *resource;
  yyjson_arr_foreach(km_json_arr(found, "resources"), i, max, resource)
  {
    km_buf_printf(
        out, "%s{\"name\":\"%s\",\"singularName\":\"%s\",\"namespaced\":%s,\"kind\":\"%s\",\"verbs\":",
        i == 0 ? "" : ",", km_json_str(resource, "resource"), km_json_str(resource, "singularResource"),
        km_streq(km_json_str(resource, "scope"), "Namespaced") ? "true" : "false",
        km_json_str(km_json_obj(resource, "responseKind"), "kind"));
    km_json_write_val(km_json_arr(resource, "verbs"), false, out);
    if (km_json_arr(resource, "shortNames") != NULL) {
      km_buf_puts(out, ",\"shortNames\":");
      km_json_write_val(km_json_arr(resource, "shortNames"), false, out);
    }
    km_buf_putc(out, '}');
  }
  km_buf_puts(out, "]}\n");
}

bool sim_discovery(const struct sim_request *request, struct sim_answer *answer)
{
  const struct sim_cluster *cluster = request->cluster;
  bool aggregated = strstr(request->accept, "as=APIGroupDiscoveryList") != NULL;
  bool core = km_streq(request->path, "/api");
  if (core || km_streq(request->path, "/apis")) {
    if (aggregated) {
      put_aggregated(core ? cluster->core : cluster->groups, answer);
    } else if (core) {
      km_buf_puts(&answer->body, "{\"kind\":\"APIVersions\",\"versions\":[\"v1\"]}\n");
    } else {
      put_group_list(cluster, &answer->body);
    }
    return true;
  }
  char *copy = km_arena_strdup(request->arena, request->path + 1);
  const char *root = strsep(&copy, "/");
  const char *group = km_streq(root, "api") ? "" : strsep(&copy, "/");
  const char *version = strsep(&copy, "/");
  if (copy != NULL || version == NULL) {
    return false;
  }
  yyjson_val *found = find_version(cluster, group, version);
  if (found == NULL) {
    return false;
  }
  if (sim_is_broken(cluster, group, version)) {
    sim_fail(answer, 503, "ServiceUnavailable", NULL, "the server is currently unable to handle the request");
    return true;
  }
  put_resource_list(group, version, found, &answer->body);
  return true;
}

static void put_openapi_index(yyjson_val *documents, struct km_buf *out)
{
  size_t i, max;
  yyjson_val *document;
  km_buf_puts(out, "{\"paths\":{");
  yyjson_arr_foreach(documents, i, max, document)
  {
    const char *name = yyjson_get_str(document);
    km_buf_printf(out, "%s\"%s\":{\"serverRelativeURL\":\"/openapi/v3/%s?hash=0\"}", i == 0 ? "" : ",", name,
                  name);
  }
  km_buf_puts(out, "}}\n");
}

bool sim_openapi(const struct sim_request *request, struct sim_answer *answer)
{
  static const char prefix[] = "/openapi/v3";
  yyjson_val *openapi = request->cluster->openapi, *documents = km_json_arr(openapi, "documents");
  if (km_streq(request->path, prefix)) {
    put_openapi_index(documents, &answer->body);
    return true;
  }
  size_t i, max;
  yyjson_val *document;
  yyjson_arr_foreach(documents, i, max, document)
  {
    if (km_starts_with(request->path, prefix) &&
        km_streq(request->path + strlen(prefix) + 1, yyjson_get_str(document))) {
      km_buf_puts(&answer->body, "{\"openapi\":\"3.0.0\",\"info\":{\"title\":\"Kubernetes\"},\"paths\":{},"
                                 "\"components\":{\"schemas\":");
      km_json_write_val(km_json_obj(openapi, "schemas"), false, &answer->body);
      km_buf_puts(&answer->body, "}}\n");
      return true;
    }
  }
  return false;
}
