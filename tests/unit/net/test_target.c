/* Base URLs, the detour for a tls-server-name, the choice of a proxy, and percent-encoding. */
#include "../../../src/net/target.h"

#include "kube_mcp/base/buf.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/net/http.h"
#include "testing.h"

#include "kube_mcp/base/banned.h"

static struct km_target parse(const char *url, const char *name)
{
  struct km_target target = {0};
  struct km_error err = {0};
  if (km_target_parse(url, name, &target, &err) != KM_OK) {
    fail_msg("%s: %s", url, err.message);
  }
  return target;
}

static void expect_target(const char *url, const char *prefix_url, const char *authority, const char *host)
{
  struct km_target target = parse(url, NULL);
  assert_string_equal(target.prefix_url, prefix_url);
  assert_string_equal(target.authority, authority);
  assert_string_equal(target.host, host);
  assert_null(target.connect_to);
  assert_null(target.host_header);
  km_target_done(&target);
}

static void test_base_urls(void **state)
{
  (void)state;
  expect_target("https://example.com", "https://example.com", "example.com:443", "example.com");
  expect_target("https://example.com:6443/", "https://example.com:6443", "example.com:6443", "example.com");
  expect_target("http://127.0.0.1:8080/k8s/clusters/c-1//", "http://127.0.0.1:8080/k8s/clusters/c-1",
                "127.0.0.1:8080", "127.0.0.1");
  expect_target("https://[::1]:6443", "https://[::1]:6443", "[::1]:6443", "::1");
  expect_target("HTTPS://Example.com", "https://Example.com", "Example.com:443", "Example.com");
}

static void expect_bad_url(const char *url, const char *why)
{
  struct km_target target = {0};
  struct km_error err = {0};
  assert_int_equal(km_target_parse(url, NULL, &target, &err), KM_E_INVALID);
  assert_contains(err.message, why);
  assert_null(strstr(err.message, "hunter2"));
  assert_null(target.prefix_url);
}

static void test_bad_base_urls(void **state)
{
  (void)state;
  expect_bad_url("", "empty");
  expect_bad_url("not a url", "malformed");
  expect_bad_url("https://", "malformed");
  expect_bad_url("https://host:99999", "malformed");
  expect_bad_url("https://host:0", "out of range");
  expect_bad_url("ftp://host", "'ftp'");
  expect_bad_url("file:///etc/passwd", "'file'");
  expect_bad_url("https://admin:hunter2@host", "user name or password");
  expect_bad_url("https://hunter2@host", "user name or password");
  expect_bad_url("https://host/?token=hunter2", "query");
  expect_bad_url("https://host/#x", "fragment");
  char *long_url = test_malloc(20000);
  memset(long_url, 'a', 19999);
  long_url[19999] = '\0';
  memcpy(long_url, "https://", 8);
  expect_bad_url(long_url, "longer than");
  test_free(long_url);
}

static void test_other_server_name(void **state)
{
  (void)state;
  struct km_target target = parse("https://10.0.0.1:6443/p", "kubernetes.default");
  assert_string_equal(target.prefix_url, "https://kubernetes.default:6443/p");
  assert_string_equal(target.connect_to, "kubernetes.default:6443:10.0.0.1:6443");
  assert_string_equal(target.host_header, "Host: 10.0.0.1:6443");
  assert_string_equal(target.authority, "10.0.0.1:6443");
  assert_string_equal(target.host, "10.0.0.1");
  km_target_done(&target);

  target = parse("https://[fd00::1]", "api");
  assert_string_equal(target.connect_to, "api:443:[fd00::1]:443");
  assert_string_equal(target.host_header, "Host: [fd00::1]");
  km_target_done(&target);

  target = parse("https://api:6443", "fd00::1");
  assert_string_equal(target.prefix_url, "https://[fd00::1]:6443");
  assert_string_equal(target.connect_to, "[fd00::1]:6443:api:6443");
  km_target_done(&target);
}

static void test_server_name_that_changes_nothing(void **state)
{
  (void)state;
  static const char *const cases[][2] = {
      {"https://api.example.com", "API.example.com"}, {"https://api", ""}, {"http://api", "other"}};
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    struct km_target target = parse(cases[i][0], cases[i][1]);
    assert_null(target.connect_to);
    assert_null(target.host_header);
    km_target_done(&target);
  }
}

static void test_bad_server_names(void **state)
{
  (void)state;
  struct km_target target = {0};
  struct km_error err = {0};
  assert_int_equal(km_target_parse("https://h", "a b/c", &target, &err), KM_E_INVALID);
  assert_contains(err.message, "tls-server-name");
  char name[400];
  memset(name, 'n', sizeof(name) - 1);
  name[sizeof(name) - 1] = '\0';
  assert_int_equal(km_target_parse("https://h", name, &target, &err), KM_E_INVALID);
  assert_contains(err.message, "tls-server-name");
}

static void test_no_proxy_rules(void **state)
{
  (void)state;
  static const struct {
    const char *list, *host;
    uint16_t port;
    bool match;
  } cases[] = {
      {"", "example.com", 443, false},
      {"*", "anything", 1, true},
      {"example.com", "example.com", 443, true},
      {"example.com", "api.example.com", 443, true},
      {"example.com", "notexample.com", 443, false},
      {"EXAMPLE.com", "api.Example.COM", 443, true},
      {".example.com", "api.example.com", 443, true},
      {".example.com", "example.com", 443, false},
      {"*.example.com", "api.example.com", 443, true},
      {"*.example.com", "example.com", 443, false},
      {"example.com:6443", "example.com", 6443, true},
      {"example.com:6443", "example.com", 443, false},
      {" other , example.com ", "example.com", 443, true},
      {",,example.com,", "example.com", 443, true},
      {"10.0.0.1", "10.0.0.1", 443, true},
      {"10.0.0.1:6443", "10.0.0.1", 443, false},
      {"10.0.0.1", "10.0.0.10", 443, false},
      {"0.1", "10.0.0.1", 443, true}, /* a name's tail, as kubectl has it */
      {"10.0.0.0/8", "10.200.3.4", 443, true},
      {"10.0.0.0/8", "11.0.0.1", 443, false},
      {"192.168.1.128/25", "192.168.1.129", 443, true},
      {"192.168.1.128/25", "192.168.1.127", 443, false},
      {"0.0.0.0/0", "8.8.8.8", 443, true},
      {"10.0.0.0/33", "10.0.0.1", 443, false},
      {"10.0.0.0/8", "example.com", 443, false},
      {"10.0.0.0/x", "10.0.0.1", 443, false},
      {"/8", "10.0.0.1", 443, false},
      {"fd00::/8", "fd12::1", 443, true},
      {"fd00::/8", "fe80::1", 443, false},
      {"::1", "::1", 443, true},
      {"[fd00::1]:6443", "fd00::1", 6443, true},
      {"[fd00::1]:6443", "fd00::1", 443, false},
      {".", "example.com", 443, false},
      {":443", "example.com", 443, false},
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    if (km_no_proxy_match(cases[i].list, cases[i].host, cases[i].port) != cases[i].match) {
      fail_msg("NO_PROXY=%s with %s:%u", cases[i].list, cases[i].host, cases[i].port);
    }
  }
}

static void test_overlong_no_proxy_entry_is_skipped(void **state)
{
  (void)state;
  char list[2000];
  memset(list, 'a', sizeof(list));
  memcpy(list + 1000, ",example.com", sizeof(",example.com"));
  assert_true(km_no_proxy_match(list, "example.com", 443));
}

static void clear_environment(void)
{
  static const char *const names[] = {"HTTPS_PROXY", "https_proxy", "HTTP_PROXY",
                                      "http_proxy",  "NO_PROXY",    "no_proxy"};
  for (size_t i = 0; i < KM_ARRAY_LEN(names); i++) {
    unsetenv(names[i]);
  }
}

static void expect_proxy(const char *explicit_url, const char *base_url, const char *url,
                         const char *authority)
{
  struct km_target target = parse(base_url, NULL);
  struct km_proxy proxy = {0};
  struct km_error err = {0};
  if (km_proxy_choose(explicit_url, &target, &proxy, &err) != KM_OK) {
    fail_msg("%s", err.message);
  }
  assert_string_equal(proxy.url, url);
  if (authority == NULL) {
    assert_null(proxy.authority);
  } else {
    assert_string_equal(proxy.authority, authority);
  }
  km_proxy_done(&proxy);
  km_target_done(&target);
}

static void test_proxy_from_the_environment(void **state)
{
  (void)state;
  clear_environment();
  expect_proxy(NULL, "https://api.example.com", "", NULL);
  setenv("https_proxy", "http://lower:3128", 1);
  expect_proxy(NULL, "https://api.example.com", "http://lower:3128/", "lower:3128");
  setenv("HTTPS_PROXY", "http://upper:3128", 1);
  expect_proxy(NULL, "https://api.example.com", "http://upper:3128/", "upper:3128");
  expect_proxy(NULL, "http://api.example.com", "", NULL);
  setenv("HTTP_PROXY", "plain:3128", 1);
  expect_proxy(NULL, "http://api.example.com", "http://plain:3128/", "plain:3128");
  expect_proxy(NULL, "https://127.0.0.1:6443", "", NULL);
  expect_proxy(NULL, "https://127.8.9.10:6443", "", NULL);
  expect_proxy(NULL, "https://[::1]:6443", "", NULL);
  expect_proxy(NULL, "https://localhost:6443", "", NULL);
  setenv("NO_PROXY", "10.0.0.0/8,.internal", 1);
  expect_proxy(NULL, "https://10.1.2.3", "", NULL);
  expect_proxy(NULL, "https://api.internal", "", NULL);
  expect_proxy(NULL, "https://api.example.com", "http://upper:3128/", "upper:3128");
  clear_environment();
}

/* NO_PROXY is about the host we connect to, not about the name we verify. */
static void test_no_proxy_sees_the_real_host(void **state)
{
  (void)state;
  clear_environment();
  setenv("HTTPS_PROXY", "http://proxy:3128", 1);
  setenv("NO_PROXY", "10.0.0.0/8", 1);
  struct km_target target = parse("https://10.0.0.1:6443", "kubernetes");
  struct km_proxy proxy = {0};
  struct km_error err;
  assert_int_equal(km_proxy_choose(NULL, &target, &proxy, &err), KM_OK);
  assert_string_equal(proxy.url, "");
  km_proxy_done(&proxy);
  km_target_done(&target);
  clear_environment();
}

static void test_explicit_proxies(void **state)
{
  (void)state;
  clear_environment();
  setenv("HTTPS_PROXY", "http://environment:1", 1);
  setenv("NO_PROXY", "*", 1);
  expect_proxy("http://p:8080", "https://api", "http://p:8080/", "p:8080");
  expect_proxy("http://p", "https://api", "http://p:80/", "p:80");
  expect_proxy("https://p", "https://127.0.0.1", "https://p:443/", "p:443");
  expect_proxy("socks5://p", "https://api", "socks5h://p:1080/", "p:1080");
  expect_proxy("socks5h://p:99", "https://api", "socks5h://p:99/", "p:99");
  expect_proxy("http://me:hunter2@p:8080", "https://api", "http://me:hunter2@p:8080/", "p:8080");
  expect_proxy("localhost:3128", "https://api", "http://localhost:3128/", "localhost:3128");
  expect_proxy("http://[::1]:3128", "https://api", "http://[::1]:3128/", "[::1]:3128");
  clear_environment();
}

static void test_bad_proxies(void **state)
{
  (void)state;
  static const char *const urls[] = {"http://", "http://me:hunter2@p:port", "ftp://me:hunter2@p",
                                     "socks4://p"};
  struct km_target target = parse("https://api", NULL);
  for (size_t i = 0; i < KM_ARRAY_LEN(urls); i++) {
    struct km_proxy proxy = {0};
    struct km_error err = {0};
    assert_int_equal(km_proxy_choose(urls[i], &target, &proxy, &err), KM_E_INVALID);
    assert_contains(err.message, "proxy-url");
    assert_null(strstr(err.message, "hunter2"));
    assert_null(proxy.url);
  }
  km_target_done(&target);
}

static void test_percent_encoding(void **state)
{
  (void)state;
  struct km_buf buf;
  km_buf_init(&buf, 100);
  assert_true(km_url_escape(&buf, "AZaz09-._~"));
  assert_true(km_url_escape(&buf, "/?#[]@!$&'()*+,;=% \n\xC3\xA4"));
  assert_string_equal(buf.data,
                      "AZaz09-._~%2F%3F%23%5B%5D%40%21%24%26%27%28%29%2A%2B%2C%3B%3D%25%20%0A%C3%A4");
  km_buf_done(&buf);
  km_buf_init(&buf, 4);
  assert_false(km_url_escape(&buf, "//"));
  km_buf_done(&buf);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_base_urls),
      cmocka_unit_test(test_bad_base_urls),
      cmocka_unit_test(test_other_server_name),
      cmocka_unit_test(test_server_name_that_changes_nothing),
      cmocka_unit_test(test_bad_server_names),
      cmocka_unit_test(test_no_proxy_rules),
      cmocka_unit_test(test_overlong_no_proxy_entry_is_skipped),
      cmocka_unit_test(test_proxy_from_the_environment),
      cmocka_unit_test(test_no_proxy_sees_the_real_host),
      cmocka_unit_test(test_explicit_proxies),
      cmocka_unit_test(test_bad_proxies),
      cmocka_unit_test(test_percent_encoding),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
