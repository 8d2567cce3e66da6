/* Cancellation: one flag that a call carries, a reason, and callbacks that wake whoever waits.
 * Reference-counted; all functions are thread-safe. Callbacks run on the thread that cancels, without locks of ours
 * held that they could need; they must be short and must not unregister themselves. */
#ifndef KM_BASE_CANCEL_H
#define KM_BASE_CANCEL_H

#include <stdbool.h>

#include "kube_mcp/base/error.h"

struct km_cancel;

struct km_cancel *km_cancel_new(void);
struct km_cancel *km_cancel_ref(struct km_cancel *cancel);
void km_cancel_unref(struct km_cancel *cancel); /* accepts NULL */
/* First call wins; REASON may be NULL. */
void km_cancel_trigger(struct km_cancel *cancel, const char *reason);
bool km_cancelled(const struct km_cancel *cancel); /* NULL is never cancelled */
/* KM_E_CANCELLED with the reason when cancelled, else KM_OK. */
enum km_rc km_cancel_check(const struct km_cancel *cancel, struct km_error *err);

/* Registration for waiters; embedded, no allocation. */
struct km_cancel_hook {
  void (*fn)(void *data);
  void *data;
  struct km_cancel_hook *prev, *next;
  bool linked;
};
/* Registers HOOK; if CANCEL is already cancelled, calls it at once. CANCEL may be NULL (nothing happens). */
void km_cancel_hook_add(struct km_cancel *cancel, struct km_cancel_hook *hook);
/* Afterwards FN does not run and is not running. */
void km_cancel_hook_remove(struct km_cancel *cancel, struct km_cancel_hook *hook);

#endif
