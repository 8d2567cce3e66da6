/* Where a listing that was cut goes on. */
#ifndef KM_TOOLS_CURSOR_H
#define KM_TOOLS_CURSOR_H

#include "common.h"
#include "rows.h"

struct place {
  const char *token;            /* page token, "" = first page */
  const char *resource_version; /* of the first page, "" = any */
  const char *ns;               /* the namespace that a listing of all was narrowed to, "" = it was not */
  int64_t skip;                 /* rows behind the token that earlier answers dealt with */
  int64_t before;               /* rows that earlier answers dealt with, all in all */
  const struct row *after; /* sorted listings: the last of them, by key, namespace and name; NULL = none */
};

/* The place that the cursor of LISTING names; the beginning when it has none. A cursor belongs to its query: the same rows in
 * the same order, from the same cluster as the same identity. Errors: ValidationError for one that this server did not issue
 * for it, or that has expired. */
enum km_rc cursor_read(struct km_call *call, const struct target *target, const struct listing *listing,
                       struct place *ret, struct km_error *err);
/* Reads what a cursor carries, once its seal is checked; false when that is no place. */
bool place_read(struct km_arena *arena, const uint8_t *payload, size_t len, struct place *ret);
/* At most CURSOR_MAX_BYTES of text; NULL when the server's own page token, or the key that a row is sorted by, is too long for
 * that. */
#define CURSOR_MAX_BYTES ((size_t)1000)
const char *cursor_write(struct km_call *call, const struct target *target, const struct listing *listing,
                         const struct place *place);

#endif
