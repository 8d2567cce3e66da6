/* A regular expression up to the first newline, searched in all that follows. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kube_mcp/base/str.h"
#include "kube_mcp/codec/regex.h"

#include "kube_mcp/base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct km_arena *arena = km_arena_new((size_t)1024 * 1024);
  const char *text = (const char *)data;
  const char *newline = memchr(data, '\n', size);
  size_t pattern_len = newline != NULL ? (size_t)(newline - text) : size;
  const char *pattern = km_arena_strndup(arena, text, pattern_len);
  struct km_regex *regex = NULL;
  struct km_error err = {0};
  for (unsigned flags = 0; flags <= KM_REGEX_CASELESS; flags++) {
    bool found = false;
    enum km_rc rc = km_regex_compile(arena, pattern, flags, &regex, &err);
    if (rc == KM_OK) {
      size_t used = newline != NULL ? pattern_len + 1 : size;
      rc = km_regex_search(regex, text + used, size - used, &found, &err);
    }
    KM_ASSERT(rc == KM_OK || (err.code == KM_E_INVALID && err.message[0] != '\0'));
    KM_ASSERT(km_utf8_valid(err.message, strlen(err.message)));
  }
  km_arena_free(arena);
  return 0;
}
