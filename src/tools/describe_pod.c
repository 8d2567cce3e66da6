/* Pods and pod templates: containers with their states, environment and probes, volumes, and where the pod may run. Values
 * that come from a Secret are named by their reference, never read. */
#include "describe.h"

#include <inttypes.h>
#include <string.h>

#include "kube_mcp/base/banned.h"

#define MAX_TEXT_BYTES  ((size_t)4096)
#define MAX_ENVIRONMENT ((size_t)100)
#define MAX_ENV_COLUMNS 200
#define USUAL_MODE      0644

/* --- a container's state ------------------------------------------------------------------------------------------------- */

static void put_member(yyjson_val *obj, const char *key, const char *before, struct km_buf *out)
{
  yyjson_val *val = yyjson_obj_get(obj, key);
  if (val != NULL && !yyjson_is_null(val)) {
    km_buf_puts(out, before);
    describe_put_flat(val, out);
  }
}

static void put_moment(const struct describe *d, yyjson_val *obj, const char *key, const char *before,
                       struct km_buf *out)
{
  const char *time = km_json_str(obj, key);
  if (time != NULL) {
    km_buf_puts(out, before);
    describe_put_time(d, time, out);
  }
}

/* "terminated: Error, exit code 1, started ..., finished ...". */
static void write_state(struct describe *d, const char *label, yyjson_val *state)
{
  yyjson_obj_iter iter = yyjson_obj_iter_with(state);
  yyjson_val *key = yyjson_obj_iter_next(&iter);
  yyjson_val *val = yyjson_obj_iter_get_val(key);
  if (key == NULL) {
    return;
  }
  struct km_buf text;
  km_buf_init(&text, MAX_TEXT_BYTES);
  km_buf_puts(&text, yyjson_get_str(key));
  put_member(val, "reason", ", ", &text);
  put_member(val, "exitCode", ", exit code ", &text);
  put_member(val, "signal", ", signal ", &text);
  put_moment(d, val, "startedAt", ", started ", &text);
  put_moment(d, val, "finishedAt", ", finished ", &text);
  put_member(val, "message", ": ", &text);
  describe_line(d, label, "%s", text.data);
  km_buf_done(&text);
}

static const struct describe_row status_rows[] = {
    ROW_TEXT("ready", ".ready"),
    ROW_TEXT("restarts", ".restartCount"),
    ROW_TEXT("image id", ".imageID"),
    ROW_TEXT("container id", ".containerID"),
};

static yyjson_val *find_status(yyjson_val *status, const char *list, const char *name)
{
  size_t i, max;
  yyjson_val *item;
  yyjson_arr_foreach(km_json_arr(status, list), i, max, item)
  {
    if (name != NULL && km_streq(km_json_str(item, "name"), name)) {
      return item;
    }
  }
  return NULL;
}

static void write_status(struct describe *d, yyjson_val *status)
{
  if (status != NULL) {
    write_state(d, "state", km_json_obj(status, "state"));
    write_state(d, "last state", km_json_obj(status, "lastState"));
    describe_rows(d, status, status_rows, KM_ARRAY_LEN(status_rows));
  }
}

/* --- a container's wishes -------------------------------------------------------------------------------------------------- */

static const struct describe_row image_rows[] = {
    ROW_TEXT("image", ".image"),
};
static const struct describe_row container_rows[] = {
    ROW_TEXT("command", ".command"),
    ROW_TEXT("args", ".args"),
    ROW_TEXT("working directory", ".workingDir"),
    ROW_TEXT("restart policy", ".restartPolicy"),
    ROW_PAIRS("requests", ".resources.requests"),
    ROW_PAIRS("limits", ".resources.limits"),
    ROW_TEXT("claims", ".resources.claims[*].name"),
    ROW_TEXT("security", ".securityContext"),
    ROW_TEXT("lifecycle", ".lifecycle"),
    ROW_TEXT("devices", ".volumeDevices"),
};

/* "http 8080/TCP, 9090/TCP (host 9090)" */
static void write_ports(struct describe *d, yyjson_val *container)
{
  struct km_buf text;
  km_buf_init(&text, MAX_TEXT_BYTES);
  size_t i, max;
  yyjson_val *port;
  yyjson_arr_foreach(km_json_arr(container, "ports"), i, max, port)
  {
    const char *name = km_json_str(port, "name"), *protocol = km_json_str(port, "protocol");
    km_buf_printf(&text, "%s%s%s%" PRId64 "/%s", i > 0 ? ", " : "", name != NULL ? name : "",
                  name != NULL ? " " : "", km_json_int(port, "containerPort", 0),
                  protocol != NULL ? protocol : "TCP");
    put_member(port, "hostPort", " on host port ", &text);
  }
  if (text.len > 0) {
    describe_line(d, "ports", "%s", text.data);
  }
  km_buf_done(&text);
}

/* What a probe does: "http-get http://:8080/healthz". */
static void put_probe_action(yyjson_val *probe, struct km_buf *out)
{
  yyjson_val *http = km_json_obj(probe, "httpGet"), *tcp = km_json_obj(probe, "tcpSocket");
  yyjson_val *grpc = km_json_obj(probe, "grpc"), *exec = km_json_obj(probe, "exec");
  if (http != NULL) {
    const char *scheme = km_json_str(http, "scheme");
    km_buf_printf(out, "http-get %s://", km_streq(scheme, "HTTPS") ? "https" : "http");
    put_member(http, "host", "", out);
    put_member(http, "port", ":", out);
    put_member(http, "path", "", out);
  } else if (tcp != NULL) {
    km_buf_puts(out, "tcp-socket ");
    put_member(tcp, "host", "", out);
    put_member(tcp, "port", ":", out);
  } else if (grpc != NULL) {
    put_member(grpc, "port", "grpc :", out);
    put_member(grpc, "service", " ", out);
  } else {
    put_member(exec, "command", "exec ", out);
  }
}

static void write_probe(struct describe *d, yyjson_val *container, const char *label, const char *key)
{
  yyjson_val *probe = km_json_obj(container, key);
  if (probe == NULL) {
    return;
  }
  struct km_buf text;
  km_buf_init(&text, MAX_TEXT_BYTES);
  put_probe_action(probe, &text);
  describe_line(d, label,
                "%s delay=%" PRId64 "s timeout=%" PRId64 "s period=%" PRId64 "s success=%" PRId64
                " failure=%" PRId64,
                text.data, km_json_int(probe, "initialDelaySeconds", 0),
                km_json_int(probe, "timeoutSeconds", 1), km_json_int(probe, "periodSeconds", 10),
                km_json_int(probe, "successThreshold", 1), km_json_int(probe, "failureThreshold", 3));
  km_buf_done(&text);
}

/* Where a variable's value comes from. */
static void put_source(yyjson_val *source, struct km_buf *out)
{
  static const struct {
    const char *member, *what, *key, *of, *name;
  } kinds[] = {
      {"secretKeyRef", "key ", "key", " of secret ", "name"},
      {"configMapKeyRef", "key ", "key", " of configmap ", "name"},
      {"fieldRef", "field ", "fieldPath", "", ""},
      {"resourceFieldRef", "", "resource", " of container ", "containerName"},
      {"fileKeyRef", "key ", "key", " of a file in volume ", "volumeName"},
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(kinds); i++) {
    yyjson_val *reference = km_json_obj(source, kinds[i].member);
    if (reference != NULL) {
      put_member(reference, kinds[i].key, kinds[i].what, out);
      put_member(reference, kinds[i].name, kinds[i].of, out);
      km_buf_puts(out, km_json_bool(reference, "optional", false) ? ", optional" : "");
      return;
    }
  }
  describe_put_flat(source, out);
}

static void write_variable(struct describe *d, yyjson_val *variable)
{
  struct km_buf text;
  km_buf_init(&text, MAX_TEXT_BYTES);
  const char *name = km_json_str(variable, "name"), *value = km_json_str(variable, "value");
  yyjson_val *source = km_json_obj(variable, "valueFrom");
  if (source != NULL) {
    km_buf_puts(&text, "from ");
    put_source(source, &text);
  } else {
    km_buf_printf(&text, "%.*s", MAX_ENV_COLUMNS, value != NULL ? value : "");
  }
  describe_line(d, name != NULL ? name : "", "%s", text.data);
  km_buf_done(&text);
}

static void write_environment(struct describe *d, yyjson_val *container)
{
  static const struct describe_row rows[] = {
      ROW_TEXT("all of configmap", ".envFrom[*].configMapRef.name"),
      ROW_TEXT("all of secret", ".envFrom[*].secretRef.name"),
      ROW_TEXT("with prefix", ".envFrom[*].prefix"),
  };
  yyjson_val *variables = km_json_arr(container, "env"), *sources = km_json_arr(container, "envFrom");
  size_t count = yyjson_arr_size(variables);
  if (count + yyjson_arr_size(sources) == 0) {
    return;
  }
  describe_begin(d, "environment");
  describe_rows(d, container, rows, KM_ARRAY_LEN(rows));
  for (size_t i = 0; i < count && i < MAX_ENVIRONMENT; i++) {
    write_variable(d, yyjson_arr_get(variables, i));
  }
  if (count > MAX_ENVIRONMENT) {
    describe_line(d, "and", "%zu more", count - MAX_ENVIRONMENT);
  }
  describe_end(d);
}

static void write_mounts(struct describe *d, yyjson_val *container)
{
  if (yyjson_arr_size(km_json_arr(container, "volumeMounts")) == 0) {
    return;
  }
  describe_begin(d, "mounts");
  size_t i, max;
  yyjson_val *mount;
  yyjson_arr_foreach(km_json_arr(container, "volumeMounts"), i, max, mount)
  {
    const char *path = km_json_str(mount, "mountPath");
    struct km_buf text;
    km_buf_init(&text, MAX_TEXT_BYTES);
    put_member(mount, "name", "", &text);
    km_buf_puts(&text, km_json_bool(mount, "readOnly", false) ? " (ro" : " (rw");
    put_member(mount, "subPath", ", path ", &text);
    put_member(mount, "subPathExpr", ", path ", &text);
    km_buf_putc(&text, ')');
    describe_line(d, path != NULL ? path : "", "%s", text.data);
    km_buf_done(&text);
  }
  describe_end(d);
}

static void write_container(struct describe *d, const char *what, yyjson_val *container, yyjson_val *status)
{
  const char *name = km_json_str(container, "name");
  describe_begin(d, km_arena_printf(d->call->arena, "%s %.253s", what, name != NULL ? name : "?"));
  describe_rows(d, container, image_rows, KM_ARRAY_LEN(image_rows));
  write_status(d, status);
  describe_rows(d, container, container_rows, KM_ARRAY_LEN(container_rows));
  write_ports(d, container);
  write_probe(d, container, "liveness", "livenessProbe");
  write_probe(d, container, "readiness", "readinessProbe");
  write_probe(d, container, "startup", "startupProbe");
  write_environment(d, container);
  write_mounts(d, container);
  describe_end(d);
}

/* --- the pod --------------------------------------------------------------------------------------------------------------- */

/* "serviceAccountToken for 3607s, configMap kube-root-ca.crt, downwardAPI" */
static void put_projected(yyjson_val *projected, struct km_buf *out)
{
  size_t i, max, j, member_count;
  yyjson_val *item, *key, *source;
  yyjson_arr_foreach(km_json_arr(projected, "sources"), i, max, item)
  {
    yyjson_obj_foreach(describe_members(item), j, member_count, key, source)
    {
      km_buf_printf(out, "%s%s", i + j > 0 ? ", " : " ", yyjson_get_str(key));
      put_member(source, "name", " ", out);
      put_member(source, "audience", " for ", out);
      int64_t seconds = km_json_int(source, "expirationSeconds", 0);
      if (seconds > 0) {
        km_buf_printf(out, " for %" PRId64 "s", seconds);
      }
    }
  }
}

/* SOURCE without the mode that all files have unless told otherwise. */
static void put_volume_source(yyjson_val *source, struct km_buf *out)
{
  size_t i, max;
  yyjson_val *key, *val;
  yyjson_obj_foreach(describe_members(source), i, max, key, val)
  {
    if (!yyjson_equals_str(key, "defaultMode") || km_json_int(source, "defaultMode", 0) != USUAL_MODE) {
      km_buf_printf(out, " %s=", yyjson_get_str(key));
      describe_put_flat(val, out);
    }
  }
}

/* "config: configMap name=web-config" */
static void write_volume(struct describe *d, yyjson_val *volume)
{
  const char *name = km_json_str(volume, "name");
  size_t i, max;
  yyjson_val *kind, *source;
  yyjson_obj_foreach(describe_members(volume), i, max, kind, source)
  {
    if (yyjson_equals_str(kind, "name")) {
      continue;
    }
    struct km_buf text;
    km_buf_init(&text, MAX_TEXT_BYTES);
    km_buf_puts(&text, yyjson_get_str(kind));
    if (yyjson_equals_str(kind, "projected")) {
      put_projected(source, &text);
    } else {
      put_volume_source(source, &text);
    }
    describe_line(d, name != NULL ? name : "", "%s", text.data);
    km_buf_done(&text);
  }
}

static void write_volumes(struct describe *d, yyjson_val *spec)
{
  if (yyjson_arr_size(km_json_arr(spec, "volumes")) == 0) {
    return;
  }
  describe_begin(d, "volumes");
  size_t i, max;
  yyjson_val *volume;
  yyjson_arr_foreach(km_json_arr(spec, "volumes"), i, max, volume)
  {
    write_volume(d, volume);
  }
  describe_end(d);
}

/* "node.kubernetes.io/not-ready:NoExecute op=Exists for 300s", as kubectl does. */
static void write_tolerations(struct describe *d, yyjson_val *spec)
{
  struct km_buf text;
  km_buf_init(&text, MAX_TEXT_BYTES);
  size_t i, max;
  yyjson_val *toleration;
  yyjson_arr_foreach(km_json_arr(spec, "tolerations"), i, max, toleration)
  {
    km_buf_puts(&text, i > 0 ? ", " : "");
    put_member(toleration, "key", "", &text);
    put_member(toleration, "value", "=", &text);
    put_member(toleration, "effect", ":", &text);
    if (!km_streq(km_json_str(toleration, "operator"), "Equal")) {
      put_member(toleration, "operator", " op=", &text);
    }
    yyjson_val *seconds = yyjson_obj_get(toleration, "tolerationSeconds");
    if (yyjson_is_int(seconds)) {
      km_buf_printf(&text, " for %" PRId64 "s", yyjson_get_sint(seconds));
    }
  }
  if (text.len > 0) {
    describe_line(d, "tolerations", "%s", text.data);
  }
  km_buf_done(&text);
}

static const struct describe_row spec_rows[] = {
    ROW_TEXT("service account", ".serviceAccountName"),
    ROW_UNLESS("restart policy", ".restartPolicy", "Always"),
    ROW_UNLESS("host network", ".hostNetwork", "false"),
    ROW_TEXT("priority class", ".priorityClassName"),
    ROW_UNLESS("priority", ".priority", "0"),
    ROW_TEXT("runtime class", ".runtimeClassName"),
    ROW_UNLESS("scheduler", ".schedulerName", "default-scheduler"),
    ROW_UNLESS("dns policy", ".dnsPolicy", "ClusterFirst"),
    ROW_UNLESS("termination grace seconds", ".terminationGracePeriodSeconds", "30"),
    ROW_TEXT("scheduling gates", ".schedulingGates[*].name"),
    ROW_TEXT("readiness gates", ".readinessGates[*].conditionType"),
    ROW_PAIRS("node selector", ".nodeSelector"),
    ROW_TEXT("affinity", ".affinity"),
    ROW_TEXT("topology spread", ".topologySpreadConstraints"),
    ROW_TEXT("image pull secrets", ".imagePullSecrets[*].name"),
    ROW_TEXT("security", ".securityContext"),
    ROW_TEXT("host aliases", ".hostAliases"),
    ROW_TEXT("resource claims", ".resourceClaims[*].name"),
};

void describe_pod_spec(struct describe *d, yyjson_val *spec, yyjson_val *status)
{
  static const struct {
    const char *what, *list, *statuses;
  } kinds[] = {{"init container", "initContainers", "initContainerStatuses"},
               {"container", "containers", "containerStatuses"},
               {"ephemeral container", "ephemeralContainers", "ephemeralContainerStatuses"}};
  describe_rows(d, spec, spec_rows, KM_ARRAY_LEN(spec_rows));
  write_tolerations(d, spec);
  for (size_t i = 0; i < KM_ARRAY_LEN(kinds); i++) {
    size_t j, max;
    yyjson_val *container;
    yyjson_arr_foreach(km_json_arr(spec, kinds[i].list), j, max, container)
    {
      write_container(d, kinds[i].what, container,
                      find_status(status, kinds[i].statuses, km_json_str(container, "name")));
    }
  }
  write_volumes(d, spec);
}

void describe_template(struct describe *d, yyjson_val *template)
{
  static const struct describe_row rows[] = {
      ROW_PAIRS("labels", ".metadata.labels"),
      ROW_LINES("annotations", ".metadata.annotations"),
  };
  describe_begin(d, "pod template");
  describe_rows(d, template, rows, KM_ARRAY_LEN(rows));
  describe_pod_spec(d, km_json_obj(template, "spec"), NULL);
  describe_end(d);
}

static const struct describe_row pod_rows[] = {
    ROW_TEXT("status", ".status.phase"),       ROW_TEXT("reason", ".status.reason"),
    ROW_TEXT("message", ".status.message"),    ROW_TEXT("node", ".spec.nodeName"),
    ROW_TEXT("node ip", ".status.hostIP"),     ROW_TEXT("nominated node", ".status.nominatedNodeName"),
    ROW_TEXT("ips", ".status.podIPs[*].ip"),   ROW_TIME("started", ".status.startTime"),
    ROW_TEXT("qos class", ".status.qosClass"), ROW_TEXT("resize", ".status.resize"),
};

static void write_pod(struct describe *d)
{
  describe_pod_spec(d, km_json_obj(d->object, "spec"), km_json_obj(d->object, "status"));
}

static void write_pod_template(struct describe *d)
{
  describe_template(d, km_json_obj(d->object, "template"));
}

const struct describe_kind describe_pod_kinds[] = {
    {"", "Pod", pod_rows, KM_ARRAY_LEN(pod_rows), write_pod},
    {"", "PodTemplate", NULL, 0, write_pod_template},
    {0},
};
