/* Pauses and single flights: one leader, followers that share what it brings, and ways out for all of them. */
#include "kube/fixture.h"

#include "../../../src/kube/flight.h"

#include "kube_mcp/base/banned.h"

static void *cancel_soon(void *data)
{
  sleep_ms(30);
  km_cancel_trigger(data, "enough");
  return NULL;
}

static void test_pause(void **state)
{
  (void)state;
  struct km_error err = {0};
  uint64_t start_ns = km_clock_ns();
  assert_int_equal(km_pause(20 * KM_NS_PER_MS, NULL, &err), KM_OK);
  assert_true(elapsed_ms_since(start_ns) >= 20);
}

static void test_pause_cancelled(void **state)
{
  (void)state;
  struct km_error err = {0};
  struct km_cancel *cancel = km_cancel_new();
  pthread_t thread;
  pthread_create(&thread, NULL, cancel_soon, cancel);
  uint64_t start_ns = km_clock_ns();
  assert_int_equal(km_pause(20 * KM_NS_PER_S, cancel, &err), KM_E_CANCELLED);
  assert_contains(err.message, "enough");
  assert_true(elapsed_ms_since(start_ns) < 10000);
  pthread_join(thread, NULL);
  /* One that is cancelled beforehand does not sleep at all. */
  assert_int_equal(km_pause(20 * KM_NS_PER_S, cancel, &err), KM_E_CANCELLED);
  assert_true(elapsed_ms_since(start_ns) < 10000);
  km_cancel_unref(cancel);
}

/* Several threads that want the same. */
struct crowd {
  struct km_flights flights;
  struct km_cancel *cancel;
  enum km_rc outcome; /* of the leader's work */
  long work_ms;
  km_deadline deadline;
  atomic_uint leads, done, failed, timed_out, cancelled;
};

static void *want(void *data)
{
  struct crowd *crowd = data;
  struct km_flight *lead = NULL;
  struct km_error err = {0};
  enum km_rc rc = km_flight_join(&crowd->flights, "thing", crowd->deadline, crowd->cancel, &lead, &err);
  if (rc == KM_OK && lead != NULL) {
    atomic_fetch_add(&crowd->leads, 1);
    sleep_ms(crowd->work_ms);
    rc = crowd->outcome;
    if (rc != KM_OK) {
      km_error_set(&err, rc, "no luck");
    }
    rc = km_flight_land(&crowd->flights, lead, rc, &err);
  }
  if (rc != KM_OK) {
    assert_int_equal(rc, err.code);
  }
  atomic_fetch_add(rc == KM_OK            ? &crowd->done
                   : rc == KM_E_TIMEOUT   ? &crowd->timed_out
                   : rc == KM_E_CANCELLED ? &crowd->cancelled
                                          : &crowd->failed,
                   1);
  return NULL;
}

static void test_one_leads(void **state)
{
  (void)state;
  struct crowd crowd = {.work_ms = 100};
  km_flights_init(&crowd.flights);
  in_parallel(16, want, &crowd);
  assert_int_equal(crowd.done, 16);
  assert_true(crowd.leads < 16); /* one, unless a thread came very late */
  /* The next one finds nothing under way. */
  unsigned before = crowd.leads;
  crowd.work_ms = 0;
  want(&crowd);
  assert_int_equal(crowd.leads, before + 1);
  km_flights_done(&crowd.flights);
}

static void test_failure_is_shared(void **state)
{
  (void)state;
  struct crowd crowd = {.work_ms = 100, .outcome = KM_E_UNAVAILABLE};
  km_flights_init(&crowd.flights);
  in_parallel(8, want, &crowd);
  assert_int_equal(crowd.failed, 8);
  assert_true(crowd.leads < 8);
  km_flights_done(&crowd.flights);
}

/* A leader that was cancelled, or ran out of its own time, does not take the others down with it. */
static void test_leaders_own_failure_passes_the_lead_on(void **state)
{
  (void)state;
  struct crowd crowd = {.work_ms = 5, .outcome = KM_E_TIMEOUT};
  km_flights_init(&crowd.flights);
  in_parallel(8, want, &crowd);
  assert_int_equal(crowd.leads, 8);
  assert_int_equal(crowd.timed_out, 8);
  km_flights_done(&crowd.flights);
}

static void *lead_long(void *data)
{
  struct crowd *crowd = data;
  struct km_flight *lead = NULL;
  struct km_error err = {0};
  assert_int_equal(km_flight_join(&crowd->flights, "thing", 0, NULL, &lead, &err), KM_OK);
  assert_non_null(lead);
  atomic_fetch_add(&crowd->leads, 1);
  sleep_ms(300);
  assert_int_equal(km_flight_land(&crowd->flights, lead, KM_OK, &err), KM_OK);
  return NULL;
}

static void test_followers_have_ways_out(void **state)
{
  (void)state;
  struct crowd crowd = {0};
  km_flights_init(&crowd.flights);
  pthread_t leader;
  pthread_create(&leader, NULL, lead_long, &crowd);
  while (atomic_load(&crowd.leads) == 0) {
    sleep_ms(1);
  }
  crowd.deadline = km_deadline_in_ms(30);
  uint64_t start_ns = km_clock_ns();
  want(&crowd);
  assert_int_equal(crowd.timed_out, 1);
  crowd.deadline = 0;
  crowd.cancel = km_cancel_new();
  pthread_t canceller;
  pthread_create(&canceller, NULL, cancel_soon, crowd.cancel);
  want(&crowd);
  assert_int_equal(crowd.cancelled, 1);
  assert_true(elapsed_ms_since(start_ns) < 290);
  pthread_join(canceller, NULL);
  pthread_join(leader, NULL);
  km_cancel_unref(crowd.cancel);
  km_flights_done(&crowd.flights);
}

static void test_keys_do_not_wait_for_each_other(void **state)
{
  (void)state;
  struct km_flights flights;
  struct km_error err = {0};
  struct km_flight *a = NULL;
  struct km_flight *b = NULL;
  km_flights_init(&flights);
  assert_int_equal(km_flight_join(&flights, "a", 0, NULL, &a, &err), KM_OK);
  assert_int_equal(km_flight_join(&flights, "b", 0, NULL, &b, &err), KM_OK);
  assert_non_null(a);
  assert_non_null(b);
  assert_int_equal(km_flight_land(&flights, a, KM_OK, NULL), KM_OK);
  assert_int_equal(km_flight_land(&flights, b, KM_OK, NULL), KM_OK);
  km_flights_done(&flights);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_pause),
      cmocka_unit_test(test_pause_cancelled),
      cmocka_unit_test(test_one_leads),
      cmocka_unit_test(test_failure_is_shared),
      cmocka_unit_test(test_leaders_own_failure_passes_the_lead_on),
      cmocka_unit_test(test_followers_have_ways_out),
      cmocka_unit_test(test_keys_do_not_wait_for_each_other),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
