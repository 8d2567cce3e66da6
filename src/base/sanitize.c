/* Making untrusted text harmless: whatever a cluster, a container or a plugin wrote may end up in a terminal, in a
 * log line or before a language model, none of which it may steer or deceive.
 *
 * Owns the tables of what is invisible. Output is always valid UTF-8 without control characters other than newline
 * and tab. Escape sequences (7-bit and C1 forms) go as a whole when they are well-formed; of a malformed or
 * unterminated one only the introducer goes, so that no sender can make a log swallow the text that follows. Invisible
 * means Unicode's Default_Ignorable_Code_Point plus the annotation marks: bidirectional overrides, zero-width and tag
 * characters, variation selectors. Linear in its input: a scan that fails stops at the byte the next scan starts
 * from. Keeps no state; safe on any thread. */
#include "kube_mcp/base/str.h"

#include <string.h>

#include "utf8.h"

#include "kube_mcp/base/banned.h"

#define REPLACEMENT "\xEF\xBF\xBD"

/* A control sequence with more parameter bytes than this is text in disguise. */
#define MAX_PARAMETER_BYTES 64

enum {
  CHAR_BEL = 0x07,
  CHAR_ESC = 0x1B,
  CHAR_DEL = 0x7F,
  C1_FIRST = 0x80,
  C1_DCS = 0x90,
  C1_SOS = 0x98,
  C1_CSI = 0x9B,
  C1_ST = 0x9C,
  C1_OSC = 0x9D,
  C1_PM = 0x9E,
  C1_APC = 0x9F,
  LINE_SEPARATOR = 0x2028,
  PARAGRAPH_SEPARATOR = 0x2029,
};

static const struct utf8_range invisible[] = {
    {0x00AD, 0x00AD},   /* soft hyphen */
    {0x034F, 0x034F},   /* combining grapheme joiner */
    {0x061C, 0x061C},   /* Arabic letter mark */
    {0x115F, 0x1160},   /* Hangul fillers */
    {0x17B4, 0x17B5},   /* Khmer inherent vowels */
    {0x180B, 0x180F},   /* Mongolian selectors and vowel separator */
    {0x200B, 0x200F},   /* zero-width space and joiners, direction marks */
    {0x202A, 0x202E},   /* bidirectional embeddings and overrides */
    {0x2060, 0x206F},   /* word joiner, invisible operators, bidirectional isolates */
    {0x3164, 0x3164},   /* Hangul filler */
    {0xFE00, 0xFE0F},   /* variation selectors */
    {0xFEFF, 0xFEFF},   /* byte order mark */
    {0xFFA0, 0xFFA0},   /* half-width Hangul filler */
    {0xFFF0, 0xFFFB},   /* unassigned specials, annotation marks */
    {0x1BCA0, 0x1BCA3}, /* shorthand format controls */
    {0x1D173, 0x1D17A}, /* musical format controls */
    {0xE0000, 0xE0FFF}, /* tags, variation selectors supplement */
};

/* The byte at I as a number, or -1 behind the end. */
static int byte_at(const char *text, size_t len, size_t i)
{
  return i < len ? (unsigned char)text[i] : -1;
}

static bool is_in(int byte, int first, int last)
{
  return byte >= first && byte <= last;
}

/* Behind the introducer at START: parameters, intermediates, one final byte. The end, or START when malformed. */
static size_t skip_control_sequence(const char *text, size_t len, size_t start)
{
  size_t i = start;
  while (is_in(byte_at(text, len, i), 0x20, 0x3F) && i - start < MAX_PARAMETER_BYTES) {
    i++;
  }
  return is_in(byte_at(text, len, i), 0x40, 0x7E) ? i + 1 : start;
}

/* Behind the introducer of an OSC, DCS, SOS, PM or APC string at START: up to its terminator (BEL, ESC \ or C1 ST).
 * The end, or START when another control character, the end of the line or the end of the text comes first. */
static size_t skip_control_string(const char *text, size_t len, size_t start)
{
  size_t i = start;
  while (i < len) {
    uint32_t code = 0;
    size_t next = i + utf8_decode(text + i, len - i, &code);
    if (code == CHAR_BEL || code == C1_ST) {
      return next;
    }
    if (code == CHAR_ESC && byte_at(text, len, next) == '\\') {
      return next + 1;
    }
    if ((code < 0x20 && code != '\t') || is_in((int)code, C1_FIRST, C1_APC)) {
      return start;
    }
    i = next;
  }
  return start;
}

/* The end of the escape sequence whose ESC lies just before START. */
static size_t skip_escape(const char *text, size_t len, size_t start)
{
  switch (byte_at(text, len, start)) {
  case '[': return skip_control_sequence(text, len, start + 1);
  case ']':
  case 'P':
  case 'X':
  case '^':
  case '_': return skip_control_string(text, len, start + 1);
  default: break;
  }
  size_t i = start;
  while (is_in(byte_at(text, len, i), 0x20, 0x2F) && i - start < MAX_PARAMETER_BYTES) {
    i++;
  }
  return is_in(byte_at(text, len, i), 0x30, 0x7E) ? i + 1 : start;
}

/* The end of what the control character CODE, whose own bytes end at START, takes away with it. */
static size_t skip_control(uint32_t code, const char *text, size_t len, size_t start)
{
  switch (code) {
  case CHAR_ESC: return skip_escape(text, len, start);
  case C1_CSI: return skip_control_sequence(text, len, start);
  case C1_DCS:
  case C1_SOS:
  case C1_OSC:
  case C1_PM:
  case C1_APC: return skip_control_string(text, len, start);
  default: return start;
  }
}

static bool is_control(uint32_t code)
{
  return (code < 0x20 && code != '\n' && code != '\t') || (code >= CHAR_DEL && code <= C1_APC);
}

/* Whether the eight bytes at TEXT all lie between 0x20 and 0x7E: a lesser byte borrows when 0x20 is taken from it, a
 * greater one has its highest bit set or sets it when 1 is added. */
static bool is_printable_word(const char *text)
{
  uint64_t word = 0;
  memcpy(&word, text, sizeof(word));
  uint64_t each = UINT64_C(0x0101010101010101);
  return (((word - each * 0x20) | (word + each) | word) & each * 0x80) == 0;
}

/* How many bytes from START on need no cleaning. */
static size_t plain_ascii(const char *text, size_t len, size_t start)
{
  size_t i = start;
  while (i < len) {
    if (len - i >= sizeof(uint64_t) && is_printable_word(text + i)) {
      i += sizeof(uint64_t);
    } else if (is_in((unsigned char)text[i], 0x20, 0x7E) || text[i] == '\n' || text[i] == '\t') {
      i++;
    } else {
      break;
    }
  }
  return i - start;
}

size_t km_text_sanitize(struct km_buf *out, const char *text, size_t len)
{
  size_t changes = 0;
  size_t i = 0;
  while (i < len) {
    size_t plain = plain_ascii(text, len, i);
    km_buf_append(out, text + i, plain);
    i += plain;
    if (i == len) {
      break;
    }
    uint32_t code = 0;
    size_t next = i + utf8_decode(text + i, len - i, &code);
    if (code == UTF8_INVALID) {
      km_buf_puts(out, REPLACEMENT);
      changes++;
    } else if (code == LINE_SEPARATOR || code == PARAGRAPH_SEPARATOR) {
      km_buf_putc(out, '\n');
      changes++;
    } else if (code == '\r' && byte_at(text, len, next) == '\n') {
      /* one line end, written once */
    } else if (is_control(code)) {
      next = skip_control(code, text, len, next);
      changes++;
    } else if (utf8_in_ranges(code, invisible, KM_ARRAY_LEN(invisible))) {
      changes++;
    } else {
      km_buf_append(out, text + i, next - i);
    }
    i = next;
  }
  return changes;
}
