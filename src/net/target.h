/* Where the requests of one client go: the parts of its base URL, and the proxy on the way. Private to
 * src/net. */
#ifndef KM_SRC_NET_TARGET_H
#define KM_SRC_NET_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "kube_mcp/base/error.h"

struct km_target {
  bool tls;
  uint16_t port;
  char *host;        /* without brackets */
  char *authority;   /* "host:port", for messages and NO_PROXY */
  char *prefix_url;  /* what the path of a request is appended to; names tls_server_name when there is one */
  char *host_header; /* "Host: …" that undoes the above; NULL = libcurl's own */
  char *connect_to;  /* CURLOPT_CONNECT_TO entry that undoes the above; NULL = none */
};

/* Parses "scheme://host[:port][/prefix]". TLS_SERVER_NAME may be NULL.
 * Errors: KM_E_INVALID; a password in the URL is refused and not repeated. */
enum km_rc km_target_parse(const char *base_url, const char *tls_server_name, struct km_target *ret,
                           struct km_error *err);
void km_target_done(struct km_target *target); /* accepts a zeroed struct */

struct km_proxy {
  char *url;       /* for CURLOPT_PROXY; "" = connect directly. May hold a password. */
  char *authority; /* "host:port", for messages; NULL = no proxy */
};

/* EXPLICIT_URL (may be NULL), else what the environment says about TARGET, by kubectl's rules: HTTPS_PROXY or
 * HTTP_PROXY (in upper, then lower case) according to the scheme, NO_PROXY, and never for a loopback address.
 * Errors: KM_E_INVALID (malformed, or a scheme other than http, https, socks5). */
enum km_rc km_proxy_choose(const char *explicit_url, const struct km_target *target, struct km_proxy *ret,
                           struct km_error *err);
void km_proxy_done(struct km_proxy *proxy); /* accepts a zeroed struct */

/* Whether LIST, in the syntax of NO_PROXY, names HOST:PORT. */
bool km_no_proxy_match(const char *list, const char *host, uint16_t port);

#endif
