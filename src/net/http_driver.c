/* Running transfers: one curl_multi handle per client, driven by the event loop through libcurl's socket
 * interface.
 *
 * Owns, per client, the multi handle with its connections, the libuv handles, and the list of running
 * transfers. The multi handle comes with the first transfer and goes, with all connections, when the client
 * has been idle for a while. A connection's socket stays watched while the connection is idle: libcurl asks
 * for events with every request and takes the wish back after it, and following each of these steps would
 * cost several system calls per request. Deadlines are timers of our own because libcurl does not time what
 * waits in its queue for a free connection. Everything here runs on the loop thread and none of it blocks. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_client.h"
#include "kube_mcp/base/alloc.h"

#include "kube_mcp/base/banned.h"

struct km_socket_watch {
  struct km_http_client *client;
  struct km_socket_watch *next; /* in its bucket */
  uv_poll_t poll;
  curl_socket_t fd;
  int events;  /* what libuv watches for */
  bool wanted; /* libcurl asked for events; else an idle connection */
};

/* -- libuv handles --------------------------------------------------------------------------------------- */

/* libuv lets go of a handle one turn of the loop after it was closed; the client's memory must last until
 * then. */
static void count_closed(struct km_http_client *client)
{
  client->open_handles--;
  if (client->open_handles == 0 && client->released != NULL) {
    sem_post(client->released);
  }
}

static void handle_closed(uv_handle_t *handle)
{
  count_closed(handle->data);
}

static void watch_closed(uv_handle_t *handle)
{
  struct km_socket_watch *watch = handle->data;
  struct km_http_client *client = watch->client;
  free(watch);
  count_closed(client);
}

static void transfer_closed(uv_handle_t *handle)
{
  struct km_transfer *transfer = handle->data;
  struct km_http_client *client = transfer->client;
  km_transfer_free(transfer);
  count_closed(client);
}

/* Frees an idle transfer. */
static void retire_transfer(struct km_transfer *transfer)
{
  if (transfer->has_deadline_timer) {
    uv_close((uv_handle_t *)&transfer->deadline, transfer_closed);
  } else {
    km_transfer_free(transfer);
  }
}

/* Each keeps some 25 KiB of libcurl's buffers. */
static void retire_idle_transfers(struct km_http_client *client)
{
  pthread_mutex_lock(&client->lock);
  struct km_transfer *transfer = client->idle;
  client->idle = NULL;
  pthread_mutex_unlock(&client->lock);
  while (transfer != NULL) {
    struct km_transfer *next = transfer->next_idle;
    retire_transfer(transfer);
    transfer = next;
  }
}

/* -- ending ---------------------------------------------------------------------------------------------- */

/* Hands ended transfers back to their callers, who may reuse them at once. */
static void flush_ended(uv_prepare_t *handle)
{
  struct km_http_client *client = handle->data;
  struct km_transfer *transfer = client->ended;
  client->ended = NULL;
  (void)uv_prepare_stop(handle);
  while (transfer != NULL) {
    struct km_transfer *next = transfer->next;
    if (transfer->request->on_piece != NULL) {
      km_stream_over(transfer);
    }
    sem_post(&transfer->done);
    transfer = next;
  }
}

static void unlink_running(struct km_transfer *transfer)
{
  transfer->running = false;
  if (transfer->prev != NULL) {
    transfer->prev->next = transfer->next;
  } else {
    transfer->client->running = transfer->next;
  }
  if (transfer->next != NULL) {
    transfer->next->prev = transfer->prev;
  }
}

/* The caller is woken when the loop has nothing else to do: each caller woken earlier would take the
 * processor from the one thread that all the others wait for. */
static void end_transfer(struct km_transfer *transfer, enum km_transfer_end end, CURLcode code)
{
  struct km_http_client *client = transfer->client;
  if (transfer->running) {
    unlink_running(transfer);
    (void)uv_timer_stop(&transfer->deadline);
    (void)curl_multi_remove_handle(client->multi, transfer->easy);
    client->last_end_ms = uv_now(km_loop_uv(client->loop));
  }
  transfer->end = end;
  transfer->code = code;
  if (client->ended == NULL) {
    (void)uv_prepare_start(&client->flush, flush_ended);
  }
  transfer->next = client->ended;
  client->ended = transfer;
}

static struct km_transfer *transfer_of(CURL *easy)
{
  char *transfer = NULL;
  (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
  return (struct km_transfer *)(void *)transfer;
}

/* Ends what libcurl reports as done; to be called after everything that may have driven a transfer. */
static void end_finished(struct km_http_client *client)
{
  int left = 0;
  CURLMsg *message = NULL;
  while ((message = curl_multi_info_read(client->multi, &left)) != NULL) {
    if (message->msg == CURLMSG_DONE) {
      CURLcode code = message->data.result; /* removing the handle invalidates the message */
      end_transfer(transfer_of(message->easy_handle), KM_END_CURL, code);
    }
  }
}

static void deadline_passed(uv_timer_t *handle)
{
  end_transfer(handle->data, KM_END_DEADLINE, CURLE_OK);
}

/* -- sockets and libcurl's timer ------------------------------------------------------------------------- */

static void drive(struct km_http_client *client, curl_socket_t fd, int events)
{
  int running = 0;
  (void)curl_multi_socket_action(client->multi, fd, events, &running);
  end_finished(client);
}

static void socket_ready(uv_poll_t *handle, int status, int events)
{
  struct km_socket_watch *watch = handle->data;
  if (!watch->wanted) {
    /* An idle connection that the server closed; libcurl looks before it would reuse it. */
    (void)uv_poll_stop(&watch->poll);
    watch->events = 0;
    return;
  }
  int flags = (events & UV_READABLE ? CURL_CSELECT_IN : 0) | (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0);
  if (status < 0) {
    /* POLLERR; libuv has stopped watching. Trying to read tells libcurl what is the matter. */
    watch->events = 0;
    flags = CURL_CSELECT_IN | CURL_CSELECT_OUT;
  }
  drive(watch->client, watch->fd, flags);
}

static struct km_socket_watch **bucket_of(struct km_http_client *client, curl_socket_t fd)
{
  return &client->sockets[(unsigned)fd % KM_SOCKET_BUCKETS];
}

static struct km_socket_watch *find_watch(struct km_http_client *client, curl_socket_t fd)
{
  struct km_socket_watch *watch = *bucket_of(client, fd);
  while (watch != NULL && watch->fd != fd) {
    watch = watch->next;
  }
  return watch;
}

/* NULL when epoll cannot take the socket. */
static struct km_socket_watch *add_watch(struct km_http_client *client, curl_socket_t fd)
{
  struct km_socket_watch *watch = KM_NEW(struct km_socket_watch);
  if (uv_poll_init(km_loop_uv(client->loop), &watch->poll, fd) != 0) {
    free(watch);
    return NULL;
  }
  watch->client = client;
  watch->fd = fd;
  watch->poll.data = watch;
  watch->next = *bucket_of(client, fd);
  *bucket_of(client, fd) = watch;
  client->open_handles++;
  return watch;
}

static void drop_watch(struct km_socket_watch *watch)
{
  struct km_socket_watch **link = bucket_of(watch->client, watch->fd);
  while (*link != watch) {
    link = &(*link)->next;
  }
  *link = watch->next;
  watch->wanted = false;
  uv_close((uv_handle_t *)&watch->poll, watch_closed); /* leaves epoll now, so the descriptor may be closed */
}

/* Makes libuv watch for EVENTS, unless it does already: uv_poll_start costs two system calls even for no
 * change. */
static int poll_watch(struct km_socket_watch *watch, int events)
{
  watch->wanted = true;
  if (events == watch->events) {
    return 0;
  }
  watch->events = events;
  return uv_poll_start(&watch->poll, events, socket_ready);
}

/* CURLOPT_OPENSOCKETFUNCTION. libcurl's own sockets would be inherited by child processes. */
curl_socket_t km_driver_open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
  (void)purpose;
  struct km_http_client *client = data;
  int fd = socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->protocol);
  if (fd < 0) {
    return CURL_SOCKET_BAD;
  }
  if (add_watch(client, fd) == NULL) {
    close(fd);
    return CURL_SOCKET_BAD;
  }
  return fd;
}

/* CURLOPT_CLOSESOCKETFUNCTION: the end of an established connection. An attempt to connect that comes to
 * nothing ends without this call, but with CURL_POLL_REMOVE. */
int km_driver_close_socket(void *data, curl_socket_t fd)
{
  struct km_socket_watch *watch = find_watch(data, fd);
  if (watch != NULL) {
    drop_watch(watch);
  }
  return close(fd);
}

static int events_of(int what)
{
  switch (what) {
  case CURL_POLL_IN: return UV_READABLE;
  case CURL_POLL_OUT: return UV_WRITABLE;
  case CURL_POLL_INOUT: return UV_READABLE | UV_WRITABLE;
  default: return 0;
  }
}

/* A socket that has brought an answer carries a connection, whose close libcurl will report. */
static bool is_established(CURL *easy)
{
  long status = 0;
  (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  return status > 0;
}

/* A connection that waits to read is past TCP's handshake. */
static void note_connected(CURL *easy)
{
  struct km_transfer *transfer = transfer_of(easy);
  if (transfer != NULL) { /* libcurl also has handles of its own */
    transfer->connected = true;
  }
}

/* CURLMOPT_SOCKETFUNCTION; -1 makes libcurl fail every transfer of the multi handle. CURL_POLL_REMOVE comes
 * after each request, and is the last we hear of a socket that never carried an answer. */
static int want_events(CURL *easy, curl_socket_t fd, int what, void *data, void *unused)
{
  (void)unused;
  struct km_http_client *client = data;
  struct km_socket_watch *watch = find_watch(client, fd);
  if (what == CURL_POLL_REMOVE) {
    if (watch != NULL && is_established(easy)) {
      watch->wanted = false;
    } else if (watch != NULL) {
      drop_watch(watch);
    }
    return 0;
  }
  if (watch == NULL) { /* the resolver's, or one libcurl had lost interest in */
    watch = add_watch(client, fd);
  } else if (what != CURL_POLL_OUT) {
    note_connected(easy);
  }
  return watch != NULL && poll_watch(watch, events_of(what)) == 0 ? 0 : -1;
}

static void curl_timer_fired(uv_timer_t *handle)
{
  drive(handle->data, CURL_SOCKET_TIMEOUT, 0);
}

/* CURLMOPT_TIMERFUNCTION. A timer that fires early, because the loop's clock was behind, is simply set
 * again. */
static int want_timer(CURLM *multi, long timeout_ms, void *data)
{
  (void)multi;
  struct km_http_client *client = data;
  if (timeout_ms < 0) {
    (void)uv_timer_stop(&client->curl_timer);
  } else {
    (void)uv_timer_start(&client->curl_timer, curl_timer_fired, (uint64_t)timeout_ms, 0);
  }
  return 0;
}

/* -- waking up and going to sleep ------------------------------------------------------------------------ */

/* Puts the client to sleep. Nothing may be running. */
static void close_connections(struct km_http_client *client)
{
  if (client->multi == NULL) {
    return;
  }
  (void)curl_multi_cleanup(client->multi);
  client->multi = NULL;
  (void)uv_timer_stop(&client->curl_timer);
  (void)uv_timer_stop(&client->sweep_timer);
  for (size_t i = 0; i < KM_SOCKET_BUCKETS; i++) {
    while (client->sockets[i] != NULL) {
      drop_watch(client->sockets[i]);
    }
  }
}

/* libcurl closes old connections only when it opens new ones; this is for clients that nobody calls any
 * more. */
static void sweep(uv_timer_t *handle)
{
  struct km_http_client *client = handle->data;
  uint64_t idle_ms = uv_now(km_loop_uv(client->loop)) - client->last_end_ms;
  if (client->running == NULL && idle_ms >= client->idle_ms) {
    close_connections(client);
    retire_idle_transfers(client);
  }
}

/* The libuv handles that live as long as the client. */
static void open_handles(struct km_http_client *client)
{
  uv_loop_t *loop = km_loop_uv(client->loop);
  (void)uv_timer_init(loop, &client->curl_timer);
  (void)uv_timer_init(loop, &client->sweep_timer);
  (void)uv_prepare_init(loop, &client->flush);
  client->curl_timer.data = client->sweep_timer.data = client->flush.data = client;
  client->open_handles += 3;
  client->has_handles = true;
}

static void close_handles(struct km_http_client *client)
{
  if (client->has_handles) {
    uv_close((uv_handle_t *)&client->curl_timer, handle_closed);
    uv_close((uv_handle_t *)&client->sweep_timer, handle_closed);
    uv_close((uv_handle_t *)&client->flush, handle_closed);
  }
}

static void wake_up(struct km_http_client *client)
{
  client->multi = curl_multi_init();
  KM_ASSERT(client->multi != NULL);
  CURLM *multi = client->multi;
  long connections = (long)client->max_connections;
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, want_events);
  curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, client);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, want_timer);
  curl_multi_setopt(multi, CURLMOPT_TIMERDATA, client);
  curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, connections);
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, connections);
  curl_multi_setopt(multi, CURLMOPT_PIPELINING, client->http2 ? CURLPIPE_MULTIPLEX : CURLPIPE_NOTHING);
  uint64_t period_ms = client->idle_ms / 2 + 1;
  (void)uv_timer_start(&client->sweep_timer, sweep, period_ms, period_ms);
}

/* -- works ----------------------------------------------------------------------------------------------- */

/* False when the deadline has passed already. */
static bool start_deadline(struct km_transfer *transfer)
{
  uv_loop_t *loop = km_loop_uv(transfer->client->loop);
  if (!transfer->has_deadline_timer) {
    (void)uv_timer_init(loop, &transfer->deadline);
    transfer->deadline.data = transfer;
    transfer->client->open_handles++;
    transfer->has_deadline_timer = true;
  }
  int64_t left_ms = km_deadline_left_ms(transfer->request->deadline);
  if (left_ms != INT64_MAX) {
    uv_update_time(loop); /* timers count from the loop's notion of now */
    (void)uv_timer_start(&transfer->deadline, deadline_passed, (uint64_t)left_ms, 0);
  }
  return left_ms > 0;
}

static void link_running(struct km_transfer *transfer)
{
  struct km_http_client *client = transfer->client;
  transfer->running = true;
  transfer->prev = NULL;
  transfer->next = client->running;
  if (transfer->next != NULL) {
    transfer->next->prev = transfer;
  }
  client->running = transfer;
}

void km_driver_start(void *data)
{
  struct km_transfer *transfer = data;
  struct km_http_client *client = transfer->client;
  if (!client->has_handles) {
    open_handles(client);
  }
  if (client->closed) {
    end_transfer(transfer, KM_END_CLOSED, CURLE_OK);
    return;
  }
  if (client->multi == NULL) {
    wake_up(client);
  }
  link_running(transfer);
  if (!start_deadline(transfer)) {
    end_transfer(transfer, KM_END_DEADLINE, CURLE_OK);
  } else if (curl_multi_add_handle(client->multi, transfer->easy) != CURLM_OK) {
    end_transfer(transfer, KM_END_CURL, CURLE_FAILED_INIT);
  } else {
    drive(client, CURL_SOCKET_TIMEOUT, 0);
  }
}

/* The second post on `done` tells the caller that this work is no longer in the loop's queue. */
void km_driver_abort(void *data)
{
  struct km_transfer *transfer = data;
  if (transfer->running) {
    end_transfer(transfer, KM_END_CANCELLED, CURLE_OK);
  }
  sem_post(&transfer->done);
}

/* libcurl may hand over, from within, what it has kept back. */
void km_driver_resume(void *data)
{
  struct km_transfer *transfer = data;
  if (transfer->running) {
    (void)curl_easy_pause(transfer->easy, CURLPAUSE_CONT);
    drive(transfer->client, CURL_SOCKET_TIMEOUT, 0);
  }
}

void km_driver_stop(void *data)
{
  struct km_transfer *transfer = data;
  if (transfer->running) {
    transfer->stopped = true;
    end_transfer(transfer, KM_END_CURL, CURLE_OK);
  }
}

void km_driver_close(void *data)
{
  struct km_http_client *client = data;
  client->closed = true;
  while (client->running != NULL) {
    end_transfer(client->running, KM_END_CLOSED, CURLE_OK);
  }
}

void km_driver_release(void *data)
{
  struct km_http_client *client = data;
  client->open_handles++; /* until all are on their way */
  close_connections(client);
  retire_idle_transfers(client);
  close_handles(client);
  count_closed(client);
}
