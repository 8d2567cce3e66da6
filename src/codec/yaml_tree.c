/* Reading YAML: the tree. A recursive descent over libyaml's events, typed as the Kubernetes YAML library
 * types them.
 *
 * Bounds, each checked before memory is taken: nesting, and nodes and text bytes as they are after alias
 * expansion, so that a small text cannot become a large tree (an alias costs what its anchor cost). Recursion
 * is as deep as the nesting bound. An alias becomes a copy: no value of the tree has two parents. Messages
 * quote keys, tags and anchors, never values, which may be secrets. */
#include "yaml_reader.h"

#include <stdlib.h>
#include <string.h>

#include "kube_mcp/base/str.h"
#include "yaml_members.h"
#include "yaml_value.h"

#include "kube_mcp/base/banned.h"

#define MAX_QUOTED_BYTES 64
#define TAG_PREFIX       "tag:yaml.org,2002:"
#define NO_ANCHOR        SIZE_MAX

/* A name from the input, short and harmless enough for a message. */
struct quoted {
  char text[MAX_QUOTED_BYTES * 3 + 4];
};

/* By value, so that it may stand among the arguments of a message. */
static struct quoted quote(const char *name, size_t len)
{
  struct quoted quoted = {0};
  struct km_buf clean;
  km_buf_init(&clean, sizeof(quoted.text) - 1);
  size_t shown = km_utf8_prefix(name, len, MAX_QUOTED_BYTES);
  km_text_sanitize(&clean, name, shown);
  km_buf_puts(&clean, shown < len ? "..." : "");
  km_strcopy(quoted.text, sizeof(quoted.text), clean.data);
  km_buf_done(&clean);
  return quoted;
}

/* Counts NODES nodes with TEXT_BYTES of text before they come into being at MARK. */
static enum km_rc account(struct km_yaml_reader *reader, yaml_mark_t mark, size_t nodes, size_t text_bytes,
                          struct km_error *err)
{
  if (nodes > reader->limits->max_nodes - reader->tally.nodes) {
    km_error_set(err, KM_E_TOO_LARGE, "more than %zu nodes", reader->limits->max_nodes);
    return km_yaml_locate(reader, mark, err);
  }
  if (text_bytes > reader->limits->max_bytes - reader->tally.text_bytes) {
    km_error_set(err, KM_E_TOO_LARGE, "more than %zu bytes of text", reader->limits->max_bytes);
    return km_yaml_locate(reader, mark, err);
  }
  reader->tally.nodes += nodes;
  reader->tally.text_bytes += text_bytes;
  return KM_OK;
}

/* Notes that containers reach down to level DEPTH. */
static enum km_rc enter(struct km_yaml_reader *reader, yaml_mark_t mark, unsigned depth, struct km_error *err)
{
  if (depth > reader->limits->max_depth) {
    km_error_set(err, KM_E_TOO_LARGE, "nested deeper than %u levels", reader->limits->max_depth);
    return km_yaml_locate(reader, mark, err);
  }
  if (depth > reader->tally.deepest) {
    reader->tally.deepest = depth;
  }
  return KM_OK;
}

/* ---- scalars ---- */

/* The tags of YAML's core types. TAG_STR also stands for "!", which says no more than "not plain". */
enum tag { TAG_NONE, TAG_STR, TAG_INT, TAG_FLOAT, TAG_BOOL, TAG_NULL, TAG_TIMESTAMP, TAG_MERGE, TAG_OTHER };

static enum tag scalar_tag(const char *tag)
{
  static const char *const names[] = {"", "str", "int", "float", "bool", "null", "timestamp", "merge"};
  if (tag == NULL) {
    return TAG_NONE;
  }
  if (strcmp(tag, "!") == 0) {
    return TAG_STR;
  }
  if (km_starts_with(tag, TAG_PREFIX)) {
    for (unsigned i = TAG_STR; i < TAG_OTHER; i++) {
      if (strcmp(tag + strlen(TAG_PREFIX), names[i]) == 0) {
        return (enum tag)i;
      }
    }
  }
  return TAG_OTHER;
}

/* Whether a scalar that resolves to KIND may carry TAG. */
static bool tag_fits(enum tag tag, enum km_yaml_kind kind)
{
  switch (tag) {
  case TAG_INT: return kind == KM_YAML_SINT || kind == KM_YAML_UINT || kind == KM_YAML_BIGINT;
  case TAG_FLOAT:
    return kind == KM_YAML_REAL || kind == KM_YAML_SINT || kind == KM_YAML_UINT || kind == KM_YAML_BIGINT;
  case TAG_BOOL: return kind == KM_YAML_BOOL;
  case TAG_NULL: return kind == KM_YAML_NULL;
  case TAG_TIMESTAMP: return kind == KM_YAML_TIMESTAMP;
  case TAG_NONE:
  case TAG_STR:
  case TAG_MERGE: return true;
  case TAG_OTHER:
  default: return false;
  }
}

/* "!!set" for tag:yaml.org,2002:set, others as they are. */
static enum km_rc refuse_tag(const struct km_yaml_reader *reader, const yaml_event_t *event, const char *tag,
                             struct km_error *err)
{
  bool standard = km_starts_with(tag, TAG_PREFIX);
  const char *name = standard ? tag + strlen(TAG_PREFIX) : tag;
  km_error_set(err, KM_E_INVALID, "the tag %s%s is not supported here", standard ? "!!" : "",
               quote(name, strlen(name)).text);
  km_yaml_locate(reader, event->start_mark, err);
  if (standard && strcmp(name, "binary") == 0) {
    return km_error_hint(err, "Remove the tag and keep the base64 text as a string.");
  }
  return km_error_hint(
      err, "Kubernetes objects are plain maps, lists, strings, numbers and booleans: remove the tag.");
}

/* Quoted and block scalars are text whatever they look like; tags decide for the others, and may forbid. */
static enum km_rc read_scalar(struct km_yaml_reader *reader, const yaml_event_t *event, yyjson_mut_val **ret,
                              struct km_error *err)
{
  const char *text = (const char *)event->data.scalar.value;
  size_t len = event->data.scalar.length;
  const char *tag_name = (const char *)event->data.scalar.tag;
  enum tag tag = scalar_tag(tag_name);
  enum km_rc rc = account(reader, event->start_mark, 1, len, err);
  if (rc != KM_OK) {
    return rc;
  }
  struct km_yaml_scalar scalar = {.kind = KM_YAML_TEXT};
  bool quoted = tag == TAG_NONE && !event->data.scalar.plain_implicit;
  if (!quoted && tag != TAG_STR) {
    scalar = km_yaml_resolve(text, len);
  }
  if (tag == TAG_OTHER) {
    return refuse_tag(reader, event, tag_name, err);
  }
  if (!tag_fits(tag, scalar.kind)) {
    km_error_set(err, KM_E_INVALID, "the value is not a !!%s", tag_name + strlen(TAG_PREFIX));
    return km_yaml_locate(reader, event->start_mark, err);
  }
  if (scalar.kind == KM_YAML_NONFINITE) {
    km_error_set(err, KM_E_INVALID, "JSON has no infinity and no NaN");
    km_yaml_locate(reader, event->start_mark, err);
    return km_error_hint(err, "Quote the value if it is meant as text.");
  }
  yyjson_mut_val *val = km_yaml_value(reader->doc, &scalar, text, len);
  if (val == NULL) {
    return km_yaml_no_memory(reader, err);
  }
  *ret = val;
  return KM_OK;
}

/* ---- anchors ---- */

static const char *anchor_name(const yaml_event_t *event)
{
  switch (event->type) {
  case YAML_SCALAR_EVENT: return (const char *)event->data.scalar.anchor;
  case YAML_SEQUENCE_START_EVENT: return (const char *)event->data.sequence_start.anchor;
  case YAML_MAPPING_START_EVENT: return (const char *)event->data.mapping_start.anchor;
  case YAML_NO_EVENT:
  case YAML_STREAM_START_EVENT:
  case YAML_STREAM_END_EVENT:
  case YAML_DOCUMENT_START_EVENT:
  case YAML_DOCUMENT_END_EVENT:
  case YAML_ALIAS_EVENT:
  case YAML_SEQUENCE_END_EVENT:
  case YAML_MAPPING_END_EVENT:
  default: return NULL;
  }
}

/* Registers NAME; the same name may be given again, and then means the later node. */
static size_t open_anchor(struct km_yaml_reader *reader, const char *name)
{
  if (reader->anchor_count == reader->anchor_capacity) {
    size_t capacity = reader->anchor_capacity == 0 ? 16 : reader->anchor_capacity * 2;
    struct km_yaml_anchor *anchors = reallocarray(reader->anchors, capacity, sizeof(*anchors));
    if (anchors == NULL) {
      return NO_ANCHOR;
    }
    reader->anchors = anchors;
    reader->anchor_capacity = capacity;
  }
  if (reader->anchor_places == NULL) {
    reader->anchor_places = km_map_new(NULL);
  }
  reader->anchors[reader->anchor_count] = (struct km_yaml_anchor){0};
  km_map_put(reader->anchor_places, name, (void *)(uintptr_t)++reader->anchor_count);
  return reader->anchor_count - 1;
}

void km_yaml_forget_anchors(struct km_yaml_reader *reader)
{
  km_map_free(reader->anchor_places);
  reader->anchor_places = NULL;
  reader->anchor_count = 0;
}

/* Copies the anchored node, whose cost is known, so that what does not fit is refused before it is built. */
static enum km_rc read_alias(struct km_yaml_reader *reader, const yaml_event_t *event, unsigned depth,
                             yyjson_mut_val **ret, struct km_error *err)
{
  const char *name = (const char *)event->data.alias.anchor;
  size_t place = reader->anchor_places == NULL ? 0 : (uintptr_t)km_map_get(reader->anchor_places, name);
  if (place == 0) {
    km_error_set(err, KM_E_INVALID, "no anchor &%s comes before this alias", quote(name, strlen(name)).text);
    km_yaml_locate(reader, event->start_mark, err);
    return km_error_hint(err, "Quote the value if it is text that begins with an asterisk.");
  }
  const struct km_yaml_anchor *anchor = &reader->anchors[place - 1];
  if (anchor->val == NULL) {
    km_error_set(err, KM_E_INVALID, "the anchor &%s contains itself", quote(name, strlen(name)).text);
    return km_yaml_locate(reader, event->start_mark, err);
  }
  enum km_rc rc = account(reader, event->start_mark, anchor->nodes, anchor->text_bytes, err);
  if (rc == KM_OK) {
    rc = enter(reader, event->start_mark, depth + anchor->height, err);
  }
  if (rc != KM_OK) {
    return rc;
  }
  yyjson_mut_val *copy = yyjson_mut_val_mut_copy(reader->doc, anchor->val);
  if (copy == NULL) {
    return km_yaml_no_memory(reader, err);
  }
  *ret = copy;
  return KM_OK;
}

/* ---- containers ---- */

static enum km_rc check_container_tag(const struct km_yaml_reader *reader, const yaml_event_t *event,
                                      const yaml_char_t *tag, const char *expected, struct km_error *err)
{
  const char *name = (const char *)tag;
  if (name == NULL || strcmp(name, expected) == 0 || strcmp(name, "!") == 0) {
    return KM_OK;
  }
  return refuse_tag(reader, event, name, err);
}

static enum km_rc read_sequence(struct km_yaml_reader *reader, unsigned depth, yyjson_mut_val **ret,
                                struct km_error *err)
{
  yyjson_mut_val *list = yyjson_mut_arr(reader->doc);
  if (list == NULL) {
    return km_yaml_no_memory(reader, err);
  }
  for (;;) {
    KM_CLEANUP(yaml_event_delete) yaml_event_t event = {0};
    enum km_rc rc = km_yaml_next_event(reader, &event, err);
    if (rc != KM_OK) {
      return rc;
    }
    if (event.type == YAML_SEQUENCE_END_EVENT) {
      *ret = list;
      return KM_OK;
    }
    yyjson_mut_val *item = NULL;
    rc = km_yaml_read_node(reader, &event, depth, &item, err);
    if (rc != KM_OK) {
      return rc;
    }
    yyjson_mut_arr_append(list, item);
  }
}

/* Only the plain scalar merges; a quoted "<<" is a key like any other. */
static bool is_merge(const yaml_event_t *key)
{
  return key->type == YAML_SCALAR_EVENT && strcmp((const char *)key->data.scalar.value, "<<") == 0 &&
         (key->data.scalar.plain_implicit || scalar_tag((const char *)key->data.scalar.tag) == TAG_MERGE);
}

/* Copies, because an anchor may still name SOURCE and its list must stay whole. */
static bool merge_object(struct km_yaml_reader *reader, yyjson_mut_val *source,
                         struct km_yaml_members *members)
{
  yyjson_mut_obj_iter iter = yyjson_mut_obj_iter_with(source);
  for (yyjson_mut_val *key = yyjson_mut_obj_iter_next(&iter); key != NULL;
       key = yyjson_mut_obj_iter_next(&iter)) {
    struct km_yaml_member member = {
        .key = yyjson_mut_val_mut_copy(reader->doc, key),
        .value = yyjson_mut_val_mut_copy(reader->doc, yyjson_mut_obj_iter_get_val(key)),
        .merged = true,
    };
    if (member.key == NULL || member.value == NULL || !km_yaml_members_add(members, member)) {
      return false;
    }
  }
  return true;
}

/* `<<: VALUE`: the members of a mapping, or of a list of mappings of which the earlier win. */
static enum km_rc merge(struct km_yaml_reader *reader, const yaml_event_t *key, yyjson_mut_val *value,
                        struct km_yaml_members *members, struct km_error *err)
{
  bool list = yyjson_mut_is_arr(value);
  size_t count = list ? yyjson_mut_arr_size(value) : 1;
  yyjson_mut_val **sources = reallocarray(NULL, count + 1, sizeof(yyjson_mut_val *));
  if (sources == NULL) {
    return km_yaml_no_memory(reader, err);
  }
  sources[0] = value;
  if (list) {
    yyjson_mut_arr_iter iter = yyjson_mut_arr_iter_with(value);
    for (size_t i = 0; i < count; i++) {
      sources[i] = yyjson_mut_arr_iter_next(&iter);
    }
  }
  enum km_rc rc = KM_OK;
  for (size_t i = count; i > 0 && rc == KM_OK; i--) {
    if (!yyjson_mut_is_obj(sources[i - 1])) {
      km_error_set(err, KM_E_INVALID, "the merge key << takes a mapping or a list of mappings");
      rc = km_yaml_locate(reader, key->start_mark, err);
    } else if (!merge_object(reader, sources[i - 1], members)) {
      rc = km_yaml_no_memory(reader, err);
    }
  }
  free(sources);
  return rc;
}

/* The key as a value first, because an alias may name it; then as the string JSON wants. */
static enum km_rc add_member(struct km_yaml_reader *reader, const yaml_event_t *key_event,
                             yyjson_mut_val *key, yyjson_mut_val *value, struct km_yaml_members *members,
                             struct km_error *err)
{
  struct km_yaml_member member = {
      .key = km_yaml_key(reader->doc, key),
      .value = value,
      .line = key_event->start_mark.line,
      .column = key_event->start_mark.column,
  };
  if (member.key == NULL) {
    km_error_set(err, KM_E_INVALID, "a key must be a string, number or boolean");
    km_yaml_locate(reader, key_event->start_mark, err);
    return km_error_hint(err, "Quote the key if it is text, such as \"null\", \"~\" or \"{{ name }}\".");
  }
  return km_yaml_members_add(members, member) ? KM_OK : km_yaml_no_memory(reader, err);
}

static enum km_rc read_member(struct km_yaml_reader *reader, const yaml_event_t *key_event, unsigned depth,
                              struct km_yaml_members *members, struct km_error *err)
{
  yyjson_mut_val *key = NULL;
  yyjson_mut_val *value = NULL;
  enum km_rc rc = km_yaml_read_node(reader, key_event, depth, &key, err);
  if (rc != KM_OK) {
    return rc;
  }
  KM_CLEANUP(yaml_event_delete) yaml_event_t value_event = {0};
  rc = km_yaml_next_event(reader, &value_event, err);
  if (rc == KM_OK) {
    rc = km_yaml_read_node(reader, &value_event, depth, &value, err);
  }
  if (rc != KM_OK) {
    return rc;
  }
  return is_merge(key_event) ? merge(reader, key_event, value, members, err)
                             : add_member(reader, key_event, key, value, members, err);
}

/* Mappings become objects at their end, once merges are settled and duplicates ruled out. */
static enum km_rc finish_mapping(struct km_yaml_reader *reader, struct km_yaml_members *members,
                                 yyjson_mut_val **ret, struct km_error *err)
{
  const struct km_yaml_member *duplicate = NULL;
  enum km_yaml_settled settled = km_yaml_members_settle(members, &duplicate);
  if (settled == KM_YAML_DUPLICATE) {
    yaml_mark_t mark = {.line = duplicate->line, .column = duplicate->column};
    km_error_set(err, KM_E_INVALID, "the key \"%s\" is given twice in one mapping",
                 quote(yyjson_mut_get_str(duplicate->key), yyjson_mut_get_len(duplicate->key)).text);
    return km_yaml_locate(reader, mark, err);
  }
  yyjson_mut_val *object = settled == KM_YAML_SETTLED ? km_yaml_members_object(members, reader->doc) : NULL;
  if (object == NULL) {
    return km_yaml_no_memory(reader, err);
  }
  *ret = object;
  return KM_OK;
}

static enum km_rc read_mapping(struct km_yaml_reader *reader, unsigned depth, yyjson_mut_val **ret,
                               struct km_error *err)
{
  KM_CLEANUP(km_yaml_members_done) struct km_yaml_members members = {0};
  for (;;) {
    KM_CLEANUP(yaml_event_delete) yaml_event_t key_event = {0};
    enum km_rc rc = km_yaml_next_event(reader, &key_event, err);
    if (rc != KM_OK) {
      return rc;
    }
    if (key_event.type == YAML_MAPPING_END_EVENT) {
      return finish_mapping(reader, &members, ret, err);
    }
    rc = read_member(reader, &key_event, depth, &members, err);
    if (rc != KM_OK) {
      return rc;
    }
  }
}

static enum km_rc read_container(struct km_yaml_reader *reader, const yaml_event_t *event, unsigned depth,
                                 yyjson_mut_val **ret, struct km_error *err)
{
  bool mapping = event->type == YAML_MAPPING_START_EVENT;
  enum km_rc rc =
      mapping ? check_container_tag(reader, event, event->data.mapping_start.tag, TAG_PREFIX "map", err)
              : check_container_tag(reader, event, event->data.sequence_start.tag, TAG_PREFIX "seq", err);
  if (rc == KM_OK) {
    rc = enter(reader, event->start_mark, depth + 1, err);
  }
  if (rc == KM_OK) {
    rc = account(reader, event->start_mark, 1, 0, err);
  }
  if (rc != KM_OK) {
    return rc;
  }
  return mapping ? read_mapping(reader, depth + 1, ret, err) : read_sequence(reader, depth + 1, ret, err);
}

/* An anchor is open while its node is read: an alias to it within the node would never end. */
enum km_rc km_yaml_read_node(struct km_yaml_reader *reader, const yaml_event_t *event, unsigned depth,
                             yyjson_mut_val **ret, struct km_error *err)
{
  if (event->type == YAML_ALIAS_EVENT) {
    return read_alias(reader, event, depth, ret, err);
  }
  const char *name = anchor_name(event);
  size_t place = NO_ANCHOR;
  if (name != NULL) {
    place = open_anchor(reader, name);
    if (place == NO_ANCHOR) {
      return km_yaml_no_memory(reader, err);
    }
  }
  struct km_yaml_tally before = reader->tally;
  reader->tally.deepest = depth;
  enum km_rc rc = event->type == YAML_SCALAR_EVENT ? read_scalar(reader, event, ret, err)
                                                   : read_container(reader, event, depth, ret, err);
  if (rc != KM_OK) {
    return rc;
  }
  if (place != NO_ANCHOR) {
    reader->anchors[place] = (struct km_yaml_anchor){
        .val = *ret,
        .nodes = reader->tally.nodes - before.nodes,
        .text_bytes = reader->tally.text_bytes - before.text_bytes,
        .height = reader->tally.deepest - depth,
    };
  }
  if (before.deepest > reader->tally.deepest) {
    reader->tally.deepest = before.deepest;
  }
  return KM_OK;
}
