/* The event loop: order and completeness of posted work, timers, and a clean end from any state. */
#include "kube_mcp/net/loop.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "testing.h"

#include "kube_mcp/base/banned.h"

#define PRODUCERS 8
#define WORKS     2000

static struct km_loop *new_loop(void)
{
  struct km_loop *loop = NULL;
  struct km_error err;
  assert_int_equal(km_loop_new(&loop, &err), KM_OK);
  return loop;
}

static void sleep_ms(long ms)
{
  nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static unsigned thread_count(void)
{
  unsigned count = 0;
  char line[128];
  FILE *file = fopen("/proc/self/status", "r");
  while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
    (void)sscanf(line, "Threads: %u", &count);
  }
  if (file != NULL) {
    (void)fclose(file);
  }
  return count;
}

static void test_unused_loop_starts_no_thread(void **state)
{
  (void)state;
  unsigned before = thread_count();
  struct km_loop *loop = new_loop();
  assert_int_equal(thread_count(), before);
  assert_false(km_loop_on_thread(loop));
  km_loop_free(loop);
  km_loop_free(NULL);
}

struct numbered {
  struct km_loop_work work;
  struct producer *producer;
  unsigned number;
};

struct producer {
  struct km_loop *loop;
  struct numbered *works;
  unsigned expected; /* loop thread only */
  unsigned disorder;
  atomic_uint *done;
};

static void run_numbered(void *data)
{
  struct numbered *numbered = data;
  struct producer *producer = numbered->producer;
  if (numbered->number != producer->expected || !km_loop_on_thread(producer->loop)) {
    producer->disorder++;
  }
  producer->expected++;
  atomic_fetch_add(producer->done, 1);
}

static void *produce(void *data)
{
  struct producer *producer = data;
  for (unsigned i = 0; i < WORKS; i++) {
    producer->works[i] = (struct numbered){
        .work = {.fn = run_numbered, .data = &producer->works[i]}, .producer = producer, .number = i};
    km_loop_post(producer->loop, &producer->works[i].work);
  }
  return NULL;
}

static void test_many_producers_keep_their_order(void **state)
{
  (void)state;
  struct km_loop *loop = new_loop();
  atomic_uint done = 0;
  struct producer producers[PRODUCERS];
  pthread_t threads[PRODUCERS];
  for (unsigned i = 0; i < PRODUCERS; i++) {
    producers[i] =
        (struct producer){.loop = loop, .done = &done, .works = test_calloc(WORKS, sizeof(struct numbered))};
    pthread_create(&threads[i], NULL, produce, &producers[i]);
  }
  for (unsigned i = 0; i < PRODUCERS; i++) {
    pthread_join(threads[i], NULL);
  }
  km_loop_free(loop); /* runs what was posted */
  assert_int_equal(atomic_load(&done), PRODUCERS * WORKS);
  for (unsigned i = 0; i < PRODUCERS; i++) {
    assert_int_equal(producers[i].disorder, 0);
    test_free(producers[i].works);
  }
}

struct sync_probe {
  struct km_loop *loop;
  bool on_thread;
  unsigned calls;
};

static void probe(void *data)
{
  struct sync_probe *sync = data;
  sync->on_thread = km_loop_on_thread(sync->loop);
  sync->calls++;
}

static void test_run_sync_has_run_when_it_returns(void **state)
{
  (void)state;
  struct sync_probe sync = {.loop = new_loop()};
  for (unsigned i = 1; i <= 100; i++) {
    km_loop_run_sync(sync.loop, probe, &sync);
    assert_int_equal(sync.calls, i);
    assert_true(sync.on_thread);
  }
  assert_false(km_loop_on_thread(sync.loop));
  km_loop_free(sync.loop);
}

struct chain {
  struct km_loop *loop;
  struct km_loop_work work;
  unsigned left;
};

static void run_chain(void *data)
{
  struct chain *chain = data;
  if (--chain->left > 0) {
    km_loop_post(chain->loop, &chain->work);
  }
}

static void test_work_may_post_itself_again(void **state)
{
  (void)state;
  struct chain chain = {.loop = new_loop(), .left = 500};
  chain.work = (struct km_loop_work){.fn = run_chain, .data = &chain};
  km_loop_post(chain.loop, &chain.work);
  struct sync_probe sync = {.loop = chain.loop};
  while (sync.calls < 100 && (km_loop_run_sync(chain.loop, probe, &sync), chain.left > 0)) {
    sleep_ms(1);
  }
  km_loop_free(chain.loop);
  assert_int_equal(chain.left, 0);
}

static void tick(void *data)
{
  atomic_fetch_add((atomic_uint *)data, 1);
}

static void test_timer_fires_until_stopped(void **state)
{
  (void)state;
  struct km_loop *loop = new_loop();
  atomic_uint ticks = 0;
  struct km_loop_timer *timer = km_loop_every(loop, 5, tick, &ticks);
  for (int i = 0; i < 400 && atomic_load(&ticks) < 3; i++) {
    sleep_ms(5);
  }
  assert_true(atomic_load(&ticks) >= 3);
  km_loop_timer_stop(timer);
  unsigned at_stop = atomic_load(&ticks);
  sleep_ms(40);
  assert_int_equal(atomic_load(&ticks), at_stop);
  km_loop_timer_stop(NULL);
  km_loop_free(loop);
}

struct stopper {
  struct km_loop *loop;
  atomic_uint ticks;
  struct km_loop_timer *timer;
};

static void start_and_stop(void *data)
{
  struct stopper *stopper = data;
  stopper->timer = km_loop_every(stopper->loop, 1, tick, &stopper->ticks);
  km_loop_timer_stop(stopper->timer); /* before its start has been run */
}

static void test_timer_stopped_on_the_loop_before_it_started(void **state)
{
  (void)state;
  struct stopper stopper = {.loop = new_loop()};
  km_loop_run_sync(stopper.loop, start_and_stop, &stopper);
  sleep_ms(30);
  km_loop_free(stopper.loop);
  assert_int_equal(atomic_load(&stopper.ticks), 0);
}

static void test_free_stops_forgotten_timers(void **state)
{
  (void)state;
  struct km_loop *loop = new_loop();
  atomic_uint ticks = 0;
  for (int i = 0; i < 20; i++) {
    assert_non_null(km_loop_every(loop, 1, tick, &ticks));
  }
  for (int i = 0; i < 400 && atomic_load(&ticks) == 0; i++) {
    sleep_ms(5);
  }
  km_loop_free(loop);
  unsigned at_end = atomic_load(&ticks);
  assert_true(at_end > 0);
  sleep_ms(10);
  assert_int_equal(atomic_load(&ticks), at_end);
}

static void sync_on_loop(void *data)
{
  struct sync_probe *sync = data;
  km_loop_run_sync(sync->loop, probe, sync);
}

static void wait_on_own_thread(void *data)
{
  (void)data;
  struct sync_probe sync = {.loop = new_loop()};
  km_loop_run_sync(sync.loop, sync_on_loop, &sync);
}

static void test_run_sync_refuses_the_loop_thread(void **state)
{
  (void)state;
  assert_aborts(wait_on_own_thread, NULL);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_unused_loop_starts_no_thread),
      cmocka_unit_test(test_many_producers_keep_their_order),
      cmocka_unit_test(test_run_sync_has_run_when_it_returns),
      cmocka_unit_test(test_work_may_post_itself_again),
      cmocka_unit_test(test_timer_fires_until_stopped),
      cmocka_unit_test(test_timer_stopped_on_the_loop_before_it_started),
      cmocka_unit_test(test_free_stops_forgotten_timers),
      cmocka_unit_test(test_run_sync_refuses_the_loop_thread),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
