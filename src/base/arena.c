/* The per-call arena: bump allocation out of a chain of chunks.
 *
 * Owns its chunks and the list of deferred callbacks (whose nodes live in the chunks). Chunks start at 4 KiB, in
 * which the arena itself lives too, so a small call costs one malloc; each further chunk is twice as large up to
 * 4 MiB. A request larger than a quarter of the next chunk gets a chunk of its own and leaves the current one in
 * use. Memory comes zeroed from calloc and is handed out once, so nothing is cleared twice and large chunks arrive
 * as untouched pages. Under AddressSanitizer the unused part of every chunk is poisoned and each object is followed
 * by a poisoned gap. One thread at a time; the owner synchronises. */
#include "kube_mcp/base/arena.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef KM_ASAN
#include <sanitizer/asan_interface.h>
#endif

#include "kube_mcp/base/banned.h"

#define ALIGNMENT alignof(max_align_t)
/* Sizes include malloc's own header, so that a chunk does not spill into one more page. */
#define MALLOC_HEADER     ((size_t)16)
#define FIRST_CHUNK_BYTES ((size_t)4096)
#define MAX_CHUNK_BYTES   ((size_t)4 * 1024 * 1024)

#ifdef KM_ASAN
#define GAP_BYTES ALIGNMENT
#else
#define GAP_BYTES                                  ((size_t)0)
#define ASAN_POISON_MEMORY_REGION(address, size)   ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

struct chunk {
  struct chunk *next;
  size_t capacity; /* of the bytes behind this header */
  size_t filled;
  alignas(max_align_t) char bytes[];
};

struct deferred {
  struct deferred *next;
  void (*fn)(void *data);
  void *data;
};

struct km_arena {
  struct chunk *current;     /* the first of the chain; full ones and big requests follow it */
  struct deferred *deferred; /* the newest first */
  size_t next_chunk_bytes;
  size_t used; /* as asked for, without rounding and headers */
  size_t max;
};

/* SIZE is far from overflowing: see take(). */
static size_t align_up(size_t size)
{
  return (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
}

/* NULL without memory. */
static struct chunk *chunk_new(size_t capacity)
{
  struct chunk *chunk = calloc(1, sizeof(*chunk) + capacity);
  if (chunk != NULL) {
    chunk->capacity = capacity;
    ASAN_POISON_MEMORY_REGION(chunk->bytes, capacity);
  }
  return chunk;
}

/* Unpoisons first: free() looks at the whole block. */
static void chunk_free(struct chunk *chunk)
{
  ASAN_UNPOISON_MEMORY_REGION(chunk->bytes, chunk->capacity);
  free(chunk);
}

/* NULL if SIZE, rounded up, does not fit behind what CHUNK already holds. */
static void *chunk_take(struct chunk *chunk, size_t size)
{
  size_t rounded = align_up(size) + GAP_BYTES;
  if (rounded > chunk->capacity - chunk->filled) {
    return NULL;
  }
  char *memory = chunk->bytes + chunk->filled;
  chunk->filled += rounded;
  ASAN_UNPOISON_MEMORY_REGION(memory, size);
  return memory;
}

/* The next regular chunk becomes current. False without memory. */
static bool push_regular_chunk(struct km_arena *arena)
{
  struct chunk *chunk = chunk_new(arena->next_chunk_bytes - MALLOC_HEADER - sizeof(*chunk));
  if (chunk == NULL) {
    return false;
  }
  chunk->next = arena->current;
  arena->current = chunk;
  if (arena->next_chunk_bytes < MAX_CHUNK_BYTES) {
    arena->next_chunk_bytes *= 2;
  }
  return true;
}

/* A chunk that holds just this request, behind the current one. */
static void *take_own_chunk(struct km_arena *arena, size_t size)
{
  struct chunk *chunk = chunk_new(align_up(size) + GAP_BYTES);
  if (chunk == NULL) {
    return NULL;
  }
  chunk->next = arena->current->next;
  arena->current->next = chunk;
  return chunk_take(chunk, size);
}

/* NULL without memory, or when SIZE is beyond what any object can have. */
static void *take(struct km_arena *arena, size_t size)
{
  if (size > PTRDIFF_MAX - FIRST_CHUNK_BYTES) {
    return NULL;
  }
  size = size > 0 ? size : 1;
  void *memory = chunk_take(arena->current, size);
  if (memory == NULL) {
    if (size > arena->next_chunk_bytes / 4) {
      memory = take_own_chunk(arena, size);
    } else if (push_regular_chunk(arena)) {
      memory = chunk_take(arena->current, size);
    }
  }
  if (memory != NULL) {
    arena->used += size;
  }
  return memory;
}

struct km_arena *km_arena_new(size_t max_bytes)
{
  struct chunk *chunk = chunk_new(FIRST_CHUNK_BYTES - MALLOC_HEADER - sizeof(*chunk));
  KM_ASSERT(chunk != NULL);
  struct km_arena *arena = chunk_take(chunk, sizeof(*arena));
  KM_ASSERT(arena != NULL);
  arena->current = chunk;
  arena->next_chunk_bytes = 2 * FIRST_CHUNK_BYTES;
  arena->max = max_bytes;
  return arena;
}

void km_arena_free(struct km_arena *arena)
{
  if (arena == NULL) {
    return;
  }
  /* A callback may still allocate and even defer, so the list is re-read each time. */
  while (arena->deferred != NULL) {
    struct deferred *entry = arena->deferred;
    arena->deferred = entry->next;
    entry->fn(entry->data);
  }
  /* The arena lies in the oldest chunk; nothing of it is read once that may be gone. */
  struct chunk *chunk = arena->current;
  while (chunk != NULL) {
    struct chunk *next = chunk->next;
    chunk_free(chunk);
    chunk = next;
  }
}

void km_arena_freep(struct km_arena **arena)
{
  km_arena_free(*arena);
  *arena = NULL;
}

void *km_arena_alloc(struct km_arena *arena, size_t size)
{
  void *memory = take(arena, size);
  KM_ASSERT(memory != NULL);
  return memory;
}

void *km_arena_try_alloc(struct km_arena *arena, size_t size)
{
  if (arena->used > arena->max || size > arena->max - arena->used) {
    return NULL;
  }
  return take(arena, size);
}

char *km_arena_strdup(struct km_arena *arena, const char *text)
{
  return text != NULL ? km_arena_strndup(arena, text, strlen(text)) : NULL;
}

char *km_arena_strndup(struct km_arena *arena, const char *text, size_t len)
{
  char *copy = km_arena_alloc(arena, len + 1);
  if (len > 0) {
    memcpy(copy, text, len);
  }
  return copy;
}

char *km_arena_printf(struct km_arena *arena, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  char *text = km_arena_vprintf(arena, format, args);
  va_end(args);
  return text;
}

char *km_arena_vprintf(struct km_arena *arena, const char *format, va_list args)
{
  /* Most texts are short: formatted once and copied, instead of measured and formatted again. */
  va_list again;
  va_copy(again, args);
  char small[256];
  int len = vsnprintf(small, sizeof(small), format, args);
  KM_ASSERT(len >= 0);
  char *text = km_arena_alloc(arena, (size_t)len + 1);
  if ((size_t)len < sizeof(small)) {
    memcpy(text, small, (size_t)len + 1);
  } else {
    (void)vsnprintf(text, (size_t)len + 1, format, again);
  }
  va_end(again);
  return text;
}

void km_arena_defer(struct km_arena *arena, void (*fn)(void *data), void *data)
{
  struct deferred *entry = KM_ARENA_NEW(arena, struct deferred);
  *entry = (struct deferred){.next = arena->deferred, .fn = fn, .data = data};
  arena->deferred = entry;
}

size_t km_arena_used(const struct km_arena *arena)
{
  return arena->used;
}
