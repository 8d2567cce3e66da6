/* Kubeconfig files as structs: one file read, several merged. Private to providers/kubeconfig and its tests. */
#ifndef KM_PROVIDERS_KUBECONFIG_H
#define KM_PROVIDERS_KUBECONFIG_H

#include <stdatomic.h>

#include "../entries.h"
#include "kube_mcp/base/map.h"

#define KM_KUBECONFIG_MAX_BYTES ((size_t)16 * 1024 * 1024)

struct km_kubeconfig_context {
  const char *name;
  const char *label;   /* "context 'prod' (/home/me/.kube/config:23)" */
  const char *cluster; /* as written, NULL if absent */
  const char *user;
  const char *namespace;
  struct km_entry_pair pair; /* set by the merge */
};

/* One file. Lists are in the order of the file; entries without a name are left out, since nothing can name them. */
struct km_kubeconfig_file {
  const char *path; /* absolute */
  struct km_cluster_entry *clusters;
  size_t cluster_count;
  struct km_user_entry *users;
  size_t user_count;
  struct km_kubeconfig_context *contexts;
  size_t context_count;
  const char *current_context; /* NULL if none */
};

/* Parses TEXT, the content of PATH, and leaves nothing of it behind but the structs. RET must itself live in ARENA,
 * which owns all that is read and wipes the secrets when it is freed, also after an error.
 * Errors: KM_E_INVALID with KM_TYPE_INVALID_KUBECONFIG and PATH:line. */
enum km_rc km_kubeconfig_parse(struct km_arena *arena, const char *path, const char *text, size_t len,
                               struct km_kubeconfig_file *ret, struct km_error *err);

/* The line of each of the COUNT items of the top-level list KEY of a file, or NULL where that cannot be told. */
const uint32_t *km_kubeconfig_item_lines(struct km_arena *arena, const char *text, size_t len,
                                         const char *key, size_t count);

/* What several files say together. Immutable and shared: the last reference frees it with its arena. */
struct km_kubeconfig {
  atomic_uint references;
  struct km_arena *arena;
  struct km_kubeconfig_context **contexts; /* in the order of the files */
  size_t context_count;
  struct km_map *by_name;      /* of the same */
  const char *current_context; /* NULL if none */
};

/* Merges as kubectl does: the first file that has an entry supplies all of it. Never fails: a context that names what
 * does not exist has a problem. Takes ARENA, in which FILES live, over. */
struct km_kubeconfig *km_kubeconfig_merge(struct km_arena *arena, struct km_kubeconfig_file *const *files,
                                          size_t count);
struct km_kubeconfig *km_kubeconfig_ref(struct km_kubeconfig *config);
void km_kubeconfig_unref(struct km_kubeconfig *config); /* accepts NULL */

#endif
