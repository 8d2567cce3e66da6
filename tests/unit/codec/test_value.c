/* km_quantity_*, km_value_*: hand-known values, printing and reading back, and the order of unlike things. */
#include "kube_mcp/codec/value.h"
#include "testing.h"

#include "kube_mcp/base/banned.h"

#define NANO ((km_nano)1000000000)

static km_nano quantity(const char *text)
{
  km_nano nano = 0;
  if (!km_quantity_parse(text, strlen(text), &nano)) {
    fail_msg("'%s' is not taken for a quantity", text);
  }
  return nano;
}

static void test_quantities(void **state)
{
  (void)state;
  const km_nano ki = 1024;
  const struct {
    const char *text;
    km_nano nano;
  } cases[] = {
      {"0", 0},
      {"-0", 0},
      {"4", 4 * NANO},
      {"+4", 4 * NANO},
      {"1500m", 1500 * NANO / 1000},
      {"1.5", 1500 * NANO / 1000},
      {".5", NANO / 2},
      {"5.", 5 * NANO},
      {"-250m", -NANO / 4},
      {"100n", 100},
      {"3u", 3000},
      {"1k", 1000 * NANO},
      {"2M", 2000000 * NANO},
      {"1G", 1000000000 * NANO},
      {"1T", 1000000000000 * NANO},
      {"1P", 1000000000000000 * NANO},
      {"9E", 9000000000000000000 * NANO},
      {"1Ki", ki * NANO},
      {"512Mi", 512 * ki * ki * NANO},
      {"1.5Gi", 3 * ki * ki * ki / 2 * NANO},
      {"1Ti", ki * ki * ki * ki * NANO},
      {"2Pi", 2 * ki * ki * ki * ki * ki * NANO},
      {"7Ei", 7 * ki * ki * ki * ki * ki * ki * NANO},
      {"0.1Ki", 102400000000},
      {"2e3", 2000 * NANO},
      {"2E3", 2000 * NANO},
      {"2e-3", NANO / 500},
      {"2E+3", 2000 * NANO},
      {"0.1n", 1}, /* rounded away from zero, as the API server does */
      {"1.1n", 2},
      {"-1.1n", -2},
      {"1e-99999999999", 1},
      {"0e99999999999", 0},
      {"9223372036854775807", (km_nano)INT64_MAX * NANO},
      {"9223372036854775807.999999999", (km_nano)INT64_MAX * NANO + 999999999},
      {"1.000000000000000000000000000000000000000000000000", NANO},
      {"00000000000000000000000000000000000000000000000000001", NANO},
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    if (quantity(cases[i].text) != cases[i].nano) {
      fail_msg("%s is not what it should be", cases[i].text);
    }
  }
}

static void test_what_is_no_quantity(void **state)
{
  (void)state;
  static const char *const cases[] = {
      "",
      "-",
      "+",
      ".",
      "Ki",
      "m",
      "1K",
      "1ki",
      "1mi",
      "1.1.1",
      "1 ",
      " 1",
      "1e",
      "1e+",
      "1e1.5",
      "1Kii",
      "1Zi",
      "0x10",
      "1,5",
      "10.0.0.1",
      "1e30",
      "1e999",
      "--1",
      "NaN",
      "inf",
      "1d",
      "1h30m",
      "2026-01-02T03:04:05Z",
      "340282366920938463463374607431768211456",
      "1m2",
      "1iK",
      "1e5m",
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    km_nano nano = 77;
    if (km_quantity_parse(cases[i], strlen(cases[i]), &nano) || nano != 77) {
      fail_msg("'%s' is taken for a quantity", cases[i]);
    }
  }
}

static void test_printing(void **state)
{
  (void)state;
  const struct {
    const char *text, *cpu, *memory;
  } cases[] = {
      {"250m", "250m", "0"},
      {"4", "4", "4"},
      {"1500m", "1500m", "1"},
      {"100n", "1m", "0"},
      {"1999999u", "2", "1"},
      {"-250m", "-250m", "-0"},
      {"512Mi", "536870912", "512Mi"},
      {"16Gi", "17179869184", "16Gi"},
      {"16393244Ki", "16786681856", "16009Mi"},
      {"1023", "1023", "1023"},
      {"2047", "2047", "1Ki"},
      {"1Ei", "1152921504606846976", "1Ei"},
      {"2048Ei", "2361183241434822606848", "2048Ei"},
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    char cpu[64], memory[64];
    km_quantity_print_cpu(cpu, sizeof(cpu), quantity(cases[i].text));
    km_quantity_print_memory(memory, sizeof(memory), quantity(cases[i].text));
    if (i + 1 < KM_ARRAY_LEN(cases)) {
      assert_string_equal(cpu, cases[i].cpu);
    }
    assert_string_equal(memory, cases[i].memory);
  }
}

static void test_round_trips(void **state)
{
  (void)state;
  for (km_nano milli = -5000; milli <= 5000; milli += 7) {
    char text[64];
    km_quantity_print_cpu(text, sizeof(text), milli * (NANO / 1000));
    assert_true(quantity(text) == milli * (NANO / 1000));
  }
  for (km_nano mi = 0; mi < 5000; mi++) {
    char text[64];
    km_quantity_print_memory(text, sizeof(text), mi * 1024 * 1024 * NANO);
    assert_true(quantity(text) == mi * 1024 * 1024 * NANO);
  }
}

/* The value of a piece of JSON; its document lives in ARENA. */
static struct km_value json(struct km_arena *arena, const char *text)
{
  yyjson_doc *doc = NULL;
  struct km_error err = {0};
  assert_int_equal(km_json_parse(arena, text, strlen(text), KM_JSON_MAX_DEPTH, &doc, &err), KM_OK);
  return km_value_of(arena, yyjson_doc_get_root(doc));
}

static void test_values_of_json(void **state)
{
  (void)state;
  struct km_arena *arena = km_arena_new(1 << 16);
  assert_int_equal(km_value_of(NULL, NULL).type, KM_VALUE_NONE);
  assert_int_equal(json(arena, "null").type, KM_VALUE_NONE);
  assert_true(json(arena, "true").boolean);
  assert_string_equal(json(arena, "false").text, "false");
  assert_true(json(arena, "3").nano == 3 * NANO);
  assert_true(json(arena, "-3").nano == -3 * NANO);
  assert_true(json(arena, "18446744073709551615").nano == (km_nano)UINT64_MAX * NANO);
  assert_true(json(arena, "0.1").nano == NANO / 10);
  assert_true(json(arena, "-0.3").nano == -3 * NANO / 10);
  assert_true(json(arena, "1e22").nano == quantity("1e22"));
  assert_true(json(arena, "1e300").nano > quantity("9e28"));
  assert_true(json(arena, "-1e300").nano < -quantity("9e28"));
  assert_true(json(arena, "100000000000000000000").nano == quantity("1e20"));
  assert_int_equal(json(arena, "\"True\"").type, KM_VALUE_TEXT);
  assert_int_equal(json(arena, "\"\"").type, KM_VALUE_TEXT);
  struct km_value gi = json(arena, "\"1Gi\"");
  assert_int_equal(gi.type, KM_VALUE_NUMBER);
  assert_memory_equal(gi.text, "1Gi", gi.len);
  struct km_value time = json(arena, "\"2026-01-02T03:04:05Z\"");
  assert_int_equal(time.type, KM_VALUE_TIME);
  assert_int_equal(time.time_ms, INT64_C(1767323045000));
  assert_int_equal(json(arena, "\"2026-01-02\"").type, KM_VALUE_TEXT);
  struct km_value object = json(arena, "{\"a\": [1, 2]}");
  assert_int_equal(object.type, KM_VALUE_TEXT);
  assert_string_equal(object.text, "{\"a\":[1,2]}");
  km_arena_free(arena);
}

static void test_values_of_words(void **state)
{
  (void)state;
  assert_int_equal(km_value_of_text("null", 4).type, KM_VALUE_NONE);
  assert_int_equal(km_value_of_text("Null", 4).type, KM_VALUE_TEXT);
  assert_true(km_value_of_text("True", 4).boolean);
  assert_int_equal(km_value_of_text("FALSE", 5).type, KM_VALUE_BOOL);
  assert_false(km_value_of_text("FALSE", 5).boolean);
  assert_int_equal(km_value_of_text("truely", 6).type, KM_VALUE_TEXT);
  assert_int_equal(km_value_of_text("2026-01-02", 10).time_ms, INT64_C(1767312000000));
  assert_int_equal(km_value_of_text("2026-13-02", 10).type, KM_VALUE_TEXT);
  assert_int_equal(km_value_of_text("500m", 4).type, KM_VALUE_NUMBER);
  assert_int_equal(km_value_of_text("", 0).type, KM_VALUE_TEXT);
}

/* Each is less than those that follow it, and equal to itself. */
static void test_the_order_is_total(void **state)
{
  (void)state;
  struct km_arena *arena = km_arena_new(1 << 16);
  static const char *const rising[] = {
      "null",
      "false",
      "true",
      "-1e300",
      "-2",
      "\"-1500m\"",
      "0",
      "\"1n\"",
      "0.5",
      "\"999m\"",
      "1",
      "\"1k\"",
      "\"1Ki\"",
      "18446744073709551615",
      "\"20E\"",
      "1e300",
      "\"2025-12-31T23:59:59Z\"",
      "\"2026-01-01T00:00:59.5+00:01\"",
      "\"2026-01-01T00:00:00Z\"",
      "\"2026-01-01T00:00:00.001Z\"",
      "\"\"",
      "\"10.0.0.1\"",
      "\"B\"",
      "\"a\"",
      "\"aa\"",
      "\"b\"",
      "\"\u00e9\"",
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(rising); i++) {
    for (size_t k = 0; k < KM_ARRAY_LEN(rising); k++) {
      struct km_value a = json(arena, rising[i]), b = json(arena, rising[k]);
      int order = km_value_compare(&a, &b);
      if ((order < 0) != (i < k) || (order > 0) != (i > k)) {
        fail_msg("%s and %s are out of order", rising[i], rising[k]);
      }
    }
  }
  km_arena_free(arena);
}

static void test_equal_by_what_they_stand_for(void **state)
{
  (void)state;
  struct km_arena *arena = km_arena_new(1 << 16);
  static const char *const pairs[][2] = {{"\"1Gi\"", "\"1024Mi\""},
                                         {"1", "\"1000m\""},
                                         {"0.5", "\"500m\""},
                                         {"\"1e3\"", "1000"},
                                         {"\"2026-01-02T03:04:05Z\"", "\"2026-01-02T04:04:05+01:00\""}};
  for (size_t i = 0; i < KM_ARRAY_LEN(pairs); i++) {
    struct km_value a = json(arena, pairs[i][0]), b = json(arena, pairs[i][1]);
    assert_int_equal(km_value_compare(&a, &b), 0);
  }
  km_arena_free(arena);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_quantities),         cmocka_unit_test(test_what_is_no_quantity),
      cmocka_unit_test(test_printing),           cmocka_unit_test(test_round_trips),
      cmocka_unit_test(test_values_of_json),     cmocka_unit_test(test_values_of_words),
      cmocka_unit_test(test_the_order_is_total), cmocka_unit_test(test_equal_by_what_they_stand_for),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
