/* Resolving the name of a kind, as kubectl does, against a discovery snapshot.
 *
 * Owns nothing; works on snapshots. kubectl's rules, from client-go's RESTMapper and shortcut expander: a name is first
 * a plural or singular, then a short name, then a kind; "name.group" takes the exact group or, failing that, one that
 * begins so ("storageclass.storage"); core comes first, then groups in the server's order with their preferred version
 * first, which is the order of the snapshot. One step is more lenient: case never matters. */
#include "kinds.h"

#include <ctype.h>
#include <string.h>

#include "discovery_snapshot.h"
#include "internal.h"
#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

#define STALE_AFTER_NS  (10 * KM_NS_PER_S)
#define MAX_KIND_BYTES  ((size_t)512)
#define MAX_SUGGESTIONS 3
#define NO_MATCH        INT32_MAX

/* -- matching ----------------------------------------------------------------------------------------------------- */

static bool has_short_name(const struct km_resource *item, const char *name)
{
  for (size_t i = 0; i < item->short_name_count; i++) {
    if (km_strcaseeq(name, item->short_names[i])) {
      return true;
    }
  }
  return false;
}

/* How well ITEM answers QUERY, the lower the better. */
static int rank(const struct km_resource *item, const struct km_kind_query *query)
{
  bool exact_group = query->group == NULL || km_streq(query->group, item->group);
  bool prefix_group = !exact_group && query->group[0] != '\0' && km_starts_with(item->group, query->group);
  if ((!exact_group && !prefix_group) ||
      (query->version != NULL && !km_streq(query->version, item->version))) {
    return NO_MATCH;
  }
  int penalty = prefix_group ? 1 : 0;
  if (km_strcaseeq(query->name, item->plural) || km_strcaseeq(query->name, item->singular)) {
    return penalty;
  }
  if (has_short_name(item, query->name)) {
    return 2 + penalty;
  }
  return km_strcaseeq(query->name, item->kind) ? 4 + penalty : NO_MATCH;
}

const struct km_resource *km_kind_find(const struct km_resource *items, size_t count,
                                       const struct km_kind_query *query)
{
  const struct km_resource *best = NULL;
  int best_rank = NO_MATCH;
  for (size_t i = 0; i < count; i++) {
    int item_rank = rank(&items[i], query);
    if (item_rank < best_rank) {
      best = &items[i];
      best_rank = item_rank;
    }
  }
  return best;
}

/* -- reading ------------------------------------------------------------------------------------------------------ */

/* "v1", "v2beta3", "v1alpha1". */
static bool is_version(const char *text, size_t len)
{
  size_t i = 1;
  if (len < 2 || text[0] != 'v' || !isdigit((unsigned char)text[1])) {
    return false;
  }
  while (i < len && isalnum((unsigned char)text[i])) {
    i++;
  }
  return i == len;
}

/* Narrows QUERY by "group/version", "version" (of the core group) or "group". False when that contradicts it. */
static bool narrow(struct km_arena *arena, struct km_kind_query *query, const char *api_version)
{
  if (km_str_empty(api_version)) {
    return true;
  }
  const char *slash = strchr(api_version, '/');
  const char *group = api_version;
  const char *version = NULL;
  if (slash != NULL) {
    group = km_arena_strndup(arena, api_version, (size_t)(slash - api_version));
    version = slash + 1;
  } else if (is_version(api_version, strlen(api_version))) {
    group = "";
    version = api_version;
  }
  if ((query->group != NULL && !km_streq(query->group, group)) ||
      (query->version != NULL && version != NULL && !km_streq(query->version, version))) {
    return false;
  }
  query->group = group;
  query->version = version != NULL ? version : query->version;
  return true;
}

size_t km_kind_parse(struct km_arena *arena, const char *kind, const char *api_version,
                     struct km_kind_query ret[2])
{
  size_t count = 0;
  const char *dot = strchr(kind, '.');
  const char *second = dot != NULL ? strchr(dot + 1, '.') : NULL;
  const char *name = dot != NULL ? km_arena_strndup(arena, kind, (size_t)(dot - kind)) : kind;
  /* "certificates.cert-manager.io" has two dots as well, but no version between them. */
  if (second != NULL && is_version(dot + 1, (size_t)(second - dot - 1))) {
    const char *version = km_arena_strndup(arena, dot + 1, (size_t)(second - dot - 1));
    ret[count++] = (struct km_kind_query){.name = name, .group = second + 1, .version = version};
  }
  ret[count++] = (struct km_kind_query){.name = name, .group = dot != NULL ? dot + 1 : NULL};
  size_t kept = 0;
  for (size_t i = 0; i < count; i++) {
    struct km_kind_query query = ret[i];
    if (narrow(arena, &query, api_version)) {
      ret[kept++] = query;
    }
  }
  return kept;
}

/* -- what to say when there is nothing ---------------------------------------------------------------------------- */

/* "Deployment (apps/v1)" */
static char *describe(struct km_arena *arena, const struct km_resource *item)
{
  return km_arena_printf(arena, "%s (%s%s%s)", item->kind, item->group, item->group[0] != '\0' ? "/" : "",
                         item->version);
}

/* The names under which resources could have been meant, beside the resources. */
struct candidates {
  const char **names;
  const struct km_resource **owners;
  size_t count;
};

static void add_candidate(struct candidates *list, const char *name, const struct km_resource *owner)
{
  list->names[list->count] = name;
  list->owners[list->count++] = owner;
}

static struct candidates list_candidates(struct km_arena *arena, const struct km_resource *items,
                                         size_t count)
{
  size_t room = 0;
  for (size_t i = 0; i < count; i++) {
    room += 3 + items[i].short_name_count;
  }
  struct candidates list = {.names = KM_ARENA_ARRAY(arena, const char *, room),
                            .owners = KM_ARENA_ARRAY(arena, const struct km_resource *, room)};
  for (size_t i = 0; i < count; i++) {
    if (!items[i].preferred) { /* the same names again */
      continue;
    }
    add_candidate(&list, items[i].plural, &items[i]);
    add_candidate(&list, items[i].singular, &items[i]);
    add_candidate(&list, items[i].kind, &items[i]);
    for (size_t n = 0; n < items[i].short_name_count; n++) {
      add_candidate(&list, items[i].short_names[n], &items[i]);
    }
  }
  return list;
}

/* Takes the resource nearest to NAME out of LIST, with every other one of its kind; NULL when none is near. */
static const struct km_resource *take_nearest(struct candidates *list, const char *name)
{
  const char *nearest = km_nearest(name, list->names, list->count);
  const struct km_resource *owner = NULL;
  for (size_t i = 0; i < list->count && owner == NULL; i++) {
    owner = list->names[i] == nearest ? list->owners[i] : NULL;
  }
  size_t kept = 0;
  for (size_t i = 0; owner != NULL && i < list->count; i++) {
    if (!km_streq(list->owners[i]->kind, owner->kind)) {
      list->names[kept] = list->names[i];
      list->owners[kept++] = list->owners[i];
    }
  }
  list->count = kept;
  return owner;
}

/* "Deployment (apps/v1) or DaemonSet (apps/v1)"; "" when nothing is near. */
static const char *suggest(struct km_arena *arena, const struct km_resource *items, size_t count,
                           const char *name)
{
  struct candidates list = list_candidates(arena, items, count);
  const char *text = "";
  for (int i = 0; i < MAX_SUGGESTIONS; i++) {
    const struct km_resource *item = take_nearest(&list, name);
    if (item == NULL) {
      break;
    }
    text = km_arena_printf(arena, "%s%s%s", text, i > 0 ? " or " : "", describe(arena, item));
  }
  return text;
}

/* The resource that bears the name in some other group or version: most likely the caller guessed the apiVersion. */
static const struct km_resource *find_elsewhere(const struct km_resource *items, size_t count,
                                                const char *kind)
{
  struct km_kind_query query = {.name = kind};
  return km_kind_find(items, count, &query);
}

static enum km_rc unknown_kind(const struct km_client *client, const struct km_discovery *discovery,
                               const char *kind, const char *api_version, struct km_error *err)
{
  KM_CLEANUP(km_arena_freep) struct km_arena *arena = km_arena_new(0);
  size_t count = 0;
  const struct km_resource *items = km_discovery_items(discovery, &count);
  const char *name = km_arena_strndup(arena, kind, strcspn(kind, "."));
  const char *at = km_str_empty(api_version) ? "" : " in ";
  km_error_set(err, KM_E_NOT_FOUND, "context '%s': the cluster serves no kind '%.100s'%s%.100s",
               client->endpoint.context, kind, at, km_str_empty(api_version) ? "" : api_version);
  (void)km_strcopy(err->reason, sizeof(err->reason), "UnknownKind");
  const struct km_resource *elsewhere = find_elsewhere(items, count, name);
  if (elsewhere != NULL) {
    return km_error_hint(err, "it is served as %s", describe(arena, elsewhere));
  }
  const char *nearest = suggest(arena, items, count, name);
  if (nearest[0] != '\0') {
    return km_error_hint(err, "did you mean %s?", nearest);
  }
  const char *const *broken = km_discovery_broken(discovery);
  if (broken[0] != NULL) {
    return km_error_hint(err, "part of the cluster's APIs could not be listed: %s", broken[0]);
  }
  return km_error_hint(
      err, "kinds are named as for kubectl: po, pods, Pod, deployments.apps; custom kinds exist only "
           "where their definition is installed");
}

/* -- resolving ---------------------------------------------------------------------------------------------------- */

/* The first reading of the name that matches anything. */
static const struct km_resource *find_any(const struct km_resource *items, size_t count,
                                          const struct km_kind_query *queries, size_t query_count)
{
  const struct km_resource *found = NULL;
  for (size_t i = 0; i < query_count && found == NULL; i++) {
    found = km_kind_find(items, count, &queries[i]);
  }
  return found;
}

/* The same among what needs no snapshot. */
static const struct km_resource *find_builtin(const struct km_kind_query *queries, size_t query_count)
{
  const struct km_resource *found = NULL;
  for (size_t i = 0; i < query_count && found == NULL; i++) {
    found = km_kind_builtin(&queries[i]);
  }
  return found;
}

/* A resource found must outlive the snapshot that it was found in. */
static const char *const *copy_names(struct km_arena *arena, const char *const *names, size_t count)
{
  const char **copy = KM_ARENA_ARRAY(arena, const char *, count);
  for (size_t i = 0; i < count; i++) {
    copy[i] = km_arena_strdup(arena, names[i]);
  }
  return copy;
}

static struct km_resource copy_resource(struct km_arena *arena, const struct km_resource *from)
{
  struct km_resource copy = *from;
  copy.group = km_arena_strdup(arena, from->group);
  copy.version = km_arena_strdup(arena, from->version);
  copy.plural = km_arena_strdup(arena, from->plural);
  copy.singular = km_arena_strdup(arena, from->singular);
  copy.kind = km_arena_strdup(arena, from->kind);
  copy.short_names = copy_names(arena, from->short_names, from->short_name_count);
  copy.categories = copy_names(arena, from->categories, from->category_count);
  return copy;
}

/* Looks QUERIES up in the snapshot, and once more in a newer one if it was not quite fresh. */
static enum km_rc find_discovered(struct km_client *client, const struct km_kind_query *queries,
                                  size_t query_count, const struct km_kube_request *request,
                                  struct km_discovery **ret_discovery, const struct km_resource **ret,
                                  struct km_error *err)
{
  struct km_discovery *discovery = NULL;
  enum km_rc rc = km_client_discovery(client, request, &discovery, err);
  if (rc != KM_OK) {
    return rc;
  }
  size_t count = 0;
  const struct km_resource *items = km_discovery_items(discovery, &count);
  const struct km_resource *found = find_any(items, count, queries, query_count);
  uint64_t now_ns = km_clock_ns();
  if (found == NULL && now_ns - km_discovery_fetched_ns(discovery) > STALE_AFTER_NS) {
    km_discovery_unref(discovery);
    rc = km_client_discovery_since(client, now_ns, request, &discovery, err);
    if (rc != KM_OK) {
      return rc;
    }
    items = km_discovery_items(discovery, &count);
    found = find_any(items, count, queries, query_count);
  }
  *ret_discovery = discovery;
  *ret = found;
  return KM_OK;
}

enum km_rc km_client_resolve_kind(struct km_client *client, const char *kind, const char *api_version,
                                  const struct km_kube_request *request, struct km_arena *arena,
                                  struct km_resource *ret, struct km_error *err)
{
  if (km_str_empty(kind) || strlen(kind) > MAX_KIND_BYTES) {
    return km_error_set(err, KM_E_INVALID,
                        km_str_empty(kind) ? "no kind was named" : "the name of the kind is too long");
  }
  struct km_kind_query queries[2];
  size_t query_count = km_kind_parse(arena, kind, api_version, queries);
  const struct km_resource *found = find_builtin(queries, query_count);
  if (found != NULL) {
    *ret = copy_resource(arena, found);
    return KM_OK;
  }
  struct km_discovery *discovery = NULL;
  enum km_rc rc = find_discovered(client, queries, query_count, request, &discovery, &found, err);
  if (rc != KM_OK) {
    return rc;
  }
  if (found != NULL) {
    *ret = copy_resource(arena, found);
  } else {
    rc = unknown_kind(client, discovery, kind, api_version, err);
  }
  km_discovery_unref(discovery);
  return rc;
}
