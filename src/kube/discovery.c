/* The client's discovery snapshot: fetching it in either form, keeping it, and sharing one fetch among many callers.
 *
 * Owns no state beyond the pointer in the client. Two requests (/api and /apis) bring the aggregated form; a server
 * that answers with the old form, for one or both, is asked for each group and version, LEGACY_THREADS at a time. A
 * group that cannot be listed is recorded and costs nobody else anything. The snapshot is fetched on first use, never
 * in advance; a refresh that fails is an error although an old snapshot exists, since an answer from it might be wrong
 * about what there is. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "discovery_snapshot.h"
#include "kube_mcp/base/lane.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/base/sync.h"

#include "kube_mcp/base/banned.h"

#define MAX_DOCUMENT_BYTES ((size_t)32 * 1024 * 1024)
#define LEGACY_THREADS     8
#define MAX_LEGACY         ((size_t)2000)

#define ACCEPT_AGGREGATED                                                                                    \
  "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"                                    \
  "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"

/* A GET within the limits of the call that needs the snapshot. */
static struct km_kube_request document_request(const struct km_kube_request *base, const char *path)
{
  return (struct km_kube_request){
      .path = path,
      .accept = ACCEPT_AGGREGATED,
      .max_bytes = MAX_DOCUMENT_BYTES,
      .deadline = base->deadline,
      .cancel = base->cancel,
      .observer = base->observer,
  };
}

/* One group and version to be fetched in the old form. */
struct legacy_item {
  struct km_group_version gv;
  struct km_arena *arena; /* NULL until fetched; holds DOC */
  yyjson_doc *doc;
  enum km_rc rc;
  struct km_error err;
};

struct legacy_fetch {
  struct km_client *client;
  const struct km_kube_request *base;
  struct legacy_item *items;
};

static void fetch_legacy_item(void *data, size_t index)
{
  struct legacy_fetch *fetch = data;
  struct legacy_item *item = &fetch->items[index];
  item->arena = km_arena_new(0);
  const char *group = item->gv.group;
  const char *prefix = group[0] == '\0' ? "/api" : "/apis/";
  char *path = km_arena_printf(item->arena, "%s%s/%s", prefix, group, item->gv.version);
  struct km_kube_request request = document_request(fetch->base, path);
  request.accept = NULL;
  request.observer = NULL; /* it hears one thread, not several */
  item->rc = km_client_get_json(fetch->client, &request, item->arena, &item->doc, &item->err);
}

/* What ended the whole call, rather than the listing of one group. */
static bool ends_the_call(enum km_rc rc)
{
  return rc == KM_E_CANCELLED || rc == KM_E_TIMEOUT || rc == KM_E_RATE_LIMITED || rc == KM_E_UNAUTHENTICATED;
}

/* Adds what was fetched, in the order of preference, and lets go of it. */
static enum km_rc add_legacy_items(struct km_snapshot *snapshot, struct legacy_item *items, size_t count,
                                   struct km_error *err)
{
  enum km_rc rc = KM_OK;
  for (size_t i = 0; i < count; i++) {
    struct legacy_item *item = &items[i];
    if (item->rc != KM_OK && ends_the_call(item->rc)) {
      *err = item->err;
      rc = item->rc;
    } else if (item->rc != KM_OK) {
      km_snapshot_add_broken(snapshot, item->gv.group, item->gv.version, item->err.message);
    } else if (!km_snapshot_add_legacy(snapshot, yyjson_doc_get_root(item->doc), item->gv.group,
                                       item->gv.version, item->gv.preferred)) {
      km_snapshot_add_broken(snapshot, item->gv.group, item->gv.version, "the answer is no APIResourceList");
    }
    km_arena_free(item->arena);
  }
  return rc;
}

/* Fetches what ROOT, a list of versions, names. */
static enum km_rc fetch_legacy(struct km_client *client, const struct km_kube_request *base, yyjson_val *root,
                               struct km_arena *arena, struct km_snapshot *snapshot, struct km_error *err)
{
  size_t count = 0;
  struct km_group_version *versions = km_legacy_versions(arena, root, &count);
  if (versions == NULL) {
    return km_error_set(err, KM_E_PROTOCOL,
                        "context '%s': the answer to discovery is neither of the known forms",
                        client->endpoint.context);
  }
  count = count < MAX_LEGACY ? count : MAX_LEGACY;
  struct legacy_fetch fetch = {
      .client = client, .base = base, .items = KM_ARENA_ARRAY(arena, struct legacy_item, count)};
  for (size_t i = 0; i < count; i++) {
    fetch.items[i].gv = versions[i];
  }
  struct km_lane *lane = km_lane_new("discovery", LEGACY_THREADS, LEGACY_THREADS);
  km_lane_map(lane, count, fetch_legacy_item, &fetch);
  km_lane_free(lane);
  return add_legacy_items(snapshot, fetch.items, count, err);
}

/* Fetches /api or /apis in whatever form the server has. */
static enum km_rc fetch_root(struct km_client *client, const struct km_kube_request *base, const char *path,
                             struct km_snapshot *snapshot, struct km_error *err)
{
  KM_CLEANUP(km_arena_freep) struct km_arena *arena = km_arena_new(0);
  struct km_kube_request request = document_request(base, path);
  yyjson_doc *doc = NULL;
  enum km_rc rc = km_client_get_json(client, &request, arena, &doc, err);
  if (rc != KM_OK) {
    return rc;
  }
  yyjson_val *root = yyjson_doc_get_root(doc);
  return km_snapshot_add_aggregated(snapshot, root) ? KM_OK
                                                    : fetch_legacy(client, base, root, arena, snapshot, err);
}

/* The leader's part: a fresh snapshot becomes the client's. Readers of the old one keep it. */
static enum km_rc fetch_snapshot(struct km_client *client, const struct km_kube_request *base,
                                 struct km_error *err)
{
  struct km_snapshot *snapshot = km_snapshot_new();
  enum km_rc rc = fetch_root(client, base, "/api", snapshot, err);
  if (rc == KM_OK) {
    rc = fetch_root(client, base, "/apis", snapshot, err);
  }
  if (rc != KM_OK) {
    km_snapshot_free(snapshot);
    return rc;
  }
  struct km_discovery *fresh = km_snapshot_finish(snapshot);
  pthread_mutex_lock(&client->mutex);
  struct km_discovery *old = client->discovery;
  client->discovery = fresh;
  pthread_mutex_unlock(&client->mutex);
  km_discovery_unref(old);
  return KM_OK;
}

/* The snapshot if it was fetched after SINCE_NS; NULL otherwise. */
static struct km_discovery *known_since(struct km_client *client, uint64_t since_ns)
{
  KM_SCOPED_LOCK(&client->mutex);
  bool known = client->discovery != NULL && km_discovery_fetched_ns(client->discovery) >= since_ns;
  return known ? km_discovery_ref(client->discovery) : NULL;
}

enum km_rc km_client_discovery_since(struct km_client *client, uint64_t since_ns,
                                     const struct km_kube_request *request, struct km_discovery **ret,
                                     struct km_error *err)
{
  struct km_discovery *discovery = known_since(client, since_ns);
  while (discovery == NULL) {
    struct km_flight *lead = NULL;
    enum km_rc rc =
        km_flight_join(&client->flights, "discovery", request->deadline, request->cancel, &lead, err);
    if (rc == KM_OK && lead != NULL) {
      discovery = known_since(client, since_ns); /* another flight may have landed just before */
      rc = discovery == NULL ? fetch_snapshot(client, request, err) : KM_OK;
      rc = km_flight_land(&client->flights, lead, rc, err);
    }
    if (rc != KM_OK) {
      return rc;
    }
    discovery = discovery != NULL ? discovery : known_since(client, since_ns);
  }
  *ret = discovery;
  return KM_OK;
}

enum km_rc km_client_discovery(struct km_client *client, const struct km_kube_request *request,
                               struct km_discovery **ret, struct km_error *err)
{
  uint64_t now_ns = km_clock_ns();
  uint64_t ttl_ns = (uint64_t)client->options.discovery_ttl_ms * KM_NS_PER_MS;
  return km_client_discovery_since(client, now_ns > ttl_ns ? now_ns - ttl_ns : 0, request, ret, err);
}
