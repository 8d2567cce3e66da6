/* Lanes: order, bounds, threads on demand, and maps that always make progress. */
#include "kube_mcp/base/lane.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "testing.h"

#include "kube_mcp/base/clock.h"

#include "kube_mcp/base/banned.h"

static void sleep_ms(long ms)
{
  nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* Threads of this process. */
static long thread_count(void)
{
  FILE *file = fopen("/proc/self/status", "r");
  assert_non_null(file);
  char line[256];
  long count = -1;
  while (fgets(line, sizeof(line), file) != NULL) {
    if (strncmp(line, "Threads:", 8) == 0) {
      count = strtol(line + 8, NULL, 10);
    }
  }
  (void)fclose(file);
  return count;
}

/* A thread that was joined is listed for a moment longer. */
static void assert_threads_settle_at(long expected)
{
  for (int i = 0; i < 500 && thread_count() != expected; i++) {
    sleep_ms(5);
  }
  assert_int_equal(thread_count(), expected);
}

static void *do_nothing(void *data)
{
  return data;
}

/* Threads of a process without lanes. */
static long resting_threads;

/* Sanitizers add a thread of their own beside the first one that is created. */
static int count_resting_threads(void **state)
{
  (void)state;
  pthread_t thread;
  int rc = pthread_create(&thread, NULL, do_nothing, NULL);
  if (rc == 0) {
    pthread_join(thread, NULL);
    sleep_ms(50);
  }
  resting_threads = thread_count();
  return rc;
}

/* A door that jobs wait at. */
struct door {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  bool open;
  int waiting;
  int passed;
};

#define DOOR_INIT                                                                                            \
  {                                                                                                          \
    .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER                                  \
  }

static void pass(void *data)
{
  struct door *door = data;
  pthread_mutex_lock(&door->mutex);
  door->waiting++;
  pthread_cond_broadcast(&door->changed);
  while (!door->open) {
    pthread_cond_wait(&door->changed, &door->mutex);
  }
  door->passed++;
  pthread_mutex_unlock(&door->mutex);
}

static void await_waiting(struct door *door, int count)
{
  pthread_mutex_lock(&door->mutex);
  while (door->waiting < count) {
    pthread_cond_wait(&door->changed, &door->mutex);
  }
  pthread_mutex_unlock(&door->mutex);
}

static void open_door(struct door *door)
{
  pthread_mutex_lock(&door->mutex);
  door->open = true;
  pthread_cond_broadcast(&door->changed);
  pthread_mutex_unlock(&door->mutex);
}

static void test_starts_no_thread_without_work(void **state)
{
  (void)state;
  struct km_lane *lane = km_lane_new("idle", 8, 8);
  assert_threads_settle_at(resting_threads);
  km_lane_free(lane);
  km_lane_free(NULL);
}

static void test_bounds_are_exact(void **state)
{
  (void)state;
  struct door door = DOOR_INIT;
  struct km_lane *lane = km_lane_new("bounds", 3, 5);
  for (int i = 0; i < 8; i++) {
    assert_true(km_lane_submit(lane, pass, &door));
  }
  assert_false(km_lane_submit(lane, pass, &door));
  await_waiting(&door, 3);
  assert_threads_settle_at(resting_threads + 3);
  assert_false(km_lane_submit(lane, pass, &door));
  open_door(&door);
  km_lane_free(lane); /* finishes what is queued */
  assert_int_equal(door.passed, 8);
}

static void test_a_lane_without_queue_still_runs(void **state)
{
  (void)state;
  struct door door = DOOR_INIT;
  struct km_lane *lane = km_lane_new("direct", 2, 0);
  assert_true(km_lane_submit(lane, pass, &door));
  assert_true(km_lane_submit(lane, pass, &door));
  assert_false(km_lane_submit(lane, pass, &door));
  open_door(&door);
  km_lane_free(lane);
  assert_int_equal(door.passed, 2);
}

struct order {
  int next;
  bool broken;
};

struct numbered {
  struct order *order;
  int number;
};

static void check_order(void *data)
{
  struct numbered *job = data;
  job->order->broken |= job->order->next++ != job->number;
}

static void test_one_thread_keeps_the_order(void **state)
{
  (void)state;
  struct order order = {0};
  struct numbered jobs[1000];
  struct km_lane *lane = km_lane_new("order", 1, 7);
  for (int i = 0; i < 1000; i++) {
    jobs[i] = (struct numbered){&order, i};
    while (!km_lane_submit(lane, check_order, &jobs[i])) {
      sleep_ms(1);
    }
  }
  km_lane_free(lane);
  assert_int_equal(order.next, 1000);
  assert_false(order.broken);
}

static void test_an_idle_thread_is_used_again(void **state)
{
  (void)state;
  struct km_lane *lane = km_lane_new("reuse", 8, 8);
  struct door door = DOOR_INIT;
  open_door(&door);
  for (int i = 1; i <= 20; i++) {
    assert_true(km_lane_submit(lane, pass, &door));
    await_waiting(&door, i);
    sleep_ms(5); /* the thread comes back to wait */
  }
  assert_true(thread_count() <= resting_threads + 2);
  km_lane_free(lane);
}

struct runner {
  struct door *door;
  pthread_t thread;
};

static void note_thread(void *data)
{
  struct runner *runner = data;
  runner->thread = pthread_self();
  pass(runner->door);
}

static pthread_t thread_of_next_job(struct km_lane *lane, struct door *door, int passed)
{
  struct runner runner = {.door = door};
  assert_true(km_lane_submit(lane, note_thread, &runner));
  await_waiting(door, passed);
  sleep_ms(20); /* the thread comes back to wait */
  return runner.thread;
}

static void test_the_thread_that_worked_last_goes_first(void **state)
{
  (void)state;
  struct km_lane *lane = km_lane_new("last", 4, 4);
  struct door door = DOOR_INIT;
  for (int i = 0; i < 4; i++) { /* all at once, so that there are four threads */
    assert_true(km_lane_submit(lane, pass, &door));
  }
  await_waiting(&door, 4);
  open_door(&door);
  sleep_ms(20);
  pthread_t last = thread_of_next_job(lane, &door, 5);
  int again = 0;
  for (int i = 6; i <= 25; i++) {
    pthread_t next = thread_of_next_job(lane, &door, i);
    again += pthread_equal(next, last) != 0;
    last = next;
  }
  assert_true(again >= 15); /* on a busy machine a thread may come back late */
  km_lane_free(lane);
}

static uint64_t a_minute_behind(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * KM_NS_PER_S + (uint64_t)now.tv_nsec - 60 * KM_NS_PER_S + 20 * KM_NS_PER_MS;
}

static int64_t wall_ms(void)
{
  return 0;
}

static void test_threads_end_when_idle_and_start_again(void **state)
{
  (void)state;
  /* With a clock that is late, a minute of idling is over in 20 ms. */
  static const struct km_clock late = {a_minute_behind, wall_ms};
  km_clock_install(&late);
  struct door door = DOOR_INIT;
  open_door(&door);
  struct km_lane *lane = km_lane_new("ending", 4, 4);
  for (int round = 1; round <= 3; round++) {
    for (int i = 0; i < 4; i++) {
      assert_true(km_lane_submit(lane, pass, &door));
    }
    await_waiting(&door, 4 * round);
    assert_threads_settle_at(resting_threads);
  }
  km_lane_free(lane);
  assert_int_equal(door.passed, 12);
  km_clock_install(NULL);
}

struct probe {
  char name[16];
  bool blocks_sigterm;
};

static void probe_thread(void *data)
{
  struct probe *probe = data;
  sigset_t blocked;
  pthread_getname_np(pthread_self(), probe->name, sizeof(probe->name));
  pthread_sigmask(SIG_BLOCK, NULL, &blocked);
  probe->blocks_sigterm = sigismember(&blocked, SIGTERM) == 1;
}

static void test_threads_have_a_name_and_take_no_signals(void **state)
{
  (void)state;
  struct probe probe = {0};
  struct km_lane *lane = km_lane_new("a name longer than the kernel keeps", 1, 1);
  assert_true(km_lane_submit(lane, probe_thread, &probe));
  km_lane_free(lane);
  assert_string_equal(probe.name, "a name longer t");
  assert_true(probe.blocks_sigterm);
  sigset_t blocked;
  pthread_sigmask(SIG_BLOCK, NULL, &blocked);
  assert_false(sigismember(&blocked, SIGTERM));
}

struct sums {
  atomic_int seen[1000];
  struct km_lane *lane;
};

static void mark(void *data, size_t index)
{
  struct sums *sums = data;
  atomic_fetch_add(&sums->seen[index], 1);
}

static void assert_seen_once(struct sums *sums, size_t count)
{
  for (size_t i = 0; i < KM_ARRAY_LEN(sums->seen); i++) {
    assert_int_equal(atomic_load(&sums->seen[i]), i < count ? 1 : 0);
    atomic_store(&sums->seen[i], 0);
  }
}

static void test_map_visits_every_item_once(void **state)
{
  (void)state;
  static const size_t counts[] = {0, 1, 2, 3, 17, 1000};
  static struct sums sums;
  struct km_lane *lane = km_lane_new("map", 3, 2);
  for (int round = 0; round < 20; round++) {
    for (size_t i = 0; i < KM_ARRAY_LEN(counts); i++) {
      km_lane_map(lane, counts[i], mark, &sums);
      assert_seen_once(&sums, counts[i]);
    }
  }
  km_lane_free(lane);
}

/* Items that wait until as many of them run at once as the door expects. */
static void meet(void *data, size_t index)
{
  struct door *door = data;
  (void)index;
  pthread_mutex_lock(&door->mutex);
  door->waiting++;
  pthread_cond_broadcast(&door->changed);
  while (door->waiting < 3) {
    pthread_cond_wait(&door->changed, &door->mutex);
  }
  door->passed++;
  pthread_mutex_unlock(&door->mutex);
}

static void test_map_uses_the_threads_and_the_caller(void **state)
{
  (void)state;
  struct door door = DOOR_INIT;
  struct km_lane *lane = km_lane_new("map", 2, 8);
  km_lane_map(lane, 3, meet, &door);
  assert_int_equal(door.passed, 3);
  km_lane_free(lane);
}

static void test_map_progresses_when_the_lane_is_full(void **state)
{
  (void)state;
  struct door door = DOOR_INIT;
  static struct sums sums;
  struct km_lane *lane = km_lane_new("full", 1, 1);
  assert_true(km_lane_submit(lane, pass, &door));
  assert_true(km_lane_submit(lane, pass, &door));
  km_lane_map(lane, 100, mark, &sums);
  assert_seen_once(&sums, 100);
  open_door(&door);
  km_lane_free(lane);
  assert_int_equal(door.passed, 2);
}

static void map_again(void *data, size_t index)
{
  struct sums *sums = data;
  (void)index;
  km_lane_map(sums->lane, 10, mark, &sums[1]);
}

static void test_map_within_map(void **state)
{
  (void)state;
  static struct sums sums[2];
  sums[0].lane = km_lane_new("nested", 2, 4);
  km_lane_map(sums[0].lane, 10, map_again, sums);
  km_lane_free(sums[0].lane);
  for (size_t i = 0; i < 10; i++) {
    assert_int_equal(atomic_load(&sums[1].seen[i]), 10);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_starts_no_thread_without_work),
      cmocka_unit_test(test_bounds_are_exact),
      cmocka_unit_test(test_a_lane_without_queue_still_runs),
      cmocka_unit_test(test_one_thread_keeps_the_order),
      cmocka_unit_test(test_an_idle_thread_is_used_again),
      cmocka_unit_test(test_the_thread_that_worked_last_goes_first),
      cmocka_unit_test(test_threads_end_when_idle_and_start_again),
      cmocka_unit_test(test_threads_have_a_name_and_take_no_signals),
      cmocka_unit_test(test_map_visits_every_item_once),
      cmocka_unit_test(test_map_uses_the_threads_and_the_caller),
      cmocka_unit_test(test_map_progresses_when_the_lane_is_full),
      cmocka_unit_test(test_map_within_map),
  };
  return cmocka_run_group_tests(tests, count_resting_threads, NULL);
}
