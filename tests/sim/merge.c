/* What the patches of the API do to an object: strategic merge (and with it apply) and JSON Patch. JSON merge patch is
 * yyjson's own.
 *
 * Strategic merge knows one rule where the API server has one per field: lists whose members all have a name are merged
 * by it, others are replaced. */
#include <string.h>

#include "kube_mcp/base/str.h"
#include "kube_mcp/codec/json.h"
#include "sim.h"

#include "kube_mcp/base/banned.h"

/* --- strategic merge ---------------------------------------------------------------------------------------------------- */

static const char *name_of(yyjson_mut_val *member)
{
  return yyjson_mut_get_str(yyjson_mut_obj_get(member, "name"));
}

static bool is_named(yyjson_mut_val *list)
{
  size_t i, max;
  yyjson_mut_val *member;
  yyjson_mut_arr_foreach(list, i, max, member)
  {
    if (name_of(member) == NULL) {
      return false;
    }
  }
  return yyjson_mut_is_arr(list);
}

static yyjson_mut_val *find_named(yyjson_mut_val *list, const char *name, size_t *ret_index)
{
  size_t i, max;
  yyjson_mut_val *member;
  yyjson_mut_arr_foreach(list, i, max, member)
  {
    if (km_streq(name_of(member), name)) {
      *ret_index = i;
      return member;
    }
  }
  return NULL;
}

static void merge_lists(yyjson_mut_doc *doc, yyjson_mut_val *list, yyjson_mut_val *patch)
{
  size_t i, max, at = 0;
  yyjson_mut_val *member;
  yyjson_mut_arr_foreach(patch, i, max, member)
  {
    yyjson_mut_val *found = find_named(list, name_of(member), &at);
    if (km_streq(yyjson_mut_get_str(yyjson_mut_obj_get(member, "$patch")), "delete")) {
      if (found != NULL) {
        yyjson_mut_arr_remove(list, at);
      }
    } else if (found != NULL) {
      sim_merge_strategic(doc, found, member);
    } else {
      yyjson_mut_arr_append(list, yyjson_mut_val_mut_copy(doc, member));
    }
  }
}

void sim_merge_strategic(yyjson_mut_doc *doc, yyjson_mut_val *object, yyjson_mut_val *patch)
{
  size_t i, max;
  yyjson_mut_val *key, *value;
  yyjson_mut_obj_foreach(patch, i, max, key, value)
  {
    const char *name = yyjson_mut_get_str(key);
    yyjson_mut_val *old = yyjson_mut_obj_get(object, name);
    if (name[0] == '$') { /* a directive of kubectl's, about the order of lists */
      continue;
    }
    if (yyjson_mut_is_null(value)) {
      yyjson_mut_obj_remove_key(object, name);
    } else if (yyjson_mut_is_obj(old) && yyjson_mut_is_obj(value)) {
      sim_merge_strategic(doc, old, value);
    } else if (is_named(old) && is_named(value)) {
      merge_lists(doc, old, value);
    } else {
      yyjson_mut_obj_put(object, yyjson_mut_strcpy(doc, name), yyjson_mut_val_mut_copy(doc, value));
    }
  }
}

/* --- JSON Patch --------------------------------------------------------------------------------------------------------- */

struct operation {
  const char *op, *path, *from;
  yyjson_mut_val *value;
};

static yyjson_mut_val *copy_at(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *path)
{
  yyjson_mut_val *found = path == NULL ? NULL : yyjson_mut_ptr_get(object, path);
  return found == NULL ? NULL : yyjson_mut_val_mut_copy(doc, found);
}

static bool add_at(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *path, yyjson_mut_val *value)
{
  return value != NULL && yyjson_mut_ptr_addx(object, path, strlen(path), value, doc, false, NULL, NULL);
}

/* False when the operation does not apply. */
static bool operate(yyjson_mut_doc *doc, yyjson_mut_val *object, const struct operation *operation)
{
  const char *op = operation->op, *path = operation->path;
  yyjson_mut_val *value = operation->value == NULL ? NULL : yyjson_mut_val_mut_copy(doc, operation->value);
  if (path == NULL || path[0] != '/') {
    return false;
  }
  if (km_streq(op, "add")) {
    return add_at(doc, object, path, value);
  }
  if (km_streq(op, "replace")) {
    return value != NULL && yyjson_mut_ptr_replace(object, path, value) != NULL;
  }
  if (km_streq(op, "remove")) {
    return yyjson_mut_ptr_remove(object, path) != NULL;
  }
  if (km_streq(op, "test")) {
    return yyjson_mut_equals(yyjson_mut_ptr_get(object, path), operation->value);
  }
  bool moves = km_streq(op, "move");
  yyjson_mut_val *source = moves || km_streq(op, "copy") ? copy_at(doc, object, operation->from) : NULL;
  if (source != NULL && moves) {
    (void)yyjson_mut_ptr_remove(object, operation->from);
  }
  return add_at(doc, object, path, source);
}

bool sim_patch_json(yyjson_mut_doc *doc, yyjson_mut_val *object, yyjson_mut_val *operations)
{
  size_t i, max;
  yyjson_mut_val *member;
  yyjson_mut_arr_foreach(operations, i, max, member)
  {
    const struct operation operation = {.op = yyjson_mut_get_str(yyjson_mut_obj_get(member, "op")),
                                        .path = yyjson_mut_get_str(yyjson_mut_obj_get(member, "path")),
                                        .from = yyjson_mut_get_str(yyjson_mut_obj_get(member, "from")),
                                        .value = yyjson_mut_obj_get(member, "value")};
    if (!operate(doc, object, &operation)) {
      return false;
    }
  }
  return yyjson_mut_is_arr(operations);
}
