/* How often each of a few values occurred. */
#ifndef KM_TOOLS_TALLY_H
#define KM_TOOLS_TALLY_H

#include <stdint.h>

#include "kube_mcp/base/arena.h"
#include "kube_mcp/base/buf.h"
#include "kube_mcp/base/map.h"

/* Zeroed to begin with. Bounded: values that come when it is full are counted together. */
struct tally {
  struct km_map *counts; /* NULL until used */
  int64_t others;
};

void tally_done(struct tally *tally);
void tally_add(struct tally *tally, const char *value, int64_t count);
/* Appends "FailedScheduling 12, BackOff 3, others 4": the most frequent first, equals by name. */
void tally_put(const struct tally *tally, struct km_arena *arena, struct km_buf *out);

#endif
