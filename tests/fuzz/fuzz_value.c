/* Text as a quantity, as a typed word and as a JSON value: printing and reading agree, and the order is one. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kube_mcp/codec/value.h"

#include "kube_mcp/base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int sign(int order)
{
  return (order > 0) - (order < 0);
}

/* What is printed is never less than the value for CPU, never more for memory, and reads as itself. */
static void check_printing(km_nano nano)
{
  const km_nano limit = (km_nano)INT64_MAX * 1000000;
  char text[64];
  km_nano again = 0;
  if (nano < 0 || nano > limit) {
    return;
  }
  km_quantity_print_cpu(text, sizeof(text), nano);
  KM_ASSERT(km_quantity_parse(text, strlen(text), &again) && again >= nano && again - nano < 1000000);
  km_quantity_print_memory(text, sizeof(text), nano);
  KM_ASSERT(km_quantity_parse(text, strlen(text), &again) && again <= nano);
}

static void check_order(const struct km_value *a, const struct km_value *b, const struct km_value *c)
{
  KM_ASSERT(km_value_compare(a, a) == 0);
  KM_ASSERT(sign(km_value_compare(a, b)) == -sign(km_value_compare(b, a)));
  if (km_value_compare(a, b) <= 0 && km_value_compare(b, c) <= 0) {
    KM_ASSERT(km_value_compare(a, c) <= 0);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  const char *text = (const char *)data;
  km_nano nano = 0;
  if (km_quantity_parse(text, size, &nano)) {
    check_printing(nano);
  }
  /* Three values out of one input. */
  size_t third = size / 3;
  struct km_value values[3];
  for (size_t i = 0; i < 3; i++) {
    values[i] = km_value_of_text(text + i * third, third);
  }
  check_order(&values[0], &values[1], &values[2]);
  check_order(&values[2], &values[1], &values[0]);
  check_order(&values[1], &values[0], &values[2]);
  struct km_arena *arena = km_arena_new((size_t)1024 * 1024);
  struct km_error err = {0};
  yyjson_doc *doc = NULL;
  if (km_json_parse(arena, text, size, KM_JSON_MAX_DEPTH, &doc, &err) == KM_OK) {
    struct km_value value = km_value_of(arena, yyjson_doc_get_root(doc));
    check_order(&value, &values[0], &values[1]);
  }
  km_arena_free(arena);
  return 0;
}
