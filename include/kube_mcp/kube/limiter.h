/* A token bucket: QPS on average, BURST at once, and a gate that a Retry-After closes for everybody. Thread-safe. */
#ifndef KM_KUBE_LIMITER_H
#define KM_KUBE_LIMITER_H

#include <pthread.h>
#include <stdint.h>

#include "kube_mcp/base/clock.h"

struct km_limiter {
  pthread_mutex_t mutex;
  double qps, burst, tokens;
  uint64_t updated_ns;
  uint64_t closed_until_ns;
};

/* qps <= 0 means unlimited (the gate still works). */
void km_limiter_init(struct km_limiter *limiter, double qps, double burst);
void km_limiter_done(struct km_limiter *limiter);
/* Reserves one request and returns how many nanoseconds to wait before sending it (0 = now). If that would pass
 * DEADLINE nothing is reserved and UINT64_MAX is returned. *RET_WAIT_NS is the wait in either case. */
uint64_t km_limiter_reserve(struct km_limiter *limiter, km_deadline deadline, uint64_t *ret_wait_ns);
/* Undoes a reservation whose request will not be sent. */
void km_limiter_give_back(struct km_limiter *limiter);
/* Nobody sends before FOR_MS (at most a minute) from now. */
void km_limiter_close_for(struct km_limiter *limiter, uint32_t for_ms);
/* How long the gate stays closed: asked again by whoever has waited, since it may have been closed meanwhile. */
uint64_t km_limiter_closed_ns(struct km_limiter *limiter);

#endif
