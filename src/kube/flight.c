/* Pauses and single flights.
 *
 * Owns the flights under way; a flight lives from its leader's join until the leader has landed and the last follower
 * has read the outcome. All flights of one km_flights share a mutex and a condition: few threads wait at any moment,
 * and rarely. A cancellation wakes its waiter through a hook that takes the mutex, so hooks are added and removed
 * without it. Waiting is measured on the system's monotonic clock, whatever clock a test has installed. */
#include "flight.h"

#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "kube_mcp/base/alloc.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/base/sync.h"

#include "kube_mcp/base/banned.h"

struct km_flight {
  char *key;
  unsigned followers;
  bool landed;
  struct km_error outcome; /* code KM_OK = success */
};

/* What a cancellation has to wake. */
struct bell {
  pthread_mutex_t *mutex;
  pthread_cond_t *cond;
};

/* The hook of a cancellation; runs on the thread that cancels. */
static void ring(void *data)
{
  struct bell *bell = data;
  KM_SCOPED_LOCK(bell->mutex);
  pthread_cond_broadcast(bell->cond);
}

/* A condition whose waits do not jump when somebody sets the wall clock. */
static void init_monotonic_cond(pthread_cond_t *cond)
{
  pthread_condattr_t attr;
  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  pthread_cond_init(cond, &attr);
  pthread_condattr_destroy(&attr);
}

/* NS from now as pthread_cond_timedwait wants it. */
static struct timespec time_in_ns(uint64_t ns)
{
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  uint64_t sum = (uint64_t)at.tv_nsec + ns % KM_NS_PER_S;
  at.tv_sec += (time_t)(ns / KM_NS_PER_S + sum / KM_NS_PER_S);
  at.tv_nsec = (long)(sum % KM_NS_PER_S);
  return at;
}

enum km_rc km_pause(uint64_t wait_ns, struct km_cancel *cancel, struct km_error *err)
{
  pthread_mutex_t mutex;
  pthread_cond_t cond;
  pthread_mutex_init(&mutex, NULL);
  init_monotonic_cond(&cond);
  struct bell bell = {.mutex = &mutex, .cond = &cond};
  struct km_cancel_hook hook = {.fn = ring, .data = &bell};
  struct timespec until = time_in_ns(wait_ns);
  km_cancel_hook_add(cancel, &hook);
  pthread_mutex_lock(&mutex);
  int waited = 0;
  while (waited == 0 && !km_cancelled(cancel)) {
    waited = pthread_cond_timedwait(&cond, &mutex, &until);
  }
  pthread_mutex_unlock(&mutex);
  km_cancel_hook_remove(cancel, &hook);
  pthread_cond_destroy(&cond);
  pthread_mutex_destroy(&mutex);
  return km_cancel_check(cancel, err);
}

void km_flights_init(struct km_flights *flights)
{
  pthread_mutex_init(&flights->mutex, NULL);
  init_monotonic_cond(&flights->landed);
  flights->by_key = km_map_new(NULL);
}

void km_flights_done(struct km_flights *flights)
{
  KM_ASSERT(km_map_count(flights->by_key) == 0);
  km_map_free(flights->by_key);
  pthread_cond_destroy(&flights->landed);
  pthread_mutex_destroy(&flights->mutex);
}

/* Begins a flight with the mutex held; the caller leads it. */
static struct km_flight *take_off(struct km_flights *flights, const char *key)
{
  struct km_flight *flight = KM_NEW(struct km_flight);
  flight->key = km_strdup(key);
  km_map_put(flights->by_key, key, flight);
  return flight;
}

static void free_flight(struct km_flight *flight)
{
  free(flight->key);
  free(flight);
}

/* Waits, with the mutex held, until FLIGHT has landed; false when DEADLINE or CANCEL came first. */
static bool wait_for_landing(struct km_flights *flights, const struct km_flight *flight, km_deadline deadline,
                             const struct km_cancel *cancel)
{
  while (!flight->landed) {
    int64_t left_ms = km_deadline_left_ms(deadline);
    if (left_ms == 0 || km_cancelled(cancel)) {
      return false;
    }
    if (deadline == 0) {
      pthread_cond_wait(&flights->landed, &flights->mutex);
    } else {
      struct timespec until = time_in_ns((uint64_t)left_ms * KM_NS_PER_MS);
      (void)pthread_cond_timedwait(&flights->landed, &flights->mutex, &until);
    }
  }
  return true;
}

/* A failure that says something about the leader's call, not about the work: a follower may have more time. */
static bool is_leaders_own(enum km_rc rc)
{
  return rc == KM_E_CANCELLED || rc == KM_E_TIMEOUT || rc == KM_E_RATE_LIMITED;
}

/* Joins what is under way for KEY, with the mutex held. */
static enum km_rc follow(struct km_flights *flights, struct km_flight *flight, km_deadline deadline,
                         const struct km_cancel *cancel, bool *ret_again, struct km_error *err)
{
  flight->followers++;
  bool landed = wait_for_landing(flights, flight, deadline, cancel);
  struct km_error outcome = flight->outcome; /* before the flight may be freed */
  flight->followers--;
  if (flight->landed && flight->followers == 0) {
    free_flight(flight);
  }
  if (!landed) {
    enum km_rc rc = km_cancel_check(cancel, err);
    return rc != KM_OK ? rc
                       : km_error_set(err, KM_E_TIMEOUT,
                                      "the deadline passed while another call was fetching the same");
  }
  *ret_again = is_leaders_own(outcome.code);
  if (outcome.code != KM_OK && !*ret_again) {
    *err = outcome;
    return outcome.code;
  }
  return KM_OK;
}

enum km_rc km_flight_join(struct km_flights *flights, const char *key, km_deadline deadline,
                          struct km_cancel *cancel, struct km_flight **ret_lead, struct km_error *err)
{
  struct bell bell = {.mutex = &flights->mutex, .cond = &flights->landed};
  struct km_cancel_hook hook = {.fn = ring, .data = &bell};
  km_cancel_hook_add(cancel, &hook);
  pthread_mutex_lock(&flights->mutex);
  struct km_flight *lead = NULL;
  enum km_rc rc = KM_OK;
  bool again = true;
  while (again && rc == KM_OK && lead == NULL) {
    struct km_flight *flight = km_map_get(flights->by_key, key);
    if (flight == NULL) {
      lead = take_off(flights, key);
    } else {
      rc = follow(flights, flight, deadline, cancel, &again, err);
    }
  }
  pthread_mutex_unlock(&flights->mutex);
  km_cancel_hook_remove(cancel, &hook);
  if (rc == KM_OK) {
    *ret_lead = lead;
  }
  return rc;
}

enum km_rc km_flight_land(struct km_flights *flights, struct km_flight *lead, enum km_rc rc,
                          const struct km_error *err)
{
  KM_SCOPED_LOCK(&flights->mutex);
  if (rc != KM_OK) {
    lead->outcome = *err;
  }
  lead->landed = true;
  /* From here on the next one who wants this begins anew; those who waited share the outcome. */
  (void)km_map_remove(flights->by_key, lead->key);
  if (lead->followers == 0) {
    free_flight(lead);
  } else {
    pthread_cond_broadcast(&flights->landed);
  }
  return rc;
}
