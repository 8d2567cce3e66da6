/* When two log lines say the same: read side by side, symbol by symbol, where a number or an id is one symbol whatever
 * its value.
 *
 * Folding must not hide news. So a 0 and a number from 400 to 599, standing alone, are read digit by digit: "errors=0"
 * never stands for "errors=7", nor status=200 for status=502. Identifiers are UUIDs, 0x numbers, and hexadecimal words
 * of four characters or more with a digit in them. Keeps no state. */

#include "kube_mcp/kube/log_view.h"

#include "kube_mcp/base/banned.h"

#define MIN_ID_BYTES ((size_t)4)
#define UUID_BYTES   ((size_t)36)

/* Symbols beside the bytes. */
enum { SYMBOL_NUMBER = 256, SYMBOL_ID, SYMBOL_END };

struct reader {
  const char *text;
  size_t len, at;
  size_t plain_until; /* up to here bytes are read one by one */
};

static int byte_at(const struct reader *reader, size_t at)
{
  return at < reader->len ? (unsigned char)reader->text[at] : -1;
}

static bool is_word(int byte)
{
  return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static bool is_digit(int byte)
{
  return byte >= '0' && byte <= '9';
}

static bool is_hex(int byte)
{
  return is_digit(byte) || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

static bool is_uuid(const struct reader *reader, size_t at)
{
  for (size_t i = 0; i < UUID_BYTES; i++) {
    bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    int byte = byte_at(reader, at + i);
    if (dash ? byte != '-' : !is_hex(byte)) {
      return false;
    }
  }
  return !is_word(byte_at(reader, at + UUID_BYTES));
}

/* The end of the identifier that begins at AT, where a word begins; AT when there is none. */
static size_t end_of_id(const struct reader *reader, size_t at)
{
  if (is_uuid(reader, at)) {
    return at + UUID_BYTES;
  }
  bool prefixed = byte_at(reader, at) == '0' && byte_at(reader, at + 1) == 'x';
  size_t start = prefixed ? at + 2 : at;
  size_t end = start;
  bool digits = false, letters = false;
  for (; is_hex(byte_at(reader, end)); end++) {
    digits |= is_digit(byte_at(reader, end));
    letters |= !is_digit(byte_at(reader, end));
  }
  bool whole = !is_word(byte_at(reader, end)) && end > start;
  return whole && (prefixed || (digits && letters && end - start >= MIN_ID_BYTES)) ? end : at;
}

/* Whether the digits from START to END must be told apart from others. */
static bool is_telling(const struct reader *reader, size_t start, size_t end)
{
  int before = start > 0 ? byte_at(reader, start - 1) : -1;
  int behind = byte_at(reader, end);
  bool alone = !is_word(before) && !is_word(behind) && before != '.' && before != ',';
  if (!alone) {
    return false;
  }
  const char *digits = reader->text + start;
  size_t count = end - start;
  if (count == 1) {
    return digits[0] == '0' && behind != '.' && behind != ':' && before != '-';
  }
  return count == 3 && (digits[0] == '4' || digits[0] == '5');
}

static int next_symbol(struct reader *reader)
{
  size_t at = reader->at;
  int byte = byte_at(reader, at);
  if (byte < 0) {
    return SYMBOL_END;
  }
  if (!is_word(byte) || at < reader->plain_until) {
    reader->at++;
    return byte;
  }
  bool begins = at == 0 || !is_word(byte_at(reader, at - 1));
  size_t end = begins ? end_of_id(reader, at) : at;
  if (end > at) {
    reader->at = end;
    return SYMBOL_ID;
  }
  while (is_digit(byte_at(reader, end))) {
    end++;
  }
  if (end == at) {
    reader->at++;
    return byte;
  }
  if (is_telling(reader, at, end)) {
    reader->plain_until = end;
    reader->at++;
    return byte;
  }
  reader->at = end;
  return SYMBOL_NUMBER;
}

bool km_log_alike(const char *a, size_t a_len, const char *b, size_t b_len)
{
  struct reader left = {.text = a, .len = a_len};
  struct reader right = {.text = b, .len = b_len};
  int symbol = 0;
  while (symbol != SYMBOL_END) {
    symbol = next_symbol(&left);
    if (symbol != next_symbol(&right)) {
      return false;
    }
  }
  return true;
}

/* FNV-1a. */
uint64_t km_log_shape(const char *text, size_t len)
{
  struct reader reader = {.text = text, .len = len};
  uint64_t hash = 0xcbf29ce484222325;
  for (int symbol = next_symbol(&reader); symbol != SYMBOL_END; symbol = next_symbol(&reader)) {
    hash = (hash ^ (uint64_t)symbol) * 0x100000001b3;
  }
  return hash;
}
