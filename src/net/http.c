/* HTTP clients and the blocking call.
 *
 * Owns the client object, its list of idle transfers and its counters. A call borrows a transfer, so requests
 * in steady state allocate next to nothing; the list never outgrows the number of callers and is emptied when
 * the client rests. Threads: `lock` guards the idle list, the counters and the way out; what the loop thread
 * owns is in http_driver.c. Closing order: no new callers, end what runs, wait for the callers to leave, let
 * the loop go of the memory. */
#include "kube_mcp/net/http.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "http_client.h"
#include "kube_mcp/base/alloc.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/base/sync.h"
#include "wait.h"

#include "kube_mcp/base/banned.h"

#define DEFAULT_CONNECTIONS 64U
#define DEFAULT_IDLE_MS     60000
#define DEFAULT_CONNECT_MS  3000

/* The client is unknown to the loop, or no longer known to it. */
static void free_client(struct km_http_client *client)
{
  km_tls_file_close(&client->ca);
  km_tls_file_close(&client->cert);
  km_tls_file_close(&client->key);
  km_target_done(&client->target);
  km_proxy_done(&client->proxy);
  free(client->user_agent);
  pthread_cond_destroy(&client->no_callers);
  pthread_mutex_destroy(&client->lock);
  free(client);
}

/* A server would answer an expired certificate with a bare TLS alert; saying it beforehand says more. */
static enum km_rc check_validity(int64_t not_before_ms, int64_t not_after_ms, struct km_error *err)
{
  int64_t now_ms = km_clock_wall_ms();
  char when[32];
  if (now_ms > not_after_ms) {
    km_rfc3339(when, sizeof(when), not_after_ms);
    km_error_set(err, KM_E_UNAUTHENTICATED, "the client certificate expired at %s", when);
    return km_error_hint(err, "renew the client certificate of this user");
  }
  if (now_ms < not_before_ms) {
    km_rfc3339(when, sizeof(when), not_before_ms);
    km_error_set(err, KM_E_UNAUTHENTICATED, "the client certificate is not valid before %s", when);
    return km_error_hint(err, "check this machine's clock");
  }
  return KM_OK;
}

static enum km_rc take_identity(struct km_http_client *client, const struct km_http_options *options,
                                struct km_error *err)
{
  const struct km_secret *cert = options->client_cert_pem, *key = options->client_key_pem;
  if (cert == NULL && key == NULL) {
    return KM_OK;
  }
  if (cert == NULL || key == NULL) {
    return km_error_set(err, KM_E_INVALID, "a client certificate needs its key, and a key its certificate");
  }
  int64_t not_before_ms = 0, not_after_ms = 0;
  enum km_rc rc = km_tls_check_certificates(cert->data, cert->len, "the client certificate", &not_before_ms,
                                            &not_after_ms, err);
  if (rc == KM_OK) {
    rc = km_tls_check_pair(cert->data, cert->len, key->data, key->len, "the client certificate", err);
  }
  if (rc == KM_OK) {
    rc = check_validity(not_before_ms, not_after_ms, err);
  }
  if (rc == KM_OK) {
    rc = km_tls_file_open("client-certificate", cert->data, cert->len, &client->cert, err);
  }
  if (rc == KM_OK) {
    rc = km_tls_file_open("client-key", key->data, key->len, &client->key, err);
  }
  return rc;
}

static enum km_rc take_authority(struct km_http_client *client, const struct km_http_options *options,
                                 struct km_error *err)
{
  if (options->ca_pem == NULL) {
    return KM_OK;
  }
  enum km_rc rc = km_tls_check_certificates(options->ca_pem, options->ca_pem_len, "the certificate authority",
                                            NULL, NULL, err);
  return rc != KM_OK ? rc
                     : km_tls_file_open("certificate-authority", options->ca_pem, options->ca_pem_len,
                                        &client->ca, err);
}

/* On failure CLIENT holds what was taken so far; free_client releases it. */
static enum km_rc take_options(struct km_http_client *client, const struct km_http_options *options,
                               struct km_error *err)
{
  enum km_rc rc = km_target_parse(options->base_url, options->tls_server_name, &client->target, err);
  if (rc == KM_OK) {
    rc = km_proxy_choose(options->proxy_url, &client->target, &client->proxy, err);
  }
  if (rc == KM_OK) {
    rc = take_authority(client, options, err);
  }
  return rc == KM_OK ? take_identity(client, options, err) : rc;
}

static bool wants_http2(enum km_http2 choice)
{
  switch (choice) {
  case KM_HTTP2_ON: return km_http_library_has_http2();
  case KM_HTTP2_OFF: return false;
  case KM_HTTP2_AUTO: break;
  }
  return km_http2_is_sound();
}

enum km_rc km_http_client_new(struct km_loop *loop, const struct km_http_options *options,
                              struct km_http_client **ret, struct km_error *err)
{
  enum km_rc rc = km_http_library_load(err);
  if (rc != KM_OK) {
    return rc;
  }
  struct km_http_client *client = KM_NEW(struct km_http_client);
  client->loop = loop;
  client->ca.fd = client->cert.fd = client->key.fd = -1;
  pthread_mutex_init(&client->lock, NULL);
  pthread_cond_init(&client->no_callers, NULL);
  rc = take_options(client, options, err);
  if (rc != KM_OK) {
    free_client(client);
    return rc;
  }
  client->connect_to.data = client->target.connect_to;
  client->user_agent = km_strdup(options->user_agent);
  client->insecure_skip_verify = options->insecure_skip_verify;
  client->http2 = client->target.tls && wants_http2(options->http2);
  client->accept_encoding = options->accept_encoding;
  int64_t connect_ms = options->connect_timeout_ms;
  client->connect_timeout_ms =
      connect_ms > 0 && connect_ms < LONG_MAX ? (long)connect_ms : DEFAULT_CONNECT_MS;
  client->max_connections = options->max_connections > 0 ? options->max_connections : DEFAULT_CONNECTIONS;
  client->idle_ms = (uint64_t)(options->idle_ms > 0 ? options->idle_ms : DEFAULT_IDLE_MS);
  *ret = client;
  return KM_OK;
}

void km_http_client_free(struct km_http_client *client)
{
  if (client == NULL) {
    return;
  }
  pthread_mutex_lock(&client->lock);
  client->closing = true;
  bool used = client->used;
  pthread_mutex_unlock(&client->lock);
  if (used) {
    km_loop_run_sync(client->loop, km_driver_close, client);
    pthread_mutex_lock(&client->lock);
    while (client->stats.in_flight > 0) {
      pthread_cond_wait(&client->no_callers, &client->lock);
    }
    pthread_mutex_unlock(&client->lock);
    sem_t released;
    sem_init(&released, 0, 0);
    client->released = &released;
    km_loop_run_sync(client->loop, km_driver_release, client);
    km_sem_wait(&released);
    sem_destroy(&released);
  }
  free_client(client);
}

/* Enters a call: a transfer nobody else uses. */
static enum km_rc borrow_transfer(struct km_http_client *client, struct km_transfer **ret,
                                  struct km_error *err)
{
  struct km_transfer *transfer = NULL;
  {
    KM_SCOPED_LOCK(&client->lock);
    if (client->closing) {
      return km_error_set(err, KM_E_CANCELLED, "the client of %s was closed", client->target.authority);
    }
    client->used = true;
    client->stats.in_flight++;
    client->stats.requests++;
    transfer = client->idle;
    if (transfer != NULL) {
      client->idle = transfer->next_idle;
    }
  }
  *ret = transfer != NULL ? transfer : km_transfer_new(client);
  return KM_OK;
}

/* Leaves a call. SENT: the transfer has been on the loop, so its figures count. */
static void return_transfer(struct km_transfer *transfer, bool sent)
{
  struct km_http_client *client = transfer->client;
  curl_off_t received = 0, uploaded = 0;
  long headers = 0, request = 0, connects = 0;
  if (sent) {
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_DOWNLOAD_T, &received);
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded);
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_HEADER_SIZE, &headers);
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &request);
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &connects);
  }
  km_transfer_reset(transfer);
  KM_SCOPED_LOCK(&client->lock);
  client->stats.bytes_in += (uint64_t)received + (uint64_t)headers;
  client->stats.bytes_out += (uint64_t)uploaded + (uint64_t)request;
  client->stats.connections_opened += (uint64_t)connects;
  transfer->next_idle = client->idle;
  client->idle = transfer;
  client->stats.in_flight--;
  if (client->closing && client->stats.in_flight == 0) {
    pthread_cond_signal(&client->no_callers);
  }
}

/* Runs on the thread that cancels. */
static void post_abort(void *data)
{
  struct km_transfer *transfer = data;
  transfer->abort_posted = true;
  km_loop_post(transfer->client->loop, &transfer->abort);
}

/* Sleeps until the loop has ended the transfer and holds nothing of it any more. */
static void run_transfer(struct km_transfer *transfer)
{
  struct km_cancel_hook hook = {.fn = post_abort, .data = transfer};
  struct km_cancel *cancel = transfer->request->cancel;
  bool streamed = transfer->request->on_piece != NULL;
  if (streamed) {
    km_stream_begin(transfer);
  }
  km_loop_post(transfer->client->loop, &transfer->start);
  km_cancel_hook_add(cancel, &hook); /* after the start, so that an abort comes after it too */
  if (streamed) {
    km_stream_deliver(transfer);
  }
  km_sem_wait(&transfer->done);
  km_cancel_hook_remove(cancel, &hook);
  if (transfer->abort_posted) {
    km_sem_wait(&transfer->done); /* the loop still holds the abort, or has just run it */
  }
  if (streamed) {
    km_stream_end(transfer);
  }
}

enum km_rc km_http_do(struct km_http_client *client, const struct km_http_request *request,
                      struct km_http_response *ret, struct km_error *err)
{
  KM_ASSERT(!km_loop_on_thread(client->loop));
  enum km_rc rc = km_cancel_check(request->cancel, err);
  if (rc != KM_OK) {
    return rc;
  }
  struct km_transfer *transfer = NULL;
  rc = borrow_transfer(client, &transfer, err);
  if (rc != KM_OK) {
    return rc;
  }
  rc = km_transfer_prepare(transfer, request, err);
  bool sent = rc == KM_OK;
  if (sent) {
    run_transfer(transfer);
    rc = km_transfer_result(transfer, ret, err);
  }
  return_transfer(transfer, sent);
  return rc;
}

void km_http_client_stats(const struct km_http_client *client, struct km_http_stats *ret)
{
  pthread_mutex_t *lock =
      (pthread_mutex_t *)(uintptr_t)&client->lock; /* reading does not change the client */
  KM_SCOPED_LOCK(lock);
  *ret = client->stats;
}
