/* Per-call memory: everything allocated together is freed together.
 * An arena belongs to one thread at a time. Allocation beyond the byte cap returns NULL only from the km_arena_try_*
 * functions; the plain ones are for small, bounded sizes and abort the process when memory runs out. */
#ifndef KM_BASE_ARENA_H
#define KM_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

#include "kube_mcp/base/compiler.h"

struct km_arena;

/* MAX_BYTES bounds what km_arena_try_alloc may hand out in total. */
struct km_arena *km_arena_new(size_t max_bytes);
/* Runs the deferred callbacks in reverse order, then frees everything. Accepts NULL. */
void km_arena_free(struct km_arena *arena);
void km_arena_freep(struct km_arena **arena);

/* Zeroed, aligned for any type; never NULL. For sizes we chose ourselves. */
void *km_arena_alloc(struct km_arena *arena, size_t size);
/* As above for sizes a peer can influence; NULL when the cap would be exceeded. */
void *km_arena_try_alloc(struct km_arena *arena, size_t size) KM_MUST_USE;
char *km_arena_strdup(struct km_arena *arena, const char *text); /* NULL gives NULL */
char *km_arena_strndup(struct km_arena *arena, const char *text, size_t len);
char *km_arena_printf(struct km_arena *arena, const char *format, ...) KM_PRINTF(2, 3);
char *km_arena_vprintf(struct km_arena *arena, const char *format, va_list args) KM_PRINTF(2, 0);
/* Calls FN(DATA) when the arena is freed. */
void km_arena_defer(struct km_arena *arena, void (*fn)(void *data), void *data);
/* Bytes handed out so far. */
size_t km_arena_used(const struct km_arena *arena);

#define KM_ARENA_NEW(arena, type)      ((type *)km_arena_alloc((arena), sizeof(type)))
#define KM_ARENA_ARRAY(arena, type, n) ((type *)km_arena_alloc((arena), sizeof(type) * (n)))

#endif
