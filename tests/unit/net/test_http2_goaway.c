/* HTTP/2 servers that take their leave: GOAWAY after, before and in the middle of an answer. An API server sends one when
 * it shuts down, and by chance (--goaway-chance) to spread its clients. The server is frames by hand: what nghttpd would
 * never do is the point. */
#include "net/client.h"

#include "kube_mcp/base/banned.h"

#define PREFACE_LEN   24
#define HEAD_LEN      9
#define MAX_FRAME_LEN ((size_t)16384)

enum frame { DATA = 0, HEADERS = 1, RST_STREAM = 3, SETTINGS = 4, PING = 6, GOAWAY = 7 };
enum flag { ACK = 1, END_STREAM = 1, END_HEADERS = 4 };
enum code { NO_ERROR = 0, REFUSED_STREAM = 7 };

/* What the first connection does with its second request; the others answer everything. */
enum leave { AFTER_ANSWER, BEFORE_ANSWER, WITHIN_ANSWER, WITHIN_ANSWER_TO_THE_END, REFUSED };

static struct pki_pair authority, localhost;

/* --- frames --------------------------------------------------------------------------------------------- */

static void put32(unsigned char *out, uint32_t value)
{
  out[0] = (unsigned char)(value >> 24);
  out[1] = (unsigned char)(value >> 16);
  out[2] = (unsigned char)(value >> 8);
  out[3] = (unsigned char)value;
}

static bool send_frame(struct exchange *x, enum frame type, unsigned flags, uint32_t stream,
                       const void *payload, size_t len)
{
  unsigned char frame[HEAD_LEN + 64] = {(unsigned char)(len >> 16), (unsigned char)(len >> 8),
                                        (unsigned char)len, (unsigned char)type, (unsigned char)flags};
  put32(frame + 5, stream);
  if (len > 0) {
    memcpy(frame + HEAD_LEN, payload, len);
  }
  return server_send(x, (const char *)frame, HEAD_LEN + len);
}

static bool send_goaway(struct exchange *x, uint32_t last_stream)
{
  unsigned char payload[8];
  put32(payload, last_stream);
  put32(payload + 4, NO_ERROR);
  return send_frame(x, GOAWAY, 0, 0, payload, sizeof(payload));
}

static bool send_head(struct exchange *x, uint32_t stream)
{
  return send_frame(x, HEADERS, END_HEADERS, stream, "\x88", 1); /* :status 200, of the static table */
}

static bool send_text(struct exchange *x, uint32_t stream, const char *text, bool last)
{
  return send_frame(x, DATA, last ? END_STREAM : 0, stream, text, strlen(text));
}

static bool answer(struct exchange *x, uint32_t stream)
{
  return send_head(x, stream) && send_text(x, stream, "hel", false) && send_text(x, stream, "lo", true);
}

static bool receive_all(struct exchange *x, unsigned char *buf, size_t len)
{
  for (size_t have = 0; have < len;) {
    ssize_t got = server_receive(x, (char *)buf + have, len - have);
    if (got <= 0) {
      return false;
    }
    have += (size_t)got;
  }
  return true;
}

/* Reads frames, and acknowledges settings and pings, until a request is complete. Requests have no bodies here. */
static bool next_request(struct exchange *x, uint32_t *ret_stream)
{
  unsigned char head[HEAD_LEN], payload[MAX_FRAME_LEN];
  while (receive_all(x, head, sizeof(head))) {
    size_t len = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
    uint32_t stream =
        ((uint32_t)head[5] & 0x7f) << 24 | (uint32_t)head[6] << 16 | (uint32_t)head[7] << 8 | head[8];
    if (len > sizeof(payload) || !receive_all(x, payload, len)) {
      return false;
    }
    if ((head[3] == SETTINGS || head[3] == PING) && (head[4] & ACK) == 0 &&
        !send_frame(x, head[3], ACK, 0, payload, head[3] == PING ? len : 0)) {
      return false;
    }
    if (head[3] == HEADERS) {
      *ret_stream = stream;
      return true;
    }
  }
  return false;
}

/* --- taking leave --------------------------------------------------------------------------------------- */

/* True when the connection goes on. */
static bool leave(struct exchange *x, enum leave how, uint32_t stream)
{
  unsigned char refused[4];
  put32(refused, REFUSED_STREAM);
  switch (how) {
  case AFTER_ANSWER: return answer(x, stream) && send_goaway(x, stream);
  case BEFORE_ANSWER: (void)send_goaway(x, stream - 2); return false;
  case WITHIN_ANSWER:
    (void)(send_head(x, stream) && send_text(x, stream, "hel", false) && send_goaway(x, stream));
    return false;
  case WITHIN_ANSWER_TO_THE_END:
    return send_head(x, stream) && send_text(x, stream, "hel", false) && send_goaway(x, stream) &&
           send_text(x, stream, "lo", true);
  case REFUSED: return send_frame(x, RST_STREAM, 0, stream, refused, sizeof(refused));
  }
  return false;
}

static bool serve(struct exchange *x)
{
  unsigned char preface[PREFACE_LEN];
  const enum leave *how = x->server->data;
  uint32_t stream = 0;
  bool open = receive_all(x, preface, sizeof(preface)) && send_frame(x, SETTINGS, 0, 0, NULL, 0);
  for (unsigned i = 1; open && next_request(x, &stream); i++) {
    atomic_fetch_add(&x->server->requests, 1);
    open = x->connection == 1 && i == 2 ? leave(x, *how, stream) : answer(x, stream);
  }
  return false;
}

/* --- what callers see ----------------------------------------------------------------------------------- */

struct visit {
  struct km_loop *loop;
  struct server *server;
  struct km_http_client *client;
};

/* One good call, so that the next one meets a connection in use. */
static struct visit visit(const enum leave *how)
{
  struct visit v = {.loop = new_loop(), .server = server_start_as(serve, how, &localhost, NULL, true)};
  v.client = new_client_with(v.loop, &(struct km_http_options){.base_url = v.server->url,
                                                               .ca_pem = authority.cert_pem.data,
                                                               .ca_pem_len = authority.cert_pem.len,
                                                               .http2 = KM_HTTP2_ON,
                                                               .connect_timeout_ms = 30000});
  assert_int_equal(get_and_compare(v.client, "/", "hello"), 200);
  return v;
}

/* Whatever happened, the next calls are answered, on a second connection. */
static void go_on(const struct visit *v)
{
  for (int i = 0; i < 3; i++) {
    assert_int_equal(get_and_compare(v->client, "/", "hello"), 200);
  }
  assert_int_equal(atomic_load(&v->server->connections), 2);
}

static void end(const struct visit *v)
{
  km_http_client_free(v->client);
  server_stop(v->server);
  km_loop_free(v->loop);
}

static void test_goaway_after_an_answer(void **state)
{
  (void)state;
  static const enum leave how = AFTER_ANSWER;
  struct visit v = visit(&how);
  assert_int_equal(get_and_compare(v.client, "/", "hello"), 200);
  go_on(&v);
  end(&v);
}

static void test_goaway_while_the_answer_goes_on(void **state)
{
  (void)state;
  static const enum leave how = WITHIN_ANSWER_TO_THE_END;
  struct visit v = visit(&how);
  assert_int_equal(get_and_compare(v.client, "/", "hello"), 200);
  go_on(&v);
  end(&v);
}

/* Answered on another connection, or told to be lost in a way that lets the caller repeat it. */
static void expect_repeatable(const struct visit *v)
{
  struct km_http_request request = get_request("/");
  struct km_http_response response = {0};
  struct km_error err = {0};
  if (km_http_do(v->client, &request, &response, &err) == KM_OK) {
    assert_string_equal(response.body.data, "hello");
    km_http_response_done(&response);
  } else if (strcmp(err.reason, "ConnectionLost") != 0) {
    fail_msg("not told as a lost connection (reason '%s'): %s", err.reason, err.message);
  }
}

static void test_goaway_before_the_answer(void **state)
{
  (void)state;
  static const enum leave how = BEFORE_ANSWER;
  struct visit v = visit(&how);
  expect_repeatable(&v);
  go_on(&v);
  end(&v);
}

static void test_goaway_that_cuts_an_answer(void **state)
{
  (void)state;
  static const enum leave how = WITHIN_ANSWER;
  struct visit v = visit(&how);
  expect_repeatable(&v);
  go_on(&v);
  end(&v);
}

static void test_refused_stream(void **state)
{
  (void)state;
  static const enum leave how = REFUSED;
  struct visit v = visit(&how);
  expect_repeatable(&v);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(get_and_compare(v.client, "/", "hello"), 200);
  }
  end(&v);
}

static int make_certificates(void **state)
{
  (void)state;
  authority = pki_authority("test authority");
  localhost = pki_server(&authority);
  return 0;
}

static int free_certificates(void **state)
{
  (void)state;
  pki_done(&localhost);
  pki_done(&authority);
  return 0;
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_goaway_after_an_answer),   cmocka_unit_test(test_goaway_while_the_answer_goes_on),
      cmocka_unit_test(test_goaway_before_the_answer), cmocka_unit_test(test_goaway_that_cuts_an_answer),
      cmocka_unit_test(test_refused_stream),
  };
  return cmocka_run_group_tests(tests, make_certificates, free_certificates);
}
