/* Worker lanes: threads on demand behind a bounded queue.
 *
 * Owns its threads and a ring of jobs; what a job points to is the submitter's. Invariants, all under the one lock:
 * queued + busy <= max_queued + max_threads, the ring's size; every slot of `workers` is free, running or ended; an
 * ended thread is joined before its slot is used again, and all are joined before the lane is freed. A thread is
 * started when a job finds nobody idle, and ends after a minute without work. Of the idle threads the one that worked
 * last is woken, for its stack and memory are still in the processor's caches. Jobs start in the order in which they were
 * queued. Jobs run without the lock, with all signals blocked. Thread-safe; only km_lane_free must come last. */
#include "kube_mcp/base/lane.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "kube_mcp/base/alloc.h"
#include "kube_mcp/base/clock.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/base/sync.h"

#include "kube_mcp/base/banned.h"

/* Long enough to outlast the pauses of a conversation, short enough to give the stacks back afterwards. */
#define IDLE_NS (60 * KM_NS_PER_S)

struct job {
  void (*fn)(void *data);
  void *data;
};

enum worker_state { WORKER_FREE, WORKER_RUNNING, WORKER_ENDED };

struct worker {
  struct km_lane *lane;
  pthread_t thread;
  enum worker_state state;
  pthread_cond_t wake; /* no longer idle, or closing */
  bool idle;           /* in lane->idle */
  struct worker *next_idle;
};

struct km_lane {
  pthread_mutex_t mutex;
  char name[16]; /* as long as the kernel keeps it */
  bool closing;
  struct job *ring;
  size_t ring_size;
  size_t first;
  size_t queued;
  unsigned busy;
  unsigned running;
  unsigned max_threads;
  struct worker *idle; /* the latest first */
  struct worker workers[];
};

/* Idle times are measured by a clock that nobody sets. */
static void init_wake(pthread_cond_t *wake)
{
  pthread_condattr_t attr;
  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  pthread_cond_init(wake, &attr);
  pthread_condattr_destroy(&attr);
}

struct km_lane *km_lane_new(const char *name, unsigned max_threads, size_t max_queued)
{
  KM_ASSERT(max_threads > 0);
  struct km_lane *lane = km_alloc(sizeof(*lane) + max_threads * sizeof(lane->workers[0]));
  (void)km_strcopy(lane->name, sizeof(lane->name), name);
  lane->max_threads = max_threads;
  lane->ring_size = max_queued + max_threads;
  lane->ring = km_alloc(lane->ring_size * sizeof(lane->ring[0]));
  pthread_mutex_init(&lane->mutex, NULL);
  for (unsigned i = 0; i < max_threads; i++) {
    lane->workers[i].lane = lane;
    init_wake(&lane->workers[i].wake);
  }
  return lane;
}

/* Under the lock; the caller has checked that the ring has room. */
static void push(struct km_lane *lane, struct job job)
{
  lane->ring[(lane->first + lane->queued) % lane->ring_size] = job;
  lane->queued++;
}

/* Under the lock; something is queued. */
static struct job pop(struct km_lane *lane)
{
  struct job job = lane->ring[lane->first];
  lane->first = (lane->first + 1) % lane->ring_size;
  lane->queued--;
  return job;
}

/* Under the lock. */
static void go_idle(struct worker *self)
{
  self->idle = true;
  self->next_idle = self->lane->idle;
  self->lane->idle = self;
}

/* The same. Whoever is woken by a job has left the list already. */
static void leave_idle(struct worker *self)
{
  struct worker **link = &self->lane->idle;
  while (self->idle && *link != self) {
    link = &(*link)->next_idle;
  }
  if (self->idle) {
    *link = self->next_idle;
    self->idle = false;
  }
}

/* Under the lock: the idle worker that is to be woken; NULL if there is none. */
static struct worker *take_idle(struct km_lane *lane)
{
  struct worker *worker = lane->idle;
  if (worker != NULL) {
    leave_idle(worker);
  }
  return worker;
}

/* Waits under the lock until there is work. False when this thread should end. Somebody else may have taken the job that
 * a worker was woken for. */
static bool wait_for_work(struct worker *self)
{
  struct km_lane *lane = self->lane;
  uint64_t until_ns = km_clock_ns() + IDLE_NS;
  struct timespec until = {.tv_sec = (time_t)(until_ns / KM_NS_PER_S),
                           .tv_nsec = (long)(until_ns % KM_NS_PER_S)};
  int rc = 0;
  while (lane->queued == 0 && !lane->closing && rc != ETIMEDOUT) {
    go_idle(self);
    while (self->idle && !lane->closing && rc != ETIMEDOUT) {
      rc = pthread_cond_timedwait(&self->wake, &lane->mutex, &until);
    }
    leave_idle(self);
  }
  return lane->queued > 0;
}

/* A thread's whole life. It leaves its slot marked, for whoever needs it next to join. */
static void *run_worker(void *data)
{
  struct worker *self = data;
  struct km_lane *lane = self->lane;
  (void)pthread_setname_np(pthread_self(), lane->name);
  pthread_mutex_lock(&lane->mutex);
  while (wait_for_work(self)) {
    struct job job = pop(lane);
    lane->busy++;
    pthread_mutex_unlock(&lane->mutex);
    job.fn(job.data);
    pthread_mutex_lock(&lane->mutex);
    lane->busy--;
  }
  lane->running--;
  self->state = WORKER_ENDED;
  pthread_mutex_unlock(&lane->mutex);
  return NULL;
}

/* A slot without a thread. An ended thread has let go of the lock for good, so joining it does not wait. */
static struct worker *free_worker(struct km_lane *lane)
{
  for (unsigned i = 0; i < lane->max_threads; i++) {
    struct worker *worker = &lane->workers[i];
    if (worker->state == WORKER_ENDED) {
      pthread_join(worker->thread, NULL);
      worker->state = WORKER_FREE;
    }
    if (worker->state == WORKER_FREE) {
      return worker;
    }
  }
  return NULL;
}

/* Under the lock. False when the system has no thread for us. */
static bool start_worker(struct km_lane *lane)
{
  struct worker *worker = free_worker(lane);
  KM_ASSERT(worker != NULL);
  /* The new thread inherits this mask; signals are for the thread that handles them. */
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int rc = pthread_create(&worker->thread, NULL, run_worker, worker);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (rc != 0) {
    return false;
  }
  worker->state = WORKER_RUNNING;
  lane->running++;
  return true;
}

/* Under the lock. */
static bool enqueue(struct km_lane *lane, struct job job)
{
  if (lane->closing || lane->queued + lane->busy == lane->ring_size) {
    return false;
  }
  /* Threads that are neither busy nor yet at work will take what is queued already. */
  bool all_claimed = lane->queued >= lane->running - lane->busy;
  if (all_claimed && lane->running < lane->max_threads && !start_worker(lane) && lane->running == 0) {
    return false;
  }
  push(lane, job);
  return true;
}

/* Whoever is woken wants the lock first of all, so it is free by then. */
bool km_lane_submit(struct km_lane *lane, void (*fn)(void *data), void *data)
{
  pthread_mutex_lock(&lane->mutex);
  bool queued = enqueue(lane, (struct job){.fn = fn, .data = data});
  struct worker *worker = queued ? take_idle(lane) : NULL;
  pthread_mutex_unlock(&lane->mutex);
  if (worker != NULL) {
    pthread_cond_signal(&worker->wake);
  }
  return queued;
}

/* Nothing starts threads once the lane is closing, so a slot that is free now stays free. */
static bool has_thread(struct km_lane *lane, const struct worker *worker)
{
  KM_SCOPED_LOCK(&lane->mutex);
  return worker->state != WORKER_FREE;
}

void km_lane_free(struct km_lane *lane)
{
  if (lane == NULL) {
    return;
  }
  pthread_mutex_lock(&lane->mutex);
  lane->closing = true;
  for (unsigned i = 0; i < lane->max_threads; i++) {
    pthread_cond_signal(&lane->workers[i].wake);
  }
  pthread_mutex_unlock(&lane->mutex);
  for (unsigned i = 0; i < lane->max_threads; i++) {
    if (has_thread(lane, &lane->workers[i])) {
      pthread_join(lane->workers[i].thread, NULL);
    }
    pthread_cond_destroy(&lane->workers[i].wake);
  }
  pthread_mutex_destroy(&lane->mutex);
  free(lane->ring);
  free(lane);
}

/* One km_lane_map under way, shared by the caller and the jobs that help it. A job may come to run when all is done;
 * the last one out frees. */
struct fan {
  void (*fn)(void *data, size_t index);
  void *data;
  size_t count;
  atomic_size_t next;
  atomic_uint refs;
  pthread_mutex_t mutex;
  pthread_cond_t all_done;
  size_t done;
};

static void fan_unref(struct fan *fan)
{
  if (atomic_fetch_sub_explicit(&fan->refs, 1, memory_order_acq_rel) == 1) {
    pthread_cond_destroy(&fan->all_done);
    pthread_mutex_destroy(&fan->mutex);
    free(fan);
  }
}

/* Runs items until none is left to take, and counts those it ran when it has run them all: one lock per taker. */
static void fan_run(struct fan *fan)
{
  size_t finished = 0;
  for (;;) {
    size_t index = atomic_fetch_add_explicit(&fan->next, 1, memory_order_relaxed);
    if (index >= fan->count) {
      break;
    }
    fan->fn(fan->data, index);
    finished++;
  }
  KM_SCOPED_LOCK(&fan->mutex);
  fan->done += finished;
  if (fan->done == fan->count) {
    pthread_cond_signal(&fan->all_done);
  }
}

/* The job that takes part in somebody's map. */
static void help(void *data)
{
  struct fan *fan = data;
  fan_run(fan);
  fan_unref(fan);
}

void km_lane_map(struct km_lane *lane, size_t count, void (*fn)(void *data, size_t index), void *data)
{
  struct fan *fan = KM_NEW(struct fan);
  fan->fn = fn;
  fan->data = data;
  fan->count = count;
  atomic_init(&fan->next, 0);
  atomic_init(&fan->refs, 1);
  pthread_mutex_init(&fan->mutex, NULL);
  pthread_cond_init(&fan->all_done, NULL);
  /* One helper less than items, because the caller takes one. */
  for (size_t helpers = 0; helpers + 1 < count && helpers < lane->max_threads; helpers++) {
    atomic_fetch_add_explicit(&fan->refs, 1, memory_order_relaxed);
    if (!km_lane_submit(lane, help, fan)) {
      /* The lane is full: those who help already, or the caller alone, do it. The caller's reference remains. */
      atomic_fetch_sub_explicit(&fan->refs, 1, memory_order_relaxed);
      break;
    }
  }
  fan_run(fan);
  /* All items are taken; those in other hands may still run. */
  pthread_mutex_lock(&fan->mutex);
  while (fan->done < fan->count) {
    pthread_cond_wait(&fan->all_done, &fan->mutex);
  }
  pthread_mutex_unlock(&fan->mutex);
  fan_unref(fan);
}
