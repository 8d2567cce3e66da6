/* Paths and display names of resources.
 *
 * Keeps no state; results live in the caller's arena. Every part that comes from a caller is percent-escaped, so a name
 * with a slash stays one segment. What the path may then be used for is the guard's business. */
#include "kube_mcp/kube/discovery.h"

#include <string.h>

#include "kube_mcp/base/banned.h"

/* Room for the escaped form of TEXT and a slash. */
static size_t room_for(const char *text)
{
  return text != NULL ? 3 * strlen(text) + 1 : 0;
}

static void put_segment(struct km_buf *out, const char *text)
{
  if (text != NULL) {
    km_buf_putc(out, '/');
    (void)km_url_escape(out, text);
  }
}

char *km_resource_path(struct km_arena *arena, const struct km_resource *resource, const char *ns,
                       const char *name, const char *subresource)
{
  bool core = resource->group[0] == '\0';
  struct km_buf out;
  km_buf_init(&out, sizeof("/apis/namespaces") + room_for(resource->group) + room_for(resource->version) +
                        room_for(resource->plural) + room_for(ns) + room_for(name) + room_for(subresource));
  km_buf_puts(&out, core ? "/api" : "/apis");
  put_segment(&out, core ? NULL : resource->group);
  put_segment(&out, resource->version);
  if (ns != NULL) {
    km_buf_puts(&out, "/namespaces");
    put_segment(&out, ns);
  }
  put_segment(&out, resource->plural);
  put_segment(&out, name);
  put_segment(&out, subresource);
  KM_ASSERT(!out.failed);
  char *path = km_arena_strndup(arena, out.data, out.len);
  km_buf_done(&out);
  return path;
}

char *km_resource_display(struct km_arena *arena, const struct km_resource *resource)
{
  return km_arena_printf(arena, "%s%s%s", resource->plural, resource->group[0] != '\0' ? "." : "",
                         resource->group);
}
