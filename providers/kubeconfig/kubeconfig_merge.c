/* Several kubeconfig files become one: kubectl's merge rules.
 *
 * Owns struct km_kubeconfig from the merge to the last unref; it is immutable in between, so only the reference count
 * is shared between threads. An entry comes whole from the first file that has its name; nothing is mixed from two.
 * A context's cluster and user are looked up after the merge, so they may come from other files than the context.
 * What a context names in vain is replaced by an entry that says so. Lookups are by hash: linear in the entries. */
#include "kubeconfig.h"

#include "kube_mcp/base/banned.h"

/* Entries by name while merging. */
struct catalogue {
  struct km_map *clusters, *users;
};

/* The first file to have NAME keeps it. */
static void add_first(struct km_map *map, const char *name, void *entry)
{
  if (km_map_get(map, name) == NULL) {
    km_map_put(map, name, entry);
  }
}

static struct km_entry_problem not_defined(struct km_arena *arena,
                                           const struct km_kubeconfig_context *context, const char *kind,
                                           const char *name)
{
  return (struct km_entry_problem){
      .text =
          km_arena_printf(arena, "%s names the %s '%s', which is not defined", context->label, kind, name)};
}

/* Never NULL: what cannot be found is stood in for by an entry whose problem says so. */
static const struct km_cluster_entry *find_cluster(struct km_arena *arena, const struct catalogue *catalogue,
                                                   const struct km_kubeconfig_context *context)
{
  struct km_cluster_entry *found =
      context->cluster != NULL ? km_map_get(catalogue->clusters, context->cluster) : NULL;
  if (found != NULL) {
    return found;
  }
  struct km_cluster_entry *missing = KM_ARENA_NEW(arena, struct km_cluster_entry);
  *missing = (struct km_cluster_entry){.name = "", .label = context->label, .server = ""};
  if (context->cluster != NULL) {
    missing->name = context->cluster;
    missing->problem = not_defined(arena, context, "cluster", context->cluster);
  } else {
    missing->problem.text = km_arena_printf(arena, "%s names no cluster", context->label);
  }
  return missing;
}

/* NULL when the context names no user: it is used anonymously. */
static const struct km_user_entry *find_user(struct km_arena *arena, const struct catalogue *catalogue,
                                             const struct km_kubeconfig_context *context)
{
  if (context->user == NULL) {
    return NULL;
  }
  struct km_user_entry *found = km_map_get(catalogue->users, context->user);
  if (found != NULL) {
    return found;
  }
  struct km_user_entry *missing = KM_ARENA_NEW(arena, struct km_user_entry);
  *missing = (struct km_user_entry){
      .name = context->user,
      .label = context->label,
      .problem = not_defined(arena, context, "user", context->user),
  };
  return missing;
}

/* Only after all files are in, since any of them may define what CONTEXT names. */
static void link_context(struct km_arena *arena, const struct catalogue *catalogue,
                         struct km_kubeconfig_context *context)
{
  context->pair = (struct km_entry_pair){
      .context = context->name,
      .namespace = context->namespace,
      .cluster = find_cluster(arena, catalogue, context),
      .user = find_user(arena, catalogue, context),
      .error_type = KM_TYPE_INVALID_KUBECONFIG,
  };
}

/* Entries that lose are prepared for nothing, which costs less than to tell them apart. */
static void collect_file(struct catalogue *catalogue, struct km_kubeconfig *config,
                         struct km_kubeconfig_file *file)
{
  for (size_t i = 0; i < file->cluster_count; i++) {
    km_cluster_entry_prepare(&file->clusters[i], config->arena);
    add_first(catalogue->clusters, file->clusters[i].name, &file->clusters[i]);
  }
  for (size_t i = 0; i < file->user_count; i++) {
    km_user_entry_prepare(&file->users[i], config->arena);
    add_first(catalogue->users, file->users[i].name, &file->users[i]);
  }
  for (size_t i = 0; i < file->context_count; i++) {
    add_first(config->by_name, file->contexts[i].name, &file->contexts[i]);
  }
  if (config->current_context == NULL) {
    config->current_context = file->current_context;
  }
}

/* Collects the contexts in the order of the map, which is that of the files. */
static bool collect_context(const char *name KM_UNUSED, void *context, void *data)
{
  struct km_kubeconfig *config = data;
  config->contexts[config->context_count++] = context;
  return true;
}

struct km_kubeconfig *km_kubeconfig_merge(struct km_arena *arena, struct km_kubeconfig_file *const *files,
                                          size_t count)
{
  struct km_kubeconfig *config = KM_ARENA_NEW(arena, struct km_kubeconfig);
  atomic_init(&config->references, 1);
  config->arena = arena;
  config->by_name = km_map_new(NULL);
  struct catalogue catalogue = {.clusters = km_map_new(NULL), .users = km_map_new(NULL)};
  for (size_t i = 0; i < count; i++) {
    collect_file(&catalogue, config, files[i]);
  }
  config->contexts = KM_ARENA_ARRAY(arena, struct km_kubeconfig_context *, km_map_count(config->by_name));
  km_map_each(config->by_name, collect_context, config);
  for (size_t i = 0; i < config->context_count; i++) {
    link_context(arena, &catalogue, config->contexts[i]);
  }
  km_map_free(catalogue.clusters);
  km_map_free(catalogue.users);
  return config;
}

struct km_kubeconfig *km_kubeconfig_ref(struct km_kubeconfig *config)
{
  atomic_fetch_add_explicit(&config->references, 1, memory_order_relaxed);
  return config;
}

void km_kubeconfig_unref(struct km_kubeconfig *config)
{
  if (config == NULL || atomic_fetch_sub_explicit(&config->references, 1, memory_order_acq_rel) > 1) {
    return;
  }
  km_map_free(config->by_name);
  km_arena_free(config->arena);
}
