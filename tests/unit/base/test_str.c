/* Comparing, copying, globbing, suggesting, parsing numbers. */
#include "kube_mcp/base/str.h"

#include "testing.h"

#include "kube_mcp/base/clock.h"

#include "kube_mcp/base/banned.h"

static void test_comparing(void **state)
{
  (void)state;
  assert_true(km_streq(NULL, NULL));
  assert_false(km_streq(NULL, ""));
  assert_false(km_streq("", NULL));
  assert_true(km_streq("a", "a"));
  assert_false(km_streq("a", "A"));
  assert_true(km_strcaseeq("Content-Type", "content-tYPE"));
  assert_false(km_strcaseeq("abc", "abcd"));
  assert_false(km_strcaseeq("abcd", "abc"));
  assert_false(km_strcaseeq("@", "`")); /* differ by the case bit, but are no letters */
  assert_true(km_strcaseeq(NULL, NULL));
  assert_false(km_strcaseeq(NULL, ""));
  assert_true(km_starts_with("abc", "ab"));
  assert_true(km_starts_with("abc", ""));
  assert_false(km_starts_with("a", "ab"));
  assert_true(km_ends_with("pods.yaml", ".yaml"));
  assert_true(km_ends_with("x", ""));
  assert_false(km_ends_with("yaml", ".yaml"));
  assert_true(km_str_empty(NULL));
  assert_true(km_str_empty(""));
  assert_false(km_str_empty(" "));
}

static void test_strcopy(void **state)
{
  (void)state;
  char dest[6];
  assert_true(km_strcopy(dest, sizeof(dest), "12345"));
  assert_string_equal(dest, "12345");
  assert_false(km_strcopy(dest, sizeof(dest), "123456"));
  assert_string_equal(dest, "12345");
  assert_false(km_strcopy(dest, sizeof(dest), "1234\xC3\xA9"));
  assert_string_equal(dest, "1234");
  assert_true(km_strcopy(dest, sizeof(dest), "123\xC3\xA9"));
  assert_string_equal(dest, "123\xC3\xA9");
  assert_false(km_strcopy(dest, 1, "x"));
  assert_string_equal(dest, "");
}

static void test_glob(void **state)
{
  (void)state;
  static const struct {
    const char *pattern;
    const char *text;
    bool matches;
  } cases[] = {
      {"", "", true},
      {"", "a", false},
      {"*", "", true},
      {"*", "anything", true},
      {"**", "x", true},
      {"?", "", false},
      {"?", "a", true},
      {"?", "ab", false},
      {"?", "\xC3\xA9", true},
      {"??", "\xC3\xA9", false},
      {"prod-*", "prod-eu", true},
      {"prod-*", "prod-", true},
      {"prod-*", "prod", false},
      {"*-eu", "prod-eu-eu", true},
      {"*-eu", "prod-eu-us", false},
      {"a*b*c", "aXbYbZc", true},
      {"a*b*c", "aXcYb", false},
      {"a?c*", "abc", true},
      {"prod", "Prod", false},
      {"[a]", "a", false},
      {"arn:aws:eks:*:*:cluster/*", "arn:aws:eks:eu-west-1:123:cluster/x", true},
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    if (km_glob_match(cases[i].pattern, cases[i].text) != cases[i].matches) {
      fail_msg("%s on %s", cases[i].pattern, cases[i].text);
    }
  }
}

static void test_glob_does_not_blow_up(void **state)
{
  (void)state;
  char text[20001];
  memset(text, 'a', sizeof(text) - 1);
  text[sizeof(text) - 1] = '\0';
  uint64_t start = km_clock_ns();
  assert_false(km_glob_match("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", text));
  assert_true(km_clock_ns() - start < 2 * KM_NS_PER_S);
}

static const char *const tools[] = {"config_contexts_list", "namespaces_list", "pods_list", "pods_get",
                                    "resources_list",       "resources_get"};

static void assert_nearest(const char *text, const char *expected)
{
  const char *found = km_nearest(text, tools, KM_ARRAY_LEN(tools));
  if (!km_streq(found, expected)) {
    fail_msg("%s: %s instead of %s", text, found != NULL ? found : "nothing",
             expected != NULL ? expected : "nothing");
  }
}

static void test_nearest_suggests_slips(void **state)
{
  (void)state;
  assert_nearest("pods_lst", "pods_list");
  assert_nearest("pod_list", "pods_list");
  assert_nearest("pods_lsit", "pods_list");
  assert_nearest("PODS_LIST", "pods_list");
  assert_nearest("namespaceList", "namespaces_list");
  assert_nearest("resource_get", "resources_get");
  assert_nearest("config", "config_contexts_list");
  assert_nearest("contexts", "config_contexts_list");
}

static void test_nearest_is_silent_about_far_off_words(void **state)
{
  (void)state;
  assert_nearest("", NULL);
  assert_nearest("x", NULL);
  assert_nearest("_", NULL);
  assert_nearest("get", NULL);
  assert_nearest("list", NULL);
  assert_nearest("pods", NULL);
  assert_nearest("helm_install", NULL);
  assert_nearest("deployments_scale", NULL);
  assert_nearest("nodes_top", NULL);
  assert_null(km_nearest("abc", NULL, 0));
}

static void test_nearest_among_short_names(void **state)
{
  (void)state;
  const char *const contexts[] = {"prod", "dev", "staging", "qa"};
  assert_string_equal(km_nearest("prdo", contexts, 4), "prod");
  assert_string_equal(km_nearest("production", contexts, 4), "prod");
  assert_string_equal(km_nearest("stag", contexts, 4), "staging");
  assert_null(km_nearest("stage", contexts, 4)); /* three edits in five letters */
  assert_string_equal(km_nearest("QA", contexts, 4), "qa");
  assert_null(km_nearest("qb", contexts, 4));
  assert_null(km_nearest("test", contexts, 4));
  assert_null(km_nearest("minikube", contexts, 4));
  const char *const arns[] = {"arn:aws:eks:eu-west-1:123456789012:cluster/shop",
                              "arn:aws:eks:eu-west-1:123456789012:cluster/bank"};
  assert_string_equal(km_nearest("shop", arns, 2), arns[0]);
  assert_null(km_nearest("cluster", arns, 2));
}

static void test_nearest_prefers_the_smallest_distance(void **state)
{
  (void)state;
  const char *const names[] = {"kubernetes", "kuberntes", "kubernete"};
  assert_string_equal(km_nearest("kubrentes", names, 3), "kuberntes");
}

static void test_nearest_bounds_its_work(void **state)
{
  (void)state;
  char text[300];
  memset(text, 'a', sizeof(text) - 1);
  text[sizeof(text) - 1] = '\0';
  const char *const names[] = {"aaaa", text};
  assert_null(km_nearest(text, names, 2));
  text[128] = '\0';
  assert_ptr_equal(km_nearest(text, names, 2), text);
  char longer[130];
  memset(longer, 'a', sizeof(longer) - 1);
  longer[sizeof(longer) - 1] = '\0';
  const char *const only[] = {longer};
  assert_ptr_equal(km_nearest(text, only, 1), longer); /* a prefix still */
  longer[64] = 'b';
  assert_null(km_nearest(text, only, 1));
}

static void test_parse_unsigned(void **state)
{
  (void)state;
  uint64_t value = 7;
  assert_true(km_parse_u64("0", &value));
  assert_int_equal(value, 0);
  assert_true(km_parse_u64("18446744073709551615", &value));
  assert_true(value == UINT64_MAX);
  value = 7;
  static const char *const bad[] = {"",
                                    " 1",
                                    "1 ",
                                    "+1",
                                    "-1",
                                    "0x10",
                                    "1e3",
                                    "1.0",
                                    "18446744073709551616",
                                    "99999999999999999999999",
                                    "\xD9\xA1"};
  for (size_t i = 0; i < KM_ARRAY_LEN(bad); i++) {
    assert_false(km_parse_u64(bad[i], &value));
  }
  assert_false(km_parse_u64(NULL, &value));
  assert_int_equal(value, 7);
}

static void test_parse_signed(void **state)
{
  (void)state;
  int64_t value = 7;
  assert_true(km_parse_i64("-9223372036854775808", &value));
  assert_true(value == INT64_MIN);
  assert_true(km_parse_i64("9223372036854775807", &value));
  assert_true(value == INT64_MAX);
  assert_true(km_parse_i64("-0", &value));
  assert_int_equal(value, 0);
  value = 7;
  static const char *const bad[] = {
      "", "-", "--1", "+1", "- 1", "9223372036854775808", "-9223372036854775809"};
  for (size_t i = 0; i < KM_ARRAY_LEN(bad); i++) {
    assert_false(km_parse_i64(bad[i], &value));
  }
  assert_false(km_parse_i64(NULL, &value));
  assert_int_equal(value, 7);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_comparing),
      cmocka_unit_test(test_strcopy),
      cmocka_unit_test(test_glob),
      cmocka_unit_test(test_glob_does_not_blow_up),
      cmocka_unit_test(test_nearest_suggests_slips),
      cmocka_unit_test(test_nearest_is_silent_about_far_off_words),
      cmocka_unit_test(test_nearest_among_short_names),
      cmocka_unit_test(test_nearest_prefers_the_smallest_distance),
      cmocka_unit_test(test_nearest_bounds_its_work),
      cmocka_unit_test(test_parse_unsigned),
      cmocka_unit_test(test_parse_signed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
