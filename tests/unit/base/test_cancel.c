/* Cancellation: first reason wins, hooks run once, removal waits, and threads agree on all of it. */
#include "kube_mcp/base/cancel.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "testing.h"

#include "kube_mcp/base/banned.h"

static void count(void *data)
{
  atomic_fetch_add((atomic_int *)data, 1);
}

static void sleep_ms(long ms)
{
  nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static void test_flag_and_reason(void **state)
{
  (void)state;
  struct km_cancel *cancel = km_cancel_new();
  struct km_error err = {0};
  assert_false(km_cancelled(cancel));
  assert_int_equal(km_cancel_check(cancel, &err), KM_OK);
  assert_int_equal(err.code, KM_OK);
  km_cancel_trigger(cancel, "client went away");
  km_cancel_trigger(cancel, "too late");
  assert_true(km_cancelled(cancel));
  assert_int_equal(km_cancel_check(cancel, &err), KM_E_CANCELLED);
  assert_contains(err.message, "client went away");
  km_cancel_unref(cancel);
}

static void test_no_reason_and_no_object(void **state)
{
  (void)state;
  struct km_cancel *cancel = km_cancel_new();
  struct km_error err;
  km_cancel_trigger(cancel, NULL);
  assert_int_equal(km_cancel_check(cancel, &err), KM_E_CANCELLED);
  assert_true(err.message[0] != '\0');
  km_cancel_unref(cancel);
  assert_false(km_cancelled(NULL));
  assert_int_equal(km_cancel_check(NULL, &err), KM_OK);
  km_cancel_unref(NULL);
  assert_null(km_cancel_ref(NULL));
  struct km_cancel_hook hook = {.fn = count};
  km_cancel_hook_add(NULL, &hook);
  km_cancel_hook_remove(NULL, &hook);
}

static void test_long_reason_is_cut(void **state)
{
  (void)state;
  char reason[1000];
  memset(reason, 'r', sizeof(reason) - 1);
  reason[sizeof(reason) - 1] = '\0';
  struct km_cancel *cancel = km_cancel_new();
  struct km_error err;
  km_cancel_trigger(cancel, reason);
  assert_int_equal(km_cancel_check(cancel, &err), KM_E_CANCELLED);
  assert_contains(err.message, "rrrr");
  km_cancel_unref(cancel);
}

static void test_hooks_run_once(void **state)
{
  (void)state;
  atomic_int calls = 0;
  struct km_cancel *cancel = km_cancel_new();
  struct km_cancel_hook hooks[5];
  for (size_t i = 0; i < KM_ARRAY_LEN(hooks); i++) {
    hooks[i] = (struct km_cancel_hook){.fn = count, .data = &calls};
    km_cancel_hook_add(cancel, &hooks[i]);
  }
  km_cancel_hook_remove(cancel, &hooks[2]); /* middle, last and first of the list */
  km_cancel_hook_remove(cancel, &hooks[0]);
  km_cancel_hook_remove(cancel, &hooks[4]);
  km_cancel_hook_remove(cancel, &hooks[4]);
  km_cancel_trigger(cancel, "x");
  km_cancel_trigger(cancel, "x");
  assert_int_equal(calls, 2);
  km_cancel_hook_remove(cancel, &hooks[1]);
  km_cancel_hook_remove(cancel, &hooks[3]);
  struct km_cancel_hook late = {.fn = count, .data = &calls};
  km_cancel_hook_add(cancel, &late);
  assert_int_equal(calls, 3);
  km_cancel_hook_remove(cancel, &late);
  km_cancel_unref(cancel);
}

struct chain {
  struct km_cancel *cancel;
  struct km_cancel_hook hook;
  struct km_cancel_hook added;
  atomic_int calls;
};

static void add_another(void *data)
{
  struct chain *chain = data;
  assert_true(km_cancelled(chain->cancel));
  km_cancel_hook_add(chain->cancel, &chain->added);
  km_cancel_trigger(chain->cancel, "again");
}

static void test_a_hook_may_use_the_object(void **state)
{
  (void)state;
  struct chain chain = {.cancel = km_cancel_new()};
  chain.hook = (struct km_cancel_hook){.fn = add_another, .data = &chain};
  chain.added = (struct km_cancel_hook){.fn = count, .data = &chain.calls};
  km_cancel_hook_add(chain.cancel, &chain.hook);
  km_cancel_trigger(chain.cancel, "x");
  assert_int_equal(chain.calls, 1);
  km_cancel_unref(chain.cancel);
}

static void drop_reference(void *data)
{
  km_cancel_unref(data);
}

static void test_a_hook_may_drop_the_last_reference(void **state)
{
  (void)state;
  struct km_cancel *cancel = km_cancel_new();
  struct km_cancel_hook hook = {.fn = drop_reference, .data = cancel};
  km_cancel_hook_add(cancel, &hook);
  km_cancel_trigger(cancel, "x");
}

struct slow {
  atomic_bool started;
  atomic_bool returned;
};

static void run_slowly(void *data)
{
  struct slow *slow = data;
  atomic_store(&slow->started, true);
  sleep_ms(50);
  atomic_store(&slow->returned, true);
}

static void *trigger(void *data)
{
  km_cancel_trigger(data, "thread");
  return NULL;
}

static void test_remove_waits_for_a_running_hook(void **state)
{
  (void)state;
  struct slow slow = {0};
  struct km_cancel *cancel = km_cancel_new();
  struct km_cancel_hook hook = {.fn = run_slowly, .data = &slow};
  km_cancel_hook_add(cancel, &hook);
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, trigger, cancel), 0);
  while (!atomic_load(&slow.started)) {
    sleep_ms(1);
  }
  km_cancel_hook_remove(cancel, &hook);
  assert_true(atomic_load(&slow.returned));
  memset(&hook, 0xEE, sizeof(hook)); /* nothing touches it any more */
  pthread_join(thread, NULL);
  km_cancel_unref(cancel);
}

struct own_removal {
  struct km_cancel *cancel;
  struct km_cancel_hook hook;
};

static void remove_itself(void *data)
{
  struct own_removal *own = data;
  km_cancel_hook_remove(own->cancel, &own->hook);
}

static void trigger_own_removal(void *data)
{
  struct own_removal *own = data;
  km_cancel_trigger(own->cancel, "x");
}

static void test_removing_oneself_aborts_instead_of_hanging(void **state)
{
  (void)state;
  struct own_removal own = {.cancel = km_cancel_new()};
  own.hook = (struct km_cancel_hook){.fn = remove_itself, .data = &own};
  km_cancel_hook_add(own.cancel, &own.hook);
  assert_aborts(trigger_own_removal, &own);
  km_cancel_hook_remove(own.cancel, &own.hook);
  km_cancel_unref(own.cancel);
}

/* Waiters come and go on their own stacks while somebody cancels. */
static void *come_and_go(void *data)
{
  struct km_cancel *cancel = data;
  for (;;) {
    atomic_int calls = 0;
    struct km_cancel_hook hook = {.fn = count, .data = &calls};
    km_cancel_hook_add(cancel, &hook);
    bool cancelled = km_cancelled(cancel);
    km_cancel_hook_remove(cancel, &hook);
    if (atomic_load(&calls) > 1) {
      return data;
    }
    if (cancelled) {
      break;
    }
  }
  km_cancel_unref(cancel);
  return NULL;
}

static void test_many_threads(void **state)
{
  (void)state;
  for (int round = 0; round < 50; round++) {
    struct km_cancel *cancel = km_cancel_new();
    pthread_t threads[4];
    for (size_t i = 0; i < KM_ARRAY_LEN(threads); i++) {
      assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, km_cancel_ref(cancel)), 0);
    }
    sleep_ms(round % 3);
    km_cancel_trigger(cancel, "stop");
    km_cancel_unref(cancel);
    for (size_t i = 0; i < KM_ARRAY_LEN(threads); i++) {
      void *failed = NULL;
      pthread_join(threads[i], &failed);
      assert_null(failed);
    }
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_flag_and_reason),
      cmocka_unit_test(test_no_reason_and_no_object),
      cmocka_unit_test(test_long_reason_is_cut),
      cmocka_unit_test(test_hooks_run_once),
      cmocka_unit_test(test_a_hook_may_use_the_object),
      cmocka_unit_test(test_a_hook_may_drop_the_last_reference),
      cmocka_unit_test(test_remove_waits_for_a_running_hook),
      cmocka_unit_test(test_removing_oneself_aborts_instead_of_hanging),
      cmocka_unit_test(test_many_threads),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
