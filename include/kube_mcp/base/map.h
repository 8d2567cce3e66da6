/* A string-keyed hash map with a keyed hash (SipHash, random key per process), so that peers cannot choose
 * collisions. Keys are copied; values are the caller's. Not thread-safe: the owner holds a lock. Iteration is in
 * insertion order. Built on uthash. */
#ifndef KM_BASE_MAP_H
#define KM_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>

struct km_map;

/* FREE_VALUE (may be NULL) is called for values that are replaced, removed or left at km_map_free. */
struct km_map *km_map_new(void (*free_value)(void *value));
void km_map_free(struct km_map *map); /* accepts NULL */
size_t km_map_count(const struct km_map *map);
void *km_map_get(const struct km_map *map, const char *key); /* NULL if absent */
/* Inserts or replaces. */
void km_map_put(struct km_map *map, const char *key, void *value);
bool km_map_remove(struct km_map *map, const char *key);
/* Takes the value out without freeing it; NULL if absent. */
void *km_map_take(struct km_map *map, const char *key);
/* Calls FN for each entry until it returns false. FN may not change the map. */
void km_map_each(const struct km_map *map, bool (*fn)(const char *key, void *value, void *data), void *data);

#endif
