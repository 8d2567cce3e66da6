/* What utf8.c shares with sanitize.c. */
#ifndef KM_SRC_BASE_UTF8_H
#define KM_SRC_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Beyond Unicode, so that it cannot be a code point. */
#define UTF8_INVALID UINT32_C(0xFFFFFFFF)

/* Decodes what starts at TEXT, LEN > 0, and returns how many bytes that was. For bytes that are not UTF-8 the code is
 * UTF8_INVALID and the length that of the longest part that could have begun a code point, at least 1. */
size_t utf8_decode(const char *text, size_t len, uint32_t *ret_code);

/* Both ends included; a table is sorted and free of overlaps. */
struct utf8_range {
  uint32_t first;
  uint32_t last;
};
bool utf8_in_ranges(uint32_t code, const struct utf8_range *ranges, size_t count);

#endif
