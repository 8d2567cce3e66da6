/* Reading YAML: the stream. libyaml splits the text into events, yaml_tree.c makes JSON trees of them, this
 * file owns the parser, the documents and what is said when the syntax is wrong.
 *
 * The tree grows in a malloc'ed mutable document and is copied into its final, compact form at the end; that
 * form is freed with the arena. Text that is one JSON document is read by the JSON parser instead, which
 * knows JSON's escapes; libyaml does not. libyaml works in time linear in its input except for %TAG
 * directives, which are bounded here. */
#include "kube_mcp/codec/yaml.h"

#include <stdlib.h>
#include <string.h>

#include "yaml_reader.h"
#include "yaml_value.h"

#include "kube_mcp/base/banned.h"

/* libyaml compares each with all before it; nobody writes more than a few. */
#define MAX_TAG_DIRECTIVES 16

const struct km_yaml_limits km_yaml_default_limits = {
    .max_depth = KM_JSON_MAX_DEPTH,
    .max_nodes = 1000 * 1000,
    .max_bytes = (size_t)16 * 1024 * 1024,
};

/* ---- what went wrong ---- */

enum km_rc km_yaml_locate(const struct km_yaml_reader *reader, yaml_mark_t mark, struct km_error *err)
{
  return km_error_wrap(err, "%s:%zu:%zu", reader->source, mark.line + 1, mark.column + 1);
}

enum km_rc km_yaml_no_memory(const struct km_yaml_reader *reader, struct km_error *err)
{
  return km_error_set(err, KM_E_INTERNAL, "%s: out of memory", reader->source);
}

/* The bytes are no text: wrong encoding, control characters. libyaml gives a byte offset only. */
static enum km_rc reader_problem(struct km_yaml_reader *reader, struct km_error *err)
{
  const yaml_parser_t *parser = &reader->parser;
  if (reader->too_many_directives) {
    return km_error_set(err, KM_E_TOO_LARGE, "%s: more than %d %%TAG directives", reader->source,
                        MAX_TAG_DIRECTIVES);
  }
  size_t line = 1;
  size_t column = 1;
  size_t character = 0;
  size_t offset = parser->problem_offset < reader->len ? parser->problem_offset : reader->len;
  yyjson_locate_pos(reader->data, reader->len, offset, &line, &column, &character);
  return km_error_set(err, KM_E_INVALID, "%s:%zu:%zu: not readable as text: %s", reader->source, line, column,
                      parser->problem);
}

/* "PROBLEM CONTEXT", for instance "did not find expected key while parsing a block mapping that began in line
 * 3": the beginning often says more than the place where libyaml gave up. */
static enum km_rc syntax_problem(struct km_yaml_reader *reader, struct km_error *err)
{
  const yaml_parser_t *parser = &reader->parser;
  if (parser->context != NULL && parser->context_mark.line != parser->problem_mark.line) {
    km_error_set(err, KM_E_INVALID, "%s %s that began in line %zu", parser->problem, parser->context,
                 parser->context_mark.line + 1);
  } else {
    const char *context = parser->context != NULL ? parser->context : "";
    km_error_set(err, KM_E_INVALID, "%s%s%s", parser->problem, *context != '\0' ? " " : "", context);
  }
  km_yaml_locate(reader, parser->problem_mark, err);
  return km_error_hint(
      err, "Check the indentation (spaces only, no tabs) and quotes of this line and those above.");
}

static enum km_rc parser_problem(struct km_yaml_reader *reader, struct km_error *err)
{
  switch (reader->parser.error) {
  case YAML_READER_ERROR: return reader_problem(reader, err);
  case YAML_SCANNER_ERROR:
  case YAML_PARSER_ERROR: return syntax_problem(reader, err);
  case YAML_MEMORY_ERROR:
  case YAML_NO_ERROR:
  case YAML_COMPOSER_ERROR:
  case YAML_WRITER_ERROR:
  case YAML_EMITTER_ERROR:
  default: return km_yaml_no_memory(reader, err);
  }
}

/* ---- events ---- */

/* libyaml's read handler. It is called every 16 KiB, which is where the directives collected so far are
 * counted: no event arrives before the last of them. */
static int feed(void *data, unsigned char *buffer, size_t size, size_t *ret_size)
{
  struct km_yaml_reader *reader = data;
  if (reader->parser.tag_directives.top - reader->parser.tag_directives.start > MAX_TAG_DIRECTIVES) {
    reader->too_many_directives = true;
    return 0;
  }
  size_t n = reader->len - reader->fed < size ? reader->len - reader->fed : size;
  if (n > 0) {
    memcpy(buffer, reader->data + reader->fed, n);
    reader->fed += n;
  }
  *ret_size = n;
  return 1;
}

enum km_rc km_yaml_next_event(struct km_yaml_reader *reader, yaml_event_t *event, struct km_error *err)
{
  return yaml_parser_parse(&reader->parser, event) ? KM_OK : parser_problem(reader, err);
}

/* ---- documents ---- */

/* After the start of a document: its root and its end. Empty documents leave nothing behind. */
static enum km_rc read_document(struct km_yaml_reader *reader, yyjson_mut_val *documents,
                                struct km_error *err)
{
  KM_CLEANUP(yaml_event_delete) yaml_event_t event = {0};
  yyjson_mut_val *root = NULL;
  enum km_rc rc = km_yaml_next_event(reader, &event, err);
  if (rc == KM_OK) {
    rc = km_yaml_read_node(reader, &event, 0, &root, err);
  }
  if (rc == KM_OK) {
    yaml_event_delete(&event);
    rc = km_yaml_next_event(reader, &event, err);
  }
  if (rc != KM_OK) {
    return rc;
  }
  km_yaml_forget_anchors(reader);
  if (!yyjson_mut_is_null(root)) {
    yyjson_mut_arr_append(documents, root);
  }
  return KM_OK;
}

static enum km_rc read_stream(struct km_yaml_reader *reader, yyjson_mut_val *documents, struct km_error *err)
{
  for (;;) {
    KM_CLEANUP(yaml_event_delete) yaml_event_t event = {0};
    enum km_rc rc = km_yaml_next_event(reader, &event, err);
    if (rc == KM_OK && event.type == YAML_DOCUMENT_START_EVENT) {
      rc = read_document(reader, documents, err);
    }
    if (rc != KM_OK || event.type == YAML_STREAM_END_EVENT) {
      return rc;
    }
  }
}

static enum km_rc read_yaml(struct km_yaml_reader *reader, yyjson_mut_val *documents, struct km_error *err)
{
  if (!yaml_parser_initialize(&reader->parser)) {
    return km_yaml_no_memory(reader, err);
  }
  yaml_parser_set_input(&reader->parser, feed, reader);
  enum km_rc rc = read_stream(reader, documents, err);
  yaml_parser_delete(&reader->parser);
  km_yaml_forget_anchors(reader);
  free(reader->anchors);
  return rc;
}

/* JSON documents are objects or lists; all that begins otherwise is not worth an attempt. */
static bool begins_like_json(const char *data, size_t len)
{
  size_t i = 0;
  while (i < len && strchr(" \t\r\n", data[i]) != NULL && data[i] != '\0') {
    i++;
  }
  return i < len && (data[i] == '{' || data[i] == '[');
}

/* Reads text that is JSON and within the bounds. Whatever else it is, the YAML reader will say. */
static bool read_json(struct km_yaml_reader *reader, yyjson_mut_val *documents)
{
  if (!begins_like_json(reader->data, reader->len)) {
    return false;
  }
  KM_CLEANUP(km_arena_freep) struct km_arena *scratch = km_arena_new(4096);
  yyjson_doc *doc = NULL;
  struct km_error ignored;
  if (km_json_parse(scratch, reader->data, reader->len, reader->limits->max_depth, &doc, &ignored) != KM_OK ||
      yyjson_doc_get_val_count(doc) > reader->limits->max_nodes) {
    return false;
  }
  yyjson_mut_val *root = yyjson_val_mut_copy(reader->doc, yyjson_doc_get_root(doc));
  return km_yaml_adopt_json(root) && yyjson_mut_arr_append(documents, root);
}

static void free_doc(void *data)
{
  yyjson_doc_free(data);
}

enum km_rc km_yaml_parse(struct km_arena *arena, const char *data, size_t len, const char *source,
                         const struct km_yaml_limits *limits, yyjson_doc **ret_array, struct km_error *err)
{
  if (len > limits->max_bytes) {
    return km_error_set(err, KM_E_TOO_LARGE, "%s: %zu bytes are more than the %zu that are read", source, len,
                        limits->max_bytes);
  }
  struct km_yaml_reader reader = {.source = source, .data = data, .len = len, .limits = limits};
  reader.doc = yyjson_mut_doc_new(NULL);
  yyjson_mut_val *documents = yyjson_mut_arr(reader.doc);
  if (documents == NULL) {
    yyjson_mut_doc_free(reader.doc);
    return km_yaml_no_memory(&reader, err);
  }
  enum km_rc rc = read_json(&reader, documents) ? KM_OK : read_yaml(&reader, documents, err);
  yyjson_doc *array = rc == KM_OK ? yyjson_mut_val_imut_copy(documents, NULL) : NULL;
  yyjson_mut_doc_free(reader.doc);
  if (rc != KM_OK) {
    return rc;
  }
  if (array == NULL) {
    return km_yaml_no_memory(&reader, err);
  }
  km_arena_defer(arena, free_doc, array);
  *ret_array = array;
  return KM_OK;
}
