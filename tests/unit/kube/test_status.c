/* What refusals become. */
#include "kube/fixture.h"

#include "kube_mcp/kube/status.h"

#include "kube_mcp/base/banned.h"

static struct km_error refuse(int status, const char *body, size_t len)
{
  struct km_http_response response = {.status = status};
  struct km_error err = {0};
  km_buf_init(&response.body, MIB);
  km_buf_append(&response.body, body, len);
  enum km_rc rc = km_status_error(&response, "prod", "GET", "/api/v1/namespaces/shop/pods/web?x=y", &err);
  assert_int_equal(rc, err.code);
  assert_int_equal(err.http_status, status);
  assert_true(km_utf8_valid(err.message, strlen(err.message)));
  km_http_response_done(&response);
  return err;
}

static struct km_error refuse_text(int status, const char *body)
{
  char *copy = strdup(body);
  for (char *c = copy; *c != '\0'; c++) {
    *c = *c == '\'' ? '"' : *c;
  }
  struct km_error err = refuse(status, copy, strlen(copy));
  free(copy);
  return err;
}

static void test_categories(void **state)
{
  (void)state;
  static const struct {
    int status;
    const char *reason;
    enum km_rc code;
    const char *type;
  } cases[] = {
      {400, "BadRequest", KM_E_INVALID, "ValidationError"},
      {401, "Unauthorized", KM_E_UNAUTHENTICATED, "Unauthenticated"},
      {403, "Forbidden", KM_E_FORBIDDEN, "Forbidden"},
      {404, "NotFound", KM_E_NOT_FOUND, "NotFound"},
      {405, "MethodNotAllowed", KM_E_INVALID, "KubernetesError"},
      {409, "Conflict", KM_E_CONFLICT, "Conflict"},
      {409, "AlreadyExists", KM_E_CONFLICT, "Conflict"},
      {410, "Expired", KM_E_CONFLICT, "KubernetesError"},
      {413, "RequestEntityTooLarge", KM_E_TOO_LARGE, "TooLarge"},
      {418, "Teapot", KM_E_INVALID, "KubernetesError"},
      {422, "Invalid", KM_E_INVALID, "ValidationError"},
      {429, "TooManyRequests", KM_E_RATE_LIMITED, "RateLimited"},
      {500, "InternalError", KM_E_UNAVAILABLE, "KubernetesError"},
      {502, "", KM_E_UNAVAILABLE, "Unreachable"},
      {503, "ServiceUnavailable", KM_E_UNAVAILABLE, "Unreachable"},
      {504, "Timeout", KM_E_TIMEOUT, "Timeout"},
      {504, "", KM_E_UNAVAILABLE, "Unreachable"},
      {302, "", KM_E_PROTOCOL, "KubernetesError"},
      {101, "", KM_E_UNAVAILABLE, "KubernetesError"},
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    char body[256];
    (void)snprintf(body, sizeof(body),
                   "{'kind':'Status','reason':'%s','message':'what happened','details':{'name':'web'}}",
                   cases[i].reason);
    struct km_error err = refuse_text(cases[i].status, body);
    assert_int_equal(err.code, cases[i].code);
    assert_string_equal(km_error_type_name(km_error_effective_type(&err)), cases[i].type);
    assert_string_equal(err.reason, cases[i].reason);
    assert_contains(err.message, "what happened");
    assert_contains(err.message, "context 'prod'");
  }
}

static void test_not_found_kinds(void **state)
{
  (void)state;
  struct km_error err =
      refuse_text(404, "{'kind':'Status','reason':'NotFound','message':'pods web not found',"
                       "'details':{'name':'web','kind':'pods'}}");
  assert_string_equal(err.message, "context 'prod': pods web not found");
  assert_string_equal(err.reason, "NotFound");
  err = refuse_text(404, "{'kind':'Status','reason':'NotFound','details':{},"
                         "'message':'the server could not find the requested resource'}");
  assert_string_equal(err.reason, "UnknownResource");
  assert_contains(err.hint, "apiVersion");
  err = refuse_text(404, "404 page not found\n");
  assert_string_equal(err.reason, "UnknownResource");
  assert_string_equal(err.message,
                      "context 'prod': GET /api/v1/namespaces/shop/pods/web was answered with HTTP 404: "
                      "404 page not found");
}

static void test_forbidden_names_the_user(void **state)
{
  (void)state;
  struct km_error err = refuse_text(
      403, "{'kind':'Status','reason':'Forbidden','message':'pods is forbidden: User jane cannot list'}");
  assert_string_equal(err.message, "context 'prod': pods is forbidden: User jane cannot list");
  assert_true(err.hint[0] != '\0');
}

static void test_bodies_that_are_no_status(void **state)
{
  (void)state;
  struct km_error err = refuse_text(
      502, "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><h1>Sorry</h1></body></html>");
  assert_string_equal(err.message,
                      "context 'prod': GET /api/v1/namespaces/shop/pods/web was answered with HTTP 502: "
                      "502 Bad Gateway");
  err = refuse_text(503, "");
  assert_string_equal(err.message,
                      "context 'prod': GET /api/v1/namespaces/shop/pods/web was answered with HTTP 503");
  err = refuse_text(500, "{'kind':'Pod'}");
  assert_int_equal(err.code, KM_E_UNAVAILABLE);
  err = refuse_text(500, "\n\n   \n");
  assert_string_equal(err.message,
                      "context 'prod': GET /api/v1/namespaces/shop/pods/web was answered with HTTP 500");
  err = refuse_text(503, "\x1b[31mred\x1b[0m alert\nsecond line");
  assert_contains(err.message, ": red alert");
  assert_null(strstr(err.message, "second"));
  err = refuse_text(500, "{'kind':'Status','message':5,'reason':[],'details':'x'}");
  assert_string_equal(err.reason, "");
  assert_contains(err.message, "HTTP 500");
}

static void test_hostile_bodies(void **state)
{
  (void)state;
  size_t len = MIB;
  char *body = malloc(len);
  memset(body, 'x', len);
  assert_true(strlen(refuse(500, body, len).message) < 400);
  memset(body, '<', len);
  (void)refuse(500, body, len);
  memset(body, '{', len);
  (void)refuse(500, body, len);
  memset(body, 0xFF, len);
  (void)refuse(500, body, len);
  memset(body, 0, len);
  (void)refuse(500, body, len);
  free(body);
  char long_message[8192];
  int at = snprintf(long_message, sizeof(long_message), "{\"kind\":\"Status\",\"message\":\"");
  memset(long_message + at, 'm', 6000);
  (void)snprintf(long_message + at + 6000, sizeof(long_message) - (size_t)at - 6000, "\"}");
  struct km_error err = refuse_text(500, long_message);
  assert_true(strlen(err.message) < 500);
  assert_contains(err.message, "mmm\xE2\x80\xA6");
}

static void test_retry_after(void **state)
{
  (void)state;
  struct km_error err =
      refuse_text(429, "{'kind':'Status','details':{'retryAfterSeconds':7},'message':'slow down'}");
  assert_int_equal(err.retry_after_ms, 7000);
  err = refuse_text(429, "{'kind':'Status','details':{'retryAfterSeconds':99999999999}}");
  assert_int_equal(err.retry_after_ms, UINT32_MAX);
  err = refuse_text(429, "{'kind':'Status','details':{'retryAfterSeconds':-3}}");
  assert_int_equal(err.retry_after_ms, 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_categories),
      cmocka_unit_test(test_not_found_kinds),
      cmocka_unit_test(test_forbidden_names_the_user),
      cmocka_unit_test(test_bodies_that_are_no_status),
      cmocka_unit_test(test_hostile_bodies),
      cmocka_unit_test(test_retry_after),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
