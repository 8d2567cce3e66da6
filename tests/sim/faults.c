/* Answers that go wrong on purpose: a list of rules, the first that fits a path is taken. Guarded by a mutex. */
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "kube_mcp/base/str.h"
#include "kube_mcp/base/sync.h"
#include "sim.h"

#include "kube_mcp/base/banned.h"

#define MAX_FAULTS 16
#define STEP_MS    20

static struct {
  pthread_mutex_t mutex;
  struct sim_fault rules[MAX_FAULTS];
  size_t count;
  unsigned generation; /* changes when the rules are cleared */
} faults = {.mutex = PTHREAD_MUTEX_INITIALIZER};

bool sim_fault_add(const struct sim_fault *fault, const char *body)
{
  static const char *const names[] = {"whole", "reset", "truncated", "garbage", "html", "empty"};
  for (size_t i = 0; i < KM_ARRAY_LEN(names); i++) {
    if (km_streq(body, names[i])) {
      KM_SCOPED_LOCK(&faults.mutex);
      if (faults.count == MAX_FAULTS) {
        return false;
      }
      faults.rules[faults.count] = *fault;
      faults.rules[faults.count++].body = (enum sim_body)i;
      return true;
    }
  }
  return false;
}

void sim_faults_clear(void)
{
  KM_SCOPED_LOCK(&faults.mutex);
  faults.count = 0;
  faults.generation++;
}

static unsigned generation(void)
{
  KM_SCOPED_LOCK(&faults.mutex);
  return faults.generation;
}

static void wait_out(long delay_ms, unsigned began)
{
  const struct timespec step = {.tv_nsec = STEP_MS * 1000000L};
  for (long waited = 0; waited < delay_ms && generation() == began; waited += STEP_MS) {
    (void)nanosleep(&step, NULL);
  }
}

/* Takes the rule for PATH out of the list when it was its last use. */
static bool find(const char *path, struct sim_fault *ret, unsigned *ret_generation)
{
  KM_SCOPED_LOCK(&faults.mutex);
  *ret_generation = faults.generation;
  for (size_t i = 0; i < faults.count; i++) {
    struct sim_fault *rule = &faults.rules[i];
    if (!km_starts_with(path, rule->path)) {
      continue;
    }
    *ret = *rule;
    if (rule->count > 0 && --rule->count == 0) {
      memmove(rule, rule + 1, (faults.count - i - 1) * sizeof(*rule));
      faults.count--;
    }
    return true;
  }
  return false;
}

bool sim_fault_take(const char *path, struct sim_fault *ret)
{
  unsigned began = 0;
  if (!find(path, ret, &began)) {
    return false;
  }
  wait_out(ret->delay_ms, began);
  return true;
}
