/* Requests: from km_http_request to an easy handle that is ready to go.
 *
 * Owns transfers as objects. What is the same for every request of a client is set once, when the transfer is
 * made; preparing a request then costs one copy of its URL and of its header lines. Runs on the caller's
 * thread, never on the loop's. What callers pass is checked so that no value can add a header line or change
 * the request line. Nothing that could change the cluster is ever sent twice: libcurl repeats a request whose
 * kept-alive connection turns out dead, so a body is given as a stream that cannot be rewound, and what has
 * no body goes out on a connection of its own. Limits: 64 KiB of path, 256 KiB of headers, 128 headers. */
#include <gnutls/gnutls.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http_client.h"
#include "kube_mcp/base/alloc.h"
#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

#define PATH_MAX_BYTES    ((size_t)64 * 1024)
#define URL_MAX_BYTES     (PATH_MAX_BYTES + 16384)
#define HEADERS_MAX_BYTES ((size_t)256 * 1024)
#define HEADERS_MAX       ((size_t)128)
#define OWN_HEADERS_MAX   ((size_t)4) /* Host, Authorization, Expect, Content-Type */
#define METHOD_MAX_BYTES  ((size_t)16)

#define LIFETIME_MAX_S       3600L /* lets a load balancer spread the connections of a long-lived process */
#define KEEPALIVE_IDLE_S     30L   /* a peer that has vanished ends a silent stream after 30 + 9 * 10 s */
#define KEEPALIVE_INTERVAL_S 10L
#define UPLOAD_BUFFER_BYTES  16384L

/* Fails only without memory, or when the library lacks what version 7.88 has. */
#define SET(easy, option, value) KM_ASSERT(curl_easy_setopt((easy), (option), (value)) == CURLE_OK)

/* CURLOPT_READFUNCTION. There is no CURLOPT_SEEKFUNCTION on purpose: see the top. */
static size_t send_body(char *out, size_t size, size_t count, void *data)
{
  struct km_transfer *transfer = data;
  size_t room = size * count;
  size_t left = transfer->request->body_len - transfer->body_sent;
  size_t len = left < room ? left : room;
  if (len > 0) {
    memcpy(out, (const char *)transfer->request->body + transfer->body_sent, len);
    transfer->body_sent += len;
  }
  return len;
}

/* CURLOPT_RESOLVER_START_FUNCTION: only for the words of a deadline that passes here. */
static int note_resolving(void *resolver_state, void *reserved, void *data)
{
  (void)resolver_state;
  (void)reserved;
  struct km_transfer *transfer = data;
  transfer->resolving = true;
  return 0;
}

/* The system's certificates in one file, where kubectl looks for them; NULL = nowhere. libcurl's own default
 * may be a folder, which each connection would read file by file. */
static const char *system_bundle(void)
{
  static const char *const places[] = {"/etc/ssl/certs/ca-certificates.crt",
                                       "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
                                       "/etc/ssl/cert.pem"};
  const char *chosen = getenv("SSL_CERT_FILE");
  if (!km_str_empty(chosen)) {
    return chosen;
  }
  for (size_t i = 0; i < KM_ARRAY_LEN(places); i++) {
    if (access(places[i], R_OK) == 0) {
      return places[i];
    }
  }
  return NULL;
}

/* Paths name memfds that are sealed and live as long as the client: libcurl compares paths, not contents,
 * when it looks for a connection to reuse. */
static void set_tls_options(CURL *easy, const struct km_http_client *client)
{
  SET(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  SET(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L); /* connections are kept, sessions need not be */
  const char *trusted = client->ca.fd >= 0 ? client->ca.path : system_bundle();
  if (client->insecure_skip_verify) {
    SET(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    SET(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    SET(easy, CURLOPT_CAINFO, NULL);
    SET(easy, CURLOPT_CAPATH, NULL);
  } else if (trusted != NULL) {
    SET(easy, CURLOPT_CAINFO, trusted);
    SET(easy, CURLOPT_CAPATH, NULL); /* else every connection also parses libcurl's default folder */
  }
  if (client->cert.fd >= 0) {
    SET(easy, CURLOPT_SSLCERT, client->cert.path);
    SET(easy, CURLOPT_SSLKEY, client->key.path);
  }
}

static void set_connection_options(CURL *easy, struct km_http_client *client)
{
  SET(easy, CURLOPT_PROTOCOLS_STR, client->target.tls ? "https" : "http");
  SET(easy, CURLOPT_HTTP_VERSION, (long)(client->http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
  SET(easy, CURLOPT_PIPEWAIT, client->http2 ? 1L : 0L);
  SET(easy, CURLOPT_PROXY, client->proxy.url);
  SET(easy, CURLOPT_NOPROXY, "");
  SET(easy, CURLOPT_CONNECTTIMEOUT_MS, client->connect_timeout_ms);
  SET(easy, CURLOPT_MAXAGE_CONN, (long)((client->idle_ms + 999) / 1000));
  SET(easy, CURLOPT_MAXLIFETIME_CONN, LIFETIME_MAX_S);
  SET(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  SET(easy, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
  SET(easy, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
  SET(easy, CURLOPT_OPENSOCKETFUNCTION,
      km_driver_open_socket); /* also: libcurl's own are inherited by children */
  SET(easy, CURLOPT_OPENSOCKETDATA, client);
  SET(easy, CURLOPT_CLOSESOCKETFUNCTION, km_driver_close_socket);
  SET(easy, CURLOPT_CLOSESOCKETDATA, client);
  if (client->connect_to.data != NULL) {
    SET(easy, CURLOPT_CONNECT_TO, &client->connect_to);
  }
  SET(easy, CURLOPT_QUICK_EXIT, 1L); /* ending a transfer must not wait for a resolver thread */
}

struct km_transfer *km_transfer_new(struct km_http_client *client)
{
  km_http_library_init();
  struct km_transfer *transfer = KM_NEW(struct km_transfer);
  CURL *easy = curl_easy_init();
  KM_ASSERT(easy != NULL);
  transfer->client = client;
  transfer->easy = easy;
  km_buf_init(&transfer->url, URL_MAX_BYTES);
  km_buf_init_secret(&transfer->header_text, HEADERS_MAX_BYTES);
  km_buf_init(&transfer->body, 0);
  sem_init(&transfer->done, 0, 0);
  sem_init(&transfer->news, 0, 0);
  pthread_mutex_init(&transfer->pieces_lock, NULL);
  transfer->start = (struct km_loop_work){.fn = km_driver_start, .data = transfer};
  transfer->abort = (struct km_loop_work){.fn = km_driver_abort, .data = transfer};

  SET(easy, CURLOPT_PRIVATE, transfer);
  SET(easy, CURLOPT_ERRORBUFFER, transfer->detail);
  SET(easy, CURLOPT_NOSIGNAL, 1L);
  SET(easy, CURLOPT_FOLLOWLOCATION, 0L);
  SET(easy, CURLOPT_PATH_AS_IS, 1L);
  SET(easy, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER_BYTES);
  SET(easy, CURLOPT_USERAGENT, client->user_agent);
  SET(easy, CURLOPT_WRITEFUNCTION, km_transfer_receive);
  SET(easy, CURLOPT_WRITEDATA, transfer);
  SET(easy, CURLOPT_READFUNCTION, send_body);
  SET(easy, CURLOPT_READDATA, transfer);
  SET(easy, CURLOPT_RESOLVER_START_FUNCTION, note_resolving);
  SET(easy, CURLOPT_RESOLVER_START_DATA, transfer);
  if (client->accept_encoding) {
    SET(easy, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
  }
  set_connection_options(easy, client);
  set_tls_options(easy, client);
  return transfer;
}

void km_transfer_free(struct km_transfer *transfer)
{
  curl_easy_cleanup(transfer->easy);
  km_buf_done(&transfer->url);
  km_buf_done(&transfer->header_text);
  km_buf_done(&transfer->body);
  free(transfer->headers);
  sem_destroy(&transfer->done);
  sem_destroy(&transfer->news);
  pthread_mutex_destroy(&transfer->pieces_lock);
  free(transfer);
}

void km_transfer_reset(struct km_transfer *transfer)
{
  km_wipe(transfer->header_text.data, transfer->header_text.len);
  km_buf_clear(&transfer->header_text);
  km_buf_done(&transfer->body);
  transfer->request = NULL;
}

/* -- checks ---------------------------------------------------------------------------------------------- */

/* True when TEXT is ASCII without blanks and control characters. */
static bool is_visible(const char *text, size_t len)
{
  for (size_t i = 0; i < len; i++) {
    unsigned char byte = (unsigned char)text[i];
    if (byte <= ' ' || byte > 0x7e) {
      return false;
    }
  }
  return true;
}

static bool is_method(const char *method)
{
  size_t len = strlen(method);
  return len > 0 && len <= METHOD_MAX_BYTES && strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == len;
}

static bool is_header_name(const char *name)
{
  return name[0] != '\0' && is_visible(name, strlen(name)) && strpbrk(name, ":\"(),/;<=>?@[\\]{}") == NULL;
}

/* Text in any encoding, without control characters. */
static bool is_header_value(const char *value)
{
  for (; *value != '\0'; value++) {
    unsigned char byte = (unsigned char)*value;
    if ((byte < ' ' && byte != '\t') || byte == 0x7f) {
      return false;
    }
  }
  return true;
}

/* Their values must not appear in messages. */
static enum km_rc check_credentials(const struct km_http_request *request, struct km_error *err)
{
  const struct km_secret *bearer = request->bearer;
  if (bearer != NULL && bearer->data != NULL && !is_visible(bearer->data, bearer->len)) {
    km_error_set(err, KM_E_INVALID,
                 "the bearer token holds a blank, a line break or another character no token has");
    return km_error_hint(err, "check that the token was stored whole and alone, without quotes or a prefix");
  }
  const struct km_secret *user = request->basic_user, *password = request->basic_password;
  bool bad_user =
      user != NULL && user->data != NULL && (strchr(user->data, ':') != NULL || !is_header_value(user->data));
  bool bad_password = password != NULL && password->data != NULL && !is_header_value(password->data);
  if (bad_user || bad_password) {
    return km_error_set(err, KM_E_INVALID,
                        "the %s of basic authentication holds a character it must not have",
                        bad_user ? "user name" : "password");
  }
  return KM_OK;
}

static enum km_rc check_request(const struct km_http_request *request, struct km_error *err)
{
  if (request->method == NULL || !is_method(request->method)) {
    return km_error_set(err, KM_E_INVALID, "the HTTP method is not a word of capital letters");
  }
  const char *path = request->path;
  size_t path_len = path != NULL ? strlen(path) : 0;
  if (path_len == 0 || path[0] != '/' || !is_visible(path, path_len) || strchr(path, '#') != NULL) {
    return km_error_set(err, KM_E_INVALID,
                        "the path of a request must start with '/' and be percent-encoded");
  }
  if (path_len > PATH_MAX_BYTES) {
    return km_error_set(err, KM_E_TOO_LARGE, "the path of the request has %zu bytes; the limit is %zu",
                        path_len, PATH_MAX_BYTES);
  }
  if (request->header_count > HEADERS_MAX) {
    return km_error_set(err, KM_E_TOO_LARGE, "the request has %zu headers; the limit is %zu",
                        request->header_count, HEADERS_MAX);
  }
  for (size_t i = 0; i < request->header_count; i++) {
    const struct km_http_header *header = &request->headers[i];
    if (!is_header_name(header->name)) {
      return km_error_set(err, KM_E_INVALID, "header %zu of the request has no valid name", i + 1);
    }
    if (!is_header_value(header->value)) {
      return km_error_set(err, KM_E_INVALID,
                          "header '%s' of the request holds a line break or control character", header->name);
    }
  }
  return check_credentials(request, err);
}

/* -- headers --------------------------------------------------------------------------------------------- */

static bool has_header(const struct km_http_request *request, const char *name)
{
  for (size_t i = 0; i < request->header_count; i++) {
    if (km_strcaseeq(request->headers[i].name, name)) {
      return true;
    }
  }
  return false;
}

/* libcurl wants each line as a string of its own. */
static void end_line(struct km_buf *text, size_t *lines)
{
  km_buf_putc(text, '\0');
  ++*lines;
}

static void put_basic(struct km_buf *text, const struct km_http_request *request)
{
  struct km_buf plain;
  km_buf_init_secret(&plain, HEADERS_MAX_BYTES);
  km_buf_append(&plain, request->basic_user->data, request->basic_user->len);
  km_buf_putc(&plain, ':');
  if (request->basic_password != NULL) {
    km_buf_append(&plain, request->basic_password->data, request->basic_password->len);
  }
  gnutls_datum_t in = {.data = (unsigned char *)plain.data, .size = (unsigned)plain.len};
  gnutls_datum_t out = {0};
  KM_ASSERT(gnutls_base64_encode2(&in, &out) == 0);
  km_buf_puts(text, "Authorization: Basic ");
  km_buf_append(text, out.data, out.size);
  km_wipe(out.data, out.size);
  gnutls_free(out.data);
  km_buf_done(&plain);
}

static void put_authorization(struct km_buf *text, const struct km_http_request *request, size_t *lines)
{
  if (request->bearer != NULL && !km_secret_empty(request->bearer)) {
    km_buf_puts(text, "Authorization: Bearer ");
    km_buf_append(text, request->bearer->data, request->bearer->len);
    end_line(text, lines);
  } else if (request->basic_user != NULL && !km_secret_empty(request->basic_user)) {
    put_basic(text, request);
    end_line(text, lines);
  }
}

/* Sent with a body, even an empty one. */
static bool is_post(const struct km_http_request *request)
{
  return request->body != NULL || km_streq(request->method, "POST");
}

/* Writes all header lines, each ended by a NUL. Returns how many. */
static size_t put_headers(struct km_buf *text, const struct km_http_client *client,
                          const struct km_http_request *request)
{
  size_t lines = 0;
  if (client->target.host_header != NULL) {
    km_buf_puts(text, client->target.host_header);
    end_line(text, &lines);
  }
  put_authorization(text, request, &lines);
  if (is_post(request)) {
    km_buf_puts(text, "Expect:"); /* none: it would cost a round trip */
    end_line(text, &lines);
    if (!has_header(request, "Content-Type")) {
      km_buf_puts(text, "Content-Type:"); /* none, rather than a form's */
      end_line(text, &lines);
    }
  }
  for (size_t i = 0; i < request->header_count; i++) {
    const struct km_http_header *header = &request->headers[i];
    km_buf_puts(text, header->name);
    km_buf_puts(text,
                header->value[0] != '\0' ? ": " : ";"); /* "Name;" is libcurl's way to send an empty one */
    km_buf_puts(text, header->value);
    end_line(text, &lines);
  }
  return lines;
}

static enum km_rc prepare_headers(struct km_transfer *transfer, struct km_error *err)
{
  const struct km_http_request *request = transfer->request;
  struct km_buf *text = &transfer->header_text;
  size_t lines = put_headers(text, transfer->client, request);
  if (text->failed) {
    return km_error_set(err, KM_E_TOO_LARGE, "the headers of the request exceed %zu bytes",
                        HEADERS_MAX_BYTES);
  }
  if (transfer->header_capacity < lines) {
    free(transfer->headers);
    transfer->header_capacity = request->header_count + OWN_HEADERS_MAX;
    transfer->headers = km_alloc(transfer->header_capacity * sizeof(*transfer->headers));
  }
  char *line = text->data;
  for (size_t i = 0; i < lines; i++) {
    transfer->headers[i].data = line;
    transfer->headers[i].next = i + 1 < lines ? &transfer->headers[i + 1] : NULL;
    line += strlen(line) + 1;
  }
  SET(transfer->easy, CURLOPT_HTTPHEADER, lines > 0 ? transfer->headers : NULL);
  return KM_OK;
}

/* -- the request ----------------------------------------------------------------------------------------- */

/* Methods that may be sent again when nobody knows whether the first time counted. */
static bool is_safe(const char *method)
{
  return km_streq(method, "GET") || km_streq(method, "HEAD") || km_streq(method, "OPTIONS");
}

/* A DELETE without a body is a GET by another name; PUT and PATCH are POSTs by another name. */
static void prepare_method(CURL *easy, const struct km_http_request *request)
{
  SET(easy, CURLOPT_HTTPGET, 1L); /* also undoes the others */
  if (is_post(request)) {
    SET(easy, CURLOPT_POST, 1L);
    SET(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
  } else if (km_streq(request->method, "HEAD")) {
    SET(easy, CURLOPT_NOBODY, 1L);
  }
  SET(easy, CURLOPT_CUSTOMREQUEST, request->method);
}

/* What may not be repeated and streams get a connection of their own: a stream lives long, and on a shared
 * HTTP/2 connection its unread bytes could hold up short requests. */
static void prepare_connection(CURL *easy, const struct km_http_client *client,
                               const struct km_http_request *request)
{
  bool own_stream = client->http2 && (request->on_data != NULL || request->on_piece != NULL);
  bool unrepeatable = !is_safe(request->method) && request->body_len == 0;
  SET(easy, CURLOPT_FRESH_CONNECT, own_stream || unrepeatable ? 1L : 0L);
  SET(easy, CURLOPT_FORBID_REUSE, own_stream ? 1L : 0L);
  if (client->http2) {
    SET(easy, CURLOPT_HTTP_VERSION, (long)(own_stream ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS));
  }
}

enum km_rc km_transfer_prepare(struct km_transfer *transfer, const struct km_http_request *request,
                               struct km_error *err)
{
  const struct km_http_client *client = transfer->client;
  enum km_rc rc = check_request(request, err);
  if (rc != KM_OK) {
    return rc;
  }
  transfer->request = request;
  transfer->started_ns = km_clock_ns();
  transfer->abort_posted = false;
  transfer->body_sent = 0;
  transfer->status = 0;
  transfer->too_large = false;
  transfer->stopped = false;
  transfer->resolving = false;
  transfer->connected = false;
  transfer->detail[0] = '\0';
  km_buf_init(&transfer->body, request->max_body_bytes);

  km_buf_clear(&transfer->url);
  km_buf_puts(&transfer->url, client->target.prefix_url);
  km_buf_puts(&transfer->url, request->path);
  KM_ASSERT(!transfer->url.failed);
  SET(transfer->easy, CURLOPT_URL, transfer->url.data);
  prepare_method(transfer->easy, request);
  prepare_connection(transfer->easy, client, request);
  return prepare_headers(transfer, err);
}
