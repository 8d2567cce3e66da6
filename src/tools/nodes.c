/* nodes_summary: which nodes are in trouble, and how full they are.
 *
 * Nodes are kept as rows, one small struct each; pods stream by, page after page, and leave only sums behind, so the
 * memory does not grow with the number of pods. Where pods may not be listed the answer says so and leaves out what it
 * cannot know. */
#include <string.h>

#include "node.h"
#include "parts.h"
#include "sheet.h"

#include "kube_mcp/base/map.h"

#include "kube_mcp/base/banned.h"

#define MAX_QUANTITY 32

static const char *const outputs[] = {"table", "wide", "json", NULL};

struct summary_args {
  struct km_arg_strings contexts;
  const char *context, *name, *label_selector;
  int64_t limit;
  int output; /* enum output */
};

static const struct km_arg args[] = {
    ARG_CONTEXT(struct summary_args),
    ARG_CONTEXTS(struct summary_args),
    {.name = "name",
     .type = KM_ARG_STRING,
     .flags = KM_ARG_DNS_NAME,
     KM_ARG_AT(struct summary_args, name),
     .description = "Only this node."},
    {.name = "label_selector",
     .type = KM_ARG_STRING,
     KM_ARG_AT(struct summary_args, label_selector),
     .description = "e.g. \"topology.kubernetes.io/zone=eu-1a\"."},
    {.name = "limit",
     .type = KM_ARG_INT,
     KM_ARG_AT(struct summary_args, limit),
     .min = 1,
     .max = 10000,
     .description = "At most this many, the worst first."},
    {.name = "output",
     .type = KM_ARG_ENUM,
     KM_ARG_AT(struct summary_args, output),
     .one_of = outputs,
     .fallback = "\"table\"",
     .description = "wide adds system, runtime and capacity; json all of it."},
};

struct summary {
  struct km_call *call;
  const struct summary_args *args;
  struct nodes nodes;
  bool pods_forbidden;
  int64_t unscheduled; /* pods without a node */
  enum km_rc stopped;
  struct km_error *err;
};

/* --- pods -------------------------------------------------------------------------------------------------------------- */

static bool has_ended(yyjson_val *pod)
{
  const char *phase = km_json_str(km_json_obj(pod, "status"), "phase");
  return km_streq(phase, "Succeeded") || km_streq(phase, "Failed");
}

static void count_pod(struct summary *summary, yyjson_val *pod)
{
  const char *name = km_json_str(km_json_obj(pod, "spec"), "nodeName");
  struct node *node = km_str_empty(name) ? NULL : km_map_get(summary->nodes.by_name, name);
  if (has_ended(pod)) {
    return;
  }
  summary->unscheduled += km_str_empty(name) ? 1 : 0;
  if (node == NULL) {
    return;
  }
  node->pods++;
  for (enum compute what = 0; what < COMPUTE_COUNT; what++) {
    node->requested[what] += pod_request(pod, what).value;
  }
}

static bool on_pods(const struct km_list_page *page, void *data)
{
  struct summary *summary = data;
  size_t i, max;
  yyjson_val *pod;
  yyjson_arr_foreach(km_json_arr(page->root, "items"), i, max, pod)
  {
    count_pod(summary, pod);
  }
  summary->stopped = km_call_check(summary->call, summary->err);
  return summary->stopped == KM_OK;
}

/* Adds up what the pods of the nodes request. */
static enum km_rc count_pods(struct summary *summary, struct target *target, struct km_error *err)
{
  static const char alive[] = "status.phase!=Succeeded,status.phase!=Failed";
  const char *name = summary->args->name;
  struct km_list_query query = {
      .resource = &pods_resource,
      .field_selector = km_str_empty(name)
                            ? alive
                            : km_arena_printf(summary->call->arena, "spec.nodeName=%s,%s", name, alive),
      .form = KM_LIST_OBJECTS,
      .page_size = toolbox(summary->call)->page_size,
  };
  summary->err = err;
  enum km_rc rc = km_client_list(target->client, &query, &target->request, on_pods, summary, err);
  if (rc == KM_E_FORBIDDEN) {
    summary->pods_forbidden = true;
    km_error_clear(err);
    return KM_OK;
  }
  return rc != KM_OK ? rc : summary->stopped;
}

/* --- figures ----------------------------------------------------------------------------------------------------------- */

static const char *print_amount(enum compute what, struct amount amount, char text[MAX_QUANTITY])
{
  if (!amount.known) {
    return "<unknown>";
  }
  if (what == COMPUTE_CPU) {
    km_quantity_print_cpu(text, MAX_QUANTITY, amount.value);
  } else {
    km_quantity_print_memory(text, MAX_QUANTITY, amount.value);
  }
  return text;
}

static int64_t whole(struct amount amount)
{
  return (int64_t)(amount.value / 1000000000);
}

/* "2420m (30%)" */
static void put_requested(const struct node *node, enum compute what, struct sheet *sheet)
{
  char text[MAX_QUANTITY];
  struct amount requested = {.known = true, .value = node->requested[what]};
  int64_t percent = percent_of(requested.value, node->allocatable[what].value);
  if (percent < 0) {
    sheet_cell(sheet, print_amount(what, requested, text));
  } else {
    sheet_cellf(sheet, "%s (%lld%%)", print_amount(what, requested, text), (long long)percent);
  }
}

/* --- table and wide ---------------------------------------------------------------------------------------------------- */

static void put_columns(const struct summary *summary, struct sheet *sheet)
{
  static const char *const always[] = {"NAME", "STATUS", "TROUBLE", "TAINTS", "ROLES", "AGE", "VERSION"};
  static const char *const wide[] = {"OS", "ARCH", "RUNTIME", "CPU-CAP", "MEM-CAP", "PODS-CAP"};
  for (size_t i = 0; i < KM_ARRAY_LEN(always); i++) {
    sheet_column(sheet, always[i]);
  }
  if (!summary->pods_forbidden) {
    sheet_column(sheet, "PODS");
  }
  sheet_column(sheet, "MAX-PODS");
  for (enum compute what = 0; what < COMPUTE_COUNT; what++) {
    sheet_column(sheet, what == COMPUTE_CPU ? "CPU" : "MEMORY");
    if (!summary->pods_forbidden) {
      sheet_column(sheet, what == COMPUTE_CPU ? "CPU-REQ" : "MEM-REQ");
    }
  }
  for (size_t i = 0; summary->args->output == OUTPUT_WIDE && i < KM_ARRAY_LEN(wide); i++) {
    sheet_column(sheet, wide[i]);
  }
}

static void put_wide_cells(const struct node *node, struct sheet *sheet)
{
  char text[MAX_QUANTITY];
  sheet_cellf(sheet, "%s (%s)", node->os, node->os_image);
  sheet_cell(sheet, node->arch);
  sheet_cell(sheet, node->runtime);
  for (enum compute what = 0; what < COMPUTE_COUNT; what++) {
    sheet_cell(sheet, print_amount(what, node->capacity[what], text));
  }
  sheet_cellf(sheet, "%lld", (long long)whole(node->pod_capacity));
}

static void put_row(const struct summary *summary, const struct node *node, struct sheet *sheet)
{
  char text[MAX_QUANTITY];
  sheet_row(sheet, NULL);
  sheet_cell(sheet, node->name);
  sheet_cell(sheet, node->status);
  sheet_cell(sheet, *node->troubles != '\0' ? node->troubles : "<none>");
  sheet_cellf(sheet, "%zu", node->taint_count);
  sheet_cell(sheet, node->roles);
  sheet_cell(sheet, node->age);
  sheet_cell(sheet, node->version);
  if (!summary->pods_forbidden) {
    sheet_cellf(sheet, "%lld", (long long)node->pods);
  }
  sheet_cellf(sheet, "%lld", (long long)whole(node->pod_allocatable));
  for (enum compute what = 0; what < COMPUTE_COUNT; what++) {
    sheet_cell(sheet, print_amount(what, node->allocatable[what], text));
    if (!summary->pods_forbidden) {
      put_requested(node, what, sheet);
    }
  }
  if (summary->args->output == OUTPUT_WIDE) {
    put_wide_cells(node, sheet);
  }
}

static int64_t write_table(const struct summary *summary, struct km_buf *out)
{
  struct sheet sheet;
  sheet_init(&sheet);
  put_columns(summary, &sheet);
  for (size_t i = 0; i < summary->nodes.count; i++) {
    put_row(summary, summary->nodes.items[i], &sheet);
  }
  struct sheet_limits limits = {.max_bytes = sheet_budget(summary->call), .max_rows = summary->args->limit};
  int64_t shown = sheet_render(&sheet, summary->call->arena, &limits, out);
  sheet_done(&sheet);
  return shown;
}

/* --- json -------------------------------------------------------------------------------------------------------------- */

static void add_amounts(yyjson_mut_doc *doc, yyjson_mut_val *entry, const char *key,
                        const struct amount amounts[COMPUTE_COUNT], struct amount pods)
{
  char text[MAX_QUANTITY];
  yyjson_mut_val *list = yyjson_mut_obj_add_obj(doc, entry, key);
  for (enum compute what = 0; what < COMPUTE_COUNT; what++) {
    if (amounts[what].known) {
      yyjson_mut_obj_add_strcpy(doc, list, compute_names[what], print_amount(what, amounts[what], text));
    }
  }
  if (pods.known) {
    yyjson_mut_obj_add_sint(doc, list, "pods", whole(pods));
  }
}

static void add_requested(yyjson_mut_doc *doc, yyjson_mut_val *entry, const struct node *node)
{
  static const char *const percents[] = {[COMPUTE_CPU] = "cpu_percent", [COMPUTE_MEMORY] = "memory_percent"};
  char text[MAX_QUANTITY];
  yyjson_mut_val *list = yyjson_mut_obj_add_obj(doc, entry, "requested");
  yyjson_mut_obj_add_sint(doc, list, "pods", node->pods);
  for (enum compute what = 0; what < COMPUTE_COUNT; what++) {
    struct amount requested = {.known = true, .value = node->requested[what]};
    int64_t percent = percent_of(requested.value, node->allocatable[what].value);
    yyjson_mut_obj_add_strcpy(doc, list, compute_names[what], print_amount(what, requested, text));
    if (percent >= 0) {
      yyjson_mut_obj_add_sint(doc, list, percents[what], percent);
    }
  }
}

static yyjson_mut_val *describe(const struct summary *summary, yyjson_mut_doc *doc, const struct node *node)
{
  const struct {
    const char *key, *value;
  } texts[] = {{"name", node->name},
               {"status", node->status},
               {"trouble", node->troubles},
               {"roles", node->roles},
               {"age", node->age},
               {"version", node->version},
               {"os", node->os},
               {"os_image", node->os_image},
               {"kernel", node->kernel},
               {"architecture", node->arch},
               {"runtime", node->runtime}};
  yyjson_mut_val *entry = yyjson_mut_obj(doc);
  for (size_t i = 0; i < KM_ARRAY_LEN(texts); i++) {
    if (*texts[i].value != '\0') {
      yyjson_mut_obj_add_str(doc, entry, texts[i].key, texts[i].value);
    }
  }
  yyjson_mut_val *taints = yyjson_mut_obj_add_arr(doc, entry, "taints");
  for (size_t i = 0; i < node->taint_count; i++) {
    yyjson_mut_arr_add_str(doc, taints, node->taints[i]);
  }
  add_amounts(doc, entry, "capacity", node->capacity, node->pod_capacity);
  add_amounts(doc, entry, "allocatable", node->allocatable, node->pod_allocatable);
  if (!summary->pods_forbidden) {
    add_requested(doc, entry, node);
  }
  return entry;
}

static int64_t write_json(const struct summary *summary, struct km_buf *out)
{
  size_t budget = sheet_budget(summary->call);
  int64_t shown = 0, most = summary->args->limit > 0 ? summary->args->limit : INT64_MAX;
  while (shown < most && shown < (int64_t)summary->nodes.count) {
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    size_t before = out->len;
    km_json_write(describe(summary, doc, summary->nodes.items[shown]), false, out);
    km_buf_putc(out, '\n');
    yyjson_mut_doc_free(doc);
    if (out->len > budget) {
      km_buf_truncate(out, before);
      break;
    }
    shown++;
  }
  return shown;
}

/* --- the last lines ---------------------------------------------------------------------------------------------------- */

static void put_group_line(const struct summary *summary, const char *title, bool all,
                           const char *(*of)(const struct node *node), struct km_buf *out)
{
  const char **values = KM_ARENA_ARRAY(summary->call->arena, const char *, summary->nodes.count + 1);
  size_t count = 0;
  for (size_t i = 0; i < summary->nodes.count; i++) {
    const char *value = of(summary->nodes.items[i]);
    if (all || *value != '\0') {
      values[count++] = value;
    }
  }
  if (count > 0) {
    km_buf_puts(out, title);
    put_groups(summary->call->arena, values, count, out);
  }
}

static const char *status_of(const struct node *node)
{
  return node->status;
}

static const char *trouble_of(const struct node *node)
{
  return node->troubles;
}

static const char *version_of(const struct node *node)
{
  return node->version;
}

/* "cpu 5250m of 23400m requested (22%)" */
static void put_total(const struct summary *summary, enum compute what, struct km_buf *out)
{
  char text[MAX_QUANTITY], of[MAX_QUANTITY];
  struct amount allocatable = {0}, requested = {.known = !summary->pods_forbidden};
  for (size_t i = 0; i < summary->nodes.count; i++) {
    const struct node *node = summary->nodes.items[i];
    allocatable.known = allocatable.known || node->allocatable[what].known;
    allocatable.value += node->allocatable[what].value;
    requested.value += node->requested[what];
  }
  km_buf_printf(out, "; %s ", compute_names[what]);
  if (summary->pods_forbidden) {
    km_buf_printf(out, "%s allocatable", print_amount(what, allocatable, of));
    return;
  }
  km_buf_printf(out, "%s of %s requested", print_amount(what, requested, text),
                print_amount(what, allocatable, of));
  int64_t percent = percent_of(requested.value, allocatable.value);
  if (percent >= 0) {
    km_buf_printf(out, " (%lld%%)", (long long)percent);
  }
}

static void put_totals(const struct summary *summary, struct km_buf *out)
{
  int64_t pods = 0;
  for (size_t i = 0; i < summary->nodes.count; i++) {
    pods += summary->nodes.items[i]->pods;
  }
  if (!summary->pods_forbidden) {
    km_buf_printf(out, ", %lld pod%s", (long long)pods, pods == 1 ? "" : "s");
  }
  for (enum compute what = 0; what < COMPUTE_COUNT; what++) {
    put_total(summary, what, out);
  }
}

static void write_footer(const struct summary *summary, int64_t shown, struct km_buf *out)
{
  int64_t count = (int64_t)summary->nodes.count;
  put_context(summary->call, out);
  if (count == 0) {
    km_buf_puts(out, "no nodes found\n");
    return;
  }
  km_buf_printf(out, "%lld node%s", (long long)count, count == 1 ? "" : "s");
  put_totals(summary, out);
  put_group_line(summary, "\n# by status: ", true, status_of, out);
  put_group_line(summary, "; by trouble: ", false, trouble_of, out);
  put_group_line(summary, "; by version: ", true, version_of, out);
  km_buf_putc(out, '\n');
  if (shown < count) {
    km_buf_printf(out, "# the worst %lld are shown, %lld left out: narrow with label_selector\n",
                  (long long)shown, (long long)(count - shown));
  }
  if (summary->pods_forbidden) {
    km_buf_puts(out, "# pods may not be listed by this identity: what they request is left out\n");
  } else if (summary->unscheduled > 0) {
    km_buf_printf(out, "# pods without a node yet: %lld\n", (long long)summary->unscheduled);
  }
}

static enum km_rc run_one(struct km_call *call, const void *data, struct km_result *out, struct km_error *err)
{
  struct summary summary = {.call = call, .args = data};
  struct target target;
  enum km_rc rc = target_open(call, summary.args->context, &target, err);
  if (rc == KM_OK) {
    rc = nodes_list(call, &target, summary.args->label_selector, summary.args->name, &summary.nodes, err);
  }
  if (rc == KM_OK && summary.nodes.count > 0) {
    rc = count_pods(&summary, &target, err);
  }
  if (rc != KM_OK) {
    return rc;
  }
  struct km_buf rows, footer;
  km_buf_init(&rows, toolbox(call)->max_result_bytes + SHEET_FOOTER_BYTES);
  km_buf_init(&footer, SHEET_FOOTER_BYTES);
  int64_t shown =
      summary.args->output == OUTPUT_JSON ? write_json(&summary, &rows) : write_table(&summary, &rows);
  write_footer(&summary, shown, &footer);
  answer_rows(call, &rows, &footer, out);
  km_buf_done(&footer);
  km_buf_done(&rows);
  return KM_OK;
}

static const struct km_rbac_row rbac[] = {{"list", "", "nodes", NULL}, {"list", "", "pods", NULL}};

RUN_IN_CONTEXTS(run, struct summary_args, run_one)

const struct km_tool km_tool_nodes_summary = {
    .name = "nodes_summary",
    .title = "Summarize nodes",
    .description = "Nodes with state, trouble (pressure and other conditions), taints, version, allocatable "
                   "and requested cpu and memory, and totals; the worst first.",
    .hints = KM_HINT_READ_ONLY | KM_HINT_IDEMPOTENT | KM_HINT_OPEN_WORLD,
    .args = args,
    .arg_count = KM_ARRAY_LEN(args),
    .args_size = sizeof(struct summary_args),
    .rbac = rbac,
    .rbac_count = KM_ARRAY_LEN(rbac),
    .run = run,
};
