/* The string-keyed hash map: uthash with a keyed hash.
 *
 * Owns its entries and copies of their keys; values belong to the caller until free_value says otherwise. The hash is
 * SipHash-1-3 (Aumasson and Bernstein) under a key drawn once per process, because keys come from peers and no kept
 * library has a keyed hash that is fast on short strings. uthash grows its own table and chains the entries in the
 * order they were inserted; replacing a value keeps its place. The owner synchronises. */
#include "kube_mcp/base/map.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kube_mcp/base/alloc.h"
#include "kube_mcp/base/crypto.h"

static unsigned keyed_hash(const void *key, size_t len);

#define HASH_FUNCTION(key, len, hash) ((hash) = keyed_hash((key), (len)))
#define uthash_fatal(message)         km_assert_failed((message), __FILE__, __LINE__)
#include <uthash.h>

#include "kube_mcp/base/banned.h"

struct entry {
  UT_hash_handle hh;
  void *value;
  char key[];
};

struct km_map {
  struct entry *entries;
  void (*free_value)(void *value);
};

/* Drawn when the first map gets its first key; the same for all maps of the process. */
static uint64_t hash_key[2];

static void make_hash_key(void)
{
  km_random(hash_key, sizeof(hash_key));
}

static uint64_t rotate_left(uint64_t value, int bits)
{
  return value << bits | value >> (64 - bits);
}

/* SipHash's permutation, and how a word enters it: one round each. */
static void sip_round(uint64_t v[4])
{
  v[0] += v[1];
  v[2] += v[3];
  v[1] = rotate_left(v[1], 13) ^ v[0];
  v[3] = rotate_left(v[3], 16) ^ v[2];
  v[0] = rotate_left(v[0], 32);
  v[2] += v[1];
  v[0] += v[3];
  v[1] = rotate_left(v[1], 17) ^ v[2];
  v[3] = rotate_left(v[3], 21) ^ v[0];
  v[2] = rotate_left(v[2], 32);
}

static void sip_compress(uint64_t v[4], uint64_t word)
{
  v[3] ^= word;
  sip_round(v);
  v[0] ^= word;
}

/* Up to 8 bytes, the first one lowest, whatever the byte order of the machine. */
static uint64_t load_word(const uint8_t *bytes, size_t len)
{
  uint64_t word = 0;
  for (size_t i = 0; i < len; i++) {
    word |= (uint64_t)bytes[i] << (8 * i);
  }
  return word;
}

/* One round per word, three at the end; the last word carries the length. */
static uint64_t siphash13(const uint64_t key[2], const void *data, size_t len)
{
  uint64_t v[4] = {key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
                   key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
  const uint8_t *bytes = data;
  size_t i = 0;
  for (; i + 8 <= len; i += 8) {
    sip_compress(v, load_word(bytes + i, 8));
  }
  sip_compress(v, load_word(bytes + i, len - i) | (uint64_t)len << 56);
  v[2] ^= 0xFF;
  sip_round(v);
  sip_round(v);
  sip_round(v);
  return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static unsigned keyed_hash(const void *key, size_t len)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, make_hash_key);
  uint64_t hash = siphash13(hash_key, key, len);
  return (unsigned)(hash ^ hash >> 32); /* uthash takes 32 bits */
}

/* NULL if KEY is absent. */
static struct entry *find(const struct km_map *map, const char *key)
{
  struct entry *entry = NULL;
  HASH_FIND(hh, map->entries, key, strlen(key), entry);
  return entry;
}

/* Takes ENTRY out of the map and frees it, but not its value. */
static void drop(struct km_map *map, struct entry *entry)
{
  HASH_DEL(map->entries, entry);
  free(entry);
}

/* Runs only after the map is consistent again: the callback may look at it. */
static void free_value(const struct km_map *map, void *value)
{
  if (map->free_value != NULL && value != NULL) {
    map->free_value(value);
  }
}

struct km_map *km_map_new(void (*free_value_fn)(void *value))
{
  struct km_map *map = KM_NEW(struct km_map);
  map->free_value = free_value_fn;
  return map;
}

void km_map_free(struct km_map *map)
{
  if (map == NULL) {
    return;
  }
  struct entry *entry = NULL;
  struct entry *next = NULL;
  HASH_ITER(hh, map->entries, entry, next)
  {
    void *value = entry->value;
    drop(map, entry);
    free_value(map, value);
  }
  free(map);
}

size_t km_map_count(const struct km_map *map)
{
  return HASH_COUNT(map->entries);
}

void *km_map_get(const struct km_map *map, const char *key)
{
  struct entry *entry = find(map, key);
  return entry != NULL ? entry->value : NULL;
}

void km_map_put(struct km_map *map, const char *key, void *value)
{
  struct entry *entry = find(map, key);
  if (entry != NULL) {
    /* Putting the value that is there already must not free it. */
    void *old = entry->value;
    entry->value = value;
    if (old != value) {
      free_value(map, old);
    }
    return;
  }
  size_t len = strlen(key);
  entry = km_alloc(sizeof(*entry) + len + 1);
  memcpy(entry->key, key, len + 1);
  entry->value = value;
  HASH_ADD_KEYPTR(hh, map->entries, entry->key, len, entry);
}

bool km_map_remove(struct km_map *map, const char *key)
{
  struct entry *entry = find(map, key);
  if (entry == NULL) {
    return false;
  }
  void *value = entry->value;
  drop(map, entry);
  free_value(map, value);
  return true;
}

void *km_map_take(struct km_map *map, const char *key)
{
  struct entry *entry = find(map, key);
  if (entry == NULL) {
    return NULL;
  }
  void *value = entry->value;
  drop(map, entry);
  return value;
}

void km_map_each(const struct km_map *map, bool (*fn)(const char *key, void *value, void *data), void *data)
{
  for (const struct entry *entry = map->entries; entry != NULL; entry = entry->hh.next) {
    if (!fn(entry->key, entry->value, data)) {
      return;
    }
  }
}
