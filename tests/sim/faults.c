/* Answers that go wrong on purpose: a list of rules, the first that fits a request is taken.
 *
 * Guarded by a mutex. Ending all faults also ends whatever waits or never ends because of one. */
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "kube_mcp/base/str.h"
#include "kube_mcp/base/sync.h"
#include "sim.h"

#include "kube_mcp/base/banned.h"

#define MAX_FAULTS 32
#define STEP_MS    20

static struct {
  pthread_mutex_t mutex;
  struct sim_fault rules[MAX_FAULTS];
  size_t count;
  unsigned generation; /* changes when the rules are cleared */
  unsigned long taken; /* since then */
} faults = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static const char *const bodies[] = {
    [SIM_BODY_WHOLE] = "whole",
    [SIM_BODY_RESET] = "reset",
    [SIM_BODY_RESET_WITHIN] = "reset_within",
    [SIM_BODY_TRUNCATED] = "truncated",
    [SIM_BODY_TRUNCATED_CHUNKS] = "truncated_chunks",
    [SIM_BODY_TRICKLE] = "trickle",
    [SIM_BODY_GARBAGE] = "garbage",
    [SIM_BODY_SHAPE] = "shape",
    [SIM_BODY_HOLES] = "holes",
    [SIM_BODY_HTML] = "html",
    [SIM_BODY_EMPTY] = "empty",
    [SIM_BODY_ENDLESS] = "endless",
    [SIM_BODY_BLANK] = "blank",
    [SIM_BODY_HUGE] = "huge",
    [SIM_BODY_CLOSE] = "close",
};

/* --- the rules ---------------------------------------------------------------------------------------------------------- */

static bool add(const struct sim_fault *fault)
{
  KM_SCOPED_LOCK(&faults.mutex);
  if (faults.count == MAX_FAULTS) {
    return false;
  }
  faults.rules[faults.count++] = *fault;
  return true;
}

void sim_faults_clear(void)
{
  KM_SCOPED_LOCK(&faults.mutex);
  faults.count = 0;
  faults.taken = 0;
  faults.generation++;
}

static unsigned long taken(void)
{
  KM_SCOPED_LOCK(&faults.mutex);
  return faults.taken;
}

static unsigned generation(void)
{
  KM_SCOPED_LOCK(&faults.mutex);
  return faults.generation;
}

bool sim_fault_wait(const struct sim_fault *fault, long ms)
{
  const struct timespec step = {.tv_nsec = STEP_MS * 1000000L};
  for (long waited = 0; waited < ms && generation() == fault->generation; waited += STEP_MS) {
    (void)nanosleep(&step, NULL);
  }
  return generation() == fault->generation;
}

/* A path that ends with '$' is meant as a whole, any other as a prefix. */
static bool is_path_of(const char *rule, const char *path)
{
  size_t len = strlen(rule);
  bool whole = len > 0 && rule[len - 1] == '$';
  return whole ? strlen(path) == len - 1 && strncmp(path, rule, len - 1) == 0 : km_starts_with(path, rule);
}

static bool applies(const struct sim_fault *rule, const struct sim_request *request)
{
  return is_path_of(rule->path, request->path) &&
         (rule->cluster[0] == '\0' || km_streq(rule->cluster, request->cluster->name)) &&
         (rule->parameter[0] == '\0' || sim_query(request, rule->parameter)[0] != '\0') &&
         (rule->token[0] == '\0' || km_streq(rule->token, request->token));
}

/* Takes the rule for REQUEST out of the list when it was its last use. */
static bool find(const struct sim_request *request, struct sim_fault *ret)
{
  KM_SCOPED_LOCK(&faults.mutex);
  for (size_t i = 0; i < faults.count; i++) {
    struct sim_fault *rule = &faults.rules[i];
    if (!applies(rule, request)) {
      continue;
    }
    if (rule->skip > 0) {
      rule->skip--;
      continue;
    }
    faults.taken++;
    *ret = *rule;
    ret->generation = faults.generation;
    if (rule->count > 0 && --rule->count == 0) {
      memmove(rule, rule + 1, (faults.count - i - 1) * sizeof(*rule));
      faults.count--;
    }
    return true;
  }
  return false;
}

bool sim_fault_take(const struct sim_request *request, struct sim_fault *ret)
{
  if (!find(request, ret)) {
    return false;
  }
  (void)sim_fault_wait(ret, ret->delay_ms);
  return true;
}

/* --- statuses ----------------------------------------------------------------------------------------------------------- */

static const struct {
  unsigned status;
  const char *reason, *message;
} words[] = {
    {400, "BadRequest", "the server rejected our request for an unknown reason"},
    {401, "Unauthorized", "Unauthorized"},
    {403, "Forbidden", "pods is forbidden: User \"somebody\" cannot list resource \"pods\""},
    {404, "NotFound", "the server could not find the requested resource"},
    {409, "Conflict", "the object has been modified; please apply your changes to the latest version"},
    {410, "Expired", "The resourceVersion for the provided list is too old."},
    {413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728"},
    {415, "UnsupportedMediaType", "the body of the request was in an unknown format"},
    {422, "Invalid", "Pod \"x\" is invalid: spec.containers: Required value"},
    {429, "TooManyRequests", "the server has received too many requests, please try again later"},
    {500, "InternalError", "Internal error occurred: etcdserver: request timed out"},
    {502, "InternalError", "error dialing backend: connection refused"},
    {503, "ServiceUnavailable", "the server is currently unable to handle the request"},
    {504, "Timeout", "Timeout: request did not complete within the allotted timeout"},
};

static bool is_known_status(unsigned status)
{
  for (size_t i = 0; i < KM_ARRAY_LEN(words); i++) {
    if (words[i].status == status) {
      return true;
    }
  }
  return status == 0;
}

void sim_fault_refuse(const struct sim_fault *fault, struct sim_answer *answer)
{
  for (size_t i = 0; i < KM_ARRAY_LEN(words); i++) {
    if (words[i].status == fault->status) {
      sim_fail(answer, fault->status, words[i].reason, NULL, "%s", words[i].message);
    }
  }
}

/* --- the script --------------------------------------------------------------------------------------------------------- */

static long number_of(const struct sim_request *request, const char *name, long fallback)
{
  int64_t number = fallback;
  (void)km_parse_i64(sim_query(request, name), &number);
  return (long)number;
}

static bool read_body(const struct sim_request *request, enum sim_body *ret)
{
  const char *name = sim_query(request, "body");
  for (size_t i = 0; i < KM_ARRAY_LEN(bodies); i++) {
    if (km_streq(name[0] == '\0' ? "whole" : name, bodies[i])) {
      *ret = (enum sim_body)i;
      return true;
    }
  }
  return false;
}

static bool read_rule(const struct sim_request *request, struct sim_fault *ret)
{
  struct sim_fault fault = {
      .status = (unsigned)number_of(request, "status", 0),
      .retry_after_s = (unsigned)number_of(request, "retry_after", 0),
      .skip = number_of(request, "skip", 0),
      .count = number_of(request, "count", 1),
      .delay_ms = number_of(request, "delay_ms", 0),
      .interval_ms = number_of(request, "interval_ms", 0),
      .bytes = number_of(request, "bytes", 0),
  };
  bool fits = km_strcopy(fault.path, sizeof(fault.path), sim_query(request, "path")) &&
              km_strcopy(fault.cluster, sizeof(fault.cluster), sim_query(request, "cluster")) &&
              km_strcopy(fault.parameter, sizeof(fault.parameter), sim_query(request, "parameter")) &&
              km_strcopy(fault.token, sizeof(fault.token), sim_query(request, "token"));
  if (!fits || !read_body(request, &fault.body) || !is_known_status(fault.status)) {
    return false;
  }
  *ret = fault;
  return true;
}

void sim_faults_script(const struct sim_request *request, struct sim_answer *answer)
{
  answer->status = 200;
  answer->type = "text/plain";
  struct sim_fault fault;
  if (km_streq(request->method, "DELETE")) {
    sim_faults_clear();
  } else if (km_streq(request->method, "GET")) {
    km_buf_printf(&answer->body, "%lu\n", taken());
  } else if (!read_rule(request, &fault) || !add(&fault)) {
    answer->status = 400;
    km_buf_puts(&answer->body, "unknown body or status, a text that is too long, or too many faults\n");
  }
}
