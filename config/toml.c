/* The structural half of the TOML 1.0.0 parser: tables, arrays, headers and who may add to what.
 *
 * Every value is the first member of a private node that remembers how it came to be (its origin): TOML's
 * rules on redefinition are nothing but which origin may be entered or extended in which way, and stand in
 * enter_header, enter_dotted, define_table and append_table only. Limits: size, depth and keys per table
 * (toml.h). Recursion goes through arrays and inline tables, whose depth is bounded by the node's. Look-up in
 * a table is linear; the bound on keys keeps that harmless. */
#include "kube_mcp/config/toml.h"

#include <string.h>

#include "text.h"
#include "toml_lex.h"

#include "kube_mcp/base/banned.h"

enum origin {
  ORIGIN_VALUE,    /* a scalar, or an array written out */
  ORIGIN_IMPLICIT, /* a table that exists because [a.b] needs a */
  ORIGIN_HEADER,   /* a table with a header of its own, or the root */
  ORIGIN_DOTTED,   /* a table that exists because a.b = ... needs a */
  ORIGIN_INLINE,   /* { ... }: complete as written */
  ORIGIN_TABLES,   /* an array built by [[a]] */
};

struct node {
  struct km_toml_value value;
  enum origin origin;
  unsigned depth;
  size_t capacity; /* of the items or entries */
};

struct parser {
  struct km_toml_lexer lex;
  struct node *root;
  struct node *table; /* the one that key/value lines go to */
};

static enum km_rc parse_value(struct parser *parser, const struct node *parent, struct node **ret);

static struct node *node_of(struct km_toml_value *value)
{
  return KM_CONTAINER_OF(value, struct node, value);
}

/* --- building the tree --- */

/* Refuses a child of PARENT that would be nested too deeply. */
static enum km_rc check_depth(struct parser *parser, const struct node *parent, struct km_toml_place place)
{
  return parent->depth < KM_TOML_MAX_DEPTH
             ? KM_OK
             : km_toml_fail_at(&parser->lex, place, "nested more than %d levels deep", KM_TOML_MAX_DEPTH);
}

static struct node *new_node(struct parser *parser, unsigned depth, enum km_toml_type type,
                             enum origin origin, struct km_toml_place place)
{
  struct node *node = KM_ARENA_NEW(parser->lex.arena, struct node);
  node->value.type = type;
  node->value.line = place.line;
  node->value.col = place.col;
  node->origin = origin;
  node->depth = depth;
  return node;
}

/* Makes room for one more element of SIZE bytes behind the COUNT at ITEMS. */
static void *grow(struct parser *parser, struct node *node, void *items, size_t count, size_t size)
{
  if (count < node->capacity) {
    return items;
  }
  node->capacity = node->capacity == 0 ? 1 : node->capacity * 2;
  void *larger = km_arena_alloc(parser->lex.arena, node->capacity * size);
  if (count > 0) {
    memcpy(larger, items, count * size);
  }
  return larger;
}

static void append_item(struct parser *parser, struct node *array, struct node *item)
{
  struct km_toml_value *value = &array->value;
  value->as.array.items = grow(parser, array, (void *)value->as.array.items, value->as.array.count,
                               sizeof(struct km_toml_value *));
  value->as.array.items[value->as.array.count++] = &item->value;
}

static enum km_rc insert(struct parser *parser, struct node *table, const struct km_toml_key *key,
                         struct node *child)
{
  struct km_toml_value *value = &table->value;
  if (value->as.table.count >= KM_TOML_MAX_KEYS) {
    return km_toml_fail_at(&parser->lex, key->place, "more than %d keys in one table", KM_TOML_MAX_KEYS);
  }
  value->as.table.entries =
      grow(parser, table, value->as.table.entries, value->as.table.count, sizeof *value->as.table.entries);
  value->as.table.entries[value->as.table.count++] = (struct km_toml_entry){
      .key = key->text,
      .key_len = key->len,
      .line = key->place.line,
      .col = key->place.col,
      .value = &child->value,
  };
  return KM_OK;
}

static struct node *find(const struct node *table, const struct km_toml_key *key)
{
  for (size_t i = 0; i < table->value.as.table.count; i++) {
    const struct km_toml_entry *entry = &table->value.as.table.entries[i];
    if (entry->key_len == key->len && memcmp(entry->key, key->text, key->len) == 0) {
      return node_of(entry->value);
    }
  }
  return NULL;
}

/* A new table or array of tables as KEY of PARENT. */
static enum km_rc add_child(struct parser *parser, struct node *parent, const struct km_toml_key *key,
                            enum origin origin, struct node **ret)
{
  enum km_toml_type type = origin == ORIGIN_TABLES ? KM_TOML_ARRAY : KM_TOML_TABLE;
  enum km_rc rc = check_depth(parser, parent, key->place);
  if (rc != KM_OK) {
    return rc;
  }
  struct node *child = new_node(parser, parent->depth + 1, type, origin, key->place);
  rc = insert(parser, parent, key, child);
  if (rc == KM_OK) {
    *ret = child;
  }
  return rc;
}

/* --- who may add to what --- */

static enum km_rc refuse(struct parser *parser, const struct km_toml_key *key, const struct node *existing)
{
  const char *name = km_text_shown(parser->lex.arena, key->text, key->len);
  int line = existing->value.line;
  switch (existing->origin) {
  case ORIGIN_INLINE:
    return km_toml_fail_at(&parser->lex, key->place, "the inline table '%s' of line %d cannot be added to",
                           name, line);
  case ORIGIN_TABLES:
    return km_toml_fail_at(&parser->lex, key->place,
                           "'%s' is an array of tables since line %d: add with [[%s]]", name, line, name);
  case ORIGIN_IMPLICIT:
  case ORIGIN_HEADER:
  case ORIGIN_DOTTED:
    return km_toml_fail_at(&parser->lex, key->place, "the table '%s' is defined already, on line %d", name,
                           line);
  case ORIGIN_VALUE:
  default:
    return km_toml_fail_at(&parser->lex, key->place, "'%s' is defined already, on line %d, as %s", name, line,
                           km_toml_type_name(existing->value.type));
  }
}

/* A part before the last of [a.b.c]: any table, or the latest of an array of tables. */
static enum km_rc enter_header(struct parser *parser, struct node **table, const struct km_toml_key *key)
{
  struct node *child = find(*table, key);
  if (child == NULL) {
    return add_child(parser, *table, key, ORIGIN_IMPLICIT, table);
  }
  if (child->origin == ORIGIN_TABLES) {
    child = node_of(child->value.as.array.items[child->value.as.array.count - 1]);
  } else if (child->origin == ORIGIN_VALUE || child->origin == ORIGIN_INLINE) {
    return refuse(parser, key, child);
  }
  *table = child;
  return KM_OK;
}

/* A part before the last of a.b.c = ...: a table that only dotted keys or deeper headers brought about. */
static enum km_rc enter_dotted(struct parser *parser, struct node **table, const struct km_toml_key *key)
{
  struct node *child = find(*table, key);
  if (child == NULL) {
    return add_child(parser, *table, key, ORIGIN_DOTTED, table);
  }
  if (child->origin != ORIGIN_DOTTED && child->origin != ORIGIN_IMPLICIT) {
    return refuse(parser, key, child);
  }
  child->origin = ORIGIN_DOTTED;
  *table = child;
  return KM_OK;
}

/* The last part of [a.b.c]. */
static enum km_rc define_table(struct parser *parser, struct node *parent, const struct km_toml_key *key)
{
  struct node *table = find(parent, key);
  if (table == NULL) {
    return add_child(parser, parent, key, ORIGIN_HEADER, &parser->table);
  }
  if (table->origin != ORIGIN_IMPLICIT) {
    return refuse(parser, key, table);
  }
  table->origin = ORIGIN_HEADER;
  table->value.line = key->place.line;
  table->value.col = key->place.col;
  parser->table = table;
  return KM_OK;
}

/* The last part of [[a.b.c]]. */
static enum km_rc append_table(struct parser *parser, struct node *parent, const struct km_toml_key *key)
{
  struct node *array = find(parent, key);
  enum km_rc rc = KM_OK;
  if (array == NULL) {
    rc = add_child(parser, parent, key, ORIGIN_TABLES, &array);
  } else if (array->origin != ORIGIN_TABLES) {
    rc = refuse(parser, key, array);
  }
  if (rc != KM_OK) {
    return rc;
  }
  rc = check_depth(parser, array, key->place);
  if (rc == KM_OK) {
    parser->table = new_node(parser, array->depth + 1, KM_TOML_TABLE, ORIGIN_HEADER, key->place);
    append_item(parser, array, parser->table);
  }
  return rc;
}

/* --- syntax --- */

/* Reads a dotted key, entering each part before the last; *TABLE becomes the table the last part belongs to.
 */
static enum km_rc parse_path(struct parser *parser, struct node **table, struct km_toml_key *ret_last,
                             enum km_rc (*enter)(struct parser *, struct node **, const struct km_toml_key *))
{
  for (;;) {
    km_toml_skip_blanks(&parser->lex);
    enum km_rc rc = km_toml_key(&parser->lex, ret_last);
    if (rc != KM_OK) {
      return rc;
    }
    km_toml_skip_blanks(&parser->lex);
    if (!km_toml_accept(&parser->lex, ".")) {
      return KM_OK;
    }
    rc = enter(parser, table, ret_last);
    if (rc != KM_OK) {
      return rc;
    }
  }
}

static enum km_rc parse_key_value(struct parser *parser, struct node *table)
{
  struct km_toml_key key;
  enum km_rc rc = parse_path(parser, &table, &key, enter_dotted);
  if (rc != KM_OK) {
    return rc;
  }
  if (!km_toml_accept(&parser->lex, "=")) {
    return km_toml_expected(&parser->lex, "'=' after the key");
  }
  struct node *existing = find(table, &key);
  if (existing != NULL) {
    return refuse(parser, &key, existing);
  }
  km_toml_skip_blanks(&parser->lex);
  struct node *value;
  rc = parse_value(parser, table, &value);
  return rc == KM_OK ? insert(parser, table, &key, value) : rc;
}

static enum km_rc parse_header(struct parser *parser)
{
  bool is_array = km_toml_accept(&parser->lex, "[[");
  if (!is_array) {
    km_toml_accept(&parser->lex, "[");
  }
  struct node *parent = parser->root;
  struct km_toml_key key;
  enum km_rc rc = parse_path(parser, &parent, &key, enter_header);
  if (rc != KM_OK) {
    return rc;
  }
  if (!km_toml_accept(&parser->lex, is_array ? "]]" : "]")) {
    return km_toml_expected(&parser->lex, is_array ? "']]' after the name" : "']' after the name");
  }
  return is_array ? append_table(parser, parent, &key) : define_table(parser, parent, &key);
}

static enum km_rc parse_array(struct parser *parser, struct node *array)
{
  km_toml_accept(&parser->lex, "[");
  for (;;) {
    enum km_rc rc = km_toml_skip_lines(&parser->lex);
    if (rc != KM_OK || km_toml_accept(&parser->lex, "]")) {
      return rc;
    }
    struct node *item;
    rc = parse_value(parser, array, &item);
    if (rc != KM_OK) {
      return rc;
    }
    append_item(parser, array, item);
    rc = km_toml_skip_lines(&parser->lex);
    if (rc != KM_OK || km_toml_accept(&parser->lex, "]")) {
      return rc;
    }
    if (!km_toml_accept(&parser->lex, ",")) {
      return km_toml_expected(&parser->lex, "',' or ']' in the array");
    }
  }
}

static enum km_rc parse_inline_table(struct parser *parser, struct node *table)
{
  km_toml_accept(&parser->lex, "{");
  km_toml_skip_blanks(&parser->lex);
  if (km_toml_accept(&parser->lex, "}")) {
    return KM_OK;
  }
  do {
    enum km_rc rc = parse_key_value(parser, table);
    if (rc != KM_OK) {
      return rc;
    }
    km_toml_skip_blanks(&parser->lex);
  } while (km_toml_accept(&parser->lex, ","));
  if (!km_toml_accept(&parser->lex, "}")) {
    return km_toml_expected(&parser->lex, "',' or '}' in the inline table");
  }
  return KM_OK;
}

static enum km_rc parse_value(struct parser *parser, const struct node *parent, struct node **ret)
{
  struct km_toml_lexer *lex = &parser->lex;
  struct km_toml_place place = km_toml_place(lex, lex->at);
  enum km_rc rc = check_depth(parser, parent, place);
  if (rc != KM_OK) {
    return rc;
  }
  struct node *node = new_node(parser, parent->depth + 1, KM_TOML_STRING, ORIGIN_VALUE, place);
  struct km_toml_value *value = &node->value;
  switch (km_toml_peek(lex)) {
  case '"':
  case '\'': rc = km_toml_string(lex, true, &value->as.string.data, &value->as.string.len); break;
  case '[':
    value->type = KM_TOML_ARRAY;
    rc = parse_array(parser, node);
    break;
  case '{':
    value->type = KM_TOML_TABLE;
    node->origin = ORIGIN_INLINE;
    rc = parse_inline_table(parser, node);
    break;
  default: rc = km_toml_scalar(lex, value); break;
  }
  if (rc == KM_OK) {
    *ret = node;
  }
  return rc;
}

static enum km_rc parse_document(struct parser *parser)
{
  struct km_toml_lexer *lex = &parser->lex;
  for (;;) {
    enum km_rc rc = km_toml_skip_lines(lex);
    if (rc != KM_OK || lex->at == lex->end) {
      return rc;
    }
    rc = km_toml_peek(lex) == '[' ? parse_header(parser) : parse_key_value(parser, parser->table);
    if (rc == KM_OK) {
      rc = km_toml_end_line(lex);
    }
    if (rc != KM_OK) {
      return rc;
    }
  }
}

/* --- public --- */

enum km_rc km_toml_parse(struct km_arena *arena, const char *text, size_t len, const char *source,
                         struct km_toml_value **ret_root, struct km_error *err)
{
  if (len > KM_TOML_MAX_BYTES) {
    return km_error_set(err, KM_E_TOO_LARGE, "%s: larger than %zu bytes", source, KM_TOML_MAX_BYTES);
  }
  struct parser parser = {.root = NULL};
  enum km_rc rc = km_toml_lexer_init(&parser.lex, arena, text, len, source, err);
  if (rc != KM_OK) {
    return rc;
  }
  parser.root = new_node(&parser, 0, KM_TOML_TABLE, ORIGIN_HEADER, (struct km_toml_place){1, 1});
  parser.table = parser.root;
  rc = parse_document(&parser);
  km_toml_lexer_done(&parser.lex);
  if (rc == KM_OK) {
    *ret_root = &parser.root->value;
  }
  return rc;
}

struct km_toml_value *km_toml_get(const struct km_toml_value *table, const char *key)
{
  size_t len = strlen(key);
  for (size_t i = 0; i < table->as.table.count; i++) {
    const struct km_toml_entry *entry = &table->as.table.entries[i];
    if (entry->key_len == len && memcmp(entry->key, key, len) == 0) {
      return entry->value;
    }
  }
  return NULL;
}

const char *km_toml_type_name(enum km_toml_type type)
{
  switch (type) {
  case KM_TOML_STRING: return "a string";
  case KM_TOML_INTEGER: return "an integer";
  case KM_TOML_FLOAT: return "a float";
  case KM_TOML_BOOLEAN: return "a boolean";
  case KM_TOML_OFFSET_DATETIME: return "an offset date-time";
  case KM_TOML_LOCAL_DATETIME: return "a local date-time";
  case KM_TOML_LOCAL_DATE: return "a local date";
  case KM_TOML_LOCAL_TIME: return "a local time";
  case KM_TOML_ARRAY: return "an array";
  case KM_TOML_TABLE: return "a table";
  default: return "an unknown type";
  }
}
