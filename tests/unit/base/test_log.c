/* Log lines: levels, both formats, and values that try to be more than values. */
#include "kube_mcp/base/log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>

#include <yyjson.h>

#include "testing.h"

#include "kube_mcp/base/clock.h"
#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

static uint64_t fixed_ns(void)
{
  return 1;
}

static int64_t fixed_wall_ms(void)
{
  return 1767323045678;
}

/* Standard error, diverted into a file while a test logs. */
static struct {
  int saved;
  int file;
  char text[1 << 16];
} capture;

static int set_up(void **state)
{
  (void)state;
  static const struct km_clock fixed = {fixed_ns, fixed_wall_ms};
  km_clock_install(&fixed);
  char path[] = "/tmp/km-log-XXXXXX";
  capture.file = mkstemp(path);
  capture.saved = dup(STDERR_FILENO);
  return capture.file < 0 || unlink(path) != 0 || fcntl(capture.file, F_SETFL, O_APPEND) != 0 ||
         dup2(capture.file, STDERR_FILENO) < 0;
}

static int tear_down(void **state)
{
  (void)state;
  dup2(capture.saved, STDERR_FILENO);
  close(capture.saved);
  close(capture.file);
  km_clock_install(NULL);
  return 0;
}

/* What was logged since the last call. */
static const char *logged(void)
{
  ssize_t len = pread(capture.file, capture.text, sizeof(capture.text) - 1, 0);
  assert_true(len >= 0);
  capture.text[len] = '\0';
  assert_int_equal(ftruncate(capture.file, 0), 0);
  return capture.text;
}

#define TIME "2026-01-02T03:04:05.678Z"

static void test_levels(void **state)
{
  (void)state;
  enum km_log_level level = KM_LOG_DEBUG;
  assert_true(km_log_level_parse("emergency", &level));
  assert_int_equal(level, KM_LOG_EMERGENCY);
  assert_false(km_log_level_parse("Warning", &level));
  assert_false(km_log_level_parse("warn", &level));
  assert_false(km_log_level_parse(NULL, &level));
  assert_int_equal(level, KM_LOG_EMERGENCY);
  for (int i = KM_LOG_DEBUG; i <= KM_LOG_EMERGENCY; i++) {
    assert_true(km_log_level_parse(km_log_level_name((enum km_log_level)i), &level));
    assert_int_equal(level, i);
  }
}

static void test_threshold(void **state)
{
  (void)state;
  km_log_init(KM_LOG_WARNING, KM_LOG_TEXT);
  assert_false(km_log_enabled(KM_LOG_NOTICE));
  assert_true(km_log_enabled(KM_LOG_WARNING));
  km_log(KM_LOG_NOTICE, "quiet", NULL);
  assert_string_equal(logged(), "");
  km_log_set_level(KM_LOG_DEBUG);
  km_log(KM_LOG_DEBUG, "loud", NULL);
  assert_string_equal(logged(), TIME " debug loud\n");
}

static void test_text(void **state)
{
  (void)state;
  km_log_init(KM_LOG_DEBUG, KM_LOG_TEXT);
  km_log(KM_LOG_INFO, "listening", "address=%s:%d tls=%s", "127.0.0.1", 8080, "off");
  assert_string_equal(logged(), TIME " info listening address=127.0.0.1:8080 tls=off\n");
  const char *volatile none = NULL; /* as if it came from elsewhere */
  km_log(KM_LOG_ERROR, "call failed", "message=%s empty=%s null=%s", "it is a=\"b\" \\", "", none);
  assert_string_equal(logged(),
                      TIME " error call failed message=\"it is a=\\\"b\\\" \\\\\" empty=\"\" null=\"\"\n");
  km_log(KM_LOG_INFO, "constants", "a=1 b=x%%y  c=%s", "z");
  assert_string_equal(logged(), TIME " info constants a=1 b=x%y c=z\n");
}

static void test_every_conversion(void **state)
{
  (void)state;
  km_log_init(KM_LOG_DEBUG, KM_LOG_TEXT);
  km_log(KM_LOG_INFO, "n", "a=%d b=%u c=%ld d=%lu e=%lld f=%llu g=%zu h=%jd i=%td j=%hhd", -1, 2u, -3L, 4UL,
         -5LL, 6ULL, (size_t)7, (intmax_t)-8, (ptrdiff_t)9, (signed char)10);
  assert_string_equal(logged(), TIME " info n a=-1 b=2 c=-3 d=4 e=-5 f=6 g=7 h=-8 i=9 j=10\n");
  km_log(KM_LOG_INFO, "n", "a=%" PRId64 " b=%" PRIu64 " c=%08x d=%.2f e=%.*s f=%5s| g=%c h=%*d", INT64_MIN,
         UINT64_MAX, 0xBEEFu, 1.5, 3, "abcdef", "x", 'y', 4, 7);
  assert_string_equal(logged(),
                      TIME " info n a=-9223372036854775808 b=18446744073709551615 c=0000beef d=1.50 e=abc "
                           "f=\"    x|\" g=y h=\"   7\"\n");
}

static void test_json(void **state)
{
  (void)state;
  km_log_init(KM_LOG_DEBUG, KM_LOG_JSON);
  km_log(KM_LOG_WARNING, "slow call", "tool=%s ms=%d mixed=%d/%d ratio=%.1f text=%s", "pods_list", 1500, 1, 2,
         0.5, "a\nb\t\"c\" \\");
  assert_string_equal(logged(),
                      "{\"time\":\"" TIME "\",\"level\":\"warning\",\"event\":\"slow call\",\"tool\":"
                      "\"pods_list\",\"ms\":1500,\"mixed\":\"1/2\",\"ratio\":\"0.5\",\"text\":"
                      "\"a\\nb\\t\\\"c\\\" \\\\\"}\n");
}

static void test_padded_numbers_are_valid_json(void **state)
{
  (void)state;
  km_log_init(KM_LOG_DEBUG, KM_LOG_JSON);
  km_log(KM_LOG_INFO, "n", "a=%05d b=%+d c=%4d d=%d", 7, 7, 7, -7);
  const char *line = logged();
  yyjson_doc *doc = yyjson_read(line, strlen(line) - 1, 0);
  assert_non_null(doc);
  yyjson_doc_free(doc);
}

static void test_values_cannot_forge(void **state)
{
  (void)state;
  static const char evil[] =
      "x\n" TIME " error forged user=root\r\n\x1b[2J\x1b]0;title\x07\xE2\x80\xAE\xFF \",\"level\":\"info";
  for (int format = KM_LOG_TEXT; format <= KM_LOG_JSON; format++) {
    km_log_init(KM_LOG_DEBUG, (enum km_log_format)format);
    km_log(KM_LOG_INFO, "call", "name=%s next=%d", evil, 1);
    const char *line = logged();
    assert_int_equal(strcspn(line, "\n"), strlen(line) - 1);
    assert_null(strchr(line, '\x1b'));
    assert_null(strstr(line, "\xE2\x80\xAE"));
    assert_true(km_utf8_valid(line, strlen(line)));
  }
  km_log(KM_LOG_INFO, "call", "name=%s next=%d", evil, 1);
  const char *line = logged();
  yyjson_doc *doc = yyjson_read(line, strlen(line) - 1, 0);
  assert_non_null(doc);
  yyjson_val *root = yyjson_doc_get_root(doc);
  assert_int_equal(yyjson_obj_size(root), 5);
  assert_int_equal(yyjson_get_int(yyjson_obj_get(root, "next")), 1);
  yyjson_doc_free(doc);
}

static void test_long_values_are_cut(void **state)
{
  (void)state;
  static char text[20000];
  memset(text, 'v', sizeof(text) - 1);
  km_log_init(KM_LOG_DEBUG, KM_LOG_TEXT);
  km_log(KM_LOG_INFO, "long", "a=%s b=%d", text, 7);
  const char *line = logged();
  assert_true(strlen(line) < 1200);
  assert_contains(line, "vvv b=7\n");
}

static void test_long_lines_stay_whole(void **state)
{
  (void)state;
  static char text[1025];
  for (size_t i = 0; i + 1 < sizeof(text); i++) {
    text[i] = i % 2 == 0 ? '"' : '\xFF'; /* grows when escaped */
  }
  for (int format = KM_LOG_TEXT; format <= KM_LOG_JSON; format++) {
    km_log_init(KM_LOG_DEBUG, (enum km_log_format)format);
    km_log(KM_LOG_INFO, "long", "a=%s b=%s c=%s d=%d", text, text, text, 7);
    const char *line = logged();
    assert_true(strlen(line) <= 4096);
    assert_true(line[strlen(line) - 1] == '\n');
    assert_contains(line, format == KM_LOG_JSON ? "\"cut\":true}" : " cut=true\n");
    if (format == KM_LOG_JSON) {
      yyjson_doc *doc = yyjson_read(line, strlen(line) - 1, 0);
      assert_non_null(doc);
      yyjson_doc_free(doc);
    }
  }
}

static void *log_often(void *data)
{
  for (int i = 0; i < 200; i++) {
    km_log(KM_LOG_INFO, "line", "thread=%s filler=%s", (const char *)data,
           "ffffffffffffffffffffffffffffffff");
  }
  return NULL;
}

static void test_lines_of_threads_do_not_mix(void **state)
{
  (void)state;
  km_log_init(KM_LOG_DEBUG, KM_LOG_TEXT);
  static char names[] = "a\0b\0c";
  pthread_t threads[3];
  for (size_t i = 0; i < KM_ARRAY_LEN(threads); i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, log_often, names + 2 * i), 0);
  }
  for (size_t i = 0; i < KM_ARRAY_LEN(threads); i++) {
    pthread_join(threads[i], NULL);
  }
  const char *text = logged();
  size_t line_len = strcspn(text, "\n") + 1;
  assert_int_equal(strlen(text), 600 * line_len);
  for (size_t i = 1; i < 600; i++) {
    assert_memory_equal(text + i * line_len, text, strlen(TIME " info line thread="));
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_levels),
      cmocka_unit_test_setup_teardown(test_threshold, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_text, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_every_conversion, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_json, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_padded_numbers_are_valid_json, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_values_cannot_forge, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_long_values_are_cut, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_long_lines_stay_whole, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_lines_of_threads_do_not_mix, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
