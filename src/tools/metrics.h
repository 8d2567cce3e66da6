/* The metrics API (metrics.k8s.io): what pods and nodes use, and how old that knowledge is. */
#ifndef KM_TOOLS_METRICS_H
#define KM_TOOLS_METRICS_H

#include "common.h"
#include "pod_resources.h"

struct usage {
  const char *ns, *name, *container; /* "" where it has none */
  struct amount used[COMPUTE_COUNT];
};

struct metrics {
  struct usage *items;
  size_t count;
  int64_t oldest_ms, newest_ms; /* the servers' timestamps; 0 = none */
  int64_t now_ms;               /* by the API server's clock; 0 = unknown */
  const char *window;           /* what the figures are an average over: "15s"; "" = unknown */
};

struct metrics_query {
  bool of_nodes;
  bool containers;      /* of pods: one item per container */
  const char *ns;       /* of pods; NULL = all */
  const char *name;     /* or NULL */
  const char *selector; /* of labels, or NULL */
};

/* What the cluster measured; lives in the call's arena. No items are no error. Errors: type MetricsUnavailable, with
 * what to do about it, when the cluster has no metrics API, when it does not answer, and for a QUERY->name that exists but
 * is not measured yet; else those of the request. */
enum km_rc metrics_get(struct km_call *call, struct target *target, const struct metrics_query *query,
                       struct metrics *ret, struct km_error *err);
/* The error for metrics of nothing although there is something to measure. */
enum km_rc metrics_missing(const struct target *target, const char *of_what, struct km_error *err);
/* One line on the age of METRICS, "# measured ..."; nothing when that is unknown. */
void put_age(const struct metrics *metrics, struct km_buf *out);

/* Sorts by WHAT, the largest first, equals by name. */
void metrics_sort(struct metrics *metrics, enum compute what);

#endif
