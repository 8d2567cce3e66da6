/* The map: ownership of values, insertion order, keys that were made to collide elsewhere. */
#include "kube_mcp/base/map.h"

#include "testing.h"

#include "kube_mcp/base/banned.h"

static int freed;

static void count_free(void *value)
{
  (void)value;
  freed++;
}

static int set_up(void **state)
{
  (void)state;
  freed = 0;
  return 0;
}

static void test_get_put_remove(void **state)
{
  (void)state;
  struct km_map *map = km_map_new(NULL);
  int a = 1;
  int b = 2;
  assert_int_equal(km_map_count(map), 0);
  assert_null(km_map_get(map, "a"));
  assert_false(km_map_remove(map, "a"));
  km_map_put(map, "a", &a);
  km_map_put(map, "", &b);
  assert_ptr_equal(km_map_get(map, "a"), &a);
  assert_ptr_equal(km_map_get(map, ""), &b);
  assert_null(km_map_get(map, "A"));
  assert_null(km_map_get(map, "aa"));
  assert_int_equal(km_map_count(map), 2);
  assert_true(km_map_remove(map, "a"));
  assert_false(km_map_remove(map, "a"));
  assert_int_equal(km_map_count(map), 1);
  km_map_free(map);
  km_map_free(NULL);
}

static void test_keys_are_copied(void **state)
{
  (void)state;
  struct km_map *map = km_map_new(NULL);
  char key[] = "prod";
  km_map_put(map, key, key);
  key[0] = 'x';
  assert_non_null(km_map_get(map, "prod"));
  assert_null(km_map_get(map, "xrod"));
  km_map_free(map);
}

static void test_values_are_freed_once(void **state)
{
  (void)state;
  struct km_map *map = km_map_new(count_free);
  int values[4];
  km_map_put(map, "a", &values[0]);
  km_map_put(map, "a", &values[0]);
  assert_int_equal(freed, 0);
  km_map_put(map, "a", &values[1]);
  assert_int_equal(freed, 1);
  assert_true(km_map_remove(map, "a"));
  assert_int_equal(freed, 2);
  km_map_put(map, "b", &values[2]);
  assert_ptr_equal(km_map_take(map, "b"), &values[2]);
  assert_null(km_map_take(map, "b"));
  assert_int_equal(freed, 2);
  km_map_put(map, "c", &values[2]);
  km_map_put(map, "d", &values[3]);
  km_map_put(map, "e", NULL);
  km_map_free(map);
  assert_int_equal(freed, 4);
}

struct listing {
  char text[256];
  size_t left;
};

static bool list_key(const char *key, void *value, void *data)
{
  (void)value;
  struct listing *listing = data;
  size_t len = strlen(listing->text);
  (void)snprintf(listing->text + len, sizeof(listing->text) - len, "%s,", key);
  return --listing->left > 0;
}

static void test_iterates_in_insertion_order(void **state)
{
  (void)state;
  struct km_map *map = km_map_new(NULL);
  static const char *const keys[] = {"zeta", "alpha", "mid", "beta", "omega"};
  for (size_t i = 0; i < KM_ARRAY_LEN(keys); i++) {
    km_map_put(map, keys[i], map);
  }
  km_map_put(map, "alpha", NULL); /* keeps its place */
  km_map_remove(map, "mid");
  km_map_put(map, "mid", map); /* goes to the end */
  struct listing all = {.left = 99};
  km_map_each(map, list_key, &all);
  assert_string_equal(all.text, "zeta,alpha,beta,omega,mid,");
  struct listing two = {.left = 2};
  km_map_each(map, list_key, &two);
  assert_string_equal(two.text, "zeta,alpha,");
  km_map_free(map);
  struct km_map *empty = km_map_new(NULL);
  km_map_each(empty, list_key, NULL);
  km_map_free(empty);
}

static void test_many_keys(void **state)
{
  (void)state;
  struct km_map *map = km_map_new(count_free);
  char key[32];
  for (uintptr_t i = 1; i <= 20000; i++) {
    (void)snprintf(key, sizeof(key), "namespace-%zu/pod", (size_t)i);
    km_map_put(map, key, (void *)i);
  }
  assert_int_equal(km_map_count(map), 20000);
  for (uintptr_t i = 1; i <= 20000; i++) {
    (void)snprintf(key, sizeof(key), "namespace-%zu/pod", (size_t)i);
    assert_int_equal((uintptr_t)km_map_get(map, key), i);
    if (i % 2 == 0) {
      assert_true(km_map_remove(map, key));
    }
  }
  assert_int_equal(km_map_count(map), 10000);
  assert_int_equal(freed, 10000);
  km_map_free(map);
  assert_int_equal(freed, 20000);
}

static void test_long_keys(void **state)
{
  (void)state;
  struct km_map *map = km_map_new(NULL);
  char key[100001];
  memset(key, 'k', sizeof(key) - 1);
  key[sizeof(key) - 1] = '\0';
  for (size_t len = 0; len < 40; len++) { /* every length of the hash's last word */
    km_map_put(map, key + sizeof(key) - 1 - len, &key[len]);
  }
  km_map_put(map, key, map);
  for (size_t len = 0; len < 40; len++) {
    assert_ptr_equal(km_map_get(map, key + sizeof(key) - 1 - len), &key[len]);
  }
  assert_ptr_equal(km_map_get(map, key), map);
  km_map_free(map);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_get_put_remove),
      cmocka_unit_test(test_keys_are_copied),
      cmocka_unit_test_setup(test_values_are_freed_once, set_up),
      cmocka_unit_test(test_iterates_in_insertion_order),
      cmocka_unit_test_setup(test_many_keys, set_up),
      cmocka_unit_test(test_long_keys),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
