/* Tallies.
 *
 * Owns, in the caller's arena, one counter per distinct value, at most MAX_DISTINCT; what comes later is counted
 * together. The most frequent TOP are named, ties in alphabetical order so that the same values give the same text. */
#include "kube_mcp/kube/tally.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "kube_mcp/base/map.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/kube/line.h"

#include "kube_mcp/base/banned.h"

#define MAX_DISTINCT    ((size_t)256)
#define TOP             8
#define MAX_VALUE_BYTES ((size_t)253)
#define MAX_COLUMNS     ((size_t)64) /* of a value, as text */

struct km_tally_item {
  struct km_tally_item *next;
  const char *value;
  int64_t count;
};

static void free_map(void *map)
{
  km_map_free(map);
}

/* NULL when VALUE is new and there is no room for another. */
static struct km_tally_item *find_or_add(struct km_arena *arena, struct km_tally *tally, const char *value)
{
  if (tally->counts == NULL) {
    tally->counts = km_map_new(NULL);
    km_arena_defer(arena, free_map, tally->counts);
  }
  struct km_tally_item *item = km_map_get(tally->counts, value);
  if (item != NULL || tally->distinct == MAX_DISTINCT) {
    return item;
  }
  item = KM_ARENA_NEW(arena, struct km_tally_item);
  item->value = km_arena_strdup(arena, value);
  km_map_put(tally->counts, value, item);
  *(tally->last != NULL ? &tally->last->next : &tally->first) = item;
  tally->last = item;
  tally->distinct++;
  return item;
}

void km_tally_add(struct km_arena *arena, struct km_tally *tally, const char *value, size_t len,
                  int64_t count)
{
  char key[MAX_VALUE_BYTES + 1];
  size_t kept = km_utf8_prefix(value, len, MAX_VALUE_BYTES);
  memcpy(key, value, kept);
  key[kept] = '\0';
  struct km_tally_item *item = find_or_add(arena, tally, kept > 0 ? key : "<none>");
  tally->total += count;
  if (item != NULL) {
    item->count += count;
  } else {
    tally->others += count;
  }
}

/* For qsort: the most frequent first, equals by name. */
static int by_count(const void *a, const void *b)
{
  const struct km_tally_item *x = *(const struct km_tally_item *const *)a;
  const struct km_tally_item *y = *(const struct km_tally_item *const *)b;
  if (x->count != y->count) {
    return x->count > y->count ? -1 : 1;
  }
  return strcmp(x->value, y->value);
}

void km_tally_put(struct km_arena *arena, const struct km_tally *tally, struct km_buf *out)
{
  const struct km_tally_item **items = KM_ARENA_ARRAY(arena, const struct km_tally_item *, tally->distinct);
  size_t count = 0;
  for (const struct km_tally_item *item = tally->first; item != NULL; item = item->next) {
    items[count++] = item;
  }
  qsort(items, count, sizeof(items[0]), by_count);
  int64_t others = tally->others;
  for (size_t i = 0; i < count; i++) {
    if (i < TOP) {
      km_buf_puts(out, i > 0 ? ", " : "");
      km_put_line(out, items[i]->value, strlen(items[i]->value), MAX_COLUMNS);
      km_buf_printf(out, " %" PRId64, items[i]->count);
    } else {
      others += items[i]->count;
    }
  }
  if (others > 0) {
    km_buf_printf(out, ", others %" PRId64, others);
  }
}
