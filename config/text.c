/* Text on its way out of the configuration. Both functions make any input harmless for where it goes: a
 * message cannot be forged over several lines, and a TOML string cannot be left by its contents. */
#include "text.h"

#include <string.h>

#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

#define SHOWN_BYTES ((size_t)80)

const char *km_text_shown(struct km_arena *arena, const char *text, size_t len)
{
  struct km_buf buf;
  size_t kept = len > SHOWN_BYTES ? km_utf8_prefix(text, len, SHOWN_BYTES) : len;
  km_buf_init(&buf, 4 * (SHOWN_BYTES + 1));
  km_text_sanitize(&buf, text, kept);
  if (kept < len) {
    km_buf_puts(&buf, "...");
  }
  for (char *c = buf.data; *c != '\0'; c++) {
    if (*c == '\n' || *c == '\t') {
      *c = ' ';
    }
  }
  const char *copy = km_arena_strdup(arena, buf.data);
  km_buf_done(&buf);
  return copy;
}

bool km_text_write_toml(struct km_buf *out, const char *text)
{
  static const char escaped[] = "\b\t\n\f\r\"\\";
  static const char names[] = "btnfr\"\\";
  km_buf_putc(out, '"');
  for (const char *c = text; *c != '\0'; c++) {
    const char *special = strchr(escaped, *c);
    if (special != NULL) {
      km_buf_printf(out, "\\%c", names[special - escaped]);
    } else if ((unsigned char)*c < 0x20 || *c == 0x7f) {
      km_buf_printf(out, "\\u%04X", (unsigned)*c);
    } else {
      km_buf_putc(out, *c);
    }
  }
  return km_buf_putc(out, '"');
}
