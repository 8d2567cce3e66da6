/* What all providers share: their life, the identity of an endpoint, and the UnknownContext error.
 *
 * Owns the provider object between km_provider_open and km_provider_close. Nothing here locks: a provider's state has
 * a lock of its own. The UnknownContext error names at most MAX_NAMES contexts and never grows beyond a message. */
#include "kube_mcp/provider.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digest.h"
#include "kube_mcp/base/alloc.h"
#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

/* A message is for a model to read: enough names to recognise the scheme, never a wall of them. */
#define MAX_NAMES      20
#define MAX_NAME_BYTES ((size_t)100)

enum km_rc km_provider_open(const struct km_provider_ops *ops, const void *config,
                            const char *default_context, struct km_provider **ret, struct km_error *err)
{
  struct km_provider *provider = KM_NEW(struct km_provider);
  *provider = (struct km_provider){
      .ops = ops,
      .config = config,
      .default_context = default_context != NULL ? default_context : "",
      .state = km_alloc(ops->state_size),
  };
  enum km_rc rc = ops->open(provider, err);
  if (rc != KM_OK) {
    km_provider_close(provider);
    return rc;
  }
  *ret = provider;
  return KM_OK;
}

void km_provider_close(struct km_provider *provider)
{
  if (provider == NULL) {
    return;
  }
  provider->ops->close(provider);
  free(provider->state);
  free(provider);
}

/* The context's own name counts too, although two contexts may lead to one server as one user: a client's messages name
 * its context, and must not name another. Tags keep neighbours apart when one of them is absent. */
void km_endpoint_seal(struct km_endpoint *endpoint, const char *credential_source)
{
  struct km_digest digest = {0};
  km_digest_add_text(&digest, 'c', endpoint->context);
  km_digest_add_text(&digest, 's', endpoint->server);
  km_digest_add_text(&digest, 't', endpoint->tls_server_name);
  km_digest_add_text(&digest, 'p', endpoint->proxy_url);
  km_digest_add_text(&digest, 'n', endpoint->default_namespace);
  km_digest_add_text(&digest, 'l', endpoint->cluster);
  km_digest_add_text(&digest, 'u', endpoint->user);
  km_digest_add(&digest, 'a', endpoint->ca_pem, endpoint->ca_pem_len);
  uint8_t flags[] = {endpoint->insecure_skip_verify, endpoint->disable_compression};
  km_digest_add(&digest, 'f', flags, sizeof(flags));
  km_digest_add_text(&digest, 'U', endpoint->as.user);
  km_digest_add_text(&digest, 'I', endpoint->as.uid);
  for (size_t i = 0; i < endpoint->as.group_count; i++) {
    km_digest_add_text(&digest, 'G', endpoint->as.groups[i]);
  }
  for (size_t i = 0; i < 2 * endpoint->as.extra_count; i++) {
    km_digest_add_text(&digest, 'E', endpoint->as.extra[i]);
  }
  km_digest_add_text(&digest, 'S', credential_source);
  km_digest_hex(&digest, endpoint->identity);
}

/* Bytes of NAME worth showing in a message: names come from callers too, and may be of any length. */
static int shown_len(const char *name)
{
  return (int)km_utf8_prefix(name, strlen(name), MAX_NAME_BYTES);
}

/* "a, b, c and 7 more" into BUF, as many whole names as fit. */
static void list_names(char *buf, size_t size, const struct km_context_list *list)
{
  size_t room_for_rest = sizeof(" and 18446744073709551615 more");
  size_t used = 0;
  size_t named = 0;
  while (named < list->count && named < MAX_NAMES) {
    const char *name = list->items[named].name;
    size_t need = (size_t)shown_len(name) + 2;
    if (used + need + room_for_rest > size) {
      break;
    }
    used += (size_t)snprintf(buf + used, size - used, "%s%.*s", named > 0 ? ", " : "", shown_len(name), name);
    named++;
  }
  if (named < list->count) {
    (void)snprintf(buf + used, size - used, " and %zu more", list->count - named);
  }
}

/* One of LIST's names that the caller may have meant, or NULL. */
static const char *nearest_context(struct km_arena *arena, const char *name,
                                   const struct km_context_list *list)
{
  const char **names = KM_ARENA_ARRAY(arena, const char *, list->count);
  for (size_t i = 0; i < list->count; i++) {
    names[i] = list->items[i].name;
  }
  return km_nearest(name, names, list->count);
}

enum km_rc km_unknown_context(struct km_error *err, const char *name, const struct km_context_list *list)
{
  char known[480] = "";
  list_names(known, sizeof(known), list);
  if (km_str_empty(name)) {
    km_error_set_type(err, KM_E_NOT_FOUND, KM_TYPE_UNKNOWN_CONTEXT,
                      "no context was named and there is no current one; there are: %s", known);
    return km_error_hint(err,
                         "name one in `context`, or set a default: context in section [kubernetes], or the "
                         "kubeconfig's current-context");
  }
  if (list->count == 0) {
    return km_error_set_type(err, KM_E_NOT_FOUND, KM_TYPE_UNKNOWN_CONTEXT,
                             "context '%.*s' does not exist; no context is known", shown_len(name), name);
  }
  km_error_set_type(err, KM_E_NOT_FOUND, KM_TYPE_UNKNOWN_CONTEXT,
                    "context '%.*s' does not exist; there are: %s", shown_len(name), name, known);
  KM_CLEANUP(km_arena_freep) struct km_arena *arena = km_arena_new(sizeof(char *) * (list->count + 1));
  const char *nearest = nearest_context(arena, name, list);
  return nearest != NULL ? km_error_hint(err, "did you mean '%.*s'?", shown_len(nearest), nearest)
                         : km_error_hint(err, "config_contexts_list shows every context");
}
