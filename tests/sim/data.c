/* The recorded clusters.
 *
 * Each object is kept as a tree, for selectors, and as the texts that answers are made of, so that a list of thousands is
 * a matter of copying. Timestamps near the time of the recording are moved to end now; others (2031-...) stay. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kube_mcp/base/alloc.h"
#include "kube_mcp/base/clock.h"
#include "kube_mcp/base/file.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/codec/json.h"
#include "kube_mcp/codec/yaml.h"
#include "sim.h"

#include "kube_mcp/base/banned.h"

#define MAX_FILE_BYTES  ((size_t)32 * 1024 * 1024)
#define MOVED_WITHIN_MS ((int64_t)7 * 24 * 3600 * 1000)
#define STAMP_LEN       strlen("2026-01-02T03:04:05")

struct loader {
  struct km_arena *arena;
  int64_t recorded_ms, shift_ms;
};

/* --- one object ------------------------------------------------------------------------------------------------------- */

/* Moves the timestamps in a JSON text, in place: their length stays the same. */
static void move_timestamps(const struct loader *loader, char *json)
{
  for (char *p = strchr(json, '"'); p != NULL; p = strchr(p + 1, '"')) {
    size_t len = strspn(p + 1, "0123456789-T:.Z");
    int64_t ms = 0;
    if (len < STAMP_LEN + 1 || p[1 + len] != '"' || p[len] != 'Z' || !km_rfc3339_parse(p + 1, len, &ms) ||
        llabs(ms - loader->recorded_ms) > MOVED_WITHIN_MS) {
      continue;
    }
    char moved[40];
    km_rfc3339(moved, sizeof(moved), ms + loader->shift_ms);
    memcpy(p + 1, moved, STAMP_LEN);
  }
}

static const char *keep(struct km_arena *arena, yyjson_mut_val *val)
{
  size_t len = 0;
  char *text = yyjson_mut_val_write(val, YYJSON_WRITE_NOFLAG, &len);
  const char *kept = km_arena_strndup(arena, text, len);
  free(text);
  return kept;
}

static const char *metadata_text(struct km_arena *arena, yyjson_val *root)
{
  yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
  yyjson_mut_val *out = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_str(doc, out, "kind", "PartialObjectMetadata");
  yyjson_mut_obj_add_str(doc, out, "apiVersion", "meta.k8s.io/v1");
  yyjson_mut_obj_add_val(doc, out, "metadata", yyjson_val_mut_copy(doc, yyjson_obj_get(root, "metadata")));
  const char *text = keep(arena, out);
  yyjson_mut_doc_free(doc);
  return text;
}

static const char *item_text(struct km_arena *arena, const struct sim_resource *resource, yyjson_val *root)
{
  yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
  yyjson_mut_val *copy = yyjson_val_mut_copy(doc, root);
  bool built_in = strstr(resource->group, ".example.com") == NULL;
  if (built_in) {
    yyjson_mut_obj_remove_key(copy, "kind");
    yyjson_mut_obj_remove_key(copy, "apiVersion");
  }
  const char *text = keep(arena, copy);
  yyjson_mut_doc_free(doc);
  return text;
}

void sim_object_make(struct km_arena *arena, const struct sim_resource *resource, char *json,
                     yyjson_val *cells, struct sim_object *ret)
{
  struct km_error err;
  yyjson_doc *doc = NULL;
  KM_ASSERT(km_json_parse(arena, json, strlen(json), KM_JSON_MAX_DEPTH, &doc, &err) == KM_OK);
  yyjson_val *root = yyjson_doc_get_root(doc);
  yyjson_val *metadata = km_json_obj(root, "metadata");
  const char *ns = km_json_str(metadata, "namespace"), *created = km_json_str(metadata, "creationTimestamp");
  *ret = (struct sim_object){.ns = ns == NULL ? "" : ns,
                             .name = km_json_str(metadata, "name"),
                             .root = root,
                             .cells = cells,
                             .json = json,
                             .item = item_text(arena, resource, root),
                             .metadata = metadata_text(arena, root)};
  if (created != NULL) {
    (void)km_rfc3339_parse(created, strlen(created), &ret->created_ms);
  }
}

int sim_object_order(const struct sim_object *a, const struct sim_object *b)
{
  int order = strcmp(a->ns, b->ns);
  return order != 0 ? order : strcmp(a->name, b->name);
}

static int by_key(const void *a, const void *b)
{
  return sim_object_order(a, b);
}

/* --- a cluster ---------------------------------------------------------------------------------------------------------- */

static void load_resource(const struct loader *loader, yyjson_val *recorded, struct sim_resource *ret)
{
  yyjson_val *items = km_json_arr(recorded, "items");
  struct sim_resource resource = {
      .group = km_json_str(recorded, "group"),
      .version = km_json_str(recorded, "version"),
      .plural = km_json_str(recorded, "resource"),
      .kind = km_json_str(recorded, "kind"),
      .columns = km_json_arr(recorded, "columns"),
      .objects = KM_ARENA_ARRAY(loader->arena, struct sim_object, yyjson_arr_size(items) + 1),
  };
  size_t i, max;
  yyjson_val *item;
  yyjson_arr_foreach(items, i, max, item)
  {
    struct km_buf json;
    km_buf_init(&json, MAX_FILE_BYTES);
    km_json_write_val(km_json_obj(item, "object"), false, &json);
    move_timestamps(loader, json.data);
    sim_object_make(loader->arena, &resource, km_arena_strndup(loader->arena, json.data, json.len),
                    km_json_arr(item, "cells"), &resource.objects[resource.count++]);
    km_buf_done(&json);
  }
  qsort(resource.objects, resource.count, sizeof(*resource.objects), by_key);
  *ret = resource;
}

static enum km_rc read_json(struct km_arena *arena, const char *dir, const char *name, yyjson_val **ret,
                            struct km_error *err)
{
  char *text = NULL;
  size_t len = 0;
  yyjson_doc *doc = NULL;
  enum km_rc rc = km_file_read(arena, km_path_join(arena, dir, name), MAX_FILE_BYTES, &text, &len, err);
  if (rc == KM_OK) {
    rc = km_json_parse(arena, text, len, KM_JSON_MAX_DEPTH, &doc, err);
  }
  if (rc == KM_OK) {
    *ret = yyjson_doc_get_root(doc);
  }
  return rc;
}

static enum km_rc read_discovery(struct km_arena *arena, const char *dir, struct sim_cluster *cluster,
                                 struct km_error *err)
{
  yyjson_val *root = NULL;
  enum km_rc rc = read_json(arena, dir, "discovery.json", &root, err);
  if (rc == KM_OK) {
    cluster->core = km_json_arr(root, km_arena_printf(arena, "%s/api", cluster->name));
    cluster->groups = km_json_arr(root, km_arena_printf(arena, "%s/apis", cluster->name));
    rc = read_json(arena, dir, "openapi.json", &cluster->openapi, err);
  }
  return rc;
}

enum km_rc sim_cluster_load(struct km_arena *arena, const char *dir, const char *name,
                            struct sim_cluster *ret, struct km_error *err)
{
  struct sim_cluster cluster = {.name = name};
  char *text = NULL;
  size_t len = 0;
  yyjson_doc *doc = NULL;
  const char *path = km_path_join(arena, dir, km_arena_printf(arena, "%s.yaml", name));
  enum km_rc rc = km_file_read(arena, path, MAX_FILE_BYTES, &text, &len, err);
  if (rc == KM_OK) {
    rc = km_yaml_parse(arena, text, len, path, &km_yaml_default_limits, &doc, err);
  }
  if (rc == KM_OK) {
    rc = read_discovery(arena, dir, &cluster, err);
  }
  if (rc != KM_OK) {
    return rc;
  }
  yyjson_val *documents = yyjson_doc_get_root(doc);
  yyjson_val *head = yyjson_arr_get_first(documents);
  const char *recorded = km_json_str(head, "recorded");
  struct loader loader = {.arena = arena};
  if (recorded == NULL || !km_rfc3339_parse(recorded, strlen(recorded), &loader.recorded_ms)) {
    return km_error_set(err, KM_E_INVALID, "%s does not say when it was recorded", path);
  }
  loader.shift_ms = km_clock_wall_ms() - loader.recorded_ms;
  cluster.version = km_json_obj(head, "version");
  cluster.resources = KM_ARENA_ARRAY(arena, struct sim_resource, yyjson_arr_size(documents));
  for (size_t i = 1; i < yyjson_arr_size(documents); i++) {
    load_resource(&loader, yyjson_arr_get(documents, i), &cluster.resources[cluster.count++]);
  }
  cluster.arena = arena;
  cluster.written = SIM_RESOURCE_VERSION;
  cluster.changes = KM_ARENA_ARRAY(arena, struct sim_change, SIM_MAX_CHANGES);
  (void)pthread_rwlock_init(&cluster.lock, NULL);
  *ret = cluster;
  return KM_OK;
}

const struct sim_resource *sim_resource_find(const struct sim_cluster *cluster, const char *group,
                                             const char *plural)
{
  /* The same events are served in two groups. */
  const char *stored = km_streq(group, "events.k8s.io") ? "" : group;
  for (size_t i = 0; i < cluster->count; i++) {
    if (km_streq(cluster->resources[i].group, stored) && km_streq(cluster->resources[i].plural, plural)) {
      return &cluster->resources[i];
    }
  }
  return NULL;
}

const struct sim_object *sim_object_find(const struct sim_resource *resource, const char *ns,
                                         const char *name)
{
  if (resource == NULL) {
    return NULL;
  }
  struct sim_object key = {.ns = ns, .name = name};
  return bsearch(&key, resource->objects, resource->count, sizeof(key), by_key);
}
