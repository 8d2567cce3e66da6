/* Values for the YAML reader. Numbers follow what Kubernetes' JSON encoder prints: a float without a fraction
 * is an integer there (`replicas: 3.0` is 3), so it is one here. Integers beyond 64 bits keep all their
 * digits as raw text. Pure functions on the caller's document; recursion is as deep as the tree, which its
 * parser has bounded. */
#include "yaml_value.h"

#include <math.h>

#include "yaml_members.h"

#include "kube_mcp/base/banned.h"

/* The casts are defined because each follows the check of its range; 2^64 and beyond stay doubles. A double
 * of 2^63 or more has no fraction left. */
static void set_real(yyjson_mut_val *val, double real)
{
  bool negative_zero = real == 0 && signbit(real);
  if (real >= -0x1p63 && real < 0x1p63 && (double)(int64_t)real == real && !negative_zero) {
    yyjson_mut_set_sint(val, (int64_t)real);
  } else if (real >= 0x1p63 && real < 0x1p64) {
    yyjson_mut_set_uint(val, (uint64_t)real);
  } else {
    yyjson_mut_set_real(val, real);
  }
}

static yyjson_mut_val *new_real(yyjson_mut_doc *doc, double real)
{
  yyjson_mut_val *val = yyjson_mut_real(doc, real);
  if (val != NULL) {
    set_real(val, real);
  }
  return val;
}

/* JSON knows neither a plus sign nor underscores; leading zeros cannot occur, they would have meant octal. */
static yyjson_mut_val *new_big_integer(yyjson_mut_doc *doc, const char *text, size_t len)
{
  char digits[KM_YAML_MAX_NUMBER_BYTES];
  size_t n = 0;
  for (size_t i = 0; i < len && n < sizeof(digits); i++) {
    if (text[i] != '+' && text[i] != '_') {
      digits[n++] = text[i];
    }
  }
  return yyjson_mut_rawncpy(doc, digits, n);
}

yyjson_mut_val *km_yaml_value(yyjson_mut_doc *doc, const struct km_yaml_scalar *scalar, const char *text,
                              size_t len)
{
  switch (scalar->kind) {
  case KM_YAML_NULL: return yyjson_mut_null(doc);
  case KM_YAML_BOOL: return yyjson_mut_bool(doc, scalar->truth);
  case KM_YAML_SINT: return yyjson_mut_sint(doc, scalar->sint);
  case KM_YAML_UINT: return yyjson_mut_uint(doc, scalar->uint);
  case KM_YAML_BIGINT: return new_big_integer(doc, text, len);
  case KM_YAML_REAL: return new_real(doc, scalar->real);
  case KM_YAML_TEXT:
  case KM_YAML_TIMESTAMP: return yyjson_mut_strncpy(doc, text, len);
  case KM_YAML_NONFINITE:
  default: return NULL;
  }
}

/* Floats are shortened to single precision in keys, because the Kubernetes library does so. */
static yyjson_mut_val *number_key(yyjson_mut_doc *doc, yyjson_mut_val *val)
{
  char text[KM_YAML_REAL_BYTES];
  if (yyjson_mut_is_real(val)) {
    size_t len = km_yaml_format_real(yyjson_mut_get_real(val), true, text);
    return yyjson_mut_strncpy(doc, text, len);
  }
  struct km_buf digits;
  km_buf_init(&digits, sizeof(text));
  km_json_write(val, false, &digits);
  yyjson_mut_val *key = yyjson_mut_strncpy(doc, digits.data, digits.len);
  km_buf_done(&digits);
  return key;
}

yyjson_mut_val *km_yaml_key(yyjson_mut_doc *doc, yyjson_mut_val *val)
{
  switch (yyjson_mut_get_type(val)) {
  case YYJSON_TYPE_STR: return val;
  case YYJSON_TYPE_BOOL: return yyjson_mut_str(doc, yyjson_mut_get_bool(val) ? "true" : "false");
  case YYJSON_TYPE_RAW: return yyjson_mut_strncpy(doc, yyjson_mut_get_raw(val), yyjson_mut_get_len(val));
  case YYJSON_TYPE_NUM: return number_key(doc, val);
  default: return NULL;
  }
}

/* Only looks for duplicates: JSON has no merges, so the object stays as it is. */
static bool adopt_object(yyjson_mut_val *object)
{
  KM_CLEANUP(km_yaml_members_done) struct km_yaml_members members = {0};
  yyjson_mut_obj_iter iter = yyjson_mut_obj_iter_with(object);
  for (yyjson_mut_val *key = yyjson_mut_obj_iter_next(&iter); key != NULL;
       key = yyjson_mut_obj_iter_next(&iter)) {
    struct km_yaml_member member = {.key = key, .value = yyjson_mut_obj_iter_get_val(key)};
    if (!km_yaml_adopt_json(member.value) || !km_yaml_members_add(&members, member)) {
      return false;
    }
  }
  const struct km_yaml_member *duplicate = NULL;
  return km_yaml_members_settle(&members, &duplicate) == KM_YAML_SETTLED;
}

static bool adopt_array(yyjson_mut_val *array)
{
  yyjson_mut_arr_iter iter = yyjson_mut_arr_iter_with(array);
  for (yyjson_mut_val *item = yyjson_mut_arr_iter_next(&iter); item != NULL;
       item = yyjson_mut_arr_iter_next(&iter)) {
    if (!km_yaml_adopt_json(item)) {
      return false;
    }
  }
  return true;
}

bool km_yaml_adopt_json(yyjson_mut_val *val)
{
  if (yyjson_mut_is_obj(val)) {
    return adopt_object(val);
  }
  if (yyjson_mut_is_arr(val)) {
    return adopt_array(val);
  }
  if (yyjson_mut_is_real(val)) {
    set_real(val, yyjson_mut_get_real(val));
  }
  return true;
}
