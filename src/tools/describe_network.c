/* How traffic gets to pods: Services with the endpoints behind them, Ingresses, NetworkPolicies. */
#include "describe.h"

#include <inttypes.h>
#include <string.h>

#include "sheet.h"

#include "kube_mcp/base/banned.h"

#define MAX_ADDRESSES     ((size_t)50) /* named of a Service; the rest is counted */
#define MAX_ADDRESS_BYTES ((size_t)4096)
#define MAX_BACKENDS      ((size_t)32) /* of an Ingress whose endpoints are looked up */
#define MAX_TEXT_BYTES    ((size_t)4096)

/* --- endpoints --------------------------------------------------------------------------------------------------------------- */

/* Addresses with one state. */
struct addresses {
  struct km_buf text;
  size_t count;
};

struct endpoints {
  struct addresses ready, not_ready;
};

static void add_address(struct addresses *addresses, const char *address, const char *suffix)
{
  if (addresses->count++ < MAX_ADDRESSES) {
    bool v6 = strchr(address, ':') != NULL && *suffix != '\0';
    km_buf_printf(&addresses->text, "%s%s%s%s%s", addresses->count > 1 ? ", " : "", v6 ? "[" : "", address,
                  v6 ? "]" : "", suffix);
  }
}

/* Adds one endpoint once for each of its slice's ports. */
static void add_endpoint(struct endpoints *endpoints, yyjson_val *endpoint, yyjson_val *ports)
{
  /* Not told means ready. */
  bool ready = km_json_bool(km_json_obj(endpoint, "conditions"), "ready", true);
  struct addresses *addresses = ready ? &endpoints->ready : &endpoints->not_ready;
  size_t i, max, j, port_count;
  yyjson_val *address, *port;
  yyjson_arr_foreach(km_json_arr(endpoint, "addresses"), i, max, address)
  {
    if (!yyjson_is_str(address)) {
      continue;
    }
    yyjson_arr_foreach(ports, j, port_count, port)
    {
      char suffix[16];
      (void)snprintf(suffix, sizeof(suffix), ":%" PRId64, km_json_int(port, "port", 0));
      add_address(addresses, yyjson_get_str(address), suffix);
    }
    if (yyjson_arr_size(ports) == 0) {
      add_address(addresses, yyjson_get_str(address), "");
    }
  }
}

static void add_slice(struct describe *d, yyjson_val *slice, void *data)
{
  (void)d;
  size_t i, max;
  yyjson_val *endpoint;
  yyjson_arr_foreach(km_json_arr(slice, "endpoints"), i, max, endpoint)
  {
    add_endpoint(data, endpoint, km_json_arr(slice, "ports"));
  }
}

static void write_addresses(struct describe *d, const char *label, const struct addresses *addresses)
{
  if (addresses->count > MAX_ADDRESSES) {
    describe_line(d, label, "%s and %zu more", addresses->text.data, addresses->count - MAX_ADDRESSES);
  } else {
    describe_line(d, label, "%s", addresses->text.data);
  }
}

void describe_endpoints(struct describe *d, const char *label, const char *service)
{
  struct endpoints endpoints = {0};
  km_buf_init(&endpoints.ready.text, MAX_ADDRESS_BYTES);
  km_buf_init(&endpoints.not_ready.text, MAX_ADDRESS_BYTES);
  struct describe_query query = {
      .label = label,
      .resource = &describe_endpointslices,
      .ns = d->ns,
      .label_selector = km_arena_printf(d->call->arena, "kubernetes.io/service-name=%s", service)};
  if (describe_list(d, &query, add_slice, &endpoints)) {
    if (endpoints.ready.count == 0) {
      describe_line(d, label, "none ready");
    } else {
      write_addresses(d, label, &endpoints.ready);
    }
    if (endpoints.not_ready.count > 0) {
      write_addresses(d, km_arena_printf(d->call->arena, "%s not ready", label), &endpoints.not_ready);
    }
  }
  km_buf_done(&endpoints.not_ready.text);
  km_buf_done(&endpoints.ready.text);
}

/* --- Service ------------------------------------------------------------------------------------------------------------------- */

static const struct describe_column port_columns[] = {
    {"NAME", ".name", DESCRIBE_TEXT},          {"PORT", ".port", DESCRIBE_TEXT},
    {"PROTOCOL", ".protocol", DESCRIBE_TEXT},  {"TARGET", ".targetPort", DESCRIBE_TEXT},
    {"NODE PORT", ".nodePort", DESCRIBE_TEXT}, {"APP PROTOCOL", ".appProtocol", DESCRIBE_TEXT},
};

static const struct describe_row service_rows[] = {
    ROW_PAIRS("selector", ".spec.selector"),
    ROW_TEXT("type", ".spec.type"),
    ROW_TEXT("ip family policy", ".spec.ipFamilyPolicy"),
    ROW_TEXT("ip families", ".spec.ipFamilies[*]"),
    ROW_TEXT("ips", ".spec.clusterIPs[*]"),
    ROW_TEXT("external ips", ".spec.externalIPs[*]"),
    ROW_TEXT("external name", ".spec.externalName"),
    ROW_TEXT("wanted load balancer ip", ".spec.loadBalancerIP"),
    ROW_TEXT("load balancer", ".status.loadBalancer.ingress[*]"),
    ROW_TEXT("load balancer class", ".spec.loadBalancerClass"),
    ROW_TABLE("ports", ".spec.ports", port_columns),
    ROW_TEXT("session affinity", ".spec.sessionAffinity"),
    ROW_TEXT("affinity settings", ".spec.sessionAffinityConfig"),
    ROW_TEXT("external traffic policy", ".spec.externalTrafficPolicy"),
    ROW_TEXT("internal traffic policy", ".spec.internalTrafficPolicy"),
    ROW_TEXT("traffic distribution", ".spec.trafficDistribution"),
    ROW_TEXT("health check node port", ".spec.healthCheckNodePort"),
    ROW_TEXT("source ranges", ".spec.loadBalancerSourceRanges[*]"),
    ROW_TEXT("publish not ready addresses", ".spec.publishNotReadyAddresses"),
};

static void write_service(struct describe *d)
{
  if (!km_streq(km_json_str(km_json_obj(d->object, "spec"), "type"), "ExternalName")) {
    describe_endpoints(d, "endpoints", d->name);
  }
}

/* --- Ingress ------------------------------------------------------------------------------------------------------------------- */

static const struct describe_row ingress_rows[] = {
    ROW_TEXT("class", ".spec.ingressClassName"),
    ROW_TEXT("address", ".status.loadBalancer.ingress[*]"),
    ROW_TEXT("default backend", ".spec.defaultBackend"),
    ROW_TEXT("tls", ".spec.tls[*]"),
};

/* "web:80", "web:http", or a resource. */
static void put_backend(yyjson_val *backend, struct km_buf *out)
{
  yyjson_val *service = km_json_obj(backend, "service"), *port = km_json_obj(service, "port");
  const char *name = km_json_str(service, "name"), *port_name = km_json_str(port, "name");
  if (name == NULL) {
    describe_put_flat(backend, out);
  } else if (port_name != NULL) {
    km_buf_printf(out, "%s:%s", name, port_name);
  } else {
    km_buf_printf(out, "%s:%" PRId64, name, km_json_int(port, "number", 0));
  }
}

/* The Services of an Ingress, each once. */
struct backends {
  const char *names[MAX_BACKENDS];
  size_t count;
};

static void note_backend(struct backends *backends, yyjson_val *backend)
{
  const char *name = km_json_str(km_json_obj(backend, "service"), "name");
  for (size_t i = 0; i < backends->count; i++) {
    name = km_streq(backends->names[i], name) ? NULL : name;
  }
  if (name != NULL && backends->count < MAX_BACKENDS) {
    backends->names[backends->count++] = name;
  }
}

static size_t add_rule(struct sheet *sheet, yyjson_val *rule, struct backends *backends)
{
  const char *host = km_json_str(rule, "host");
  yyjson_val *paths = km_json_arr(km_json_obj(rule, "http"), "paths");
  size_t i, max;
  yyjson_val *path;
  yyjson_arr_foreach(paths, i, max, path)
  {
    struct km_buf backend;
    km_buf_init(&backend, MAX_TEXT_BYTES);
    put_backend(km_json_obj(path, "backend"), &backend);
    note_backend(backends, km_json_obj(path, "backend"));
    sheet_row(sheet, NULL);
    sheet_cell(sheet, host != NULL ? host : "*");
    sheet_cell(sheet, km_json_str(path, "path"));
    sheet_cell(sheet, km_json_str(path, "pathType"));
    sheet_cell(sheet, backend.data);
    km_buf_done(&backend);
  }
  return max;
}

static void write_ingress(struct describe *d)
{
  static const char *const headings[] = {"HOST", "PATH", "PATH TYPE", "BACKEND"};
  yyjson_val *spec = km_json_obj(d->object, "spec");
  struct backends backends = {0};
  struct sheet sheet;
  sheet_init(&sheet);
  for (size_t i = 0; i < KM_ARRAY_LEN(headings); i++) {
    sheet_column(&sheet, headings[i]);
  }
  size_t count = 0, i, max;
  yyjson_val *rule;
  yyjson_arr_foreach(km_json_arr(spec, "rules"), i, max, rule)
  {
    count += add_rule(&sheet, rule, &backends);
  }
  if (count > 0) {
    describe_put_sheet(d, "rules", &sheet, count);
  }
  sheet_done(&sheet);
  note_backend(&backends, km_json_obj(spec, "defaultBackend"));
  for (i = 0; i < backends.count; i++) {
    describe_endpoints(d, km_arena_printf(d->call->arena, "endpoints of %.253s", backends.names[i]),
                       backends.names[i]);
  }
}

/* --- the rest ------------------------------------------------------------------------------------------------------------------ */

static const struct describe_row policy_rows[] = {
    ROW_SELECTOR("pods", ".spec.podSelector"),
    ROW_TEXT("policy types", ".spec.policyTypes[*]"),
};

/* One direction of a NetworkPolicy. */
struct direction {
  const char *type, *rules, *peers, *label;
};

static void put_or_any(yyjson_val *list, struct km_buf *out)
{
  if (yyjson_arr_size(list) > 0) {
    describe_put_flat(list, out);
  } else {
    km_buf_puts(out, "any");
  }
}

static bool is_isolated(yyjson_val *spec, const struct direction *direction)
{
  yyjson_val *types = km_json_arr(spec, "policyTypes");
  size_t i, max;
  yyjson_val *type;
  yyjson_arr_foreach(types, i, max, type)
  {
    if (km_streq(yyjson_get_str(type), direction->type)) {
      return true;
    }
  }
  /* Without types, ingress always, egress if there are rules for it. */
  return types == NULL &&
         (km_streq(direction->type, "Ingress") || km_json_arr(spec, direction->rules) != NULL);
}

/* What a policy leaves out is allowed, and a rule that says nothing allows everything: both need words. */
static void write_direction(struct describe *d, const struct direction *direction)
{
  yyjson_val *spec = km_json_obj(d->object, "spec");
  yyjson_val *rules = km_json_arr(spec, direction->rules);
  if (!is_isolated(spec, direction)) {
    describe_line(d, direction->label, "not restricted by this policy");
    return;
  }
  if (yyjson_arr_size(rules) == 0) {
    describe_line(d, direction->label, "none: the selected pods are isolated");
    return;
  }
  size_t i, max;
  yyjson_val *rule;
  yyjson_arr_foreach(rules, i, max, rule)
  {
    struct km_buf ports, peers;
    km_buf_init(&ports, MAX_TEXT_BYTES);
    km_buf_init(&peers, MAX_TEXT_BYTES);
    put_or_any(km_json_arr(rule, "ports"), &ports);
    put_or_any(km_json_arr(rule, direction->peers), &peers);
    describe_line(d, direction->label, "ports %s; %s %s", ports.data, direction->peers, peers.data);
    km_buf_done(&ports);
    km_buf_done(&peers);
  }
}

static void write_policy(struct describe *d)
{
  static const struct direction directions[] = {
      {"Ingress", "ingress", "from", "ingress allowed"},
      {"Egress", "egress", "to", "egress allowed"},
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(directions); i++) {
    write_direction(d, &directions[i]);
  }
}

static const struct describe_column endpoint_columns[] = {
    {"ADDRESSES", ".addresses[*]", DESCRIBE_TEXT},
    {"READY", ".conditions.ready", DESCRIBE_TEXT},
    {"SERVING", ".conditions.serving", DESCRIBE_TEXT},
    {"TERMINATING", ".conditions.terminating", DESCRIBE_TEXT},
    {"TARGET", ".targetRef.name", DESCRIBE_TEXT},
    {"NODE", ".nodeName", DESCRIBE_TEXT},
    {"ZONE", ".zone", DESCRIBE_TEXT},
    {"HOSTNAME", ".hostname", DESCRIBE_TEXT},
};
static const struct describe_row slice_rows[] = {
    ROW_TEXT("address type", ".addressType"),
    ROW_LINES("ports", ".ports"),
    ROW_TABLE("endpoints", ".endpoints", endpoint_columns),
};

static const struct describe_row ingress_class_rows[] = {
    ROW_TEXT("controller", ".spec.controller"),
    ROW_PAIRS("parameters", ".spec.parameters"),
};

const struct describe_kind describe_network_kinds[] = {
    {"", "Service", service_rows, KM_ARRAY_LEN(service_rows), write_service},
    {"networking.k8s.io", "Ingress", ingress_rows, KM_ARRAY_LEN(ingress_rows), write_ingress},
    {"networking.k8s.io", "IngressClass", ingress_class_rows, KM_ARRAY_LEN(ingress_class_rows), NULL},
    {"networking.k8s.io", "NetworkPolicy", policy_rows, KM_ARRAY_LEN(policy_rows), write_policy},
    {"discovery.k8s.io", "EndpointSlice", slice_rows, KM_ARRAY_LEN(slice_rows), NULL},
    {0},
};
