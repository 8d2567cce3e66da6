/* What the tool files share: listings and objects as a whole, the arguments that mean the same everywhere, the way from a
 * context name to a client, and what may be shown of an object. */
#ifndef KM_TOOLS_COMMON_H
#define KM_TOOLS_COMMON_H

#include "kube_mcp/base/str.h"
#include "kube_mcp/codec/path.h"
#include "kube_mcp/codec/yaml.h"
#include "kube_mcp/kube/discovery.h"
#include "kube_mcp/kube/list.h"
#include "kube_mcp/kube/rbac.h"
#include "kube_mcp/kube/redact.h"
#include "kube_mcp/kube/table.h"
#include "kube_mcp/mcp/call.h"
#include "kube_mcp/tools/toolbox.h"

struct target; /* below */

extern const char *const context_aliases[];
extern const char *const list_outputs[];
extern const char *const object_outputs[];

/* Indexes into list_outputs; object_outputs is the same without count. */
enum output { OUTPUT_TABLE, OUTPUT_WIDE, OUTPUT_JSON, OUTPUT_YAML, OUTPUT_NAME, OUTPUT_COUNT };

/* --- listings --------------------------------------------------------------------------------------------------------- */

/* The arguments of a tool that lists; `kind` and `api_version` are for those that do not know their resource. */
struct listing {
  const char *context, *kind, *api_version, *ns, *label_selector, *field_selector, *cursor, *where, *sort_by;
  int64_t limit; /* 0 = by budget */
  int output;    /* enum output */
  struct km_arg_strings contexts, fields, group_by;
  const struct km_resource *resource; /* NULL: the one that KIND names in the cluster */
};
/* Lists into OUT: table, json, ... cut to the budget, with what was left out. */
enum km_rc run_listing(struct km_call *call, struct listing listing, struct km_result *out,
                       struct km_error *err);

/* --- objects ---------------------------------------------------------------------------------------------------------- */

/* The arguments of a tool that gets one object. */
struct object_query {
  const char *context, *kind, *api_version, *ns, *name;
  int output; /* enum output */
  struct km_arg_strings contexts, fields;
  const struct km_resource *resource; /* as above */
};
/* Gets one object into OUT, cut to the budget. */
enum km_rc run_get(struct km_call *call, struct object_query query, struct km_result *out,
                   struct km_error *err);

/* GETs the object that QUERY names, whole or as the row of a TABLE, after checking the right to. NS is its namespace; NULL for
 * cluster-wide kinds. The document is the call's. */
enum km_rc fetch_object(struct km_call *call, struct target *target, const struct object_query *query,
                        const char *ns, bool table, yyjson_doc **ret, struct km_error *err);

/* --- arguments that mean the same everywhere -------------------------------------------------------------------------- */
#define ARG_CONTEXT(args_t)                                                                                  \
  {                                                                                                          \
    .name = "context", .type = KM_ARG_STRING, KM_ARG_AT(args_t, context), .max = 253,                        \
    .aliases = context_aliases, .description = "From config_contexts_list. Empty = the default."             \
  }
#define ARG_CONTEXTS(args_t)                                                                                 \
  {                                                                                                          \
    .name = "contexts", .type = KM_ARG_STRINGS, KM_ARG_AT(args_t, contexts), .max = 64,                      \
    .description = "Several contexts at once, by globs: [\"prod-*\"]."                                       \
  }
#define ARG_KIND(args_t)                                                                                     \
  {                                                                                                          \
    .name = "kind", .type = KM_ARG_STRING, .flags = KM_ARG_REQUIRED, KM_ARG_AT(args_t, kind), .max = 253,    \
    .description = "As for kubectl: \"deploy\", \"deployments.apps\", \"Deployment\"."                       \
  }
#define ARG_API_VERSION(args_t)                                                                              \
  {                                                                                                          \
    .name = "api_version", .type = KM_ARG_STRING, KM_ARG_AT(args_t, api_version), .max = 253,                \
    .description = "Group/version, if the kind alone is ambiguous."                                          \
  }
#define ARG_NAMESPACE(args_t, text)                                                                          \
  {                                                                                                          \
    .name = "namespace", .type = KM_ARG_STRING, .flags = KM_ARG_DNS_LABEL, KM_ARG_AT(args_t, ns),            \
    .description = (text)                                                                                    \
  }
#define ARG_NAME(text)                                                                                       \
  {                                                                                                          \
    .name = "name", .type = KM_ARG_STRING, .flags = KM_ARG_REQUIRED | KM_ARG_DNS_NAME,                       \
    KM_ARG_AT(struct object_query, name), .description = (text)                                              \
  }
#define ARG_FIELDS(args_t)                                                                                   \
  {                                                                                                          \
    .name = "fields", .type = KM_ARG_STRINGS, KM_ARG_AT(args_t, fields), .max = 16,                          \
    .description = "Paths to show: more columns in a table, the only parts in json/yaml, e.g. "              \
                   "[\".spec.nodeName\"]."                                                                   \
  }
/* What every listing takes besides saying which objects of which cluster. */
#define ARGS_OF_LISTING                                                                                      \
  ARG_CONTEXTS(struct listing),                                                                              \
      {.name = "label_selector",                                                                             \
       .type = KM_ARG_STRING,                                                                                \
       KM_ARG_AT(struct listing, label_selector),                                                            \
       .description = "e.g. \"app=web,tier!=cache\" or \"env in (dev,qa)\"."},                               \
      {.name = "field_selector",                                                                             \
       .type = KM_ARG_STRING,                                                                                \
       KM_ARG_AT(struct listing, field_selector),                                                            \
       .description = "e.g. \"spec.nodeName=node-1\"."},                                                     \
      {.name = "where",                                                                                      \
       .type = KM_ARG_STRING,                                                                                \
       KM_ARG_AT(struct listing, where),                                                                     \
       .max = 4096,                                                                                          \
       .description = "Condition on any path: = != < > contains matches in exists, and/or/not, e.g. "        \
                      "\".status.containerStatuses[*].restartCount > 3 and .metadata.creationTimestamp > "   \
                      "now-1d\"."},                                                                          \
      {.name = "sort_by",                                                                                    \
       .type = KM_ARG_STRING,                                                                                \
       KM_ARG_AT(struct listing, sort_by),                                                                   \
       .max = 1024,                                                                                          \
       .description = "Path to sort by; \"-\" before it = descending."},                                     \
      {.name = "group_by",                                                                                   \
       .type = KM_ARG_STRINGS,                                                                               \
       KM_ARG_AT(struct listing, group_by),                                                                  \
       .max = 4,                                                                                             \
       .description = "Count objects by the values of paths instead of listing them, e.g. "                  \
                      "[\".spec.containers[*].image\"]."},                                                   \
      {.name = "output",                                                                                     \
       .type = KM_ARG_ENUM,                                                                                  \
       KM_ARG_AT(struct listing, output),                                                                    \
       .one_of = list_outputs,                                                                               \
       .fallback = "\"table\"",                                                                              \
       .description = "Form of the answer."},                                                                \
      ARG_FIELDS(struct listing),                                                                            \
      {.name = "limit",                                                                                      \
       .type = KM_ARG_INT,                                                                                   \
       KM_ARG_AT(struct listing, limit),                                                                     \
       .min = 1,                                                                                             \
       .max = 10000,                                                                                         \
       .description = "Default: what fits the answer."},                                                     \
  {                                                                                                          \
    .name = "cursor", .type = KM_ARG_STRING, KM_ARG_AT(struct listing, cursor), .max = 8192,                 \
    .description = "Continues a cut listing, with the same other arguments."                                 \
  }
/* What every tool for one object of any kind takes to say which. */
#define ARGS_OF_OBJECT                                                                                       \
  ARG_CONTEXT(struct object_query), ARG_CONTEXTS(struct object_query), ARG_KIND(struct object_query),        \
      ARG_NAME("Name of the object."),                                                                       \
      ARG_NAMESPACE(struct object_query,                                                                     \
                    "Its namespace. Empty = the context's namespace, else \"default\". "                     \
                    "Ignored for cluster-wide kinds."),                                                      \
      ARG_API_VERSION(struct object_query)
#define ARG_OBJECT_OUTPUT                                                                                    \
  {                                                                                                          \
    .name = "output", .type = KM_ARG_ENUM, KM_ARG_AT(struct object_query, output), .one_of = object_outputs, \
    .fallback = "\"yaml\"", .description = "Form of the answer."                                             \
  }

/* --- reaching a cluster ----------------------------------------------------------------------------------------------- */
struct target {
  struct km_client *client;       /* released with the call's arena */
  struct km_kube_request request; /* deadline, cancellation and observer of the call */
  struct km_observer observer;
};

static inline struct km_toolbox *toolbox(struct km_call *call)
{
  return call->app;
}

/* Resolves CONTEXT for reading; names the cluster in the call. RET must not move: its request points into it. */
enum km_rc target_open(struct km_call *call, const char *context, struct target *ret, struct km_error *err);
/* Makes *RESOURCE, unless it is known, the one that KIND and API_VERSION name in the cluster. */
enum km_rc target_resource(struct km_call *call, struct target *target, const char *kind,
                           const char *api_version, const struct km_resource **resource,
                           struct km_error *err);
/* Before doing what security.require_rbac covers: asks the target cluster. */
enum km_rc check_access(struct km_call *call, struct target *target, const struct km_access *access,
                        struct km_error *err);
/* The same for reading objects of RESOURCE, of which it covers Secrets. */
enum km_rc check_read_access(struct km_call *call, struct target *target, const struct km_resource *resource,
                             const char *verb, const char *ns, const char *name, struct km_error *err);
/* The namespace an object tool means: NS, else the context's, else "default". */
const char *object_namespace(const struct target *target, const char *ns);

/* Reading across all namespaces is often forbidden to people who may read in their own: then their context's namespace is
 * what they mean, and the answer says so. It, when that is why ERR came; else NULL. */
const char *narrower_namespace(const struct target *target, const struct km_error *err);
/* The line of an answer that was narrowed to NS. */
void put_narrowed(const char *ns, struct km_buf *out);

/* --- showing objects -------------------------------------------------------------------------------------------------- */

/* Compiles the paths of the argument NAME. */
enum km_rc compile_paths(struct km_call *call, const char *name, const struct km_arg_strings *texts,
                         struct km_path ***ret, struct km_error *err);
/* OBJECT of RESOURCE, fit to be shown (redacted) and saying of which kind it is, in DOC. */
yyjson_mut_val *shown_object(yyjson_mut_doc *doc, const struct km_resource *resource, yyjson_val *object);
/* The parts of SHOWN that FIELDS ask for, as {path: value, [values] or null}, beside its namespace and name. */
yyjson_mut_val *shown_fields(yyjson_mut_doc *doc, yyjson_val *shown, const struct km_arg_strings *fields,
                             struct km_path *const *paths);
/* "deployment.apps/web", as kubectl writes it. */
void put_object_name(const struct km_resource *resource, yyjson_val *object, struct km_buf *out);

extern const struct km_resource pods_resource, namespaces_resource;

#endif
