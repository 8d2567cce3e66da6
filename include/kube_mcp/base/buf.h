/* A growing byte buffer that cannot be created without a maximum.
 * Once an append would exceed the maximum (or memory runs out) the buffer becomes `failed`: later appends do nothing
 * and return false, so a writer may append freely and check once. Contents are always NUL-terminated (the NUL is not
 * counted in len). */
#ifndef KM_BASE_BUF_H
#define KM_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "kube_mcp/base/compiler.h"

struct km_buf {
  char *data; /* "" when empty, never NULL after init */
  size_t len;
  size_t cap;
  size_t max;
  bool failed;
  bool secret; /* wiped whenever memory is given up, also while growing */
};

void km_buf_init(struct km_buf *buf, size_t max_bytes);
/* For contents that hold credentials. A detached secret buffer is the caller's to wipe. */
void km_buf_init_secret(struct km_buf *buf, size_t max_bytes);
/* Frees; the buffer may be initialised again. Accepts a zeroed struct. */
void km_buf_done(struct km_buf *buf);
/* As km_buf_done, after wiping the contents. Copies left behind by growing are wiped only in a secret buffer. */
void km_buf_wipe(struct km_buf *buf);
void km_buf_clear(struct km_buf *buf);                /* keeps memory and maximum; resets `failed` */
void km_buf_truncate(struct km_buf *buf, size_t len); /* LEN <= buf->len */
bool km_buf_append(struct km_buf *buf, const void *data, size_t len);
bool km_buf_puts(struct km_buf *buf, const char *text);
bool km_buf_putc(struct km_buf *buf, char c);
bool km_buf_printf(struct km_buf *buf, const char *format, ...) KM_PRINTF(2, 3);
bool km_buf_vprintf(struct km_buf *buf, const char *format, va_list args) KM_PRINTF(2, 0);
bool km_buf_fill(struct km_buf *buf, char c, size_t count);
/* Hands the malloc'ed, NUL-terminated contents to the caller and leaves the buffer empty. */
char *km_buf_detach(struct km_buf *buf, size_t *ret_len);

#endif
