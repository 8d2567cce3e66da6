/* Members of a mapping: duplicate keys and merges.
 *
 * Keys are compared by bytes. Equal keys are brought together by sorting an index, so a mapping of n keys
 * costs n log n whatever the keys are: no hash whose collisions a peer could choose, and no quadratic scan.
 * Owns the item array; keys and values belong to their document. */
#include "yaml_members.h"

#include <stdlib.h>
#include <string.h>

#include "kube_mcp/base/compiler.h"

#include "kube_mcp/base/banned.h"

#define FIRST_CAPACITY 16

bool km_yaml_members_add(struct km_yaml_members *members, struct km_yaml_member member)
{
  if (members->count == members->capacity) {
    size_t capacity = members->capacity == 0 ? FIRST_CAPACITY : members->capacity * 2;
    struct km_yaml_member *items = reallocarray(members->items, capacity, sizeof(*items));
    if (items == NULL) {
      return false;
    }
    members->items = items;
    members->capacity = capacity;
  }
  members->items[members->count++] = member;
  return true;
}

void km_yaml_members_done(struct km_yaml_members *members)
{
  free(members->items);
  *members = (struct km_yaml_members){0};
}

/* Any total order will do; comparing lengths first is the cheapest. */
static int compare_keys(yyjson_mut_val *a, yyjson_mut_val *b)
{
  size_t len_a = yyjson_mut_get_len(a);
  size_t len_b = yyjson_mut_get_len(b);
  if (len_a != len_b) {
    return len_a < len_b ? -1 : 1;
  }
  const char *text_a = yyjson_mut_get_str(a);
  const char *text_b = yyjson_mut_get_str(b);
  KM_ASSERT(text_a != NULL && text_b != NULL);
  return memcmp(text_a, text_b, len_a);
}

/* Orders pointers into one item array by key, equal keys by their place in it. */
static int compare_members(const void *a, const void *b)
{
  const struct km_yaml_member *const *member_a = a;
  const struct km_yaml_member *const *member_b = b;
  int order = compare_keys((*member_a)->key, (*member_b)->key);
  return order != 0 ? order : *member_a < *member_b ? -1 : 1;
}

/* Settles the COUNT members, in order, that have the key of SORTED[0]. Those that lose get a NULL key. */
static const struct km_yaml_member *settle_group(struct km_yaml_member *const *sorted, size_t count)
{
  const struct km_yaml_member *written = NULL;
  for (size_t i = 0; i < count; i++) {
    if (!sorted[i]->merged) {
      if (written != NULL) {
        return sorted[i];
      }
      written = sorted[i];
    }
  }
  sorted[0]->value = sorted[count - 1]->value;
  for (size_t i = 1; i < count; i++) {
    sorted[i]->key = NULL;
  }
  return NULL;
}

static void drop_losers(struct km_yaml_members *members)
{
  size_t kept = 0;
  for (size_t i = 0; i < members->count; i++) {
    if (members->items[i].key != NULL) {
      members->items[kept++] = members->items[i];
    }
  }
  members->count = kept;
}

/* Walks the runs of equal keys; returns the first duplicate found, or NULL. */
static const struct km_yaml_member *settle_sorted(struct km_yaml_member **sorted, size_t count)
{
  for (size_t first = 0; first < count;) {
    size_t end = first + 1;
    while (end < count && compare_keys(sorted[first]->key, sorted[end]->key) == 0) {
      end++;
    }
    const struct km_yaml_member *duplicate = settle_group(sorted + first, end - first);
    if (duplicate != NULL) {
      return duplicate;
    }
    first = end;
  }
  return NULL;
}

/* The items keep their order: only pointers to them are sorted. */
enum km_yaml_settled km_yaml_members_settle(struct km_yaml_members *members,
                                            const struct km_yaml_member **ret_duplicate)
{
  if (members->count < 2) {
    return KM_YAML_SETTLED;
  }
  struct km_yaml_member **sorted = reallocarray(NULL, members->count, sizeof(struct km_yaml_member *));
  if (sorted == NULL) {
    return KM_YAML_NO_MEMORY;
  }
  for (size_t i = 0; i < members->count; i++) {
    sorted[i] = &members->items[i];
  }
  qsort(sorted, members->count, sizeof(struct km_yaml_member *), compare_members);
  const struct km_yaml_member *duplicate = settle_sorted(sorted, members->count);
  free(sorted);
  if (duplicate != NULL) {
    *ret_duplicate = duplicate;
    return KM_YAML_DUPLICATE;
  }
  drop_losers(members);
  return KM_YAML_SETTLED;
}

yyjson_mut_val *km_yaml_members_object(const struct km_yaml_members *members, yyjson_mut_doc *doc)
{
  yyjson_mut_val *object = yyjson_mut_obj(doc);
  if (object == NULL) {
    return NULL;
  }
  for (size_t i = 0; i < members->count; i++) {
    yyjson_mut_obj_add(object, members->items[i].key, members->items[i].value);
  }
  return object;
}
