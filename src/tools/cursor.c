/* Cursors: a place in a listing, signed and bound to the query, so that neither a model nor a client can make one up or
 * carry it to another listing. Nothing is kept between calls; any replica with the same key goes on where another
 * stopped. They live for an hour, longer than API servers keep a listing's version. */
#include "cursor.h"

#include <string.h>

#include "kube_mcp/base/banned.h"

#define CURSOR_PURPOSE    "cursor"
#define CURSOR_TTL_MS     ((int64_t)60 * 60 * 1000)
#define MAX_PAYLOAD_BYTES (CURSOR_MAX_BYTES * 3 / 4 - 32) /* the signature and its head take 25 bytes */

static const char *text_or_empty(const char *text)
{
  return text == NULL ? "" : text;
}

/* The digest of what a cursor belongs to. */
static const char *query_of(struct km_call *call, const struct target *target, const struct listing *listing)
{
  const struct km_resource *resource = listing->resource;
  const char *text = km_arena_printf(
      call->arena, "%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s", km_client_endpoint(target->client)->identity,
      resource->group, resource->version, resource->plural, text_or_empty(listing->ns),
      text_or_empty(listing->label_selector), text_or_empty(listing->field_selector),
      text_or_empty(listing->where), text_or_empty(listing->sort_by));
  uint8_t digest[KM_SHA256_LEN];
  km_sha256(text, strlen(text), digest);
  char *hex = km_arena_alloc(call->arena, 2 * KM_SHA256_LEN + 1);
  km_hex(hex, digest, KM_SHA256_LEN);
  return hex;
}

/* -- the payload, a JSON object whose members have names of one letter ------------------------------------------------ */

/* How a key is written: by its text, and whether that text is all it is. */
static const char *key_kind(const struct km_value *key)
{
  return key->type == KM_VALUE_NONE ? "none" : key->type == KM_VALUE_TEXT ? "text" : "value";
}

static void put_after(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct row *after)
{
  yyjson_mut_obj_add_str(doc, root, "k", key_kind(&after->key));
  yyjson_mut_obj_add_strncpy(doc, root, "y", after->key.text, after->key.len);
  yyjson_mut_obj_add_str(doc, root, "o", text_or_empty(after->ns));
  yyjson_mut_obj_add_str(doc, root, "n", text_or_empty(after->name));
}

static const struct row *read_after(struct km_arena *arena, yyjson_val *root)
{
  const char *kind = km_json_str(root, "k");
  yyjson_val *key = yyjson_obj_get(root, "y");
  if (kind == NULL || !yyjson_is_str(key)) {
    return NULL;
  }
  struct row *row = KM_ARENA_NEW(arena, struct row);
  if (km_streq(kind, "value")) {
    row->key = km_value_of_text(yyjson_get_str(key), yyjson_get_len(key));
  } else {
    row->key = (struct km_value){.type = km_streq(kind, "none") ? KM_VALUE_NONE : KM_VALUE_TEXT,
                                 .text = yyjson_get_str(key),
                                 .len = yyjson_get_len(key)};
  }
  row->ns = km_json_str(root, "o");
  row->name = km_json_str(root, "n");
  return row;
}

bool place_read(struct km_arena *arena, const uint8_t *payload, size_t len, struct place *ret)
{
  yyjson_doc *doc = NULL;
  struct km_error unused;
  if (km_json_parse(arena, (const char *)payload, len, 2, &doc, &unused) != KM_OK) {
    return false;
  }
  yyjson_val *root = yyjson_doc_get_root(doc);
  struct place place = {
      .token = km_json_str(root, "t"),
      .resource_version = km_json_str(root, "v"),
      .ns = km_json_str(root, "s"),
      .skip = km_json_int(root, "i", -1),
      .before = km_json_int(root, "b", -1),
      .after = read_after(arena, root),
  };
  if (place.token == NULL || place.resource_version == NULL || place.ns == NULL || place.skip < 0 ||
      place.before < 0) {
    return false;
  }
  *ret = place;
  return true;
}

static bool place_write(const struct place *place, struct km_buf *out)
{
  yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
  yyjson_mut_val *root = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_str(doc, root, "t", place->token);
  yyjson_mut_obj_add_str(doc, root, "v", place->resource_version);
  yyjson_mut_obj_add_str(doc, root, "s", place->ns);
  yyjson_mut_obj_add_sint(doc, root, "i", place->skip);
  yyjson_mut_obj_add_sint(doc, root, "b", place->before);
  if (place->after != NULL) {
    put_after(doc, root, place->after);
  }
  bool written = km_json_write(root, false, out);
  yyjson_mut_doc_free(doc);
  return written;
}

/* -- sealed ------------------------------------------------------------------------------------------------------------ */

enum km_rc cursor_read(struct km_call *call, const struct target *target, const struct listing *listing,
                       struct place *ret, struct km_error *err)
{
  struct place place = {.token = "", .resource_version = "", .ns = ""};
  *ret = place;
  if (km_str_empty(listing->cursor)) {
    return KM_OK;
  }
  const uint8_t *payload = NULL;
  size_t len = 0;
  if (km_unseal(toolbox(call)->sealer, call->arena, CURSOR_PURPOSE, query_of(call, target, listing),
                listing->cursor, &payload, &len, err) != KM_OK) {
    err->code = KM_E_INVALID;
    err->type = KM_TYPE_VALIDATION_ERROR;
    km_error_wrap(err, "argument 'cursor'");
    return km_error_hint(err,
                         "use it with the arguments of the listing it came from, or list again without it");
  }
  if (!place_read(call->arena, payload, len, ret)) {
    return km_error_set_type(err, KM_E_INVALID, KM_TYPE_VALIDATION_ERROR, "argument 'cursor' is damaged");
  }
  return KM_OK;
}

const char *cursor_write(struct km_call *call, const struct target *target, const struct listing *listing,
                         const struct place *place)
{
  struct km_buf payload;
  km_buf_init(&payload, MAX_PAYLOAD_BYTES);
  const char *cursor = place_write(place, &payload) ? km_seal(toolbox(call)->sealer, call->arena,
                                                              CURSOR_PURPOSE, query_of(call, target, listing),
                                                              CURSOR_TTL_MS, payload.data, payload.len)
                                                    : NULL;
  km_buf_done(&payload);
  return cursor;
}
