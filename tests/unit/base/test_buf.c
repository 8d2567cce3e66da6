/* The growing buffer: bounds, failure that sticks, termination, detaching, secrets. */
#include "kube_mcp/base/buf.h"

#include "testing.h"

#include "kube_mcp/base/banned.h"

static void test_empty(void **state)
{
  (void)state;
  struct km_buf buf;
  km_buf_init(&buf, 10);
  assert_string_equal(buf.data, "");
  assert_int_equal(buf.len, 0);
  km_buf_truncate(&buf, 0);
  km_buf_clear(&buf);
  assert_true(km_buf_append(&buf, NULL, 0));
  assert_true(km_buf_puts(&buf, ""));
  assert_string_equal(buf.data, "");
  km_buf_done(&buf);
  assert_string_equal(buf.data, "");
}

static void test_done_accepts_a_zeroed_struct(void **state)
{
  (void)state;
  struct km_buf buf = {0};
  km_buf_done(&buf);
  struct km_buf wiped = {0};
  km_buf_wipe(&wiped);
  assert_false(km_buf_putc(&wiped, 'x'));
}

static void test_appends(void **state)
{
  (void)state;
  struct km_buf buf;
  km_buf_init(&buf, 1000);
  assert_true(km_buf_append(&buf, "a\0b", 3));
  assert_true(km_buf_puts(&buf, "cd"));
  assert_true(km_buf_putc(&buf, 'e'));
  assert_true(km_buf_printf(&buf, "%d-%s", 42, "x"));
  assert_true(km_buf_fill(&buf, '.', 3));
  assert_int_equal(buf.len, 13);
  assert_memory_equal(buf.data, "a\0bcde42-x...", 14);
  km_buf_truncate(&buf, 4);
  assert_memory_equal(buf.data, "a\0bc", 5);
  km_buf_done(&buf);
}

static void test_maximum_is_exact_and_failure_sticks(void **state)
{
  (void)state;
  struct km_buf buf;
  km_buf_init(&buf, 5);
  assert_true(km_buf_puts(&buf, "12345"));
  assert_false(buf.failed);
  assert_true(km_buf_append(&buf, "", 0));
  assert_false(km_buf_putc(&buf, '6'));
  assert_true(buf.failed);
  assert_string_equal(buf.data, "12345");
  km_buf_truncate(&buf, 2);
  assert_false(km_buf_putc(&buf, 'x'));
  assert_false(km_buf_printf(&buf, "x"));
  assert_false(km_buf_fill(&buf, 'x', 1));
  assert_string_equal(buf.data, "12");
  km_buf_clear(&buf);
  assert_true(km_buf_puts(&buf, "abcde"));
  assert_string_equal(buf.data, "abcde");
  km_buf_done(&buf);
}

static void test_append_is_whole_or_not_at_all(void **state)
{
  (void)state;
  struct km_buf buf;
  km_buf_init(&buf, 300);
  assert_true(km_buf_fill(&buf, 'a', 250));
  assert_false(km_buf_printf(&buf, "%060d", 1));
  assert_int_equal(buf.len, 250);
  assert_int_equal(strlen(buf.data), 250);
  km_buf_clear(&buf);
  assert_false(km_buf_append(&buf, "x", SIZE_MAX));
  assert_int_equal(buf.len, 0);
  km_buf_done(&buf);
}

static void test_printf_grows(void **state)
{
  (void)state;
  struct km_buf buf;
  km_buf_init(&buf, 100000);
  for (int i = 0; i < 10000; i++) {
    assert_true(km_buf_printf(&buf, "%04d,", i));
  }
  assert_int_equal(buf.len, 50000);
  assert_memory_equal(buf.data + 5 * 1234, "1234,", 5);
  assert_true(buf.cap <= buf.max + 1);
  km_buf_done(&buf);
}

static void test_detach(void **state)
{
  (void)state;
  struct km_buf buf;
  km_buf_init(&buf, 10);
  size_t len = 99;
  char *text = km_buf_detach(&buf, &len);
  assert_string_equal(text, "");
  assert_int_equal(len, 0);
  free(text);
  km_buf_puts(&buf, "abc");
  text = km_buf_detach(&buf, NULL);
  assert_string_equal(text, "abc");
  free(text);
  assert_string_equal(buf.data, "");
  assert_true(km_buf_puts(&buf, "0123456789"));
  assert_false(km_buf_putc(&buf, 'x'));
  km_buf_done(&buf);
}

static void test_secret_buffer_grows_with_its_contents(void **state)
{
  (void)state;
  struct km_buf buf;
  km_buf_init_secret(&buf, 1 << 16);
  for (int i = 0; i < 5000; i++) {
    assert_true(km_buf_putc(&buf, (char)('a' + i % 26)));
  }
  for (size_t i = 0; i < buf.len; i++) {
    assert_int_equal(buf.data[i], 'a' + i % 26);
  }
  char *text = km_buf_detach(&buf, NULL);
  assert_true(buf.secret);
  free(text);
  km_buf_done(&buf);
}

static void truncate_beyond(void *data)
{
  km_buf_truncate(data, 1);
}

static void init_without_maximum(void *data)
{
  km_buf_init(data, SIZE_MAX);
}

static void test_misuse_aborts(void **state)
{
  (void)state;
  struct km_buf buf;
  km_buf_init(&buf, 10);
  assert_aborts(truncate_beyond, &buf);
  assert_aborts(init_without_maximum, &buf);
  km_buf_done(&buf);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_empty),
      cmocka_unit_test(test_done_accepts_a_zeroed_struct),
      cmocka_unit_test(test_appends),
      cmocka_unit_test(test_maximum_is_exact_and_failure_sticks),
      cmocka_unit_test(test_append_is_whole_or_not_at_all),
      cmocka_unit_test(test_printf_grows),
      cmocka_unit_test(test_detach),
      cmocka_unit_test(test_secret_buffer_grows_with_its_contents),
      cmocka_unit_test(test_misuse_aborts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
