/* Shortest ways to a client and an answer, for the tests of net/http.h. */
#ifndef KM_TESTS_UNIT_NET_CLIENT_H
#define KM_TESTS_UNIT_NET_CLIENT_H

#include "kube_mcp/net/http.h"
#include "server.h"
#include "testing.h"

#define MIB ((size_t)1024 * 1024)

/* Names of these tests are not loopback addresses, so a proxy of the surroundings would be asked for them. */
static inline void clear_proxy_environment(void)
{
  static const char *const names[] = {"HTTPS_PROXY", "https_proxy", "HTTP_PROXY",
                                      "http_proxy",  "NO_PROXY",    "no_proxy"};
  for (size_t i = 0; i < KM_ARRAY_LEN(names); i++) {
    unsetenv(names[i]);
  }
}

static inline struct km_loop *new_loop(void)
{
  struct km_loop *loop = NULL;
  struct km_error err;
  assert_int_equal(km_loop_new(&loop, &err), KM_OK);
  return loop;
}

static inline struct km_http_client *new_client_with(struct km_loop *loop,
                                                     const struct km_http_options *options)
{
  struct km_http_client *client = NULL;
  struct km_error err = {0};
  if (km_http_client_new(loop, options, &client, &err) != KM_OK) {
    fail_msg("client for %s: %s", options->base_url, err.message);
  }
  return client;
}

static inline struct km_http_client *new_client(struct km_loop *loop, const char *url)
{
  return new_client_with(
      loop, &(struct km_http_options){.base_url = url, .user_agent = "test/1", .connect_timeout_ms = 30000});
}

/* A GET with a body limit of 1 MiB and a minute of time, for runs under valgrind. */
static inline struct km_http_request get_request(const char *path)
{
  return (struct km_http_request){
      .method = "GET", .path = path, .max_body_bytes = MIB, .deadline = km_deadline_in_ms(60000)};
}

static inline void expect_ok(struct km_http_client *client, const struct km_http_request *request,
                             struct km_http_response *ret)
{
  struct km_error err = {0};
  if (km_http_do(client, request, ret, &err) != KM_OK) {
    fail_msg("%s %s: %s", request->method, request->path, err.message);
  }
}

/* GETs PATH, expects BODY in the answer, returns the status. */
static inline int get_and_compare(struct km_http_client *client, const char *path, const char *body)
{
  struct km_http_request request = get_request(path);
  struct km_http_response response;
  expect_ok(client, &request, &response);
  assert_string_equal(response.body.data, body);
  int status = response.status;
  km_http_response_done(&response);
  return status;
}

/* Expects a failure with category RC, whose message names the peer and contains PART; RET stays untouched. */
static inline struct km_error expect_failure(struct km_http_client *client,
                                             const struct km_http_request *request, enum km_rc rc,
                                             const char *part)
{
  struct km_http_response untouched = {.status = 12345};
  struct km_error err = {0};
  enum km_rc got = km_http_do(client, request, &untouched, &err);
  if (got != rc || err.code != rc) {
    fail_msg("%s ended with %d, not %d: %s", request->path, (int)got, (int)rc, err.message);
  }
  assert_contains(err.message, part);
  assert_int_equal(untouched.status, 12345);
  return err;
}

static inline struct km_http_stats stats_of(const struct km_http_client *client)
{
  struct km_http_stats stats;
  km_http_client_stats(client, &stats);
  return stats;
}

#endif
