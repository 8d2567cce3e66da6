/* What is shown of a log: framing, search, folding, the newest lines. */
#include <stdlib.h>

#include "testing.h"

#include "kube_mcp/base/str.h"
#include "kube_mcp/kube/log_view.h"

#include "kube_mcp/base/banned.h"

struct kit {
  struct km_arena *arena;
  struct km_log_view *view;
  struct km_log_counts counts;
  struct km_buf out;
};

static struct kit new_kit(struct km_log_view_options options, const char *grep)
{
  struct kit kit = {.arena = km_arena_new(0)};
  struct km_error err = {0};
  if (grep != NULL && km_regex_compile(kit.arena, grep, 0, &options.grep, &err) != KM_OK) {
    fail_msg("%s", err.message);
  }
  options.max_bytes = options.max_bytes == 0 ? 32768 : options.max_bytes;
  kit.view = km_log_view_new(kit.arena, &options);
  return kit;
}

static void end_kit(struct kit *kit)
{
  km_buf_done(&kit->out);
  km_arena_free(kit->arena);
}

static void add_bytes(struct kit *kit, const char *text, size_t len, uint64_t dropped)
{
  struct km_error err = {0};
  struct km_log_line line = {text, len, dropped};
  if (km_log_view_add(kit->view, &line, &err) != KM_OK) {
    fail_msg("%s", err.message);
  }
}

static void add(struct kit *kit, const char *text)
{
  add_bytes(kit, text, strlen(text), 0);
}

/* Lines without timestamps, separated by newlines. */
static void add_lines(struct kit *kit, const char *text)
{
  while (*text != '\0') {
    size_t len = strcspn(text, "\n");
    add_bytes(kit, text, len, 0);
    text += len + (text[len] == '\n');
  }
}

static const char *shown_within(struct kit *kit, size_t max_bytes)
{
  km_buf_done(&kit->out);
  km_buf_init(&kit->out, max_bytes);
  km_log_view_render(kit->view, max_bytes, &kit->out, &kit->counts);
  assert_false(kit->out.failed);
  const struct km_log_counts *c = &kit->counts;
  assert_true(c->shown + c->folded + c->left_out <= c->read);
  return kit->out.data;
}

static const char *shown(struct kit *kit)
{
  return shown_within(kit, 32768);
}

static void test_framing(void **state)
{
  (void)state;
  struct kit kit = new_kit((struct km_log_view_options){0}, NULL);
  add_lines(&kit, "=== context prod ===\nplain\n# not ours\n#\n| framed\n|\n|x\n  # inside");
  assert_string_equal(shown(&kit),
                      "| === context prod ===\nplain\n| # not ours\n| #\n| | framed\n| |\n|x\n  # inside\n");
  end_kit(&kit);
  /* The beginning as it is shown counts, not as it was written; and a line stays one line. */
  kit = new_kit((struct km_log_view_options){0}, NULL);
  add_lines(&kit, "\x1b[1m# bold\n\xE2\x80\x8B# zero width\na\xE2\x80\xA8# separator\nend\r");
  assert_string_equal(shown(&kit), "| # bold\n| # zero width\na # separator\nend\n");
  end_kit(&kit);
}

static void test_timestamps(void **state)
{
  (void)state;
  struct kit kit = new_kit((struct km_log_view_options){0}, NULL);
  add(&kit, "2026-01-02T03:04:05.000000006Z # x");
  add(&kit, "2026-01-02T03:04:06Z");
  add(&kit, "2026-01-02T03:04:07Z ");
  assert_string_equal(shown(&kit), "| # x\n\n\n");
  int64_t expected = 0;
  assert_true(km_rfc3339_parse("2026-01-02T03:04:05Z", 20, &expected));
  assert_int_equal(kit.counts.first_ms, expected);
  assert_int_equal(kit.counts.last_ms, expected + 2000);
  end_kit(&kit);
  kit = new_kit((struct km_log_view_options){.timestamps = true}, NULL);
  add(&kit, "2026-01-02T03:04:05.000000006Z # x");
  add(&kit, "# without");
  assert_string_equal(shown(&kit), "2026-01-02T03:04:05.000000006Z # x\n| # without\n");
  end_kit(&kit);
}

static void test_long_and_binary_lines(void **state)
{
  (void)state;
  struct kit kit = new_kit((struct km_log_view_options){.fold = true}, NULL);
  char *text = malloc(KM_LOG_LINE_BYTES);
  memset(text, 'x', KM_LOG_LINE_BYTES);
  add_bytes(&kit, text, KM_LOG_LINE_BYTES, 10000000);
  add_bytes(&kit, text, KM_LOG_LINE_BYTES, 10000000); /* seen in part, so not the same for all we know */
  const char *shown_text = shown(&kit);
  char expected[64];
  (void)snprintf(expected, sizeof(expected), "x [+%zu bytes]\n",
                 10000000 + KM_LOG_LINE_BYTES - KM_LOG_SHOWN_BYTES);
  assert_contains(shown_text, expected);
  assert_int_equal(kit.counts.shown, 2);
  for (size_t i = 0; i < KM_LOG_LINE_BYTES; i++) {
    text[i] = (char)(i * 37 % 256);
  }
  add_bytes(&kit, text, 1000, 24);
  assert_contains(shown(&kit), "\n<binary, 1024 bytes>\n");
  add(&kit, "caf\xe9 \xff\xfe is text with dirt");
  assert_contains(shown(&kit), "\ncaf\xEF\xBF\xBD \xEF\xBF\xBD\xEF\xBF\xBD is text with dirt\n");
  add_bytes(&kit, "nul\0here", 8, 0);
  assert_contains(shown(&kit), "\nnulhere\n");
  free(text);
  end_kit(&kit);
}

static void test_alike(void **state)
{
  (void)state;
  static const struct {
    const char *a, *b;
    bool alike;
  } rows[] = {
      {"took 12 ms", "took 7 ms", true},
      {"took 12 ms", "took 12 s", false},
      {"2026-01-02T03:04:05Z up", "2026-01-02T03:04:06.123Z up", false}, /* another form of time */
      {"2026-01-02T03:04:05.1Z up", "2026-01-02T13:24:36.123Z up", true},
      {"from 10.244.0.17:8080", "from 10.9.10.1:44", true},
      {"id=4dbb2e45a076409d", "id=05e0451d78501a59", true},
      {"id=4dbb2e45-a076-409d-aaaa-8c3488aad914", "id=05e0451d-7850-bbbb-cccc-d978501a5912", true},
      {"at 0xdeadbeef", "at 0x7f", true},
      {"worker deaf", "worker fade", false}, /* words */
      {"status=200", "status=304", true},
      {"status=200", "status=502", false},
      {"status=502", "status=503", false},
      {"status=502 in 10ms", "status=502 in 999ms", true},
      {"in 502ms", "in 3ms", true},
      {"0 errors", "3 errors", false},
      {"0 errors", "0 errors", true},
      {"exit code 1", "exit code 137", true},
      {"10 errors", "30 errors", true},
      {"09:00:00 x", "10:10:10 x", true},
      {"a", "ab", false},
      {"", "", true},
      {"", "1", false},
      {"1", "", false},
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(rows); i++) {
    const char *a = rows[i].a, *b = rows[i].b;
    bool alike = km_log_alike(a, strlen(a), b, strlen(b));
    if (alike != rows[i].alike || alike != km_log_alike(b, strlen(b), a, strlen(a))) {
      fail_msg("'%s' and '%s' are %salike", a, b, alike ? "" : "not ");
    }
    bool same_shape = km_log_shape(a, strlen(a)) == km_log_shape(b, strlen(b));
    assert_int_equal(same_shape, alike);
  }
}

static void test_folding(void **state)
{
  (void)state;
  struct kit kit = new_kit((struct km_log_view_options){.fold = true}, NULL);
  for (int i = 0; i < 20; i++) {
    char line[64];
    (void)snprintf(line, sizeof(line), "2026-01-02T03:04:%02dZ connecting, try %d", i, i + 10);
    add(&kit, line);
    add(&kit, "2026-01-02T03:05:00Z connection refused: 111");
  }
  add(&kit, "2026-01-02T03:05:01Z giving up");
  assert_string_equal(shown(&kit), "connecting, try 10\n"
                                   "# +19 like this, last at 2026-01-02T03:04:19.000Z\n"
                                   "connection refused: 111\n"
                                   "# +19 like this, last at 2026-01-02T03:05:00.000Z\n"
                                   "giving up\n");
  assert_int_equal(kit.counts.read, 41);
  assert_int_equal(kit.counts.shown, 3);
  assert_int_equal(kit.counts.folded, 38);
  end_kit(&kit);
}

static void test_folding_reaches_back_a_little(void **state)
{
  (void)state;
  struct kit kit = new_kit((struct km_log_view_options){.fold = true}, NULL);
  add(&kit, "a line that comes back");
  for (int i = 0; i < 40; i++) {
    char line[64];
    (void)snprintf(line, sizeof(line), "another line, %c%c", 'g' + i / 10, 'g' + i % 10);
    add(&kit, line);
  }
  add(&kit, "a line that comes back"); /* too far: it is news */
  add(&kit, "ok");
  add(&kit, "a line that comes back"); /* not too far */
  add(&kit, "ok");                     /* short ones fold into their neighbour only */
  add(&kit, "ok");
  const char *text = shown(&kit);
  assert_int_equal(kit.counts.folded, 3);
  assert_true(km_ends_with(text, "\na line that comes back\n# +1 like this\nok\n# +2 like this\n"));
  end_kit(&kit);
}

/* Frames of one stack trace are not like each other, those of the next are like those of the first. */
static void test_stack_traces(void **state)
{
  (void)state;
  struct kit kit = new_kit((struct km_log_view_options){.fold = true}, NULL);
  for (int i = 0; i < 3; i++) {
    add_lines(&kit, "java.lang.Exception: no store\n\tat shop.Store.open(Store.java:84)\n\tat "
                    "shop.Store.open(Store.java:79)\n");
  }
  assert_string_equal(shown(&kit), "java.lang.Exception: no store\n# +2 like this\n"
                                   "\tat shop.Store.open(Store.java:84)\n# +2 like this\n"
                                   "\tat shop.Store.open(Store.java:79)\n# +2 like this\n");
  end_kit(&kit);
}

static void test_no_folding(void **state)
{
  (void)state;
  struct kit kit = new_kit((struct km_log_view_options){0}, NULL);
  add_lines(&kit, "the same line again\nthe same line again\n");
  assert_string_equal(shown(&kit), "the same line again\nthe same line again\n");
  end_kit(&kit);
}

static void test_search(void **state)
{
  (void)state;
  static const char log[] = "a\nb\nERROR c\nd\ne\nf\ng\nh\nERROR i\nERROR j\nk\n";
  struct kit kit = new_kit((struct km_log_view_options){0}, "ERROR");
  add_lines(&kit, log);
  assert_string_equal(shown(&kit), "ERROR c\nERROR i\nERROR j\n");
  assert_int_equal(kit.counts.read, 11);
  assert_int_equal(kit.counts.matching, 3);
  end_kit(&kit);
  kit = new_kit((struct km_log_view_options){.context_lines = 1, .fold = true}, "ERROR");
  add_lines(&kit, log);
  assert_string_equal(shown(&kit), "b\nERROR c\nd\n# --\nh\nERROR i\nERROR j\nk\n");
  assert_int_equal(kit.counts.matching, 3);
  end_kit(&kit);
  kit = new_kit((struct km_log_view_options){.context_lines = 3}, "ERROR");
  add_lines(&kit, log); /* the contexts touch */
  assert_string_equal(shown(&kit), log);
  end_kit(&kit);
  kit = new_kit((struct km_log_view_options){.context_lines = 20}, "^nothing$");
  add_lines(&kit, log);
  assert_string_equal(shown(&kit), "");
  assert_int_equal(km_log_view_bytes(kit.view), 0);
  end_kit(&kit);
  /* What is searched is the text as shown, without timestamp and frame. */
  kit = new_kit((struct km_log_view_options){0}, "^# x");
  add(&kit, "2026-01-02T03:04:05Z \x1b[1m# x\x1b[0m");
  assert_string_equal(shown(&kit), "| # x\n");
  end_kit(&kit);
}

static void test_the_newest_are_kept(void **state)
{
  (void)state;
  struct kit kit = new_kit((struct km_log_view_options){.max_bytes = 1000}, NULL);
  for (int i = 0; i < 5000; i++) {
    char line[64];
    (void)snprintf(line, sizeof(line), "line %04d", i);
    add(&kit, line);
  }
  assert_true(km_log_view_bytes(kit.view) <= 1000);
  const char *text = shown_within(&kit, 1000);
  assert_true(km_ends_with(text, "\nline 4998\nline 4999\n"));
  assert_int_equal(kit.counts.shown, 100);
  assert_int_equal(kit.counts.left_out, 4900);
  text = shown_within(&kit, 25);
  assert_string_equal(text, "line 4998\nline 4999\n");
  assert_int_equal(kit.counts.left_out, 4998);
  text = shown_within(&kit, 0);
  assert_string_equal(text, "");
  end_kit(&kit);
}

static void test_one_line_too_many(void **state)
{
  (void)state;
  struct kit kit = new_kit((struct km_log_view_options){.max_bytes = 100}, NULL);
  add(&kit, "first");
  char line[1001];
  memset(line, 'x', 1000);
  line[1000] = '\0';
  add(&kit, line);
  const char *text = shown_within(&kit, 100);
  assert_true(strlen(text) <= 100);
  assert_contains(text, "xxxx [+9");
  assert_int_equal(kit.counts.shown, 1);
  assert_int_equal(kit.counts.left_out, 1);
  end_kit(&kit);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_framing),
      cmocka_unit_test(test_timestamps),
      cmocka_unit_test(test_long_and_binary_lines),
      cmocka_unit_test(test_alike),
      cmocka_unit_test(test_folding),
      cmocka_unit_test(test_folding_reaches_back_a_little),
      cmocka_unit_test(test_stack_traces),
      cmocka_unit_test(test_no_folding),
      cmocka_unit_test(test_search),
      cmocka_unit_test(test_the_newest_are_kept),
      cmocka_unit_test(test_one_line_too_many),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
