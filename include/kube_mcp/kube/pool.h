/* The pool of clients: context name in, client out. Bounded, least recently used and idle clients are dropped; a client
 * in use lives until its last reference goes. Two contexts share a client only when endpoint and identity are equal. */
#ifndef KM_KUBE_POOL_H
#define KM_KUBE_POOL_H

#include "kube_mcp/kube/client.h"

struct km_pool;

struct km_pool_options {
  struct km_client_options client;
  size_t max_clients;
  int64_t idle_ms;
};

/* PROVIDER and LOOP must outlive the pool. */
struct km_pool *km_pool_new(struct km_loop *loop, struct km_provider *provider,
                            const struct km_pool_options *options);
void km_pool_free(struct km_pool *pool); /* accepts NULL */
struct km_provider *km_pool_provider(const struct km_pool *pool);

/* Resolves CONTEXT ("" or NULL = default) and returns a reference to its client, building it on first use. Nothing is
 * connected. Errors: those of the provider's resolve, of km_http_client_new; KM_E_RATE_LIMITED when every client of a
 * full pool is in use. */
enum km_rc km_pool_get(struct km_pool *pool, const char *context, bool writes, struct km_client **ret,
                       struct km_error *err);
/* Drops clients idle for longer than idle_ms; called by the server's timer. Returns how many. */
size_t km_pool_sweep(struct km_pool *pool);
/* Calls FN for each live client. */
void km_pool_each(struct km_pool *pool, void (*fn)(struct km_client *client, void *data), void *data);

#endif
