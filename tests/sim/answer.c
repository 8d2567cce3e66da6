/* From a request to its answer: which resource the path names, whether the caller may, and who answers. Refusals have the
 * words of the real API server. Takes the cluster's lock: what writes has it alone. */
#include <stdarg.h>
#include <string.h>

#include "kube_mcp/base/str.h"
#include "kube_mcp/codec/json.h"
#include "sim.h"

#include "kube_mcp/base/banned.h"

const char *sim_query(const struct sim_request *request, const char *name)
{
  const char *value = request->query(request->query_data, name);
  return value == NULL ? "" : value;
}

void sim_fail(struct sim_answer *answer, unsigned status, const char *reason, const char *details,
              const char *format, ...)
{
  struct km_buf message;
  km_buf_init(&message, 8192);
  va_list args;
  va_start(args, format);
  km_buf_vprintf(&message, format, args);
  va_end(args);
  yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
  struct km_buf quoted;
  km_buf_init(&quoted, 65536);
  km_json_write(yyjson_mut_str(doc, message.data), false, &quoted);
  answer->status = status;
  answer->type = "application/json";
  km_buf_clear(&answer->body);
  km_buf_printf(
      &answer->body,
      "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":%s,"
      "\"reason\":\"%s\",%s%s%s\"code\":%u}\n",
      quoted.data, reason, details == NULL ? "" : "\"details\":", details == NULL ? "" : details,
      details == NULL ? "" : ",", status);
  yyjson_mut_doc_free(doc);
  km_buf_done(&quoted);
  km_buf_done(&message);
}

static void not_served(struct sim_answer *answer)
{
  sim_fail(answer, 404, "NotFound", "{}", "the server could not find the requested resource");
}

/* /api/v1/... or /apis/GROUP/VERSION/..., then [namespaces/NS/]PLURAL[/NAME[/SUBRESOURCE]]. */
static bool read_path(const struct sim_request *request, struct sim_target *ret)
{
  char *rest = km_arena_strdup(request->arena, request->path + 1);
  const char *parts[10];
  size_t count = 0;
  while (rest != NULL && count < KM_ARRAY_LEN(parts)) {
    parts[count++] = strsep(&rest, "/");
  }
  bool core = km_streq(parts[0], "api");
  size_t at = core ? 2 : 3;
  if (rest != NULL || count <= at || (!core && !km_streq(parts[0], "apis"))) {
    return false;
  }
  struct sim_target target = {.group = core ? "" : parts[1],
                              .version = parts[at - 1],
                              .ns = "",
                              .name = "",
                              .subresource = "",
                              .kind = ""};
  bool in_namespace = km_streq(parts[at], "namespaces") && count > at + 2 &&
                      !km_streq(parts[at + 2], "status") && !km_streq(parts[at + 2], "finalize");
  if (in_namespace) {
    target.ns = parts[at + 1];
    at += 2;
  }
  target.plural = parts[at];
  target.name = count > at + 1 ? parts[at + 1] : "";
  target.subresource = count > at + 2 ? parts[at + 2] : "";
  *ret = target;
  return true;
}

static const char *verb_of(const struct sim_request *request, const struct sim_target *target)
{
  static const struct {
    const char *method, *verb;
  } verbs[] = {{"POST", "create"}, {"PUT", "update"}, {"PATCH", "patch"}, {"DELETE", "delete"}};
  for (size_t i = 0; i < KM_ARRAY_LEN(verbs); i++) {
    if (km_streq(verbs[i].method, request->method)) {
      return verbs[i].verb;
    }
  }
  if (km_streq(sim_query(request, "watch"), "true") || km_streq(sim_query(request, "watch"), "1")) {
    return "watch";
  }
  return target->name[0] != '\0' ? "get" : "list";
}

bool sim_may(const struct sim_request *request, const struct sim_target *target, const char *verb,
             struct sim_answer *answer)
{
  struct km_arena *arena = request->arena;
  bool has_sub = target->subresource[0] != '\0', has_name = target->name[0] != '\0',
       core = target->group[0] == '\0';
  const char *resource =
      has_sub ? km_arena_printf(arena, "%s/%s", target->plural, target->subresource) : target->plural;
  bool itself = core && km_streq(target->plural, "namespaces"); /* a namespace is checked as if inside it */
  struct sim_access access = {.verb = verb,
                              .group = target->group,
                              .resource = resource,
                              .ns = itself ? target->name : target->ns,
                              .name = target->name};
  if (sim_allowed(request->cluster, request->who, &access)) {
    return true;
  }
  const char *where = access.ns[0] == '\0' ? "at the cluster scope"
                                           : km_arena_printf(arena, "in the namespace \"%s\"", access.ns);
  const char *object = has_name ? km_arena_printf(arena, " \"%s\"", target->name) : "";
  sim_fail(answer, 403, "Forbidden", km_arena_printf(arena, "{\"kind\":\"%s\"}", target->plural),
           "%s%s%s%s is forbidden: User \"%s\" cannot %s resource \"%s\" in API group \"%s\" %s",
           target->plural, core ? "" : ".", target->group, object, request->who->user, verb, resource,
           target->group, where);
  return false;
}

static bool acceptable(const struct sim_request *request, struct sim_answer *answer)
{
  static const char *const known[] = {"json", "yaml", "protobuf", "*/*", "application/*"};
  for (size_t i = 0; i < KM_ARRAY_LEN(known); i++) {
    if (request->accept[0] == '\0' || strstr(request->accept, known[i]) != NULL) {
      return true;
    }
  }
  sim_fail(answer, 406, "NotAcceptable", "{}",
           "406: Not Acceptable\n\nAvailable representations: application/json, "
           "application/json;stream=watch");
  return false;
}

static void answer_subresource(const struct sim_request *request, const struct sim_target *target,
                               struct sim_answer *answer)
{
  const struct sim_object *object = sim_object_find(target->resource, target->ns, target->name);
  if (object != NULL && km_streq(target->plural, "pods") && km_streq(target->subresource, "log")) {
    sim_logs(request, object, answer);
  } else if (object == NULL || km_streq(target->subresource, "status")) {
    sim_get(request, target, answer);
  } else {
    not_served(answer);
  }
}

static void answer_resource(const struct sim_request *request, struct sim_target *target,
                            struct sim_answer *answer)
{
  const char *verb = verb_of(request, target);
  if (!sim_may(request, target, verb, answer)) {
    return;
  }
  if (sim_is_broken(request->cluster, target->group, target->version)) {
    sim_fail(answer, 503, "ServiceUnavailable", NULL, "the server is currently unable to handle the request");
    return;
  }
  yyjson_val *found = sim_discovered(request->cluster, target->group, target->version, target->plural);
  bool namespaced = km_streq(km_json_str(found, "scope"), "Namespaced");
  if (found == NULL || (target->ns[0] != '\0' && !namespaced) ||
      (target->name[0] != '\0' && namespaced && target->ns[0] == '\0')) {
    not_served(answer);
    return;
  }
  target->kind = km_json_str(km_json_obj(found, "responseKind"), "kind");
  target->resource = sim_resource_find(request->cluster, target->group, target->plural);
  if (km_streq(verb, "create") && sim_review(request, target, answer)) {
    return;
  }
  if (km_streq(verb, "watch")) {
    sim_watch(request, target, answer);
  } else if (!km_streq(verb, "get") && !km_streq(verb, "list")) {
    sim_write(request, target, verb, answer);
  } else if (target->subresource[0] != '\0') {
    answer_subresource(request, target, answer);
  } else if (target->name[0] != '\0') {
    sim_get(request, target, answer);
  } else {
    sim_list(request, target, answer);
  }
}

static void answer_locked(const struct sim_request *request, struct sim_answer *answer)
{
  bool anonymous = sim_in_group(request->who, "system:unauthenticated");
  struct sim_target target;
  if (km_streq(request->path, "/version")) {
    km_json_write_val(request->cluster->version, true, &answer->body);
  } else if (!acceptable(request, answer)) {
    return;
  } else if (read_path(request, &target)) {
    answer_resource(request, &target, answer);
  } else if (anonymous) {
    sim_fail(answer, 403, "Forbidden", "{}", "forbidden: User \"%s\" cannot get path \"%s\"",
             request->who->user, request->path);
  } else if (!sim_discovery(request, answer) && !sim_openapi(request, answer)) {
    answer->status = 404;
    answer->type = "text/plain";
    km_buf_puts(&answer->body, "404 page not found\n");
  }
}

void sim_answer(const struct sim_request *request, struct sim_answer *answer)
{
  answer->status = 200;
  answer->type = "application/json";
  pthread_rwlock_t *lock = &request->cluster->lock;
  (void)(km_streq(request->method, "GET") ? pthread_rwlock_rdlock(lock) : pthread_rwlock_wrlock(lock));
  answer_locked(request, answer);
  (void)pthread_rwlock_unlock(lock);
}
