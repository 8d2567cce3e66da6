/* Who may talk to an HTTP server bound to loopback: the checks that keep a web page from reaching it by DNS rebinding.
 * Pure functions over header text. */
#ifndef KM_TRANSPORT_HTTP_HOST_H
#define KM_TRANSPORT_HTTP_HOST_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "kube_mcp/base/error.h"

struct bind_address {
  char host[256]; /* as written, without brackets */
  unsigned port;
  bool loopback;
  struct sockaddr_storage sockaddr;
  socklen_t sockaddr_len;
};

/* Parses "127.0.0.1:8080", "[::1]:0", "localhost:8080", ":8080" (all addresses). Only numeric hosts and "localhost". */
enum km_rc bind_address_parse(const char *text, struct bind_address *ret, struct km_error *err);

/* Splits "host", "host:port", "[v6]:port" into HOST (lower case, without brackets). False if malformed. */
bool host_split(const char *text, char *host, size_t size);
bool host_is_loopback(const char *host);
/* HEADER is the value of Host. ALLOWED are globs over the host, with or without port. */
bool host_allowed(const char *header, const struct bind_address *bound, const char *const *allowed,
                  size_t count);
/* HEADER is the value of Origin: "null" is refused, http(s)://HOST follows the rule for Host, or an exact entry. */
bool origin_allowed(const char *header, const struct bind_address *bound, const char *const *hosts,
                    size_t host_count, const char *const *origins, size_t origin_count);
/* True when HEADER is one of ORIGINS: only those may read answers. */
bool origin_listed(const char *header, const char *const *origins, size_t count);
/* True when VALUE's media type, parameters aside, is exactly TYPE. */
bool media_type_is(const char *value, const char *type);

#endif
