#include "testing.h"

#include <arpa/inet.h>

#include "../../../src/transport/http_host.h"
#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

static void test_hosts_are_split(void **state)
{
  (void)state;
  static const struct {
    const char *text, *host; /* NULL = refused */
  } cases[] = {
      {"localhost", "localhost"},
      {"LocalHost:8080", "localhost"},
      {"[::1]", "::1"},
      {"[::1]:443", "::1"},
      {"127.0.0.1:65535", "127.0.0.1"},
      {"a_b.c-d.example:1", "a_b.c-d.example"},
      {"", NULL},
      {":80", NULL},
      {"localhost:", NULL},
      {"localhost:65536", NULL},
      {"localhost:8o8o", NULL},
      {"localhost:80:80", NULL},
      {"localhost:-1", NULL},
      {"localhost:+1", NULL},
      {"::1", NULL},
      {"[::1", NULL},
      {"[]", NULL},
      {"[::1]x", NULL},
      {"user@localhost", NULL},
      {"localhost/path", NULL},
      {"localhost ", NULL},
      {" localhost", NULL},
      {"local\thost", NULL},
      {"l\xc3\xb6"
       "calhost",
       NULL},
      {"localhost,evil.example", NULL},
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    char host[64] = "untouched";
    bool ok = host_split(cases[i].text, host, sizeof(host));
    if (ok != (cases[i].host != NULL) || (ok && !km_streq(host, cases[i].host))) {
      fail_msg("'%s' gave %d, '%s'", cases[i].text, ok, host);
    }
  }
  char small[4];
  assert_false(host_split("abcd", small, sizeof(small)));
  assert_true(host_split("abc", small, sizeof(small)));
}

static void test_what_is_loopback(void **state)
{
  (void)state;
  static const char *const yes[] = {"localhost", "localhost.", "127.0.0.1", "127.255.255.254", "::1"};
  static const char *const no[] = {"",
                                   "localhost.evil.example",
                                   "evil-localhost",
                                   "128.0.0.1",
                                   "126.255.255.255",
                                   "127.0.0.1.nip.io",
                                   "127.1",
                                   "0.0.0.0",
                                   "::",
                                   "::2",
                                   "::ffff:10.0.0.1"};
  for (size_t i = 0; i < KM_ARRAY_LEN(yes); i++) {
    assert_true(host_is_loopback(yes[i]));
  }
  for (size_t i = 0; i < KM_ARRAY_LEN(no); i++) {
    assert_false(host_is_loopback(no[i]));
  }
}

static void test_host_and_origin_follow_the_lists(void **state)
{
  (void)state;
  const struct bind_address bound = {.host = "10.1.2.3", .port = 8080};
  static const char *const hosts[] = {"mcp.example.com", "*.internal", "ported.example:8443"};
  static const char *const origins[] = {"https://app.example.com", "https://ui.example:8443"};
  static const struct {
    const char *header;
    bool ok;
  } host_cases[] = {
      {"localhost:1", true},
      {"10.1.2.3:9", true},
      {"MCP.example.com:443", true},
      {"a.b.internal", true},
      {"ported.example:8443", true},
      {"ported.example:8444", false},
      {"xmcp.example.com", false},
      {"evil.example", false},
      {"mcp.example.com.evil.example", false},
      {"a.internal.evil.example", false},
      {"", false},
      {NULL, false},
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(host_cases); i++) {
    if (host_allowed(host_cases[i].header, &bound, hosts, KM_ARRAY_LEN(hosts)) != host_cases[i].ok) {
      fail_msg("host '%s'", host_cases[i].header);
    }
  }
  static const struct {
    const char *header;
    bool ok, listed;
  } origin_cases[] = {
      {"https://app.example.com", true, true},
      {"HTTPS://APP.example.com", true, true},
      {"http://app.example.com", false, false},
      {"https://app.example.com:444", false, false},
      {"https://ui.example:8443", true, true},
      {"http://localhost:6274", true, false},
      {"http://[::1]:6274", true, false},
      {"https://mcp.example.com", true, false},
      {"null", false, false},
      {"", false, false},
      {"file://", false, false},
      {"localhost", false, false},
      {"http://", false, false},
      {"http://localhost@evil.example", false, false},
      {"http://evil.example#localhost", false, false},
      {"http://localhost.evil.example", false, false},
      {"chrome-extension://localhost", false, false},
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(origin_cases); i++) {
    const char *header = origin_cases[i].header;
    if (origin_allowed(header, &bound, hosts, KM_ARRAY_LEN(hosts), origins, KM_ARRAY_LEN(origins)) !=
            origin_cases[i].ok ||
        origin_listed(header, origins, KM_ARRAY_LEN(origins)) != origin_cases[i].listed) {
      fail_msg("origin '%s'", header);
    }
  }
}

static void test_media_types_are_compared_whole(void **state)
{
  (void)state;
  static const struct {
    const char *value;
    bool ok;
  } cases[] = {
      {"application/json", true},
      {"Application/JSON", true},
      {" application/json", true},
      {"application/json; charset=utf-8", true},
      {"application/json;charset=utf-8", true},
      {"application/json ;x", true},
      {"application/jsonp", false},
      {"application/json-rpc", false},
      {"text/plain; x=application/json", false},
      {"text/plain", false},
      {"", false},
      {";application/json", false},
      {NULL, false},
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    if (media_type_is(cases[i].value, "application/json") != cases[i].ok) {
      fail_msg("'%s'", cases[i].value);
    }
  }
}

static void test_addresses_are_parsed(void **state)
{
  (void)state;
  static const struct {
    const char *text, *host;
    unsigned port;
    bool loopback;
    int family;
  } good[] = {
      {"127.0.0.1:8080", "127.0.0.1", 8080, true, AF_INET},
      {"localhost:0", "localhost", 0, true, AF_INET},
      {"[::1]:1", "::1", 1, true, AF_INET6},
      {":80", "0.0.0.0", 80, false, AF_INET},
      {"0.0.0.0:80", "0.0.0.0", 80, false, AF_INET},
      {"[::]:80", "::", 80, false, AF_INET6},
      {"192.0.2.1:443", "192.0.2.1", 443, false, AF_INET},
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(good); i++) {
    struct bind_address address;
    struct km_error err = {0};
    assert_int_equal(bind_address_parse(good[i].text, &address, &err), KM_OK);
    assert_string_equal(address.host, good[i].host);
    assert_int_equal(address.port, good[i].port);
    assert_int_equal(address.loopback, good[i].loopback);
    assert_int_equal(address.sockaddr.ss_family, good[i].family);
  }
  static const char *const bad[] = {
      "",      "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:x", "::1:80",
      "[::1]", "host:80",   "[host]:80",  "127.0.0.256:80",  "[::1:80",     "a b:80",
      "-1",    ":",         "[]:80"};
  for (size_t i = 0; i < KM_ARRAY_LEN(bad); i++) {
    struct bind_address address = {.port = 7};
    struct km_error err = {0};
    if (bind_address_parse(bad[i], &address, &err) != KM_E_INVALID) {
      fail_msg("'%s' is accepted", bad[i]);
    }
    assert_contains(err.message, "server.http.address");
    assert_int_equal(address.port, 7);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_hosts_are_split),
      cmocka_unit_test(test_what_is_loopback),
      cmocka_unit_test(test_host_and_origin_follow_the_lists),
      cmocka_unit_test(test_media_types_are_compared_whole),
      cmocka_unit_test(test_addresses_are_parsed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
