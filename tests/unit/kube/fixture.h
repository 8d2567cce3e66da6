/* A client, its provider and a server to talk to: everything of a cluster that the kube layer sees. */
#ifndef KM_TESTS_UNIT_KUBE_FIXTURE_H
#define KM_TESTS_UNIT_KUBE_FIXTURE_H

#include "net/server.h"
#include "testing.h"

#include "kube_mcp/base/str.h"
#include "kube_mcp/base/sync.h"
#include "kube_mcp/kube/client.h"
#include "kube_mcp/provider.h"

#define MIB ((size_t)1024 * 1024)

/* -- the provider ------------------------------------------------------------------------------------------------- */

/* What the provider answers; tests change it between calls. */
struct fake_provider {
  struct km_provider provider;
  pthread_mutex_t mutex;
  const char *server;              /* of every context */
  struct km_endpoint endpoint;     /* further members; context, server and identity are filled in */
  const char *bearer;              /* of calls without force */
  const char *forced_bearer;       /* with force; NULL = the same */
  const char *user, *password;     /* basic authentication, or NULL */
  const struct pki_pair *identity; /* client certificate, or NULL */
  int64_t life_ms;                 /* of a credential; 0 = unknown */
  enum km_rc fail;                 /* when not KM_OK, what credential() returns */
  long delay_ms;                   /* of credential() */
  atomic_uint asked, forced;
};

static inline enum km_rc fake_open(struct km_provider *provider, struct km_error *err)
{
  (void)provider;
  (void)err;
  return KM_OK;
}

static inline enum km_rc fake_contexts(struct km_provider *provider, struct km_arena *arena,
                                       struct km_context_list *ret, struct km_error *err)
{
  (void)provider;
  (void)arena;
  (void)err;
  static const char *const names[] = {"prod", "staging", "dead"};
  struct km_context_info *items = KM_ARENA_ARRAY(arena, struct km_context_info, KM_ARRAY_LEN(names));
  for (size_t i = 0; i < KM_ARRAY_LEN(names); i++) {
    items[i].name = names[i];
  }
  *ret = (struct km_context_list){.items = items, .count = KM_ARRAY_LEN(names)};
  return KM_OK;
}

/* Every name but "unknown" is a context; the part behind a slash is no part of the identity. */
static inline enum km_rc fake_resolve(struct km_provider *provider, const char *context, bool writes,
                                      struct km_arena *arena, struct km_endpoint *ret, struct km_error *err)
{
  (void)writes;
  struct fake_provider *fake = provider->state;
  context = km_str_empty(context) ? "prod" : context;
  if (km_streq(context, "unknown")) {
    return km_error_set_type(err, KM_E_NOT_FOUND, KM_TYPE_UNKNOWN_CONTEXT, "context '%s' does not exist",
                             context);
  }
  *ret = fake->endpoint;
  ret->context = km_arena_strdup(arena, context);
  ret->server = fake->server;
  (void)snprintf(ret->identity, sizeof(ret->identity), "id-%.*s", (int)strcspn(context, "/"), context);
  return KM_OK;
}

static inline enum km_rc fake_credential(struct km_provider *provider, const struct km_endpoint *endpoint,
                                         bool force, km_deadline deadline, struct km_cancel *cancel,
                                         struct km_credential *ret, struct km_error *err)
{
  (void)endpoint;
  (void)deadline;
  (void)cancel;
  struct fake_provider *fake = provider->state;
  atomic_fetch_add(&fake->asked, 1);
  atomic_fetch_add(&fake->forced, force ? 1 : 0);
  if (fake->delay_ms > 0) {
    sleep_ms(fake->delay_ms);
  }
  KM_SCOPED_LOCK(&fake->mutex);
  if (fake->fail != KM_OK) {
    return km_error_set_type(err, fake->fail, KM_TYPE_EXEC_FAILED, "the plugin failed");
  }
  const char *bearer = force && fake->forced_bearer != NULL ? fake->forced_bearer : fake->bearer;
  if (bearer != NULL) {
    km_secret_set(&ret->bearer, bearer, strlen(bearer));
  }
  if (fake->user != NULL) {
    km_secret_set(&ret->user, fake->user, strlen(fake->user));
    km_secret_set(&ret->password, fake->password, strlen(fake->password));
  }
  if (fake->identity != NULL) {
    km_secret_copy(&ret->cert_pem, &fake->identity->cert_pem);
    km_secret_copy(&ret->key_pem, &fake->identity->key_pem);
  }
  ret->expires_wall_ms = fake->life_ms != 0 ? km_clock_wall_ms() + fake->life_ms : 0;
  return KM_OK;
}

static inline void fake_close(struct km_provider *provider)
{
  (void)provider;
}

static const struct km_provider_ops fake_ops = {
    .kind = "fake",
    .open = fake_open,
    .contexts = fake_contexts,
    .resolve = fake_resolve,
    .credential = fake_credential,
    .close = fake_close,
};

/* -- the world ---------------------------------------------------------------------------------------------------- */

struct world {
  struct km_loop *loop;
  struct server *server;
  struct fake_provider fake;
  struct km_client_options options;
  struct km_client *client; /* made by world_client */
  struct km_arena *arena;
  struct km_error err;
};

/* A world whose server answers with HANDLER; DATA is the server's. The client comes with world_client. */
static inline struct world *world_new(server_handler *handler, const void *data)
{
  struct world *world = calloc(1, sizeof(*world));
  assert_int_equal(km_loop_new(&world->loop, &world->err), KM_OK);
  world->server = server_start(handler, data, NULL, NULL);
  world->arena = km_arena_new(64 * MIB);
  world->fake.provider = (struct km_provider){.ops = &fake_ops, .state = &world->fake, .default_context = ""};
  pthread_mutex_init(&world->fake.mutex, NULL);
  world->fake.server = world->server->url;
  world->fake.endpoint.user = "tester";
  world->fake.bearer = "token-1";
  world->options = (struct km_client_options){.qps = 0,
                                              .burst = 10,
                                              .timeout_ms = 5000,
                                              .connect_timeout_ms = 2000,
                                              .discovery_ttl_ms = 60000,
                                              .rbac_ttl_ms = 5000,
                                              .max_response_bytes = 4 * MIB};
  return world;
}

static inline struct km_client *world_client(struct world *world)
{
  struct km_endpoint endpoint = {0};
  assert_int_equal(fake_resolve(&world->fake.provider, "prod", false, world->arena, &endpoint, &world->err),
                   KM_OK);
  if (km_client_new(world->loop, &world->fake.provider, &endpoint, &world->options, &world->client,
                    &world->err) != KM_OK) {
    fail_msg("%s", world->err.message);
  }
  return world->client;
}

static inline void world_free(struct world *world)
{
  km_client_unref(world->client);
  km_arena_free(world->arena);
  server_stop(world->server);
  km_loop_free(world->loop);
  pthread_mutex_destroy(&world->fake.mutex);
  free(world);
}

/* -- requests ----------------------------------------------------------------------------------------------------- */

static inline struct km_kube_request get_of(const char *path)
{
  return (struct km_kube_request){.path = path};
}

/* Expects a 2xx answer to REQUEST and returns its body, which the world's arena keeps. */
static inline const char *expect_answer(struct world *world, const struct km_kube_request *request)
{
  struct km_http_response response;
  if (km_client_do(world->client, request, &response, &world->err) != KM_OK) {
    fail_msg("%s: %s", request->path, world->err.message);
  }
  const char *body = km_arena_strndup(world->arena, response.body.data, response.body.len);
  km_http_response_done(&response);
  return body;
}

/* Expects REQUEST to fail with RC; the error stays in the world. */
static inline const struct km_error *expect_error(struct world *world, const struct km_kube_request *request,
                                                  enum km_rc rc)
{
  struct km_http_response untouched = {.status = 12345};
  km_error_clear(&world->err);
  enum km_rc got = km_client_do(world->client, request, &untouched, &world->err);
  if (got != rc || world->err.code != rc) {
    fail_msg("%s ended with %d, not %d: %s", request->path, (int)got, (int)rc, world->err.message);
  }
  assert_int_equal(untouched.status, 12345);
  return &world->err;
}

/* TEXT, with ' for ", as a document of the arena. */
static inline yyjson_val *json_of(struct km_arena *arena, const char *text)
{
  char *copy = km_arena_strdup(arena, text);
  for (char *c = copy; *c != '\0'; c++) {
    *c = *c == '\'' ? '"' : *c;
  }
  yyjson_doc *doc = NULL;
  struct km_error err = {0};
  if (km_json_parse(arena, copy, strlen(copy), KM_JSON_MAX_DEPTH, &doc, &err) != KM_OK) {
    fail_msg("%s in %s", err.message, copy);
  }
  return yyjson_doc_get_root(doc);
}

/* Runs FN(DATA) on COUNT threads at once. */
static inline void in_parallel(unsigned count, void *(*fn)(void *data), void *data)
{
  pthread_t threads[32];
  assert_true(count <= KM_ARRAY_LEN(threads));
  for (unsigned i = 0; i < count; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, fn, data), 0);
  }
  for (unsigned i = 0; i < count; i++) {
    pthread_join(threads[i], NULL);
  }
}

static inline uint64_t elapsed_ms_since(uint64_t start_ns)
{
  return (km_clock_ns() - start_ns) / KM_NS_PER_MS;
}

#endif
