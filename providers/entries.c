/* The rules by which a cluster and a user become an endpoint and a credential.
 *
 * Owns nothing; entries belong to their source. Rules that kubectl enforces at use are enforced here at use: an entry
 * that breaks one has a `problem` and spoils only the contexts that name it. Messages carry labels, names and paths,
 * never credentials: URLs lose their userinfo before they are kept. Files are read each time they are needed, bounded
 * by the limits in the header. Read-only after prepare, so safe on any thread. */
#include "entries.h"

#include <string.h>

#include "kube_mcp/base/file.h"
#include "kube_mcp/base/str.h"
#include "server_url.h"

#include "kube_mcp/base/banned.h"

/* What took the place of an auth-provider stanza. */
static const struct {
  const char *provider, *replacement;
} auth_provider_replacements[] = {
    {"gcp", "the exec plugin gke-gcloud-auth-plugin"},
    {"azure", "the exec plugin kubelogin"},
    {"oidc", "the exec plugin kubectl-oidc_login"},
};

/* A token becomes a header line: a line break in it would start another one. */
static bool is_one_line(const struct km_secret *secret)
{
  return km_secret_empty(secret) || !km_has_control_chars(secret->data, secret->len);
}

/* ---- clusters ---- */

static const char *cluster_problem(struct km_cluster_entry *cluster, struct km_arena *arena)
{
  const char *written = cluster->server;
  cluster->server = "";
  if (km_str_empty(written)) {
    return "has no server";
  }
  const char *server_problem = km_server_url_normalise(arena, written, &cluster->server);
  if (server_problem != NULL) {
    return km_arena_printf(arena, "cannot be used: its server %s", server_problem);
  }
  if (cluster->proxy_url != NULL && !km_proxy_url_is_supported(cluster->proxy_url)) {
    return "has a proxy URL that does not start with http://, https:// or socks5://";
  }
  /* kubectl announces that the data will win and then refuses all the same. */
  if (cluster->ca_file != NULL && cluster->ca_pem.data != NULL) {
    return "names its CA twice, as file and as data; keep one";
  }
  if (cluster->insecure_skip_verify && (cluster->ca_file != NULL || cluster->ca_pem.data != NULL)) {
    return "has a CA and also says not to verify the server; drop one of the two";
  }
  return NULL;
}

/* A problem that the source has found already stays: it knows more. */
void km_cluster_entry_prepare(struct km_cluster_entry *cluster, struct km_arena *arena)
{
  const char *problem = cluster_problem(cluster, arena);
  if (problem != NULL && cluster->problem.text == NULL) {
    cluster->problem.text = km_arena_printf(arena, "%s %s", cluster->label, problem);
  }
}

/* ---- users ---- */

/* Of token, certificate and key: what counts is whether there is one, and that there are not two. */
static bool is_set(const struct km_entry_secret *secret)
{
  return secret->file != NULL || !km_secret_empty(&secret->data);
}

static bool is_set_twice(const struct km_entry_secret *secret)
{
  return secret->file != NULL && !km_secret_empty(&secret->data);
}

static const char *auth_provider_problem(const struct km_user_entry *user, struct km_arena *arena)
{
  const char *replacement = "an exec plugin";
  for (size_t i = 0; i < KM_ARRAY_LEN(auth_provider_replacements); i++) {
    if (km_streq(user->auth_provider, auth_provider_replacements[i].provider)) {
      replacement = auth_provider_replacements[i].replacement;
    }
  }
  return km_arena_printf(
      arena,
      "uses the auth-provider '%s', a stanza that Kubernetes has removed; %s replaces it, and a "
      "token or client certificate works too",
      user->auth_provider, replacement);
}

/* What client-go refuses to use. A key without certificate is not among it: that is passed over. */
static const char *user_problem(const struct km_user_entry *user, struct km_arena *arena)
{
  bool has_token = is_set(&user->token);
  bool has_basic = user->username != NULL || !km_secret_empty(&user->password);
  if (user->auth_provider != NULL) {
    return auth_provider_problem(user, arena);
  }
  if (has_token && has_basic) {
    return "has a token and also a username or password; keep one";
  }
  if (!is_one_line(&user->token.data)) {
    return "has a token with line breaks or other control characters";
  }
  if (is_set(&user->certificate)) {
    if (is_set_twice(&user->certificate)) {
      return "names its client certificate twice, as file and as data; keep one";
    }
    if (is_set_twice(&user->key)) {
      return "names its client key twice, as file and as data; keep one";
    }
    if (!is_set(&user->key)) {
      return "has a client certificate but no client key";
    }
  }
  if (user->as.user == NULL &&
      (user->as.uid != NULL || user->as.group_count > 0 || user->as.extra_count > 0)) {
    return "impersonates a uid, groups or extra fields but no user; add `as`";
  }
  return NULL;
}

/* A token or a password makes kubectl pass over the exec plugin. */
static bool needs_exec(const struct km_user_entry *user)
{
  return user->exec_command != NULL && !is_set(&user->token) && user->username == NULL;
}

/* File and data have tags of their own: a token that reads like a path is not that path. */
static void add_secret(struct km_digest *digest, uint8_t file_tag, uint8_t data_tag,
                       const struct km_entry_secret *secret)
{
  km_digest_add_text(digest, file_tag, secret->file);
  km_digest_add(digest, data_tag, secret->data.data, secret->data.len);
}

/* Everything that says who we are goes in, but of files only their names: their content may rotate under one and the
 * same identity. */
static void digest_user(struct km_user_entry *user)
{
  struct km_digest digest = {0};
  add_secret(&digest, 'T', 't', &user->token);
  add_secret(&digest, 'C', 'c', &user->certificate);
  add_secret(&digest, 'K', 'k', &user->key);
  km_digest_add_text(&digest, 'u', user->username);
  km_digest_add(&digest, 'p', user->password.data, user->password.len);
  km_digest_add_text(&digest, 'x', user->exec_command);
  km_digest_hex(&digest, user->digest);
}

void km_user_entry_prepare(struct km_user_entry *user, struct km_arena *arena)
{
  digest_user(user);
  if (user->problem.text != NULL) {
    return;
  }
  const char *problem = user_problem(user, arena);
  if (problem == NULL && needs_exec(user)) {
    problem =
        km_arena_printf(arena,
                        "signs in through the exec plugin '%s', which kube-mcp does not run; give the user a "
                        "token, a tokenFile or a client certificate instead",
                        user->exec_command);
    /* The kubeconfig is right, so the error is not that it is invalid. */
    user->problem.type = KM_TYPE_FEATURE_DISABLED;
  }
  if (problem != NULL) {
    user->problem.text = km_arena_printf(arena, "%s %s", user->label, problem);
  }
}

void km_user_entry_done(struct km_user_entry *user)
{
  km_secret_done(&user->token.data);
  km_secret_done(&user->certificate.data);
  km_secret_done(&user->key.data);
  km_secret_done(&user->password);
}

/* ---- pairs ---- */

/* The problem that keeps PAIR from being used, the cluster's first. */
static const struct km_entry_problem *static_problem(const struct km_entry_pair *pair)
{
  if (pair->cluster->problem.text != NULL || pair->user == NULL) {
    return &pair->cluster->problem;
  }
  return &pair->user->problem;
}

/* "LABEL: WHAT 'PATH' does not exist", or NULL if it does or none is named. The commonest trouble of a kubeconfig that was
 * mounted into a container without the files beside it. */
static const char *missing_file(const char *label, const char *what, const char *path, struct km_arena *arena)
{
  if (path == NULL || km_file_stamp(path) != 0) {
    return NULL;
  }
  return km_arena_printf(arena, "%s: %s '%s' does not exist", label, what, path);
}

/* Why PAIR cannot be used, or NULL. */
static const char *pair_problem(const struct km_entry_pair *pair, struct km_arena *arena)
{
  const char *problem = static_problem(pair)->text;
  if (problem == NULL) {
    problem = missing_file(pair->cluster->label, "CA file", pair->cluster->ca_file, arena);
  }
  const struct km_user_entry *user = pair->user;
  if (problem != NULL || user == NULL) {
    return problem;
  }
  if (is_set(&user->certificate)) {
    problem = missing_file(user->label, "client certificate", user->certificate.file, arena);
    if (problem == NULL) {
      problem = missing_file(user->label, "client key", user->key.file, arena);
    }
  }
  if (problem == NULL && km_secret_empty(&user->token.data)) {
    problem = missing_file(user->label, "token file", user->token.file, arena);
  }
  return problem;
}

struct km_context_info km_entry_pair_info(const struct km_entry_pair *pair, struct km_arena *arena)
{
  return (struct km_context_info){
      .name = pair->context,
      .cluster = pair->cluster->name,
      .user = pair->user != NULL ? pair->user->name : "",
      .namespace = pair->namespace != NULL ? pair->namespace : "",
      .server = pair->cluster->server,
      .problem = pair_problem(pair, arena),
  };
}

void km_entry_pair_list(const struct km_entry_pair *pair, struct km_arena *arena, struct km_context_list *ret)
{
  struct km_context_info *info = KM_ARENA_NEW(arena, struct km_context_info);
  *info = km_entry_pair_info(pair, arena);
  *ret = (struct km_context_list){.items = info, .count = 1, .current = pair->context};
}

/* What a listing shows as a problem is an error on use. */
static enum km_rc check_usable(const struct km_entry_pair *pair, struct km_error *err)
{
  const struct km_entry_problem *problem = static_problem(pair);
  if (problem->text == NULL) {
    return KM_OK;
  }
  return km_error_set_type(err, KM_E_INVALID,
                           problem->type != KM_TYPE_DEFAULT ? problem->type : pair->error_type, "%s",
                           problem->text);
}

/* Turns the failure to read a file that PAIR names into an error about the entry that names it. */
static enum km_rc file_error(const struct km_entry_pair *pair, const char *label, const char *what,
                             const struct km_error *cause, struct km_error *err)
{
  km_error_set_type(err, KM_E_INVALID, pair->error_type, "%s: %s: %s", label, what, cause->message);
  return cause->hint[0] != '\0' ? km_error_hint(err, "%s", cause->hint) : err->code;
}

/* The CA of ENDPOINT: read now if it is a file, so that a rotated CA makes another identity. */
static enum km_rc read_ca(const struct km_entry_pair *pair, struct km_arena *arena,
                          struct km_endpoint *endpoint, struct km_error *err)
{
  const struct km_cluster_entry *cluster = pair->cluster;
  if (cluster->ca_file == NULL) {
    endpoint->ca_pem = cluster->ca_pem.data;
    endpoint->ca_pem_len = cluster->ca_pem.len;
    return KM_OK;
  }
  char *pem = NULL;
  struct km_error cause;
  if (km_file_read(arena, cluster->ca_file, KM_CERTIFICATE_MAX_BYTES, &pem, &endpoint->ca_pem_len, &cause) !=
      KM_OK) {
    return file_error(pair, cluster->label, "CA file", &cause, err);
  }
  endpoint->ca_pem = pem;
  return KM_OK;
}

/* The user's digest and the stamps of its certificate files: a rotated certificate makes a new identity, and with it
 * new connections. Token files are left out, since a rotated token is no other identity. */
static const char *credential_source(const struct km_user_entry *user, struct km_arena *arena)
{
  if (user == NULL) {
    return "anonymous";
  }
  uint64_t stamps[2] = {0};
  if (user->certificate.file != NULL) {
    stamps[0] = km_file_stamp(user->certificate.file);
  }
  if (user->key.file != NULL) {
    stamps[1] = km_file_stamp(user->key.file);
  }
  return km_arena_printf(arena, "%s %016llx %016llx", user->digest, (unsigned long long)stamps[0],
                         (unsigned long long)stamps[1]);
}

/* Strings are handed on, not copied: the source outlives the endpoint. */
enum km_rc km_entry_pair_endpoint(const struct km_entry_pair *pair, struct km_arena *arena,
                                  struct km_endpoint *ret, struct km_error *err)
{
  const struct km_cluster_entry *cluster = pair->cluster;
  const struct km_user_entry *user = pair->user;
  enum km_rc rc = check_usable(pair, err);
  if (rc != KM_OK) {
    return rc;
  }
  struct km_endpoint endpoint = {
      .context = pair->context,
      .server = cluster->server,
      .tls_server_name = cluster->tls_server_name,
      .proxy_url = cluster->proxy_url,
      .default_namespace = pair->namespace,
      .cluster = cluster->name,
      .user = user != NULL ? user->name : "",
      .insecure_skip_verify = cluster->insecure_skip_verify,
      .disable_compression = cluster->disable_compression,
  };
  rc = read_ca(pair, arena, &endpoint, err);
  if (rc != KM_OK) {
    return rc;
  }
  if (user != NULL) {
    endpoint.as.user = user->as.user;
    endpoint.as.uid = user->as.uid;
    endpoint.as.groups = user->as.groups;
    endpoint.as.group_count = user->as.group_count;
    endpoint.as.extra = user->as.extra;
    endpoint.as.extra_count = user->as.extra_count;
  }
  km_endpoint_seal(&endpoint, credential_source(user, arena));
  *ret = endpoint;
  return KM_OK;
}

/* ---- credentials ---- */

/* Drops the white space around a token, in place. */
static void trim_secret(struct km_secret *secret)
{
  size_t start = 0;
  size_t end = secret->len;
  while (start < end && strchr(" \t\r\n", secret->data[start]) != NULL) {
    start++;
  }
  while (end > start && strchr(" \t\r\n", secret->data[end - 1]) != NULL) {
    end--;
  }
  if (end - start < secret->len) {
    struct km_secret trimmed = {0};
    km_secret_set(&trimmed, secret->data + start, end - start);
    km_secret_done(secret);
    *secret = trimmed;
  }
}

/* Tokens are written with a line break behind them by every tool and hand. */
static enum km_rc read_token_file(const struct km_entry_pair *pair, struct km_secret *ret,
                                  struct km_error *err)
{
  const struct km_user_entry *user = pair->user;
  struct km_secret token = {0};
  struct km_error cause;
  if (km_file_read_secret(user->token.file, KM_TOKEN_MAX_BYTES, &token, &cause) != KM_OK) {
    return file_error(pair, user->label, "token file", &cause, err);
  }
  trim_secret(&token);
  const char *problem = km_secret_empty(&token) ? "is empty"
                        : !is_one_line(&token)  ? "holds more than one line, or control characters"
                                                : NULL;
  if (problem != NULL) {
    km_secret_done(&token);
    return km_error_set_type(err, KM_E_INVALID, pair->error_type, "%s: token file '%s' %s", user->label,
                             user->token.file, problem);
  }
  *ret = token;
  return KM_OK;
}

/* A readable token file wins over a token, which in turn stands in for an unreadable one (client-go's rule). */
static enum km_rc get_token(const struct km_entry_pair *pair, struct km_credential *credential,
                            struct km_error *err)
{
  const struct km_entry_secret *token = &pair->user->token;
  if (token->file != NULL) {
    enum km_rc rc = read_token_file(pair, &credential->bearer, err);
    if (rc == KM_OK || km_secret_empty(&token->data)) {
      credential->expires_wall_ms = km_clock_wall_ms() + KM_TOKEN_FILE_TTL_MS;
      return rc;
    }
  }
  km_secret_copy(&credential->bearer, &token->data);
  return KM_OK;
}

/* Whether it is PEM at all, and whether key and certificate belong together, is found out by the TLS layer. */
static enum km_rc get_pem(const struct km_entry_pair *pair, const struct km_entry_secret *source,
                          const char *what, struct km_secret *ret, struct km_error *err)
{
  if (source->file == NULL) {
    km_secret_copy(ret, &source->data);
    return KM_OK;
  }
  struct km_error cause;
  if (km_file_read_secret(source->file, KM_CERTIFICATE_MAX_BYTES, ret, &cause) != KM_OK) {
    return file_error(pair, pair->user->label, what, &cause, err);
  }
  return KM_OK;
}

/* A client certificate and a token may go together: one is shown in the TLS handshake, the other in each request. */
static enum km_rc fill_credential(const struct km_entry_pair *pair, struct km_credential *credential,
                                  struct km_error *err)
{
  const struct km_user_entry *user = pair->user;
  if (is_set(&user->certificate)) {
    enum km_rc rc = get_pem(pair, &user->certificate, "client certificate", &credential->cert_pem, err);
    if (rc == KM_OK) {
      rc = get_pem(pair, &user->key, "client key", &credential->key_pem, err);
    }
    if (rc != KM_OK) {
      return rc;
    }
  }
  if (is_set(&user->token)) {
    return get_token(pair, credential, err);
  }
  if (user->username != NULL) {
    km_secret_set(&credential->user, user->username, strlen(user->username));
    km_secret_copy(&credential->password, &user->password);
  }
  return KM_OK;
}

enum km_rc km_entry_pair_credential(const struct km_entry_pair *pair, struct km_credential *ret,
                                    struct km_error *err)
{
  enum km_rc rc = check_usable(pair, err);
  if (rc != KM_OK) {
    return rc;
  }
  struct km_credential credential = {0};
  if (pair->user != NULL && km_starts_with(pair->cluster->server, "https://")) {
    rc = fill_credential(pair, &credential, err);
    if (rc != KM_OK) {
      km_credential_done(&credential);
      return rc;
    }
  }
  *ret = credential;
  return KM_OK;
}
