/* pods_top and nodes_top: what is used, beside what is reserved, bounded or available.
 *
 * The metrics come in one answer; the rows that can be shown are chosen from it first, so that of the pods themselves no
 * more is asked than their rows need: a few are got one by one, many are listed page by page, each leaving nothing but
 * its figures. What may not be read is left out, and said. */
#include <string.h>

#include "metrics.h"
#include "node.h"
#include "parts.h"
#include "sheet.h"

#include "kube_mcp/base/map.h"

#include "kube_mcp/base/banned.h"

#define MAX_QUANTITY  32
#define MIN_ROW_BYTES ((size_t)24) /* a shorter row than any: bounds how many can be shown */
#define FEW           ((size_t)16) /* so many pods are got rather than listed */

struct top_args {
  struct km_arg_strings contexts;
  const char *context, *ns, *name, *label_selector;
  int64_t limit;
  int sort_by; /* enum compute */
  bool containers;
};

/* A row of the answer. */
struct row {
  const struct usage *usage;
  bool found;                                                 /* the pod or node itself was read */
  struct amount request[COMPUTE_COUNT], limit[COMPUTE_COUNT]; /* of nodes: request is what is allocatable */
  const char *status;                                         /* of a node */
  struct row *next;                                           /* of the same pod */
};

struct top {
  struct km_call *call;
  const struct top_args *args;
  struct target target;
  struct metrics metrics;
  bool of_nodes;
  const char *ns;  /* NULL = all namespaces */
  bool narrowed;   /* all were asked for, one may be read */
  bool no_objects; /* pods or nodes themselves may not be read */
  struct row *rows;
  size_t count;
  struct km_map *by_name; /* of the first row of each pod or node */
  size_t pods;            /* keys in by_name */
};

/* --- rows -------------------------------------------------------------------------------------------------------------- */

static void free_map(void *map)
{
  km_map_free(map);
}

static const char *key_of(struct km_arena *arena, const char *ns, const char *name)
{
  return km_arena_printf(arena, "%s/%s", ns != NULL ? ns : "", name != NULL ? name : "");
}

/* Makes the rows that may be shown: sorted, and no more than the answer can hold. */
static void choose_rows(struct top *top)
{
  struct km_arena *arena = top->call->arena;
  size_t most = toolbox(top->call)->max_result_bytes / MIN_ROW_BYTES + 1;
  if (top->args->limit > 0 && (size_t)top->args->limit < most) {
    most = (size_t)top->args->limit;
  }
  metrics_sort(&top->metrics, (enum compute)top->args->sort_by);
  top->count = top->metrics.count < most ? top->metrics.count : most;
  top->rows = KM_ARENA_ARRAY(arena, struct row, top->count + 1);
  top->by_name = km_map_new(NULL);
  km_arena_defer(arena, free_map, top->by_name);
  for (size_t i = 0; i < top->count; i++) {
    struct row *row = &top->rows[i];
    row->usage = &top->metrics.items[i];
    const char *key = key_of(arena, row->usage->ns, row->usage->name);
    row->next = km_map_get(top->by_name, key);
    top->pods += row->next == NULL ? 1 : 0;
    km_map_put(top->by_name, key, row);
  }
}

/* --- what pods ask for ------------------------------------------------------------------------------------------------- */

static void fill_container(yyjson_val *container, struct row *row)
{
  row->found = true;
  for (enum compute what = 0; what < COMPUTE_COUNT; what++) {
    row->request[what] = container_amount(container, "requests", what);
    row->limit[what] = container_amount(container, "limits", what);
  }
}

/* The container of POD that ROW is about, or NULL. */
static yyjson_val *find_container(yyjson_val *pod, const struct row *row)
{
  static const char *const lists[] = {"containers", "initContainers"};
  for (size_t l = 0; l < KM_ARRAY_LEN(lists); l++) {
    size_t i, max;
    yyjson_val *container;
    yyjson_arr_foreach(km_json_arr(km_json_obj(pod, "spec"), lists[l]), i, max, container)
    {
      if (km_streq(km_json_str(container, "name"), row->usage->container)) {
        return container;
      }
    }
  }
  return NULL;
}

static void fill_pod(yyjson_val *pod, struct row *row)
{
  row->found = true;
  for (enum compute what = 0; what < COMPUTE_COUNT; what++) {
    row->request[what] = pod_request(pod, what);
    row->limit[what] = pod_limit(pod, what);
  }
}

/* Fills the rows of POD, if there are any. */
static void read_pod(struct top *top, struct km_arena *arena, yyjson_val *pod)
{
  yyjson_val *metadata = km_json_obj(pod, "metadata");
  const char *key = key_of(arena, km_json_str(metadata, "namespace"), km_json_str(metadata, "name"));
  for (struct row *row = km_map_get(top->by_name, key); row != NULL; row = row->next) {
    yyjson_val *container = top->args->containers ? find_container(pod, row) : NULL;
    if (container != NULL) {
      fill_container(container, row);
    } else if (!top->args->containers) {
      fill_pod(pod, row);
    }
  }
}

static bool on_pods(const struct km_list_page *page, void *data)
{
  KM_CLEANUP(km_arena_freep) struct km_arena *arena = km_arena_new(0);
  size_t i, max;
  yyjson_val *pod;
  yyjson_arr_foreach(km_json_arr(page->root, "items"), i, max, pod)
  {
    read_pod(data, arena, pod);
  }
  return true;
}

static enum km_rc list_pods(struct top *top, struct km_error *err)
{
  struct km_list_query query = {
      .resource = &pods_resource,
      .ns = top->ns,
      .label_selector = top->args->label_selector,
      .form = KM_LIST_OBJECTS,
      .page_size = toolbox(top->call)->page_size,
  };
  return km_client_list(top->target.client, &query, &top->target.request, on_pods, top, err);
}

static enum km_rc get_pod(struct top *top, const struct usage *usage, struct km_error *err)
{
  KM_CLEANUP(km_arena_freep) struct km_arena *arena = km_arena_new(0);
  yyjson_doc *doc = NULL;
  enum km_rc rc = km_client_get_object(top->target.client, &pods_resource, usage->ns, usage->name, false,
                                       &top->target.request, arena, &doc, err);
  if (rc == KM_OK) {
    read_pod(top, arena, yyjson_doc_get_root(doc));
  }
  return rc;
}

static enum km_rc get_pods(struct top *top, struct km_error *err)
{
  for (size_t i = 0; i < top->count; i++) {
    if (top->rows[i].found) {
      continue; /* with another container of the pod */
    }
    enum km_rc rc = get_pod(top, top->rows[i].usage, err);
    if (rc == KM_E_NOT_FOUND) {
      km_error_clear(err); /* gone since it was measured */
    } else if (rc != KM_OK) {
      return rc;
    }
  }
  return KM_OK;
}

static enum km_rc read_pods(struct top *top, struct km_error *err)
{
  enum km_rc rc = top->pods <= FEW ? get_pods(top, err) : list_pods(top, err);
  if (rc == KM_E_FORBIDDEN) {
    top->no_objects = true;
    km_error_clear(err);
    return KM_OK;
  }
  return rc;
}

/* --- cells ------------------------------------------------------------------------------------------------------------- */

static const char *print_amount(enum compute what, km_nano value, char text[MAX_QUANTITY])
{
  if (what == COMPUTE_CPU) {
    km_quantity_print_cpu(text, MAX_QUANTITY, value);
  } else {
    km_quantity_print_memory(text, MAX_QUANTITY, value);
  }
  return text;
}

static void put_used(const struct row *row, enum compute what, struct sheet *sheet)
{
  char text[MAX_QUANTITY];
  struct amount used = row->usage->used[what];
  sheet_cell(sheet, used.known ? print_amount(what, used.value, text) : "<unknown>");
}

/* "512Mi (31%)": a measure, and how much of it is used. */
static void put_measure(const struct row *row, enum compute what, struct amount measure, struct sheet *sheet)
{
  char text[MAX_QUANTITY];
  struct amount used = row->usage->used[what];
  if (!measure.known) {
    sheet_cell(sheet, row->found ? "<none>" : "<unknown>");
    return;
  }
  int64_t percent = used.known ? percent_of(used.value, measure.value) : -1;
  if (percent < 0) {
    sheet_cell(sheet, print_amount(what, measure.value, text));
  } else {
    sheet_cellf(sheet, "%s (%lld%%)", print_amount(what, measure.value, text), (long long)percent);
  }
}

/* --- the last lines ---------------------------------------------------------------------------------------------------- */

static void put_sums(const struct top *top, size_t from, struct km_buf *out)
{
  char text[MAX_QUANTITY];
  for (enum compute what = 0; what < COMPUTE_COUNT; what++) {
    km_nano sum = 0;
    for (size_t i = from; i < top->metrics.count; i++) {
      sum += top->metrics.items[i].used[what].value;
    }
    km_buf_printf(out, "%s%s %s", what > 0 ? ", " : "", compute_names[what], print_amount(what, sum, text));
  }
}

/* Where the rows left out are. */
static void put_left_out(const struct top *top, size_t shown, struct km_buf *out)
{
  size_t left = top->metrics.count - shown;
  const char **values = KM_ARENA_ARRAY(top->call->arena, const char *, left + 1);
  for (size_t i = 0; i < left; i++) {
    values[i] = top->metrics.items[shown + i].ns;
  }
  km_buf_printf(out, "# the first %zu by %s are shown, %zu left out: ", shown,
                compute_names[top->args->sort_by], left);
  put_sums(top, shown, out);
  if (top->ns == NULL && *values[0] != '\0') {
    km_buf_puts(out, " (by namespace: ");
    put_groups(top->call->arena, values, left, out);
    km_buf_putc(out, ')');
  }
  km_buf_putc(out, '\n');
}

static void write_footer(const struct top *top, size_t shown, const char *what, struct km_buf *out)
{
  put_context(top->call, out);
  if (top->metrics.count == 0) {
    km_buf_puts(out, "nothing found\n");
  } else {
    km_buf_printf(out, "%zu %s%s: ", top->metrics.count, what, top->metrics.count == 1 ? "" : "s");
    put_sums(top, 0, out);
    km_buf_putc(out, '\n');
  }
  put_age(&top->metrics, out);
  if (shown < top->metrics.count) {
    put_left_out(top, shown, out);
  }
  if (top->narrowed) {
    km_buf_printf(out, "# all namespaces are forbidden here: this is the context's namespace '%.63s'\n",
                  top->ns);
  }
  if (top->no_objects) {
    km_buf_printf(out, "# this identity may not read the %ss themselves: what they have is left out\n",
                  top->of_nodes ? "node" : "pod");
  }
}

static void write_answer(struct top *top, const struct sheet *sheet, bool across, const char *what,
                         struct km_result *out)
{
  struct km_buf rows, footer;
  km_buf_init(&rows, toolbox(top->call)->max_result_bytes + SHEET_FOOTER_BYTES);
  km_buf_init(&footer, SHEET_FOOTER_BYTES);
  struct sheet_limits limits = {.max_bytes = sheet_budget(top->call), .namespace_column = across};
  int64_t shown = sheet_render(sheet, top->call->arena, &limits, &rows);
  write_footer(top, (size_t)shown, what, &footer);
  answer_rows(top->call, &rows, &footer, out);
  km_buf_done(&footer);
  km_buf_done(&rows);
}

/* --- pods_top ---------------------------------------------------------------------------------------------------------- */

static const char *const sort_keys[] = {[COMPUTE_CPU] = "cpu", [COMPUTE_MEMORY] = "memory", NULL};

#define ARGS_OF_TOP                                                                                          \
  {.name = "label_selector",                                                                                 \
   .type = KM_ARG_STRING,                                                                                    \
   KM_ARG_AT(struct top_args, label_selector),                                                               \
   .description = "e.g. \"app=web\"."},                                                                      \
      {.name = "sort_by",                                                                                    \
       .type = KM_ARG_ENUM,                                                                                  \
       KM_ARG_AT(struct top_args, sort_by),                                                                  \
       .one_of = sort_keys,                                                                                  \
       .fallback = "\"cpu\"",                                                                                \
       .description = "The largest first."},                                                                 \
  {                                                                                                          \
    .name = "limit", .type = KM_ARG_INT, KM_ARG_AT(struct top_args, limit), .min = 1, .max = 10000,          \
    .description = "At most this many rows."                                                                 \
  }

static const struct km_arg pods_args[] = {
    ARG_CONTEXT(struct top_args),
    ARG_CONTEXTS(struct top_args),
    ARG_NAMESPACE(struct top_args, "Namespace. Empty = all, with `name` the context's."),
    {.name = "name",
     .type = KM_ARG_STRING,
     .flags = KM_ARG_DNS_NAME,
     KM_ARG_AT(struct top_args, name),
     .description = "Only this pod."},
    {.name = "containers",
     .type = KM_ARG_BOOL,
     KM_ARG_AT(struct top_args, containers),
     .fallback = "false",
     .description = "One row per container."},
    ARGS_OF_TOP,
};

static enum km_rc get_pod_metrics(struct top *top, struct km_error *err)
{
  struct metrics_query query = {.containers = top->args->containers,
                                .ns = top->ns,
                                .name = km_str_empty(top->args->name) ? NULL : top->args->name,
                                .selector = top->args->label_selector};
  enum km_rc rc = metrics_get(top->call, &top->target, &query, &top->metrics, err);
  const char *own = rc != KM_OK && top->ns == NULL ? narrower_namespace(&top->target, err) : NULL;
  if (own != NULL) {
    km_error_clear(err);
    top->narrowed = true;
    query.ns = top->ns = own;
    rc = metrics_get(top->call, &top->target, &query, &top->metrics, err);
  }
  return rc;
}

static bool has_items(const struct km_list_page *page, void *data)
{
  *(bool *)data = yyjson_arr_size(km_json_arr(page->root, "items")) > 0;
  return false;
}

/* Without any metrics: an error, if there are running pods that should have some. */
static enum km_rc check_nothing_runs(struct top *top, struct km_error *err)
{
  bool some = false;
  struct km_list_query query = {
      .resource = &pods_resource,
      .ns = top->ns,
      .label_selector = top->args->label_selector,
      .field_selector = "status.phase=Running",
      .form = KM_LIST_METADATA,
      .page_size = 1,
  };
  enum km_rc rc = km_client_list(top->target.client, &query, &top->target.request, has_items, &some, err);
  if (rc == KM_E_FORBIDDEN) {
    km_error_clear(err);
    return KM_OK;
  }
  return rc == KM_OK && some ? metrics_missing(&top->target, "the pods that run", err) : rc;
}

static void put_pod_columns(const struct top *top, struct sheet *sheet)
{
  static const char *const headings[COMPUTE_COUNT][3] = {{"CPU", "CPU-REQ", "CPU-LIM"},
                                                         {"MEMORY", "MEM-REQ", "MEM-LIM"}};
  sheet_column(sheet, "POD");
  if (top->args->containers) {
    sheet_column(sheet, "CONTAINER");
  }
  for (enum compute what = 0; what < COMPUTE_COUNT; what++) {
    for (size_t i = 0; i < (top->no_objects ? 1 : 3); i++) {
      sheet_column(sheet, headings[what][i]);
    }
  }
}

static void put_pod_row(const struct top *top, const struct row *row, struct sheet *sheet)
{
  sheet_row(sheet, row->usage->ns);
  sheet_cell(sheet, row->usage->name);
  if (top->args->containers) {
    sheet_cell(sheet, row->usage->container);
  }
  for (enum compute what = 0; what < COMPUTE_COUNT; what++) {
    put_used(row, what, sheet);
    if (!top->no_objects) {
      put_measure(row, what, row->request[what], sheet);
      put_measure(row, what, row->limit[what], sheet);
    }
  }
}

static enum km_rc pods_of_one(struct km_call *call, const void *data, struct km_result *out,
                              struct km_error *err)
{
  struct top top = {.call = call, .args = data};
  enum km_rc rc = target_open(call, top.args->context, &top.target, err);
  if (rc != KM_OK) {
    return rc;
  }
  bool one = !km_str_empty(top.args->name);
  top.ns = one                          ? object_namespace(&top.target, top.args->ns)
           : km_str_empty(top.args->ns) ? NULL
                                        : top.args->ns;
  rc = get_pod_metrics(&top, err);
  if (rc == KM_OK && top.metrics.count == 0) {
    rc = check_nothing_runs(&top, err);
  }
  if (rc == KM_OK) {
    choose_rows(&top);
    rc = read_pods(&top, err);
  }
  if (rc != KM_OK) {
    return rc;
  }
  struct sheet sheet;
  sheet_init(&sheet);
  put_pod_columns(&top, &sheet);
  for (size_t i = 0; i < top.count; i++) {
    put_pod_row(&top, &top.rows[i], &sheet);
  }
  write_answer(&top, &sheet, top.ns == NULL, top.args->containers ? "container" : "pod", out);
  sheet_done(&sheet);
  return KM_OK;
}

static const struct km_rbac_row pods_rbac[] = {{"list", "metrics.k8s.io", "pods", NULL},
                                               {"list", "", "pods", NULL}};

RUN_IN_CONTEXTS(run_pods, struct top_args, pods_of_one)

const struct km_tool km_tool_pods_top = {
    .name = "pods_top",
    .title = "Show what pods use",
    .description =
        "CPU and memory that pods (or their containers) use now, beside requests and limits and how "
        "much of them that is.",
    .hints = KM_HINT_READ_ONLY | KM_HINT_IDEMPOTENT | KM_HINT_OPEN_WORLD,
    .args = pods_args,
    .arg_count = KM_ARRAY_LEN(pods_args),
    .args_size = sizeof(struct top_args),
    .rbac = pods_rbac,
    .rbac_count = KM_ARRAY_LEN(pods_rbac),
    .run = run_pods,
};

/* --- nodes_top --------------------------------------------------------------------------------------------------------- */

static const struct km_arg nodes_args[] = {
    ARG_CONTEXT(struct top_args),
    ARG_CONTEXTS(struct top_args),
    {.name = "name",
     .type = KM_ARG_STRING,
     .flags = KM_ARG_DNS_NAME,
     KM_ARG_AT(struct top_args, name),
     .description = "Only this node."},
    ARGS_OF_TOP,
};

/* Adds what the nodes themselves say to the metrics, and an item to those for each node that was not measured. */
static void join_nodes(struct top *top, const struct nodes *nodes)
{
  struct usage *joined =
      KM_ARENA_ARRAY(top->call->arena, struct usage, top->metrics.count + nodes->count + 1);
  struct km_map *measured = km_map_new(NULL);
  size_t count = top->metrics.count;
  for (size_t i = 0; i < count; i++) {
    joined[i] = top->metrics.items[i];
    km_map_put(measured, joined[i].name, &joined[i]);
  }
  for (size_t i = 0; i < nodes->count; i++) {
    if (km_map_get(measured, nodes->items[i]->name) == NULL) {
      joined[count++] = (struct usage){.ns = "", .name = nodes->items[i]->name, .container = ""};
    }
  }
  km_map_free(measured);
  top->metrics.items = joined;
  top->metrics.count = count;
}

static void fill_nodes(struct top *top, const struct nodes *nodes)
{
  for (size_t i = 0; i < top->count; i++) {
    struct row *row = &top->rows[i];
    const struct node *node = km_map_get(nodes->by_name, row->usage->name);
    row->found = node != NULL;
    for (enum compute what = 0; row->found && what < COMPUTE_COUNT; what++) {
      row->request[what] = node->allocatable[what];
    }
    row->status = node != NULL ? node->status : "<unknown>";
  }
}

static enum km_rc read_nodes(struct top *top, struct nodes *nodes, struct km_error *err)
{
  enum km_rc rc = nodes_list(top->call, &top->target, top->args->label_selector, top->args->name, nodes, err);
  if (rc == KM_E_FORBIDDEN) {
    top->no_objects = true;
    km_error_clear(err);
    return KM_OK;
  }
  return rc;
}

static enum km_rc rank_nodes(struct top *top, struct km_error *err)
{
  struct nodes nodes = {0};
  enum km_rc rc = read_nodes(top, &nodes, err);
  if (rc != KM_OK) {
    return rc;
  }
  if (top->metrics.count == 0 && (nodes.count > 0 || top->no_objects)) {
    return metrics_missing(&top->target, "the nodes", err);
  }
  if (!top->no_objects) {
    join_nodes(top, &nodes);
  }
  choose_rows(top);
  if (!top->no_objects) {
    fill_nodes(top, &nodes);
  }
  return KM_OK;
}

static void put_node_columns(const struct top *top, struct sheet *sheet)
{
  static const char *const headings[] = {"NAME", "STATUS", "CPU", "CPU-ALLOC", "MEMORY", "MEM-ALLOC"};
  for (size_t i = 0; i < KM_ARRAY_LEN(headings); i++) {
    if (!top->no_objects || i == 0 || i % 2 == 0) {
      sheet_column(sheet, headings[i]);
    }
  }
}

static void put_node_row(const struct top *top, const struct row *row, struct sheet *sheet)
{
  sheet_row(sheet, NULL);
  sheet_cell(sheet, row->usage->name);
  if (!top->no_objects) {
    sheet_cell(sheet, row->status);
  }
  for (enum compute what = 0; what < COMPUTE_COUNT; what++) {
    put_used(row, what, sheet);
    if (!top->no_objects) {
      put_measure(row, what, row->request[what], sheet);
    }
  }
}

static enum km_rc nodes_of_one(struct km_call *call, const void *data, struct km_result *out,
                               struct km_error *err)
{
  struct top top = {.call = call, .args = data, .of_nodes = true};
  enum km_rc rc = target_open(call, top.args->context, &top.target, err);
  if (rc != KM_OK) {
    return rc;
  }
  struct metrics_query query = {.of_nodes = true,
                                .name = km_str_empty(top.args->name) ? NULL : top.args->name,
                                .selector = top.args->label_selector};
  rc = metrics_get(call, &top.target, &query, &top.metrics, err);
  if (rc == KM_OK) {
    rc = rank_nodes(&top, err);
  }
  if (rc != KM_OK) {
    return rc;
  }
  struct sheet sheet;
  sheet_init(&sheet);
  put_node_columns(&top, &sheet);
  for (size_t i = 0; i < top.count; i++) {
    put_node_row(&top, &top.rows[i], &sheet);
  }
  write_answer(&top, &sheet, false, "node", out);
  sheet_done(&sheet);
  return KM_OK;
}

static const struct km_rbac_row nodes_rbac[] = {{"list", "metrics.k8s.io", "nodes", NULL},
                                                {"list", "", "nodes", NULL}};

RUN_IN_CONTEXTS(run_nodes, struct top_args, nodes_of_one)

const struct km_tool km_tool_nodes_top = {
    .name = "nodes_top",
    .title = "Show what nodes use",
    .description = "CPU and memory that nodes use now, and how much of the allocatable that is.",
    .hints = KM_HINT_READ_ONLY | KM_HINT_IDEMPOTENT | KM_HINT_OPEN_WORLD,
    .args = nodes_args,
    .arg_count = KM_ARRAY_LEN(nodes_args),
    .args_size = sizeof(struct top_args),
    .rbac = nodes_rbac,
    .rbac_count = KM_ARRAY_LEN(nodes_rbac),
    .run = run_nodes,
};
