/* The way from a tool's arguments to a cluster: resolving the context, carrying the call's deadline and cancellation to
 * every request, telling the waiting client what it waits for. */
#include "common.h"

#include "kube_mcp/base/banned.h"

const char *const context_aliases[] = {"cluster", NULL};
const char *const list_outputs[] = {"table", "wide", "json", "yaml", "name", "count", NULL};
const char *const object_outputs[] = {"table", "wide", "json", "yaml", "name", NULL};

const struct km_resource pods_resource = {
    .group = "",
    .version = "v1",
    .plural = "pods",
    .singular = "pod",
    .kind = "Pod",
    .namespaced = true,
};
const struct km_resource namespaces_resource = {
    .group = "",
    .version = "v1",
    .plural = "namespaces",
    .singular = "namespace",
    .kind = "Namespace",
};

static void notice(void *data, const char *text)
{
  km_call_log(data, KM_LOG_NOTICE, "kubernetes", text);
}

static void release_client(void *data)
{
  km_client_unref(data);
}

enum km_rc target_open(struct km_call *call, const char *context, struct target *ret, struct km_error *err)
{
  call->cluster = context;
  struct km_client *client = NULL;
  enum km_rc rc = km_pool_get(toolbox(call)->pool, context, false, &client, err);
  if (rc != KM_OK) {
    return rc;
  }
  km_arena_defer(call->arena, release_client, client);
  call->cluster = km_client_endpoint(client)->context;
  ret->client = client;
  ret->observer = (struct km_observer){.notice = notice, .data = call};
  ret->request = (struct km_kube_request){
      .deadline = call->deadline, .cancel = call->cancel, .observer = &ret->observer};
  return KM_OK;
}

enum km_rc target_resource(struct km_call *call, struct target *target, const char *kind,
                           const char *api_version, const struct km_resource **resource, struct km_error *err)
{
  if (*resource != NULL) {
    return KM_OK;
  }
  struct km_resource *found = KM_ARENA_NEW(call->arena, struct km_resource);
  enum km_rc rc =
      km_client_resolve_kind(target->client, kind, api_version, &target->request, call->arena, found, err);
  if (rc == KM_OK) {
    *resource = found;
  }
  return rc;
}

enum km_rc check_access(struct km_call *call, struct target *target, const struct km_access *access,
                        struct km_error *err)
{
  return toolbox(call)->require_rbac ? km_client_access(target->client, access, &target->request, err)
                                     : KM_OK;
}

enum km_rc check_read_access(struct km_call *call, struct target *target, const struct km_resource *resource,
                             const char *verb, const char *ns, const char *name, struct km_error *err)
{
  bool secret = km_streq(resource->plural, "secrets") && km_str_empty(resource->group);
  if (!secret) {
    return KM_OK;
  }
  struct km_access access = {
      .verb = verb, .group = resource->group, .resource = resource->plural, .ns = ns, .name = name};
  return check_access(call, target, &access, err);
}

const char *object_namespace(const struct target *target, const char *ns)
{
  if (!km_str_empty(ns)) {
    return ns;
  }
  const char *fallback = km_client_endpoint(target->client)->default_namespace;
  return km_str_empty(fallback) ? "default" : fallback;
}

const char *narrower_namespace(const struct target *target, const struct km_error *err)
{
  const char *ns = km_client_endpoint(target->client)->default_namespace;
  return err->code == KM_E_FORBIDDEN && !km_str_empty(ns) ? ns : NULL;
}

void put_narrowed(const char *ns, struct km_buf *out)
{
  km_buf_printf(out, "# listing all namespaces is forbidden here: this is the context's namespace '%.63s'\n",
                ns);
}
