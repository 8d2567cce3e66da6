/* Locks that cannot be left held, and the order in which they are taken.
 *
 * Lock order (outer first); a thread holding one takes only those below it:
 *   1. app/server   reload lock
 *   2. mcp/call     where one call answers
 *   3. mcp/server   sessions, calls in flight, questions to clients
 *   4. kube/pool    pool of clients
 *   5. kube/client  one client (credential, discovery, limiter, RBAC cache)
 *   6. provider     state of one provider
 *   7. transport    one connection or exchange; its list
 *   8. net/loop     queue of posted work; net/http_stream pieces of one transfer
 *   9. base/cancel  one cancellation; base/lane queue; base/secret pool; base/log line
 * Callbacks are called with no lock held unless their header says so. */
#ifndef KM_BASE_SYNC_H
#define KM_BASE_SYNC_H

#include <pthread.h>

#include "kube_mcp/base/compiler.h"

static inline pthread_mutex_t *km_lock_acquire(pthread_mutex_t *mutex)
{
  pthread_mutex_lock(mutex);
  return mutex;
}

static inline void km_lock_release(pthread_mutex_t **mutex)
{
  if (*mutex != NULL) {
    pthread_mutex_unlock(*mutex);
  }
}

#define KM_LOCK_NAME2(line) km_scoped_lock_##line
#define KM_LOCK_NAME(line)  KM_LOCK_NAME2(line)
/* Holds MUTEX (a pthread_mutex_t *) until the end of the enclosing block. */
#define KM_SCOPED_LOCK(mutex)                                                                                \
  KM_CLEANUP(km_lock_release) KM_UNUSED pthread_mutex_t *KM_LOCK_NAME(__LINE__) = km_lock_acquire(mutex)

#endif
