/* Kubeconfig text: up to four files, separated by lines of three equals signs, are parsed and merged as $KUBECONFIG
 * would be, and every context that names no file is resolved. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "../../providers/kubeconfig/kubeconfig.h"
#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

#define MAX_FILES 4
#define SEPARATOR "\n===\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_context(const struct km_kubeconfig *config, const struct km_kubeconfig_context *context)
{
  KM_ASSERT(km_map_get(config->by_name, context->name) == context);
  KM_ASSERT(context->pair.cluster != NULL && context->pair.cluster->server != NULL);
  const struct km_user_entry *user = context->pair.user;
  bool reads_files = context->pair.cluster->ca_file != NULL ||
                     (user != NULL && (user->token.file != NULL || user->certificate.file != NULL));
  if (reads_files) {
    return;
  }
  struct km_arena *arena = km_arena_new((size_t)1024 * 1024);
  struct km_endpoint endpoint;
  struct km_credential credential;
  struct km_error err;
  bool is_usable = km_entry_pair_info(&context->pair, arena).problem == NULL;
  KM_ASSERT((km_entry_pair_endpoint(&context->pair, arena, &endpoint, &err) == KM_OK) == is_usable);
  if (is_usable && km_entry_pair_credential(&context->pair, &credential, &err) == KM_OK) {
    km_credential_done(&credential);
  }
  km_arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  const char *text = (const char *)data;
  struct km_arena *arena = km_arena_new((size_t)16 * 1024 * 1024);
  struct km_kubeconfig_file *files[MAX_FILES];
  size_t count = 0;
  struct km_error err = {0};
  for (size_t i = 0; i < MAX_FILES; i++) {
    const char *end = memmem(text, size, SEPARATOR, strlen(SEPARATOR));
    size_t len = end != NULL ? (size_t)(end - text) : size;
    files[count] = KM_ARENA_NEW(arena, struct km_kubeconfig_file);
    if (km_kubeconfig_parse(arena, "/fuzz/config", text, len, files[count], &err) == KM_OK) {
      count++;
    } else {
      KM_ASSERT(err.type == KM_TYPE_INVALID_KUBECONFIG && km_utf8_valid(err.message, strlen(err.message)));
    }
    if (end == NULL) {
      break;
    }
    text = end + strlen(SEPARATOR);
    size -= len + strlen(SEPARATOR);
  }
  struct km_kubeconfig *config = km_kubeconfig_merge(arena, files, count);
  for (size_t i = 0; i < config->context_count; i++) {
    check_context(config, config->contexts[i]);
  }
  km_kubeconfig_unref(config);
  return 0;
}
