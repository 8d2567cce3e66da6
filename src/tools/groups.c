/* Groups of objects by the values of paths.
 *
 * Owns, in its arena, one counter per combination of values, at most MAX_GROUPS; what comes when there is no room is
 * counted together and said. Values are cleaned like the cells of a table and cut to MAX_VALUE_BYTES. One object makes at
 * most MAX_COMBINATIONS: that is four lists of eight values. */
#include "groups.h"

#include <stdlib.h>
#include <string.h>

#include "kube_mcp/base/crypto.h"
#include "kube_mcp/base/map.h"
#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

#define MAX_GROUPS       ((size_t)10000)
#define MAX_COMBINATIONS ((size_t)4096)
#define MAX_VALUES       ((size_t)256) /* of one path in one object */
#define MAX_VALUE_BYTES  ((size_t)400)
#define MAX_READ_BYTES   ((size_t)2 * 1024 * 1024)
#define NOTHING          "<none>"

struct counter {
  struct group group;
  int64_t last_object; /* the object that was counted last: it counts once */
};

struct groups {
  struct km_arena *arena;
  struct km_path *const *paths;
  size_t path_count;
  struct km_map *map; /* of struct counter, by the joined values */
  struct counter **items;
  size_t count;
  int64_t objects, uncounted;
};

static void free_map(void *map)
{
  km_map_free(map);
}

struct groups *groups_new(struct km_arena *arena, struct km_path *const *paths, size_t count)
{
  struct groups *groups = KM_ARENA_NEW(arena, struct groups);
  groups->arena = arena;
  groups->paths = paths;
  groups->path_count = count;
  groups->map = km_map_new(NULL);
  groups->items = KM_ARENA_ARRAY(arena, struct counter *, MAX_GROUPS);
  km_arena_defer(arena, free_map, groups->map);
  return groups;
}

/* -- the values of one object ------------------------------------------------------------------------------------- */

struct values {
  struct km_arena *arena; /* of this object */
  const char *items[MAX_VALUES];
  size_t count;
  bool more;
};

/* What is longer than a group's value may be is cut, and told apart by a fingerprint of the whole. */
static char *shorten(struct km_arena *arena, const struct km_buf *line)
{
  if (line->failed) {
    return km_arena_strdup(arena, "<larger than 2 MiB>");
  }
  if (line->len <= MAX_VALUE_BYTES) {
    return km_arena_strndup(arena, line->data, line->len);
  }
  char fingerprint[17];
  km_fingerprint(fingerprint, line->data, line->len);
  size_t kept = km_utf8_prefix(line->data, line->len, MAX_VALUE_BYTES / 2);
  return km_arena_printf(arena, "%.*s\xE2\x80\xA6 (%zu bytes, fingerprint %s)", (int)kept, line->data,
                         line->len, fingerprint);
}

static bool collect(yyjson_val *val, void *data)
{
  struct values *values = data;
  if (values->count == MAX_VALUES) {
    values->more = true;
    return false;
  }
  struct km_buf line;
  km_buf_init(&line, MAX_READ_BYTES);
  if (yyjson_is_null(val)) {
    km_buf_puts(&line, NOTHING);
  } else if (yyjson_is_str(val)) {
    km_text_sanitize(&line, yyjson_get_str(val), yyjson_get_len(val));
  } else {
    km_json_write_val(val, false, &line);
  }
  char *text = shorten(values->arena, &line);
  for (char *c = text; *c != '\0'; c++) {
    *c = (unsigned char)*c < ' ' ? ' ' : *c;
  }
  values->items[values->count++] = text;
  km_buf_done(&line);
  return true;
}

/* -- counting ----------------------------------------------------------------------------------------------------- */

static struct counter *find_or_add(struct groups *groups, const char *const *chosen)
{
  struct km_buf key;
  km_buf_init(&key, MAX_GROUP_PATHS * (MAX_VALUE_BYTES + 1) + 1);
  for (size_t i = 0; i < groups->path_count; i++) {
    km_buf_printf(&key, "%s\n", chosen[i]);
  }
  struct counter *counter = km_map_get(groups->map, key.data);
  if (counter == NULL && groups->count < MAX_GROUPS) {
    counter = KM_ARENA_NEW(groups->arena, struct counter);
    for (size_t i = 0; i < groups->path_count; i++) {
      counter->group.values[i] = km_arena_strdup(groups->arena, chosen[i]);
    }
    km_map_put(groups->map, key.data, counter);
    groups->items[groups->count++] = counter;
  }
  km_buf_done(&key);
  return counter;
}

/* Counts the combination that CHOSEN is. */
static bool count_one(struct groups *groups, const char *const *chosen)
{
  struct counter *counter = find_or_add(groups, chosen);
  if (counter != NULL && counter->last_object != groups->objects) {
    counter->last_object = groups->objects;
    counter->group.count++;
  }
  return counter != NULL;
}

void groups_add(struct groups *groups, yyjson_val *object)
{
  KM_CLEANUP(km_arena_freep) struct km_arena *arena = km_arena_new(SIZE_MAX);
  struct values values[MAX_GROUP_PATHS];
  bool counted = true;
  groups->objects++;
  for (size_t i = 0; i < groups->path_count; i++) {
    values[i] = (struct values){.arena = arena};
    km_path_eval(groups->paths[i], object, collect, &values[i]);
    if (values[i].count == 0) {
      values[i].items[values[i].count++] = NOTHING;
    }
    counted = counted && !values[i].more;
  }
  /* An odometer over the values of all paths. */
  size_t at[MAX_GROUP_PATHS] = {0};
  for (size_t n = 0, turned = 0; turned < groups->path_count; n++) {
    if (n == MAX_COMBINATIONS) {
      counted = false;
      break;
    }
    const char *chosen[MAX_GROUP_PATHS];
    for (size_t i = 0; i < groups->path_count; i++) {
      chosen[i] = values[i].items[at[i]];
    }
    counted = count_one(groups, chosen) && counted;
    for (turned = 0; turned < groups->path_count && ++at[turned] == values[turned].count; turned++) {
      at[turned] = 0;
    }
  }
  groups->uncounted += counted ? 0 : 1;
}

/* -- the result --------------------------------------------------------------------------------------------------- */

static int by_count(const void *a, const void *b)
{
  const struct group *x = a;
  const struct group *y = b;
  if (x->count != y->count) {
    return x->count > y->count ? -1 : 1;
  }
  for (size_t i = 0; i < MAX_GROUP_PATHS && x->values[i] != NULL; i++) {
    int order = strcmp(x->values[i], y->values[i]);
    if (order != 0) {
      return order;
    }
  }
  return 0;
}

const struct group *groups_sorted(struct groups *groups, size_t *ret_count)
{
  struct group *sorted = KM_ARENA_ARRAY(groups->arena, struct group, groups->count + 1);
  for (size_t i = 0; i < groups->count; i++) {
    sorted[i] = groups->items[i]->group;
  }
  qsort(sorted, groups->count, sizeof(*sorted), by_count);
  *ret_count = groups->count;
  return sorted;
}

int64_t groups_uncounted(const struct groups *groups)
{
  return groups->uncounted;
}
