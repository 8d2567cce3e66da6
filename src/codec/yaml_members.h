/* The members of one mapping while it is read: duplicates are found and merges settled before the object
 * exists. Private to the codec layer. */
#ifndef KM_CODEC_YAML_MEMBERS_H
#define KM_CODEC_YAML_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <yyjson.h>

struct km_yaml_member {
  yyjson_mut_val *key; /* a string */
  yyjson_mut_val *value;
  size_t line; /* of the key, 1-based; 0 where unknown */
  size_t column;
  bool merged; /* came from `<<`: may be repeated */
};

/* Zeroed struct = empty. */
struct km_yaml_members {
  struct km_yaml_member *items;
  size_t count;
  size_t capacity;
};

/* False when memory runs out. */
bool km_yaml_members_add(struct km_yaml_members *members, struct km_yaml_member member);
void km_yaml_members_done(struct km_yaml_members *members);

enum km_yaml_settled { KM_YAML_SETTLED, KM_YAML_DUPLICATE, KM_YAML_NO_MEMORY };
/* Leaves one member per key, in the order in which keys first appeared, each with the last value given to it
 * (a merge that follows a key replaces its value, as in the Kubernetes YAML library). KM_YAML_DUPLICATE when
 * a key was written twice: *RET_DUPLICATE is its second appearance. */
enum km_yaml_settled km_yaml_members_settle(struct km_yaml_members *members,
                                            const struct km_yaml_member **ret_duplicate);
/* The object made of the members, or NULL when memory runs out. */
yyjson_mut_val *km_yaml_members_object(const struct km_yaml_members *members, yyjson_mut_doc *doc);

#endif
