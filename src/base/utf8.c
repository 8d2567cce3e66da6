/* UTF-8: decoding, measuring and cutting without splitting a code point. Cleaning is in sanitize.c.
 *
 * Owns two constant range tables; keeps no state and never looks at the locale; every function is safe on any thread
 * and linear in its input. The tables cover the marks of scripts in everyday use and every wide block of the East
 * Asian scripts and emoji; a mark of a rarer script counts one column too many, which costs alignment and nothing
 * else. Unassigned code points inside a block count like their neighbours. */
#include "kube_mcp/base/str.h"

#include "utf8.h"

#include "kube_mcp/base/banned.h"

/* Length and allowed second byte by first byte: table 3-7 of the Unicode standard. A length of 0 is never valid. */
struct lead {
  size_t len;
  unsigned char second_min;
  unsigned char second_max;
};

static struct lead classify_lead(unsigned char first)
{
  if (first < 0x80) {
    return (struct lead){1, 0, 0};
  }
  if (first < 0xC2 || first > 0xF4) {
    return (struct lead){0, 0, 0};
  }
  if (first < 0xE0) {
    return (struct lead){2, 0x80, 0xBF};
  }
  if (first < 0xF0) { /* E0: no overlong forms; ED: no surrogates */
    return (struct lead){3, first == 0xE0 ? 0xA0 : 0x80, first == 0xED ? 0x9F : 0xBF};
  }
  return (struct lead){4, first == 0xF0 ? 0x90 : 0x80, first == 0xF4 ? 0x8F : 0xBF};
}

/* Replacing the longest possible part of a broken code point at once is what the standard recommends: one U+FFFD where
 * a reader sees one mistake. */
size_t utf8_decode(const char *text, size_t len, uint32_t *ret_code)
{
  const unsigned char *bytes = (const unsigned char *)text;
  struct lead lead = classify_lead(bytes[0]);
  if (lead.len == 1) {
    *ret_code = bytes[0];
    return 1;
  }
  *ret_code = UTF8_INVALID;
  if (lead.len == 0 || len < 2 || bytes[1] < lead.second_min || bytes[1] > lead.second_max) {
    return 1;
  }
  uint32_t code = ((uint32_t)bytes[0] & (0x7Fu >> lead.len)) << 6 | (bytes[1] & 0x3Fu);
  for (size_t i = 2; i < lead.len; i++) {
    if (i == len || (bytes[i] & 0xC0) != 0x80) {
      return i;
    }
    code = code << 6 | (bytes[i] & 0x3Fu);
  }
  *ret_code = code;
  return lead.len;
}

bool km_utf8_valid(const char *data, size_t len)
{
  size_t i = 0;
  while (i < len) {
    uint32_t code = 0;
    i += utf8_decode(data + i, len - i, &code);
    if (code == UTF8_INVALID) {
      return false;
    }
  }
  return true;
}

static bool is_continuation(char byte)
{
  return ((unsigned char)byte & 0xC0) == 0x80;
}

size_t km_utf8_prefix(const char *text, size_t len, size_t max)
{
  if (len <= max) {
    return len;
  }
  /* A code point has at most three continuation bytes; more than that is not UTF-8 and is cut anywhere. */
  size_t end = max;
  for (int back = 0; back < 3 && end > 0 && is_continuation(text[end]); back++) {
    end--;
  }
  return is_continuation(text[end]) ? max : end;
}

/* Finds the first range that ends at or behind CODE. */
bool utf8_in_ranges(uint32_t code, const struct utf8_range *ranges, size_t count)
{
  size_t low = 0;
  size_t high = count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (code > ranges[middle].last) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < count && code >= ranges[low].first;
}

/* Non-spacing and enclosing marks, and code points that are never drawn. */
static const struct utf8_range zero_width[] = {
    {0x0300, 0x036F},   {0x0483, 0x0489}, {0x0591, 0x05BD}, {0x05BF, 0x05BF}, {0x05C1, 0x05C2},
    {0x05C4, 0x05C5},   {0x05C7, 0x05C7}, {0x0610, 0x061A}, {0x061C, 0x061C}, {0x064B, 0x065F},
    {0x0670, 0x0670},   {0x06D6, 0x06DC}, {0x06DF, 0x06E4}, {0x06E7, 0x06E8}, {0x06EA, 0x06ED},
    {0x0900, 0x0902},   {0x093A, 0x093A}, {0x093C, 0x093C}, {0x0941, 0x0948}, {0x094D, 0x094D},
    {0x0951, 0x0957},   {0x0962, 0x0963}, {0x0981, 0x0981}, {0x09BC, 0x09BC}, {0x09C1, 0x09C4},
    {0x09CD, 0x09CD},   {0x0A3C, 0x0A3C}, {0x0A41, 0x0A51}, {0x0A70, 0x0A71}, {0x0ABC, 0x0ABC},
    {0x0AC1, 0x0AC8},   {0x0ACD, 0x0ACD}, {0x0B3C, 0x0B3C}, {0x0B41, 0x0B44}, {0x0B4D, 0x0B56},
    {0x0BC0, 0x0BC0},   {0x0BCD, 0x0BCD}, {0x0C3E, 0x0C40}, {0x0C46, 0x0C56}, {0x0CBC, 0x0CBC},
    {0x0CCC, 0x0CCD},   {0x0D41, 0x0D44}, {0x0D4D, 0x0D4D}, {0x0E31, 0x0E31}, {0x0E34, 0x0E3A},
    {0x0E47, 0x0E4E},   {0x0EB1, 0x0EB1}, {0x0EB4, 0x0EBC}, {0x0EC8, 0x0ECD}, {0x1AB0, 0x1AFF},
    {0x1DC0, 0x1DFF},   {0x200B, 0x200F}, {0x202A, 0x202E}, {0x2060, 0x206F}, {0x20D0, 0x20F0},
    {0x302A, 0x302D},   {0x3099, 0x309A}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF},
    {0xE0000, 0xE0FFF},
};

/* East Asian Width W and F. */
static const struct utf8_range double_width[] = {
    {0x1100, 0x115F},   {0x231A, 0x231B},   {0x2329, 0x232A},   {0x23E9, 0x23EC},   {0x23F0, 0x23F0},
    {0x23F3, 0x23F3},   {0x25FD, 0x25FE},   {0x2614, 0x2615},   {0x2648, 0x2653},   {0x267F, 0x267F},
    {0x2693, 0x2693},   {0x26A1, 0x26A1},   {0x26AA, 0x26AB},   {0x26BD, 0x26BE},   {0x26C4, 0x26C5},
    {0x26CE, 0x26CE},   {0x26D4, 0x26D4},   {0x26EA, 0x26EA},   {0x26F2, 0x26F3},   {0x26F5, 0x26F5},
    {0x26FA, 0x26FA},   {0x26FD, 0x26FD},   {0x2705, 0x2705},   {0x270A, 0x270B},   {0x2728, 0x2728},
    {0x274C, 0x274C},   {0x274E, 0x274E},   {0x2753, 0x2755},   {0x2757, 0x2757},   {0x2795, 0x2797},
    {0x27B0, 0x27B0},   {0x27BF, 0x27BF},   {0x2B1B, 0x2B1C},   {0x2B50, 0x2B50},   {0x2B55, 0x2B55},
    {0x2E80, 0x303E},   {0x3041, 0x3247},   {0x3250, 0x4DBF},   {0x4E00, 0xA4C6},   {0xA960, 0xA97C},
    {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE10, 0xFE19},   {0xFE30, 0xFE6B},   {0xFF01, 0xFF60},
    {0xFFE0, 0xFFE6},   {0x16FE0, 0x1B2FB}, {0x1F004, 0x1F004}, {0x1F0CF, 0x1F0CF}, {0x1F18E, 0x1F18E},
    {0x1F191, 0x1F19A}, {0x1F200, 0x1F320}, {0x1F32D, 0x1F335}, {0x1F337, 0x1F37C}, {0x1F37E, 0x1F393},
    {0x1F3A0, 0x1F3CA}, {0x1F3CF, 0x1F3D3}, {0x1F3E0, 0x1F3F0}, {0x1F3F4, 0x1F3F4}, {0x1F3F8, 0x1F43E},
    {0x1F440, 0x1F440}, {0x1F442, 0x1F4FC}, {0x1F4FF, 0x1F53D}, {0x1F54B, 0x1F54E}, {0x1F550, 0x1F567},
    {0x1F57A, 0x1F57A}, {0x1F595, 0x1F596}, {0x1F5A4, 0x1F5A4}, {0x1F5FB, 0x1F64F}, {0x1F680, 0x1F6C5},
    {0x1F6CC, 0x1F6CC}, {0x1F6D0, 0x1F6D2}, {0x1F6D5, 0x1F6DF}, {0x1F6EB, 0x1F6EC}, {0x1F6F4, 0x1F6FC},
    {0x1F7E0, 0x1F7F0}, {0x1F90C, 0x1F93A}, {0x1F93C, 0x1F945}, {0x1F947, 0x1F9FF}, {0x1FA70, 0x1FAFF},
    {0x20000, 0x3FFFD},
};

/* Controls have no width: whoever prints columns has cleaned them away or prints nothing for them. */
static size_t columns(uint32_t code)
{
  if (code < 0x20 || (code >= 0x7F && code < 0xA0)) {
    return 0;
  }
  if (code < 0x300 || code == UTF8_INVALID) {
    return 1;
  }
  if (utf8_in_ranges(code, zero_width, KM_ARRAY_LEN(zero_width))) {
    return 0;
  }
  return utf8_in_ranges(code, double_width, KM_ARRAY_LEN(double_width)) ? 2 : 1;
}

size_t km_utf8_width(const char *text, size_t len)
{
  size_t width = 0;
  size_t i = 0;
  while (i < len) {
    uint32_t code = 0;
    i += utf8_decode(text + i, len - i, &code);
    width += columns(code);
  }
  return width;
}
