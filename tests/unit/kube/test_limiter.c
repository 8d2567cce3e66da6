/* The token bucket under a clock that stands still until it is moved. */
#include "testing.h"

#include "kube_mcp/kube/limiter.h"

#include "kube_mcp/base/banned.h"

static uint64_t now_ns;

static uint64_t read_now(void)
{
  return now_ns;
}

static int64_t read_wall(void)
{
  return 0;
}

static const struct km_clock still = {.monotonic_ns = read_now, .wall_ms = read_wall};

static int set_up(void **state)
{
  (void)state;
  now_ns = 100 * KM_NS_PER_S;
  km_clock_install(&still);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  km_clock_install(NULL);
  return 0;
}

static uint64_t reserve_ms(struct km_limiter *limiter, km_deadline deadline)
{
  uint64_t wait_ns = 12345;
  uint64_t got = km_limiter_reserve(limiter, deadline, &wait_ns);
  if (got != UINT64_MAX) {
    assert_int_equal(got, wait_ns);
  }
  return got == UINT64_MAX ? UINT64_MAX : got / KM_NS_PER_MS;
}

static void test_burst_then_rate(void **state)
{
  (void)state;
  struct km_limiter limiter;
  km_limiter_init(&limiter, 10, 3);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(reserve_ms(&limiter, 0), 0);
  }
  /* Each further one waits behind those before it. */
  assert_int_equal(reserve_ms(&limiter, 0), 100);
  assert_int_equal(reserve_ms(&limiter, 0), 200);
  assert_int_equal(reserve_ms(&limiter, 0), 300);
  now_ns += 250 * KM_NS_PER_MS;
  assert_int_equal(reserve_ms(&limiter, 0), 150);
  km_limiter_done(&limiter);
}

static void test_refill_stops_at_burst(void **state)
{
  (void)state;
  struct km_limiter limiter;
  km_limiter_init(&limiter, 100, 2);
  now_ns += 3600 * KM_NS_PER_S;
  assert_int_equal(reserve_ms(&limiter, 0), 0);
  assert_int_equal(reserve_ms(&limiter, 0), 0);
  assert_int_equal(reserve_ms(&limiter, 0), 10);
  km_limiter_done(&limiter);
}

static void test_deadline_refuses_without_reserving(void **state)
{
  (void)state;
  struct km_limiter limiter;
  km_limiter_init(&limiter, 1, 1);
  assert_int_equal(reserve_ms(&limiter, 0), 0);
  uint64_t wait_ns = 0;
  assert_int_equal(km_limiter_reserve(&limiter, now_ns + 500 * KM_NS_PER_MS, &wait_ns), UINT64_MAX);
  assert_int_equal(wait_ns / KM_NS_PER_MS, 1000);
  /* Nothing was taken: the next one waits as long, not twice. */
  assert_int_equal(reserve_ms(&limiter, now_ns + 1500 * KM_NS_PER_MS), 1000);
  km_limiter_done(&limiter);
}

static void test_passed_deadline_only_matters_when_waiting(void **state)
{
  (void)state;
  struct km_limiter limiter;
  km_limiter_init(&limiter, 1, 1);
  assert_int_equal(reserve_ms(&limiter, now_ns - 1), 0);
  assert_int_equal(reserve_ms(&limiter, now_ns - 1), UINT64_MAX);
  km_limiter_done(&limiter);
}

static void test_give_back(void **state)
{
  (void)state;
  struct km_limiter limiter;
  km_limiter_init(&limiter, 10, 1);
  assert_int_equal(reserve_ms(&limiter, 0), 0);
  assert_int_equal(reserve_ms(&limiter, 0), 100);
  km_limiter_give_back(&limiter);
  assert_int_equal(reserve_ms(&limiter, 0), 100);
  km_limiter_done(&limiter);
}

static void test_gate_closes_for_everybody(void **state)
{
  (void)state;
  struct km_limiter limiter;
  km_limiter_init(&limiter, 100, 10);
  km_limiter_close_for(&limiter, 2000);
  km_limiter_close_for(&limiter, 500); /* does not open it earlier */
  assert_int_equal(reserve_ms(&limiter, 0), 2000);
  assert_int_equal(reserve_ms(&limiter, now_ns + KM_NS_PER_S), UINT64_MAX);
  now_ns += 1500 * KM_NS_PER_MS;
  assert_int_equal(km_limiter_closed_ns(&limiter) / KM_NS_PER_MS, 500);
  now_ns += 500 * KM_NS_PER_MS;
  assert_int_equal(km_limiter_closed_ns(&limiter), 0);
  assert_int_equal(reserve_ms(&limiter, 0), 0);
  km_limiter_done(&limiter);
}

static void test_gate_stays_closed_a_minute_at_most(void **state)
{
  (void)state;
  struct km_limiter limiter;
  km_limiter_init(&limiter, 100, 10);
  km_limiter_close_for(&limiter, UINT32_MAX);
  assert_int_equal(km_limiter_closed_ns(&limiter), 60 * KM_NS_PER_S);
  km_limiter_done(&limiter);
}

static void test_unlimited_still_has_the_gate(void **state)
{
  (void)state;
  struct km_limiter limiter;
  km_limiter_init(&limiter, 0, 0);
  for (int i = 0; i < 1000; i++) {
    assert_int_equal(reserve_ms(&limiter, 0), 0);
  }
  km_limiter_close_for(&limiter, 100);
  assert_int_equal(reserve_ms(&limiter, 0), 100);
  km_limiter_done(&limiter);
}

static void test_tiny_rate_does_not_overflow(void **state)
{
  (void)state;
  struct km_limiter limiter;
  km_limiter_init(&limiter, 1e-12, 1);
  assert_int_equal(reserve_ms(&limiter, 0), 0);
  assert_true(reserve_ms(&limiter, 0) > 1000000);
  assert_int_equal(reserve_ms(&limiter, now_ns + KM_NS_PER_S), UINT64_MAX);
  km_limiter_done(&limiter);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_burst_then_rate, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_refill_stops_at_burst, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_deadline_refuses_without_reserving, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_passed_deadline_only_matters_when_waiting, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_give_back, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_gate_closes_for_everybody, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_gate_stays_closed_a_minute_at_most, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_unlimited_still_has_the_gate, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_tiny_rate_does_not_overflow, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
