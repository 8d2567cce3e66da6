/* A small HTTP/1.1 server for tests, with or without TLS: one thread per connection, and a handler that may
 * answer, dribble, lie or hang up as the test wants. */
#ifndef KM_TESTS_UNIT_NET_SERVER_H
#define KM_TESTS_UNIT_NET_SERVER_H

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#include "pki.h"
#include "testing.h"

#define SERVER_CONNECTIONS_MAX 256
#define SERVER_REQUEST_MAX     (512 * 1024)

struct server;

/* One request, as its handler sees it. */
struct exchange {
  struct server *server;
  int fd;
  gnutls_session_t tls; /* NULL = plain */
  unsigned connection;  /* counted from 1 */
  unsigned number;      /* of the request on its connection, from 1 */
  const char *head;     /* request line and headers */
  char method[16];
  char path[2048];
  const char *body;
  size_t body_len;
  char peer[64]; /* CN of the client's certificate, or "" */
  char sni[128];
};

/* Returns whether the connection stays open. */
typedef bool server_handler(struct exchange *x);

struct server {
  server_handler *handler;
  const void *data; /* the handler's */
  int fd;
  int port;
  char url[64];
  gnutls_certificate_credentials_t credentials; /* NULL = plain */
  bool ask_certificate;
  bool by_hand; /* offers HTTP/2; the handler is called once per connection and does the talking */
  pthread_t thread;
  atomic_bool stopping;
  atomic_uint connections, requests;
  pthread_mutex_t lock;
  pthread_t workers[SERVER_CONNECTIONS_MAX];
  int fds[SERVER_CONNECTIONS_MAX]; /* -1 = closed */
  unsigned worker_count;
};

static inline void sleep_ms(long ms)
{
  nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static inline bool server_send(struct exchange *x, const char *data, size_t len)
{
  while (len > 0) {
    ssize_t sent =
        x->tls != NULL ? gnutls_record_send(x->tls, data, len) : send(x->fd, data, len, MSG_NOSIGNAL);
    if (sent == GNUTLS_E_INTERRUPTED || (x->tls == NULL && sent < 0 && errno == EINTR)) {
      continue;
    }
    if (sent <= 0) {
      return false;
    }
    data += sent;
    len -= (size_t)sent;
  }
  return true;
}

static inline bool server_puts(struct exchange *x, const char *text)
{
  return server_send(x, text, strlen(text));
}

/* A whole answer. HEADERS: further lines, each ended by CRLF. */
static inline bool server_reply(struct exchange *x, int status, const char *headers, const char *body)
{
  char *answer = NULL;
  int len = asprintf(&answer, "HTTP/1.1 %d Status\r\nContent-Length: %zu\r\n%s\r\n%s", status, strlen(body),
                     headers, body);
  bool sent = server_send(x, answer, (size_t)len);
  free(answer);
  return sent;
}

/* Makes the following close a reset. */
static inline void server_reset(struct exchange *x)
{
  struct linger linger = {.l_onoff = 1, .l_linger = 0};
  setsockopt(x->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

/* Waits until the server stops or the peer hangs up, at most MS. */
static inline void server_stall(struct exchange *x, int ms)
{
  struct pollfd poll_fd = {.fd = x->fd, .events = POLLRDHUP};
  for (int waited = 0; waited < ms && !atomic_load(&x->server->stopping); waited += 20) {
    if (poll(&poll_fd, 1, 20) > 0) {
      return;
    }
  }
}

/* The value of header NAME ("Host"), into BUF; false when there is none. */
static inline bool server_header(const struct exchange *x, const char *name, char *buf, size_t size)
{
  size_t name_len = strlen(name);
  for (const char *line = strstr(x->head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
    line += 2;
    if (strncasecmp(line, name, name_len) == 0 && line[name_len] == ':') {
      const char *value = line + name_len + 1;
      value += strspn(value, " ");
      (void)snprintf(buf, size, "%.*s", (int)strcspn(value, "\r"), value);
      return true;
    }
  }
  return false;
}

static inline ssize_t server_receive(struct exchange *x, char *buf, size_t size)
{
  return x->tls != NULL ? gnutls_record_recv(x->tls, buf, size) : recv(x->fd, buf, size, 0);
}

/* Reads one request into BUF. */
static inline bool server_read(struct exchange *x, char *buf)
{
  size_t have = 0;
  char *end = NULL;
  while (end == NULL && have < SERVER_REQUEST_MAX) {
    ssize_t got = server_receive(x, buf + have, SERVER_REQUEST_MAX - have);
    if (got <= 0) {
      return false;
    }
    have += (size_t)got;
    buf[have] = '\0';
    end = strstr(buf, "\r\n\r\n");
  }
  if (end == NULL) {
    return false;
  }
  x->head = buf;
  x->body = end + 4;
  end[2] = '\0'; /* the head ends after its last line */
  if (sscanf(buf, "%15s %2047s", x->method, x->path) != 2) {
    return false;
  }
  char length[32] = "0";
  (void)server_header(x, "Content-Length", length, sizeof(length));
  x->body_len = strtoul(length, NULL, 10);
  size_t body_have = have - (size_t)(x->body - buf);
  while (body_have < x->body_len && have < SERVER_REQUEST_MAX) {
    ssize_t got = server_receive(x, buf + have, SERVER_REQUEST_MAX - have);
    if (got <= 0) {
      return false;
    }
    have += (size_t)got;
    body_have += (size_t)got;
  }
  buf[have] = '\0';
  return body_have >= x->body_len;
}

static inline void server_read_peer(struct exchange *x)
{
  unsigned count = 0;
  const gnutls_datum_t *chain = gnutls_certificate_get_peers(x->tls, &count);
  if (chain != NULL && count > 0) {
    gnutls_x509_crt_t crt;
    size_t size = sizeof(x->peer);
    gnutls_x509_crt_init(&crt);
    gnutls_x509_crt_import(crt, &chain[0], GNUTLS_X509_FMT_DER);
    gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, x->peer, &size);
    gnutls_x509_crt_deinit(crt);
  }
  unsigned type = 0;
  size_t size = sizeof(x->sni);
  if (gnutls_server_name_get(x->tls, x->sni, &size, &type, 0) != 0) {
    x->sni[0] = '\0';
  }
}

static inline bool server_handshake(struct exchange *x)
{
  struct server *server = x->server;
  if (server->credentials == NULL) {
    return true;
  }
  gnutls_init(&x->tls, GNUTLS_SERVER | GNUTLS_NO_SIGNAL);
  gnutls_set_default_priority(x->tls);
  gnutls_credentials_set(x->tls, GNUTLS_CRD_CERTIFICATE, server->credentials);
  gnutls_certificate_server_set_request(x->tls,
                                        server->ask_certificate ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_IGNORE);
  if (server->ask_certificate) {
    gnutls_session_set_verify_cert(x->tls, NULL, 0);
  }
  if (server->by_hand) {
    unsigned char protocol[] = "h2";
    gnutls_alpn_set_protocols(x->tls, &(gnutls_datum_t){.data = protocol, .size = 2}, 1, 0);
  }
  gnutls_transport_set_int(x->tls, x->fd);
  int status = 0;
  do {
    status = gnutls_handshake(x->tls);
  } while (status < 0 && gnutls_error_is_fatal(status) == 0);
  if (status < 0) {
    gnutls_alert_send_appropriate(x->tls, status);
    return false;
  }
  server_read_peer(x);
  return true;
}

struct server_connection {
  struct server *server;
  unsigned slot;
};

static inline void *server_connection_main(void *data)
{
  struct server_connection connection = *(struct server_connection *)data;
  struct server *server = connection.server;
  free(data);
  struct exchange x = {
      .server = server, .fd = server->fds[connection.slot], .connection = connection.slot + 1};
  char *buf = malloc(SERVER_REQUEST_MAX + 1);
  bool open = server_handshake(&x);
  if (open && server->by_hand) {
    (void)server->handler(&x);
    open = false;
  }
  while (open && !atomic_load(&server->stopping) && server_read(&x, buf)) {
    x.number++;
    atomic_fetch_add(&server->requests, 1);
    open = server->handler(&x);
  }
  if (x.tls != NULL) {
    gnutls_deinit(x.tls);
  }
  free(buf);
  pthread_mutex_lock(&server->lock);
  close(x.fd);
  server->fds[connection.slot] = -1;
  pthread_mutex_unlock(&server->lock);
  return NULL;
}

static inline void *server_main(void *data)
{
  struct server *server = data;
  for (;;) {
    int fd = accept(server->fd, NULL, NULL);
    if (fd < 0) {
      return NULL;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    pthread_mutex_lock(&server->lock);
    unsigned slot = server->worker_count;
    bool take = !atomic_load(&server->stopping) && slot < SERVER_CONNECTIONS_MAX;
    if (take) {
      struct server_connection *connection = malloc(sizeof(*connection));
      *connection = (struct server_connection){.server = server, .slot = slot};
      server->fds[slot] = fd;
      server->worker_count++;
      atomic_fetch_add(&server->connections, 1);
      pthread_create(&server->workers[slot], NULL, server_connection_main, connection);
    }
    pthread_mutex_unlock(&server->lock);
    if (!take) {
      close(fd);
    }
  }
}

static inline int listen_on_loopback(int *ret_port)
{
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
  socklen_t len = sizeof(address);
  assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
  assert_int_equal(listen(fd, 256), 0);
  assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
  *ret_port = ntohs(address.sin_port);
  return fd;
}

static inline struct server *server_start_as(server_handler *handler, const void *data,
                                             const struct pki_pair *identity,
                                             const struct pki_pair *client_ca, bool by_hand)
{
  struct server *server = calloc(1, sizeof(*server));
  server->by_hand = by_hand;
  server->handler = handler;
  server->data = data;
  pthread_mutex_init(&server->lock, NULL);
  server->fd = listen_on_loopback(&server->port);
  (void)snprintf(server->url, sizeof(server->url), "%s://127.0.0.1:%d", identity != NULL ? "https" : "http",
                 server->port);
  if (identity != NULL) {
    gnutls_x509_crt_t chain[] = {identity->crt};
    gnutls_certificate_allocate_credentials(&server->credentials);
    assert_int_equal(gnutls_certificate_set_x509_key(server->credentials, chain, 1, identity->key), 0);
    if (client_ca != NULL) {
      gnutls_x509_crt_t trusted[] = {client_ca->crt};
      gnutls_certificate_set_x509_trust(server->credentials, trusted, 1);
      server->ask_certificate = true;
    }
  }
  assert_int_equal(pthread_create(&server->thread, NULL, server_main, server), 0);
  return server;
}

/* IDENTITY NULL: plain HTTP. CLIENT_CA: every client must show a certificate of it. */
static inline struct server *server_start(server_handler *handler, const void *data,
                                          const struct pki_pair *identity, const struct pki_pair *client_ca)
{
  return server_start_as(handler, data, identity, client_ca, false);
}

static inline void server_stop(struct server *server)
{
  atomic_store(&server->stopping, true);
  shutdown(server->fd, SHUT_RDWR);
  pthread_join(server->thread, NULL);
  close(server->fd);
  pthread_mutex_lock(&server->lock);
  for (unsigned i = 0; i < server->worker_count; i++) {
    if (server->fds[i] >= 0) {
      shutdown(server->fds[i], SHUT_RDWR);
    }
  }
  pthread_mutex_unlock(&server->lock);
  for (unsigned i = 0; i < server->worker_count; i++) {
    pthread_join(server->workers[i], NULL);
  }
  if (server->credentials != NULL) {
    gnutls_certificate_free_credentials(server->credentials);
  }
  pthread_mutex_destroy(&server->lock);
  free(server);
}

#endif
