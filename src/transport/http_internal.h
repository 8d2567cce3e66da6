/* What the files of the HTTP transport share: the server, and one exchange (a request and its answer or stream). */
#ifndef KM_TRANSPORT_HTTP_INTERNAL_H
#define KM_TRANSPORT_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "http_host.h"
#include "kube_mcp/base/buf.h"
#include "kube_mcp/base/clock.h"
#include "kube_mcp/transport/http.h"

enum phase {
  PHASE_UPLOADING, /* body arriving */
  PHASE_RUNNING,   /* handed to the protocol; suspended unless answered */
  PHASE_ANSWERED,  /* a response has been queued */
};

struct exchange {
  struct km_reply reply; /* what the protocol layer sees */
  struct km_http_server *server;
  struct MHD_Connection *connection;
  atomic_uint refs; /* the connection's, the protocol's, the watcher's */
  enum phase phase; /* connection thread only, as is body */
  struct km_buf body;
  bool too_large;
  uint64_t started_ns;
  const union MHD_ConnectionInfo *peer_fd;

  pthread_mutex_t mutex; /* guards the rest */
  bool suspended, streaming, finished, gone;
  int status;
  char *session_id;
  char *json; /* the answer when it is no stream */
  size_t json_len;
  struct km_buf frames; /* of the stream; the first SENT bytes have gone out */
  size_t sent;
  uint64_t written_ns;
  struct exchange *prev, *next; /* list of suspended exchanges; guarded by server->mutex */
  bool listed;
};

struct km_http_server {
  struct km_mcp *mcp;
  struct km_http_server_options options;
  struct bind_address bound;
  struct MHD_Daemon *daemon;
  unsigned port;
  atomic_ullong requests;
  atomic_uint streams;
  atomic_bool draining; /* about to stop: new requests are refused */
  uint64_t keep_alive_ns, upload_limit_ns;

  pthread_mutex_t mutex; /* guards the list and the watcher's state; taken after an exchange's mutex */
  pthread_cond_t watch_wanted;
  struct exchange *suspended;
  unsigned suspended_count;
  bool watcher_started, watcher_idle, stopping;
  pthread_t watcher;
};

/* --- http.c ---------------------------------------------------------------------------------------------------------- */
/* Lets a browser page of a configured origin read RESPONSE. */
void allow_origin(const struct km_http_server *server, struct MHD_Connection *connection,
                  struct MHD_Response *response);

/* --- http_exchange.c ------------------------------------------------------------------------------------------------ */
struct exchange *exchange_new(struct km_http_server *server, struct MHD_Connection *connection);
void exchange_ref(struct exchange *exchange);
void exchange_unref(struct exchange *exchange);
/* Connection thread: suspends until there is something to send. False if there is already, or the server stops. */
bool exchange_suspend(struct exchange *exchange);
/* Wakes a suspended exchange; its mutex is held. */
void exchange_wake_locked(struct exchange *exchange);
/* Queues what the protocol has answered: JSON, nothing, or a stream. Connection thread. */
enum MHD_Result exchange_respond(struct exchange *exchange);
/* The connection has ended, in whatever way. Connection thread. */
void exchange_closed(struct exchange *exchange);

/* --- http_watch.c --------------------------------------------------------------------------------------------------- */
/* Lists an exchange that is about to be suspended; its mutex is held. False when the server stops. */
bool watch_add(struct exchange *exchange);
/* Unlists it, if it is listed; its mutex is held. */
void watch_remove(struct exchange *exchange);
/* Ends the watcher; from now on nothing is suspended any more. */
void watch_stop(struct km_http_server *server);

#endif
