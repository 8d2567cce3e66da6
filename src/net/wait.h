/* Waiting on a semaphore through interrupting signals. A sem_t may be destroyed as soon as its waiter has
 * returned, which a mutex and condition on the waiter's stack would not allow. */
#ifndef KM_SRC_NET_WAIT_H
#define KM_SRC_NET_WAIT_H

#include <semaphore.h>

static inline void km_sem_wait(sem_t *sem)
{
  while (sem_wait(sem) != 0) { /* EINTR is the only failure of a valid semaphore */
  }
}

#endif
