/* config_contexts_list: which contexts exist and, on request, which of them answer. Checking asks all contexts at once,
 * each with a short deadline of its own, so that dead clusters cost one deadline, not one each. Each check has memory of
 * its own, because an arena belongs to one thread; what it found is written to its slot only and read when all are done.
 * Without `check` nothing is connected: the answer comes from the provider's files. */
#include <string.h>

#include "common.h"

#include "kube_mcp/base/banned.h"

#define CHECK_DEADLINE_MS ((int64_t)5000)
#define ENDING_BYTES      ((size_t)512) /* kept free for what follows the contexts */

struct contexts_args {
  bool check;
  const char *match;
};

static const struct km_arg args[] = {
    {.name = "check",
     .type = KM_ARG_BOOL,
     KM_ARG_AT(struct contexts_args, check),
     .fallback = "false",
     .description = "Also ask every cluster for its version: tells which contexts are reachable."},
    {.name = "match",
     .type = KM_ARG_STRING,
     KM_ARG_AT(struct contexts_args, match),
     .max = 253,
     .description = "Only contexts whose name matches, e.g. \"prod-*\"."},
};

/* What checking one context found; filled by one thread. */
struct check {
  bool reachable;
  char version[64];
  int64_t latency_ms;
  struct km_error err;
};

struct check_all {
  struct km_call *call;
  const struct km_context_list *list;
  struct check *checks;
};

static enum km_rc check_context(struct km_call *call, const char *name, struct check *check)
{
  struct km_error *err = &check->err;
  struct km_client *client = NULL;
  enum km_rc rc = km_pool_get(toolbox(call)->pool, name, false, &client, err);
  if (rc != KM_OK) {
    return rc;
  }
  struct km_arena *arena = km_arena_new((size_t)1024 * 1024);
  struct km_kube_request request = {
      .deadline = km_deadline_min(call->deadline, km_deadline_in_ms(CHECK_DEADLINE_MS)),
      .cancel = call->cancel,
  };
  const char *version = NULL;
  uint64_t started_ns = km_clock_ns();
  rc = km_client_version(client, &request, arena, &version, err);
  if (rc == KM_OK) {
    check->reachable = true;
    check->latency_ms = (int64_t)((km_clock_ns() - started_ns) / KM_NS_PER_MS);
    km_strcopy(check->version, sizeof(check->version), version);
  }
  km_arena_free(arena);
  km_client_unref(client);
  return rc;
}

static void check_one(void *data, size_t index)
{
  struct check_all *all = data;
  const struct km_context_info *info = &all->list->items[index];
  struct check *check = &all->checks[index];
  if (info->problem != NULL) {
    km_error_set(&check->err, KM_E_INVALID, "%s", info->problem);
    return;
  }
  check_context(all->call, info->name, check);
}

static void add_check(yyjson_mut_doc *doc, yyjson_mut_val *entry, const struct check *check)
{
  yyjson_mut_obj_add_bool(doc, entry, "reachable", check->reachable);
  if (check->reachable) {
    yyjson_mut_obj_add_strcpy(doc, entry, "version", check->version);
    yyjson_mut_obj_add_sint(doc, entry, "latency_ms", check->latency_ms);
  } else {
    yyjson_mut_obj_add_strcpy(doc, entry, "error", check->err.message);
    if (check->err.hint[0] != '\0') {
      yyjson_mut_obj_add_strcpy(doc, entry, "hint", check->err.hint);
    }
  }
}

/* Keeps the contexts whose name matches GLOB. */
static void keep_matching(struct km_context_list *list, const char *glob)
{
  size_t kept = 0;
  for (size_t i = 0; i < list->count; i++) {
    if (km_glob_match(glob, list->items[i].name)) {
      list->items[kept++] = list->items[i];
    }
  }
  list->count = kept;
}

static yyjson_mut_val *describe(yyjson_mut_doc *doc, const struct km_context_info *info,
                                const struct check *check)
{
  yyjson_mut_val *entry = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_strcpy(doc, entry, "name", info->name);
  yyjson_mut_obj_add_strcpy(doc, entry, "cluster", info->cluster == NULL ? "" : info->cluster);
  yyjson_mut_obj_add_strcpy(doc, entry, "user", info->user == NULL ? "" : info->user);
  yyjson_mut_obj_add_strcpy(doc, entry, "namespace", info->namespace == NULL ? "" : info->namespace);
  if (check != NULL) {
    add_check(doc, entry, check);
  } else if (info->problem != NULL) {
    yyjson_mut_obj_add_strcpy(doc, entry, "error", info->problem);
  }
  return entry;
}

/* Describes contexts while the answer's budget lasts; returns how many that were. */
static size_t describe_all(struct km_call *call, const struct check_all *all, yyjson_mut_doc *doc,
                           yyjson_mut_val *contexts)
{
  struct km_buf json;
  km_buf_init(&json, toolbox(call)->max_result_bytes - ENDING_BYTES);
  size_t shown = 0;
  for (; shown < all->list->count; shown++) {
    const struct check *check = all->checks == NULL ? NULL : &all->checks[shown];
    yyjson_mut_val *entry = describe(doc, &all->list->items[shown], check);
    if (!km_json_write(entry, false, &json) || !km_buf_putc(&json, ',')) {
      break;
    }
    yyjson_mut_arr_append(contexts, entry);
  }
  km_buf_done(&json);
  return shown;
}

static enum km_rc run(struct km_call *call, const void *data, struct km_result *out, struct km_error *err)
{
  const struct contexts_args *given = data;
  struct km_provider *provider = km_pool_provider(toolbox(call)->pool);
  struct km_context_list list;
  enum km_rc rc = provider->ops->contexts(provider, call->arena, &list, err);
  if (rc != KM_OK) {
    return rc;
  }
  if (!km_str_empty(given->match)) {
    keep_matching(&list, given->match);
  }
  struct check_all all = {.call = call, .list = &list};
  if (given->check) {
    all.checks = KM_ARENA_ARRAY(call->arena, struct check, list.count + 1);
    km_lane_map(toolbox(call)->fan_out, list.count, check_one, &all);
    rc = km_call_check(call, err);
    if (rc != KM_OK) {
      return rc;
    }
  }
  yyjson_mut_doc *doc = out->doc;
  yyjson_mut_val *root = yyjson_mut_obj(doc);
  yyjson_mut_val *contexts = yyjson_mut_obj_add_arr(doc, root, "contexts");
  size_t shown = describe_all(call, &all, doc, contexts);
  if (shown < list.count) {
    yyjson_mut_obj_add_uint(doc, root, "left_out", list.count - shown);
  }
  if (list.current != NULL) {
    yyjson_mut_obj_add_strcpy(doc, root, "current_context", list.current);
  }
  km_result_structured(out, root);
  return KM_OK;
}

static const char output_schema[] =
    "{\"type\":\"object\",\"properties\":{"
    "\"contexts\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
    "\"name\":{\"type\":\"string\"},\"cluster\":{\"type\":\"string\"},\"user\":{\"type\":\"string\"},"
    "\"namespace\":{\"type\":\"string\"},\"reachable\":{\"type\":\"boolean\"},\"version\":{\"type\":"
    "\"string\"},"
    "\"latency_ms\":{\"type\":\"integer\"},\"error\":{\"type\":\"string\"},\"hint\":{\"type\":\"string\"}},"
    "\"required\":[\"name\",\"cluster\",\"user\",\"namespace\"]}},"
    "\"left_out\":{\"type\":\"integer\",\"description\":\"Contexts not shown for lack of room: narrow with "
    "match.\"},"
    "\"current_context\":{\"type\":\"string\",\"description\":\"What an empty context argument means.\"}},"
    "\"required\":[\"contexts\"]}";

const struct km_tool km_tool_config_contexts_list = {
    .name = "config_contexts_list",
    .title = "List contexts",
    .description = "Lists the contexts (clusters and identities) that the other tools accept as `context`, "
                   "and which one "
                   "an empty `context` means. check=true also tells which are reachable.",
    .hints = KM_HINT_READ_ONLY | KM_HINT_IDEMPOTENT | KM_HINT_OPEN_WORLD,
    .args = args,
    .arg_count = KM_ARRAY_LEN(args),
    .args_size = sizeof(struct contexts_args),
    .output_schema = output_schema,
    .run = run,
};
