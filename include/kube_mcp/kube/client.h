/* One cluster as one identity: what a tool talks to. Built by the pool from a resolved context; owns the connections,
 * one token bucket, the discovery cache and the RBAC cache. Reference-counted, thread-safe. */
#ifndef KM_KUBE_CLIENT_H
#define KM_KUBE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kube_mcp/base/arena.h"
#include "kube_mcp/base/cancel.h"
#include "kube_mcp/base/clock.h"
#include "kube_mcp/base/error.h"
#include "kube_mcp/codec/json.h"
#include "kube_mcp/net/http.h"
#include "kube_mcp/provider.h"

struct km_client;

struct km_client_options {
  double qps;
  int64_t burst;
  int64_t timeout_ms; /* one request, unless the call's deadline is nearer */
  int64_t connect_timeout_ms;
  int64_t discovery_ttl_ms;
  int64_t rbac_ttl_ms;
  size_t max_response_bytes;
  enum km_http2 http2;
  bool read_only; /* no method that could write leaves, save access reviews and dry runs */
};

/* Notices for the call that is waiting ("rate limited by the API server; waiting 2 s"). May be NULL in a request. */
struct km_observer {
  void (*notice)(void *data, const char *text);
  void *data;
};

/* Copies ENDPOINT. Connects nothing and asks for no credential yet. */
enum km_rc km_client_new(struct km_loop *loop, struct km_provider *provider,
                         const struct km_endpoint *endpoint, const struct km_client_options *options,
                         struct km_client **ret, struct km_error *err);
struct km_client *km_client_ref(struct km_client *client);
void km_client_unref(struct km_client *client); /* accepts NULL */

const struct km_endpoint *km_client_endpoint(const struct km_client *client);

struct km_kube_request {
  const char *method;       /* NULL = GET */
  const char *path;         /* escaped, with query */
  const char *accept;       /* NULL = application/json */
  const char *content_type; /* of the body */
  const void *body;
  size_t body_len;
  size_t max_bytes;     /* 0 = the client's */
  bool access_review;   /* POST that reads: allowed in read-only mode */
  bool dry_run;         /* the path carries dryRun=All: likewise */
  km_deadline deadline; /* of the call; 0 = none */
  struct km_cancel *cancel;
  const struct km_observer *observer;
  /* Optional streaming: gets each piece of a 2xx body, on the calling thread and with constant memory, instead of it
   * being collected; returning false ends the request with KM_OK. Once it has been called the request is not
   * repeated. */
  bool (*on_piece)(void *data, const char *piece, size_t len);
  void *on_piece_arg;
};

/* Sends one request: waits for the token bucket, adds the credential (refreshing it once on a 401), retries what is
 * safe (429 and 503 with Retry-After within the deadline; GETs whose connection broke before the first byte), maps
 * every non-2xx Status to an error. RET is filled only for 2xx; release it with km_http_response_done.
 * Errors: as docs/errors.md; messages name the context. Blocking. */
enum km_rc km_client_do(struct km_client *client, const struct km_kube_request *request,
                        struct km_http_response *ret, struct km_error *err);

/* GETs PATH and parses the answer as JSON into ARENA. Errors: those above, KM_E_PROTOCOL for what is not JSON. */
enum km_rc km_client_get_json(struct km_client *client, const struct km_kube_request *request,
                              struct km_arena *arena, yyjson_doc **ret, struct km_error *err);

/* {"major","minor","gitVersion",…} of /version; cached for a minute. */
enum km_rc km_client_version(struct km_client *client, const struct km_kube_request *base,
                             struct km_arena *arena, const char **ret_git_version, struct km_error *err);

/* The time by the cluster's clock, which stamped its objects, as of the last answer's Date; our own until there was one, or
 * as long as they differ by less than that header can tell. *RET_AHEAD_MS (may be NULL) is how far it is ahead of ours. */
int64_t km_client_now_ms(struct km_client *client, int64_t *ret_ahead_ms);

struct km_client_stats {
  struct km_http_stats http;
  uint64_t throttled, retries, refreshes;
};
void km_client_stats(struct km_client *client, struct km_client_stats *ret);

#endif
