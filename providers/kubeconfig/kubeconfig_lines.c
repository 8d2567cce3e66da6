/* Where the entries of a kubeconfig stand in its text, so that messages can say file:line.
 *
 * The YAML tree has no positions. In block style, which kubectl writes, the items of a top-level list are the lines
 * that begin with a dash in one and the same column; whatever an item contains stands further right. One pass over
 * the text finds them. In flow style, or whenever the count differs from that of the tree, nothing is claimed. */
#include "kubeconfig.h"

#include <string.h>

#include "kube_mcp/base/banned.h"

struct line_reader {
  const char *text, *end;
  uint32_t number; /* of the current line */
  const char *line;
  size_t line_len;
};

static bool next_line(struct line_reader *reader)
{
  if (reader->text == reader->end) {
    return false;
  }
  size_t left = (size_t)(reader->end - reader->text);
  const char *newline = memchr(reader->text, '\n', left);
  reader->line = reader->text;
  reader->line_len = newline != NULL ? (size_t)(newline - reader->text) : left;
  reader->text += reader->line_len + (newline != NULL ? 1 : 0);
  reader->number++;
  return true;
}

/* Column of the first character that is no space. */
static size_t indent_of(const struct line_reader *reader)
{
  size_t column = 0;
  while (column < reader->line_len && reader->line[column] == ' ') {
    column++;
  }
  return column;
}

/* Beyond the end of a line stands its line break. */
static char char_at(const struct line_reader *reader, size_t column)
{
  if (column >= reader->line_len) {
    return '\n';
  }
  return reader->line[column];
}

/* Such lines may stand anywhere and in any column. */
static bool is_blank_or_comment(const struct line_reader *reader)
{
  char first = char_at(reader, indent_of(reader));
  return first == '\n' || first == '\r' || first == '#';
}

/* A dash alone, not "---" and not the minus of a number. */
static bool is_item(const struct line_reader *reader, size_t column)
{
  char after = char_at(reader, column + 1);
  return char_at(reader, column) == '-' && (after == ' ' || after == '\n' || after == '\r');
}

/* Moves to the first line within the top-level list KEY. */
static bool enter_list(struct line_reader *reader, const char *key)
{
  size_t key_len = strlen(key);
  while (next_line(reader)) {
    if (reader->line_len > key_len && memcmp(reader->line, key, key_len) == 0 &&
        reader->line[key_len] == ':') {
      while (next_line(reader)) {
        if (!is_blank_or_comment(reader)) {
          return true;
        }
      }
    }
  }
  return false;
}

const uint32_t *km_kubeconfig_item_lines(struct km_arena *arena, const char *text, size_t len,
                                         const char *key, size_t count)
{
  struct line_reader reader = {.text = text, .end = text + len};
  if (count == 0 || !enter_list(&reader, key)) {
    return NULL;
  }
  uint32_t *lines = KM_ARENA_ARRAY(arena, uint32_t, count);
  size_t found = 0;
  size_t indent = indent_of(&reader);
  do {
    /* Further right is inside an item; a line in the items' own column that is none ends the list. */
    size_t column = indent_of(&reader);
    if (is_blank_or_comment(&reader) || column > indent) {
      continue;
    }
    if (column < indent || !is_item(&reader, column)) {
      break;
    }
    if (found == count) {
      return NULL;
    }
    lines[found++] = reader.number;
  } while (next_line(&reader));
  return found == count ? lines : NULL;
}
