/* Logins: the credential a client presents, when it is renewed, and the connections that carry it.
 *
 * Owns the client's current login. A login is immutable and counted: replacing it does not disturb the calls that use
 * it. Connections belong to the certificate they were made with, so a login with the same certificate and another token
 * takes them over, and one with another certificate builds new ones; the old close when their last call ends. A
 * credential is renewed at 80 % of its life by one call while the others go on with what there is (a failure is then
 * retried after RETRY_MS and reported only once the old one has expired), and at once when a server refuses it. The
 * provider is asked by one thread at a time, without a lock held. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "kube_mcp/base/alloc.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/base/sync.h"

#include "kube_mcp/base/banned.h"

#define RETRY_MS   10000 /* also the longest that a call is held up by renewing in advance */
#define GRACE_MS   5000  /* a credential that is expired on arrival is used this long: clocks differ */
#define USER_AGENT "kube-mcp/" KM_VERSION

static void add_http_stats(struct km_http_stats *sum, const struct km_http_stats *part)
{
  sum->requests += part->requests;
  sum->connections_opened += part->connections_opened;
  sum->bytes_in += part->bytes_in;
  sum->bytes_out += part->bytes_out;
}

/* The last call on these connections closes them; their counters live on in the client. */
static void transport_unref(struct km_client *client, struct km_transport *transport)
{
  if (transport == NULL || atomic_fetch_sub_explicit(&transport->refs, 1, memory_order_acq_rel) > 1) {
    return;
  }
  struct km_http_stats stats = {0};
  km_http_client_stats(transport->http, &stats);
  km_http_client_free(transport->http);
  free(transport);
  KM_SCOPED_LOCK(&client->mutex);
  add_http_stats(&client->retired, &stats);
}

static struct km_transport *transport_ref(struct km_transport *transport)
{
  atomic_fetch_add_explicit(&transport->refs, 1, memory_order_relaxed);
  return transport;
}

static struct km_login *login_ref(struct km_login *login)
{
  atomic_fetch_add_explicit(&login->refs, 1, memory_order_relaxed);
  return login;
}

void km_login_unref(struct km_client *client, struct km_login *login)
{
  if (login == NULL || atomic_fetch_sub_explicit(&login->refs, 1, memory_order_acq_rel) > 1) {
    return;
  }
  transport_unref(client, login->transport);
  km_credential_done(&login->credential);
  free(login);
}

static bool same_certificate(const struct km_credential *a, const struct km_credential *b)
{
  return km_secret_equal(&a->cert_pem, &b->cert_pem) && km_secret_equal(&a->key_pem, &b->key_pem);
}

bool km_login_same(const struct km_login *a, const struct km_login *b)
{
  return same_certificate(&a->credential, &b->credential) &&
         km_secret_equal(&a->credential.bearer, &b->credential.bearer) &&
         km_secret_equal(&a->credential.user, &b->credential.user) &&
         km_secret_equal(&a->credential.password, &b->credential.password);
}

/* Hosts that are surely near: compressing for them costs more than it saves. */
static bool is_near(const char *server)
{
  static const char *const near[] = {"//127.", "//localhost", "//[::1]",
                                     "//10.",  "//192.168.",  "//kubernetes.default"};
  const char *host = strstr(server, "//");
  for (size_t i = 0; host != NULL && i < KM_ARRAY_LEN(near); i++) {
    if (km_starts_with(host, near[i])) {
      return true;
    }
  }
  return false;
}

/* New connections for the certificate of CREDENTIAL, or for none. Connects nothing yet. */
static enum km_rc transport_new(struct km_client *client, const struct km_credential *credential,
                                struct km_transport **ret, struct km_error *err)
{
  const struct km_endpoint *endpoint = &client->endpoint;
  bool certificate = !km_secret_empty(&credential->cert_pem);
  struct km_http_options options = {
      .base_url = endpoint->server,
      .tls_server_name = endpoint->tls_server_name,
      .proxy_url = endpoint->proxy_url,
      .ca_pem = endpoint->ca_pem,
      .ca_pem_len = endpoint->ca_pem_len,
      .client_cert_pem = certificate ? &credential->cert_pem : NULL,
      .client_key_pem = certificate ? &credential->key_pem : NULL,
      .insecure_skip_verify = endpoint->insecure_skip_verify,
      .http2 = client->options.http2,
      .accept_encoding = !endpoint->disable_compression && !is_near(endpoint->server),
      .connect_timeout_ms = client->options.connect_timeout_ms,
      .user_agent = USER_AGENT,
  };
  struct km_http_client *http = NULL;
  enum km_rc rc = km_http_client_new(client->loop, &options, &http, err);
  if (rc != KM_OK) {
    return rc;
  }
  *ret = KM_NEW(struct km_transport);
  atomic_init(&(*ret)->refs, 1);
  (*ret)->http = http;
  return KM_OK;
}

/* Makes the login after OLD (NULL = the first) from CREDENTIAL, which is taken over on success. */
static enum km_rc login_new(struct km_client *client, const struct km_login *old,
                            struct km_credential *credential, struct km_login **ret, struct km_error *err)
{
  struct km_transport *transport = NULL;
  if (old != NULL && same_certificate(&old->credential, credential)) {
    transport = transport_ref(old->transport);
  } else {
    enum km_rc rc = transport_new(client, credential, &transport, err);
    if (rc != KM_OK) {
      return rc;
    }
  }
  struct km_login *login = KM_NEW(struct km_login);
  atomic_init(&login->refs, 1);
  login->transport = transport;
  login->credential = *credential;
  *credential = (struct km_credential){0};
  login->serial = old != NULL ? old->serial + 1 : 1;
  *ret = login;
  return KM_OK;
}

/* When LOGIN expires and when to renew it, from the credential's wall-clock expiry. */
static void schedule(struct km_client *client, struct km_login *login)
{
  client->renew_login_ns = 0;
  if (login->credential.expires_wall_ms == 0) { /* until a server says otherwise */
    return;
  }
  uint64_t now_ns = km_clock_ns();
  int64_t life_ms = login->credential.expires_wall_ms - km_clock_wall_ms();
  uint64_t life_ns = (uint64_t)(life_ms > GRACE_MS ? life_ms : GRACE_MS) * KM_NS_PER_MS;
  login->expires_ns = now_ns + life_ns;
  client->renew_login_ns = now_ns + life_ns / 5 * 4;
}

/* The leader's part: a fresh credential from the provider becomes the current login. */
static enum km_rc renew(struct km_client *client, bool force, km_deadline deadline, struct km_cancel *cancel,
                        struct km_error *err)
{
  KM_CLEANUP(km_credential_done) struct km_credential credential = {0};
  enum km_rc rc = client->provider->ops->credential(client->provider, &client->endpoint, force, deadline,
                                                    cancel, &credential, err);
  atomic_fetch_add_explicit(&client->refreshes, 1, memory_order_relaxed);
  if (rc != KM_OK) {
    return rc;
  }
  /* Only leaders replace the login, so the old one stays where it is until the lock is taken below. */
  struct km_login *login = NULL;
  rc = login_new(client, client->login, &credential, &login, err);
  if (rc != KM_OK) {
    return rc;
  }
  pthread_mutex_lock(&client->mutex);
  struct km_login *old = client->login;
  client->login = login;
  schedule(client, login);
  pthread_mutex_unlock(&client->mutex);
  km_login_unref(client, old);
  return KM_OK;
}

/* The current login if it is newer than NEWER_THAN and in force; NULL otherwise. *RET_DUE tells the one caller whose
 * turn it is to renew it in advance. */
static struct km_login *current_login(struct km_client *client, uint64_t newer_than, bool *ret_due)
{
  KM_SCOPED_LOCK(&client->mutex);
  struct km_login *login = client->login;
  uint64_t now_ns = km_clock_ns();
  *ret_due = false;
  if (login == NULL || login->serial <= newer_than ||
      (login->expires_ns != 0 && now_ns >= login->expires_ns)) {
    return NULL;
  }
  if (client->renew_login_ns != 0 && now_ns >= client->renew_login_ns) {
    client->renew_login_ns = now_ns + (uint64_t)RETRY_MS * KM_NS_PER_MS;
    *ret_due = true;
  }
  return login_ref(login);
}

/* Renews, or waits for whoever does. A leader that finds the work just done has nothing to do. */
static enum km_rc renew_once(struct km_client *client, uint64_t newer_than, bool in_advance,
                             km_deadline deadline, struct km_cancel *cancel, struct km_error *err)
{
  struct km_flight *lead = NULL;
  enum km_rc rc = km_flight_join(&client->flights, "login", deadline, cancel, &lead, err);
  if (rc != KM_OK || lead == NULL) {
    return rc;
  }
  bool due = false;
  struct km_login *login = in_advance ? NULL : current_login(client, newer_than, &due);
  if (login == NULL) {
    rc = renew(client, newer_than != 0, deadline, cancel, err);
  }
  km_login_unref(client, login);
  return km_flight_land(&client->flights, lead, rc, err);
}

enum km_rc km_login_acquire(struct km_client *client, uint64_t newer_than, km_deadline deadline,
                            struct km_cancel *cancel, struct km_login **ret, struct km_error *err)
{
  bool due = false;
  struct km_login *login = current_login(client, newer_than, &due);
  if (due) {
    struct km_error ignored; /* the login at hand is still good */
    km_deadline patience = km_deadline_min(deadline, km_deadline_in_ms(RETRY_MS));
    if (renew_once(client, newer_than, true, patience, cancel, &ignored) == KM_OK) {
      km_login_unref(client, login);
      login = current_login(client, newer_than, &due);
    }
  }
  while (login == NULL) {
    enum km_rc rc = renew_once(client, newer_than, false, deadline, cancel, err);
    if (rc != KM_OK) {
      return km_error_wrap(err, "context '%s'", client->endpoint.context);
    }
    login = current_login(client, newer_than, &due);
  }
  *ret = login;
  return KM_OK;
}
