/* The arena: alignment, growth, the cap, deferred callbacks. */
#include "kube_mcp/base/arena.h"

#include <stdalign.h>

#include "testing.h"

#include "kube_mcp/base/alloc.h"

#include "kube_mcp/base/banned.h"

static bool is_zero(const char *data, size_t len)
{
  for (size_t i = 0; i < len; i++) {
    if (data[i] != 0) {
      return false;
    }
  }
  return true;
}

static void test_memory_is_zeroed_aligned_and_apart(void **state)
{
  (void)state;
  struct km_arena *arena = km_arena_new(1 << 20);
  char *blocks[500];
  for (size_t i = 0; i < KM_ARRAY_LEN(blocks); i++) {
    blocks[i] = km_arena_alloc(arena, i);
    assert_non_null(blocks[i]);
    assert_int_equal((uintptr_t)blocks[i] % alignof(max_align_t), 0);
    assert_true(is_zero(blocks[i], i));
    memset(blocks[i], (int)(i % 255) + 1, i);
  }
  for (size_t i = 0; i < KM_ARRAY_LEN(blocks); i++) {
    for (size_t j = 0; j < i; j++) {
      assert_int_equal((unsigned char)blocks[i][j], i % 255 + 1);
    }
  }
  km_arena_free(arena);
}

static void test_big_requests_do_not_waste_the_current_chunk(void **state)
{
  (void)state;
  struct km_arena *arena = km_arena_new(SIZE_MAX);
  char *before = km_arena_alloc(arena, 16);
  char *big = km_arena_alloc(arena, 9u << 20);
  char *after = km_arena_alloc(arena, 16);
  assert_true(is_zero(big, 9u << 20));
  big[(9u << 20) - 1] = 1;
  assert_true(after > before && after - before < 4096);
  km_arena_free(arena);
}

static void test_grows_beyond_the_largest_chunk(void **state)
{
  (void)state;
  struct km_arena *arena = km_arena_new(SIZE_MAX);
  for (int i = 0; i < 12000; i++) {
    char *block = km_arena_alloc(arena, 1000);
    block[0] = 1;
    block[999] = 1;
  }
  assert_int_equal(km_arena_used(arena), 12000000);
  km_arena_free(arena);
}

static void test_cap_bounds_try_alloc(void **state)
{
  (void)state;
  struct km_arena *arena = km_arena_new(1000);
  assert_non_null(km_arena_try_alloc(arena, 600));
  assert_null(km_arena_try_alloc(arena, 401));
  assert_int_equal(km_arena_used(arena), 600);
  assert_non_null(km_arena_try_alloc(arena, 400));
  assert_null(km_arena_try_alloc(arena, 1));
  assert_non_null(km_arena_alloc(arena, 5000));
  assert_null(km_arena_try_alloc(arena, 1));
  km_arena_free(arena);
}

static void test_absurd_sizes_are_refused(void **state)
{
  (void)state;
  struct km_arena *arena = km_arena_new(SIZE_MAX);
  assert_null(km_arena_try_alloc(arena, SIZE_MAX));
  assert_null(km_arena_try_alloc(arena, SIZE_MAX - 15));
  assert_null(km_arena_try_alloc(arena, (size_t)PTRDIFF_MAX));
  assert_non_null(km_arena_try_alloc(arena, 10));
  km_arena_free(arena);
}

static void alloc_absurd(void *data)
{
  (void)km_arena_alloc(data, SIZE_MAX);
}

static void test_plain_alloc_aborts_without_memory(void **state)
{
  (void)state;
  struct km_arena *arena = km_arena_new(100);
  assert_aborts(alloc_absurd, arena);
  km_arena_free(arena);
}

static void test_strings(void **state)
{
  (void)state;
  struct km_arena *arena = km_arena_new(0);
  assert_null(km_arena_strdup(arena, NULL));
  assert_string_equal(km_arena_strdup(arena, ""), "");
  assert_string_equal(km_arena_strdup(arena, "pods"), "pods");
  assert_string_equal(km_arena_strndup(arena, "pods", 2), "po");
  assert_string_equal(km_arena_strndup(arena, NULL, 0), "");
  assert_string_equal(km_arena_printf(arena, "%s/%d", "a", 7), "a/7");
  for (int width = 250; width < 262; width++) { /* around the size of the first attempt */
    char *text = km_arena_printf(arena, "%*s|%d", width, "x", width);
    assert_int_equal(strlen(text), width + 4);
    assert_int_equal(text[width - 1], 'x');
    assert_int_equal(strtol(text + width + 1, NULL, 10), width);
  }
  km_arena_free(arena);
}

struct trace {
  struct km_arena *arena;
  char text[8];
  size_t len;
};

static void note_a(void *data)
{
  struct trace *trace = data;
  trace->text[trace->len++] = 'a';
}

static void note_b_and_defer_again(void *data)
{
  struct trace *trace = data;
  trace->text[trace->len++] = 'b';
  km_arena_defer(trace->arena, note_a, trace);
}

static void test_deferred_run_in_reverse(void **state)
{
  (void)state;
  struct trace trace = {.arena = km_arena_new(0)};
  km_arena_defer(trace.arena, note_a, &trace);
  km_arena_defer(trace.arena, note_b_and_defer_again, &trace);
  km_arena_defer(trace.arena, note_a, &trace);
  assert_string_equal(trace.text, "");
  km_arena_freep(&trace.arena);
  assert_null(trace.arena);
  assert_string_equal(trace.text, "abaa");
}

static void test_free_accepts_null(void **state)
{
  (void)state;
  km_arena_free(NULL);
  struct km_arena *none = NULL;
  km_arena_freep(&none);
}

static void test_small_allocations(void **state)
{
  (void)state;
  char *memory = km_alloc(100);
  assert_true(is_zero(memory, 100));
  free(memory);
  free(km_alloc(0));
  assert_null(km_strdup(NULL));
  char *copy = km_strdup("abc");
  assert_string_equal(copy, "abc");
  free(copy);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_memory_is_zeroed_aligned_and_apart),
      cmocka_unit_test(test_big_requests_do_not_waste_the_current_chunk),
      cmocka_unit_test(test_grows_beyond_the_largest_chunk),
      cmocka_unit_test(test_cap_bounds_try_alloc),
      cmocka_unit_test(test_absurd_sizes_are_refused),
      cmocka_unit_test(test_plain_alloc_aborts_without_memory),
      cmocka_unit_test(test_strings),
      cmocka_unit_test(test_deferred_run_in_reverse),
      cmocka_unit_test(test_free_accepts_null),
      cmocka_unit_test(test_small_allocations),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
