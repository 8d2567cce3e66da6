/* HTTP requests to upstream servers, in blocking style for workers. The only header that stands for libcurl.
 *
 * A km_http_client owns the connections of one identity: its own curl_multi handle and connection cache, driven by the
 * loop thread, keep-alive, HTTP/2 as configured. Certificates are handed over as sealed memfds that live as long as the
 * client; connections are never shared between clients. */
#ifndef KM_NET_HTTP_H
#define KM_NET_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kube_mcp/base/buf.h"
#include "kube_mcp/base/cancel.h"
#include "kube_mcp/base/clock.h"
#include "kube_mcp/base/crypto.h"
#include "kube_mcp/base/error.h"
#include "kube_mcp/net/loop.h"

struct km_http_client;

/* auto: HTTP/2 where the library at hand is known to do it soundly (km_http2_is_sound). */
enum km_http2 { KM_HTTP2_AUTO, KM_HTTP2_ON, KM_HTTP2_OFF };

struct km_http_options {
  const char *base_url;        /* scheme://host[:port][/prefix], no trailing slash */
  const char *tls_server_name; /* SNI and name to verify instead of the URL's host; NULL = URL's host */
  const char *proxy_url;       /* NULL: environment proxies (HTTPS_PROXY, NO_PROXY) apply */
  const void *ca_pem;          /* NULL: SSL_CERT_FILE, else the system's bundle */
  size_t ca_pem_len;
  const struct km_secret *client_cert_pem, *client_key_pem; /* both or neither; NULL = none */
  bool insecure_skip_verify;
  enum km_http2 http2;
  bool accept_encoding;       /* ask for compressed bodies (slow links only) */
  int64_t connect_timeout_ms; /* name, TCP, proxy and TLS together; 0 = three seconds */
  unsigned max_connections;   /* per client; 0 = 64 */
  int64_t idle_ms;            /* connections unused for so long are closed; 0 = one minute */
  const char *user_agent;
};

/* Checks the options and certificates; connects nothing. Ownership: copies what it needs.
 * Errors: KM_E_INVALID (malformed PEM, URL, certificate and key do not match), KM_E_UNAUTHENTICATED (expired client
 * certificate: message says since when). */
enum km_rc km_http_client_new(struct km_loop *loop, const struct km_http_options *options,
                              struct km_http_client **ret, struct km_error *err);
/* Aborts what is in flight (those calls end with KM_E_CANCELLED), closes connections. Accepts NULL. */
void km_http_client_free(struct km_http_client *client);

struct km_http_header {
  const char *name, *value;
};

struct km_http_request {
  const char *method; /* "GET" */
  const char *path;   /* "/api/v1/pods?limit=5", appended to base_url; already escaped */
  const struct km_http_header *headers;
  size_t header_count;
  const struct km_secret *bearer; /* Authorization: Bearer …; NULL = none */
  const struct km_secret *basic_user, *basic_password;
  const void *body;
  size_t body_len;
  size_t max_body_bytes;    /* of what is collected of the answer; 0 = nothing may come */
  km_deadline deadline;     /* total, 0 = none */
  struct km_cancel *cancel; /* may be NULL */
  /* Optional streaming: gets each piece of a 2xx body on the loop thread instead of it being collected; returning
   * false ends the transfer, and the call with KM_OK. Must not block. */
  bool (*on_data)(void *data, const char *piece, size_t len);
  void *on_data_arg;
  /* The same on the thread of the caller of km_http_do, which may take its time: what arrives meanwhile is kept up to
   * 128 KiB, then the connection is left unread until there is room. Not together with on_data. */
  bool (*on_piece)(void *data, const char *piece, size_t len);
  void *on_piece_arg;
};

struct km_http_response {
  int status;
  struct km_buf body; /* owned by the caller: km_http_response_done */
  char content_type[96];
  uint32_t retry_after_ms; /* from Retry-After (seconds or date), 0 = none */
  int64_t date_wall_ms;    /* from Date, 0 = none */
  char *audit_warning;     /* joined `Warning` headers, or NULL */
  uint64_t elapsed_ns;
  bool reused_connection;
};
void km_http_response_done(struct km_http_response *response);

/* Sends and waits. Any answer with an HTTP status is KM_OK. Blocking; any thread but the loop's.
 * Errors: KM_E_UNAVAILABLE (DNS, refused, TLS verification, reset: message says which, and the host), KM_E_TIMEOUT,
 * KM_E_CANCELLED, KM_E_TOO_LARGE, KM_E_PROTOCOL (garbage, truncated body), KM_E_INVALID. A certificate of the server
 * that is not trusted or for another name is KM_E_UNAVAILABLE with a hint. When the connection broke under the request,
 * the error's reason is "ConnectionLost": what only reads may be sent again. */
enum km_rc km_http_do(struct km_http_client *client, const struct km_http_request *request,
                      struct km_http_response *ret, struct km_error *err);

struct km_http_stats {
  uint64_t requests, connections_opened, bytes_in, bytes_out;
  unsigned in_flight;
};
void km_http_client_stats(const struct km_http_client *client, struct km_http_stats *ret);

/* libcurl's version and whether HTTP/2 in it is considered sound (docs/performance.md). Loads libcurl. */
bool km_http2_is_sound(void);
const char *km_http_library_version(void);

/* RFC 3986 percent-encoding of one path segment or query value. */
bool km_url_escape(struct km_buf *out, const char *text);

#endif
