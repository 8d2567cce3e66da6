/* Which containers a call of pods_logs means: one pod's, those of a workload's pods, or those of a label selector.
 *
 * A workload is named as kubectl does (deployment/web) and leads to its pods through its own selector. Pods are read
 * whole, page by page, and only names are kept of them, in the call's arena. */
#include <string.h>

#include "kube_mcp/kube/selector.h"
#include "logs.h"

#include "kube_mcp/base/banned.h"

#define DEFAULT_CONTAINER  "kubectl.kubernetes.io/default-container"
#define MAX_SELECTOR_BYTES ((size_t)4096)
#define MAX_NAMES_BYTES    ((size_t)300)

/* --- the containers of a pod -------------------------------------------------------------------------------------------- */

static const struct container_list {
  const char *key, *mark;
} container_lists[] = {
    {"initContainers", " (init)"}, {"containers", ""}, {"ephemeralContainers", " (ephemeral)"}};

static bool has_container(yyjson_val *pod, const char *name)
{
  for (size_t list = 0; list < KM_ARRAY_LEN(container_lists); list++) {
    size_t i, max;
    yyjson_val *container;
    yyjson_arr_foreach(km_json_arr(km_json_obj(pod, "spec"), container_lists[list].key), i, max, container)
    {
      if (km_streq(km_json_str(container, "name"), name)) {
        return true;
      }
    }
  }
  return false;
}

/* "web, proxy, setup (init)" */
static const char *names_of_containers(struct km_arena *arena, yyjson_val *pod)
{
  const char *names = "";
  for (size_t list = 0; list < KM_ARRAY_LEN(container_lists); list++) {
    size_t i, max;
    yyjson_val *container;
    yyjson_arr_foreach(km_json_arr(km_json_obj(pod, "spec"), container_lists[list].key), i, max, container)
    {
      names = km_arena_printf(arena, "%s%s%s%s", names, *names == '\0' ? "" : ", ",
                              km_json_str(container, "name"), container_lists[list].mark);
    }
  }
  return names;
}

static struct log_section *add_section(struct km_call *call, struct log_plan *plan, yyjson_val *pod,
                                       const char *container)
{
  if (plan->count == plan->capacity) {
    plan->containers_left_out++;
    return NULL;
  }
  struct log_section *section = &plan->sections[plan->count++];
  *section = (struct log_section){
      .pod = km_arena_strdup(call->arena, km_json_str(km_json_obj(pod, "metadata"), "name")),
      .container = km_arena_strdup(call->arena, container),
      .scheduled = !km_str_empty(km_json_str(km_json_obj(pod, "spec"), "nodeName")),
  };
  return section;
}

static void add_all_containers(struct km_call *call, struct log_plan *plan, yyjson_val *pod)
{
  for (size_t list = 0; list < KM_ARRAY_LEN(container_lists); list++) {
    size_t i, max;
    yyjson_val *container;
    yyjson_arr_foreach(km_json_arr(km_json_obj(pod, "spec"), container_lists[list].key), i, max, container)
    {
      (void)add_section(call, plan, pod, km_json_str(container, "name"));
    }
  }
}

/* As kubectl chooses: the annotated one, else the first. */
static void add_default_container(struct km_call *call, struct log_plan *plan, yyjson_val *pod)
{
  const char *name = km_json_str(km_json_at(pod, "metadata", "annotations", NULL), DEFAULT_CONTAINER);
  yyjson_val *containers = km_json_arr(km_json_obj(pod, "spec"), "containers");
  if (name == NULL || !has_container(pod, name)) {
    name = km_json_str(yyjson_arr_get_first(containers), "name");
  }
  struct log_section *section = add_section(call, plan, pod, name != NULL ? name : "");
  if (section != NULL && yyjson_arr_size(containers) > 1) {
    section->others = names_of_containers(call->arena, pod);
  }
}

static void add_named_container(struct km_call *call, struct log_plan *plan, yyjson_val *pod,
                                const char *name)
{
  struct log_section *section = add_section(call, plan, pod, name);
  if (section != NULL && !has_container(pod, name)) {
    km_error_set(&section->err, KM_E_INVALID, "pod '%s' has no container '%.80s'; it has: %.300s",
                 section->pod, name, names_of_containers(call->arena, pod));
    km_error_hint(&section->err,
                  "name one of them, or leave `container` empty for the default one, or \"*\" for all");
  }
}

static void add_pod(struct km_call *call, const struct logs_args *args, struct log_plan *plan,
                    yyjson_val *pod)
{
  if (plan->pods == LOGS_MAX_PODS) {
    const char *name = km_json_str(km_json_obj(pod, "metadata"), "name");
    size_t before = plan->left_out_names.len;
    if (!km_buf_printf(&plan->left_out_names, "%s%s", before == 0 ? "" : ", ", name)) {
      plan->left_out_names.failed = false; /* the count tells the rest */
      km_buf_truncate(&plan->left_out_names, before);
    }
    plan->pods_left_out++;
    return;
  }
  plan->pods++;
  if (km_streq(args->container, "*")) {
    add_all_containers(call, plan, pod);
  } else if (km_str_empty(args->container)) {
    add_default_container(call, plan, pod);
  } else {
    add_named_container(call, plan, pod, args->container);
  }
}

/* --- the pods of a selector --------------------------------------------------------------------------------------------- */

struct pod_walk {
  struct km_call *call;
  const struct logs_args *args;
  struct log_plan *plan;
};

static bool take_pods(const struct km_list_page *page, void *data)
{
  struct pod_walk *walk = data;
  size_t i, max;
  yyjson_val *pod;
  yyjson_arr_foreach(km_json_arr(page->root, "items"), i, max, pod)
  {
    add_pod(walk->call, walk->args, walk->plan, pod);
  }
  return true;
}

static enum km_rc add_selected(struct km_call *call, struct target *target, const struct logs_args *args,
                               const char *selector, struct log_plan *plan, struct km_error *err)
{
  struct km_list_query query = {.resource = &pods_resource,
                                .ns = plan->ns,
                                .label_selector = selector,
                                .form = KM_LIST_OBJECTS,
                                .page_size = toolbox(call)->page_size};
  struct pod_walk walk = {.call = call, .args = args, .plan = plan};
  enum km_rc rc = km_client_list(target->client, &query, &target->request, take_pods, &walk, err);
  if (rc == KM_OK && plan->pods == 0) {
    km_error_set(err, KM_E_NOT_FOUND, "context '%s': no pod in namespace '%s' matches '%.200s'",
                 call->cluster, plan->ns, selector);
    return km_error_hint(err, "see which pods and labels there are with pods_list");
  }
  return rc;
}

/* --- the selector of a workload ----------------------------------------------------------------------------------------- */

static void put_comma(struct km_buf *out)
{
  km_buf_puts(out, out->len > 0 ? "," : "");
}

static void put_labels(yyjson_val *labels, struct km_buf *out)
{
  if (labels == NULL) { /* which the loop does not take */
    return;
  }
  size_t i, max;
  yyjson_val *key, *value;
  yyjson_obj_foreach(labels, i, max, key, value)
  {
    if (yyjson_is_str(value)) {
      put_comma(out);
      km_buf_printf(out, "%s=%s", yyjson_get_str(key), yyjson_get_str(value));
    }
  }
}

static void put_expression(yyjson_val *expression, struct km_buf *out)
{
  const char *key = km_json_str(expression, "key"), *verb = km_json_str(expression, "operator");
  if (key == NULL || verb == NULL) {
    return;
  }
  put_comma(out);
  if (km_streq(verb, "Exists") || km_streq(verb, "DoesNotExist")) {
    km_buf_printf(out, "%s%s", km_streq(verb, "Exists") ? "" : "!", key);
    return;
  }
  km_buf_printf(out, "%s %s (", key, km_streq(verb, "In") ? "in" : "notin");
  size_t i, max;
  yyjson_val *value;
  yyjson_arr_foreach(km_json_arr(expression, "values"), i, max, value)
  {
    km_buf_printf(out, "%s%s", i > 0 ? "," : "", yyjson_get_str(value));
  }
  km_buf_putc(out, ')');
}

/* .spec.selector as text: a LabelSelector, or the plain map of Services and ReplicationControllers. */
static void put_selector(yyjson_val *selector, struct km_buf *out)
{
  yyjson_val *labels = km_json_obj(selector, "matchLabels"),
             *expressions = km_json_arr(selector, "matchExpressions");
  if (labels == NULL && expressions == NULL) {
    put_labels(selector, out);
    return;
  }
  put_labels(labels, out);
  size_t i, max;
  yyjson_val *expression;
  yyjson_arr_foreach(expressions, i, max, expression)
  {
    put_expression(expression, out);
  }
}

static enum km_rc selector_of(struct km_call *call, const struct km_resource *resource, yyjson_val *object,
                              const char *name, const char **ret, struct km_error *err)
{
  struct km_buf text;
  km_buf_init(&text, MAX_SELECTOR_BYTES);
  put_selector(km_json_at(object, "spec", "selector", NULL), &text);
  bool usable = text.len > 0 && !text.failed;
  *ret = km_arena_strndup(call->arena, text.data, text.len);
  km_buf_done(&text);
  if (!usable) {
    km_error_set(err, KM_E_INVALID, "%s '%s' does not select pods, so it has no logs", resource->kind, name);
    return km_error_hint(err, "%s",
                         km_streq(resource->kind, "CronJob")
                             ? "name one of its jobs, e.g. \"job/NAME\"; resources_list kind=jobs shows them"
                             : "name a pod, or use label_selector");
  }
  return KM_OK;
}

/* --- the argument `name` ------------------------------------------------------------------------------------------------ */

static enum km_rc add_pod_by_name(struct km_call *call, struct target *target, const struct logs_args *args,
                                  const char *name, struct log_plan *plan, struct km_error *err)
{
  yyjson_doc *doc = NULL;
  enum km_rc rc = km_client_get_object(target->client, &pods_resource, plan->ns, name, false,
                                       &target->request, call->arena, &doc, err);
  if (rc == KM_OK) {
    add_pod(call, args, plan, yyjson_doc_get_root(doc));
    return KM_OK;
  }
  return rc == KM_E_NOT_FOUND
             ? km_error_hint(err,
                             "looked in namespace '%s'; list with pods_list, or name a workload, "
                             "e.g. \"deployment/%.80s\"",
                             plan->ns, name)
             : rc;
}

/* NAME is "deployment/web"; *SLASH its slash. */
static enum km_rc add_workload(struct km_call *call, struct target *target, const struct logs_args *args,
                               const char *slash, struct log_plan *plan, struct km_error *err)
{
  const char *kind = km_arena_strndup(call->arena, args->name, (size_t)(slash - args->name));
  const char *name = slash + 1;
  const struct km_resource *resource = NULL;
  enum km_rc rc = target_resource(call, target, kind, NULL, &resource, err);
  if (rc != KM_OK) {
    return rc;
  }
  if (km_streq(resource->plural, "pods") && km_str_empty(resource->group)) {
    return add_pod_by_name(call, target, args, name, plan, err);
  }
  rc = check_read_access(call, target, resource, "get", plan->ns, name, err);
  yyjson_doc *doc = NULL;
  if (rc == KM_OK) {
    rc = km_client_get_object(target->client, resource, resource->namespaced ? plan->ns : NULL, name, false,
                              &target->request, call->arena, &doc, err);
  }
  const char *selector = NULL;
  if (rc == KM_OK) {
    rc = selector_of(call, resource, yyjson_doc_get_root(doc), name, &selector, err);
  }
  return rc == KM_OK ? add_selected(call, target, args, selector, plan, err) : rc;
}

static void release_names(void *data)
{
  km_buf_done(data);
}

enum km_rc log_plan_make(struct km_call *call, struct target *target, const struct logs_args *args,
                         struct log_plan *plan, struct km_error *err)
{
  plan->sections = KM_ARENA_ARRAY(call->arena, struct log_section, plan->capacity);
  plan->ns = object_namespace(target, args->ns);
  km_buf_init(&plan->left_out_names, MAX_NAMES_BYTES);
  km_arena_defer(call->arena, release_names, &plan->left_out_names);
  if (!km_str_empty(args->label_selector)) {
    return add_selected(call, target, args, args->label_selector, plan, err);
  }
  const char *slash = strchr(args->name, '/');
  return slash != NULL ? add_workload(call, target, args, slash, plan, err)
                       : add_pod_by_name(call, target, args, args->name, plan, err);
}
