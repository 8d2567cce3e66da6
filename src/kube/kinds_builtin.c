/* The built-in kinds that are resolved without asking the cluster.
 *
 * Owns one constant table. It holds only resources that every supported API server serves in this version, and they
 * are found only by names that mean them whatever else is installed: kubectl tries the core group first, so no custom
 * resource can take "pods" or "Service" from it; "deployments" and its like come from groups that the API server ranks
 * above every custom one. Short names are left to discovery, where a custom resource's full name goes before them. */
#include "kinds.h"

#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

#define ALL_VERBS                                                                                            \
  (KM_VERB_GET | KM_VERB_LIST | KM_VERB_WATCH | KM_VERB_CREATE | KM_VERB_UPDATE | KM_VERB_PATCH |            \
   KM_VERB_DELETE | KM_VERB_DELETE_COLLECTION)

static const char *const in_all[] = {"all"};

#define NAMES(...)                                                                                           \
  .short_names = (const char *const[]){__VA_ARGS__},                                                         \
  .short_name_count = sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)
#define IN_ALL .categories = in_all, .category_count = 1
/* NOLINTBEGIN(bugprone-macro-parentheses): string literals of a table */
#define CORE(plural_, singular_, kind_)                                                                      \
  .group = "", .version = "v1", .plural = plural_, .singular = singular_, .kind = kind_, .preferred = true
#define APPS(plural_, singular_, kind_)                                                                      \
  .group = "apps", .version = "v1", .plural = plural_, .singular = singular_, .kind = kind_,                 \
  .preferred = true, .namespaced = true, .verbs = ALL_VERBS, IN_ALL

/* NOLINTEND(bugprone-macro-parentheses) */

static const struct km_resource builtins[] = {
    {CORE("pods", "pod", "Pod"), .namespaced = true, .verbs = ALL_VERBS, NAMES("po"), IN_ALL},
    {CORE("services", "service", "Service"), .namespaced = true, .verbs = ALL_VERBS, NAMES("svc"), IN_ALL},
    {CORE("configmaps", "configmap", "ConfigMap"), .namespaced = true, .verbs = ALL_VERBS, NAMES("cm")},
    {CORE("secrets", "secret", "Secret"), .namespaced = true, .verbs = ALL_VERBS},
    {CORE("events", "event", "Event"), .namespaced = true, .verbs = ALL_VERBS, NAMES("ev")},
    {CORE("endpoints", "endpoints", "Endpoints"), .namespaced = true, .verbs = ALL_VERBS, NAMES("ep")},
    {CORE("serviceaccounts", "serviceaccount", "ServiceAccount"), .namespaced = true, .verbs = ALL_VERBS,
     NAMES("sa")},
    {CORE("persistentvolumeclaims", "persistentvolumeclaim", "PersistentVolumeClaim"), .namespaced = true,
     .verbs = ALL_VERBS, NAMES("pvc")},
    {CORE("resourcequotas", "resourcequota", "ResourceQuota"), .namespaced = true, .verbs = ALL_VERBS,
     NAMES("quota")},
    {CORE("limitranges", "limitrange", "LimitRange"), .namespaced = true, .verbs = ALL_VERBS,
     NAMES("limits")},
    {CORE("replicationcontrollers", "replicationcontroller", "ReplicationController"), .namespaced = true,
     .verbs = ALL_VERBS, NAMES("rc"), IN_ALL},
    {CORE("podtemplates", "podtemplate", "PodTemplate"), .namespaced = true, .verbs = ALL_VERBS},
    {CORE("persistentvolumes", "persistentvolume", "PersistentVolume"), .verbs = ALL_VERBS, NAMES("pv")},
    {CORE("nodes", "node", "Node"), .verbs = ALL_VERBS, NAMES("no")},
    {CORE("namespaces", "namespace", "Namespace"), .verbs = ALL_VERBS & ~(unsigned)KM_VERB_DELETE_COLLECTION,
     NAMES("ns")},
    {APPS("deployments", "deployment", "Deployment"), NAMES("deploy")},
    {APPS("statefulsets", "statefulset", "StatefulSet"), NAMES("sts")},
    {APPS("daemonsets", "daemonset", "DaemonSet"), NAMES("ds")},
    {APPS("replicasets", "replicaset", "ReplicaSet"), NAMES("rs")},
    {.group = "batch",
     .version = "v1",
     .plural = "jobs",
     .singular = "job",
     .kind = "Job",
     .namespaced = true,
     .preferred = true,
     .verbs = ALL_VERBS,
     IN_ALL},
};

static bool is_full_name(const struct km_resource *item, const char *name)
{
  return km_strcaseeq(name, item->plural) || km_strcaseeq(name, item->singular) ||
         km_strcaseeq(name, item->kind);
}

const struct km_resource *km_kind_builtin(const struct km_kind_query *query)
{
  for (size_t i = 0; i < KM_ARRAY_LEN(builtins); i++) {
    const struct km_resource *item = &builtins[i];
    if (is_full_name(item, query->name) && (query->group == NULL || km_streq(query->group, item->group)) &&
        (query->version == NULL || km_streq(query->version, item->version))) {
      return item;
    }
  }
  return NULL;
}
