/* Impersonation headers: "act as" as the API server wants to read it.
 *
 * Keeps no state; the texts live in the caller's arena. Values come from a kubeconfig, which is trusted to choose an
 * identity but not to smuggle further headers into a request: control characters are refused, keys of `extra` are
 * percent-escaped as client-go does. At most KM_MAX_IMPERSONATION_HEADERS. */
#include "internal.h"

#include <ctype.h>
#include <string.h>

#include "kube_mcp/base/banned.h"

struct header_list {
  struct km_arena *arena;
  struct km_http_header *items;
  size_t count;
};

static bool is_header_value(const char *text)
{
  for (; *text != '\0'; text++) {
    if (iscntrl((unsigned char)*text)) {
      return false;
    }
  }
  return true;
}

/* Adds a header unless VALUE is absent. */
static enum km_rc add(struct header_list *list, const char *name, const char *value, struct km_error *err)
{
  if (value == NULL) {
    return KM_OK;
  }
  if (!is_header_value(value)) {
    return km_error_set_type(err, KM_E_INVALID, KM_TYPE_INVALID_KUBECONFIG,
                             "the value for %s holds control characters", name);
  }
  if (list->count == KM_MAX_IMPERSONATION_HEADERS) {
    return km_error_set_type(err, KM_E_INVALID, KM_TYPE_INVALID_KUBECONFIG,
                             "more than %d groups and extra values to impersonate",
                             KM_MAX_IMPERSONATION_HEADERS);
  }
  list->items[list->count++] =
      (struct km_http_header){.name = name, .value = km_arena_strdup(list->arena, value)};
  return KM_OK;
}

/* "Impersonate-Extra-" and KEY with everything escaped that a header name cannot hold. */
static const char *extra_name(struct km_arena *arena, const char *key)
{
  static const char prefix[] = "Impersonate-Extra-";
  char *name = km_arena_alloc(arena, sizeof(prefix) + 3 * strlen(key));
  memcpy(name, prefix, sizeof(prefix));
  char *out = name + sizeof(prefix) - 1;
  for (; *key != '\0'; key++) {
    unsigned char c = (unsigned char)*key;
    if (isalnum(c) || strchr("!#$&'*+-.^_`|~", c) != NULL) {
      *out++ = (char)c;
    } else {
      *out++ = '%';
      *out++ = "0123456789ABCDEF"[c >> 4];
      *out++ = "0123456789ABCDEF"[c & 15];
    }
  }
  return name;
}

enum km_rc km_impersonation_headers(struct km_arena *arena, const struct km_endpoint *endpoint,
                                    struct km_http_header *headers, size_t *ret_count, struct km_error *err)
{
  struct header_list list = {.arena = arena, .items = headers};
  enum km_rc rc = add(&list, "Impersonate-User", endpoint->as.user, err);
  if (rc == KM_OK) {
    rc = add(&list, "Impersonate-Uid", endpoint->as.uid, err);
  }
  for (size_t i = 0; i < endpoint->as.group_count && rc == KM_OK; i++) {
    rc = add(&list, "Impersonate-Group", endpoint->as.groups[i], err);
  }
  for (size_t i = 0; i < endpoint->as.extra_count && rc == KM_OK; i++) {
    rc = add(&list, extra_name(arena, endpoint->as.extra[2 * i]), endpoint->as.extra[2 * i + 1], err);
  }
  if (rc != KM_OK) {
    return km_error_wrap(err, "context '%s'", endpoint->context);
  }
  *ret_count = list.count;
  return KM_OK;
}
