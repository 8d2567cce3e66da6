/* The logs of pods: invented lines, the same at every request. */
#include <string.h>

#include "kube_mcp/base/str.h"
#include "kube_mcp/codec/json.h"
#include "sim.h"

#include "kube_mcp/base/banned.h"

#define LINES 200

static const char *const messages[] = {"request served", "cache refreshed",
                                       "connection from 10.244.0.17 accepted", "health check passed"};

static yyjson_val *find_container(yyjson_val *list, const char *name)
{
  size_t i, max;
  yyjson_val *container;
  yyjson_arr_foreach(list, i, max, container)
  {
    if (km_streq(km_json_str(container, "name"), name)) {
      return container;
    }
  }
  return NULL;
}

static const char *names_of(const struct sim_request *request, yyjson_val *containers)
{
  const char *names = "";
  size_t i, max;
  yyjson_val *container;
  yyjson_arr_foreach(containers, i, max, container)
  {
    names =
        km_arena_printf(request->arena, "%s%s%s", names, i == 0 ? "" : " ", km_json_str(container, "name"));
  }
  return names;
}

void sim_logs(const struct sim_request *request, const struct sim_object *pod, struct sim_answer *answer)
{
  yyjson_val *containers = km_json_at(pod->root, "spec", "containers", NULL);
  const char *name = sim_query(request, "container");
  if (*name == '\0' && yyjson_arr_size(containers) > 1) {
    sim_fail(answer, 400, "BadRequest", NULL,
             "a container name must be specified for pod %s, choose one of: [%s]", pod->name,
             names_of(request, containers));
    return;
  }
  if (*name == '\0') {
    name = km_json_str(yyjson_arr_get_first(containers), "name");
  } else if (find_container(containers, name) == NULL) {
    sim_fail(answer, 400, "BadRequest", NULL, "container %s is not valid for pod %s", name, pod->name);
    return;
  }
  yyjson_val *status = find_container(km_json_at(pod->root, "status", "containerStatuses", NULL), name);
  bool previous = km_streq(sim_query(request, "previous"), "true");
  if (previous && km_json_int(status, "restartCount", 0) == 0) {
    sim_fail(answer, 400, "BadRequest", NULL, "previous terminated container \"%s\" in pod \"%s\" not found",
             name, pod->name);
    return;
  }
  const char *waiting = km_json_str(km_json_at(status, "state", "waiting", NULL), "reason");
  if (waiting != NULL && !previous && km_json_int(status, "restartCount", 0) == 0) {
    sim_fail(answer, 400, "BadRequest", NULL,
             "container \"%s\" in pod \"%s\" is waiting to start: trying and failing to pull image", name,
             pod->name);
    return;
  }
  int64_t tail = LINES;
  (void)km_parse_i64(sim_query(request, "tailLines"), &tail);
  answer->type = "text/plain";
  for (int64_t i = tail < LINES ? LINES - tail : 0; i < LINES; i++) {
    km_buf_printf(&answer->body, "level=info container=%s line=%lld msg=\"%s\"\n", name, (long long)i,
                  messages[(size_t)i % KM_ARRAY_LEN(messages)]);
  }
}
