/* Secrets: memory for credentials that is wiped when it is let go and that no core file contains.
 *
 * Owns a process-wide pool, the only mutable global state of the layer besides random keys: regions of 64 KiB mapped
 * with MADV_DONTDUMP, cut into blocks of powers of two from 64 bytes to 4 KiB, with one list of free blocks per size.
 * A mapping per secret would cost a page and a kernel object each; a hundred contexts share a few pages this way.
 * Regions stay mapped for the life of the process, but only touched pages use memory. A larger secret gets a mapping
 * of its own, returned when the secret ends. The size of a block follows from the length of the secret. Blocks on a
 * free list are zero but for the link. Under AddressSanitizer secrets come from malloc instead, so that leaks and
 * overruns are found. Thread-safe: one mutex, held for a few instructions. */
#include "kube_mcp/base/crypto.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kube_mcp/base/sync.h"

#include "kube_mcp/base/banned.h"

#ifdef KM_ASAN

static void *block_take(size_t size)
{
  void *block = malloc(size);
  KM_ASSERT(block != NULL);
  return block;
}

static void block_give(void *block, size_t size)
{
  km_wipe(block, size);
  free(block);
}

#else

#define SMALLEST_BLOCK ((size_t)64)
#define BLOCK_SIZES    7
#define LARGEST_BLOCK  (SMALLEST_BLOCK << (BLOCK_SIZES - 1))
#define REGION_BYTES   ((size_t)64 * 1024)

struct free_block {
  struct free_block *next;
};

static struct {
  pthread_mutex_t mutex;
  struct free_block *free[BLOCK_SIZES];
  char *region; /* the part of the newest region not cut into blocks yet */
  size_t region_left;
} pool = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* Zeroed pages that stay out of core files. */
static void *map_pages(size_t size)
{
  void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  KM_ASSERT(pages != MAP_FAILED);
  (void)madvise(pages, size, MADV_DONTDUMP); /* refused only by kernels built without core dumps */
  return pages;
}

static size_t round_to_pages(size_t size)
{
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  return (size + page - 1) / page * page;
}

/* Which list serves blocks for SIZE, at most LARGEST_BLOCK, bytes. */
static unsigned size_index(size_t size)
{
  unsigned index = 0;
  while ((SMALLEST_BLOCK << index) < size) {
    index++;
  }
  return index;
}

/* Cuts a block from the region; when that is used up, what is left of it (less than one block) is given up. */
static void *cut_block(size_t block_size)
{
  if (pool.region_left < block_size) {
    pool.region = map_pages(REGION_BYTES);
    pool.region_left = REGION_BYTES;
  }
  void *block = pool.region;
  pool.region += block_size;
  pool.region_left -= block_size;
  return block;
}

static void *block_take(size_t size)
{
  if (size > LARGEST_BLOCK) {
    return map_pages(round_to_pages(size));
  }
  unsigned index = size_index(size);
  KM_SCOPED_LOCK(&pool.mutex);
  struct free_block *block = pool.free[index];
  if (block == NULL) {
    return cut_block(SMALLEST_BLOCK << index);
  }
  pool.free[index] = block->next;
  return block;
}

static void block_give(void *block, size_t size)
{
  km_wipe(block, size);
  if (size > LARGEST_BLOCK) {
    (void)munmap(block, round_to_pages(size));
    return;
  }
  struct free_block *freed = block;
  unsigned index = size_index(size);
  KM_SCOPED_LOCK(&pool.mutex);
  freed->next = pool.free[index];
  pool.free[index] = freed;
}

#endif

void km_secret_set(struct km_secret *secret, const void *data, size_t len)
{
  KM_ASSERT(len < PTRDIFF_MAX / 2);
  char *copy = NULL;
  if (len > 0) {
    copy = block_take(len + 1);
    memcpy(copy, data, len);
    copy[len] = '\0';
  }
  km_secret_done(secret); /* only now: DATA may be the old value */
  *secret = (struct km_secret){.data = copy, .len = len};
}

void km_secret_copy(struct km_secret *dest, const struct km_secret *src)
{
  km_secret_set(dest, src->data, src->len);
}

void km_secret_done(struct km_secret *secret)
{
  if (secret->data != NULL) {
    block_give(secret->data, secret->len + 1);
  }
  *secret = (struct km_secret){0};
}

bool km_secret_empty(const struct km_secret *secret)
{
  return secret->len == 0;
}

bool km_secret_equal(const struct km_secret *a, const struct km_secret *b)
{
  return a->len == b->len && (a->len == 0 || km_equal_const_time(a->data, b->data, a->len));
}
