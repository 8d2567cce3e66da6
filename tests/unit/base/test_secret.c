/* struct km_secret: copies, wiping, and memory that stays out of core files. */
#include "kube_mcp/base/crypto.h"

#include <pthread.h>

#include "testing.h"

#include "kube_mcp/base/banned.h"

static void test_set_copy_done(void **state)
{
  (void)state;
  struct km_secret a = {0};
  struct km_secret b = {0};
  assert_true(km_secret_empty(&a));
  assert_true(km_secret_equal(&a, &b));
  char source[] = "hunter2";
  km_secret_set(&a, source, 7);
  memset(source, 'x', 7);
  assert_string_equal(a.data, "hunter2");
  assert_int_equal(a.len, 7);
  km_secret_copy(&b, &a);
  assert_ptr_not_equal(a.data, b.data);
  assert_true(km_secret_equal(&a, &b));
  km_secret_set(&b, "hunter3", 7);
  assert_false(km_secret_equal(&a, &b));
  km_secret_set(&b, "hunter", 6);
  assert_false(km_secret_equal(&a, &b));
  assert_false(km_secret_equal(&a, &(struct km_secret){0}));
  km_secret_done(&a);
  assert_null(a.data);
  assert_true(km_secret_empty(&a));
  km_secret_done(&a);
  km_secret_set(&b, "", 0);
  assert_null(b.data);
  km_secret_copy(&b, &a);
  assert_true(km_secret_empty(&b));
}

static void test_set_to_a_part_of_itself(void **state)
{
  (void)state;
  struct km_secret secret = {0};
  km_secret_set(&secret, "  token  ", 9);
  km_secret_set(&secret, secret.data + 2, 5);
  assert_string_equal(secret.data, "token");
  km_secret_copy(&secret, &secret);
  assert_string_equal(secret.data, "token");
  km_secret_done(&secret);
}

static void test_every_size_holds_its_contents(void **state)
{
  (void)state;
  struct km_secret secrets[200] = {0};
  char text[200 * 50];
  for (size_t i = 0; i < sizeof(text); i++) {
    text[i] = (char)('a' + i % 26);
  }
  for (int round = 0; round < 3; round++) {
    for (size_t i = 0; i < KM_ARRAY_LEN(secrets); i++) {
      km_secret_set(&secrets[i], text + i, (i * 50 + (size_t)round * 7) % (sizeof(text) - 200) + 1);
    }
    for (size_t i = 0; i < KM_ARRAY_LEN(secrets); i++) {
      assert_memory_equal(secrets[i].data, text + i, secrets[i].len);
      assert_int_equal(secrets[i].data[secrets[i].len], '\0');
    }
  }
  for (size_t i = 0; i < KM_ARRAY_LEN(secrets); i++) {
    km_secret_done(&secrets[i]);
  }
}

static void *churn(void *data)
{
  char fill = *(const char *)data;
  char text[3000];
  memset(text, fill, sizeof(text));
  struct km_secret secrets[16] = {0};
  for (size_t i = 0; i < 4000; i++) {
    struct km_secret *secret = &secrets[i % KM_ARRAY_LEN(secrets)];
    for (size_t j = 0; j < secret->len; j++) {
      if (secret->data[j] != fill) {
        return data;
      }
    }
    km_secret_set(secret, text, i * 37 % 600 + 1);
  }
  for (size_t i = 0; i < KM_ARRAY_LEN(secrets); i++) {
    km_secret_done(&secrets[i]);
  }
  return NULL;
}

static void test_threads_do_not_share_blocks(void **state)
{
  (void)state;
  pthread_t threads[4];
  static const char fills[] = "abcd";
  for (size_t i = 0; i < KM_ARRAY_LEN(threads); i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, churn, (void *)(uintptr_t)&fills[i]), 0);
  }
  for (size_t i = 0; i < KM_ARRAY_LEN(threads); i++) {
    void *failed = NULL;
    pthread_join(threads[i], &failed);
    assert_null(failed);
  }
}

#ifndef KM_ASAN
/* The VmFlags of the mapping that holds ADDRESS. */
static void mapping_flags(const void *address, char *flags, size_t size)
{
  FILE *maps = fopen("/proc/self/smaps", "r");
  assert_non_null(maps);
  char line[512];
  bool inside = false;
  flags[0] = '\0';
  while (fgets(line, sizeof(line), maps) != NULL) {
    unsigned long first = 0;
    unsigned long last = 0;
    if (sscanf(line, "%lx-%lx ", &first, &last) == 2) {
      inside = (uintptr_t)address >= first && (uintptr_t)address < last;
    } else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
      (void)snprintf(flags, size, "%s", line);
    }
  }
  (void)fclose(maps);
}

static void test_memory_stays_out_of_core_files(void **state)
{
  (void)state;
  static const size_t sizes[] = {10, 1000, 100000};
  char text[100000];
  memset(text, 's', sizeof(text));
  for (size_t i = 0; i < KM_ARRAY_LEN(sizes); i++) {
    struct km_secret secret = {0};
    km_secret_set(&secret, text, sizes[i]);
    char flags[512];
    mapping_flags(secret.data, flags, sizeof(flags));
    assert_contains(flags, " dd");
    km_secret_done(&secret);
  }
}

static void test_done_wipes(void **state)
{
  (void)state;
  struct km_secret secret = {0};
  km_secret_set(&secret, "0123456789abcdef0123456789", 26);
  const char *data = secret.data; /* the pool keeps it mapped */
  km_secret_done(&secret);
  for (size_t i = sizeof(void *); i < 26; i++) { /* the first bytes link free blocks */
    assert_int_equal(data[i], 0);
  }
  assert_null(memmem(data, sizeof(void *), "0123", 4));
}

static void test_many_small_secrets_share_pages(void **state)
{
  (void)state;
  struct km_secret secrets[64] = {0};
  uintptr_t lowest = UINTPTR_MAX;
  uintptr_t highest = 0;
  for (size_t i = 0; i < KM_ARRAY_LEN(secrets); i++) {
    km_secret_set(&secrets[i], "password", 8);
    uintptr_t at = (uintptr_t)secrets[i].data;
    lowest = at < lowest ? at : lowest;
    highest = at > highest ? at : highest;
  }
  assert_true(highest - lowest < (uintptr_t)64 * 1024);
  for (size_t i = 0; i < KM_ARRAY_LEN(secrets); i++) {
    km_secret_done(&secrets[i]);
  }
}
#endif

int main(void)
{
  const struct CMUnitTest tests[] = {
#ifndef KM_ASAN
      cmocka_unit_test(test_many_small_secrets_share_pages), /* first, while the pool is empty */
      cmocka_unit_test(test_memory_stays_out_of_core_files),
      cmocka_unit_test(test_done_wipes),
#endif
      cmocka_unit_test(test_set_copy_done),
      cmocka_unit_test(test_set_to_a_part_of_itself),
      cmocka_unit_test(test_every_size_holds_its_contents),
      cmocka_unit_test(test_threads_do_not_share_blocks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
