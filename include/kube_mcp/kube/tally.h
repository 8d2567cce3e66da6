/* How often each of a few values occurred: what the rest of a long answer is made of. */
#ifndef KM_KUBE_TALLY_H
#define KM_KUBE_TALLY_H

#include <stddef.h>
#include <stdint.h>

#include "kube_mcp/base/arena.h"
#include "kube_mcp/base/buf.h"

struct km_map;
struct km_tally_item;

/* Zeroed to begin with. Bounded: values that come when it is full are counted together. */
struct km_tally {
  struct km_map *counts; /* of struct km_tally_item; NULL until used */
  struct km_tally_item *first, *last;
  size_t distinct;
  int64_t total;
  int64_t others; /* whose value came when there was no room for another one */
};

/* Counts VALUE (LEN bytes, any text) COUNT times. What it needs is ARENA's, which must be the same each time. */
void km_tally_add(struct km_arena *arena, struct km_tally *tally, const char *value, size_t len,
                  int64_t count);
/* Appends "shop 12, payments 3, others 4": the most frequent first, equals by name. */
void km_tally_put(struct km_arena *arena, const struct km_tally *tally, struct km_buf *out);

#endif
