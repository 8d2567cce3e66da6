/* The token bucket and the gate of one client.
 *
 * Owns its mutex; the numbers are guarded by it. Tokens may go below zero: that debt is what the callers already
 * waiting have reserved, and each later caller waits behind it, so the order of reserving is the order of sending. A
 * deadline bounds the debt. The gate stays closed for at most a minute however long a server asks, or one absurd header
 * would silence a client for days; whoever got that header is told the true time. Time is km_clock_ns. */
#include "kube_mcp/kube/limiter.h"

#include <stdbool.h>

#include "kube_mcp/base/sync.h"

#include "kube_mcp/base/banned.h"

#define MAX_CLOSED_MS ((uint32_t)60 * 1000)

void km_limiter_init(struct km_limiter *limiter, double qps, double burst)
{
  *limiter = (struct km_limiter){.qps = qps, .burst = burst < 1 ? 1 : burst, .updated_ns = km_clock_ns()};
  limiter->tokens = limiter->burst;
  pthread_mutex_init(&limiter->mutex, NULL);
}

void km_limiter_done(struct km_limiter *limiter)
{
  pthread_mutex_destroy(&limiter->mutex);
}

/* Without a rate there are no tokens to count; the gate is all there is. */
static bool is_limited(const struct km_limiter *limiter)
{
  return limiter->qps > 0;
}

/* A clock that a test turns back adds nothing. */
static void refill(struct km_limiter *limiter, uint64_t now_ns)
{
  if (now_ns > limiter->updated_ns) {
    limiter->tokens += (double)(now_ns - limiter->updated_ns) / (double)KM_NS_PER_S * limiter->qps;
    limiter->updated_ns = now_ns;
  }
  if (limiter->tokens > limiter->burst) {
    limiter->tokens = limiter->burst;
  }
}

/* Until one more token than those reserved is there. */
static uint64_t wait_for_token_ns(const struct km_limiter *limiter)
{
  if (!is_limited(limiter) || limiter->tokens >= 1) {
    return 0;
  }
  double seconds = (1 - limiter->tokens) / limiter->qps;
  return seconds >= 1e9 ? UINT64_MAX / 2 : (uint64_t)(seconds * (double)KM_NS_PER_S) + 1;
}

static uint64_t wait_for_gate_ns(const struct km_limiter *limiter, uint64_t now_ns)
{
  return limiter->closed_until_ns > now_ns ? limiter->closed_until_ns - now_ns : 0;
}

uint64_t km_limiter_reserve(struct km_limiter *limiter, km_deadline deadline, uint64_t *ret_wait_ns)
{
  KM_SCOPED_LOCK(&limiter->mutex);
  uint64_t now_ns = km_clock_ns();
  refill(limiter, now_ns);
  uint64_t wait_ns = wait_for_token_ns(limiter);
  uint64_t gate_ns = wait_for_gate_ns(limiter, now_ns);
  wait_ns = gate_ns > wait_ns ? gate_ns : wait_ns;
  *ret_wait_ns = wait_ns;
  if (deadline != 0 && wait_ns > 0 && (deadline <= now_ns || wait_ns > deadline - now_ns)) {
    return UINT64_MAX;
  }
  if (is_limited(limiter)) {
    limiter->tokens -= 1;
  }
  return wait_ns;
}

void km_limiter_give_back(struct km_limiter *limiter)
{
  KM_SCOPED_LOCK(&limiter->mutex);
  if (is_limited(limiter)) {
    limiter->tokens += 1;
  }
}

void km_limiter_close_for(struct km_limiter *limiter, uint32_t for_ms)
{
  KM_SCOPED_LOCK(&limiter->mutex);
  uint64_t until_ns = km_clock_ns() + (for_ms < MAX_CLOSED_MS ? for_ms : MAX_CLOSED_MS) * KM_NS_PER_MS;
  if (until_ns > limiter->closed_until_ns) {
    limiter->closed_until_ns = until_ns;
  }
}

uint64_t km_limiter_closed_ns(struct km_limiter *limiter)
{
  KM_SCOPED_LOCK(&limiter->mutex);
  return wait_for_gate_ns(limiter, km_clock_ns());
}
