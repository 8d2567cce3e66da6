/* One exchange: a POST and its answer, or a stream. The protocol layer answers from any thread through the reply; the
 * connection's own thread turns that into a response. In between the connection is suspended.
 *
 * An exchange lives as long as its connection and the protocol need it (refs). A first message ahead of the answer turns
 * it into an event stream; from then on frames queue here, bounded, and the connection drains them. */
#include <stdlib.h>
#include <string.h>

#include "http_internal.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/base/sync.h"

#include "kube_mcp/base/banned.h"

/* What may wait for a client that reads slowly, and what the one answer at the end may add to it. */
#define MAX_QUEUED_BYTES ((size_t)16 * 1024 * 1024)
#define MAX_ANSWER_BYTES ((size_t)128 * 1024 * 1024)
#define COMPACT_BYTES    ((size_t)64 * 1024)
/* libmicrohttpd's own block is only used for HTTP/1.0; chunks go straight into the connection's memory. */
#define STREAM_BLOCK ((size_t)512)

static bool reply_send(struct km_reply *reply, const char *json, size_t len);
static void reply_finish(struct km_reply *reply, const struct km_reply_head *head, const char *json,
                         size_t len);
static const struct km_reply_ops reply_ops = {.send = reply_send, .finish = reply_finish};

struct exchange *exchange_new(struct km_http_server *server, struct MHD_Connection *connection)
{
  struct exchange *exchange = calloc(1, sizeof(*exchange));
  KM_ASSERT(exchange != NULL);
  exchange->reply.ops = &reply_ops;
  exchange->server = server;
  exchange->connection = connection;
  exchange->status = MHD_HTTP_OK;
  exchange->started_ns = km_clock_ns();
  atomic_init(&exchange->refs, 1);
  pthread_mutex_init(&exchange->mutex, NULL);
  km_buf_init(&exchange->body, server->options.max_body_bytes);
  km_buf_init(&exchange->frames, MAX_QUEUED_BYTES + MAX_ANSWER_BYTES);
  return exchange;
}

void exchange_ref(struct exchange *exchange)
{
  atomic_fetch_add_explicit(&exchange->refs, 1, memory_order_relaxed);
}

void exchange_unref(struct exchange *exchange)
{
  if (atomic_fetch_sub_explicit(&exchange->refs, 1, memory_order_acq_rel) != 1) {
    return;
  }
  km_buf_done(&exchange->body);
  km_buf_done(&exchange->frames);
  free(exchange->json);
  free(exchange->session_id);
  pthread_mutex_destroy(&exchange->mutex);
  free(exchange);
}

/* --- suspending ------------------------------------------------------------------------------------------------------- */

static bool has_something_locked(const struct exchange *exchange)
{
  return exchange->finished || exchange->gone || exchange->frames.len > 0;
}

bool exchange_suspend(struct exchange *exchange)
{
  KM_SCOPED_LOCK(&exchange->mutex);
  if (has_something_locked(exchange)) {
    return false;
  }
  if (!watch_add(exchange)) {
    exchange->gone = true; /* libmicrohttpd must not be stopped while a connection is suspended */
    return false;
  }
  MHD_suspend_connection(exchange->connection);
  exchange->suspended = true;
  return true;
}

/* Under the lock: true if the connection is this thread's to resume. */
static bool take_suspended_locked(struct exchange *exchange)
{
  bool suspended = exchange->suspended;
  exchange->suspended = false;
  return suspended;
}

/* libmicrohttpd must not be stopped while a connection is suspended, so it stays listed until it is resumed. */
static void resume(struct exchange *exchange)
{
  MHD_resume_connection(exchange->connection);
  watch_remove(exchange);
}

void exchange_wake_locked(struct exchange *exchange)
{
  if (take_suspended_locked(exchange)) {
    resume(exchange);
  }
}

/* --- what the protocol layer calls -------------------------------------------------------------------------------------- */

/* Moves what has not been sent to the front, so rarely that each byte is moved at most once on average. */
static void compact_locked(struct exchange *exchange)
{
  struct km_buf *frames = &exchange->frames;
  size_t rest = frames->len - exchange->sent;
  if (exchange->sent >= COMPACT_BYTES && exchange->sent >= rest) {
    memmove(frames->data, frames->data + exchange->sent, rest);
    km_buf_truncate(frames, rest);
    exchange->sent = 0;
  }
}

static void queue_event_locked(struct exchange *exchange, const char *json, size_t len)
{
  compact_locked(exchange);
  km_buf_puts(&exchange->frames, "event: message\ndata: ");
  km_buf_append(&exchange->frames, json, len);
  km_buf_puts(&exchange->frames, "\n\n");
  if (exchange->frames.failed) {
    exchange->gone = true;
  }
}

static bool reply_send(struct km_reply *reply, const char *json, size_t len)
{
  struct exchange *exchange = KM_CONTAINER_OF(reply, struct exchange, reply);
  KM_SCOPED_LOCK(&exchange->mutex);
  if (exchange->gone) {
    return false;
  }
  exchange->streaming = true;
  if (exchange->frames.len - exchange->sent + len > MAX_QUEUED_BYTES) {
    exchange->gone = true; /* the client does not read: a stream with holes would be worse than none */
  } else {
    queue_event_locked(exchange, json, len);
  }
  exchange_wake_locked(exchange);
  return !exchange->gone;
}

static void reply_finish(struct km_reply *reply, const struct km_reply_head *head, const char *json,
                         size_t len)
{
  struct exchange *exchange = KM_CONTAINER_OF(reply, struct exchange, reply);
  bool suspended = false;
  {
    KM_SCOPED_LOCK(&exchange->mutex);
    if (exchange->streaming) {
      if (json != NULL) {
        queue_event_locked(exchange, json, len);
      }
    } else if (json != NULL) {
      exchange->json = malloc(len + 1);
      KM_ASSERT(exchange->json != NULL);
      memcpy(exchange->json, json, len);
      exchange->json_len = len;
    }
    exchange->status = head->status;
    exchange->session_id = head->session_id == NULL ? NULL : strdup(head->session_id);
    exchange->finished = true;
    suspended = take_suspended_locked(exchange);
  }
  if (suspended) {
    resume(exchange); /* the connection's thread wants the lock at once */
  }
  exchange_unref(exchange);
}

/* --- what the connection sends -------------------------------------------------------------------------------------------- */

static size_t take_frames_locked(struct exchange *exchange, char *out, size_t max)
{
  struct km_buf *frames = &exchange->frames;
  size_t rest = frames->len - exchange->sent;
  size_t n = rest < max ? rest : max;
  memcpy(out, frames->data + exchange->sent, n);
  exchange->sent += n;
  if (n == rest) {
    exchange->sent = 0;
    km_buf_done(frames); /* most streams are idle most of the time */
    km_buf_init(frames, MAX_QUEUED_BYTES + MAX_ANSWER_BYTES);
  }
  exchange->written_ns = km_clock_ns();
  return n;
}

/* Hands out queued frames; suspends when there are none. Never returns 0 without having suspended. */
static ssize_t read_frames(void *data, uint64_t position, char *out, size_t max)
{
  (void)position;
  struct exchange *exchange = data;
  {
    KM_SCOPED_LOCK(&exchange->mutex);
    if (exchange->gone) {
      return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    if (exchange->frames.len > 0) {
      return (ssize_t)take_frames_locked(exchange, out, max);
    }
    if (exchange->finished) {
      return MHD_CONTENT_READER_END_OF_STREAM;
    }
  }
  return exchange_suspend(exchange) ? 0 : read_frames(data, position, out, max);
}

static void stream_closed(void *data)
{
  struct exchange *exchange = data;
  atomic_fetch_sub(&exchange->server->streams, 1);
  exchange_unref(exchange);
}

static struct MHD_Response *make_stream(struct exchange *exchange)
{
  exchange_ref(exchange);
  struct MHD_Response *response =
      MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_frames, exchange, stream_closed);
  KM_ASSERT(response != NULL);
  atomic_fetch_add(&exchange->server->streams, 1);
  MHD_add_response_header(response, "Content-Type", "text/event-stream");
  MHD_add_response_header(response, "Cache-Control", "no-cache, no-transform");
  MHD_add_response_header(response, "X-Accel-Buffering", "no");
  return response;
}

static struct MHD_Response *make_json(struct exchange *exchange)
{
  struct MHD_Response *response = MHD_create_response_from_buffer(
      exchange->json_len, exchange->json,
      exchange->json == NULL ? MHD_RESPMEM_PERSISTENT : MHD_RESPMEM_MUST_FREE);
  KM_ASSERT(response != NULL);
  if (exchange->json != NULL) {
    MHD_add_response_header(response, "Content-Type", "application/json");
  }
  exchange->json = NULL;
  return response;
}

enum MHD_Result exchange_respond(struct exchange *exchange)
{
  struct MHD_Response *response = NULL;
  unsigned status = MHD_HTTP_OK;
  {
    KM_SCOPED_LOCK(&exchange->mutex);
    if (exchange->gone) {
      return MHD_NO;
    }
    response = exchange->streaming ? make_stream(exchange) : make_json(exchange);
    status = exchange->streaming ? MHD_HTTP_OK : (unsigned)exchange->status;
    if (exchange->session_id != NULL) {
      MHD_add_response_header(response, "Mcp-Session-Id", exchange->session_id);
    }
  }
  allow_origin(exchange->server, exchange->connection, response);
  exchange->phase = PHASE_ANSWERED;
  enum MHD_Result result = MHD_queue_response(exchange->connection, status, response);
  MHD_destroy_response(response);
  return result;
}

void exchange_closed(struct exchange *exchange)
{
  bool running = exchange->phase != PHASE_UPLOADING;
  bool finished = false;
  {
    KM_SCOPED_LOCK(&exchange->mutex);
    exchange->gone = true;
    exchange->suspended = false;
    watch_remove(exchange);
    finished = exchange->finished;
  }
  if (running && !finished && km_mcp_peer_gone(exchange->server->mcp, &exchange->reply)) {
    exchange_unref(exchange); /* the protocol's reference: finish() will not come */
  }
  exchange_unref(exchange);
}
