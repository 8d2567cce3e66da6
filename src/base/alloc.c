/* Small allocations that cannot fail, and the end of the process when one of our own invariants is broken.
 *
 * Owns nothing. A server that cannot get a few hundred bytes cannot report that either, so running out of memory is
 * treated like a broken invariant: say where, then abort. Everything a peer can make large goes through km_arena and
 * km_buf instead, which have bounds. Thread-safe. */
#include "kube_mcp/base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kube_mcp/base/banned.h"

void *km_alloc(size_t size)
{
  void *memory = calloc(1, size > 0 ? size : 1);
  KM_ASSERT(memory != NULL);
  return memory;
}

char *km_strdup(const char *text)
{
  if (text == NULL) {
    return NULL;
  }
  size_t size = strlen(text) + 1;
  char *copy = km_alloc(size);
  memcpy(copy, text, size);
  return copy;
}

void km_assert_failed(const char *condition, const char *file, int line)
{
  dprintf(STDERR_FILENO, "kube-mcp: %s:%d: assertion failed: %s\n", file, line, condition);
  abort();
}
