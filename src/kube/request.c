/* One request to an API server: guarded, in its turn, with a valid credential, repeated where that is safe.
 *
 * Owns nothing beyond the call. Rules: a refused credential is renewed once and the request repeated if the new one
 * differs; a 429 is repeated whatever the method, for it was not processed; a 503 and a connection that broke are
 * repeated only for methods that read. At most MAX_TRIES, and never past the deadline: the answer at hand, or
 * RateLimited, is then the result. A 429 with Retry-After closes the client's gate, so everybody waits, not just
 * the one who was told. Blocking; no lock is held while sending. */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#include "kube_mcp/base/str.h"
#include "kube_mcp/kube/status.h"

#include "kube_mcp/base/banned.h"

#define MAX_TRIES          3
#define BACKOFF_MS         100
#define NOTICEABLE_WAIT_NS (500 * KM_NS_PER_MS)
#define MIN_SKEW_MS        INT64_C(2000)
#define MIN_BLANKED_BYTES  ((size_t)6)

/* A request under way. */
struct exchange {
  struct km_client *client;
  const struct km_kube_request *request;
  const char *method;
  km_deadline deadline;
  unsigned tries;
  bool reconnected; /* repeated because of a broken connection */
  bool delivered;   /* part of the answer has reached the caller: no repeating */
};

static bool is_reading(const char *method)
{
  return km_streq(method, "GET") || km_streq(method, "HEAD");
}

static uint64_t left_ns(km_deadline deadline)
{
  uint64_t now_ns = km_clock_ns();
  return deadline == 0 ? UINT64_MAX : (deadline > now_ns ? deadline - now_ns : 0);
}

/* Tells whoever is waiting why. Waits too short to be noticed are not worth a message. */
static void give_notice(const struct exchange *x, uint64_t wait_ns, const char *why)
{
  const struct km_observer *observer = x->request->observer;
  if (observer == NULL || observer->notice == NULL || wait_ns < NOTICEABLE_WAIT_NS) {
    return;
  }
  char text[192];
  (void)snprintf(text, sizeof(text), "context '%.100s': %s; waiting %.1f s", x->client->endpoint.context, why,
                 (double)wait_ns / (double)KM_NS_PER_S);
  observer->notice(observer->data, text);
}

/* The error of a call that has no time to wait for its turn. */
static enum km_rc no_turn(const struct exchange *x, uint64_t wait_ns, bool by_server, struct km_error *err)
{
  km_error_set(err, KM_E_RATE_LIMITED,
               "context '%s': %s, and the %.1f s to wait are longer than the deadline allows",
               x->client->endpoint.context,
               by_server ? "the API server asked for a pause" : "the client's request rate (qps) is used up",
               (double)wait_ns / (double)KM_NS_PER_S);
  uint64_t wait_ms = wait_ns / KM_NS_PER_MS + 1;
  err->retry_after_ms = wait_ms < UINT32_MAX ? (uint32_t)wait_ms : UINT32_MAX;
  return km_error_hint(err, "call again after that time");
}

/* Waits for the token bucket and the gate. */
static enum km_rc take_turn(struct exchange *x, struct km_error *err)
{
  struct km_limiter *limiter = &x->client->limiter;
  uint64_t gate_ns = km_limiter_closed_ns(limiter);
  uint64_t wait_ns = 0;
  if (km_limiter_reserve(limiter, x->deadline, &wait_ns) == UINT64_MAX) {
    return no_turn(x, wait_ns, gate_ns > 0, err);
  }
  if (wait_ns > 0) {
    atomic_fetch_add_explicit(&x->client->throttled, 1, memory_order_relaxed);
  }
  while (wait_ns > 0) {
    if (wait_ns > left_ns(x->deadline)) { /* the gate was closed again */
      km_limiter_give_back(limiter);
      return no_turn(x, wait_ns, true, err);
    }
    give_notice(x, wait_ns, gate_ns > 0 ? "rate limited by the API server" : "request rate (qps) used up");
    enum km_rc rc = km_pause(wait_ns, x->request->cancel, err);
    if (rc != KM_OK) {
      km_limiter_give_back(limiter);
      return rc;
    }
    gate_ns = km_limiter_closed_ns(limiter); /* somebody may have been told to wait in the meantime */
    wait_ns = gate_ns;
  }
  return KM_OK;
}

/* The headers of this request; HEADERS has room for all. */
static size_t put_headers(const struct exchange *x, struct km_http_header *headers)
{
  const struct km_client *client = x->client;
  const struct km_kube_request *request = x->request;
  size_t count = client->impersonation_count;
  memcpy(headers, client->impersonation, count * sizeof(*headers));
  const char *accept = request->accept != NULL ? request->accept : "application/json";
  headers[count++] = (struct km_http_header){.name = "Accept", .value = accept};
  if (request->content_type != NULL) {
    headers[count++] = (struct km_http_header){.name = "Content-Type", .value = request->content_type};
  }
  return count;
}

static const struct km_secret *present(const struct km_secret *secret)
{
  return km_secret_empty(secret) ? NULL : secret;
}

static bool deliver(void *data, const char *piece, size_t len)
{
  struct exchange *x = data;
  x->delivered = true;
  return x->request->on_piece(x->request->on_piece_arg, piece, len);
}

static enum km_rc send_once(struct exchange *x, const struct km_login *login, struct km_http_response *ret,
                            struct km_error *err)
{
  struct km_http_header headers[KM_MAX_IMPERSONATION_HEADERS + 2];
  const struct km_kube_request *request = x->request;
  const struct km_credential *credential = &login->credential;
  struct km_http_request http = {
      .method = x->method,
      .path = request->path,
      .headers = headers,
      .header_count = put_headers(x, headers),
      .bearer = present(&credential->bearer),
      .basic_user = present(&credential->user),
      .basic_password = present(&credential->password),
      .body = request->body,
      .body_len = request->body_len,
      .max_body_bytes = request->max_bytes > 0 ? request->max_bytes : x->client->options.max_response_bytes,
      .deadline = x->deadline,
      .cancel = request->cancel,
      .on_piece = request->on_piece != NULL ? deliver : NULL,
      .on_piece_arg = x,
  };
  enum km_rc rc = km_http_do(login->transport->http, &http, ret, err);
  return rc == KM_OK ? KM_OK : km_error_wrap(err, "context '%s'", x->client->endpoint.context);
}

/* Overwrites TEXT wherever it stands in BODY. What is very short would blank out half of any text. */
static void blank_out(struct km_buf *body, const char *text, size_t len)
{
  if (len < MIN_BLANKED_BYTES) {
    return;
  }
  char *from = body->data;
  char *end = body->data + body->len;
  while ((from = memmem(from, (size_t)(end - from), text, len)) != NULL) {
    memset(from, '*', len);
    from += len;
  }
}

/* The same for user and password as the Authorization header carries them. */
static void blank_out_basic(struct km_buf *body, const struct km_credential *credential)
{
  struct km_buf pair;
  km_buf_init_secret(&pair, credential->user.len + credential->password.len + 1);
  km_buf_append(&pair, credential->user.data, credential->user.len);
  km_buf_putc(&pair, ':');
  km_buf_append(&pair, credential->password.data, credential->password.len);
  struct km_arena *arena = km_arena_new(0);
  char *encoded = km_base64_encode(arena, pair.data, pair.len);
  blank_out(body, encoded, strlen(encoded));
  km_wipe(encoded, strlen(encoded));
  km_arena_free(arena);
  km_buf_done(&pair);
}

/* Some proxies answer with the request they did not like. */
static void blank_out_credentials(struct km_http_response *response, const struct km_credential *credential)
{
  if (!km_is_success(response) && response->body.len > 0) {
    blank_out(&response->body, credential->bearer.data, credential->bearer.len);
    blank_out(&response->body, credential->password.data, credential->password.len);
    if (!km_secret_empty(&credential->password)) {
      blank_out_basic(&response->body, credential);
    }
  }
}

/* Sends, and after a 401 once more if the provider has another credential. *LOGIN is replaced by the one used. */
static enum km_rc send_with_valid_login(struct exchange *x, struct km_login **login,
                                        struct km_http_response *ret, struct km_error *err)
{
  enum km_rc rc = send_once(x, *login, ret, err);
  if (rc != KM_OK || ret->status != 401) {
    return rc;
  }
  struct km_login *renewed = NULL;
  rc = km_login_acquire(x->client, (*login)->serial, x->deadline, x->request->cancel, &renewed, err);
  if (rc != KM_OK) {
    km_http_response_done(ret);
    return rc;
  }
  bool same = km_login_same(*login, renewed);
  km_login_unref(x->client, *login);
  *login = renewed;
  if (same) {
    return KM_OK;
  }
  km_http_response_done(ret);
  return send_once(x, renewed, ret, err);
}

/* One try: turn, login, answer. The login is taken after the wait, or it could expire meanwhile. */
static enum km_rc try_once(struct exchange *x, struct km_http_response *ret, struct km_error *err)
{
  x->tries++;
  enum km_rc rc = take_turn(x, err);
  struct km_login *login = NULL;
  if (rc == KM_OK) {
    rc = km_login_acquire(x->client, 0, x->deadline, x->request->cancel, &login, err);
  }
  if (rc != KM_OK) {
    return rc;
  }
  rc = send_with_valid_login(x, &login, ret, err);
  if (rc == KM_OK) {
    blank_out_credentials(ret, &login->credential);
  }
  km_login_unref(x->client, login);
  return rc;
}

/* 100 ms, then 200, each up to half shorter or longer so that many clients do not come back together. */
static uint32_t backoff_ms(unsigned tries)
{
  uint32_t base = (uint32_t)BACKOFF_MS << (tries - 1); /* tries < MAX_TRIES */
  uint32_t random = 0;
  km_random(&random, sizeof(random));
  return base / 2 + random % base;
}

static bool may_repeat_status(const struct exchange *x, int status)
{
  return x->tries < MAX_TRIES && (status == 429 || (status == 503 && is_reading(x->method)));
}

/* True when RESPONSE asks for the request to be repeated, which is due on return. Otherwise it is the final answer, or
 * has been released because of the error in *RC. */
static bool repeat_after_answer(struct exchange *x, struct km_http_response *response, enum km_rc *rc,
                                struct km_error *err)
{
  if (!may_repeat_status(x, response->status)) {
    return false;
  }
  uint32_t wait_ms = response->retry_after_ms > 0 ? response->retry_after_ms : backoff_ms(x->tries);
  uint64_t wait_ns = wait_ms * KM_NS_PER_MS;
  if (wait_ns > left_ns(x->deadline)) {
    return false;
  }
  atomic_fetch_add_explicit(&x->client->retries, 1, memory_order_relaxed);
  if (response->status == 429 && response->retry_after_ms > 0) {
    km_limiter_close_for(&x->client->limiter, wait_ms);
  } else {
    give_notice(x, wait_ns, "the API server is not ready");
    *rc = km_pause(wait_ns, x->request->cancel, err);
  }
  km_http_response_done(response);
  return *rc == KM_OK;
}

/* A connection that broke says nothing about the request: what only reads goes out once more. */
static bool repeat_after_error(struct exchange *x, const struct km_error *err)
{
  if (x->reconnected || x->delivered || !is_reading(x->method) || !km_streq(err->reason, "ConnectionLost")) {
    return false;
  }
  x->reconnected = true;
  atomic_fetch_add_explicit(&x->client->retries, 1, memory_order_relaxed);
  return true;
}

/* Date has whole seconds and is as old as the answer took to arrive: a smaller difference means nothing. */
static void note_clock(struct km_client *client, const struct km_http_response *response)
{
  if (response->date_wall_ms <= 0) {
    return;
  }
  int64_t ahead_ms = response->date_wall_ms - km_clock_wall_ms();
  int64_t unsure_ms = MIN_SKEW_MS + (int64_t)(response->elapsed_ns / KM_NS_PER_MS);
  bool same = ahead_ms < unsure_ms && ahead_ms > -unsure_ms;
  atomic_store_explicit(&client->ahead_ms, same ? 0 : ahead_ms, memory_order_relaxed);
}

bool km_is_success(const struct km_http_response *response)
{
  return response->status >= 200 && response->status < 300;
}

enum km_rc km_client_exchange(struct km_client *client, const struct km_kube_request *request,
                              struct km_http_response *ret, struct km_error *err)
{
  enum km_rc rc = km_guard_request(client->options.read_only, request, err);
  if (rc != KM_OK) {
    return km_error_wrap(err, "context '%s'", client->endpoint.context);
  }
  struct exchange x = {
      .client = client,
      .request = request,
      .method = request->method != NULL ? request->method : "GET",
      .deadline = km_deadline_min(request->deadline, km_deadline_in_ms(client->options.timeout_ms)),
  };
  struct km_http_response response;
  do {
    response = (struct km_http_response){0};
    rc = try_once(&x, &response, err);
  } while (rc == KM_OK ? repeat_after_answer(&x, &response, &rc, err) : repeat_after_error(&x, err));
  if (rc == KM_OK) {
    note_clock(client, &response);
    *ret = response;
  }
  return rc;
}

enum km_rc km_client_refusal(const struct km_client *client, const struct km_kube_request *request,
                             const struct km_http_response *response, struct km_error *err)
{
  return km_status_error(response, client->endpoint.context,
                         request->method != NULL ? request->method : "GET", request->path, err);
}

enum km_rc km_client_do(struct km_client *client, const struct km_kube_request *request,
                        struct km_http_response *ret, struct km_error *err)
{
  struct km_http_response response = {0};
  enum km_rc rc = km_client_exchange(client, request, &response, err);
  if (rc != KM_OK) {
    return rc;
  }
  if (!km_is_success(&response)) {
    rc = km_client_refusal(client, request, &response, err);
    km_http_response_done(&response);
    return rc;
  }
  *ret = response;
  return KM_OK;
}
