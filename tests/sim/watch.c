/* Watches: what there is, if asked for, then every change that the view has, until the time is over.
 *
 * A watch looks at the changes every LOOK_MS on the thread of its connection. It lives longer than its request and copies
 * what it needs into memory of its own. Changes that are too old are answered as the watch cache does: with an ERROR
 * event, then the end. */
#include <stdlib.h>
#include <string.h>

#include "kube_mcp/base/alloc.h"
#include "kube_mcp/base/clock.h"
#include "kube_mcp/base/str.h"
#include "sim.h"

#include "kube_mcp/base/banned.h"

#define LOOK_MS         20
#define BOOKMARK_MS     1000
#define DEFAULT_TIMEOUT 1800

struct watch {
  struct km_arena *arena;
  struct sim_cluster *cluster;
  struct sim_view view;
  const char *kind, *api_version;
  const struct sim_resource *resource;
  uint64_t version; /* told up to here */
  int64_t end_ms, bookmark_ms;
  bool bookmarks, ending;
  struct km_buf pending; /* events not yet read */
  size_t read;
};

/* --- events ------------------------------------------------------------------------------------------------------------- */

static void put_event(struct watch *watch, const char *type, const struct sim_object *object)
{
  km_buf_printf(&watch->pending, "{\"type\":\"%s\",\"object\":", type);
  sim_view_put(&watch->view, watch->cluster, object, &watch->pending);
  km_buf_puts(&watch->pending, "}\n");
}

static void put_bookmark(struct watch *watch, bool initial_end)
{
  km_buf_printf(&watch->pending,
                "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"%s\",\"apiVersion\":\"%s\",\"metadata\":{"
                "\"resourceVersion\":\"%llu\"%s}}}\n",
                watch->kind, watch->api_version, (unsigned long long)watch->version,
                initial_end ? ",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}" : "");
}

static void put_expired(struct watch *watch, uint64_t oldest)
{
  km_buf_printf(
      &watch->pending,
      "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":"
      "\"Failure\",\"message\":\"too old resource version: %llu "
      "(%llu)\",\"reason\":\"Expired\",\"code\":410}}\n",
      (unsigned long long)watch->version, (unsigned long long)oldest);
  watch->ending = true;
}

static void put_change(struct watch *watch, const struct sim_change *change)
{
  if (change->resource != watch->resource) {
    return;
  }
  bool before = change->had_before && sim_view_has(&watch->view, &change->before);
  bool after = change->has_after && sim_view_has(&watch->view, &change->after);
  if (before || after) {
    put_event(watch,
              before && after ? "MODIFIED"
              : after         ? "ADDED"
                              : "DELETED",
              change->has_after ? &change->after : &change->before);
  }
}

/* Everything there is, under the cluster's lock. */
static void put_all(struct watch *watch)
{
  for (size_t i = 0; watch->resource != NULL && i < watch->resource->count; i++) {
    if (sim_view_has(&watch->view, &watch->resource->objects[i])) {
      put_event(watch, "ADDED", &watch->resource->objects[i]);
    }
  }
  watch->version = watch->cluster->written;
}

/* --- the course of it --------------------------------------------------------------------------------------------------- */

static void look(struct watch *watch)
{
  (void)pthread_rwlock_rdlock(&watch->cluster->lock);
  uint64_t oldest = sim_oldest_version(watch->cluster);
  if (watch->version < oldest) {
    put_expired(watch, oldest);
  }
  const struct sim_change *change = NULL;
  while (!watch->ending && (change = sim_change_after(watch->cluster, watch->version)) != NULL) {
    put_change(watch, change);
    watch->version = change->version;
  }
  (void)pthread_rwlock_unlock(&watch->cluster->lock);
  int64_t now_ms = km_clock_wall_ms();
  if (!watch->ending && now_ms >= watch->end_ms) {
    watch->ending = true;
  }
  if (watch->bookmarks && (watch->ending || now_ms >= watch->bookmark_ms)) {
    put_bookmark(watch, false);
    watch->bookmark_ms = now_ms + BOOKMARK_MS;
  }
}

static size_t read_watch(void *state, char *buf, size_t max)
{
  struct watch *watch = state;
  while (watch->read == watch->pending.len) {
    km_buf_clear(&watch->pending);
    watch->read = 0;
    if (watch->ending || !sim_pause(LOOK_MS)) {
      return 0;
    }
    look(watch);
  }
  size_t left = watch->pending.len - watch->read, len = left < max ? left : max;
  memcpy(buf, watch->pending.data + watch->read, len);
  watch->read += len;
  return len;
}

static void free_watch(void *state)
{
  struct watch *watch = state;
  km_buf_done(&watch->pending);
  km_arena_free(watch->arena);
  free(watch);
}

static bool is_true(const struct sim_request *request, const char *name)
{
  const char *value = sim_query(request, name);
  return km_streq(value, "true") || km_streq(value, "1");
}

static void begin(struct watch *watch, const struct sim_request *request, const struct sim_target *target)
{
  int64_t version = 0, seconds = DEFAULT_TIMEOUT;
  (void)km_parse_i64(sim_query(request, "timeoutSeconds"), &seconds);
  (void)km_parse_i64(sim_query(request, "resourceVersion"), &version);
  int64_t now_ms = km_clock_wall_ms();
  watch->end_ms = now_ms + seconds * 1000;
  watch->bookmark_ms = now_ms + BOOKMARK_MS;
  watch->bookmarks = is_true(request, "allowWatchBookmarks");
  watch->kind = km_arena_strdup(watch->arena, target->kind);
  watch->api_version = km_arena_printf(watch->arena, "%s%s%s", target->group,
                                       target->group[0] == '\0' ? "" : "/", target->version);
  bool listed = is_true(request, "sendInitialEvents");
  if (version <= 0 || listed) {
    put_all(watch);
  } else {
    watch->version = (uint64_t)version;
  }
  if (listed) {
    put_bookmark(watch, true);
  }
}

void sim_watch(const struct sim_request *request, const struct sim_target *target, struct sim_answer *answer)
{
  struct km_arena *arena = km_arena_new(0);
  struct sim_view view;
  if (!sim_view_open(request, target, arena, &view, answer)) {
    km_arena_free(arena);
    return;
  }
  struct watch *watch = KM_NEW(struct watch);
  *watch =
      (struct watch){.arena = arena, .cluster = request->cluster, .view = view, .resource = target->resource};
  km_buf_init(&watch->pending, SIM_MAX_ANSWER);
  begin(watch, request, target);
  answer->type = "application/json;stream=watch";
  answer->stream = (struct sim_stream){.read = read_watch, .free = free_watch, .state = watch};
}
