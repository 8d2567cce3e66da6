/* What a scalar stands for, and the order of such values. Keeps no state; values point into what they were made from. */
#include "kube_mcp/codec/value.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

#define NANO         ((km_nano)1000000000)
#define MAX_NANO     (((km_nano)1 << 126) - 1 + ((km_nano)1 << 126))
#define DATE_BYTES   10 /* "2026-01-02" */
#define BIGGEST_REAL 1e29

static struct km_value number_of(km_nano nano)
{
  return (struct km_value){.type = KM_VALUE_NUMBER, .nano = nano};
}

/* The whole part of a double fits 128 bits exactly; only what is behind the point has to be rounded. */
static km_nano nano_of_real(double real)
{
  if (!(real > -BIGGEST_REAL && real < BIGGEST_REAL)) {
    return real < 0 ? -MAX_NANO : MAX_NANO;
  }
  km_nano whole = (km_nano)real;
  double fraction = (real - (double)whole) * 1e9;
  return whole * NANO + (km_nano)(fraction + (fraction < 0 ? -0.5 : 0.5));
}

static km_nano nano_of_raw(const char *text, size_t len)
{
  km_nano nano = 0;
  if (!km_quantity_parse(text, len, &nano)) {
    nano = text[0] == '-' ? -MAX_NANO : MAX_NANO;
  }
  return nano;
}

static struct km_value text_of(const char *text, size_t len)
{
  struct km_value value = {.type = KM_VALUE_TEXT, .text = text, .len = len};
  /* Most texts are words: their first byte tells that they are nothing else. */
  if (len == 0 || strchr("+-.0123456789", text[0]) == NULL) {
    return value;
  }
  if (km_quantity_parse(text, len, &value.nano)) {
    value.type = KM_VALUE_NUMBER;
  } else if (len > DATE_BYTES && text[4] == '-' && km_rfc3339_parse(text, len, &value.time_ms)) {
    value.type = KM_VALUE_TIME;
  }
  return value;
}

static struct km_value bool_of(bool boolean)
{
  const char *text = boolean ? "true" : "false";
  return (struct km_value){.type = KM_VALUE_BOOL, .boolean = boolean, .text = text, .len = strlen(text)};
}

static struct km_value json_of(struct km_arena *arena, yyjson_val *val)
{
  size_t len = 0;
  char *json = yyjson_val_write(val, YYJSON_WRITE_NOFLAG, &len);
  struct km_value value = {.type = KM_VALUE_TEXT, .text = "", .len = 0};
  if (json != NULL) {
    value.text = km_arena_strndup(arena, json, len);
    value.len = len;
  }
  free(json);
  return value;
}

struct km_value km_value_of(struct km_arena *arena, yyjson_val *val)
{
  switch (yyjson_get_type(val)) {
  case YYJSON_TYPE_STR: return text_of(yyjson_get_str(val), yyjson_get_len(val));
  case YYJSON_TYPE_RAW: return number_of(nano_of_raw(yyjson_get_raw(val), yyjson_get_len(val)));
  case YYJSON_TYPE_BOOL: return bool_of(yyjson_get_bool(val));
  case YYJSON_TYPE_NUM:
    if (yyjson_is_real(val)) {
      return number_of(nano_of_real(yyjson_get_real(val)));
    }
    return number_of((yyjson_is_uint(val) ? (km_nano)yyjson_get_uint(val) : (km_nano)yyjson_get_sint(val)) *
                     NANO);
  case YYJSON_TYPE_OBJ:
  case YYJSON_TYPE_ARR: return json_of(arena, val);
  default: return (struct km_value){0};
  }
}

static bool is_word(const char *text, size_t len, const char *word)
{
  return len == strlen(word) && strncasecmp(text, word, len) == 0;
}

/* "2026-01-02": its midnight. */
static bool parse_date(const char *text, size_t len, int64_t *ret)
{
  char midnight[DATE_BYTES + sizeof("T00:00:00Z")] = "";
  if (len != DATE_BYTES) {
    return false;
  }
  memcpy(midnight, text, len);
  memcpy(midnight + len, "T00:00:00Z", sizeof("T00:00:00Z"));
  return km_rfc3339_parse(midnight, strlen(midnight), ret);
}

struct km_value km_value_of_text(const char *text, size_t len)
{
  if (len == strlen("null") && memcmp(text, "null", len) == 0) {
    return (struct km_value){.text = text, .len = len};
  }
  struct km_value value = text_of(text, len);
  if (is_word(text, len, "true") || is_word(text, len, "false")) {
    value.type = KM_VALUE_BOOL;
    value.boolean = len == strlen("true");
  } else if (value.type == KM_VALUE_TEXT && parse_date(text, len, &value.time_ms)) {
    value.type = KM_VALUE_TIME;
  }
  return value;
}

static int compare_text(const struct km_value *a, const struct km_value *b)
{
  size_t shared = a->len < b->len ? a->len : b->len;
  int order = shared > 0 ? memcmp(a->text, b->text, shared) : 0;
  return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

int km_value_compare(const struct km_value *a, const struct km_value *b)
{
  if (a->type != b->type) {
    return a->type < b->type ? -1 : 1;
  }
  switch (a->type) {
  case KM_VALUE_BOOL: return (int)a->boolean - (int)b->boolean;
  case KM_VALUE_NUMBER: return (a->nano > b->nano) - (a->nano < b->nano);
  case KM_VALUE_TIME: return (a->time_ms > b->time_ms) - (a->time_ms < b->time_ms);
  case KM_VALUE_TEXT: return compare_text(a, b);
  case KM_VALUE_NONE:
  default: return 0;
  }
}
