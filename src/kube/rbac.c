/* Access reviews, remembered for a moment.
 *
 * Owns, per client, up to MAX_ANSWERS answers in a map and a list from the most to the least recently used. An answer
 * holds for the client's rbac_ttl_ms; the API server stays the authority, this only spares it the same question a
 * hundred times a second. Errors are not remembered. The same question asked by several callers at once is one flight.
 * The cache has a lock of its own, held for a few instructions. */
#include "kube_mcp/kube/rbac.h"

#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "kube_mcp/base/alloc.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/base/sync.h"
#include "kube_mcp/kube/line.h"

#include "kube_mcp/base/banned.h"

#define MAX_ANSWERS        ((size_t)512)
#define MAX_REVIEW_BYTES   ((size_t)64 * 1024)
#define MAX_REASON_COLUMNS ((size_t)120)
#define REVIEW_PATH        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

struct answer {
  struct answer *newer, *older;
  char *key;
  uint64_t asked_ns;
  bool allowed;
  char *reason; /* why not, as the server says it; "" if it does not */
};

struct km_access_cache {
  pthread_mutex_t mutex;
  struct km_map *by_key;
  struct answer *newest, *oldest;
};

/* What a caller takes away from the cache. */
struct verdict {
  bool allowed;
  char reason[256];
};

struct km_access_cache *km_access_cache_new(void)
{
  struct km_access_cache *cache = KM_NEW(struct km_access_cache);
  pthread_mutex_init(&cache->mutex, NULL);
  cache->by_key = km_map_new(NULL);
  return cache;
}

static void free_answer(struct answer *answer)
{
  free(answer->key);
  free(answer->reason);
  free(answer);
}

void km_access_cache_free(struct km_access_cache *cache)
{
  if (cache == NULL) {
    return;
  }
  for (struct answer *answer = cache->newest; answer != NULL;) {
    struct answer *older = answer->older;
    free_answer(answer);
    answer = older;
  }
  km_map_free(cache->by_key);
  pthread_mutex_destroy(&cache->mutex);
  free(cache);
}

/* The list; all of it with the lock held. */
static void link_newest(struct km_access_cache *cache, struct answer *answer)
{
  answer->newer = NULL;
  answer->older = cache->newest;
  *(cache->newest != NULL ? &cache->newest->newer : &cache->oldest) = answer;
  cache->newest = answer;
}

static void unlink_answer(struct km_access_cache *cache, struct answer *answer)
{
  *(answer->newer != NULL ? &answer->newer->older : &cache->newest) = answer->older;
  *(answer->older != NULL ? &answer->older->newer : &cache->oldest) = answer->newer;
}

static void forget(struct km_access_cache *cache, struct answer *answer)
{
  unlink_answer(cache, answer);
  (void)km_map_remove(cache->by_key, answer->key);
  free_answer(answer);
}

/* The answer to KEY given at SINCE_NS or later. */
static bool recall(struct km_access_cache *cache, const char *key, uint64_t since_ns, struct verdict *ret)
{
  KM_SCOPED_LOCK(&cache->mutex);
  struct answer *answer = km_map_get(cache->by_key, key);
  if (answer == NULL || answer->asked_ns < since_ns) {
    return false;
  }
  unlink_answer(cache, answer);
  link_newest(cache, answer);
  ret->allowed = answer->allowed;
  (void)km_strcopy(ret->reason, sizeof(ret->reason), answer->reason);
  return true;
}

/* Keeps VERDICT, at the cost of the former answer or of the least recently used one. */
static void remember(struct km_access_cache *cache, const char *key, const struct verdict *verdict)
{
  struct answer *answer = KM_NEW(struct answer);
  *answer = (struct answer){.key = km_strdup(key),
                            .asked_ns = km_clock_ns(),
                            .allowed = verdict->allowed,
                            .reason = km_strdup(verdict->reason)};
  KM_SCOPED_LOCK(&cache->mutex);
  struct answer *old = km_map_get(cache->by_key, key);
  if (old != NULL) {
    forget(cache, old);
  } else if (km_map_count(cache->by_key) >= MAX_ANSWERS) {
    forget(cache, cache->oldest);
  }
  km_map_put(cache->by_key, key, answer);
  link_newest(cache, answer);
}

static const char *or_empty(const char *text)
{
  return text != NULL ? text : "";
}

/* The members of ACCESS in the order and under the names of resourceAttributes. */
#define ATTRIBUTES 6
struct attribute {
  const char *name, *value;
};

static void list_attributes(const struct km_access *access, struct attribute ret[ATTRIBUTES])
{
  const struct attribute attributes[ATTRIBUTES] = {
      {"verb", or_empty(access->verb)},         {"group", or_empty(access->group)},
      {"resource", or_empty(access->resource)}, {"subresource", or_empty(access->subresource)},
      {"namespace", or_empty(access->ns)},      {"name", or_empty(access->name)},
  };
  memcpy(ret, attributes, sizeof(attributes));
}

/* The question as text that no other question has, whatever its names hold. */
static char *make_key(struct km_arena *arena, const struct attribute attributes[ATTRIBUTES])
{
  char *key = km_arena_strdup(arena, "access");
  for (size_t i = 0; i < ATTRIBUTES; i++) {
    key = km_arena_printf(arena, "%s %zu:%s", key, strlen(attributes[i].value), attributes[i].value);
  }
  return key;
}

/* The body of the review: a JSON object in OUT. */
static bool write_review(struct km_arena *arena, const struct attribute attributes[ATTRIBUTES],
                         struct km_buf *out)
{
  yyjson_mut_doc *doc = km_json_new(arena);
  yyjson_mut_val *root = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_str(doc, root, "apiVersion", "authorization.k8s.io/v1");
  yyjson_mut_obj_add_str(doc, root, "kind", "SelfSubjectAccessReview");
  yyjson_mut_val *spec = yyjson_mut_obj_add_obj(doc, root, "spec");
  yyjson_mut_val *resource = yyjson_mut_obj_add_obj(doc, spec, "resourceAttributes");
  for (size_t i = 0; i < ATTRIBUTES; i++) {
    if (attributes[i].value[0] != '\0') {
      yyjson_mut_obj_add_str(doc, resource, attributes[i].name, attributes[i].value);
    }
  }
  return km_json_complete(doc) && km_json_write(root, false, out);
}

/* The reason is free text of an authorizer, possibly a webhook. */
static void put_reason(struct verdict *verdict, const char *reason)
{
  if (reason == NULL) {
    return;
  }
  struct km_buf line;
  km_buf_init(&line, KM_LINE_ROOM(MAX_REASON_COLUMNS));
  km_put_line(&line, reason, strlen(reason), MAX_REASON_COLUMNS);
  (void)km_strcopy(verdict->reason, sizeof(verdict->reason), line.data);
  km_buf_done(&line);
}

/* A verdict that is missing or of another type is none: nothing is allowed by default. */
static enum km_rc read_verdict(const struct km_client *client, yyjson_val *root, struct verdict *ret,
                               struct km_error *err)
{
  yyjson_val *status = km_json_obj(root, "status");
  if (!yyjson_is_bool(yyjson_obj_get(status, "allowed"))) {
    return km_error_set(err, KM_E_PROTOCOL, "context '%s': the access review came back without a verdict",
                        client->endpoint.context);
  }
  ret->allowed = km_json_bool(status, "allowed", false);
  const char *reason = km_json_str(status, "reason");
  put_reason(ret, km_str_empty(reason) ? km_json_str(status, "evaluationError") : reason);
  return KM_OK;
}

/* Asks the API server. */
static enum km_rc review(struct km_client *client, const struct attribute attributes[ATTRIBUTES],
                         const struct km_kube_request *base, struct verdict *ret, struct km_error *err)
{
  KM_CLEANUP(km_arena_freep) struct km_arena *arena = km_arena_new(MAX_REVIEW_BYTES);
  struct km_buf body;
  km_buf_init(&body, MAX_REVIEW_BYTES);
  if (!write_review(arena, attributes, &body)) {
    km_buf_done(&body);
    return km_error_set(err, KM_E_TOO_LARGE, "the names to review access for are too long");
  }
  struct km_kube_request request = {
      .method = "POST",
      .path = REVIEW_PATH,
      .content_type = "application/json",
      .body = body.data,
      .body_len = body.len,
      .max_bytes = MAX_REVIEW_BYTES,
      .access_review = true,
      .deadline = base->deadline,
      .cancel = base->cancel,
      .observer = base->observer,
  };
  struct km_http_response response = {0};
  enum km_rc rc = km_client_do(client, &request, &response, err);
  km_buf_done(&body);
  yyjson_doc *doc = NULL;
  if (rc == KM_OK) {
    rc = km_client_parse(client, &request, &response, arena, &doc, err);
  }
  return rc == KM_OK ? read_verdict(client, yyjson_doc_get_root(doc), ret, err) : rc;
}

/* "pods/log" */
static const char *resource_text(struct km_arena *arena, const struct km_access *access)
{
  bool sub = !km_str_empty(access->subresource);
  bool group = !km_str_empty(access->group);
  return km_arena_printf(arena, "%s%s%s%s%s", or_empty(access->resource), group ? "." : "",
                         or_empty(access->group), sub ? "/" : "", or_empty(access->subresource));
}

/* Names the identity as the caller knows it; the API server's own name for it would cost another request. */
static enum km_rc forbidden(const struct km_client *client, const struct km_access *access,
                            const struct verdict *verdict, struct km_error *err)
{
  KM_CLEANUP(km_arena_freep) struct km_arena *arena = km_arena_new(0);
  const struct km_endpoint *endpoint = &client->endpoint;
  const char *user = endpoint->as.user != NULL ? endpoint->as.user : endpoint->user;
  const char *resource = resource_text(arena, access);
  bool cluster_wide = km_str_empty(access->ns);
  const char *name = km_str_empty(access->name) ? "" : km_arena_printf(arena, " '%.120s'", access->name);
  const char *where = cluster_wide ? " in all namespaces or at cluster scope"
                                   : km_arena_printf(arena, " in namespace '%.80s'", access->ns);
  bool reason = verdict->reason[0] != '\0';
  km_error_set(err, KM_E_FORBIDDEN, "context '%s': user '%.100s' may not %s %s%s%s%s%s", endpoint->context,
               or_empty(user), or_empty(access->verb), resource, name, where, reason ? ": " : "",
               verdict->reason);
  (void)km_strcopy(err->reason, sizeof(err->reason), "Forbidden");
  return km_error_hint(err, "have a %s granted that allows verb '%s' on '%s', or use another context%s",
                       cluster_wide ? "ClusterRole" : "Role", or_empty(access->verb), resource,
                       cluster_wide ? " or one namespace" : "");
}

/* The answer from the cache, or a fresh one. */
static enum km_rc find_verdict(struct km_client *client, const struct km_access *access,
                               const struct km_kube_request *request, struct verdict *ret,
                               struct km_error *err)
{
  KM_CLEANUP(km_arena_freep) struct km_arena *arena = km_arena_new(0);
  struct attribute attributes[ATTRIBUTES];
  list_attributes(access, attributes);
  const char *key = make_key(arena, attributes);
  uint64_t now_ns = km_clock_ns();
  uint64_t ttl_ns = (uint64_t)client->options.rbac_ttl_ms * KM_NS_PER_MS;
  uint64_t since_ns = now_ns > ttl_ns ? now_ns - ttl_ns : 0;
  /* A follower finds the leader's answer, which is newer than its question, even when nothing is to be kept. */
  while (!recall(client->access, key, since_ns, ret)) {
    struct km_flight *lead = NULL;
    enum km_rc rc = km_flight_join(&client->flights, key, request->deadline, request->cancel, &lead, err);
    if (rc == KM_OK && lead != NULL) {
      rc = review(client, attributes, request, ret, err);
      if (rc == KM_OK) {
        remember(client->access, key, ret);
      }
      rc = km_flight_land(&client->flights, lead, rc, err);
    }
    if (rc != KM_OK) {
      return rc;
    }
  }
  return KM_OK;
}

enum km_rc km_client_access(struct km_client *client, const struct km_access *access,
                            const struct km_kube_request *request, struct km_error *err)
{
  struct verdict verdict = {0};
  enum km_rc rc = find_verdict(client, access, request, &verdict, err);
  if (rc != KM_OK) {
    return rc;
  }
  return verdict.allowed ? KM_OK : forbidden(client, access, &verdict, err);
}
