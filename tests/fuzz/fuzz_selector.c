/* Selectors: whatever the text, the answer is yes or an error that names the argument and a column within the text. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kube_mcp/base/str.h"
#include "kube_mcp/kube/selector.h"

#include "kube_mcp/base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_error(const struct km_error *err, const char *argument, size_t len)
{
  static const char column[] = ": column ";
  KM_ASSERT(err->code == KM_E_INVALID && km_utf8_valid(err->message, strlen(err->message)));
  KM_ASSERT(km_starts_with(err->message, argument));
  KM_ASSERT(km_starts_with(err->message + strlen(argument), column));
  unsigned long at = strtoul(err->message + strlen(argument) + strlen(column), NULL, 10);
  KM_ASSERT(at >= 1 && at <= len + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct km_arena *arena = km_arena_new((size_t)1024 * 1024);
  const char *text = km_arena_strndup(arena, (const char *)data, size);
  size_t len = strlen(text);
  struct km_error err = {0};
  if (!km_utf8_valid(text, len)) { /* comes from JSON, which is */
    km_arena_free(arena);
    return 0;
  }
  if (km_label_selector_check(text, &err) != KM_OK) {
    check_error(&err, "label_selector", len);
  } else {
    /* Any two legal selectors are one when joined. */
    char *twice = km_arena_printf(arena, "%s,%s", text, text);
    KM_ASSERT(strspn(text, " \t\r\n") == len || km_label_selector_check(twice, &err) == KM_OK);
  }
  if (km_field_selector_check(text, &err) != KM_OK) {
    check_error(&err, "field_selector", len);
  }
  km_arena_free(arena);
  return 0;
}
