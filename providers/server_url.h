/* URLs of API servers and proxies as people write them. */
#ifndef KM_PROVIDERS_SERVER_URL_H
#define KM_PROVIDERS_SERVER_URL_H

#include "kube_mcp/base/arena.h"

#include <stdbool.h>

/* Puts TEXT into the form scheme://host[:port][/prefix]: scheme in lower case, no userinfo, query, fragment or slash at
 * the end. Returns NULL, or what is wrong, as the rest of a sentence that begins with "its server". *RET (in ARENA) is
 * then left alone, unless the only fault are credentials in the URL: it is set without them. */
const char *km_server_url_normalise(struct km_arena *arena, const char *text, const char **ret);
/* Whether client-go would use URL as a proxy. */
bool km_proxy_url_is_supported(const char *url);
/* Control characters can break out of a URL or a header line. */
bool km_has_control_chars(const char *text, size_t len);

#endif
