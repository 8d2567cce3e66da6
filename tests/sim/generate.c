/* What makes a cluster big: pods and events by the thousand, copied from recorded ones, and kinds nobody has recorded. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kube_mcp/base/str.h"
#include "kube_mcp/codec/json.h"
#include "sim.h"

#include "kube_mcp/base/banned.h"

#define MAX_COPY_BYTES ((size_t)1024 * 1024)
#define BROKEN_GROUP   "broken.load.example.com"

/* --- copies ------------------------------------------------------------------------------------------------------------- */

/* TEXT with every FROM replaced by TO. */
static char *replaced(struct km_arena *arena, const char *text, const char *from, const char *to)
{
  struct km_buf out;
  km_buf_init(&out, MAX_COPY_BYTES);
  for (const char *hit; (hit = strstr(text, from)) != NULL; text = hit + strlen(from)) {
    km_buf_append(&out, text, (size_t)(hit - text));
    km_buf_puts(&out, to);
  }
  km_buf_puts(&out, text);
  char *copy = km_arena_strndup(arena, out.data, out.len);
  km_buf_done(&out);
  return copy;
}

static int by_key(const void *a, const void *b)
{
  return sim_object_order(a, b);
}

/* Adds COUNT copies of the first object, in the namespace load. What it is named after, an event's object or itself, is
 * load-000000 and so on. */
static void add_copies(struct sim_cluster *cluster, const char *plural, long count)
{
  struct sim_resource *resource = km_unconst(sim_resource_find(cluster, "", plural));
  if (count <= 0 || resource == NULL || resource->count == 0) {
    return;
  }
  struct km_arena *arena = cluster->arena;
  const struct sim_object model = resource->objects[0];
  const char *about = km_json_str(km_json_obj(model.root, "involvedObject"), "name");
  char *text = replaced(arena, model.json, km_arena_printf(arena, "\"namespace\":\"%s\"", model.ns),
                        "\"namespace\":\"load\"");
  struct sim_object *all = KM_ARENA_ARRAY(arena, struct sim_object, resource->count + (size_t)count);
  memcpy(all, resource->objects, resource->count * sizeof(*all));
  for (long i = 0; i < count; i++) {
    char name[32];
    (void)snprintf(name, sizeof(name), "load-%06ld", i);
    sim_object_make(arena, resource, replaced(arena, text, about == NULL ? model.name : about, name),
                    model.cells, &all[resource->count++]);
  }
  qsort(all, resource->count, sizeof(*all), by_key);
  resource->objects = all;
}

/* --- kinds -------------------------------------------------------------------------------------------------------------- */

static void put_kind(struct km_buf *out, long i)
{
  km_buf_printf(
      out,
      ",{\"metadata\":{\"name\":\"g%03ld.load.example.com\"},\"versions\":[{\"version\":\"v1\",\"resources\":"
      "["
      "{\"resource\":\"loads%03ld\",\"responseKind\":{\"group\":\"\",\"version\":\"\",\"kind\":\"Load%03ld\"}"
      ","
      "\"scope\":\"Namespaced\",\"singularResource\":\"load%03ld\",\"verbs\":[\"get\",\"list\",\"watch\"]}],"
      "\"freshness\":\"Current\"}]}",
      i, i, i, i);
}

/* Adds COUNT groups of one kind each, and one whose API server does not answer. */
static void add_kinds(struct sim_cluster *cluster, long count)
{
  if (count <= 0) {
    return;
  }
  struct km_buf out;
  struct km_error err;
  yyjson_doc *doc = NULL;
  km_buf_init(&out, SIM_MAX_ANSWER);
  km_json_write_val(cluster->groups, false, &out);
  km_buf_truncate(&out, out.len - 1);
  for (long i = 0; i < count; i++) {
    put_kind(&out, i);
  }
  km_buf_puts(&out, ",{\"metadata\":{\"name\":\"" BROKEN_GROUP
                    "\"},\"versions\":[{\"version\":\"v1\",\"resources\":[],"
                    "\"freshness\":\"Stale\"}]}]");
  KM_ASSERT(km_json_parse(cluster->arena, out.data, out.len, KM_JSON_MAX_DEPTH, &doc, &err) == KM_OK);
  km_buf_done(&out);
  cluster->groups = yyjson_doc_get_root(doc);
}

void sim_generate(struct sim_cluster *cluster, const struct sim_load *load)
{
  add_copies(cluster, "pods", (long)load->pods);
  add_copies(cluster, "events", (long)load->events);
  add_kinds(cluster, (long)load->kinds);
}
