/* The one event loop (libuv) and its thread: upstream transfers, timers, child processes, file and hang-up watches.
 * Started on first use. Callbacks run on the loop thread and must not block. */
#ifndef KM_NET_LOOP_H
#define KM_NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "kube_mcp/base/error.h"

struct km_loop;
struct uv_loop_s;

/* Creates the loop; its thread starts with the first km_loop_post or km_loop_every. */
enum km_rc km_loop_new(struct km_loop **ret, struct km_error *err);
/* Runs what was posted, stops timers, joins the thread. Accepts NULL. */
void km_loop_free(struct km_loop *loop);

/* Work for the loop thread; embedded in the caller's struct, no allocation. Any thread. */
struct km_loop_work {
  void (*fn)(void *data);
  void *data;
  struct km_loop_work *next;
};
void km_loop_post(struct km_loop *loop, struct km_loop_work *work);
/* Posts and waits until it has run. Not from the loop thread. */
void km_loop_run_sync(struct km_loop *loop, void (*fn)(void *data), void *data);
bool km_loop_on_thread(const struct km_loop *loop);

/* Calls FN(DATA) every INTERVAL_MS until km_loop_timer_stop. Any thread may start and stop; after stop returns FN is
 * not running and will not run. */
struct km_loop_timer;
struct km_loop_timer *km_loop_every(struct km_loop *loop, int64_t interval_ms, void (*fn)(void *data),
                                    void *data);
void km_loop_timer_stop(struct km_loop_timer *timer); /* accepts NULL; not from FN */

/* For src/net only: the libuv loop, to be used on the loop thread. */
struct uv_loop_s *km_loop_uv(struct km_loop *loop);

#endif
