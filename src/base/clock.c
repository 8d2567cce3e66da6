/* The clock and deadlines.
 *
 * Owns one pointer: the clock a test has installed, NULL otherwise. It is atomic, so tests with threads may install
 * it while others read; the struct it points to must outlive its use. Readings come from the vDSO and cost some 20 ns.
 * A deadline of 0 means "never", so a computed one is never 0. Every function is safe on any thread. */
#include "kube_mcp/base/clock.h"

#include <stdatomic.h>
#include <stddef.h>
#include <time.h>

#include "kube_mcp/base/banned.h"

static _Atomic(const struct km_clock *) installed;

void km_clock_install(const struct km_clock *clock)
{
  atomic_store(&installed, clock);
}

/* Cannot fail: both clocks exist on every Linux. */
static struct timespec read_clock(clockid_t id)
{
  struct timespec now;
  clock_gettime(id, &now);
  return now;
}

uint64_t km_clock_ns(void)
{
  const struct km_clock *fake = atomic_load_explicit(&installed, memory_order_acquire);
  if (fake != NULL) {
    return fake->monotonic_ns();
  }
  struct timespec now = read_clock(CLOCK_MONOTONIC);
  return (uint64_t)now.tv_sec * KM_NS_PER_S + (uint64_t)now.tv_nsec;
}

int64_t km_clock_wall_ms(void)
{
  const struct km_clock *fake = atomic_load_explicit(&installed, memory_order_acquire);
  if (fake != NULL) {
    return fake->wall_ms();
  }
  struct timespec now = read_clock(CLOCK_REALTIME);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / (long)KM_NS_PER_MS;
}

km_deadline km_deadline_in_ms(int64_t ms)
{
  if (ms <= 0) {
    return 0;
  }
  km_deadline deadline = 0;
  if (__builtin_mul_overflow((uint64_t)ms, KM_NS_PER_MS, &deadline) ||
      __builtin_add_overflow(deadline, km_clock_ns(), &deadline)) {
    return 0; /* centuries away */
  }
  return deadline;
}

km_deadline km_deadline_min(km_deadline a, km_deadline b)
{
  if (a == 0 || b == 0) {
    return a == 0 ? b : a;
  }
  return a < b ? a : b;
}

int64_t km_deadline_left_ms(km_deadline deadline)
{
  if (deadline == 0) {
    return INT64_MAX;
  }
  uint64_t now = km_clock_ns();
  /* Rounded up: a deadline that has not passed never reads as 0, or waiting for the rest would spin. */
  return now >= deadline ? 0 : (int64_t)((deadline - now + KM_NS_PER_MS - 1) / KM_NS_PER_MS);
}
