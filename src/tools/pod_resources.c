/* What pods ask for and what bounds them: the scheduler's rules for init containers, sidecars (init containers that
 * restart always), pod-level resources, overhead and in-place resizes. Pure functions of the pod; nothing is kept. */
#include "pod_resources.h"

#include <stdint.h>
#include <string.h>

#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

/* The API server accepts no more; sums of a million of these still fit. */
#define MOST ((km_nano)INT64_MAX * 1000000000)

const char *const compute_names[COMPUTE_COUNT] = {[COMPUTE_CPU] = "cpu", [COMPUTE_MEMORY] = "memory"};

struct amount amount_of(yyjson_val *list, const char *name)
{
  const char *text = km_json_str(list, name);
  struct amount amount = {0};
  amount.known = text != NULL && km_quantity_parse(text, strlen(text), &amount.value) && amount.value >= 0 &&
                 amount.value <= MOST;
  return amount.known ? amount : (struct amount){0};
}

struct amount container_amount(yyjson_val *container, const char *kind, enum compute what)
{
  return amount_of(km_json_obj(km_json_obj(container, "resources"), kind), compute_names[what]);
}

static void add(struct amount *sum, struct amount amount)
{
  sum->known = sum->known || amount.known;
  sum->value += amount.value;
}

static void raise_to(struct amount *most, struct amount amount)
{
  most->known = most->known || amount.known;
  most->value = amount.value > most->value ? amount.value : most->value;
}

/* --- requests ---------------------------------------------------------------------------------------------------------- */

/* What the node says of a container, or NULL. */
static yyjson_val *status_of(yyjson_val *pod, const char *list, yyjson_val *container)
{
  const char *name = km_json_str(container, "name");
  size_t i, max;
  yyjson_val *status;
  yyjson_arr_foreach(km_json_arr(km_json_obj(pod, "status"), list), i, max, status)
  {
    if (name != NULL && km_streq(km_json_str(status, "name"), name)) {
      return status;
    }
  }
  return NULL;
}

/* A wanted size that the node can never grant is not reserved. */
static bool resize_is_infeasible(yyjson_val *pod)
{
  size_t i, max;
  yyjson_val *condition;
  yyjson_arr_foreach(km_json_arr(km_json_obj(pod, "status"), "conditions"), i, max, condition)
  {
    if (km_streq(km_json_str(condition, "type"), "PodResizePending")) {
      return km_streq(km_json_str(condition, "reason"), "Infeasible");
    }
  }
  return false;
}

static struct amount container_request(yyjson_val *pod, const char *statuses, yyjson_val *container,
                                       enum compute what)
{
  struct amount wanted = container_amount(container, "requests", what);
  yyjson_val *status = status_of(pod, statuses, container);
  struct amount granted = container_amount(status, "requests", what);
  raise_to(&granted, amount_of(km_json_obj(status, "allocatedResources"), compute_names[what]));
  if (granted.known && resize_is_infeasible(pod)) {
    return granted;
  }
  raise_to(&wanted, granted);
  return wanted;
}

static bool is_sidecar(yyjson_val *init_container)
{
  return km_streq(km_json_str(init_container, "restartPolicy"), "Always");
}

struct amount pod_request(yyjson_val *pod, enum compute what)
{
  yyjson_val *spec = km_json_obj(pod, "spec");
  struct amount running = {0}, sidecars = {0}, starting = {0};
  size_t i, max;
  yyjson_val *container;
  yyjson_arr_foreach(km_json_arr(spec, "containers"), i, max, container)
  {
    add(&running, container_request(pod, "containerStatuses", container, what));
  }
  yyjson_arr_foreach(km_json_arr(spec, "initContainers"), i, max, container)
  {
    struct amount own = container_request(pod, "initContainerStatuses", container, what);
    if (is_sidecar(container)) {
      add(&sidecars, own);
      raise_to(&starting, sidecars);
    } else {
      add(&own, sidecars); /* those before it run beside it */
      raise_to(&starting, own);
    }
  }
  add(&running, sidecars);
  raise_to(&running, starting);
  struct amount whole = container_amount(spec, "requests", what);
  if (whole.known) {
    running = whole;
  }
  add(&running, amount_of(km_json_obj(spec, "overhead"), compute_names[what]));
  return running;
}

/* --- limits ------------------------------------------------------------------------------------------------------------ */

struct amount pod_limit(yyjson_val *pod, enum compute what)
{
  yyjson_val *spec = km_json_obj(pod, "spec");
  yyjson_val *containers = km_json_arr(spec, "containers");
  struct amount overhead = amount_of(km_json_obj(spec, "overhead"), compute_names[what]);
  struct amount sum = container_amount(spec, "limits", what);
  if (sum.known) {
    add(&sum, overhead);
    return sum;
  }
  size_t i, max;
  yyjson_val *container;
  yyjson_arr_foreach(containers, i, max, container)
  {
    struct amount own = container_amount(container, "limits", what);
    if (!own.known) {
      return own;
    }
    add(&sum, own);
  }
  yyjson_arr_foreach(km_json_arr(spec, "initContainers"), i, max, container)
  {
    struct amount own = container_amount(container, "limits", what);
    if (is_sidecar(container) && !own.known) {
      return own;
    }
    if (is_sidecar(container)) {
      add(&sum, own);
    }
  }
  if (sum.known) {
    add(&sum, overhead);
  }
  return sum;
}

int64_t percent_of(km_nano part, km_nano whole)
{
  if (whole <= 0 || part < 0) {
    return -1;
  }
  km_nano percent = part * 100 / whole;
  return percent > INT32_MAX ? INT32_MAX : (int64_t)percent;
}
