/* The store of rows that may come to be shown: bounded, and in order. */
#include "testing.h"

#include "../../../src/tools/rows.h"

#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

static int left_out;
static char last_left_out[32];

static void count_left_out(void *data, const struct row *row)
{
  (void)data;
  left_out++;
  (void)km_strcopy(last_left_out, sizeof(last_left_out), row->name);
}

static struct row *make(const char *key, const char *name, size_t bytes)
{
  struct row like = {.ns = "shop", .name = name, .bytes = bytes};
  if (key != NULL) {
    like.key = km_value_of_text(key, strlen(key));
  }
  return row_new(&like);
}

static struct rows store(bool sorted, bool descending, size_t max_bytes, size_t max_count)
{
  left_out = 0;
  return (struct rows){.max_bytes = max_bytes,
                       .max_count = max_count,
                       .sorted = sorted,
                       .descending = descending,
                       .left_out = count_left_out};
}

static const char *names(const struct rows *rows, char *out)
{
  *out = '\0';
  for (size_t i = 0; i < rows->count; i++) {
    (void)snprintf(out + strlen(out), 256 - strlen(out), "%s ", rows->items[i]->name);
  }
  return out;
}

static void test_unsorted_keeps_a_beginning(void **state)
{
  (void)state;
  char text[256];
  struct rows rows = store(false, false, 25, 100);
  static const char *const given[] = {"a", "b", "c", "d"};
  for (size_t i = 0; i < KM_ARRAY_LEN(given); i++) {
    rows_add(&rows, make(NULL, given[i], given[i][0] == 'c' ? 20 : 10));
  }
  rows_finish(&rows);
  assert_string_equal(names(&rows, text), "a b "); /* d would fit, but c came before it */
  assert_true(rows.closed);
  assert_int_equal(left_out, 2);
  rows_clear(&rows);
  rows_add(&rows, make(NULL, "huge", 1000)); /* the first always has room: it is told by its name at least */
  assert_int_equal(rows.count, 1);
  rows_done(&rows);
}

static void test_sorted_keeps_the_first_in_order(void **state)
{
  (void)state;
  char text[256];
  struct rows rows = store(true, false, 30, 100);
  static const char *const keys[] = {"5", "1", "9", "1Ki", "3", "700m", "2"};
  for (size_t i = 0; i < KM_ARRAY_LEN(keys); i++) {
    rows_add(&rows, make(keys[i], keys[i], 10));
  }
  rows_add(&rows, make(NULL, "none", 10));
  rows_finish(&rows);
  assert_string_equal(names(&rows, text), "700m 1 2 ");
  assert_int_equal(left_out, 5);
  rows_done(&rows);
}

static void test_descending_and_bounded_by_number(void **state)
{
  (void)state;
  char text[256];
  struct rows rows = store(true, true, 1000000, 4);
  for (int i = 0; i < 1000; i++) {
    char key[16];
    (void)snprintf(key, sizeof(key), "%d", i * 7919 % 1000);
    rows_add(&rows, make(key, key, 10));
    assert_true(rows.count <= 4);
  }
  rows_add(&rows, make(NULL, "none", 10));
  rows_finish(&rows);
  assert_string_equal(names(&rows, text), "999 998 997 996 ");
  assert_int_equal(left_out, 997);
  rows_done(&rows);

  rows = store(true, true, 1000, 100);
  rows_add(&rows, make(NULL, "z", 10));
  rows_add(&rows, make("1", "c", 10));
  rows_add(&rows, make("1", "a", 10));
  rows_add(&rows, make(NULL, "y", 10));
  rows_finish(&rows);
  assert_string_equal(names(&rows, text), "a c y z "); /* equals by name, those without a key last */
  rows_done(&rows);
}

static void test_a_row_owns_its_texts(void **state)
{
  (void)state;
  char name[8] = "web-0", text[8] = "line\n";
  struct row like = {.name = name, .text = text, .text_len = 5, .key = km_value_of_text(name, 5)};
  struct row *row = row_new(&like);
  memset(name, 'x', sizeof(name) - 1);
  memset(text, 'x', sizeof(text) - 1);
  assert_string_equal(row->name, "web-0");
  assert_memory_equal(row->key.text, "web-0", 5);
  assert_memory_equal(row->text, "line\n", 5);
  assert_null(row->ns);
  row_free(row);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_unsorted_keeps_a_beginning),
      cmocka_unit_test(test_sorted_keeps_the_first_in_order),
      cmocka_unit_test(test_descending_and_bounded_by_number),
      cmocka_unit_test(test_a_row_owns_its_texts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
