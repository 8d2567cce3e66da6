/* The objects as writes change them, and the last of those changes, for watches.
 *
 * All under the cluster's lock, which the caller holds: for writing where something is written. What is replaced stays in
 * memory, because watches may still have to tell about it: a simulator does not live long. */
#include <stdlib.h>
#include <string.h>

#include "kube_mcp/base/str.h"
#include "kube_mcp/codec/json.h"
#include "sim.h"

#include "kube_mcp/base/banned.h"

static uint64_t next_version(struct sim_cluster *cluster)
{
  return ++cluster->written;
}

static void record(struct sim_cluster *cluster, const struct sim_change *change)
{
  cluster->changes[cluster->change_count++ % SIM_MAX_CHANGES] = *change;
}

uint64_t sim_oldest_version(const struct sim_cluster *cluster)
{
  return cluster->change_count <= SIM_MAX_CHANGES
             ? SIM_RESOURCE_VERSION
             : cluster->changes[cluster->change_count % SIM_MAX_CHANGES].version - 1;
}

const struct sim_change *sim_change_after(const struct sim_cluster *cluster, uint64_t version)
{
  size_t kept = cluster->change_count < SIM_MAX_CHANGES ? cluster->change_count : SIM_MAX_CHANGES;
  for (size_t i = cluster->change_count - kept; i < cluster->change_count; i++) {
    if (cluster->changes[i % SIM_MAX_CHANGES].version > version) {
      return &cluster->changes[i % SIM_MAX_CHANGES];
    }
  }
  return NULL;
}

/* OBJECT, a tree, as the text that is kept of it. */
static char *text_of(struct sim_cluster *cluster, const yyjson_mut_val *object)
{
  struct km_buf out;
  km_buf_init(&out, SIM_MAX_ANSWER);
  km_json_write(object, false, &out);
  char *text = km_arena_strndup(cluster->arena, out.data, out.len);
  km_buf_done(&out);
  return text;
}

static void set_version(struct sim_cluster *cluster, yyjson_mut_doc *doc, yyjson_mut_val *object,
                        uint64_t version)
{
  yyjson_mut_val *metadata = yyjson_mut_obj_get(object, "metadata");
  const char *text = km_arena_printf(cluster->arena, "%llu", (unsigned long long)version);
  yyjson_mut_obj_put(metadata, yyjson_mut_str(doc, "resourceVersion"), yyjson_mut_str(doc, text));
}

/* Makes room for one object at INDEX. Readers that came before still have the old array. */
static void open_gap(struct sim_cluster *cluster, struct sim_resource *resource, size_t index)
{
  struct sim_object *all = KM_ARENA_ARRAY(cluster->arena, struct sim_object, resource->count + 1);
  memcpy(all, resource->objects, index * sizeof(*all));
  memcpy(all + index + 1, resource->objects + index, (resource->count - index) * sizeof(*all));
  resource->objects = all;
  resource->count++;
}

static size_t place_of(const struct sim_resource *resource, const struct sim_object *object)
{
  size_t index = 0;
  while (index < resource->count && sim_object_order(&resource->objects[index], object) < 0) {
    index++;
  }
  return index;
}

const struct sim_object *sim_store_put(struct sim_cluster *cluster, const struct sim_resource *resource,
                                       yyjson_mut_doc *doc, yyjson_mut_val *object,
                                       const struct sim_object *old)
{
  struct sim_resource *changed = km_unconst(resource);
  struct sim_change change = {.resource = resource, .had_before = old != NULL, .has_after = true};
  if (old != NULL) {
    change.before = *old;
  }
  change.version = next_version(cluster);
  set_version(cluster, doc, object, change.version);
  sim_object_make(cluster->arena, resource, text_of(cluster, object), old == NULL ? NULL : old->cells,
                  &change.after);
  size_t index = place_of(resource, &change.after);
  if (old == NULL) {
    open_gap(cluster, changed, index);
  }
  changed->objects[index] = change.after;
  record(cluster, &change);
  return &changed->objects[index];
}

void sim_store_remove(struct sim_cluster *cluster, const struct sim_resource *resource,
                      const struct sim_object *object)
{
  struct sim_resource *changed = km_unconst(resource);
  struct sim_change change = {.resource = resource, .had_before = true, .version = next_version(cluster)};
  yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
  yyjson_mut_val *last = yyjson_val_mut_copy(doc, object->root);
  set_version(cluster, doc, last, change.version);
  sim_object_make(cluster->arena, resource, text_of(cluster, last), object->cells, &change.before);
  yyjson_mut_doc_free(doc);
  size_t index = place_of(resource, object);
  memmove(changed->objects + index, changed->objects + index + 1,
          (resource->count - index - 1) * sizeof(*changed->objects));
  changed->count--;
  record(cluster, &change);
}
