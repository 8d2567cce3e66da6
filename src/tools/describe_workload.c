/* What runs pods: Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs, CronJobs, and what scales or guards them. */
#include "describe.h"

#include <inttypes.h>
#include <string.h>

#include "kube_mcp/base/banned.h"

#define MAX_TEXT_BYTES     ((size_t)4096)
#define MAX_SELECTOR_BYTES ((size_t)4096)

/* --- the pods of a workload ------------------------------------------------------------------------------------------------ */

struct pods {
  int64_t running, waiting, succeeded, failed;
  int64_t restarts;
};

static void count_pod(struct describe *d, yyjson_val *pod, void *data)
{
  struct pods *pods = data;
  yyjson_val *status = km_json_obj(pod, "status");
  const char *phase = km_json_str(status, "phase");
  if (!describe_owns(d, pod)) {
    return;
  }
  int64_t *of_phase = km_streq(phase, "Running")     ? &pods->running
                      : km_streq(phase, "Succeeded") ? &pods->succeeded
                      : km_streq(phase, "Failed")    ? &pods->failed
                                                     : &pods->waiting;
  (*of_phase)++;
  size_t i, max;
  yyjson_val *container;
  yyjson_arr_foreach(km_json_arr(status, "containerStatuses"), i, max, container)
  {
    pods->restarts += km_json_int(container, "restartCount", 0);
  }
}

static const char *selector_of(struct describe *d)
{
  struct km_buf selector;
  km_buf_init(&selector, MAX_SELECTOR_BYTES);
  describe_put_selector(km_json_at(d->object, "spec", "selector", NULL), &selector);
  const char *text = km_arena_strdup(d->call->arena, selector.data);
  km_buf_done(&selector);
  return text;
}

static void write_pods(struct describe *d)
{
  struct pods pods = {0};
  struct describe_query query = {
      .label = "pods", .resource = &pods_resource, .ns = d->ns, .label_selector = selector_of(d)};
  if (describe_list(d, &query, count_pod, &pods)) {
    describe_line(d, "pods",
                  "%" PRId64 " running, %" PRId64 " waiting, %" PRId64 " succeeded, %" PRId64
                  " failed; %" PRId64 " restarts",
                  pods.running, pods.waiting, pods.succeeded, pods.failed, pods.restarts);
  }
}

static void write_workload(struct describe *d)
{
  write_pods(d);
  describe_template(d, km_json_at(d->object, "spec", "template", NULL));
}

/* --- Deployment -------------------------------------------------------------------------------------------------------------- */

static const struct describe_row deployment_rows[] = {
    ROW_TEXT("replicas desired", ".spec.replicas"),
    ROW_TEXT("updated", ".status.updatedReplicas"),
    ROW_TEXT("total", ".status.replicas"),
    ROW_TEXT("ready", ".status.readyReplicas"),
    ROW_TEXT("available", ".status.availableReplicas"),
    ROW_TEXT("unavailable", ".status.unavailableReplicas"),
    ROW_TEXT("paused", ".spec.paused"),
    ROW_SELECTOR("selector", ".spec.selector"),
    ROW_TEXT("strategy", ".spec.strategy.type"),
    ROW_PAIRS("rolling update", ".spec.strategy.rollingUpdate"),
    ROW_TEXT("min ready seconds", ".spec.minReadySeconds"),
    ROW_TEXT("progress deadline seconds", ".spec.progressDeadlineSeconds"),
    ROW_TEXT("revisions kept", ".spec.revisionHistoryLimit"),
};

static const char *revision_of(yyjson_val *object)
{
  return km_json_str(km_json_at(object, "metadata", "annotations", NULL),
                     "deployment.kubernetes.io/revision");
}

/* The ReplicaSet of the present revision is the new one. Old ones without pods are history. */
static void write_replicaset(struct describe *d, yyjson_val *set, void *data)
{
  int64_t *empty = data;
  if (!describe_owns(d, set)) {
    return;
  }
  yyjson_val *spec = km_json_obj(set, "spec"), *status = km_json_obj(set, "status");
  const char *name = km_json_str(km_json_obj(set, "metadata"), "name"), *revision = revision_of(set);
  int64_t wanted = km_json_int(spec, "replicas", 0), created = km_json_int(status, "replicas", 0);
  bool is_new = revision != NULL && km_streq(revision, revision_of(d->object));
  if (!is_new && wanted == 0 && created == 0) {
    (*empty)++;
    return;
  }
  describe_line(d, is_new ? "new replicaset" : "old replicaset",
                "%s (%" PRId64 "/%" PRId64 " replicas created, %" PRId64 " ready, revision %s)",
                name != NULL ? name : "?", created, wanted, km_json_int(status, "readyReplicas", 0),
                revision != NULL ? revision : "?");
}

static void write_deployment(struct describe *d)
{
  int64_t empty = 0;
  struct describe_query query = {.label = "replicasets",
                                 .resource = &describe_replicasets,
                                 .ns = d->ns,
                                 .label_selector = selector_of(d)};
  if (describe_list(d, &query, write_replicaset, &empty) && empty > 0) {
    describe_line(d, "older revisions", "%" PRId64 " replicasets without pods", empty);
  }
  describe_template(d, km_json_at(d->object, "spec", "template", NULL));
}

/* --- the other sets --------------------------------------------------------------------------------------------------------- */

static const struct describe_row replicaset_rows[] = {
    ROW_TEXT("replicas desired", ".spec.replicas"), ROW_TEXT("current", ".status.replicas"),
    ROW_TEXT("ready", ".status.readyReplicas"),     ROW_TEXT("available", ".status.availableReplicas"),
    ROW_SELECTOR("selector", ".spec.selector"),     ROW_TEXT("min ready seconds", ".spec.minReadySeconds"),
};

static const struct describe_column claim_columns[] = {
    {"NAME", ".metadata.name", DESCRIBE_TEXT},
    {"CLASS", ".spec.storageClassName", DESCRIBE_TEXT},
    {"CAPACITY", ".spec.resources.requests.storage", DESCRIBE_TEXT},
    {"ACCESS MODES", ".spec.accessModes[*]", DESCRIBE_TEXT},
    {"LABELS", ".metadata.labels", DESCRIBE_PAIRS},
};
static const struct describe_row statefulset_rows[] = {
    ROW_TEXT("replicas desired", ".spec.replicas"),
    ROW_TEXT("total", ".status.replicas"),
    ROW_TEXT("ready", ".status.readyReplicas"),
    ROW_TEXT("updated", ".status.updatedReplicas"),
    ROW_SELECTOR("selector", ".spec.selector"),
    ROW_TEXT("service", ".spec.serviceName"),
    ROW_TEXT("update strategy", ".spec.updateStrategy.type"),
    ROW_PAIRS("rolling update", ".spec.updateStrategy.rollingUpdate"),
    ROW_TEXT("pod management", ".spec.podManagementPolicy"),
    ROW_PAIRS("claims kept", ".spec.persistentVolumeClaimRetentionPolicy"),
    ROW_TEXT("current revision", ".status.currentRevision"),
    ROW_TEXT("update revision", ".status.updateRevision"),
    ROW_TABLE("volume claims", ".spec.volumeClaimTemplates", claim_columns),
};

static const struct describe_row daemonset_rows[] = {
    ROW_TEXT("nodes desired", ".status.desiredNumberScheduled"),
    ROW_TEXT("scheduled", ".status.currentNumberScheduled"),
    ROW_TEXT("up to date", ".status.updatedNumberScheduled"),
    ROW_TEXT("ready", ".status.numberReady"),
    ROW_TEXT("available", ".status.numberAvailable"),
    ROW_TEXT("unavailable", ".status.numberUnavailable"),
    ROW_TEXT("misscheduled", ".status.numberMisscheduled"),
    ROW_SELECTOR("selector", ".spec.selector"),
    ROW_PAIRS("node selector", ".spec.template.spec.nodeSelector"),
    ROW_TEXT("update strategy", ".spec.updateStrategy.type"),
    ROW_PAIRS("rolling update", ".spec.updateStrategy.rollingUpdate"),
};

static const struct describe_row controller_rows[] = {
    ROW_TEXT("replicas desired", ".spec.replicas"),
    ROW_TEXT("current", ".status.replicas"),
    ROW_TEXT("ready", ".status.readyReplicas"),
    ROW_PAIRS("selector", ".spec.selector"),
};

static void write_controller(struct describe *d)
{
  describe_template(d, km_json_at(d->object, "spec", "template", NULL));
}

/* --- jobs --------------------------------------------------------------------------------------------------------------------- */

static const struct describe_row job_rows[] = {
    ROW_SELECTOR("selector", ".spec.selector"),
    ROW_TEXT("parallelism", ".spec.parallelism"),
    ROW_TEXT("completions", ".spec.completions"),
    ROW_TEXT("completion mode", ".spec.completionMode"),
    ROW_TEXT("backoff limit", ".spec.backoffLimit"),
    ROW_TEXT("active deadline seconds", ".spec.activeDeadlineSeconds"),
    ROW_TEXT("kept seconds after the end", ".spec.ttlSecondsAfterFinished"),
    ROW_TEXT("suspended", ".spec.suspend"),
    ROW_TEXT("pod failure policy", ".spec.podFailurePolicy"),
    ROW_TEXT("success policy", ".spec.successPolicy"),
    ROW_TIME("started", ".status.startTime"),
    ROW_TIME("completed", ".status.completionTime"),
    ROW_TEXT("active", ".status.active"),
    ROW_TEXT("ready", ".status.ready"),
    ROW_TEXT("succeeded", ".status.succeeded"),
    ROW_TEXT("failed", ".status.failed"),
    ROW_TEXT("completed indexes", ".status.completedIndexes"),
    ROW_TEXT("failed indexes", ".status.failedIndexes"),
};

static void write_job(struct describe *d)
{
  yyjson_val *status = km_json_obj(d->object, "status");
  const char *started = km_json_str(status, "startTime"), *completed = km_json_str(status, "completionTime");
  int64_t start_ms = 0, end_ms = 0;
  if (started != NULL && completed != NULL && km_rfc3339_parse(started, strlen(started), &start_ms) &&
      km_rfc3339_parse(completed, strlen(completed), &end_ms)) {
    char duration[32];
    km_human_duration(duration, sizeof(duration), end_ms - start_ms);
    describe_line(d, "duration", "%s", duration);
  }
  describe_template(d, km_json_at(d->object, "spec", "template", NULL));
}

static const struct describe_row cronjob_rows[] = {
    ROW_TEXT("schedule", ".spec.schedule"),
    ROW_TEXT("time zone", ".spec.timeZone"),
    ROW_TEXT("concurrency policy", ".spec.concurrencyPolicy"),
    ROW_TEXT("suspended", ".spec.suspend"),
    ROW_TEXT("starting deadline seconds", ".spec.startingDeadlineSeconds"),
    ROW_TEXT("successful jobs kept", ".spec.successfulJobsHistoryLimit"),
    ROW_TEXT("failed jobs kept", ".spec.failedJobsHistoryLimit"),
    ROW_TIME("last scheduled", ".status.lastScheduleTime"),
    ROW_TIME("last successful", ".status.lastSuccessfulTime"),
    ROW_TEXT("active jobs", ".status.active[*].name"),
    ROW_TEXT("parallelism", ".spec.jobTemplate.spec.parallelism"),
    ROW_TEXT("completions", ".spec.jobTemplate.spec.completions"),
    ROW_TEXT("backoff limit", ".spec.jobTemplate.spec.backoffLimit"),
    ROW_TEXT("active deadline seconds", ".spec.jobTemplate.spec.activeDeadlineSeconds"),
};

static void write_cronjob(struct describe *d)
{
  describe_template(d, km_json_at(d->object, "spec", "jobTemplate", "spec", "template", NULL));
}

/* --- scaling and guarding ------------------------------------------------------------------------------------------------------ */

static const struct describe_row hpa_rows[] = {
    ROW_OBJECT("scales", ".spec.scaleTargetRef"),
    ROW_TEXT("min replicas", ".spec.minReplicas"),
    ROW_TEXT("max replicas", ".spec.maxReplicas"),
    ROW_TEXT("current replicas", ".status.currentReplicas"),
    ROW_TEXT("desired replicas", ".status.desiredReplicas"),
    ROW_TIME("last scaled", ".status.lastScaleTime"),
    ROW_LINES("behavior", ".spec.behavior"),
};

/* The part of a metric that is named after its type: "resource" for Resource. */
static yyjson_val *metric_body(yyjson_val *metric)
{
  yyjson_obj_iter iter = yyjson_obj_iter_with(metric);
  for (yyjson_val *key = yyjson_obj_iter_next(&iter); key != NULL; key = yyjson_obj_iter_next(&iter)) {
    if (yyjson_is_obj(yyjson_obj_iter_get_val(key))) {
      return yyjson_obj_iter_get_val(key);
    }
  }
  return NULL;
}

/* "45% (90m)" */
static void put_metric_value(yyjson_val *value, struct km_buf *out)
{
  yyjson_val *percent = yyjson_obj_get(value, "averageUtilization");
  const char *average = km_json_str(value, "averageValue"), *plain = km_json_str(value, "value");
  size_t start = out->len;
  if (yyjson_is_int(percent)) {
    km_buf_printf(out, "%" PRId64 "%%", yyjson_get_sint(percent));
  }
  if (average != NULL) {
    km_buf_printf(out, out->len > start ? " (%s)" : "%s", average);
  }
  if (plain != NULL) {
    km_buf_printf(out, "%s%s", out->len > start ? " " : "", plain);
  }
  km_buf_puts(out, out->len == start ? "unknown" : "");
}

/* "cpu: 45% (90m) of 70%": what is measured lists the same metrics in the same order. */
static void write_metrics(struct describe *d)
{
  yyjson_val *wanted = km_json_arr(km_json_obj(d->object, "spec"), "metrics");
  yyjson_val *measured = km_json_arr(km_json_obj(d->object, "status"), "currentMetrics");
  size_t i, max;
  yyjson_val *metric;
  describe_begin(d, "metrics (current of target)");
  yyjson_arr_foreach(wanted, i, max, metric)
  {
    yyjson_val *body = metric_body(metric), *named = km_json_obj(body, "metric");
    const char *name = km_json_str(named != NULL ? named : body, "name");
    const char *type = km_json_str(metric, "type");
    struct km_buf text;
    km_buf_init(&text, MAX_TEXT_BYTES);
    put_metric_value(km_json_obj(metric_body(yyjson_arr_get(measured, i)), "current"), &text);
    km_buf_puts(&text, " of ");
    put_metric_value(km_json_obj(body, "target"), &text);
    describe_line(
        d, km_arena_printf(d->call->arena, "%s %s", type != NULL ? type : "?", name != NULL ? name : "?"),
        "%s", text.data);
    km_buf_done(&text);
  }
  describe_end(d);
}

static const struct describe_row pdb_rows[] = {
    ROW_TEXT("min available", ".spec.minAvailable"),
    ROW_TEXT("max unavailable", ".spec.maxUnavailable"),
    ROW_SELECTOR("selector", ".spec.selector"),
    ROW_TEXT("unhealthy pods", ".spec.unhealthyPodEvictionPolicy"),
    ROW_TEXT("disruptions allowed", ".status.disruptionsAllowed"),
    ROW_TEXT("current", ".status.currentHealthy"),
    ROW_TEXT("desired", ".status.desiredHealthy"),
    ROW_TEXT("total", ".status.expectedPods"),
    ROW_PAIRS("disrupted pods", ".status.disruptedPods"),
};

const struct describe_kind describe_workload_kinds[] = {
    {"apps", "Deployment", deployment_rows, KM_ARRAY_LEN(deployment_rows), write_deployment},
    {"apps", "ReplicaSet", replicaset_rows, KM_ARRAY_LEN(replicaset_rows), write_workload},
    {"apps", "StatefulSet", statefulset_rows, KM_ARRAY_LEN(statefulset_rows), write_workload},
    {"apps", "DaemonSet", daemonset_rows, KM_ARRAY_LEN(daemonset_rows), write_workload},
    {"", "ReplicationController", controller_rows, KM_ARRAY_LEN(controller_rows), write_controller},
    {"batch", "Job", job_rows, KM_ARRAY_LEN(job_rows), write_job},
    {"batch", "CronJob", cronjob_rows, KM_ARRAY_LEN(cronjob_rows), write_cronjob},
    {"autoscaling", "HorizontalPodAutoscaler", hpa_rows, KM_ARRAY_LEN(hpa_rows), write_metrics},
    {"policy", "PodDisruptionBudget", pdb_rows, KM_ARRAY_LEN(pdb_rows), NULL},
    {0},
};
