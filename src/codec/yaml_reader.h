/* The state of one YAML reading, shared by the stream (yaml.c) and the tree it becomes (yaml_tree.c). Private
 * to the codec layer. */
#ifndef KM_CODEC_YAML_READER_H
#define KM_CODEC_YAML_READER_H

#include <yaml.h>

#include "kube_mcp/base/map.h"
#include "kube_mcp/codec/yaml.h"

struct km_yaml_anchor {
  yyjson_mut_val *val; /* NULL while the node it names is being read */
  size_t nodes;
  size_t text_bytes;
  unsigned height; /* levels of containers below the node */
};

/* What has been read so far. */
struct km_yaml_tally {
  size_t nodes;
  size_t text_bytes;
  unsigned deepest; /* level of containers reached within the node being read */
};

struct km_yaml_reader {
  yaml_parser_t parser;
  const char *source;
  const char *data;
  size_t len;
  size_t fed; /* bytes libyaml has taken */
  bool too_many_directives;
  const struct km_yaml_limits *limits;
  yyjson_mut_doc *doc;
  struct km_yaml_tally tally;
  struct km_yaml_anchor *anchors; /* of the current document */
  size_t anchor_count;
  size_t anchor_capacity;
  struct km_map *anchor_places; /* name -> place in ANCHORS, counted from 1 */
};

/* EVENT is released with yaml_event_delete also after a failure. */
enum km_rc km_yaml_next_event(struct km_yaml_reader *reader, yaml_event_t *event, struct km_error *err);

/* Reads the node that begins with EVENT, with DEPTH levels of containers around it. */
enum km_rc km_yaml_read_node(struct km_yaml_reader *reader, const yaml_event_t *event, unsigned depth,
                             yyjson_mut_val **ret, struct km_error *err);
/* Anchors hold for one document. */
void km_yaml_forget_anchors(struct km_yaml_reader *reader);

/* Puts "source:line:column" before the message of ERR, which is set; returns its code. */
enum km_rc km_yaml_locate(const struct km_yaml_reader *reader, yaml_mark_t mark, struct km_error *err);
enum km_rc km_yaml_no_memory(const struct km_yaml_reader *reader, struct km_error *err);

#endif
