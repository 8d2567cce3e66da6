/* Nodes: what they have, what may be used of it, and what the pods on them have asked for. */
#include "describe.h"

#include <inttypes.h>
#include <string.h>

#include "pod_resources.h"
#include "sheet.h"

#include "kube_mcp/base/banned.h"

#define MAX_PODS       ((size_t)100) /* shown one by one; all are counted */
#define QUANTITY_BYTES 48

static const struct describe_column address_columns[] = {
    {"TYPE", ".type", DESCRIBE_TEXT},
    {"ADDRESS", ".address", DESCRIBE_TEXT},
};

static const struct describe_row node_rows[] = {
    ROW_UNLESS("unschedulable", ".spec.unschedulable", "false"),
    ROW_LINES("taints", ".spec.taints"),
    ROW_TABLE("addresses", ".status.addresses", address_columns),
    ROW_TEXT("pod ranges", ".spec.podCIDRs[*]"),
    ROW_TEXT("provider id", ".spec.providerID"),
    ROW_PAIRS("system", ".status.nodeInfo"),
    ROW_PAIRS("capacity", ".status.capacity"),
    ROW_PAIRS("allocatable", ".status.allocatable"),
    ROW_TEXT("volumes in use", ".status.volumesInUse[*]"),
    ROW_TEXT("volumes attached", ".status.volumesAttached[*].name"),
};

enum ask { REQUESTS, LIMITS, ASK_COUNT };

struct node_pods {
  struct sheet sheet;
  size_t count;
  km_nano sums[COMPUTE_COUNT][ASK_COUNT];
  struct amount allocatable[COMPUTE_COUNT];
};

/* "250m (6%)" */
static void print_share(enum compute what, km_nano value, struct amount whole, char *out, size_t size)
{
  char quantity[QUANTITY_BYTES];
  int64_t percent = percent_of(value, whole.value);
  if (what == COMPUTE_CPU) {
    km_quantity_print_cpu(quantity, sizeof(quantity), value);
  } else {
    km_quantity_print_memory(quantity, sizeof(quantity), value);
  }
  (void)snprintf(out, size, percent >= 0 ? "%s (%" PRId64 "%%)" : "%s", quantity, percent);
}

/* What the limits that were given add up to, as kubectl counts: a container without one counts for nothing. */
static km_nano sum_of_limits(yyjson_val *pod, enum compute what)
{
  yyjson_val *spec = km_json_obj(pod, "spec");
  struct amount whole = container_amount(spec, "limits", what);
  if (whole.known) {
    return whole.value;
  }
  km_nano running = 0, sidecars = 0, starting = 0;
  size_t i, max;
  yyjson_val *container;
  yyjson_arr_foreach(km_json_arr(spec, "containers"), i, max, container)
  {
    running += container_amount(container, "limits", what).value;
  }
  yyjson_arr_foreach(km_json_arr(spec, "initContainers"), i, max, container)
  {
    km_nano own = container_amount(container, "limits", what).value;
    bool sidecar = km_streq(km_json_str(container, "restartPolicy"), "Always");
    km_nano beside = sidecars + own; /* those before it run beside it */
    sidecars = sidecar ? beside : sidecars;
    starting = beside > starting ? beside : starting;
  }
  running += sidecars;
  running = running > starting ? running : starting;
  struct amount overhead = amount_of(km_json_obj(spec, "overhead"), compute_names[what]);
  return running > 0 ? running + overhead.value : 0;
}

static void add_pod(struct describe *d, yyjson_val *pod, void *data)
{
  struct node_pods *pods = data;
  yyjson_val *metadata = km_json_obj(pod, "metadata");
  bool shown = pods->count++ < MAX_PODS;
  if (shown) {
    sheet_row(&pods->sheet, NULL);
    sheet_cell(&pods->sheet, km_json_str(metadata, "namespace"));
    sheet_cell(&pods->sheet, km_json_str(metadata, "name"));
  }
  for (unsigned what = 0; what < COMPUTE_COUNT; what++) {
    const km_nano asked[ASK_COUNT] = {pod_request(pod, what).value, sum_of_limits(pod, what)};
    for (size_t ask = 0; ask < ASK_COUNT; ask++) {
      char share[2 * QUANTITY_BYTES];
      pods->sums[what][ask] += asked[ask];
      print_share(what, asked[ask], pods->allocatable[what], share, sizeof(share));
      if (shown) {
        sheet_cell(&pods->sheet, share);
      }
    }
  }
  if (shown) {
    struct km_buf age;
    km_buf_init(&age, QUANTITY_BYTES);
    describe_put_age(d, km_json_str(metadata, "creationTimestamp"), &age);
    sheet_cell(&pods->sheet, age.data);
    km_buf_done(&age);
  }
}

static void write_sums(struct describe *d, const struct node_pods *pods)
{
  for (unsigned what = 0; what < COMPUTE_COUNT; what++) {
    char requests[2 * QUANTITY_BYTES], limits[2 * QUANTITY_BYTES];
    print_share(what, pods->sums[what][REQUESTS], pods->allocatable[what], requests, sizeof(requests));
    print_share(what, pods->sums[what][LIMITS], pods->allocatable[what], limits, sizeof(limits));
    describe_line(d, km_arena_printf(d->call->arena, "allocated %s", compute_names[what]),
                  "requests %s, limits %s", requests, limits);
  }
}

static void write_node(struct describe *d)
{
  static const char *const headings[] = {"NAMESPACE",       "NAME",          "CPU REQUESTS", "CPU LIMITS",
                                         "MEMORY REQUESTS", "MEMORY LIMITS", "AGE"};
  struct node_pods pods = {0};
  sheet_init(&pods.sheet);
  for (size_t i = 0; i < KM_ARRAY_LEN(headings); i++) {
    sheet_column(&pods.sheet, headings[i]);
  }
  yyjson_val *allocatable = km_json_at(d->object, "status", "allocatable", NULL);
  for (unsigned what = 0; what < COMPUTE_COUNT; what++) {
    pods.allocatable[what] = amount_of(allocatable, compute_names[what]);
  }
  /* Those that have ended hold nothing any more. */
  struct describe_query query = {
      .label = "pods",
      .resource = &pods_resource,
      .field_selector = km_arena_printf(
          d->call->arena, "spec.nodeName=%s,status.phase!=Succeeded,status.phase!=Failed", d->name)};
  if (describe_list(d, &query, add_pod, &pods)) {
    write_sums(d, &pods);
    describe_put_sheet(d, km_arena_printf(d->call->arena, "pods (%zu)", pods.count), &pods.sheet, pods.count);
  }
  sheet_done(&pods.sheet);
}

const struct describe_kind describe_node_kinds[] = {
    {"", "Node", node_rows, KM_ARRAY_LEN(node_rows), write_node},
    {0},
};
