/* What the files of src/kube share: the inside of a client and the steps of a request. */
#ifndef KM_SRC_KUBE_INTERNAL_H
#define KM_SRC_KUBE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "flight.h"
#include "kube_mcp/kube/client.h"
#include "kube_mcp/kube/discovery.h"
#include "kube_mcp/kube/limiter.h"

/* Impersonation headers of one endpoint; Accept and Content-Type come on top. */
#define KM_MAX_IMPERSONATION_HEADERS 62

/* Connections made with one client certificate (or none). */
struct km_transport {
  atomic_uint refs;
  struct km_http_client *http;
};

/* A credential in force and the connections that carry it. Immutable: a call keeps the one it began with while others
 * go on with the next. */
struct km_login {
  atomic_uint refs;
  struct km_transport *transport;
  struct km_credential credential;
  uint64_t serial;     /* 1, 2, ... in order of their making */
  uint64_t expires_ns; /* 0 = never */
};

struct km_access_cache;

struct km_client {
  atomic_uint refs;
  struct km_loop *loop;
  struct km_provider *provider;
  struct km_client_options options;
  struct km_arena *arena; /* of the endpoint and the headers; nothing is added after km_client_new */
  struct km_endpoint endpoint;
  struct km_http_header impersonation[KM_MAX_IMPERSONATION_HEADERS];
  size_t impersonation_count;
  struct km_limiter limiter;
  struct km_flights flights;
  struct km_access_cache *access;
  atomic_uint_least64_t throttled, retries, refreshes;
  atomic_int_least64_t ahead_ms; /* the server's clock minus ours, at its last answer */

  pthread_mutex_t mutex;          /* guards what follows */
  struct km_login *login;         /* NULL until the first request */
  uint64_t renew_login_ns;        /* when to ask for the next credential in advance; 0 = never */
  struct km_discovery *discovery; /* NULL until needed */
  char git_version[64];           /* "" until needed */
  uint64_t git_version_ns;        /* when it was read */
  struct km_http_stats retired;   /* of connections that are gone */
};

/* A login that is valid now and newer than serial NEWER_THAN (0 = any; otherwise the one with that serial has been
 * refused). Asks the provider when there is none; single flight. Release with km_login_unref. */
enum km_rc km_login_acquire(struct km_client *client, uint64_t newer_than, km_deadline deadline,
                            struct km_cancel *cancel, struct km_login **ret, struct km_error *err);
void km_login_unref(struct km_client *client, struct km_login *login); /* accepts NULL */
/* That both present the same to a server. */
bool km_login_same(const struct km_login *a, const struct km_login *b);

/* Fills HEADERS (KM_MAX_IMPERSONATION_HEADERS entries) from endpoint->as. Errors: KM_E_INVALID for values that cannot
 * be headers. */
enum km_rc km_impersonation_headers(struct km_arena *arena, const struct km_endpoint *endpoint,
                                    struct km_http_header *headers, size_t *ret_count, struct km_error *err);

/* The last word on what may leave the process. Errors: KM_E_INVALID for a path that is none; with READ_ONLY KM_E_FORBIDDEN
 * (type PolicyDenied) for a request that could change something, whatever it claims of itself. */
enum km_rc km_guard_request(bool read_only, const struct km_kube_request *request, struct km_error *err);

/* km_client_do up to the answer: KM_OK with any HTTP status. Credentials are blanked out of the body of a refusal. */
enum km_rc km_client_exchange(struct km_client *client, const struct km_kube_request *request,
                              struct km_http_response *ret, struct km_error *err);
/* The error that RESPONSE, with a status other than 2xx, stands for. */
enum km_rc km_client_refusal(const struct km_client *client, const struct km_kube_request *request,
                             const struct km_http_response *response, struct km_error *err);
/* Parses the body of RESPONSE into ARENA, and releases it. */
enum km_rc km_client_parse(const struct km_client *client, const struct km_kube_request *request,
                           struct km_http_response *response, struct km_arena *arena, yyjson_doc **ret,
                           struct km_error *err);
bool km_is_success(const struct km_http_response *response);

/* A snapshot fetched at SINCE_NS (km_clock_ns) or later: the one there is, or a new one. */
enum km_rc km_client_discovery_since(struct km_client *client, uint64_t since_ns,
                                     const struct km_kube_request *request, struct km_discovery **ret,
                                     struct km_error *err);

/* True while nobody but the pool refers to CLIENT. */
bool km_client_idle(const struct km_client *client);

struct km_access_cache *km_access_cache_new(void);
void km_access_cache_free(struct km_access_cache *cache); /* accepts NULL */

#endif
