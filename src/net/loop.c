/* The event loop: one libuv loop on one thread, and the queue through which other threads hand it work.
 *
 * Owns the uv_loop_t, its thread and the timers of km_loop_every. The queue is a lock-free list that
 * producers push to and the loop takes whole, so a burst of posts costs one wake-up; works run in the order
 * they were posted. The thread starts with the first work and blocks every signal but SIGCHLD (libuv's) and
 * those that report faults. Threads: `queue` and `started` are shared, everything below "loop thread only" is
 * what it says. A loop outlives all handles that others opened on it: km_loop_free insists. Without memory
 * for a thread the process ends. */
#include "kube_mcp/net/loop.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <uv.h>

#include "kube_mcp/base/alloc.h"
#include "kube_mcp/base/sync.h"
#include "wait.h"

#include "kube_mcp/base/banned.h"

struct km_loop {
  _Atomic(struct km_loop_work *) queue; /* newest first */
  atomic_bool started;
  pthread_mutex_t start_lock;
  pthread_t thread; /* valid once started */
  uv_loop_t uv;
  uv_async_t wake;

  /* Loop thread only. */
  struct km_loop_timer *timers;
};

struct km_loop_timer {
  struct km_loop *loop;
  uv_timer_t uv;
  uint64_t interval_ms;
  void (*fn)(void *data);
  void *data;
  struct km_loop_work start, stop;

  /* Loop thread only. */
  struct km_loop_timer *prev, *next;
};

/* Takes everything that is queued, oldest first. */
static struct km_loop_work *take_queue(struct km_loop *loop)
{
  struct km_loop_work *newest = atomic_exchange_explicit(&loop->queue, NULL, memory_order_acquire);
  struct km_loop_work *oldest = NULL;
  while (newest != NULL) {
    struct km_loop_work *work = newest;
    newest = work->next;
    work->next = oldest;
    oldest = work;
  }
  return oldest;
}

/* Posts made meanwhile have a wake-up of their own. */
static void on_wake(uv_async_t *handle)
{
  struct km_loop *loop = handle->data;
  struct km_loop_work *work = take_queue(loop);
  while (work != NULL) {
    struct km_loop_work *next = work->next; /* FN may release WORK */
    work->fn(work->data);
    work = next;
  }
}

enum km_rc km_loop_new(struct km_loop **ret, struct km_error *err)
{
  struct km_loop *loop = KM_NEW(struct km_loop);
  int status = uv_loop_init(&loop->uv);
  if (status == 0) {
    status = uv_async_init(&loop->uv, &loop->wake, on_wake);
    if (status != 0) {
      (void)uv_loop_close(&loop->uv);
    }
  }
  if (status != 0) {
    free(loop);
    return km_error_set(err, KM_E_INTERNAL, "cannot create the event loop: %s", uv_strerror(status));
  }
  loop->wake.data = loop;
  pthread_mutex_init(&loop->start_lock, NULL);
  *ret = loop;
  return KM_OK;
}

static void *thread_main(void *data)
{
  struct km_loop *loop = data;
  {
    KM_SCOPED_LOCK(&loop->start_lock); /* until start_thread has filled in who we are */
  }
  (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
  return NULL;
}

/* Signals are the main thread's business; faults stay deliverable so that handlers can report them. */
static void signals_to_block(sigset_t *set)
{
  static const int deliverable[] = {SIGCHLD, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGPROF};
  sigfillset(set);
  for (size_t i = 0; i < KM_ARRAY_LEN(deliverable); i++) {
    sigdelset(set, deliverable[i]);
  }
}

static void start_thread(struct km_loop *loop)
{
  KM_SCOPED_LOCK(&loop->start_lock);
  if (atomic_load_explicit(&loop->started, memory_order_relaxed)) {
    return;
  }
  sigset_t block, previous;
  signals_to_block(&block);
  pthread_sigmask(SIG_SETMASK, &block, &previous);
  int status = pthread_create(&loop->thread, NULL, thread_main, loop);
  pthread_sigmask(SIG_SETMASK, &previous, NULL);
  KM_ASSERT(status == 0);
  pthread_setname_np(loop->thread, "km-loop");
  atomic_store_explicit(&loop->started, true, memory_order_release);
}

/* Release on push and acquire on take_queue make what the poster wrote visible to the work. */
void km_loop_post(struct km_loop *loop, struct km_loop_work *work)
{
  struct km_loop_work *newest = atomic_load_explicit(&loop->queue, memory_order_relaxed);
  do {
    work->next = newest;
  } while (!atomic_compare_exchange_weak_explicit(&loop->queue, &newest, work, memory_order_release,
                                                  memory_order_relaxed));
  if (!atomic_load_explicit(&loop->started, memory_order_acquire)) {
    start_thread(loop);
  }
  if (newest == NULL) { /* whoever made the queue non-empty wakes the loop */
    (void)uv_async_send(&loop->wake);
  }
}

bool km_loop_on_thread(const struct km_loop *loop)
{
  return atomic_load_explicit(&loop->started, memory_order_acquire) &&
         pthread_equal(loop->thread, pthread_self());
}

struct sync_call {
  void (*fn)(void *data);
  void *data;
  sem_t done;
};

static void run_sync_call(void *data)
{
  struct sync_call *call = data;
  call->fn(call->data);
  sem_post(&call->done);
}

void km_loop_run_sync(struct km_loop *loop, void (*fn)(void *data), void *data)
{
  KM_ASSERT(!km_loop_on_thread(loop));
  struct sync_call call = {.fn = fn, .data = data};
  struct km_loop_work work = {.fn = run_sync_call, .data = &call};
  sem_init(&call.done, 0, 0);
  km_loop_post(loop, &work);
  km_sem_wait(&call.done);
  sem_destroy(&call.done);
}

struct uv_loop_s *km_loop_uv(struct km_loop *loop)
{
  return &loop->uv;
}

static void timer_fired(uv_timer_t *handle)
{
  struct km_loop_timer *timer = handle->data;
  timer->fn(timer->data);
}

static void timer_closed(uv_handle_t *handle)
{
  free(handle->data);
}

/* Runs on the loop: libuv's timers belong to its thread. */
static void timer_start(void *data)
{
  struct km_loop_timer *timer = data;
  struct km_loop *loop = timer->loop;
  timer->next = loop->timers;
  if (timer->next != NULL) {
    timer->next->prev = timer;
  }
  loop->timers = timer;
  (void)uv_timer_init(&loop->uv, &timer->uv);
  timer->uv.data = timer;
  (void)uv_timer_start(&timer->uv, timer_fired, timer->interval_ms, timer->interval_ms);
}

/* The timer's memory goes when libuv has let go of it. */
static void timer_stop(void *data)
{
  struct km_loop_timer *timer = data;
  if (uv_is_closing((uv_handle_t *)&timer->uv)) {
    return; /* the end of the loop overtook it */
  }
  if (timer->prev != NULL) {
    timer->prev->next = timer->next;
  } else {
    timer->loop->timers = timer->next;
  }
  if (timer->next != NULL) {
    timer->next->prev = timer->prev;
  }
  uv_close((uv_handle_t *)&timer->uv, timer_closed);
}

struct km_loop_timer *km_loop_every(struct km_loop *loop, int64_t interval_ms, void (*fn)(void *data),
                                    void *data)
{
  KM_ASSERT(interval_ms > 0);
  struct km_loop_timer *timer = KM_NEW(struct km_loop_timer);
  timer->loop = loop;
  timer->interval_ms = (uint64_t)interval_ms;
  timer->fn = fn;
  timer->data = data;
  timer->start = (struct km_loop_work){.fn = timer_start, .data = timer};
  timer->stop = (struct km_loop_work){.fn = timer_stop, .data = timer};
  km_loop_post(loop, &timer->start);
  return timer;
}

static void ignore_call(void *data)
{
  (void)data;
}

void km_loop_timer_stop(struct km_loop_timer *timer)
{
  if (timer == NULL) {
    return;
  }
  if (km_loop_on_thread(timer->loop)) {
    timer->fn = ignore_call; /* the start may still be queued; the stop is queued behind it */
    km_loop_post(timer->loop, &timer->stop);
    return;
  }
  km_loop_run_sync(timer->loop, timer_stop, timer);
}

/* The last work of a loop. */
static void stop_loop(void *data)
{
  struct km_loop *loop = data;
  while (loop->timers != NULL) {
    timer_stop(loop->timers);
  }
  uv_close((uv_handle_t *)&loop->wake, NULL);
  uv_stop(&loop->uv);
}

void km_loop_free(struct km_loop *loop)
{
  if (loop == NULL) {
    return;
  }
  if (atomic_load_explicit(&loop->started, memory_order_acquire)) {
    struct km_loop_work stop = {.fn = stop_loop, .data = loop};
    km_loop_post(loop, &stop);
    pthread_join(loop->thread, NULL);
  } else {
    uv_close((uv_handle_t *)&loop->wake, NULL);
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
  }
  KM_ASSERT(uv_loop_close(&loop->uv) == 0);
  pthread_mutex_destroy(&loop->start_lock);
  free(loop);
}
