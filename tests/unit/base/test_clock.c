/* Clock and deadlines, real and fake. */
#include "kube_mcp/base/clock.h"

#include <time.h>

#include "testing.h"

#include "kube_mcp/base/banned.h"

static uint64_t fake_ns;
static int64_t fake_wall_ms;

static uint64_t read_fake_ns(void)
{
  return fake_ns;
}

static int64_t read_fake_wall_ms(void)
{
  return fake_wall_ms;
}

static int set_up(void **state)
{
  (void)state;
  static const struct km_clock fake = {.monotonic_ns = read_fake_ns, .wall_ms = read_fake_wall_ms};
  fake_ns = 5 * KM_NS_PER_S;
  fake_wall_ms = 1767323045678;
  km_clock_install(&fake);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  km_clock_install(NULL);
  return 0;
}

static void test_real_clock(void **state)
{
  (void)state;
  uint64_t before = km_clock_ns();
  nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
  assert_true(km_clock_ns() - before >= 2 * KM_NS_PER_MS);
  int64_t wall_s = km_clock_wall_ms() / 1000;
  assert_true(wall_s - time(NULL) <= 1 && wall_s - time(NULL) >= -1);
}

static void test_fake_clock(void **state)
{
  (void)state;
  assert_int_equal(km_clock_ns(), 5 * KM_NS_PER_S);
  assert_int_equal(km_clock_wall_ms(), 1767323045678);
  km_clock_install(NULL);
  assert_true(km_clock_ns() != 5 * KM_NS_PER_S);
}

static void test_deadlines(void **state)
{
  (void)state;
  km_deadline deadline = km_deadline_in_ms(250);
  assert_int_equal(deadline, 5250 * KM_NS_PER_MS);
  assert_int_equal(km_deadline_left_ms(deadline), 250);
  fake_ns += 249 * KM_NS_PER_MS + 1;
  assert_int_equal(km_deadline_left_ms(deadline), 1); /* a part of a millisecond is not nothing */
  fake_ns = deadline;
  assert_int_equal(km_deadline_left_ms(deadline), 0);
  fake_ns += KM_NS_PER_S;
  assert_int_equal(km_deadline_left_ms(deadline), 0);
}

static void test_never(void **state)
{
  (void)state;
  assert_int_equal(km_deadline_in_ms(0), 0);
  assert_int_equal(km_deadline_in_ms(-1), 0);
  assert_int_equal(km_deadline_in_ms(INT64_MAX), 0);
  assert_true(km_deadline_left_ms(0) == INT64_MAX);
  assert_int_equal(km_deadline_min(0, 0), 0);
  assert_int_equal(km_deadline_min(0, 7), 7);
  assert_int_equal(km_deadline_min(7, 0), 7);
  assert_int_equal(km_deadline_min(7, 5), 5);
  assert_int_equal(km_deadline_min(5, 7), 5);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_real_clock),
      cmocka_unit_test_setup_teardown(test_fake_clock, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_deadlines, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_never, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
