/* The pool of clients.
 *
 * Owns one reference to each client it knows, found by the identity of its endpoint and linked from the most to the
 * least recently used. The lock is held to look up and to link, never while a provider reads files or a client is freed
 * (which may wait for the loop thread, so the pool is not called from that thread). A client that somebody uses is never
 * dropped: an idle one has the pool's reference only, and new references are handed out under the lock. Never more than
 * max_clients. */
#include "kube_mcp/kube/pool.h"

#include <stdlib.h>

#include "internal.h"
#include "kube_mcp/base/alloc.h"
#include "kube_mcp/base/map.h"
#include "kube_mcp/base/sync.h"

#include "kube_mcp/base/banned.h"

/* For what a provider reads to resolve one context: certificates, mostly. */
#define ENDPOINT_MAX_BYTES ((size_t)4 * 1024 * 1024)

struct pooled {
  struct pooled *newer, *older;
  struct km_client *client;
  uint64_t used_ns;
};

struct km_pool {
  struct km_loop *loop;
  struct km_provider *provider;
  struct km_pool_options options;
  pthread_mutex_t mutex;
  struct km_map *by_identity;
  struct pooled *newest, *oldest;
};

struct km_pool *km_pool_new(struct km_loop *loop, struct km_provider *provider,
                            const struct km_pool_options *options)
{
  struct km_pool *pool = KM_NEW(struct km_pool);
  pool->loop = loop;
  pool->provider = provider;
  pool->options = *options;
  pthread_mutex_init(&pool->mutex, NULL);
  pool->by_identity = km_map_new(NULL);
  return pool;
}

/* Lets go of a list linked by `older`. Without the lock: a client's end may wait for the loop thread. */
static void free_all(struct pooled *entry)
{
  while (entry != NULL) {
    struct pooled *older = entry->older;
    km_client_unref(entry->client);
    free(entry);
    entry = older;
  }
}

void km_pool_free(struct km_pool *pool)
{
  if (pool == NULL) {
    return;
  }
  free_all(pool->newest);
  km_map_free(pool->by_identity);
  pthread_mutex_destroy(&pool->mutex);
  free(pool);
}

struct km_provider *km_pool_provider(const struct km_pool *pool)
{
  return pool->provider;
}

static void link_newest(struct km_pool *pool, struct pooled *entry)
{
  entry->newer = NULL;
  entry->older = pool->newest;
  *(pool->newest != NULL ? &pool->newest->newer : &pool->oldest) = entry;
  pool->newest = entry;
  entry->used_ns = km_clock_ns();
}

static void unlink_entry(struct km_pool *pool, struct pooled *entry)
{
  *(entry->newer != NULL ? &entry->newer->older : &pool->newest) = entry->older;
  *(entry->older != NULL ? &entry->older->newer : &pool->oldest) = entry->newer;
}

/* Takes ENTRY out of the pool and puts it before DROPPED; the caller frees that list without the lock. */
static void drop(struct km_pool *pool, struct pooled *entry, struct pooled **dropped)
{
  unlink_entry(pool, entry);
  (void)km_map_remove(pool->by_identity, km_client_endpoint(entry->client)->identity);
  entry->older = *dropped;
  *dropped = entry;
}

/* With the lock held: a reference to the client of IDENTITY, or NULL. */
static struct km_client *use(struct km_pool *pool, const char *identity)
{
  struct pooled *entry = km_map_get(pool->by_identity, identity);
  if (entry == NULL) {
    return NULL;
  }
  unlink_entry(pool, entry);
  link_newest(pool, entry);
  return km_client_ref(entry->client);
}

static struct km_client *find(struct km_pool *pool, const char *identity)
{
  KM_SCOPED_LOCK(&pool->mutex);
  return use(pool, identity);
}

/* With the lock held: drops the least recently used idle client if the pool is full. False when all are in use. */
static bool make_room(struct km_pool *pool, struct pooled **dropped)
{
  if (km_map_count(pool->by_identity) < pool->options.max_clients) {
    return true;
  }
  struct pooled *entry = pool->oldest;
  while (entry != NULL && !km_client_idle(entry->client)) {
    entry = entry->newer;
  }
  if (entry != NULL) {
    drop(pool, entry, dropped);
  }
  return entry != NULL;
}

/* Adds CLIENT, whose reference is taken over, unless another thread was faster; that one's is returned then. NULL when
 * there is no room. */
static struct km_client *add(struct km_pool *pool, struct km_client *client)
{
  struct pooled *entry = KM_NEW(struct pooled);
  struct pooled *dropped = NULL;
  const char *identity = km_client_endpoint(client)->identity;
  entry->client = client;
  pthread_mutex_lock(&pool->mutex);
  struct km_client *found = use(pool, identity);
  if (found == NULL && make_room(pool, &dropped)) {
    km_map_put(pool->by_identity, identity, entry);
    link_newest(pool, entry);
    found = km_client_ref(client);
    entry = NULL;
  }
  pthread_mutex_unlock(&pool->mutex);
  free_all(dropped);
  free_all(entry);
  return found;
}

enum km_rc km_pool_get(struct km_pool *pool, const char *context, bool writes, struct km_client **ret,
                       struct km_error *err)
{
  KM_CLEANUP(km_arena_freep) struct km_arena *arena = km_arena_new(ENDPOINT_MAX_BYTES);
  struct km_endpoint endpoint = {0};
  enum km_rc rc = pool->provider->ops->resolve(pool->provider, context, writes, arena, &endpoint, err);
  if (rc != KM_OK) {
    return rc;
  }
  struct km_client *client = find(pool, endpoint.identity);
  if (client == NULL) {
    struct km_client *built = NULL;
    rc = km_client_new(pool->loop, pool->provider, &endpoint, &pool->options.client, &built, err);
    if (rc != KM_OK) {
      return rc;
    }
    client = add(pool, built); /* connects nothing, so one that loses the race is no loss */
  }
  if (client == NULL) {
    km_error_set(err, KM_E_RATE_LIMITED, "context '%s': all %zu clients of the pool are in use",
                 endpoint.context, pool->options.max_clients);
    return km_error_hint(err, "call again when others have finished, or raise max_clients");
  }
  *ret = client;
  return KM_OK;
}

size_t km_pool_sweep(struct km_pool *pool)
{
  struct pooled *dropped = NULL;
  size_t count = 0;
  pthread_mutex_lock(&pool->mutex);
  uint64_t now_ns = km_clock_ns();
  for (struct pooled *entry = pool->oldest; entry != NULL;) {
    struct pooled *newer = entry->newer;
    if (!km_client_idle(entry->client)) {
      entry->used_ns = now_ns; /* idleness begins when the last call ends */
    } else if (now_ns - entry->used_ns > (uint64_t)pool->options.idle_ms * KM_NS_PER_MS) {
      drop(pool, entry, &dropped);
      count++;
    }
    entry = newer;
  }
  pthread_mutex_unlock(&pool->mutex);
  free_all(dropped);
  return count;
}

void km_pool_each(struct km_pool *pool, void (*fn)(struct km_client *client, void *data), void *data)
{
  /* References first, calls afterwards: FN may take its time and locks of its own. */
  pthread_mutex_lock(&pool->mutex);
  size_t count = 0;
  struct km_client **clients = km_alloc(km_map_count(pool->by_identity) * sizeof(struct km_client *));
  for (struct pooled *entry = pool->newest; entry != NULL; entry = entry->older) {
    clients[count++] = km_client_ref(entry->client);
  }
  pthread_mutex_unlock(&pool->mutex);
  for (size_t i = 0; i < count; i++) {
    fn(clients[i], data);
    km_client_unref(clients[i]);
  }
  free(clients);
}
