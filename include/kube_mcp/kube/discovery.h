/* What a cluster serves: groups, versions, resources, and kubectl's way of naming them. Cached per client. */
#ifndef KM_KUBE_DISCOVERY_H
#define KM_KUBE_DISCOVERY_H

#include "kube_mcp/kube/client.h"

struct km_resource {
  const char *group;    /* "" = core */
  const char *version;  /* "v1" */
  const char *plural;   /* "deployments" */
  const char *singular; /* "deployment" */
  const char *kind;     /* "Deployment" */
  const char *const *short_names;
  size_t short_name_count;
  const char *const *categories;
  size_t category_count;
  bool namespaced;
  bool preferred; /* version preferred by the server in this group */
  unsigned verbs; /* enum km_verb bits */
};

enum km_verb {
  KM_VERB_GET = 1,
  KM_VERB_LIST = 2,
  KM_VERB_WATCH = 4,
  KM_VERB_CREATE = 8,
  KM_VERB_UPDATE = 16,
  KM_VERB_PATCH = 32,
  KM_VERB_DELETE = 64,
  KM_VERB_DELETE_COLLECTION = 128,
};

/* An immutable snapshot; reference-counted, so that a refresh does not disturb its readers. */
struct km_discovery;
struct km_discovery *km_discovery_ref(struct km_discovery *discovery);
void km_discovery_unref(struct km_discovery *discovery); /* accepts NULL */
const struct km_resource *km_discovery_items(const struct km_discovery *discovery, size_t *ret_count);
/* Groups that could not be listed (a broken aggregated API), as "group/version: why"; NULL-terminated, may be empty. */
const char *const *km_discovery_broken(const struct km_discovery *discovery);

/* The client's snapshot: fetched on first use (aggregated form, else the old one), again after the TTL, single flight.
 * REQUEST supplies deadline, cancel, observer. */
enum km_rc km_client_discovery(struct km_client *client, const struct km_kube_request *request,
                               struct km_discovery **ret, struct km_error *err);

/* Finds the resource that KIND names, as kubectl does: plural, singular, short name or Kind in any case, each optionally
 * with ".group" or ".version.group"; API_VERSION ("apps/v1", "v1", "apps"; NULL = any) narrows. An unknown name
 * refreshes a snapshot older than ten seconds once, then fails naming the nearest kinds. The result is copied into ARENA.
 * Well-known built-in kinds named without discovery data needed (pods, namespaces, ...) are resolved without any request.
 * Errors: KM_E_NOT_FOUND (type NotFound, reason "UnknownKind"), and those of the request. */
enum km_rc km_client_resolve_kind(struct km_client *client, const char *kind, const char *api_version,
                                  const struct km_kube_request *request, struct km_arena *arena,
                                  struct km_resource *ret, struct km_error *err);

/* "/api/v1/namespaces/shop/pods/web-0" (NS or NAME may be NULL), percent-escaped. */
char *km_resource_path(struct km_arena *arena, const struct km_resource *resource, const char *ns,
                       const char *name, const char *subresource);
/* "deployments.apps" / "pods": how kubectl prints it. */
char *km_resource_display(struct km_arena *arena, const struct km_resource *resource);

#endif
