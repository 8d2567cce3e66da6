/* Worker lanes: a bounded number of threads, started on demand, taking jobs from a bounded queue in order.
 * Short calls, streams and fan-out each have a lane of their own so that none can starve another. */
#ifndef KM_BASE_LANE_H
#define KM_BASE_LANE_H

#include <stdbool.h>
#include <stddef.h>

struct km_lane;

/* NAME appears as thread name. Threads are created when there is work for them, up to MAX_THREADS, and end after
 * a minute without work. MAX_QUEUED counts the jobs that wait while all threads are busy. */
struct km_lane *km_lane_new(const char *name, unsigned max_threads, size_t max_queued);
/* Finishes what was queued, then joins. Accepts NULL. */
void km_lane_free(struct km_lane *lane);
/* Queues FN(DATA); false when the queue is full. */
bool km_lane_submit(struct km_lane *lane, void (*fn)(void *data), void *data);
/* Runs FN(ITEM(i)) for i in [0,n) on the lane's threads and the caller's, returns when all are done. Progress is
 * guaranteed even when the lane is full, because the caller takes part. */
void km_lane_map(struct km_lane *lane, size_t count, void (*fn)(void *data, size_t index), void *data);

#endif
