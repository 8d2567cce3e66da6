/* Discovery documents into a compact, immutable snapshot.
 *
 * Owns the snapshot's arena and arrays; nothing points into the documents afterwards. Everything in them is untrusted:
 * names that could not be Kubernetes names are skipped (they reach paths and messages), lists are bounded, and a
 * document of the wrong kind is refused as a whole. Order is preference, so that the first match of a name is the one
 * kubectl would take. A snapshot is read without locks once it is finished; the last reference frees it. About 200
 * bytes per resource. */
#include "discovery_snapshot.h"

#include <ctype.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kube_mcp/base/alloc.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/kube/line.h"

#include "kube_mcp/base/banned.h"

#define MAX_RESOURCES      ((size_t)20000)
#define MAX_BROKEN         ((size_t)256)
#define MAX_NAMES          ((size_t)16) /* short names or categories of one resource */
#define MAX_NAME_BYTES     ((size_t)253)
#define MAX_REASON_COLUMNS ((size_t)200)

struct km_discovery {
  atomic_uint refs;
  uint64_t fetched_ns;
  struct km_arena *arena;
  struct km_resource *items;
  size_t count;
  const char **broken; /* NULL-terminated */
};

struct km_snapshot {
  struct km_arena *arena;
  struct km_resource *items;
  size_t count, capacity;
  const char *broken[MAX_BROKEN + 1];
  size_t broken_count;
};

struct km_snapshot *km_snapshot_new(void)
{
  struct km_snapshot *snapshot = KM_NEW(struct km_snapshot);
  snapshot->arena = km_arena_new(0);
  return snapshot;
}

void km_snapshot_free(struct km_snapshot *snapshot)
{
  if (snapshot == NULL) {
    return;
  }
  km_arena_free(snapshot->arena);
  free(snapshot->items);
  free(snapshot);
}

struct km_discovery *km_snapshot_finish(struct km_snapshot *snapshot)
{
  struct km_discovery *discovery = KM_NEW(struct km_discovery);
  atomic_init(&discovery->refs, 1);
  discovery->fetched_ns = km_clock_ns();
  discovery->arena = KM_TAKE(snapshot->arena);
  discovery->items = KM_TAKE(snapshot->items);
  discovery->count = snapshot->count;
  size_t broken_bytes = (snapshot->broken_count + 1) * sizeof(snapshot->broken[0]);
  discovery->broken = km_arena_alloc(discovery->arena, broken_bytes);
  memcpy(discovery->broken, snapshot->broken, broken_bytes);
  km_snapshot_free(snapshot);
  return discovery;
}

struct km_discovery *km_discovery_ref(struct km_discovery *discovery)
{
  atomic_fetch_add_explicit(&discovery->refs, 1, memory_order_relaxed);
  return discovery;
}

void km_discovery_unref(struct km_discovery *discovery)
{
  if (discovery == NULL || atomic_fetch_sub_explicit(&discovery->refs, 1, memory_order_acq_rel) > 1) {
    return;
  }
  km_arena_free(discovery->arena);
  free(discovery->items);
  free(discovery);
}

const struct km_resource *km_discovery_items(const struct km_discovery *discovery, size_t *ret_count)
{
  *ret_count = discovery->count;
  return discovery->items;
}

const char *const *km_discovery_broken(const struct km_discovery *discovery)
{
  return discovery->broken;
}

uint64_t km_discovery_fetched_ns(const struct km_discovery *discovery)
{
  return discovery->fetched_ns;
}

/* Letters, digits and "-._": what groups, versions, resources and kinds are made of. */
static bool is_name(const char *text)
{
  if (km_str_empty(text) || strlen(text) > MAX_NAME_BYTES) {
    return false;
  }
  for (; *text != '\0'; text++) {
    if (!isalnum((unsigned char)*text) && strchr("-._", *text) == NULL) {
      return false;
    }
  }
  return true;
}

/* The names in an array of strings, copied; *RET_COUNT of them. */
static const char *const *copy_names(struct km_arena *arena, yyjson_val *array, size_t *ret_count)
{
  const char *names[MAX_NAMES];
  size_t count = 0;
  size_t i = 0;
  size_t len = 0;
  yyjson_val *name = NULL;
  yyjson_arr_foreach(array, i, len, name)
  {
    if (count < MAX_NAMES && is_name(yyjson_get_str(name))) {
      names[count++] = km_arena_strdup(arena, yyjson_get_str(name));
    }
  }
  *ret_count = count;
  if (count == 0) {
    return NULL;
  }
  const char **copy = KM_ARENA_ARRAY(arena, const char *, count);
  memcpy(copy, names, count * sizeof(names[0]));
  return copy;
}

/* Verbs that are not ours to use are left out. */
static unsigned parse_verbs(yyjson_val *array)
{
  static const struct {
    const char *name;
    enum km_verb verb;
  } verbs[] = {{"get", KM_VERB_GET},       {"list", KM_VERB_LIST},
               {"watch", KM_VERB_WATCH},   {"create", KM_VERB_CREATE},
               {"update", KM_VERB_UPDATE}, {"patch", KM_VERB_PATCH},
               {"delete", KM_VERB_DELETE}, {"deletecollection", KM_VERB_DELETE_COLLECTION}};
  unsigned found = 0;
  size_t i = 0;
  size_t len = 0;
  yyjson_val *name = NULL;
  yyjson_arr_foreach(array, i, len, name)
  {
    for (size_t v = 0; v < KM_ARRAY_LEN(verbs); v++) {
      if (yyjson_equals_str(name, verbs[v].name)) {
        found |= verbs[v].verb;
      }
    }
  }
  return found;
}

/* The singular where a server names none. */
static char *lower(struct km_arena *arena, const char *text)
{
  char *copy = km_arena_strdup(arena, text);
  for (char *c = copy; *c != '\0'; c++) {
    *c = (char)tolower((unsigned char)*c);
  }
  return copy;
}

/* Where the resources that follow belong; its texts are the arena's. */
struct home {
  const char *group, *version;
  bool preferred;
};

/* False when the names cannot be a group's and a version's. */
static bool make_home(struct km_snapshot *snapshot, const char *group, const char *version, bool preferred,
                      struct home *ret)
{
  if ((group[0] != '\0' && !is_name(group)) || !is_name(version)) {
    return false;
  }
  *ret = (struct home){.group = km_arena_strdup(snapshot->arena, group),
                       .version = km_arena_strdup(snapshot->arena, version),
                       .preferred = preferred};
  return true;
}

/* Adds one resource; VAL holds what both forms spell alike. */
static void add_resource(struct km_snapshot *snapshot, const struct home *home, yyjson_val *val,
                         const char *plural, const char *singular, const char *kind, bool namespaced)
{
  if (!is_name(plural) || !is_name(kind) || snapshot->count == MAX_RESOURCES) {
    return;
  }
  /* Beside the arena, because growing would leave every former array behind in it. */
  if (snapshot->count == snapshot->capacity) {
    snapshot->capacity = snapshot->capacity > 0 ? 2 * snapshot->capacity : 64;
    snapshot->items = reallocarray(snapshot->items, snapshot->capacity, sizeof(snapshot->items[0]));
    KM_ASSERT(snapshot->items != NULL);
  }
  struct km_arena *arena = snapshot->arena;
  struct km_resource *item = &snapshot->items[snapshot->count++];
  *item = (struct km_resource){
      .group = home->group,
      .version = home->version,
      .plural = km_arena_strdup(arena, plural),
      .singular = is_name(singular) ? km_arena_strdup(arena, singular) : lower(arena, kind),
      .kind = km_arena_strdup(arena, kind),
      .namespaced = namespaced,
      .preferred = home->preferred,
      .verbs = parse_verbs(km_json_arr(val, "verbs")),
  };
  item->short_names = copy_names(arena, km_json_arr(val, "shortNames"), &item->short_name_count);
  item->categories = copy_names(arena, km_json_arr(val, "categories"), &item->category_count);
}

void km_snapshot_add_broken(struct km_snapshot *snapshot, const char *group, const char *version,
                            const char *why)
{
  if (snapshot->broken_count == MAX_BROKEN || !is_name(version)) {
    return;
  }
  struct km_buf line;
  km_buf_init(&line, KM_LINE_ROOM(MAX_REASON_COLUMNS));
  km_put_line(&line, why, strlen(why), MAX_REASON_COLUMNS);
  snapshot->broken[snapshot->broken_count++] =
      km_arena_printf(snapshot->arena, "%.*s%s%.*s: %s", (int)MAX_NAME_BYTES, group,
                      group[0] != '\0' ? "/" : "", (int)MAX_NAME_BYTES, version, line.data);
  km_buf_done(&line);
}

/* A stale version is what the aggregator remembers of a server that it cannot reach: kubectl does not list it either. */
static void add_aggregated_version(struct km_snapshot *snapshot, const char *group, yyjson_val *val,
                                   bool preferred)
{
  struct home home;
  const char *version = km_json_str(val, "version");
  if (version == NULL || !make_home(snapshot, group, version, preferred, &home)) {
    return;
  }
  if (km_streq(km_json_str(val, "freshness"), "Stale")) {
    km_snapshot_add_broken(snapshot, group, version,
                           "the API server behind it cannot be reached (stale discovery)");
    return;
  }
  size_t i = 0;
  size_t count = 0;
  yyjson_val *resource = NULL;
  yyjson_arr_foreach(km_json_arr(val, "resources"), i, count, resource)
  {
    add_resource(snapshot, &home, resource, km_json_str(resource, "resource"),
                 km_json_str(resource, "singularResource"),
                 km_json_str(km_json_obj(resource, "responseKind"), "kind"),
                 km_streq(km_json_str(resource, "scope"), "Namespaced"));
  }
}

bool km_snapshot_add_aggregated(struct km_snapshot *snapshot, yyjson_val *root)
{
  yyjson_val *items = km_json_arr(root, "items");
  if (!km_streq(km_json_str(root, "kind"), "APIGroupDiscoveryList")) {
    return false;
  }
  size_t i = 0;
  size_t count = 0;
  yyjson_val *item = NULL;
  yyjson_arr_foreach(items, i, count, item)
  {
    const char *group = km_json_str(km_json_obj(item, "metadata"), "name");
    size_t v = 0;
    size_t versions = 0;
    yyjson_val *version = NULL;
    yyjson_arr_foreach(km_json_arr(item, "versions"), v, versions, version)
    { /* this form has no preferredVersion: it is the first */
      add_aggregated_version(snapshot, group != NULL ? group : "", version, v == 0);
    }
  }
  return true;
}

bool km_snapshot_add_legacy(struct km_snapshot *snapshot, yyjson_val *root, const char *group,
                            const char *version, bool preferred)
{
  struct home home;
  if (!km_streq(km_json_str(root, "kind"), "APIResourceList") ||
      !make_home(snapshot, group, version, preferred, &home)) {
    return false;
  }
  size_t i = 0;
  size_t count = 0;
  yyjson_val *resource = NULL;
  yyjson_arr_foreach(km_json_arr(root, "resources"), i, count, resource)
  {
    /* "pods/log" and other subresources have no place of their own; is_name refuses their slash. */
    add_resource(snapshot, &home, resource, km_json_str(resource, "name"),
                 km_json_str(resource, "singularName"), km_json_str(resource, "kind"),
                 km_json_bool(resource, "namespaced", false));
  }
  return true;
}

/* Adds the versions of one group: in the first pass the preferred one, in the second the others. */
static size_t add_group_versions(struct km_group_version *found, size_t count, yyjson_val *group)
{
  const char *name = km_json_str(group, "name");
  const char *preferred = km_json_str(km_json_obj(group, "preferredVersion"), "version");
  yyjson_val *versions = km_json_arr(group, "versions");
  if (!is_name(name)) {
    return count;
  }
  for (int pass = 0; pass < 2; pass++) {
    size_t i = 0;
    size_t len = 0;
    yyjson_val *val = NULL;
    yyjson_arr_foreach(versions, i, len, val)
    {
      const char *version = km_json_str(val, "version");
      bool first = preferred != NULL ? km_streq(version, preferred) : i == 0;
      if (is_name(version) && first == (pass == 0)) {
        found[count++] = (struct km_group_version){.group = name, .version = version, .preferred = first};
      }
    }
  }
  return count;
}

struct km_group_version *km_legacy_versions(struct km_arena *arena, yyjson_val *root, size_t *ret_count)
{
  const char *kind = km_json_str(root, "kind");
  bool core = km_streq(kind, "APIVersions");
  if (!core && !km_streq(kind, "APIGroupList")) {
    return NULL;
  }
  yyjson_val *list = km_json_arr(root, core ? "versions" : "groups");
  /* The first pass only counts. */
  size_t room = 1;
  size_t i = 0;
  size_t len = 0;
  yyjson_val *val = NULL;
  yyjson_arr_foreach(list, i, len, val)
  {
    room += core ? 1 : yyjson_arr_size(km_json_arr(val, "versions"));
  }
  struct km_group_version *found = KM_ARENA_ARRAY(arena, struct km_group_version, room);
  size_t count = 0;
  yyjson_arr_foreach(list, i, len, val)
  {
    if (!core) {
      count = add_group_versions(found, count, val);
    } else if (is_name(yyjson_get_str(val))) {
      found[count++] =
          (struct km_group_version){.group = "", .version = yyjson_get_str(val), .preferred = i == 0};
    }
  }
  *ret_count = count;
  return found;
}
