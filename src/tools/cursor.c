/* Cursors: a place in a listing, signed and bound to the query, so that neither a model nor a client can make one up or
 * carry it to another listing. Nothing is kept between calls; any replica with the same key goes on where another
 * stopped. They live for an hour, longer than API servers keep a listing's version. */
#include "cursor.h"

#include <inttypes.h>
#include <string.h>

#include "kube_mcp/base/banned.h"

#define CURSOR_PURPOSE    "cursor"
#define CURSOR_TTL_MS     ((int64_t)60 * 60 * 1000)
#define MAX_PAYLOAD_BYTES (CURSOR_MAX_BYTES * 3 / 4 - 32) /* the signature and its head take 25 bytes */

static const char *text_or_empty(const char *text)
{
  return text == NULL ? "" : text;
}

const char *cursor_query(struct km_call *call, const struct target *target, const struct listing *listing)
{
  const struct km_resource *resource = listing->resource;
  const char *text =
      km_arena_printf(call->arena, "%s\n%s\n%s\n%s\n%s\n%s\n%s", km_client_endpoint(target->client)->identity,
                      resource->group, resource->version, resource->plural, text_or_empty(listing->ns),
                      text_or_empty(listing->label_selector), text_or_empty(listing->field_selector));
  uint8_t digest[KM_SHA256_LEN];
  km_sha256(text, strlen(text), digest);
  char *hex = km_arena_alloc(call->arena, 2 * KM_SHA256_LEN + 1);
  km_hex(hex, digest, KM_SHA256_LEN);
  return hex;
}

enum km_rc cursor_read(struct km_call *call, const char *query, const char *cursor, struct place *ret,
                       struct km_error *err)
{
  struct place place = {.token = "", .resource_version = "", .ns = ""};
  *ret = place;
  if (km_str_empty(cursor)) {
    return KM_OK;
  }
  const uint8_t *payload = NULL;
  size_t len = 0;
  if (km_unseal(toolbox(call)->sealer, call->arena, CURSOR_PURPOSE, query, cursor, &payload, &len, err) !=
      KM_OK) {
    err->code = KM_E_INVALID;
    err->type = KM_TYPE_VALIDATION_ERROR;
    km_error_wrap(err, "argument 'cursor'");
    return km_error_hint(err,
                         "use it with the arguments of the listing it came from, or list again without it");
  }
  char *rest = km_arena_strndup(call->arena, (const char *)payload, len);
  const char *skip = strsep(&rest, " ");
  const char *before = strsep(&rest, " ");
  place.ns = strsep(&rest, " ");
  place.resource_version = strsep(&rest, " ");
  place.token = rest;
  if (rest == NULL || !km_parse_i64(skip, &place.skip) || !km_parse_i64(before, &place.before)) {
    return km_error_set_type(err, KM_E_INVALID, KM_TYPE_VALIDATION_ERROR, "argument 'cursor' is damaged");
  }
  *ret = place;
  return KM_OK;
}

const char *cursor_write(struct km_call *call, const char *query, const struct place *place)
{
  /* A version with a blank would be none; a token may hold anything, it comes last. */
  const char *version = strchr(place->resource_version, ' ') == NULL ? place->resource_version : "";
  const char *text = km_arena_printf(call->arena, "%" PRId64 " %" PRId64 " %s %s %s", place->skip,
                                     place->before, place->ns, version, place->token);
  size_t len = strlen(text);
  return len > MAX_PAYLOAD_BYTES
             ? NULL
             : km_seal(toolbox(call)->sealer, call->arena, CURSOR_PURPOSE, query, CURSOR_TTL_MS, text, len);
}
