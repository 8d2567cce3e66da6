/* MCP over Streamable HTTP, both eras, on libmicrohttpd: one epoll thread, suspended exchanges, SSE when needed. */
#ifndef KM_TRANSPORT_HTTP_H
#define KM_TRANSPORT_HTTP_H

#include <stdint.h>

#include "kube_mcp/mcp/server.h"

struct km_http_server;

struct km_http_server_options {
  const char *address;              /* "127.0.0.1:8080", "[::1]:0", "localhost:8080" */
  const char *path;                 /* "/mcp" */
  const char *const *allowed_hosts; /* besides loopback names and ADDRESS itself */
  size_t allowed_host_count;
  const char *const *allowed_origins;
  size_t allowed_origin_count;
  size_t max_body_bytes;
  size_t connection_memory_bytes;
  unsigned max_connections;
  int64_t idle_timeout_ms;
  bool insecure_no_auth; /* permit an address that is not loopback */
  /* Further GET endpoints ("/livez"): returns HTTP status and a body in OUT; 0 = not mine. May be NULL. */
  int (*on_get)(void *data, const char *path, const char **ret_content_type, struct km_buf *out);
  void *on_get_data;
};

/* What starting with OPTIONS would refuse before it binds: a malformed address, one that is not loopback without
 * permission. Errors: KM_E_INVALID. */
enum km_rc km_http_server_check(const struct km_http_server_options *options, struct km_error *err);
/* Binds and starts. Errors: KM_E_INVALID (address, or not loopback without permission), KM_E_CONFLICT (in use). */
enum km_rc km_http_server_start(struct km_mcp *mcp, const struct km_http_server_options *options,
                                struct km_http_server **ret, struct km_error *err);
/* Stops accepting, cancels every call of the protocol server, resumes what is suspended, then closes. Accepts NULL. */
void km_http_server_stop(struct km_http_server *server);
unsigned km_http_server_port(const struct km_http_server *server);

struct km_http_server_stats {
  uint64_t requests;
  unsigned connections, streams;
};
void km_http_server_stats(const struct km_http_server *server, struct km_http_server_stats *ret);

#endif
