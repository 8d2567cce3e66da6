/* Waiting that a cancellation or a deadline can end: pauses, and single flights, in which one thread does the work that
 * several want done while the others wait for it to land. */
#ifndef KM_SRC_KUBE_FLIGHT_H
#define KM_SRC_KUBE_FLIGHT_H

#include <pthread.h>

#include "kube_mcp/base/cancel.h"
#include "kube_mcp/base/clock.h"
#include "kube_mcp/base/error.h"
#include "kube_mcp/base/map.h"

/* Sleeps WAIT_NS. Errors: KM_E_CANCELLED. */
enum km_rc km_pause(uint64_t wait_ns, struct km_cancel *cancel, struct km_error *err);

/* The works under way, by key. */
struct km_flights {
  pthread_mutex_t mutex;
  pthread_cond_t landed;
  struct km_map *by_key;
};

struct km_flight;

void km_flights_init(struct km_flights *flights);
void km_flights_done(struct km_flights *flights); /* nothing may be under way */

/* With *RET_LEAD set, the caller does the work for KEY and ends it with km_flight_land. With NULL, another thread did
 * while the caller waited; the caller looks at what that has brought. A leader's error is also its followers', except
 * that of its own deadline or cancellation: then one of them takes the lead. Errors: those, KM_E_TIMEOUT,
 * KM_E_CANCELLED. */
enum km_rc km_flight_join(struct km_flights *flights, const char *key, km_deadline deadline,
                          struct km_cancel *cancel, struct km_flight **ret_lead, struct km_error *err);
/* RC and ERR (read only on failure) are the outcome. Returns RC. */
enum km_rc km_flight_land(struct km_flights *flights, struct km_flight *lead, enum km_rc rc,
                          const struct km_error *err);

#endif
