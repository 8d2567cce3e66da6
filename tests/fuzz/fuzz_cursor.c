/* What a cursor carries, as if its seal had been forged: it is a place or it is refused, and a place can be used. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "../../src/tools/cursor.h"

#include "kube_mcp/base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct km_arena *arena = km_arena_new((size_t)1024 * 1024);
  struct place place;
  if (place_read(arena, data, size, &place)) {
    KM_ASSERT(place.skip >= 0 && place.before >= 0);
    KM_ASSERT(place.token != NULL && place.resource_version != NULL && place.ns != NULL);
    if (place.after != NULL) {
      KM_ASSERT(row_compare(place.after, place.after, false) == 0);
    }
  }
  km_arena_free(arena);
  return 0;
}
