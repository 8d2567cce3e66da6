/* The parts of an HTTP client, shared by the http_*.c files. Private to src/net.
 *
 * A call borrows a transfer (an easy handle, configured once for its client) from the client's idle list,
 * prepares it on its own thread (http_request.c), posts it to the loop, where http_driver.c runs it, sleeps
 * on `done`, reads the result on its own thread (http_answer.c) and gives the transfer back. So the loop
 * thread does nothing but transport. A body that is streamed to the caller (on_piece) passes through `pieces`
 * (http_stream.c). */
#ifndef KM_SRC_NET_HTTP_CLIENT_H
#define KM_SRC_NET_HTTP_CLIENT_H

#include <pthread.h>
#include <semaphore.h>
#include <uv.h>

#include "curl_api.h"
#include "kube_mcp/net/http.h"
#include "kube_mcp/net/tls_material.h"
#include "target.h"

struct km_socket_watch;

/* What ended a transfer. */
enum km_transfer_end {
  KM_END_CURL,      /* libcurl: see `code` */
  KM_END_DEADLINE,  /* its deadline */
  KM_END_CANCELLED, /* its caller */
  KM_END_CLOSED,    /* km_http_client_free */
};

struct km_transfer {
  struct km_http_client *client;
  CURL *easy;
  struct km_transfer *next_idle;

  /* One request, as its caller prepares it. */
  const struct km_http_request *request;
  struct km_buf url;
  struct km_buf header_text;  /* NUL-terminated lines; holds credentials, wiped after use */
  struct curl_slist *headers; /* nodes that point into header_text */
  size_t header_capacity;
  uint64_t started_ns;
  struct km_loop_work start, abort;
  bool abort_posted; /* written by the cancel hook, read after its removal */
  sem_t done;        /* posted when the transfer has ended, and once more for `abort` */

  /* For on_piece: loop thread to caller. */
  pthread_mutex_t pieces_lock; /* guards the next three */
  struct km_buf pieces;        /* arrived and not yet taken */
  bool paused;                 /* the connection is left unread until there is room in `pieces` */
  bool over;                   /* nothing more comes */
  sem_t news;                  /* posted when one of the three has changed */

  /* Loop thread until `done`, then the caller's. */
  size_t body_sent;
  long status;
  struct km_buf body;
  bool too_large; /* the body outgrew max_body_bytes */
  bool stopped;   /* on_data or on_piece wants no more */
  bool resolving; /* has left libcurl's queue: a name is being looked up */
  bool connected; /* past TCP: a TLS handshake, a proxy or the server is next */
  enum km_transfer_end end;
  CURLcode code;
  char detail[CURL_ERROR_SIZE]; /* libcurl's words */

  /* Loop thread only. */
  uv_timer_t deadline;
  bool has_deadline_timer; /* `deadline` is an open libuv handle */
  bool running;            /* in client->running and in the multi handle; else perhaps in client->ended */
  struct km_transfer *prev, *next;
};

#define KM_SOCKET_BUCKETS 32U

struct km_http_client {
  struct km_loop *loop;

  /* Constant after km_http_client_new. */
  struct km_target target;
  struct km_proxy proxy;
  struct km_tls_file ca, cert, key;
  struct curl_slist connect_to; /* one node; data NULL = unused */
  char *user_agent;
  bool insecure_skip_verify, http2, accept_encoding;
  long connect_timeout_ms;
  unsigned max_connections;
  uint64_t idle_ms;

  pthread_mutex_t lock; /* of the fields up to the next heading */
  pthread_cond_t no_callers;
  struct km_transfer *idle;   /* most recently used first */
  struct km_http_stats stats; /* in_flight counts the callers inside km_http_do */
  bool used;                  /* the loop knows this client */
  bool closing;

  /* Loop thread only. */
  CURLM *multi;     /* NULL while asleep */
  bool has_handles; /* the three below are open */
  uv_timer_t curl_timer, sweep_timer;
  uv_prepare_t flush;
  uint64_t last_end_ms;                /* when the last transfer ended, in loop time */
  struct km_transfer *running, *ended; /* `ended`: their callers are yet to be woken */
  struct km_socket_watch *sockets[KM_SOCKET_BUCKETS];
  bool closed;           /* start nothing more */
  unsigned open_handles; /* libuv handles that point into this client's memory */
  sem_t *released;       /* posted when open_handles reaches 0 */
};

/* http_library.c: loads libcurl in the first call of the process. Errors: KM_E_INTERNAL when there is
 * none. */
enum km_rc km_http_library_load(struct km_error *err);
/* Initialises it, likewise once. */
void km_http_library_init(void);
/* Whether the library can do HTTP/2; whether its TLS is GnuTLS, which decides what CURLINFO_SSL_VERIFYRESULT
 * means. */
bool km_http_library_has_http2(void);
bool km_http_library_has_gnutls(void);

/* http_request.c. A transfer of CLIENT with everything set that does not change from request to request. */
struct km_transfer *km_transfer_new(struct km_http_client *client);
void km_transfer_free(struct km_transfer *transfer);
/* Checks REQUEST and sets the transfer up for it. */
enum km_rc km_transfer_prepare(struct km_transfer *transfer, const struct km_http_request *request,
                               struct km_error *err);
/* Wipes the credentials of the request and forgets the rest. */
void km_transfer_reset(struct km_transfer *transfer);

/* http_driver.c, loop thread only, in the shape of works. */
void km_driver_start(void *transfer);
void km_driver_abort(void *transfer);
/* Goes on reading a paused transfer; ends one whose caller wants no more. */
void km_driver_resume(void *transfer);
void km_driver_stop(void *transfer);
/* Ends everything that runs and whatever is still posted, with KM_END_CLOSED. */
void km_driver_close(void *client);
/* After km_driver_close, without callers: lets go of connections, idle transfers and libuv handles. Posts
 * client->released when the client's memory is no longer needed. */
void km_driver_release(void *client);
/* Socket callbacks of libcurl that the transfer hands in. */
curl_socket_t km_driver_open_socket(void *client, curlsocktype purpose, struct curl_sockaddr *address);
int km_driver_close_socket(void *client, curl_socket_t fd);

/* http_answer.c. CURLOPT_WRITEFUNCTION. */
size_t km_transfer_receive(char *piece, size_t size, size_t count, void *transfer);
/* What the ended transfer means to its caller. */
enum km_rc km_transfer_result(struct km_transfer *transfer, struct km_http_response *ret,
                              struct km_error *err);

/* http_stream.c. Before, and after, the transfer has been on the loop. */
void km_stream_begin(struct km_transfer *transfer);
void km_stream_end(struct km_transfer *transfer);
/* The caller's part: hands pieces to on_piece until the transfer is over or on_piece wants no more. */
void km_stream_deliver(struct km_transfer *transfer);
/* Loop thread: as km_transfer_receive; and that the transfer has ended. */
size_t km_stream_receive(struct km_transfer *transfer, const char *piece, size_t len);
void km_stream_over(struct km_transfer *transfer);

/* http_error.c. Fills ERR for a transfer that brought no answer. */
enum km_rc km_transfer_error(const struct km_transfer *transfer, struct km_error *err);

#endif
