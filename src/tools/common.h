/* What every tool file shares: arguments that mean the same everywhere, the way from a context name to a client, and
 * fetching, shaping and cutting of listings and objects. */
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

extern const char *const context_aliases[];
extern const char *const list_outputs[];
extern const char *const object_outputs[];

/* Indexes into list_outputs; object_outputs has the same order but begins with yaml as its default. */
enum output { OUTPUT_TABLE, OUTPUT_WIDE, OUTPUT_JSON, OUTPUT_YAML, OUTPUT_NAME, OUTPUT_COUNT };

/* --- arguments ---------------------------------------------------------------------------------------------------- */
#define ARG_CONTEXT(args_t)                                                                                  \
  {                                                                                                          \
    .name = "context", .type = KM_ARG_STRING, .offset = offsetof(args_t, context), .max = 253,               \
    .aliases = context_aliases,                                                                              \
    .description = "Which cluster: a name from config_contexts_list. Empty = the default context."           \
  }
#define ARG_LABEL_SELECTOR(args_t)                                                                           \
  {                                                                                                          \
    .name = "label_selector", .type = KM_ARG_STRING, .offset = offsetof(args_t, label_selector),             \
    .description = "Label selector, e.g. \"app=web,tier!=cache\" or \"env in (dev,qa)\"."                    \
  }
#define ARG_FIELD_SELECTOR(args_t)                                                                           \
  {                                                                                                          \
    .name = "field_selector", .type = KM_ARG_STRING, .offset = offsetof(args_t, field_selector),             \
    .description = "Field selector, e.g. \"status.phase=Running\" or \"spec.nodeName=node-1\"."              \
  }
#define ARG_LIMIT(args_t)                                                                                    \
  {                                                                                                          \
    .name = "limit", .type = KM_ARG_INT, .offset = offsetof(args_t, limit), .min = 1, .max = 10000,          \
    .description = "At most this many rows. Without it, as many as fit the answer's size budget."            \
  }
#define ARG_CURSOR(args_t)                                                                                   \
  {                                                                                                          \
    .name = "cursor", .type = KM_ARG_STRING, .offset = offsetof(args_t, cursor), .max = 8192,                \
    .description =                                                                                           \
        "Continues a listing that was cut: the cursor from its last line, with the same other arguments."    \
  }
#define ARG_FIELDS(args_t)                                                                                   \
  {                                                                                                          \
    .name = "fields", .type = KM_ARG_STRINGS, .offset = offsetof(args_t, fields), .max = 16,                 \
    .description = "Paths to show: extra columns in a table, or the only parts in json/yaml, e.g. "          \
                   "[\".spec.nodeName\", \".spec.containers[*].image\"]."                                    \
  }
#define ARG_LIST_OUTPUT(args_t)                                                                              \
  {                                                                                                          \
    .name = "output", .type = KM_ARG_ENUM, .offset = offsetof(args_t, output), .one_of = list_outputs,       \
    .fallback = "\"table\"", .description = "Form of the answer. table and wide are the most compact."       \
  }
#define ARG_OBJECT_OUTPUT(args_t)                                                                            \
  {                                                                                                          \
    .name = "output", .type = KM_ARG_ENUM, .offset = offsetof(args_t, output), .one_of = object_outputs,     \
    .fallback = "\"yaml\"", .description = "Form of the answer."                                             \
  }

/* --- reaching a cluster ------------------------------------------------------------------------------------------- */
struct target {
  struct km_client *client;       /* released with the call's arena */
  struct km_kube_request request; /* deadline, cancellation and observer of the call */
  struct km_observer observer;
};

static inline struct km_toolbox *toolbox(struct km_call *call)
{
  return call->app;
}

/* Resolves CONTEXT for reading; names the cluster in the call. */
enum km_rc target_open(struct km_call *call, const char *context, struct target *ret, struct km_error *err);
/* Before reading what security.require_rbac covers (Secrets): asks the target cluster. */
enum km_rc check_read_access(struct km_call *call, struct target *target, const struct km_resource *resource,
                             const char *verb, const char *ns, const char *name, struct km_error *err);
/* The namespace an object tool means: NS, else the context's, else "default". */
const char *object_namespace(const struct target *target, const char *ns);
/* Compiles the paths of a `fields` argument. */
enum km_rc compile_fields(struct km_call *call, const struct km_arg_strings *fields, struct km_path ***ret,
                          struct km_error *err);

/* --- listings and objects ------------------------------------------------------------------------------------------- */
struct listing {
  const char *context, *ns, *label_selector, *field_selector, *cursor;
  int64_t limit; /* 0 = by budget */
  enum output output;
  struct km_arg_strings fields;
  const struct km_resource *resource;
};
/* Lists LISTING's resource from TARGET into OUT: table, json, ... cut to the budget, with what was left out. */
enum km_rc run_listing(struct km_call *call, struct target *target, const struct listing *listing,
                       struct km_result *out, struct km_error *err);

struct object_query {
  const char *ns, *name;
  enum output output;
  struct km_arg_strings fields;
  const struct km_resource *resource;
};
/* Gets one object into OUT. */
enum km_rc run_get(struct km_call *call, struct target *target, const struct object_query *query,
                   struct km_result *out, struct km_error *err);

extern const struct km_resource pods_resource, namespaces_resource;

#endif
