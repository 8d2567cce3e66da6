/* Paths into a JSON tree, as people write them for kubectl: `.spec.containers[*].image`, `metadata.labels['app.io/x']`,
 * `.status.conditions[0].type`, `.spec.containers[?(@.name=="web")].image`. Compiled once, evaluated often. */
#ifndef KM_CODEC_PATH_H
#define KM_CODEC_PATH_H

#include "kube_mcp/codec/json.h"

struct km_path;

/* Errors: KM_E_INVALID with the position (1-based column) of what was not understood. */
enum km_rc km_path_compile(struct km_arena *arena, const char *text, struct km_path **ret,
                           struct km_error *err);
/* The same for a path within a longer text, whose first character stands in COLUMN of it. */
enum km_rc km_path_compile_at(struct km_arena *arena, const char *text, size_t column, struct km_path **ret,
                              struct km_error *err);
/* Calls FN for each value PATH selects in ROOT, in document order, until it returns false. */
void km_path_eval(const struct km_path *path, yyjson_val *root, bool (*fn)(yyjson_val *val, void *data),
                  void *data);
/* The selected values as one line of text: scalars plain, several joined by ",", objects as compact JSON;
 * "<none>" when nothing is selected. False if OUT is full. */
bool km_path_format(const struct km_path *path, yyjson_val *root, struct km_buf *out);
/* Whether PATH may select the member that the COUNT NAMES lead to, a part of it, or something that holds it. */
bool km_path_may_reach(const struct km_path *path, const char *const *names, size_t count);
/* A column heading: the last member name, upper case ("IMAGE"). */
const char *km_path_heading(const struct km_path *path);

#endif
