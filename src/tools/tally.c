/* Tallies: what the rest of a long answer is made of.
 *
 * Owns one counter per distinct value, at most MAX_DISTINCT, until tally_done. One thread at a time. */
#include "tally.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "kube_mcp/base/alloc.h"
#include "kube_mcp/kube/line.h"

#include "kube_mcp/base/banned.h"

#define MAX_DISTINCT ((size_t)256)
#define MAX_COLUMNS  ((size_t)64) /* of a value, as text */
#define TOP          ((size_t)8)

struct counter {
  const char *value;
  int64_t count;
};

void tally_done(struct tally *tally)
{
  km_map_free(tally->counts);
  *tally = (struct tally){0};
}

void tally_add(struct tally *tally, const char *value, int64_t count)
{
  if (tally->counts == NULL) {
    tally->counts = km_map_new(free);
  }
  struct counter *counter = km_map_get(tally->counts, value);
  if (counter != NULL) {
    counter->count += count;
  } else if (km_map_count(tally->counts) == MAX_DISTINCT) {
    tally->others += count;
  } else {
    counter = km_alloc(sizeof(*counter));
    *counter = (struct counter){.count = count};
    km_map_put(tally->counts, value, counter);
  }
}

struct counters {
  struct counter *items;
  size_t count;
};

static bool collect(const char *value, void *counter, void *data)
{
  struct counters *counters = data;
  const struct counter *found = counter;
  counters->items[counters->count++] = (struct counter){.value = value, .count = found->count};
  return true;
}

static int by_count(const void *a, const void *b)
{
  const struct counter *x = a, *y = b;
  if (x->count != y->count) {
    return x->count > y->count ? -1 : 1;
  }
  return strcmp(x->value, y->value);
}

void tally_put(const struct tally *tally, struct km_arena *arena, struct km_buf *out)
{
  if (tally->counts == NULL) {
    return;
  }
  struct counters counters = {.items =
                                  KM_ARENA_ARRAY(arena, struct counter, km_map_count(tally->counts) + 1)};
  km_map_each(tally->counts, collect, &counters);
  qsort(counters.items, counters.count, sizeof(counters.items[0]), by_count);
  int64_t others = tally->others;
  for (size_t i = 0; i < counters.count; i++) {
    const struct counter *counter = &counters.items[i];
    if (i < TOP) {
      const char *value = *counter->value != '\0' ? counter->value : "none";
      km_buf_puts(out, i > 0 ? ", " : "");
      km_put_line(out, value, strlen(value), MAX_COLUMNS);
      km_buf_printf(out, " %" PRId64, counter->count);
    } else {
      others += counter->count;
    }
  }
  if (others > 0) {
    km_buf_printf(out, ", others %" PRId64, others);
  }
}
