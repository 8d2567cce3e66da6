/* The in-cluster provider: the pod's service account and the API server of its own cluster.
 *
 * Where things are comes from KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT and from the service account's
 * folder, looked up once at open; what the files hold is read each time, because the kubelet rotates tokens and CA by
 * swapping the files. State is immutable after open, so any thread may ask. KUBE_MCP_TEST_SERVICEACCOUNT_DIR names
 * another folder; only tests set it. Outside a cluster the server starts, and every use says what is missing. */
#include <stdlib.h>
#include <string.h>

#include "../entries.h"
#include "../registry.h"
#include "kube_mcp/base/file.h"
#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

#define CONTEXT             "in-cluster"
#define FOLDER              "/var/run/secrets/kubernetes.io/serviceaccount"
#define STATE_MAX_BYTES     ((size_t)64 * 1024)
#define NAMESPACE_MAX_BYTES ((size_t)1024)

struct state {
  struct km_arena *arena;
  const char *namespace_file;
  struct km_cluster_entry cluster;
  struct km_user_entry user;
  struct km_entry_pair pair; /* without the namespace, which is read each time */
};

/* NULL when NAME is not set or empty. */
static const char *environment(const char *name)
{
  const char *value = getenv(name); /* NOLINT(concurrency-mt-unsafe): nothing here changes the environment */
  return km_str_empty(value) ? NULL : value;
}

/* https://host:port, an IPv6 host in brackets; NULL outside a cluster. */
static const char *server_url(struct km_arena *arena)
{
  const char *host = environment("KUBERNETES_SERVICE_HOST");
  const char *port = environment("KUBERNETES_SERVICE_PORT");
  if (host == NULL || port == NULL) {
    return NULL;
  }
  bool is_v6 = strchr(host, ':') != NULL && host[0] != '[';
  return km_arena_printf(arena, is_v6 ? "https://[%s]:%s" : "https://%s:%s", host, port);
}

/* Nothing is read yet: the files may come and go, and what is missing is told by whoever needs it. */
static enum km_rc in_cluster_open(struct km_provider *provider, struct km_error *err KM_UNUSED)
{
  struct state *state = provider->state;
  struct km_arena *arena = state->arena = km_arena_new(STATE_MAX_BYTES);
  const char *test_folder = environment("KUBE_MCP_TEST_SERVICEACCOUNT_DIR");
  const char *folder = test_folder != NULL ? test_folder : FOLDER;
  state->namespace_file = km_path_join(arena, folder, "namespace");
  state->cluster = (struct km_cluster_entry){
      .name = CONTEXT,
      .label = "the API server of this pod",
      .server = server_url(arena),
      .ca_file = km_path_join(arena, folder, "ca.crt"),
  };
  if (state->cluster.server == NULL) {
    state->cluster.problem.text = "this process does not run in a cluster: KUBERNETES_SERVICE_HOST or "
                                  "KUBERNETES_SERVICE_PORT is not set; use provider = \"kubeconfig\" outside";
  }
  state->user = (struct km_user_entry){
      .name = "service-account",
      .label = "the service account of this pod",
      .token.file = km_path_join(arena, folder, "token"),
  };
  km_cluster_entry_prepare(&state->cluster, arena);
  km_user_entry_prepare(&state->user, arena);
  state->pair = (struct km_entry_pair){.context = CONTEXT, .cluster = &state->cluster, .user = &state->user};
  return KM_OK;
}

static void in_cluster_close(struct km_provider *provider)
{
  struct state *state = provider->state;
  km_arena_free(state->arena);
}

/* The pair with the pod's namespace, or without it where the file is missing or empty: the namespace is a convenience,
 * not a part of who we are. */
static struct km_entry_pair current_pair(const struct state *state, struct km_arena *arena)
{
  struct km_entry_pair pair = state->pair;
  char *text = NULL;
  struct km_error ignored;
  if (km_file_read(arena, state->namespace_file, NAMESPACE_MAX_BYTES, &text, NULL, &ignored) == KM_OK) {
    text[strcspn(text, " \t\r\n")] = '\0';
    pair.namespace = *text != '\0' ? text : NULL;
  }
  return pair;
}

static enum km_rc in_cluster_contexts(struct km_provider *provider, struct km_arena *arena,
                                      struct km_context_list *ret, struct km_error *err KM_UNUSED)
{
  struct km_entry_pair pair = current_pair(provider->state, arena);
  km_entry_pair_list(&pair, arena, ret);
  return KM_OK;
}

/* There is one cluster: a read that names another gets it all the same and is told so by endpoint->context, a write
 * does not. */
static enum km_rc in_cluster_resolve(struct km_provider *provider, const char *context, bool writes,
                                     struct km_arena *arena, struct km_endpoint *ret, struct km_error *err)
{
  if (writes && !km_str_empty(context) && !km_streq(context, CONTEXT)) {
    km_error_set_type(err, KM_E_NOT_FOUND, KM_TYPE_UNKNOWN_CONTEXT,
                      "context '%s' does not exist: running in a cluster, the only context is '" CONTEXT "'",
                      context);
    return km_error_hint(err, "leave `context` out to change the cluster that this server runs in");
  }
  struct km_entry_pair pair = current_pair(provider->state, arena);
  return km_entry_pair_endpoint(&pair, arena, ret, err);
}

/* FORCE makes no difference: the token file is read each time, and holds the newest token there is. */
static enum km_rc in_cluster_credential(struct km_provider *provider,
                                        const struct km_endpoint *endpoint KM_UNUSED, bool force KM_UNUSED,
                                        km_deadline deadline KM_UNUSED, struct km_cancel *cancel KM_UNUSED,
                                        struct km_credential *ret, struct km_error *err)
{
  const struct state *state = provider->state;
  return km_entry_pair_credential(&state->pair, ret, err);
}

const struct km_provider_ops km_provider_in_cluster = {
    .kind = CONTEXT,
    .state_size = sizeof(struct state),
    .open = in_cluster_open,
    .contexts = in_cluster_contexts,
    .resolve = in_cluster_resolve,
    .credential = in_cluster_credential,
    .close = in_cluster_close,
};
