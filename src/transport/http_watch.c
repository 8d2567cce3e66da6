/* Noticing that the client of a suspended connection has gone, which libmicrohttpd cannot see, and keeping quiet streams
 * alive through proxies. One thread, started with the first suspended connection, asleep while there is none. It rests
 * between two looks, so that short calls are never looked at, and then waits on all descriptors at once: what is quiet
 * costs a few wake-ups a second, and what hangs up is noticed at once or with the next look. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

#include "http_internal.h"
#include "kube_mcp/base/sync.h"

#include "kube_mcp/base/banned.h"

#define REST_NS (100 * KM_NS_PER_MS)
#define WAIT_MS 200

static void *watch(void *data);

bool watch_add(struct exchange *exchange)
{
  struct km_http_server *server = exchange->server;
  KM_SCOPED_LOCK(&server->mutex);
  if (server->stopping) {
    return false;
  }
  exchange->listed = true;
  exchange->prev = NULL;
  exchange->next = server->suspended;
  if (server->suspended != NULL) {
    server->suspended->prev = exchange;
  }
  server->suspended = exchange;
  server->suspended_count++;
  if (!server->watcher_started) {
    server->watcher_started = pthread_create(&server->watcher, NULL, watch, server) == 0;
  } else if (server->watcher_idle) {
    server->watcher_idle = false;
    pthread_cond_signal(&server->watch_wanted);
  }
  return true;
}

void watch_remove(struct exchange *exchange)
{
  struct km_http_server *server = exchange->server;
  KM_SCOPED_LOCK(&server->mutex);
  if (!exchange->listed) {
    return;
  }
  exchange->listed = false;
  *(exchange->prev != NULL ? &exchange->prev->next : &server->suspended) = exchange->next;
  if (exchange->next != NULL) {
    exchange->next->prev = exchange->prev;
  }
  server->suspended_count--;
}

struct watched {
  struct exchange **exchanges;
  struct pollfd *fds;
  size_t count;
};

/* References to all suspended exchanges. */
static void collect_locked(struct km_http_server *server, struct watched *ret)
{
  ret->exchanges = calloc(server->suspended_count + 1, sizeof(struct exchange *));
  ret->fds = calloc(server->suspended_count + 1, sizeof(struct pollfd));
  KM_ASSERT(ret->exchanges != NULL && ret->fds != NULL);
  ret->count = 0;
  for (struct exchange *exchange = server->suspended; exchange != NULL; exchange = exchange->next) {
    exchange_ref(exchange);
    ret->fds[ret->count] = (struct pollfd){.fd = exchange->peer_fd->connect_fd, .events = POLLRDHUP};
    ret->exchanges[ret->count++] = exchange;
  }
}

static void look_at(struct exchange *exchange, bool hung_up, uint64_t now_ns)
{
  KM_SCOPED_LOCK(&exchange->mutex);
  /* Suspended before and after the wait, it has kept its connection meanwhile: the descriptor was surely its own. */
  if (!exchange->suspended) {
    return;
  }
  if (hung_up) {
    exchange->gone = true;
    exchange_wake_locked(exchange);
  } else if (exchange->streaming && now_ns > exchange->written_ns + exchange->server->keep_alive_ns) {
    km_buf_puts(&exchange->frames, ": keep-alive\n\n");
    exchange_wake_locked(exchange);
  }
}

static void look(struct km_http_server *server)
{
  struct watched watched;
  {
    KM_SCOPED_LOCK(&server->mutex);
    collect_locked(server, &watched);
  }
  int events = poll(watched.fds, watched.count, WAIT_MS);
  uint64_t now_ns = km_clock_ns();
  for (size_t i = 0; i < watched.count; i++) {
    bool hung_up = events > 0 && (watched.fds[i].revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0;
    look_at(watched.exchanges[i], hung_up, now_ns);
    exchange_unref(watched.exchanges[i]);
  }
  free(watched.exchanges);
  free(watched.fds);
}

/* True when there is something to look at, false when the server stops. */
static bool wait_for_work(struct km_http_server *server)
{
  KM_SCOPED_LOCK(&server->mutex);
  while (server->suspended == NULL && !server->stopping) {
    server->watcher_idle = true;
    pthread_cond_wait(&server->watch_wanted, &server->mutex);
  }
  server->watcher_idle = false;
  return !server->stopping;
}

static void *watch(void *data)
{
  struct km_http_server *server = data;
  const struct timespec pause = {.tv_nsec = (long)REST_NS};
  while (wait_for_work(server)) {
    (void)nanosleep(&pause, NULL);
    look(server);
  }
  return NULL;
}

void watch_stop(struct km_http_server *server)
{
  bool started = false;
  {
    KM_SCOPED_LOCK(&server->mutex);
    server->stopping = true;
    started = server->watcher_started;
    pthread_cond_signal(&server->watch_wanted);
  }
  if (started) {
    pthread_join(server->watcher, NULL);
  }
}
