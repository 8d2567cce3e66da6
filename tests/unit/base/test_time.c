/* RFC 3339, ages and durations. */
#include "kube_mcp/base/str.h"

#include "testing.h"

#include "kube_mcp/base/banned.h"

static void assert_written(int64_t wall_ms, const char *expected)
{
  char text[32];
  km_rfc3339(text, sizeof(text), wall_ms);
  assert_string_equal(text, expected);
}

static void test_rfc3339(void **state)
{
  (void)state;
  assert_written(0, "1970-01-01T00:00:00.000Z");
  assert_written(1767323045678, "2026-01-02T03:04:05.678Z");
  assert_written(-1, "1969-12-31T23:59:59.999Z");
  assert_written(951782400000, "2000-02-29T00:00:00.000Z");
  assert_written(INT64_MAX, "9999-12-31T23:59:59.999Z");
  assert_written(INT64_MIN, "0000-01-01T00:00:00.000Z");
}

static void assert_parsed(const char *text, int64_t expected)
{
  int64_t wall_ms = -7;
  if (!km_rfc3339_parse(text, strlen(text), &wall_ms) || wall_ms != expected) {
    fail_msg("%s gives %lld", text, (long long)wall_ms);
  }
}

static void test_rfc3339_parse(void **state)
{
  (void)state;
  assert_parsed("1970-01-01T00:00:00Z", 0);
  assert_parsed("2026-01-02T03:04:05Z", 1767323045000);
  assert_parsed("2026-01-02T03:04:05.678Z", 1767323045678);
  assert_parsed("2026-01-02t03:04:05.678z", 1767323045678);
  assert_parsed("2026-01-02 03:04:05.678Z", 1767323045678);
  assert_parsed("2026-01-02T03:04:05.678901Z", 1767323045678); /* MicroTime */
  assert_parsed("2026-01-02T03:04:05.6Z", 1767323045600);
  assert_parsed("2026-01-02T03:04:05.123456789123456789Z", 1767323045123);
  assert_parsed("2026-01-02T05:34:05+02:30", 1767323045000);
  assert_parsed("2026-01-01T22:04:05-05:00", 1767323045000);
  assert_parsed("2024-02-29T00:00:00Z", 1709164800000);
  assert_parsed("2016-12-31T23:59:60Z", 1483228800000); /* a leap second */
  assert_parsed("1969-12-31T23:59:59.999Z", -1);
}

static void test_rfc3339_parse_refuses(void **state)
{
  (void)state;
  static const char *const bad[] = {"",
                                    "2026",
                                    "2026-01-02",
                                    "2026-01-02T03:04:05",
                                    "2026-01-02T03:04Z",
                                    "2026-1-2T03:04:05Z",
                                    "2026-13-01T00:00:00Z",
                                    "2026-00-01T00:00:00Z",
                                    "2026-02-29T00:00:00Z",
                                    "1900-02-29T00:00:00Z",
                                    "2026-04-31T00:00:00Z",
                                    "2026-01-00T00:00:00Z",
                                    "2026-01-02T24:00:00Z",
                                    "2026-01-02T00:60:00Z",
                                    "2026-01-02T00:00:61Z",
                                    "2026-01-02T03:04:05.Z",
                                    "2026-01-02T03:04:05,5Z",
                                    "2026-01-02T03:04:05+0200",
                                    "2026-01-02T03:04:05+24:00",
                                    "2026-01-02T03:04:05+02",
                                    "2026-01-02T03:04:05Zz",
                                    " 2026-01-02T03:04:05Z",
                                    "2026-01-02T03:04:05Z ",
                                    "+026-01-02T03:04:05Z",
                                    "null"};
  for (size_t i = 0; i < KM_ARRAY_LEN(bad); i++) {
    int64_t wall_ms = 7;
    if (km_rfc3339_parse(bad[i], strlen(bad[i]), &wall_ms) || wall_ms != 7) {
      fail_msg("%s", bad[i]);
    }
  }
  int64_t wall_ms = 7;
  assert_false(km_rfc3339_parse("2026-01-02\0"
                                "03:04:05Z",
                                20, &wall_ms));
  assert_true(km_rfc3339_parse("2026-01-02T03:04:05Z and more", 20, &wall_ms));
}

static void test_round_trip(void **state)
{
  (void)state;
  for (int64_t wall_ms = -62167219200000; wall_ms < 253402300799999; wall_ms += 86399999 * INT64_C(97)) {
    char text[32];
    km_rfc3339(text, sizeof(text), wall_ms);
    assert_parsed(text, wall_ms);
  }
}

/* The table of k8s.io/apimachinery's own test of HumanDuration, and the steps between. */
static void test_human_duration(void **state)
{
  (void)state;
  enum { S = 1000, M = 60 * S, H = 60 * M };
  const int64_t d = 24 * (int64_t)H;
  const struct {
    int64_t ms;
    const char *text;
  } cases[] = {
      {S, "1s"},
      {70 * S, "70s"},
      {119 * S + 999, "119s"},
      {2 * M, "2m"},
      {190 * S, "3m10s"},
      {70 * M, "70m"},
      {9 * M + 59 * S, "9m59s"},
      {10 * M + 59 * S, "10m"},
      {179 * M, "179m"},
      {3 * H, "3h"},
      {47 * H, "47h"},
      {7 * H + 59 * M, "7h59m"},
      {8 * H + 59 * M, "8h"},
      {2 * d, "2d"},
      {49 * H, "2d1h"},
      {7 * d + 23 * H, "7d23h"},
      {8 * d + 2 * H, "8d"},
      {367 * d, "367d"},
      {2 * 365 * d + 25 * H, "2y1d"},
      {2 * 365 * d - 1, "729d"},
      {4 * 365 * d + 2 * H, "4y"},
      {8 * 365 * d + d, "8y"},
      {367 * 2 * d + 2 * H, "2y4d"},
      {367 * 8 * d + 25 * H, "8y"},
      {0, "0s"},
      {-1 * S, "0s"},
      {-1999, "0s"},
      {-2 * S, "<invalid>"},
      {INT64_MIN, "<invalid>"},
      {INT64_MAX, "292471208y"},
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    char text[32];
    km_human_duration(text, sizeof(text), cases[i].ms);
    assert_string_equal(text, cases[i].text);
  }
}

static void test_duration_parse(void **state)
{
  (void)state;
  static const struct {
    const char *text;
    int64_t ms;
  } cases[] = {
      {"30s", 30000}, {"1h30m", 5400000}, {"250ms", 250}, {"2d", 172800000},         {"90", 90000}, {"0", 0},
      {"0s", 0},      {"1m500ms", 60500}, {"5m", 300000}, {"1d2h3m4s5ms", 93784005}, {"007s", 7000}};
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    int64_t ms = -7;
    assert_true(km_duration_parse(cases[i].text, &ms));
    assert_int_equal(ms, cases[i].ms);
  }
}

static void test_duration_parse_refuses(void **state)
{
  (void)state;
  static const char *const bad[] = {"",
                                    "s",
                                    "-5s",
                                    "+5s",
                                    "5x",
                                    "5 s",
                                    " 5s",
                                    "5s ",
                                    "1.5h",
                                    "5sm",
                                    "1m1h",
                                    "1m1m",
                                    "5m30",
                                    "5msx",
                                    "h5",
                                    "5dd",
                                    "9223372036854775807",
                                    "99999999999999999999s",
                                    "106751991168d",
                                    "1h-5m",
                                    "5S"};
  for (size_t i = 0; i < KM_ARRAY_LEN(bad); i++) {
    int64_t ms = 7;
    if (km_duration_parse(bad[i], &ms) || ms != 7) {
      fail_msg("%s", bad[i]);
    }
  }
  int64_t ms = 7;
  assert_false(km_duration_parse(NULL, &ms));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rfc3339),
      cmocka_unit_test(test_rfc3339_parse),
      cmocka_unit_test(test_rfc3339_parse_refuses),
      cmocka_unit_test(test_round_trip),
      cmocka_unit_test(test_human_duration),
      cmocka_unit_test(test_duration_parse),
      cmocka_unit_test(test_duration_parse_refuses),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
