/* Cancellation: a flag, a reason and the hooks of those who wait.
 *
 * Owns the reason and the list of hooks; the hooks themselves are embedded in their owners. Invariants: `cancelled` is
 * set once and last, so whoever sees it may read the reason without the lock; a hook is either linked, or `running`
 * names it, or it is its owner's again. The lock is not held while a hook runs; removing a hook that is running waits
 * for it to return. Reading the flag is one atomic load, cheap enough for inner loops. Thread-safe throughout. */
#include "kube_mcp/base/cancel.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "kube_mcp/base/alloc.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/base/sync.h"

#include "kube_mcp/base/banned.h"

struct km_cancel {
  atomic_uint refs;
  atomic_bool cancelled;
  char reason[160]; /* written before `cancelled` is set, constant after */
  pthread_mutex_t mutex;
  pthread_cond_t hook_returned;
  bool triggered; /* under the lock: somebody has won the right to cancel */
  struct km_cancel_hook *hooks;
  const struct km_cancel_hook *running;
  pthread_t running_on;
};

struct km_cancel *km_cancel_new(void)
{
  struct km_cancel *cancel = KM_NEW(struct km_cancel);
  atomic_init(&cancel->refs, 1);
  atomic_init(&cancel->cancelled, false);
  pthread_mutex_init(&cancel->mutex, NULL);
  pthread_cond_init(&cancel->hook_returned, NULL);
  return cancel;
}

struct km_cancel *km_cancel_ref(struct km_cancel *cancel)
{
  if (cancel != NULL) {
    atomic_fetch_add_explicit(&cancel->refs, 1, memory_order_relaxed);
  }
  return cancel;
}

void km_cancel_unref(struct km_cancel *cancel)
{
  if (cancel == NULL || atomic_fetch_sub_explicit(&cancel->refs, 1, memory_order_acq_rel) > 1) {
    return;
  }
  KM_ASSERT(cancel->hooks == NULL); /* who waits holds a reference */
  pthread_cond_destroy(&cancel->hook_returned);
  pthread_mutex_destroy(&cancel->mutex);
  free(cancel);
}

/* At the front; the order in which hooks run is nobody's to rely on. Under the lock. */
static void link_hook(struct km_cancel *cancel, struct km_cancel_hook *hook)
{
  hook->prev = NULL;
  hook->next = cancel->hooks;
  if (hook->next != NULL) {
    hook->next->prev = hook;
  }
  cancel->hooks = hook;
  hook->linked = true;
}

/* Under the lock. Afterwards the hook is its owner's, unless `running` names it. */
static void unlink_hook(struct km_cancel *cancel, struct km_cancel_hook *hook)
{
  if (hook->prev != NULL) {
    hook->prev->next = hook->next;
  } else {
    cancel->hooks = hook->next;
  }
  if (hook->next != NULL) {
    hook->next->prev = hook->prev;
  }
  hook->prev = NULL;
  hook->next = NULL;
  hook->linked = false;
}

/* Entered and left with the lock held; lets go of it while the hook runs. */
static void run_hook(struct km_cancel *cancel, struct km_cancel_hook *hook)
{
  unlink_hook(cancel, hook);
  cancel->running = hook;
  cancel->running_on = pthread_self();
  pthread_mutex_unlock(&cancel->mutex);
  hook->fn(hook->data);
  pthread_mutex_lock(&cancel->mutex);
  cancel->running = NULL;
  pthread_cond_broadcast(&cancel->hook_returned);
}

void km_cancel_trigger(struct km_cancel *cancel, const char *reason)
{
  km_cancel_ref(cancel); /* a hook may let go of the last reference */
  pthread_mutex_lock(&cancel->mutex);
  if (!cancel->triggered) {
    cancel->triggered = true;
    (void)km_strcopy(cancel->reason, sizeof(cancel->reason), reason != NULL ? reason : "");
    atomic_store_explicit(&cancel->cancelled, true, memory_order_release);
    /* Others may remove hooks while one runs, so the list is read anew each time. */
    while (cancel->hooks != NULL) {
      run_hook(cancel, cancel->hooks);
    }
  }
  pthread_mutex_unlock(&cancel->mutex);
  km_cancel_unref(cancel);
}

bool km_cancelled(const struct km_cancel *cancel)
{
  return cancel != NULL && atomic_load_explicit(&cancel->cancelled, memory_order_acquire);
}

enum km_rc km_cancel_check(const struct km_cancel *cancel, struct km_error *err)
{
  if (!km_cancelled(cancel)) {
    return KM_OK;
  }
  if (km_str_empty(cancel->reason)) {
    return km_error_set(err, KM_E_CANCELLED, "the caller cancelled the request");
  }
  return km_error_set(err, KM_E_CANCELLED, "the request was cancelled: %s", cancel->reason);
}

void km_cancel_hook_add(struct km_cancel *cancel, struct km_cancel_hook *hook)
{
  hook->linked = false;
  if (cancel == NULL) {
    return;
  }
  pthread_mutex_lock(&cancel->mutex);
  /* Either the trigger will find the hook in the list, or it has won and we run the hook. */
  bool too_late = cancel->triggered;
  if (!too_late) {
    link_hook(cancel, hook);
  }
  pthread_mutex_unlock(&cancel->mutex);
  if (too_late) {
    hook->fn(hook->data);
  }
}

void km_cancel_hook_remove(struct km_cancel *cancel, struct km_cancel_hook *hook)
{
  if (cancel == NULL) {
    return;
  }
  KM_SCOPED_LOCK(&cancel->mutex);
  if (hook->linked) {
    unlink_hook(cancel, hook);
    return;
  }
  while (cancel->running == hook) {
    /* A hook that removes itself would wait for its own end. */
    KM_ASSERT(!pthread_equal(cancel->running_on, pthread_self()));
    pthread_cond_wait(&cancel->hook_returned, &cancel->mutex);
  }
}
