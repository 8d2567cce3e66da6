/* The client of one endpoint: its making, its end, and the small things that are asked of it.
 *
 * Owns everything that belongs to one identity: logins and their connections (login.c), the limiter, the discovery
 * snapshot, the cache of access reviews, and a copy of the endpoint that never changes. The mutex guards the few
 * pointers that do; it is held for a few instructions and never while something is fetched. Work that several callers
 * want at once is a single flight. The last reference frees it all, which may wait for the loop thread. */
#include "kube_mcp/kube/client.h"

#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "kube_mcp/base/alloc.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/base/sync.h"
#include "kube_mcp/kube/line.h"

#include "kube_mcp/base/banned.h"

#define VERSION_TTL_MS    60000
#define VERSION_MAX_BYTES ((size_t)64 * 1024)

static const char *const *copy_texts(struct km_arena *arena, const char *const *texts, size_t count)
{
  const char **copy = KM_ARENA_ARRAY(arena, const char *, count);
  for (size_t i = 0; i < count; i++) {
    copy[i] = km_arena_strdup(arena, texts[i]);
  }
  return copy;
}

/* The endpoint was resolved into memory of one call; the client outlives it. */
static struct km_endpoint copy_endpoint(struct km_arena *arena, const struct km_endpoint *from)
{
  struct km_endpoint copy = *from;
  copy.context = km_arena_strdup(arena, from->context != NULL ? from->context : "");
  copy.server = km_arena_strdup(arena, from->server);
  copy.tls_server_name = km_arena_strdup(arena, from->tls_server_name);
  copy.proxy_url = km_arena_strdup(arena, from->proxy_url);
  copy.default_namespace = km_arena_strdup(arena, from->default_namespace);
  copy.cluster = km_arena_strdup(arena, from->cluster);
  copy.user = km_arena_strdup(arena, from->user);
  copy.ca_pem = from->ca_pem != NULL ? km_arena_strndup(arena, from->ca_pem, from->ca_pem_len) : NULL;
  copy.as.user = km_arena_strdup(arena, from->as.user);
  copy.as.uid = km_arena_strdup(arena, from->as.uid);
  copy.as.groups = copy_texts(arena, from->as.groups, from->as.group_count);
  copy.as.extra = copy_texts(arena, from->as.extra, 2 * from->as.extra_count);
  return copy;
}

enum km_rc km_client_new(struct km_loop *loop, struct km_provider *provider,
                         const struct km_endpoint *endpoint, const struct km_client_options *options,
                         struct km_client **ret, struct km_error *err)
{
  struct km_client *client = KM_NEW(struct km_client);
  atomic_init(&client->refs, 1);
  client->loop = loop;
  client->provider = provider;
  client->options = *options;
  client->arena = km_arena_new(0);
  client->endpoint = copy_endpoint(client->arena, endpoint);
  pthread_mutex_init(&client->mutex, NULL);
  km_limiter_init(&client->limiter, options->qps, (double)options->burst);
  km_flights_init(&client->flights);
  client->access = km_access_cache_new();
  enum km_rc rc = km_impersonation_headers(client->arena, &client->endpoint, client->impersonation,
                                           &client->impersonation_count, err);
  if (rc != KM_OK) {
    km_client_unref(client);
    return rc;
  }
  *ret = client;
  return KM_OK;
}

struct km_client *km_client_ref(struct km_client *client)
{
  atomic_fetch_add_explicit(&client->refs, 1, memory_order_relaxed);
  return client;
}

void km_client_unref(struct km_client *client)
{
  if (client == NULL || atomic_fetch_sub_explicit(&client->refs, 1, memory_order_acq_rel) > 1) {
    return;
  }
  km_login_unref(client, client->login);
  km_discovery_unref(client->discovery);
  km_access_cache_free(client->access);
  km_flights_done(&client->flights);
  km_limiter_done(&client->limiter);
  pthread_mutex_destroy(&client->mutex);
  km_arena_free(client->arena);
  free(client);
}

bool km_client_idle(const struct km_client *client)
{
  return atomic_load_explicit(&client->refs, memory_order_acquire) == 1;
}

const struct km_endpoint *km_client_endpoint(const struct km_client *client)
{
  return &client->endpoint;
}

enum km_rc km_client_parse(const struct km_client *client, const struct km_kube_request *request,
                           struct km_http_response *response, struct km_arena *arena, yyjson_doc **ret,
                           struct km_error *err)
{
  enum km_rc rc = km_json_parse_buf(arena, &response->body, KM_JSON_MAX_DEPTH, ret, err);
  km_http_response_done(response);
  if (rc == KM_OK) {
    return KM_OK;
  }
  char problem[sizeof(err->message)];
  (void)km_strcopy(problem, sizeof(problem), err->message);
  km_error_set(err, KM_E_PROTOCOL, "context '%s': the answer to %s %.*s is not the JSON it should be: %s",
               client->endpoint.context, request->method != NULL ? request->method : "GET",
               km_shown_path_len(request->path), request->path, problem);
  return km_error_hint(err, "check that the server URL of this context is that of a Kubernetes API server");
}

enum km_rc km_client_get_json(struct km_client *client, const struct km_kube_request *request,
                              struct km_arena *arena, yyjson_doc **ret, struct km_error *err)
{
  struct km_http_response response;
  enum km_rc rc = km_client_do(client, request, &response, err);
  return rc != KM_OK ? rc : km_client_parse(client, request, &response, arena, ret, err);
}

/* The version read less than VERSION_TTL_MS ago, or after SINCE_NS; NULL if there is none. */
static const char *known_version(struct km_client *client, uint64_t since_ns, struct km_arena *arena)
{
  KM_SCOPED_LOCK(&client->mutex);
  uint64_t now_ns = km_clock_ns();
  bool fresh = client->git_version_ns >= since_ns ||
               now_ns - client->git_version_ns < (uint64_t)VERSION_TTL_MS * KM_NS_PER_MS;
  return client->git_version[0] != '\0' && fresh ? km_arena_strdup(arena, client->git_version) : NULL;
}

/* The leader's part; what a server calls its version is cleaned before anybody prints it. */
static enum km_rc fetch_version(struct km_client *client, const struct km_kube_request *base,
                                struct km_error *err)
{
  struct km_kube_request request = {.path = "/version",
                                    .max_bytes = VERSION_MAX_BYTES,
                                    .deadline = base->deadline,
                                    .cancel = base->cancel,
                                    .observer = base->observer};
  KM_CLEANUP(km_arena_freep) struct km_arena *arena = km_arena_new(0);
  yyjson_doc *doc = NULL;
  enum km_rc rc = km_client_get_json(client, &request, arena, &doc, err);
  if (rc != KM_OK) {
    return rc;
  }
  const char *version = km_json_str(yyjson_doc_get_root(doc), "gitVersion");
  if (km_str_empty(version)) {
    return km_error_set(err, KM_E_PROTOCOL, "context '%s': /version names no gitVersion",
                        client->endpoint.context);
  }
  struct km_buf line;
  km_buf_init(&line, KM_LINE_ROOM(sizeof(client->git_version)));
  km_put_line(&line, version, strlen(version), sizeof(client->git_version) - 1);
  KM_SCOPED_LOCK(&client->mutex);
  (void)km_strcopy(client->git_version, sizeof(client->git_version), line.data);
  client->git_version_ns = km_clock_ns();
  km_buf_done(&line);
  return KM_OK;
}

enum km_rc km_client_version(struct km_client *client, const struct km_kube_request *base,
                             struct km_arena *arena, const char **ret_git_version, struct km_error *err)
{
  uint64_t asked_ns = km_clock_ns();
  /* A follower takes what was read after it asked, however short the time it would be kept. */
  const char *version = known_version(client, asked_ns, arena);
  while (version == NULL) {
    struct km_flight *lead = NULL;
    enum km_rc rc = km_flight_join(&client->flights, "version", base->deadline, base->cancel, &lead, err);
    if (rc == KM_OK && lead != NULL) {
      rc = km_flight_land(&client->flights, lead, fetch_version(client, base, err), err);
    }
    if (rc != KM_OK) {
      return rc;
    }
    version = known_version(client, asked_ns, arena);
  }
  *ret_git_version = version;
  return KM_OK;
}

int64_t km_client_now_ms(struct km_client *client, int64_t *ret_ahead_ms)
{
  int64_t ahead_ms = atomic_load_explicit(&client->ahead_ms, memory_order_relaxed);
  if (ret_ahead_ms != NULL) {
    *ret_ahead_ms = ahead_ms;
  }
  return km_clock_wall_ms() + ahead_ms;
}

void km_client_stats(struct km_client *client, struct km_client_stats *ret)
{
  *ret = (struct km_client_stats){
      .throttled = atomic_load_explicit(&client->throttled, memory_order_relaxed),
      .retries = atomic_load_explicit(&client->retries, memory_order_relaxed),
      .refreshes = atomic_load_explicit(&client->refreshes, memory_order_relaxed),
  };
  KM_SCOPED_LOCK(&client->mutex);
  struct km_http_stats current = {0}; /* of the connections in use; those replaced before are in `retired` */
  if (client->login != NULL) {
    km_http_client_stats(client->login->transport->http, &current);
  }
  ret->http = current;
  ret->http.requests += client->retired.requests;
  ret->http.connections_opened += client->retired.connections_opened;
  ret->http.bytes_in += client->retired.bytes_in;
  ret->http.bytes_out += client->retired.bytes_out;
}
