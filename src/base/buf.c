/* The growing byte buffer with a maximum.
 *
 * Owns one malloc block, none while empty. Invariants: len <= max; when cap > 0, data is a block of cap bytes with
 * len < cap and data[len] == NUL; when cap == 0, data is the shared empty string, which is constant and never written.
 * An append happens whole or not at all. Growth doubles from 256 bytes, so appending is linear in total. A secret
 * buffer never hands memory back unwiped, not even while it grows. Not thread-safe. */
#include "kube_mcp/base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kube_mcp/base/banned.h"

/* Most things written here outgrow smaller blocks at once. */
#define MIN_CAPACITY ((size_t)256)

/* Lies in read-only memory: a write through it crashes instead of changing every empty buffer. */
static char *empty_text(void)
{
  static const char empty[1] = "";
  return km_unconst(empty);
}

void km_buf_init(struct km_buf *buf, size_t max_bytes)
{
  KM_ASSERT(max_bytes < PTRDIFF_MAX);
  *buf = (struct km_buf){.data = empty_text(), .max = max_bytes};
}

void km_buf_init_secret(struct km_buf *buf, size_t max_bytes)
{
  km_buf_init(buf, max_bytes);
  buf->secret = true;
}

/* Gives the block back, wiped when it may hold a secret. The struct is the caller's to reset. */
static void release(const struct km_buf *buf)
{
  if (buf->cap > 0) {
    if (buf->secret) {
      explicit_bzero(buf->data, buf->cap);
    }
    free(buf->data);
  }
}

void km_buf_done(struct km_buf *buf)
{
  release(buf);
  km_buf_init(buf, 0);
}

void km_buf_wipe(struct km_buf *buf)
{
  buf->secret = true;
  km_buf_done(buf);
}

void km_buf_clear(struct km_buf *buf)
{
  km_buf_truncate(buf, 0);
  buf->failed = false;
}

void km_buf_truncate(struct km_buf *buf, size_t len)
{
  KM_ASSERT(len <= buf->len);
  if (buf->cap > 0) {
    buf->len = len;
    buf->data[len] = '\0';
  }
}

/* A block of CAP bytes with the contents so far; NULL without memory, then nothing has changed. */
static char *grow_block(const struct km_buf *buf, size_t cap)
{
  if (buf->cap == 0) {
    return malloc(cap);
  }
  if (!buf->secret) {
    return realloc(buf->data, cap);
  }
  char *block = malloc(cap); /* realloc could leave a copy behind */
  if (block != NULL) {
    memcpy(block, buf->data, buf->len);
    release(buf);
  }
  return block;
}

/* Makes room for MORE bytes and the NUL, or marks the buffer failed. */
static bool grow(struct km_buf *buf, size_t more)
{
  if (buf->failed || more > buf->max - buf->len) {
    buf->failed = true;
    return false;
  }
  size_t need = buf->len + more + 1;
  if (need <= buf->cap) {
    return true;
  }
  size_t cap = buf->cap > 0 ? buf->cap : MIN_CAPACITY;
  while (cap < need) {
    cap = cap <= SIZE_MAX / 2 ? cap * 2 : need;
  }
  if (cap - 1 > buf->max) {
    cap = buf->max + 1; /* doubling must not take more than could ever be filled */
  }
  char *block = grow_block(buf, cap);
  if (block == NULL) {
    buf->failed = true;
    return false;
  }
  buf->data = block;
  buf->data[buf->len] = '\0';
  buf->cap = cap;
  return true;
}

/* Most of what is appended is a few bytes for which there is room. */
static inline bool reserve(struct km_buf *buf, size_t more)
{
  bool has_room = !buf->failed && more <= buf->max - buf->len && buf->len + more < buf->cap;
  return has_room || grow(buf, more);
}

bool km_buf_append(struct km_buf *buf, const void *data, size_t len)
{
  if (!reserve(buf, len)) {
    return false;
  }
  if (len > 0) {
    memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
  }
  return true;
}

bool km_buf_puts(struct km_buf *buf, const char *text)
{
  return km_buf_append(buf, text, strlen(text));
}

bool km_buf_putc(struct km_buf *buf, char c)
{
  return km_buf_append(buf, &c, 1);
}

bool km_buf_printf(struct km_buf *buf, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  bool ok = km_buf_vprintf(buf, format, args);
  va_end(args);
  return ok;
}

bool km_buf_vprintf(struct km_buf *buf, const char *format, va_list args)
{
  if (buf->failed) {
    return false;
  }
  /* The first attempt goes straight into the room there is; mostly it suffices. */
  va_list again;
  va_copy(again, args);
  size_t room = buf->cap - buf->len; /* 0 when there is no block yet */
  int len = vsnprintf(room > 0 ? buf->data + buf->len : NULL, room, format, args);
  bool ok = len >= 0 && reserve(buf, (size_t)len);
  if (ok && (size_t)len >= room) {
    (void)vsnprintf(buf->data + buf->len, (size_t)len + 1, format, again);
  }
  va_end(again);
  if (ok) {
    buf->len += (size_t)len;
  } else {
    buf->failed = true;
    km_buf_truncate(buf, buf->len); /* takes back what the first attempt wrote */
  }
  return ok;
}

bool km_buf_fill(struct km_buf *buf, char c, size_t count)
{
  if (!reserve(buf, count)) {
    return false;
  }
  memset(buf->data + buf->len, c, count);
  buf->len += count;
  buf->data[buf->len] = '\0';
  return true;
}

char *km_buf_detach(struct km_buf *buf, size_t *ret_len)
{
  char *text = buf->cap > 0 ? buf->data : calloc(1, 1);
  KM_ASSERT(text != NULL);
  if (ret_len != NULL) {
    *ret_len = buf->len;
  }
  /* The buffer stays what it was, only empty. */
  size_t max = buf->max;
  bool secret = buf->secret;
  km_buf_init(buf, max);
  buf->secret = secret;
  return text;
}
