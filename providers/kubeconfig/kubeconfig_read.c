/* One kubeconfig file: from text to structs.
 *
 * What kubectl's loader refuses is refused here, for the whole file: malformed YAML, another kind or version, members of
 * the wrong type, Base64 that is none, a name that occurs twice. Unknown members are ignored and only the first YAML
 * document counts, as in kubectl; a key written twice in one mapping is an error here only. Entries are read by tables
 * of members. The YAML tree lives in a scratch arena and its strings, which include credentials, are wiped before that
 * is freed; secrets go into struct km_secret. Messages name members and entries, never a value.
 * Limits: those of km_yaml_default_limits, MAX_ENTRIES per list, MAX_IMPERSONATION groups or extra values. */
#include "kubeconfig.h"

#include <string.h>

#include "kube_mcp/base/file.h"
#include "kube_mcp/codec/yaml.h"

#include "kube_mcp/base/banned.h"

/* Far beyond what people have; they bound what a small hostile file can make us allocate. */
#define MAX_ENTRIES       ((size_t)20000)
#define MAX_IMPERSONATION ((size_t)1000)
#define MAX_SCRATCH_BYTES ((size_t)512 * 1024 * 1024)

struct reader {
  struct km_arena *arena;   /* of the result */
  struct km_arena *scratch; /* of the tree and of lines */
  const char *path, *dir;
  const char *text;
  size_t len;
  struct km_kubeconfig_file *file;
  const char *place;   /* "/home/me/.kube/config:7": what is being read */
  const char *subject; /* " user 'admin'", or "" at the top */
  struct km_error *err;
};

/* Every error of this file: the place and the entry come first, then what is wrong with it. */
#define FAIL(reader, format, ...)                                                                            \
  km_error_set_type((reader)->err, KM_E_INVALID, KM_TYPE_INVALID_KUBECONFIG,                                 \
                    "invalid kubeconfig %s:%s " format, (reader)->place, (reader)->subject, __VA_ARGS__)

/* ---- values ---- */

/* `key:` without a value, `key: null` and no key at all are the same, as they are to Go's decoder. */
static bool is_unset(yyjson_val *val)
{
  return val == NULL || yyjson_is_null(val);
}

static enum km_rc wrong_type(struct reader *reader, const char *key, const char *expected, yyjson_val *val)
{
  return FAIL(reader, "%s must be %s, not %s", key, expected, km_json_type_name(val));
}

/* The text of VAL, or NULL when it is unset or empty. It still belongs to the tree. */
static enum km_rc peek_text(struct reader *reader, yyjson_val *val, const char *key, const char **ret,
                            size_t *ret_len)
{
  *ret = NULL;
  *ret_len = 0;
  if (is_unset(val)) {
    return KM_OK;
  }
  if (!yyjson_is_str(val)) {
    wrong_type(reader, key, "a string", val);
    return yyjson_is_ctn(val) ? reader->err->code : km_error_hint(reader->err, "put the value in quotes");
  }
  size_t len = yyjson_get_len(val);
  if (memchr(yyjson_get_str(val), '\0', len) != NULL) {
    return FAIL(reader, "%s holds a NUL character", key);
  }
  if (len > 0) {
    *ret = yyjson_get_str(val);
    *ret_len = len;
  }
  return KM_OK;
}

static enum km_rc read_text(struct reader *reader, yyjson_val *val, const char *key, const char **ret)
{
  const char *text = NULL;
  size_t len = 0;
  enum km_rc rc = peek_text(reader, val, key, &text, &len);
  if (rc == KM_OK && text != NULL) {
    *ret = km_arena_strndup(reader->arena, text, len);
  }
  return rc;
}

/* Decodes the Base64 of VAL into ARENA; RET stays NULL when VAL is unset. Line breaks in it are common: the text is often
 * folded by hand. */
static enum km_rc decode(struct reader *reader, struct km_arena *arena, yyjson_val *val, const char *key,
                         uint8_t **ret, size_t *ret_len)
{
  const char *text = NULL;
  size_t len = 0;
  enum km_rc rc = peek_text(reader, val, key, &text, &len);
  if (rc != KM_OK || text == NULL) {
    return rc;
  }
  struct km_error cause;
  if (km_base64_decode(arena, text, len, true, ret, ret_len, &cause) != KM_OK) {
    return FAIL(reader, "%s: %s", key, cause.message);
  }
  return KM_OK;
}

/* The list of strings VAL; NULL and 0 when it is unset. */
static enum km_rc read_texts(struct reader *reader, yyjson_val *val, const char *key, const char ***ret,
                             size_t *ret_count)
{
  *ret = NULL;
  *ret_count = 0;
  if (is_unset(val)) {
    return KM_OK;
  }
  if (!yyjson_is_arr(val)) {
    return wrong_type(reader, key, "a list of strings", val);
  }
  if (yyjson_arr_size(val) > MAX_IMPERSONATION) {
    return FAIL(reader, "%s holds more than %zu values", key, MAX_IMPERSONATION);
  }
  const char **texts = KM_ARENA_ARRAY(reader->arena, const char *, yyjson_arr_size(val));
  size_t index = 0;
  size_t max = 0;
  yyjson_val *item = NULL;
  yyjson_arr_foreach(val, index, max, item)
  {
    texts[index] = "";
    enum km_rc rc = read_text(reader, item, key, &texts[index]);
    if (rc != KM_OK) {
      return rc;
    }
  }
  *ret = texts;
  *ret_count = max;
  return KM_OK;
}

/* ---- members: TARGET is where the table says, and stays as it is when VAL is unset ---- */

static enum km_rc member_text(struct reader *reader, yyjson_val *val, const char *key, void *target)
{
  return read_text(reader, val, key, target);
}

/* Relative paths are relative to the file that names them. */
static enum km_rc member_path(struct reader *reader, yyjson_val *val, const char *key, void *target)
{
  const char **path = target;
  const char *text = NULL;
  size_t len = 0;
  enum km_rc rc = peek_text(reader, val, key, &text, &len);
  if (rc == KM_OK && text != NULL) {
    *path = km_path_join(reader->arena, reader->dir, text);
  }
  return rc;
}

static enum km_rc member_bool(struct reader *reader, yyjson_val *val, const char *key, void *target)
{
  bool *truth = target;
  if (is_unset(val)) {
    return KM_OK;
  }
  if (!yyjson_is_bool(val)) {
    wrong_type(reader, key, "true or false", val);
    return yyjson_is_str(val) ? km_error_hint(reader->err, "take the quotes away") : reader->err->code;
  }
  *truth = yyjson_get_bool(val);
  return KM_OK;
}

/* A struct km_secret. */
static enum km_rc member_secret(struct reader *reader, yyjson_val *val, const char *key, void *target)
{
  const char *text = NULL;
  size_t len = 0;
  enum km_rc rc = peek_text(reader, val, key, &text, &len);
  if (rc == KM_OK) {
    km_secret_set(target, text, len);
  }
  return rc;
}

/* A struct km_view, given in Base64. */
static enum km_rc member_pem(struct reader *reader, yyjson_val *val, const char *key, void *target)
{
  struct km_view *pem = target;
  uint8_t *bytes = NULL;
  size_t len = 0;
  enum km_rc rc = decode(reader, reader->arena, val, key, &bytes, &len);
  if (rc == KM_OK && len > 0) {
    *pem = (struct km_view){.data = (const char *)bytes, .len = len};
  }
  return rc;
}

/* A struct km_secret, given in Base64. */
static enum km_rc member_secret_pem(struct reader *reader, yyjson_val *val, const char *key, void *target)
{
  uint8_t *bytes = NULL;
  size_t len = 0;
  enum km_rc rc = decode(reader, reader->scratch, val, key, &bytes, &len);
  if (rc == KM_OK) {
    km_secret_set(target, bytes, len);
    km_wipe(bytes, len);
  }
  return rc;
}

static enum km_rc member_groups(struct reader *reader, yyjson_val *val, const char *key, void *target)
{
  struct km_user_entry *user = target;
  const char **groups = NULL;
  enum km_rc rc = read_texts(reader, val, key, &groups, &user->as.group_count);
  user->as.groups = groups;
  return rc;
}

/* The values of all lists in the mapping VAL. */
static size_t count_values(yyjson_val *val)
{
  size_t count = 0;
  size_t index = 0;
  size_t max = 0;
  yyjson_val *name = NULL;
  yyjson_val *list = NULL;
  yyjson_obj_foreach(val, index, max, name, list)
  {
    count += yyjson_arr_size(list);
  }
  return count;
}

/* A mapping from keys to lists of values; one pair is made of each value. */
static enum km_rc member_extra(struct reader *reader, yyjson_val *val, const char *key, void *target)
{
  struct km_user_entry *user = target;
  if (is_unset(val)) {
    return KM_OK;
  }
  if (!yyjson_is_obj(val)) {
    return wrong_type(reader, key, "a mapping of lists", val);
  }
  if (count_values(val) > MAX_IMPERSONATION) {
    return FAIL(reader, "%s holds more than %zu values", key, MAX_IMPERSONATION);
  }
  const char **pairs = KM_ARENA_ARRAY(reader->arena, const char *, 2 * count_values(val));
  user->as.extra = pairs;
  size_t index = 0;
  size_t max = 0;
  yyjson_val *name = NULL;
  yyjson_val *list = NULL;
  yyjson_obj_foreach(val, index, max, name, list)
  {
    const char **values = NULL;
    size_t count = 0;
    enum km_rc rc = read_texts(reader, list, key, &values, &count);
    if (rc != KM_OK) {
      return rc;
    }
    const char *name_text = km_arena_strndup(reader->arena, yyjson_get_str(name), yyjson_get_len(name));
    for (size_t i = 0; i < count; i++) {
      *pairs++ = name_text;
      *pairs++ = values[i];
    }
    user->as.extra_count += count;
  }
  return KM_OK;
}

/* What member NAME of the mapping VAL says: enough to tell which plugin it is. */
static enum km_rc read_plugin(struct reader *reader, yyjson_val *val, const char *key, const char *name,
                              const char **ret)
{
  if (is_unset(val)) {
    return KM_OK;
  }
  if (!yyjson_is_obj(val)) {
    return wrong_type(reader, key, "a mapping", val);
  }
  *ret = "(unnamed)";
  return read_text(reader, yyjson_obj_get(val, name), name, ret);
}

static enum km_rc member_exec(struct reader *reader, yyjson_val *val, const char *key, void *target)
{
  return read_plugin(reader, val, key, "command", target);
}

static enum km_rc member_auth_provider(struct reader *reader, yyjson_val *val, const char *key, void *target)
{
  return read_plugin(reader, val, key, "name", target);
}

struct member {
  const char *key;
  enum km_rc (*read)(struct reader *reader, yyjson_val *val, const char *key, void *target);
  size_t offset; /* of the target in the entry */
};

static const struct member cluster_members[] = {
    {"server", member_text, offsetof(struct km_cluster_entry, server)},
    {"tls-server-name", member_text, offsetof(struct km_cluster_entry, tls_server_name)},
    {"proxy-url", member_text, offsetof(struct km_cluster_entry, proxy_url)},
    {"certificate-authority", member_path, offsetof(struct km_cluster_entry, ca_file)},
    {"certificate-authority-data", member_pem, offsetof(struct km_cluster_entry, ca_pem)},
    {"insecure-skip-tls-verify", member_bool, offsetof(struct km_cluster_entry, insecure_skip_verify)},
    {"disable-compression", member_bool, offsetof(struct km_cluster_entry, disable_compression)},
};

static const struct member user_members[] = {
    {"token", member_secret, offsetof(struct km_user_entry, token.data)},
    {"tokenFile", member_path, offsetof(struct km_user_entry, token.file)},
    {"client-certificate", member_path, offsetof(struct km_user_entry, certificate.file)},
    {"client-certificate-data", member_secret_pem, offsetof(struct km_user_entry, certificate.data)},
    {"client-key", member_path, offsetof(struct km_user_entry, key.file)},
    {"client-key-data", member_secret_pem, offsetof(struct km_user_entry, key.data)},
    {"username", member_text, offsetof(struct km_user_entry, username)},
    {"password", member_secret, offsetof(struct km_user_entry, password)},
    {"as", member_text, offsetof(struct km_user_entry, as.user)},
    {"as-uid", member_text, offsetof(struct km_user_entry, as.uid)},
    {"as-groups", member_groups, 0},
    {"as-user-extra", member_extra, 0},
    {"exec", member_exec, offsetof(struct km_user_entry, exec_command)},
    {"auth-provider", member_auth_provider, offsetof(struct km_user_entry, auth_provider)},
};

static const struct member context_members[] = {
    {"cluster", member_text, offsetof(struct km_kubeconfig_context, cluster)},
    {"user", member_text, offsetof(struct km_kubeconfig_context, user)},
    {"namespace", member_text, offsetof(struct km_kubeconfig_context, namespace)},
};

static enum km_rc read_members(struct reader *reader, yyjson_val *body, const struct member *members,
                               size_t count, void *entry)
{
  enum km_rc rc = KM_OK;
  for (size_t i = 0; i < count && rc == KM_OK; i++) {
    const struct member *member = &members[i];
    rc = member->read(reader, yyjson_obj_get(body, member->key), member->key, (char *)entry + member->offset);
  }
  return rc;
}

/* ---- entries: counted before they are filled, so that whatever got into one is wiped ---- */

static enum km_rc read_cluster(struct reader *reader, yyjson_val *body, const char *name, const char *label)
{
  struct km_cluster_entry *cluster = &reader->file->clusters[reader->file->cluster_count++];
  cluster->name = name;
  cluster->label = label;
  return read_members(reader, body, cluster_members, KM_ARRAY_LEN(cluster_members), cluster);
}

static enum km_rc read_user(struct reader *reader, yyjson_val *body, const char *name, const char *label)
{
  struct km_user_entry *user = &reader->file->users[reader->file->user_count++];
  user->name = name;
  user->label = label;
  return read_members(reader, body, user_members, KM_ARRAY_LEN(user_members), user);
}

static enum km_rc read_context(struct reader *reader, yyjson_val *body, const char *name, const char *label)
{
  struct km_kubeconfig_context *context = &reader->file->contexts[reader->file->context_count++];
  context->name = name;
  context->label = label;
  return read_members(reader, body, context_members, KM_ARRAY_LEN(context_members), context);
}

/* A top-level list: its key, the key of each item's body, and who reads that. */
struct list {
  const char *key;
  const char *body_key;
  enum km_rc (*read)(struct reader *reader, yyjson_val *body, const char *name, const char *label);
};

static const struct list cluster_list = {"clusters", "cluster", read_cluster};
static const struct list user_list = {"users", "user", read_user};
static const struct list context_list = {"contexts", "context", read_context};

/* Says in reader->place and reader->subject what is being read. */
static void set_place(struct reader *reader, uint32_t line, const char *subject)
{
  reader->place =
      line > 0 ? km_arena_printf(reader->scratch, "%s:%u", reader->path, (unsigned)line) : reader->path;
  reader->subject = subject;
}

/* NAMES holds those seen so far in this list: kubectl refuses a file that gives one name twice, while a name that an
 * earlier file has is merely passed over. */
static enum km_rc read_item(struct reader *reader, const struct list *list, yyjson_val *item,
                            struct km_map *names)
{
  if (is_unset(item)) {
    return KM_OK;
  }
  if (!yyjson_is_obj(item)) {
    return wrong_type(reader, "an item", "a mapping", item);
  }
  const char *name = NULL;
  enum km_rc rc = read_text(reader, yyjson_obj_get(item, "name"), "name", &name);
  if (rc != KM_OK || name == NULL) {
    return rc;
  }
  if (km_map_get(names, name) != NULL) {
    return FAIL(reader, "there is more than one %s '%s'", list->body_key, name);
  }
  km_map_put(names, name, item);
  yyjson_val *body = yyjson_obj_get(item, list->body_key);
  if (!is_unset(body) && !yyjson_is_obj(body)) {
    return wrong_type(reader, list->body_key, "a mapping", body);
  }
  reader->subject = km_arena_printf(reader->scratch, " %s '%s':", list->body_key, name);
  const char *label = km_arena_printf(reader->arena, "%s '%s' (%s)", list->body_key, name, reader->place);
  return list->read(reader, body, name, label);
}

static void free_map(struct km_map **map)
{
  km_map_free(*map);
}

static enum km_rc read_items(struct reader *reader, const struct list *list, yyjson_val *items)
{
  KM_CLEANUP(free_map) struct km_map *names = km_map_new(NULL);
  const uint32_t *lines =
      km_kubeconfig_item_lines(reader->scratch, reader->text, reader->len, list->key, yyjson_arr_size(items));
  const char *subject = km_arena_printf(reader->scratch, " %s:", list->key);
  enum km_rc rc = KM_OK;
  size_t index = 0;
  size_t max = 0;
  yyjson_val *item = NULL;
  yyjson_arr_foreach(items, index, max, item)
  {
    set_place(reader, lines != NULL ? lines[index] : 0, subject);
    rc = read_item(reader, list, item, names);
    if (rc != KM_OK) {
      break;
    }
  }
  return rc;
}

/* The items of top-level list LIST, or NULL when there are none. */
static enum km_rc find_items(struct reader *reader, yyjson_val *root, const struct list *list,
                             yyjson_val **ret)
{
  yyjson_val *items = yyjson_obj_get(root, list->key);
  *ret = NULL;
  if (is_unset(items)) {
    return KM_OK;
  }
  if (!yyjson_is_arr(items)) {
    return wrong_type(reader, list->key, "a list", items);
  }
  if (yyjson_arr_size(items) > MAX_ENTRIES) {
    return FAIL(reader, "%s has more than %zu entries", list->key, MAX_ENTRIES);
  }
  *ret = items;
  return KM_OK;
}

/* All three are looked at first: a shape that is wrong altogether is told before any detail. */
static enum km_rc read_lists(struct reader *reader, yyjson_val *root)
{
  struct km_kubeconfig_file *file = reader->file;
  yyjson_val *clusters = NULL;
  yyjson_val *users = NULL;
  yyjson_val *contexts = NULL;
  enum km_rc rc = find_items(reader, root, &cluster_list, &clusters);
  rc = rc == KM_OK ? find_items(reader, root, &user_list, &users) : rc;
  rc = rc == KM_OK ? find_items(reader, root, &context_list, &contexts) : rc;
  if (rc != KM_OK) {
    return rc;
  }
  file->clusters = KM_ARENA_ARRAY(reader->arena, struct km_cluster_entry, yyjson_arr_size(clusters));
  file->users = KM_ARENA_ARRAY(reader->arena, struct km_user_entry, yyjson_arr_size(users));
  file->contexts = KM_ARENA_ARRAY(reader->arena, struct km_kubeconfig_context, yyjson_arr_size(contexts));
  rc = read_items(reader, &cluster_list, clusters);
  rc = rc == KM_OK ? read_items(reader, &user_list, users) : rc;
  rc = rc == KM_OK ? read_items(reader, &context_list, contexts) : rc;
  return rc;
}

/* ---- the file ---- */

/* Member KEY, which may be left out, must be EXPECTED. */
static enum km_rc check_header(struct reader *reader, yyjson_val *root, const char *key, const char *expected)
{
  const char *text = NULL;
  size_t len = 0;
  enum km_rc rc = peek_text(reader, yyjson_obj_get(root, key), key, &text, &len);
  if (rc != KM_OK || text == NULL || km_streq(text, expected)) {
    return rc;
  }
  return FAIL(reader, "%s is '%s' where a kubeconfig has '%s'", key, text, expected);
}

/* Without any content a kubeconfig is valid and defines nothing. */
static enum km_rc read_root(struct reader *reader, yyjson_val *root)
{
  if (is_unset(root)) {
    return KM_OK;
  }
  if (!yyjson_is_obj(root)) {
    return wrong_type(reader, "a kubeconfig", "a mapping with clusters, users and contexts", root);
  }
  enum km_rc rc = check_header(reader, root, "apiVersion", "v1");
  rc = rc == KM_OK ? check_header(reader, root, "kind", "Config") : rc;
  if (rc == KM_OK) {
    rc = read_text(reader, yyjson_obj_get(root, "current-context"), "current-context",
                   &reader->file->current_context);
  }
  return rc == KM_OK ? read_lists(reader, root) : rc;
}

/* The values of a document lie in one array. What the parsers copied on the way is theirs. */
static void wipe_strings(yyjson_doc *doc)
{
  yyjson_val *values = yyjson_doc_get_root(doc);
  for (size_t i = 0; i < yyjson_doc_get_val_count(doc); i++) {
    if (yyjson_is_str(&values[i])) {
      km_wipe(values[i].uni.ptr, yyjson_get_len(&values[i]));
    }
  }
}

/* Called when the arena of the result is freed. */
static void wipe_users(void *data)
{
  struct km_kubeconfig_file *file = data;
  for (size_t i = 0; i < file->user_count; i++) {
    km_user_entry_done(&file->users[i]);
  }
}

enum km_rc km_kubeconfig_parse(struct km_arena *arena, const char *path, const char *text, size_t len,
                               struct km_kubeconfig_file *ret, struct km_error *err)
{
  *ret = (struct km_kubeconfig_file){.path = path};
  km_arena_defer(arena, wipe_users, ret);
  KM_CLEANUP(km_arena_freep) struct km_arena *scratch = km_arena_new(MAX_SCRATCH_BYTES);
  yyjson_doc *documents = NULL;
  struct km_error cause;
  if (km_yaml_parse(scratch, text, len, path, &km_yaml_default_limits, &documents, &cause) != KM_OK) {
    km_error_set_type(err, KM_E_INVALID, KM_TYPE_INVALID_KUBECONFIG, "invalid kubeconfig %s", cause.message);
    return km_error_hint(err, "%s", cause.hint);
  }
  struct reader reader = {
      .arena = arena,
      .scratch = scratch,
      .path = path,
      .dir = km_path_dir(arena, path),
      .text = text,
      .len = len,
      .file = ret,
      .err = err,
  };
  set_place(&reader, 0, "");
  enum km_rc rc = read_root(&reader, yyjson_arr_get_first(yyjson_doc_get_root(documents)));
  wipe_strings(documents);
  return rc;
}
