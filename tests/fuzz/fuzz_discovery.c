/* Fuzzes discovery documents in both forms: whatever comes, the snapshot holds only names that are fit for paths, and
 * its kinds can be looked up. The first byte chooses the form. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/kube/discovery_snapshot.h"
#include "../../src/kube/kinds.h"
#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_document(struct km_arena *arena, struct km_snapshot *snapshot, yyjson_val *root,
                          bool aggregated)
{
  if (aggregated) {
    (void)km_snapshot_add_aggregated(snapshot, root);
    return;
  }
  size_t count = 0;
  const struct km_group_version *versions = km_legacy_versions(arena, root, &count);
  for (size_t i = 0; versions != NULL && i < count; i++) {
    km_snapshot_add_broken(snapshot, versions[i].group, versions[i].version, versions[i].group);
  }
  (void)km_snapshot_add_legacy(snapshot, root, "group.example.com", "v1", true);
}

static void check_name(const char *name)
{
  if (name[0] == '\0' || strpbrk(name, "/%?# \n") != NULL) {
    abort();
  }
}

static void check(struct km_arena *arena, const struct km_discovery *discovery)
{
  size_t count = 0;
  const struct km_resource *items = km_discovery_items(discovery, &count);
  for (size_t i = 0; i < count; i++) {
    check_name(items[i].plural);
    check_name(items[i].singular);
    check_name(items[i].kind);
    check_name(items[i].version);
    struct km_kind_query queries[2];
    char *full = km_arena_printf(arena, "%s.%s.%s", items[i].kind, items[i].version, items[i].group);
    size_t query_count = km_kind_parse(arena, full, NULL, queries);
    for (size_t q = 0; q < query_count; q++) {
      (void)km_kind_find(items, count < 50 ? count : 50, &queries[q]);
    }
    struct km_kind_query by_plural = {
        .name = items[i].plural, .group = items[i].group, .version = items[i].version};
    if (km_kind_find(items, count, &by_plural) == NULL) {
      abort();
    }
    if (i == 50) {
      break; /* looking each of thousands up would only be slow */
    }
  }
  const char *const *broken = km_discovery_broken(discovery);
  for (size_t i = 0; broken[i] != NULL; i++) {
    if (!km_utf8_valid(broken[i], strlen(broken[i]))) {
      abort();
    }
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size < 1) {
    return 0;
  }
  struct km_arena *arena = km_arena_new(SIZE_MAX);
  struct km_snapshot *snapshot = km_snapshot_new();
  yyjson_doc *doc;
  struct km_error err;
  if (km_json_parse(arena, (const char *)data + 1, size - 1, KM_JSON_MAX_DEPTH, &doc, &err) == KM_OK) {
    read_document(arena, snapshot, yyjson_doc_get_root(doc), (data[0] & 1) != 0);
  }
  struct km_discovery *discovery = km_snapshot_finish(snapshot);
  check(arena, discovery);
  km_discovery_unref(discovery);
  km_arena_free(arena);
  return 0;
}
