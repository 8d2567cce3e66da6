/* The single provider: one cluster and one identity, written in our own configuration.
 *
 * Owns one cluster entry and one user entry, made of the keys of [kubernetes.single] at open and immutable since, so
 * any thread may ask. Certificates given as data are PEM, or Base64 of PEM as in a kubeconfig. What is wrong with the
 * section is told when the context is listed or used, so that the server starts. Files that the section names are read
 * each time they are needed. */
#include <string.h>

#include "../entries.h"
#include "../registry.h"
#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

#define STATE_MAX_BYTES ((size_t)4 * 1024 * 1024)
#define SECTION         "kubernetes.single"

/* As the configuration fills it; texts are never NULL. */
struct single_config {
  const char *name;
  const char *server;
  const char *certificate_authority;
  const char *certificate_authority_data;
  const char *client_certificate;
  const char *client_key;
  struct km_secret client_certificate_data;
  struct km_secret client_key_data;
  struct km_secret token;
  const char *username;
  struct km_secret password;
  const char *tls_server_name;
  bool insecure_skip_tls_verify;
  const char *proxy_url;
  const char *namespace;
};

#define FIELD(member, field_type, default_text, text)                                                        \
  {                                                                                                          \
    .section = SECTION, .name = #member, .type = (field_type),                                               \
    .offset = offsetof(struct single_config, member), .fallback = (default_text), .doc = (text)              \
  }

static const struct km_field fields[] = {
    FIELD(name, KM_FIELD_STRING, "\"default\"", "What the one context is called."),
    FIELD(server, KM_FIELD_STRING, "\"\"", "URL of the API server: https://host:port."),
    FIELD(certificate_authority, KM_FIELD_PATH, "\"\"",
          "File with the CA certificates of the server. Empty: the system's."),
    FIELD(certificate_authority_data, KM_FIELD_STRING, "\"\"", "The same as text: PEM, or Base64 of it."),
    FIELD(client_certificate, KM_FIELD_PATH, "\"\"", "File with the client certificate."),
    FIELD(client_key, KM_FIELD_PATH, "\"\"", "File with the key of the client certificate."),
    FIELD(client_certificate_data, KM_FIELD_SECRET, "\"\"",
          "The client certificate as text: PEM, or Base64 of it."),
    FIELD(client_key_data, KM_FIELD_SECRET, "\"\"", "The client key as text: PEM, or Base64 of it."),
    FIELD(token, KM_FIELD_SECRET, "\"\"", "Bearer token."),
    FIELD(username, KM_FIELD_STRING, "\"\"", "User name of basic authentication."),
    FIELD(password, KM_FIELD_SECRET, "\"\"", "Password of basic authentication."),
    FIELD(tls_server_name, KM_FIELD_STRING, "\"\"",
          "Name expected in the server's certificate, if it is not the one in the URL."),
    FIELD(insecure_skip_tls_verify, KM_FIELD_BOOL, "false", "Accept any server certificate. For tests only."),
    FIELD(proxy_url, KM_FIELD_STRING, "\"\"",
          "Proxy to the server: http://, https:// or socks5://host:port."),
    FIELD(namespace, KM_FIELD_STRING, "\"\"", "Namespace used when a call names none."),
    {0},
};

struct state {
  struct km_arena *arena; /* of what is decoded and of problems */
  struct km_cluster_entry cluster;
  struct km_user_entry user;
  struct km_entry_pair pair;
};

/* Empty strings of the configuration mean "not set". */
static const char *or_null(const char *text)
{
  return km_str_empty(text) ? NULL : text;
}

/* The PEM in TEXT, decoded if need be, as bytes of ARENA; NULL when TEXT is empty or, with PROBLEM set, neither. */
static char *decode_pem(struct km_arena *arena, const char *key, const char *text, size_t len,
                        size_t *ret_len, struct km_entry_problem *problem)
{
  *ret_len = len;
  if (len == 0) {
    return NULL;
  }
  if (memmem(text, len, "-----BEGIN", strlen("-----BEGIN")) != NULL) {
    return km_arena_strndup(arena, text, len);
  }
  uint8_t *bytes = NULL;
  struct km_error cause;
  if (km_base64_decode(arena, text, len, true, &bytes, ret_len, &cause) != KM_OK) {
    problem->text =
        km_arena_printf(arena, "[" SECTION "] %s is neither PEM nor Base64: %s", key, cause.message);
    return NULL;
  }
  return (char *)bytes;
}

/* The same into a secret, leaving no copy in ARENA. */
static void decode_secret_pem(struct km_arena *arena, const char *key, const struct km_secret *text,
                              struct km_secret *ret, struct km_entry_problem *problem)
{
  size_t len = 0;
  char *pem = decode_pem(arena, key, text->data, text->len, &len, problem);
  if (pem != NULL) {
    km_secret_set(ret, pem, len);
    km_wipe(pem, len);
  }
}

static void fill_cluster(struct state *state, const struct single_config *config)
{
  struct km_cluster_entry *cluster = &state->cluster;
  *cluster = (struct km_cluster_entry){
      .name = config->name,
      .label = "[" SECTION "]",
      .server = config->server,
      .tls_server_name = or_null(config->tls_server_name),
      .proxy_url = or_null(config->proxy_url),
      .ca_file = or_null(config->certificate_authority),
      .insecure_skip_verify = config->insecure_skip_tls_verify,
  };
  const char *ca = config->certificate_authority_data;
  cluster->ca_pem.data = decode_pem(state->arena, "certificate_authority_data", ca, strlen(ca),
                                    &cluster->ca_pem.len, &cluster->problem);
  km_cluster_entry_prepare(cluster, state->arena);
}

/* The user goes by the context's name: there is no other name for it in this section. */
static void fill_user(struct state *state, const struct single_config *config)
{
  struct km_user_entry *user = &state->user;
  *user = (struct km_user_entry){
      .name = config->name,
      .label = "[" SECTION "]",
      .certificate.file = or_null(config->client_certificate),
      .key.file = or_null(config->client_key),
      .username = or_null(config->username),
  };
  km_secret_copy(&user->token.data, &config->token);
  km_secret_copy(&user->password, &config->password);
  decode_secret_pem(state->arena, "client_certificate_data", &config->client_certificate_data,
                    &user->certificate.data, &user->problem);
  decode_secret_pem(state->arena, "client_key_data", &config->client_key_data, &user->key.data,
                    &user->problem);
  km_user_entry_prepare(user, state->arena);
}

/* Never fails: a problem stays in its entry until somebody asks. */
static enum km_rc single_open(struct km_provider *provider, struct km_error *err KM_UNUSED)
{
  const struct single_config *config = provider->config;
  struct state *state = provider->state;
  state->arena = km_arena_new(STATE_MAX_BYTES);
  fill_cluster(state, config);
  fill_user(state, config);
  state->pair = (struct km_entry_pair){
      .context = config->name,
      .namespace = or_null(config->namespace),
      .cluster = &state->cluster,
      .user = &state->user,
  };
  return KM_OK;
}

static void single_close(struct km_provider *provider)
{
  struct state *state = provider->state;
  km_user_entry_done(&state->user);
  km_arena_free(state->arena);
}

static enum km_rc single_contexts(struct km_provider *provider, struct km_arena *arena,
                                  struct km_context_list *ret, struct km_error *err KM_UNUSED)
{
  const struct state *state = provider->state;
  km_entry_pair_list(&state->pair, arena, ret);
  return KM_OK;
}

/* Reads and writes alike: a call that names another cluster must not be answered by this one. */
static enum km_rc single_resolve(struct km_provider *provider, const char *context, bool writes KM_UNUSED,
                                 struct km_arena *arena, struct km_endpoint *ret, struct km_error *err)
{
  const struct state *state = provider->state;
  const char *configured = state->pair.context;
  if (!km_str_empty(context) && !km_streq(context, configured)) {
    km_error_set_type(err, KM_E_NOT_FOUND, KM_TYPE_UNKNOWN_CONTEXT,
                      "Context '%s' not available in single-cluster mode (configured: %s)", context,
                      configured);
    return km_error_hint(err, "leave `context` out, or pass '%s'", configured);
  }
  return km_entry_pair_endpoint(&state->pair, arena, ret, err);
}

/* The configuration does not change under an open provider, so ENDPOINT can only be ours. */
static enum km_rc single_credential(struct km_provider *provider,
                                    const struct km_endpoint *endpoint KM_UNUSED, bool force KM_UNUSED,
                                    km_deadline deadline KM_UNUSED, struct km_cancel *cancel KM_UNUSED,
                                    struct km_credential *ret, struct km_error *err)
{
  const struct state *state = provider->state;
  return km_entry_pair_credential(&state->pair, ret, err);
}

const struct km_provider_ops km_provider_single = {
    .kind = "single",
    .fields = fields,
    .config_size = sizeof(struct single_config),
    .state_size = sizeof(struct state),
    .open = single_open,
    .contexts = single_contexts,
    .resolve = single_resolve,
    .credential = single_credential,
    .close = single_close,
};
