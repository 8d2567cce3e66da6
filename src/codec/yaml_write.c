/* Writing YAML in the very form `kubectl -o yaml` prints: block style, lists not indented below their key,
 * long lines folded at 80 columns, quotes only where a reader would otherwise take the text for something
 * else.
 *
 * Text goes straight into the caller's buffer; the writer keeps only the column. The style of a string is
 * decided by one pass over it (struct shape) and by the resolver that the reader uses, so that everything
 * reads back unchanged. Differences from kubectl, all for that reason: the key "<<" is quoted, the float -0.0
 * keeps its point, Unicode line separators are escaped. Recursion is as deep as the tree, which its parser
 * has bounded. */
#include "kube_mcp/codec/yaml.h"

#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "yaml_scalar.h"

#include "kube_mcp/base/banned.h"

#define INDENT         2
#define FOLD_COLUMN    80
#define MAX_SIMPLE_KEY 128 /* bytes; longer keys are written after "? " */

struct writer {
  struct km_buf *out;
  size_t column; /* in code points */
};

/* Where a scalar stands. */
struct place {
  size_t indent; /* of lines that continue it */
  bool key;      /* must stay on one line */
};

static void write_node(struct writer *writer, yyjson_val *val, size_t indent);

/* ---- output ---- */

/* How many code points TEXT has; mostly it is ASCII, which is seen eight bytes at a time. */
static size_t code_points(const char *text, size_t len)
{
  size_t count = 0;
  for (size_t i = 0; i < len;) {
    uint64_t eight = 0;
    if (i + sizeof(eight) <= len) {
      memcpy(&eight, text + i, sizeof(eight));
      if ((eight & UINT64_C(0x8080808080808080)) == 0) {
        count += sizeof(eight);
        i += sizeof(eight);
        continue;
      }
    }
    count += ((unsigned char)text[i++] & 0xc0) != 0x80;
  }
  return count;
}

static void put(struct writer *writer, const char *text, size_t len)
{
  km_buf_append(writer->out, text, len);
  writer->column += code_points(text, len);
}

static inline void puts_ascii(struct writer *writer, const char *text)
{
  size_t len = strlen(text);
  km_buf_append(writer->out, text, len);
  writer->column += len;
}

static void break_line(struct writer *writer)
{
  km_buf_putc(writer->out, '\n');
  writer->column = 0;
}

/* To column INDENT of a line with nothing on it yet. */
static void begin_line(struct writer *writer, size_t indent)
{
  if (writer->column > 0) {
    break_line(writer);
  }
  km_buf_fill(writer->out, ' ', indent);
  writer->column = indent;
}

/* ---- the shape of a string ---- */

struct shape {
  bool many_lines;
  bool plain;  /* may stand without quotes, as far as punctuation goes */
  bool single; /* may stand in single quotes */
  bool block;  /* may stand as a literal block */
};

/* Decodes the code point at TEXT; *RET_LEN is its length. Invalid bytes count as U+FFFD of one byte. */
static uint32_t decode(const char *text, size_t len, size_t *ret_len)
{
  const unsigned char *s = (const unsigned char *)text;
  size_t width = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
  static const unsigned char first_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
  *ret_len = 1;
  if (width > len || (s[0] & 0xc0) == 0x80) {
    return 0xfffd;
  }
  uint32_t code = s[0] & first_bits[width];
  for (size_t i = 1; i < width; i++) {
    if ((s[i] & 0xc0) != 0x80) {
      return 0xfffd;
    }
    code = (code << 6) | (s[i] & 0x3f);
  }
  *ret_len = width;
  return code;
}

/* Whether a code point must be escaped: controls, line separators, byte order mark, and all beyond the basic
 * plane, as YAML 1.1 emitters have it. The newline is not among them. */
static bool needs_escape(uint32_t code)
{
  if (code < 0x20) {
    return code != '\n';
  }
  return (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029 || code == 0xfeff ||
         code >= 0xfffe;
}

/* Punctuation that means something at the start of an unquoted scalar. */
static bool starts_something(const char *text, size_t len)
{
  if (len >= 3 &&
      (memcmp(text, "---", 3) == 0 || memcmp(text, "...", 3) == 0 || memcmp(text, "===", 3) == 0)) {
    return true; /* the last for our readers' sake: it begins our own headings */
  }
  bool alone = len == 1 || text[1] == ' ' || text[1] == '\t';
  return strchr("#,[]{}&*!|>'\"%@`", text[0]) != NULL || (alone && strchr("?:-", text[0]) != NULL);
}

/* Letters, digits and -./_ which, but for the first of a text, mean nothing to YAML. Most text is made of them. */
static inline bool is_ordinary(char c)
{
  unsigned char byte = (unsigned char)c;
  return (unsigned char)((byte | 0x20) - 'a') < 26 || (unsigned char)(byte - '-') <= '9' - '-' || byte == '_';
}

/* The rules are those of YAML 1.1 emitters. A space next to a line break would be lost in any quoted style
 * but the double one, and a trailing space also in a block. */
static struct shape shape_of(const char *text, size_t len)
{
  bool special = false;
  bool indicator = starts_something(text, len);
  bool space_break = false;
  bool break_space = false;
  bool many_lines = false;
  size_t width = 0;
  char previous = '\0';
  for (size_t i = 0; i < len; i += width) {
    char c = text[i];
    if (is_ordinary(c)) {
      previous = c;
      width = 1;
      continue;
    }
    special |= needs_escape(decode(text + i, len - i, &width));
    char next = i + width < len ? text[i + width] : ' ';
    many_lines |= c == '\n';
    space_break |= c == '\n' && previous == ' ';
    break_space |= c == ' ' && previous == '\n';
    indicator |= c == ':' && (next == ' ' || next == '\t');
    indicator |= c == '#' && (previous == ' ' || previous == '\n');
    previous = c;
  }
  bool blank_edge = text[0] == ' ' || text[0] == '\n' || previous == ' ' || previous == '\n';
  return (struct shape){
      .many_lines = many_lines,
      .plain = !special && !indicator && !many_lines && !blank_edge,
      .single = !special && !space_break && !break_space,
      .block = !special && !space_break && previous != ' ',
  };
}

/* ---- scalars ---- */

static bool is_space_at(const char *text, size_t len, size_t i)
{
  return i < len && text[i] == ' ';
}

/* Whether the space at I is where a line that has become too long is folded. */
static bool folds_at(const struct writer *writer, const struct place *place, const char *text, size_t len,
                     size_t i)
{
  return !place->key && writer->column > FOLD_COLUMN && i > 0 && i + 1 < len && text[i - 1] != ' ';
}

/* Plain, or within single quotes. */
static void write_flow_text(struct writer *writer, const struct place *place, const char *text, size_t len,
                            bool quoted)
{
  if (quoted) {
    puts_ascii(writer, "'");
  }
  bool whole = writer->column + len <= FOLD_COLUMN && !(quoted && memchr(text, '\'', len) != NULL);
  if (whole) { /* nothing to fold and nothing to double */
    put(writer, text, len);
  }
  for (size_t i = 0; i < len && !whole; i++) {
    size_t start = i;
    while (i < len && text[i] != ' ' && !(quoted && text[i] == '\'')) {
      i++;
    }
    put(writer, text + start, i - start);
    if (i == len) {
      break;
    }
    if (text[i] == '\'') {
      puts_ascii(writer, "''");
    } else if (!is_space_at(text, len, i + 1) && folds_at(writer, place, text, len, i)) {
      begin_line(writer, place->indent);
    } else {
      puts_ascii(writer, " ");
    }
  }
  if (quoted) {
    puts_ascii(writer, "'");
  }
}

static void write_escape(struct writer *writer, uint32_t code)
{
  static const struct {
    uint32_t code;
    const char *escape;
  } short_forms[] = {
      {0x00, "\\0"},  {0x07, "\\a"}, {0x08, "\\b"},   {0x09, "\\t"},   {0x0a, "\\n"},
      {0x0b, "\\v"},  {0x0c, "\\f"}, {0x0d, "\\r"},   {0x1b, "\\e"},   {'"', "\\\""},
      {'\\', "\\\\"}, {0x85, "\\N"}, {0x2028, "\\L"}, {0x2029, "\\P"},
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(short_forms); i++) {
    if (short_forms[i].code == code) {
      puts_ascii(writer, short_forms[i].escape);
      return;
    }
  }
  size_t before = writer->out->len;
  km_buf_printf(writer->out,
                code <= 0xff     ? "\\x%02" PRIX32
                : code <= 0xffff ? "\\u%04" PRIX32
                                 : "\\U%08" PRIX32,
                code);
  writer->column += writer->out->len - before;
}

static void write_double_quoted(struct writer *writer, const struct place *place, const char *text,
                                size_t len)
{
  puts_ascii(writer, "\"");
  size_t width = 0;
  for (size_t i = 0; i < len; i += width) {
    uint32_t code = decode(text + i, len - i, &width);
    if (code == '\n' || code == '"' || code == '\\' || needs_escape(code)) {
      write_escape(writer, code);
    } else if (code == ' ' && folds_at(writer, place, text, len, i)) {
      begin_line(writer, place->indent);
      puts_ascii(writer, is_space_at(text, len, i + 1) ? "\\" : "");
    } else {
      put(writer, text + i, width);
    }
  }
  puts_ascii(writer, "\"");
}

/* The header says what the lines cannot: where they begin (if the first is blank or indented) and how many
 * line breaks belong to the end. */
static void write_block(struct writer *writer, const struct place *place, const char *text, size_t len)
{
  puts_ascii(writer, "|");
  puts_ascii(writer, text[0] == ' ' || text[0] == '\n' ? "2" : "");
  if (text[len - 1] != '\n') {
    puts_ascii(writer, "-");
  } else if (len == 1 || text[len - 2] == '\n') {
    puts_ascii(writer, "+");
  }
  break_line(writer);
  const char *end = text + len;
  while (text < end) {
    const char *newline = memchr(text, '\n', (size_t)(end - text));
    const char *line_end = newline != NULL ? newline : end;
    if (line_end > text) {
      begin_line(writer, place->indent);
      put(writer, text, (size_t)(line_end - text));
    }
    if (newline != NULL) {
      break_line(writer);
    }
    text = line_end + 1;
  }
}

/* Whether TEXT without quotes would come back as the same string, here and in other readers. */
static bool reads_as_text(const char *text, size_t len, const struct place *place)
{
  if (place->key && len == 2 && memcmp(text, "<<", 2) == 0) {
    return false;
  }
  return km_yaml_resolve(text, len).kind == KM_YAML_TEXT && !km_yaml_is_sexagesimal(text);
}

/* Lines make a block, then: as little quoting as possible. */
static void write_string(struct writer *writer, const struct place *place, const char *text, size_t len)
{
  if (len == 0) {
    puts_ascii(writer, "\"\"");
    return;
  }
  struct shape shape = shape_of(text, len);
  if (shape.many_lines && shape.block && !place->key) {
    write_block(writer, place, text, len);
  } else if (shape.many_lines || !shape.single || !reads_as_text(text, len, place)) {
    write_double_quoted(writer, place, text, len);
  } else {
    write_flow_text(writer, place, text, len, !shape.plain);
  }
}

static void write_number(struct writer *writer, yyjson_val *val)
{
  char text[KM_YAML_REAL_BYTES];
  if (yyjson_is_real(val) && yyjson_get_real(val) == 0 && signbit(yyjson_get_real(val))) {
    snprintf(text, sizeof(text), "-0.0");
  } else if (yyjson_is_real(val)) {
    km_yaml_format_real(yyjson_get_real(val), false, text);
  } else if (yyjson_is_uint(val)) {
    snprintf(text, sizeof(text), "%" PRIu64, yyjson_get_uint(val));
  } else {
    snprintf(text, sizeof(text), "%" PRId64, yyjson_get_sint(val));
  }
  puts_ascii(writer, text);
}

static void write_scalar(struct writer *writer, const struct place *place, yyjson_val *val)
{
  switch (yyjson_get_type(val)) {
  case YYJSON_TYPE_STR: write_string(writer, place, yyjson_get_str(val), yyjson_get_len(val)); break;
  case YYJSON_TYPE_NUM: write_number(writer, val); break;
  case YYJSON_TYPE_RAW: put(writer, yyjson_get_raw(val), yyjson_get_len(val)); break;
  case YYJSON_TYPE_BOOL: puts_ascii(writer, yyjson_get_bool(val) ? "true" : "false"); break;
  case YYJSON_TYPE_ARR: puts_ascii(writer, "[]"); break;
  case YYJSON_TYPE_OBJ: puts_ascii(writer, "{}"); break;
  default: puts_ascii(writer, "null"); break;
  }
}

/* ---- containers ---- */

/* Empty containers are written like scalars. */
static bool is_block(yyjson_val *val)
{
  return yyjson_is_ctn(val) && yyjson_get_len(val) > 0;
}

/* The node that follows an indicator ("- ", "? " or ": ") of a line at INDENT: it may begin on that line. */
static void write_after_indicator(struct writer *writer, yyjson_val *val, size_t indent)
{
  puts_ascii(writer, " ");
  write_node(writer, val, indent + INDENT);
}

/* After "key:". A list begins at the column of its key, everything else one step further in. */
static void write_value(struct writer *writer, yyjson_val *val, size_t indent)
{
  if (is_block(val)) {
    size_t inner = yyjson_is_obj(val) ? indent + INDENT : indent;
    begin_line(writer, inner);
    write_node(writer, val, inner);
  } else {
    struct place place = {.indent = indent + INDENT};
    puts_ascii(writer, " ");
    write_scalar(writer, &place, val);
  }
}

/* Keys too long for a reader to look ahead, or of several lines, are announced by "? ". */
static void write_member(struct writer *writer, yyjson_val *key, yyjson_val *val, size_t indent)
{
  const char *text = yyjson_get_str(key);
  size_t len = yyjson_get_len(key);
  KM_ASSERT(text != NULL);
  if (len <= MAX_SIMPLE_KEY && memchr(text, '\n', len) == NULL) {
    struct place place = {.indent = indent, .key = true};
    write_string(writer, &place, text, len);
    puts_ascii(writer, ":");
    write_value(writer, val, indent);
  } else {
    puts_ascii(writer, "?");
    write_after_indicator(writer, key, indent);
    begin_line(writer, indent);
    puts_ascii(writer, ":");
    write_after_indicator(writer, val, indent);
  }
}

/* Writes VAL from the current position, which is column INDENT if VAL spans lines of its own. */
static void write_node(struct writer *writer, yyjson_val *val, size_t indent)
{
  if (!is_block(val)) {
    struct place place = {.indent = indent};
    write_scalar(writer, &place, val);
    return;
  }
  size_t i = 0;
  size_t count = 0;
  yyjson_val *key = NULL;
  yyjson_val *item = NULL;
  if (yyjson_is_obj(val)) {
    yyjson_obj_foreach(val, i, count, key, item)
    {
      if (i > 0) {
        begin_line(writer, indent);
      }
      write_member(writer, key, item, indent);
    }
  } else {
    yyjson_arr_foreach(val, i, count, item)
    {
      if (i > 0) {
        begin_line(writer, indent);
      }
      puts_ascii(writer, "-");
      write_after_indicator(writer, item, indent);
    }
  }
}

bool km_yaml_write(yyjson_val *val, struct km_buf *out)
{
  struct writer writer = {.out = out};
  if (is_block(val)) {
    write_node(&writer, val, 0);
  } else {
    struct place place = {.indent = INDENT};
    write_scalar(&writer, &place, val);
  }
  if (writer.column > 0) {
    break_line(&writer);
  }
  return !out->failed;
}
