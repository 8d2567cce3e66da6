/* Reading metrics.k8s.io/v1beta1.
 *
 * The API knows no pages: one answer, bounded by the client's response limit, of which only names and figures are kept.
 * Its age is told by the servers' own clocks, the timestamps of the metrics against the Date of the answer, so that a
 * wrong clock here does not make fresh metrics stale. Absent, broken and empty are three different things, and told
 * apart: absent is a 404 of the whole API, broken a 502 or 503 of the aggregator, empty a list without items. */
#include "metrics.h"

#include <stdlib.h>
#include <string.h>

#include "kube_mcp/base/banned.h"

#define API              "/apis/metrics.k8s.io/v1beta1"
#define MAX_PATH_BYTES   ((size_t)12 * 1024)
#define MAX_ITEMS        ((size_t)400000)
#define SKEW_MS          ((int64_t)5000)   /* Date has whole seconds, and clocks differ a little */
#define STALE_MS         ((int64_t)180000) /* three times the longest usual interval of measuring */
#define MAX_WINDOW_BYTES 32

static const struct km_resource metrics_resources[] = {
    {.group = "metrics.k8s.io",
     .version = "v1beta1",
     .plural = "pods",
     .kind = "PodMetrics",
     .namespaced = true},
    {.group = "metrics.k8s.io", .version = "v1beta1", .plural = "nodes", .kind = "NodeMetrics"},
};

extern const struct km_resource nodes_resource;

/* --- what goes wrong --------------------------------------------------------------------------------------------------- */

static enum km_rc unavailable(struct km_error *err, enum km_rc rc, int http_status, const char *message,
                              const char *hint)
{
  km_error_set_type(err, rc, KM_TYPE_METRICS_UNAVAILABLE, "%s", message);
  err->http_status = http_status;
  return km_error_hint(err, "%s", hint);
}

enum km_rc metrics_missing(const struct target *target, const char *of_what, struct km_error *err)
{
  const char *context = km_client_endpoint(target->client)->context;
  km_error_set_type(err, KM_E_NOT_FOUND, KM_TYPE_METRICS_UNAVAILABLE,
                    "context '%s': the metrics API has no data of %s yet", context, of_what);
  return km_error_hint(err,
                       "pods are measured a minute after they start; if nothing comes, look at the logs of "
                       "metrics-server in kube-system");
}

static bool api_exists(struct target *target)
{
  struct km_kube_request request = target->request;
  struct km_http_response response;
  struct km_error err = {0};
  request.path = API;
  enum km_rc rc = km_client_do(target->client, &request, &response, &err);
  if (rc == KM_OK) {
    km_http_response_done(&response);
  }
  return rc != KM_E_NOT_FOUND;
}

/* A 404: the API, the object, or only its metrics? */
static enum km_rc explain_absence(struct km_call *call, struct target *target,
                                  const struct metrics_query *query, struct km_error *err)
{
  if (!api_exists(target)) {
    const char *context = km_client_endpoint(target->client)->context;
    return unavailable(err, KM_E_NOT_FOUND, 404,
                       km_arena_printf(call->arena,
                                       "context '%.120s': the cluster has no metrics API (metrics.k8s.io)",
                                       context),
                       "usage is not measured there until metrics-server is installed; nodes_summary and the "
                       "requests and limits of pods tell what is reserved");
  }
  if (query->name == NULL) {
    return err->code;
  }
  yyjson_doc *doc = NULL;
  km_error_clear(err);
  enum km_rc rc = km_client_get_object(target->client, query->of_nodes ? &nodes_resource : &pods_resource,
                                       query->of_nodes ? NULL : query->ns, query->name, false,
                                       &target->request, call->arena, &doc, err);
  if (rc != KM_OK && rc != KM_E_FORBIDDEN) {
    return rc;
  }
  return metrics_missing(
      target, km_arena_printf(call->arena, "%s '%s'", query->of_nodes ? "node" : "pod", query->name), err);
}

static enum km_rc explain_failure(struct km_call *call, struct target *target,
                                  const struct metrics_query *query, struct km_error *err)
{
  if (err->code == KM_E_NOT_FOUND) {
    return explain_absence(call, target, query, err);
  }
  if (err->code == KM_E_UNAVAILABLE && err->http_status > 500) {
    const char *message = km_arena_printf(call->arena, "the metrics API does not answer: %s", err->message);
    return unavailable(
        err, KM_E_UNAVAILABLE, err->http_status, message,
        "see why with resources_get kind=apiservice name=v1beta1.metrics.k8s.io, and the pods of "
        "metrics-server in kube-system");
  }
  return err->code;
}

/* --- reading ----------------------------------------------------------------------------------------------------------- */

static const char *text_of(struct km_arena *arena, yyjson_val *obj, const char *key)
{
  const char *text = km_json_str(obj, key);
  return text != NULL ? km_arena_strdup(arena, text) : "";
}

static void read_usage(yyjson_val *holder, struct usage *usage)
{
  for (enum compute what = 0; what < COMPUTE_COUNT; what++) {
    struct amount amount = amount_of(km_json_obj(holder, "usage"), compute_names[what]);
    usage->used[what].known = usage->used[what].known || amount.known;
    usage->used[what].value += amount.value;
  }
}

static void read_time(struct km_arena *arena, yyjson_val *item, struct metrics *metrics)
{
  const char *timestamp = km_json_str(item, "timestamp"), *window = km_json_str(item, "window");
  int64_t ms = 0;
  if (timestamp != NULL && km_rfc3339_parse(timestamp, strlen(timestamp), &ms) && ms > 0) {
    metrics->oldest_ms = metrics->oldest_ms == 0 || ms < metrics->oldest_ms ? ms : metrics->oldest_ms;
    metrics->newest_ms = ms > metrics->newest_ms ? ms : metrics->newest_ms;
  }
  if (*metrics->window == '\0' && window != NULL) {
    metrics->window =
        km_arena_strndup(arena, window, km_utf8_prefix(window, strlen(window), MAX_WINDOW_BYTES));
  }
}

/* What has no name is no metrics of anything. */
static bool is_metrics(yyjson_val *item, const struct metrics_query *query)
{
  yyjson_val *metadata = km_json_obj(item, "metadata");
  return !km_str_empty(km_json_str(metadata, "name")) &&
         (query->of_nodes || !km_str_empty(km_json_str(metadata, "namespace")));
}

/* How many items ITEM will become. */
static size_t items_in(yyjson_val *item, const struct metrics_query *query)
{
  return query->containers ? yyjson_arr_size(km_json_arr(item, "containers")) : 1;
}

static void read_item(struct km_arena *arena, yyjson_val *item, const struct metrics_query *query,
                      struct metrics *metrics)
{
  yyjson_val *metadata = km_json_obj(item, "metadata");
  struct usage whole = {
      .ns = text_of(arena, metadata, "namespace"), .name = text_of(arena, metadata, "name"), .container = ""};
  size_t i, max;
  yyjson_val *container;
  read_time(arena, item, metrics);
  yyjson_arr_foreach(km_json_arr(item, "containers"), i, max, container)
  {
    if (!query->containers) {
      read_usage(container, &whole);
      continue;
    }
    struct usage *usage = &metrics->items[metrics->count++];
    *usage =
        (struct usage){.ns = whole.ns, .name = whole.name, .container = text_of(arena, container, "name")};
    read_usage(container, usage);
  }
  if (!query->containers) {
    read_usage(item, &whole); /* of a node */
    metrics->items[metrics->count++] = whole;
  }
}

/* Counts what the items of an answer will become; false when it is not an answer of the metrics API. Go writes an
 * empty list as null. */
static bool count_items(yyjson_val *root, const struct metrics_query *query, size_t *ret_count)
{
  yyjson_val *items = yyjson_obj_get(root, "items");
  size_t i, max, count = 0;
  yyjson_val *item;
  if (query->name != NULL) {
    *ret_count = items_in(root, query);
    return is_metrics(root, query);
  }
  yyjson_arr_foreach(items, i, max, item)
  {
    if (!is_metrics(item, query)) {
      return false;
    }
    count += items_in(item, query);
  }
  *ret_count = count;
  return yyjson_is_arr(items) || yyjson_is_null(items);
}

static enum km_rc read_metrics(struct km_arena *arena, yyjson_val *root, const struct metrics_query *query,
                               struct metrics *metrics, struct km_error *err)
{
  size_t count = 0, i, max;
  if (!count_items(root, query, &count)) {
    return km_error_set(err, KM_E_PROTOCOL, "the answer of the metrics API does not hold metrics");
  }
  if (count > MAX_ITEMS) {
    km_error_set(err, KM_E_TOO_LARGE, "the metrics API knows more than %zu containers", MAX_ITEMS);
    return km_error_hint(err, "narrow with namespace or label_selector");
  }
  metrics->items = KM_ARENA_ARRAY(arena, struct usage, count + 1);
  if (query->name != NULL) {
    read_item(arena, root, query, metrics);
    return KM_OK;
  }
  yyjson_val *item;
  yyjson_arr_foreach(yyjson_obj_get(root, "items"), i, max, item)
  {
    read_item(arena, item, query, metrics);
  }
  return KM_OK;
}

/* --- asking ------------------------------------------------------------------------------------------------------------ */

static enum km_rc make_path(struct km_arena *arena, const struct metrics_query *query, const char **ret,
                            struct km_error *err)
{
  const struct km_resource *resource = &metrics_resources[query->of_nodes ? 1 : 0];
  struct km_buf path;
  km_buf_init(&path, MAX_PATH_BYTES);
  km_buf_puts(&path,
              km_resource_path(arena, resource, query->of_nodes ? NULL : query->ns, query->name, NULL));
  if (!km_str_empty(query->selector) && query->name == NULL) {
    km_buf_puts(&path, "?labelSelector=");
    (void)km_url_escape(&path, query->selector);
  }
  enum km_rc rc = KM_OK;
  if (path.failed) {
    rc = km_error_set(err, KM_E_TOO_LARGE, "the selector is too long for a request: %zu bytes at most",
                      MAX_PATH_BYTES);
  } else {
    *ret = km_arena_strndup(arena, path.data, path.len);
  }
  km_buf_done(&path);
  return rc;
}

enum km_rc metrics_get(struct km_call *call, struct target *target, const struct metrics_query *query,
                       struct metrics *ret, struct km_error *err)
{
  struct km_kube_request request = target->request;
  struct km_http_response response;
  enum km_rc rc = make_path(call->arena, query, &request.path, err);
  if (rc != KM_OK) {
    return rc;
  }
  rc = km_client_do(target->client, &request, &response, err);
  if (rc != KM_OK) {
    return explain_failure(call, target, query, err);
  }
  KM_CLEANUP(km_arena_freep) struct km_arena *arena = km_arena_new(0);
  struct metrics metrics = {.now_ms = response.date_wall_ms, .window = ""};
  yyjson_doc *doc = NULL;
  rc = km_json_parse(arena, response.body.data, response.body.len, KM_JSON_MAX_DEPTH, &doc, err);
  km_http_response_done(&response);
  if (rc != KM_OK) {
    err->code = KM_E_PROTOCOL;
    return km_error_wrap(err, "context '%s': the answer of the metrics API is not the JSON it should be",
                         km_client_endpoint(target->client)->context);
  }
  rc = read_metrics(call->arena, yyjson_doc_get_root(doc), query, &metrics, err);
  if (rc != KM_OK) {
    return km_error_wrap(err, "context '%s'", km_client_endpoint(target->client)->context);
  }
  *ret = metrics;
  return KM_OK;
}

/* --- using ------------------------------------------------------------------------------------------------------------- */

/* Age of a timestamp in whole seconds, not less than none. */
static long long seconds_since(const struct metrics *metrics, int64_t ms)
{
  int64_t age_ms = metrics->now_ms - ms;
  return age_ms > 0 ? (long long)(age_ms / 1000) : 0;
}

void put_age(const struct metrics *metrics, struct km_buf *out)
{
  if (metrics->oldest_ms == 0) {
    return;
  }
  const char *over = *metrics->window != '\0' ? ", over " : "";
  if (metrics->now_ms == 0) {
    char time[40];
    km_rfc3339(time, sizeof(time), metrics->oldest_ms);
    km_buf_printf(out, "# measured at %s%s%s\n", time, over, metrics->window);
    return;
  }
  long long most = seconds_since(metrics, metrics->oldest_ms);
  long long least = seconds_since(metrics, metrics->newest_ms);
  km_buf_puts(out, "# measured ");
  if (least < most) {
    km_buf_printf(out, "%lld to ", least);
  }
  km_buf_printf(out, "%lld s ago%s%s\n", most, over, metrics->window);
  if (metrics->newest_ms > metrics->now_ms + SKEW_MS) {
    km_buf_printf(out, "# the clock of what measures is %lld s ahead of the API server's\n",
                  (long long)((metrics->newest_ms - metrics->now_ms) / 1000));
  }
  if (metrics->now_ms - metrics->oldest_ms > STALE_MS) {
    km_buf_puts(out, "# some of this is stale: metrics-server or a kubelet may have stopped reporting\n");
  }
}

static int by_use(const struct usage *x, const struct usage *y, enum compute what)
{
  if (x->used[what].known != y->used[what].known) {
    return x->used[what].known ? -1 : 1;
  }
  if (x->used[what].value != y->used[what].value) {
    return x->used[what].value > y->used[what].value ? -1 : 1;
  }
  int order = strcmp(x->ns, y->ns);
  order = order != 0 ? order : strcmp(x->name, y->name);
  return order != 0 ? order : strcmp(x->container, y->container);
}

static int by_cpu(const void *a, const void *b)
{
  return by_use(a, b, COMPUTE_CPU);
}

static int by_memory(const void *a, const void *b)
{
  return by_use(a, b, COMPUTE_MEMORY);
}

void metrics_sort(struct metrics *metrics, enum compute what)
{
  if (metrics->count > 0) {
    qsort(metrics->items, metrics->count, sizeof(*metrics->items), what == COMPUTE_CPU ? by_cpu : by_memory);
  }
}
