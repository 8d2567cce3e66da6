/* What must not reach the model, taken out of a copy.
 *
 * Keeps no state. One walk over the tree copies it and, on the way: drops managedFields and the annotations in which
 * clients keep a whole former object (it may hold what was secret then); replaces the values of Secrets, wherever a
 * Secret stands: alone, in a list whose items do not repeat their kind, or inside a template or another object's
 * manifest; replaces annotations that are credentials. A replaced value is told by its length and a fingerprint keyed
 * per process, so equal values can be seen to be equal and nothing can be guessed. Secret `data` is decoded first, so
 * that it has the same fingerprint as the same value in `stringData`. Depth is bounded by the parser's. */
#include "kube_mcp/kube/redact.h"

#include <stdio.h>
#include <string.h>

#include "kube_mcp/base/crypto.h"
#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

/* The most that one value may take to decode; what is longer is measured as it stands. */
#define MAX_DECODED_BYTES ((size_t)4 * 1024 * 1024)

/* Where in an object the walk is. */
enum place {
  PLACE_ANY,
  PLACE_SECRET,       /* the object itself is a Secret, whatever it says */
  PLACE_SECRET_ITEMS, /* an array of Secrets */
  PLACE_METADATA,
  PLACE_ANNOTATIONS,
  PLACE_SECRET_META, /* metadata of a Secret: its annotations may hold a former Secret */
  PLACE_SECRET_ANNOTATIONS,
};

/* What is shown in place of LEN bytes at DATA. */
static yyjson_mut_val *mask(yyjson_mut_doc *doc, const char *data, size_t len)
{
  char fingerprint[17];
  char text[80];
  km_fingerprint(fingerprint, data, len);
  (void)snprintf(text, sizeof(text), "<redacted %zu bytes, fingerprint %s>", len, fingerprint);
  return yyjson_mut_strcpy(doc, text);
}

static yyjson_mut_val *mask_text(yyjson_mut_doc *doc, yyjson_val *val)
{
  return mask(doc, yyjson_get_str(val), yyjson_get_len(val));
}

/* Masks what the base64 text VAL stands for. */
static yyjson_mut_val *mask_encoded(yyjson_mut_doc *doc, yyjson_val *val)
{
  struct km_error unused;
  uint8_t *decoded = NULL;
  size_t len = 0;
  if (yyjson_get_len(val) > MAX_DECODED_BYTES) {
    return mask_text(doc, val);
  }
  KM_CLEANUP(km_arena_freep) struct km_arena *arena = km_arena_new(MAX_DECODED_BYTES);
  if (km_base64_decode(arena, yyjson_get_str(val), yyjson_get_len(val), true, &decoded, &len, &unused) !=
      KM_OK) {
    return mask_text(doc, val);
  }
  yyjson_mut_val *masked = mask(doc, (const char *)decoded, len);
  km_wipe(decoded, len);
  return masked;
}

/* The values of a Secret's data (ENCODED) or stringData. What is no text is no valid Secret and goes as a whole. */
static yyjson_mut_val *mask_values(yyjson_mut_doc *doc, yyjson_val *values, bool encoded)
{
  if (yyjson_is_null(values)) {
    return yyjson_mut_null(doc);
  }
  if (yyjson_is_str(values)) {
    return mask_text(doc, values);
  }
  if (!yyjson_is_obj(values)) {
    return yyjson_mut_str(doc, "<redacted>");
  }
  yyjson_mut_val *masked = yyjson_mut_obj(doc);
  size_t i = 0;
  size_t count = 0;
  yyjson_val *key = NULL;
  yyjson_val *val = NULL;
  yyjson_obj_foreach(values, i, count, key, val)
  {
    yyjson_mut_val *shown = NULL;
    if (yyjson_is_str(val)) {
      shown = encoded ? mask_encoded(doc, val) : mask_text(doc, val);
    } else {
      shown = yyjson_is_null(val) ? yyjson_mut_null(doc) : yyjson_mut_str(doc, "<redacted>");
    }
    (void)yyjson_mut_obj_add(masked, yyjson_mut_strncpy(doc, yyjson_get_str(key), yyjson_get_len(key)),
                             shown);
  }
  return masked;
}

/* Escaped in JSON and YAML, terminal controls would get past the cleaning of text on its way out. */
static bool has_controls(const char *text, size_t len)
{
  for (size_t i = 0; i < len; i++) {
    unsigned char c = (unsigned char)text[i];
    if ((c < ' ' && c != '\n' && c != '\t' && c != '\r') || c == 0x7f) {
      return true;
    }
  }
  return false;
}

static yyjson_mut_val *copy_text(yyjson_mut_doc *doc, const char *text, size_t len)
{
  if (!has_controls(text, len)) {
    return yyjson_mut_strncpy(doc, text, len);
  }
  struct km_buf clean;
  km_buf_init(&clean, 4 * len + 16);
  (void)km_text_sanitize(&clean, text, len);
  yyjson_mut_val *copy = yyjson_mut_strncpy(doc, clean.data, clean.len);
  km_buf_done(&clean);
  return copy;
}

/* Annotations in which clients keep the object as they last applied it. */
static bool is_former_object(const char *key)
{
  static const char *const suffixes[] = {"/last-applied-configuration", "/last-applied", "/original-object"};
  for (size_t i = 0; i < KM_ARRAY_LEN(suffixes); i++) {
    if (km_ends_with(key, suffixes[i])) {
      return true;
    }
  }
  return km_streq(key, "objectset.rio.cattle.io/applied");
}

static bool contains(yyjson_val *text, const char *mark)
{
  return memmem(yyjson_get_str(text), yyjson_get_len(text), mark, strlen(mark)) != NULL;
}

/* A kubeconfig or a private key, whatever the annotation is called. */
static bool looks_like_credential(yyjson_val *text)
{
  if (contains(text, "client-key-data") || contains(text, "PRIVATE KEY-----")) {
    return true;
  }
  bool kubeconfig = contains(text, "clusters") && contains(text, "users");
  return kubeconfig && (contains(text, "token") || contains(text, "password"));
}

static bool looks_like_object(yyjson_val *text)
{
  const char *data = yyjson_get_str(text);
  return data[strspn(data, " \t\r\n")] == '{';
}

static bool is_secret_annotation(const char *key, yyjson_val *val, bool of_secret)
{
  static const char *const keys[] = {"kubernetes.io/service-account.token",
                                     "openshift.io/token-secret.value"};
  for (size_t i = 0; i < KM_ARRAY_LEN(keys); i++) {
    if (km_streq(key, keys[i])) {
      return true;
    }
  }
  return yyjson_is_str(val) && (looks_like_credential(val) || (of_secret && looks_like_object(val)));
}

/* By its kind or, for an item that was taken out of its list and has none, by what only Secrets have together. */
static bool is_secret(yyjson_val *object)
{
  const char *kind = km_json_str(object, "kind");
  if (kind != NULL) {
    return km_streq(kind, "Secret");
  }
  return km_json_obj(object, "metadata") != NULL && km_json_str(object, "type") != NULL;
}

/* What OBJECT is, given where it stands. */
static enum place place_of_object(yyjson_val *object, enum place place)
{
  return place == PLACE_ANY && is_secret(object) ? PLACE_SECRET : place;
}

/* Where the member KEY of OBJECT, which is at PLACE, puts its value. */
static enum place place_of_member(yyjson_val *object, const char *key, enum place place)
{
  bool secret = place == PLACE_SECRET;
  if (place == PLACE_METADATA || place == PLACE_SECRET_META) {
    if (km_streq(key, "annotations")) {
      return place == PLACE_METADATA ? PLACE_ANNOTATIONS : PLACE_SECRET_ANNOTATIONS;
    }
    return PLACE_ANY;
  }
  if (km_streq(key, "metadata")) {
    return secret ? PLACE_SECRET_META : PLACE_METADATA;
  }
  if (km_streq(key, "items") && km_streq(km_json_str(object, "kind"), "SecretList")) {
    return PLACE_SECRET_ITEMS;
  }
  return PLACE_ANY;
}

/* Noise, and what cannot be masked in part: gone without a trace. */
static bool is_dropped(const char *key, enum place place)
{
  switch (place) {
  case PLACE_METADATA:
  case PLACE_SECRET_META: return km_streq(key, "managedFields");
  case PLACE_ANNOTATIONS:
  case PLACE_SECRET_ANNOTATIONS: return is_former_object(key);
  case PLACE_ANY:
  case PLACE_SECRET:
  case PLACE_SECRET_ITEMS: break;
  }
  return false;
}

static yyjson_mut_val *copy_value(yyjson_mut_doc *doc, yyjson_val *val, enum place place);

/* The value of the member KEY of OBJECT at PLACE. */
static yyjson_mut_val *copy_member(yyjson_mut_doc *doc, yyjson_val *object, const char *key, yyjson_val *val,
                                   enum place place)
{
  bool secret = place == PLACE_SECRET;
  if (secret && km_streq(key, "data")) {
    return mask_values(doc, val, true);
  }
  if (km_streq(key, "stringData") &&
      (secret || yyjson_is_obj(val))) { /* nothing but a Secret has such an object */
    return mask_values(doc, val, false);
  }
  bool annotation = place == PLACE_ANNOTATIONS || place == PLACE_SECRET_ANNOTATIONS;
  if (annotation && is_secret_annotation(key, val, place == PLACE_SECRET_ANNOTATIONS)) {
    return yyjson_is_str(val) ? mask_text(doc, val) : yyjson_mut_str(doc, "<redacted>");
  }
  return copy_value(doc, val, place_of_member(object, key, place));
}

static yyjson_mut_val *copy_object(yyjson_mut_doc *doc, yyjson_val *object, enum place place)
{
  place = place_of_object(object, place);
  yyjson_mut_val *copy = yyjson_mut_obj(doc);
  size_t i = 0;
  size_t count = 0;
  yyjson_val *key = NULL;
  yyjson_val *val = NULL;
  yyjson_obj_foreach(object, i, count, key, val)
  {
    const char *name = yyjson_get_str(key);
    if (!is_dropped(name, place)) {
      (void)yyjson_mut_obj_add(copy, copy_text(doc, name, yyjson_get_len(key)),
                               copy_member(doc, object, name, val, place));
    }
  }
  return copy;
}

static yyjson_mut_val *copy_array(yyjson_mut_doc *doc, yyjson_val *array, enum place place)
{
  enum place item_place = place == PLACE_SECRET_ITEMS ? PLACE_SECRET : PLACE_ANY;
  yyjson_mut_val *copy = yyjson_mut_arr(doc);
  size_t i = 0;
  size_t count = 0;
  yyjson_val *val = NULL;
  yyjson_arr_foreach(array, i, count, val)
  {
    (void)yyjson_mut_arr_append(copy, copy_value(doc, val, item_place));
  }
  return copy;
}

static yyjson_mut_val *copy_value(yyjson_mut_doc *doc, yyjson_val *val, enum place place)
{
  if (yyjson_is_obj(val)) {
    return copy_object(doc, val, place);
  }
  if (yyjson_is_str(val)) {
    return copy_text(doc, yyjson_get_str(val), yyjson_get_len(val));
  }
  return yyjson_is_arr(val) ? copy_array(doc, val, place) : yyjson_val_mut_copy(doc, val);
}

/* -- without a copy ----------------------------------------------------------------------------------------------- */

static bool changes_value(yyjson_val *val, enum place place);

static bool changes_member(yyjson_val *object, yyjson_val *key, yyjson_val *val, enum place place)
{
  const char *name = yyjson_get_str(key);
  bool secret = place == PLACE_SECRET;
  bool annotation = place == PLACE_ANNOTATIONS || place == PLACE_SECRET_ANNOTATIONS;
  if ((secret && km_streq(name, "data")) ||
      (km_streq(name, "stringData") && (secret || yyjson_is_obj(val)))) {
    return true;
  }
  if (is_dropped(name, place)) {
    return !km_streq(name, "managedFields");
  }
  return (annotation && is_secret_annotation(name, val, place == PLACE_SECRET_ANNOTATIONS)) ||
         (yyjson_is_ctn(val) && changes_value(val, place_of_member(object, name, place)));
}

static bool changes_object(yyjson_val *object, enum place place)
{
  place = place_of_object(object, place);
  size_t i = 0;
  size_t count = 0;
  yyjson_val *key = NULL;
  yyjson_val *val = NULL;
  yyjson_obj_foreach(object, i, count, key, val)
  {
    bool text_at_ease = yyjson_is_str(val) && (place == PLACE_ANY || place == PLACE_METADATA);
    if (!text_at_ease && changes_member(object, key, val, place)) {
      return true;
    }
  }
  return false;
}

static bool changes_value(yyjson_val *val, enum place place)
{
  if (yyjson_is_obj(val)) {
    return changes_object(val, place);
  }
  enum place item_place = place == PLACE_SECRET_ITEMS ? PLACE_SECRET : PLACE_ANY;
  size_t i = 0;
  size_t count = 0;
  yyjson_val *item = NULL;
  yyjson_arr_foreach(val, i, count, item)
  {
    if (yyjson_is_ctn(item) && changes_value(item, item_place)) {
      return true;
    }
  }
  return false;
}

bool km_redact_changes(yyjson_val *item, const char *kind)
{
  return changes_value(item, km_streq(kind, "Secret") ? PLACE_SECRET : PLACE_ANY);
}

/* -- with one ----------------------------------------------------------------------------------------------------- */

yyjson_mut_val *km_redact_object(yyjson_mut_doc *doc, yyjson_val *object)
{
  return copy_value(doc, object, PLACE_ANY);
}

yyjson_mut_val *km_redact_item(yyjson_mut_doc *doc, yyjson_val *item, const char *kind)
{
  return copy_value(doc, item, km_streq(kind, "Secret") ? PLACE_SECRET : PLACE_ANY);
}
