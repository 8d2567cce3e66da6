/* Listing nodes: what is kept of each is its row, not the object, which holds kilobytes of image names.
 *
 * Pages of the server's own Table with the objects in its rows: the age is the server's, so a clock that is wrong here
 * does not show. Bounded by MAX_NODES. What is kept lives in the call's arena. */
#include "node.h"

#include <stdlib.h>
#include <string.h>

#include "kube_mcp/base/alloc.h"
#include "kube_mcp/base/map.h"

#include "kube_mcp/base/banned.h"

#define MAX_NODES      ((size_t)50000)
#define MAX_TEXT_BYTES ((size_t)512) /* of roles, troubles */
#define MAX_WORD       128
#define MAX_TAINTS     ((size_t)64)

const struct km_resource nodes_resource = {
    .group = "",
    .version = "v1",
    .plural = "nodes",
    .singular = "node",
    .kind = "Node",
};

/* A listing under way. */
struct gathering {
  struct nodes *nodes;
  size_t age_cell; /* index in a row */
  bool too_many;
};

static const char *word(struct km_arena *arena, yyjson_val *obj, const char *key)
{
  const char *text = km_json_str(obj, key);
  return text != NULL ? km_arena_strndup(arena, text, km_utf8_prefix(text, strlen(text), MAX_WORD)) : "";
}

/* --- conditions -------------------------------------------------------------------------------------------------------- */

/* Of "Ready" conditions (also an add-on's "StorageReady") anything but True is trouble, of all others True is: that is
 * how the kubelet and the problem detectors name theirs. */
static bool is_trouble(const char *type, const char *status)
{
  return km_ends_with(type, "Ready") ? !km_streq(status, "True") : km_streq(status, "True");
}

static void put_trouble(const char *type, const char *status, struct km_buf *out)
{
  km_buf_printf(out, "%s%.*s%s%.*s", out->len > 0 ? "," : "", MAX_WORD, type,
                km_ends_with(type, "Ready") ? "=" : "", MAX_WORD, km_ends_with(type, "Ready") ? status : "");
}

static void read_conditions(struct km_arena *arena, yyjson_val *object, struct node *node)
{
  struct km_buf troubles;
  km_buf_init(&troubles, MAX_TEXT_BYTES);
  node->state = "Unknown";
  size_t i, max;
  yyjson_val *condition;
  yyjson_arr_foreach(km_json_arr(km_json_obj(object, "status"), "conditions"), i, max, condition)
  {
    const char *type = km_json_str(condition, "type"), *status = km_json_str(condition, "status");
    if (type == NULL || status == NULL) {
      continue;
    }
    if (km_streq(type, "Ready")) {
      node->state = km_streq(status, "True") ? "Ready" : "NotReady";
    } else if (is_trouble(type, status)) {
      put_trouble(type, status, &troubles);
    }
  }
  node->troubles = km_arena_strndup(arena, troubles.data, troubles.len);
  km_buf_done(&troubles);
}

static void rank(struct km_arena *arena, yyjson_val *object, struct node *node)
{
  bool cordoned = km_json_bool(km_json_obj(object, "spec"), "unschedulable", false);
  node->status = cordoned ? km_arena_printf(arena, "%s,SchedulingDisabled", node->state) : node->state;
  if (!km_streq(node->state, "Ready")) {
    node->rank = NODE_NOT_READY;
  } else if (*node->troubles != '\0') {
    node->rank = NODE_IN_TROUBLE;
  } else {
    node->rank = cordoned ? NODE_CORDONED : NODE_FINE;
  }
}

/* --- the rest of a node ------------------------------------------------------------------------------------------------ */

static int by_text(const void *a, const void *b)
{
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted, as kubectl shows them. */
static const char *read_roles(struct km_arena *arena, yyjson_val *labels)
{
  static const char prefix[] = "node-role.kubernetes.io/";
  const char *roles[16];
  size_t count = 0, i, max;
  yyjson_val *key, *value;
  if (labels == NULL) {
    return "<none>";
  }
  yyjson_obj_foreach(labels, i, max, key, value)
  {
    const char *label = yyjson_get_str(key);
    const char *role = km_starts_with(label, prefix)           ? label + strlen(prefix)
                       : km_streq(label, "kubernetes.io/role") ? yyjson_get_str(value)
                                                               : NULL;
    if (!km_str_empty(role) && count < KM_ARRAY_LEN(roles)) {
      roles[count++] = role;
    }
  }
  if (count == 0) {
    return "<none>";
  }
  qsort(roles, count, sizeof(*roles), by_text);
  struct km_buf out;
  km_buf_init(&out, MAX_TEXT_BYTES);
  for (i = 0; i < count; i++) {
    km_buf_printf(&out, "%s%s", i > 0 ? "," : "", roles[i]);
  }
  const char *text = km_arena_strndup(arena, out.data, out.len);
  km_buf_done(&out);
  return text;
}

static void read_taints(struct km_arena *arena, yyjson_val *object, struct node *node)
{
  yyjson_val *taints = km_json_arr(km_json_obj(object, "spec"), "taints");
  node->taints = KM_ARENA_ARRAY(arena, const char *, MAX_TAINTS);
  size_t i, max;
  yyjson_val *taint;
  yyjson_arr_foreach(taints, i, max, taint)
  {
    const char *value = word(arena, taint, "value");
    if (node->taint_count < MAX_TAINTS) {
      node->taints[node->taint_count++] =
          km_arena_printf(arena, "%s%s%s:%s", word(arena, taint, "key"), *value != '\0' ? "=" : "", value,
                          word(arena, taint, "effect"));
    }
  }
}

static void read_room(yyjson_val *status, struct node *node)
{
  yyjson_val *capacity = km_json_obj(status, "capacity"), *allocatable = km_json_obj(status, "allocatable");
  for (size_t i = 0; i < COMPUTE_COUNT; i++) {
    node->capacity[i] = amount_of(capacity, compute_names[i]);
    node->allocatable[i] = amount_of(allocatable, compute_names[i]);
  }
  node->pod_capacity = amount_of(capacity, "pods");
  node->pod_allocatable = amount_of(allocatable, "pods");
}

/* AGE is what the server says, or NULL. */
static struct node *read_node(struct km_arena *arena, yyjson_val *object, const char *age)
{
  struct node *node = KM_ARENA_NEW(arena, struct node);
  yyjson_val *metadata = km_json_obj(object, "metadata");
  yyjson_val *status = km_json_obj(object, "status");
  yyjson_val *info = km_json_obj(status, "nodeInfo");
  const char *name = km_json_str(metadata, "name");
  *node = (struct node){
      .name = km_arena_strdup(arena, name != NULL ? name : ""),
      .age = age != NULL ? km_arena_strdup(arena, age) : "<unknown>",
      .roles = read_roles(arena, km_json_obj(metadata, "labels")),
      .version = word(arena, info, "kubeletVersion"),
      .os = word(arena, info, "operatingSystem"),
      .arch = word(arena, info, "architecture"),
      .runtime = word(arena, info, "containerRuntimeVersion"),
      .os_image = word(arena, info, "osImage"),
      .kernel = word(arena, info, "kernelVersion"),
  };
  read_conditions(arena, object, node);
  rank(arena, object, node);
  read_taints(arena, object, node);
  read_room(status, node);
  return node;
}

/* --- the list ---------------------------------------------------------------------------------------------------------- */

static void keep(struct gathering *gathering, struct node *node)
{
  struct nodes *nodes = gathering->nodes;
  if (nodes->count == MAX_NODES) {
    gathering->too_many = true;
    return;
  }
  if (nodes->count == nodes->capacity) {
    nodes->capacity = nodes->capacity > 0 ? 2 * nodes->capacity : 64;
    struct node **items = KM_ARENA_ARRAY(nodes->arena, struct node *, nodes->capacity);
    if (nodes->count > 0) {
      memcpy(items, nodes->items, nodes->count * sizeof(*items));
    }
    nodes->items = items;
  }
  nodes->items[nodes->count++] = node;
  km_map_put(nodes->by_name, node->name, node);
}

static void find_age(struct gathering *gathering, yyjson_val *root)
{
  gathering->age_cell = SIZE_MAX;
  size_t i, max;
  yyjson_val *column;
  yyjson_arr_foreach(km_json_arr(root, "columnDefinitions"), i, max, column)
  {
    if (km_streq(km_json_str(column, "name"), "Age")) {
      gathering->age_cell = i;
    }
  }
}

static bool on_page(const struct km_list_page *page, void *data)
{
  struct gathering *gathering = data;
  yyjson_val *rows = km_json_arr(page->root, "rows");
  find_age(gathering, page->root);
  size_t i, max;
  yyjson_val *row;
  yyjson_arr_foreach(rows != NULL ? rows : km_json_arr(page->root, "items"), i, max, row)
  {
    yyjson_val *object = rows != NULL ? km_json_obj(row, "object") : row;
    yyjson_val *age = yyjson_arr_get(km_json_arr(row, "cells"), gathering->age_cell);
    keep(gathering, read_node(gathering->nodes->arena, object, yyjson_get_str(age)));
  }
  return !gathering->too_many;
}

static int worst_first(const void *a, const void *b)
{
  const struct node *x = *(struct node *const *)a, *y = *(struct node *const *)b;
  return x->rank != y->rank ? (x->rank < y->rank ? -1 : 1) : strcmp(x->name, y->name);
}

static void free_map(void *map)
{
  km_map_free(map);
}

enum km_rc nodes_list(struct km_call *call, struct target *target, const char *label_selector,
                      const char *name, struct nodes *ret, struct km_error *err)
{
  struct nodes nodes = {.arena = call->arena, .by_name = km_map_new(NULL)};
  km_arena_defer(call->arena, free_map, nodes.by_name);
  struct gathering gathering = {.nodes = &nodes};
  struct km_list_query query = {
      .resource = &nodes_resource,
      .name = km_str_empty(name) ? NULL : name,
      .label_selector = label_selector,
      .form = KM_LIST_TABLE_OBJECTS,
      .page_size = toolbox(call)->page_size,
  };
  enum km_rc rc = km_client_list(target->client, &query, &target->request, on_page, &gathering, err);
  if (rc != KM_OK) {
    return rc;
  }
  if (gathering.too_many) {
    km_error_set(err, KM_E_TOO_LARGE, "there are more than %zu nodes", MAX_NODES);
    return km_error_hint(err, "narrow with label_selector");
  }
  if (nodes.count == 0 && !km_str_empty(name)) {
    km_error_set(err, KM_E_NOT_FOUND, "node '%s' does not exist", name);
    return km_error_hint(err, "leave out `name` to see which nodes there are");
  }
  if (nodes.count > 0) {
    qsort(nodes.items, nodes.count, sizeof(*nodes.items), worst_first);
  }
  *ret = nodes;
  return KM_OK;
}
