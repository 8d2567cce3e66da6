/* MCP over standard input and output. One reader thread; any thread writes, one message per line, under one lock. A line
 * is bounded; a longer one is answered and skipped. Nothing else of the process writes to the output descriptor. It may
 * block, and its client may stop reading: so it is written to only as it takes data, and stopping does not wait for it
 * for longer than a drain. */
#include "kube_mcp/transport/stdio.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "kube_mcp/base/sync.h"

#include "kube_mcp/base/banned.h"

#define MAX_LINE_BYTES ((size_t)64 * 1024 * 1024)
#define READ_BYTES     ((size_t)64 * 1024)
#define KEPT_BYTES     ((size_t)1024 * 1024) /* of the input buffer while there is no input */
#define DRAIN_MS       ((int64_t)2000)

struct km_stdio {
  struct km_mcp *mcp;
  int in_fd, out_fd, stop_fd;
  pthread_t thread;
  void (*on_eof)(void *data);
  void *on_eof_data;
  struct km_reply push;  /* for messages outside any exchange */
  pthread_mutex_t mutex; /* guards the output and what follows */
  pthread_cond_t drained;
  unsigned open; /* exchanges without answer */
  bool broken;   /* the output is gone */
};

struct stdio_reply {
  struct km_reply reply;
  struct km_stdio *stdio;
};

/* --- writing --------------------------------------------------------------------------------------------------------- */

/* False when the output takes nothing more: broken, or full although the transport is to stop. */
static bool wait_writable(const struct km_stdio *stdio)
{
  struct pollfd fds[] = {{.fd = stdio->out_fd, .events = POLLOUT}, {.fd = stdio->stop_fd, .events = POLLIN}};
  while (poll(fds, KM_ARRAY_LEN(fds), -1) < 0 && errno == EINTR) {
  }
  if (fds[0].revents == 0) {
    (void)poll(fds, 1, (int)DRAIN_MS);
  }
  return (fds[0].revents & POLLOUT) != 0;
}

/* In pieces that a pipe which reports itself writable takes without blocking. */
static bool write_all(const struct km_stdio *stdio, const char *data, size_t len)
{
  while (len > 0) {
    if (!wait_writable(stdio)) {
      return false;
    }
    ssize_t n = write(stdio->out_fd, data, len < PIPE_BUF ? len : PIPE_BUF);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
      continue;
    }
    if (n <= 0) {
      return false;
    }
    data += n;
    len -= (size_t)n;
  }
  return true;
}

/* The message and its newline leave together, so that no reader waits for the end of a short line. */
static bool write_line(struct km_stdio *stdio, const char *json, size_t len)
{
  char *line = malloc(len + 1);
  KM_ASSERT(line != NULL);
  memcpy(line, json, len);
  line[len] = '\n';
  KM_SCOPED_LOCK(&stdio->mutex);
  if (!stdio->broken && !write_all(stdio, line, len + 1)) {
    stdio->broken = true;
    (void)eventfd_write(stdio->stop_fd, 1); /* nobody listens any more: the reader ends too */
  }
  free(line);
  return !stdio->broken;
}

static bool push_send(struct km_reply *reply, const char *json, size_t len)
{
  return write_line(KM_CONTAINER_OF(reply, struct km_stdio, push), json, len);
}

static const struct km_reply_ops push_ops = {.send = push_send};

static bool reply_send(struct km_reply *reply, const char *json, size_t len)
{
  return write_line(KM_CONTAINER_OF(reply, struct stdio_reply, reply)->stdio, json, len);
}

static void reply_finish(struct km_reply *reply, const struct km_reply_head *head, const char *json,
                         size_t len)
{
  (void)head;
  struct stdio_reply *self = KM_CONTAINER_OF(reply, struct stdio_reply, reply);
  struct km_stdio *stdio = self->stdio;
  if (json != NULL) {
    write_line(stdio, json, len);
  }
  free(self);
  KM_SCOPED_LOCK(&stdio->mutex);
  if (--stdio->open == 0) {
    pthread_cond_broadcast(&stdio->drained);
  }
}

static const struct km_reply_ops reply_ops = {.send = reply_send, .finish = reply_finish};

/* --- reading --------------------------------------------------------------------------------------------------------- */

static void receive_line(struct km_stdio *stdio, const char *line, size_t len)
{
  if (len > 0 && line[len - 1] == '\r') {
    len--;
  }
  if (strspn(line, " \t") >= len) {
    return;
  }
  struct stdio_reply *reply = calloc(1, sizeof(*reply));
  KM_ASSERT(reply != NULL);
  reply->reply.ops = &reply_ops;
  reply->stdio = stdio;
  {
    KM_SCOPED_LOCK(&stdio->mutex);
    stdio->open++;
  }
  struct km_peer peer = {.connection = stdio, .push = &stdio->push, .principal = ""};
  struct km_call *call = km_mcp_receive(stdio->mcp, &peer, line, len, &reply->reply);
  if (call != NULL) {
    km_mcp_run(call);
  }
}

static void refuse_long_line(struct km_stdio *stdio)
{
  static const char answer[] = "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,\"message\":"
                               "\"Invalid request: a message may have at most 64 MiB\"}}";
  write_line(stdio, answer, sizeof(answer) - 1);
}

/* Handles the complete lines of INPUT, whose first SEEN bytes hold no newline, and keeps the rest. SKIPPING: inside a
 * line that was too long. */
static void split_lines(struct km_stdio *stdio, struct km_buf *input, size_t seen, bool *skipping)
{
  size_t start = 0;
  for (;;) {
    char *newline = memchr(input->data + seen, '\n', input->len - seen);
    if (newline == NULL) {
      break;
    }
    *newline = '\0';
    size_t len = (size_t)(newline - input->data) - start;
    if (!*skipping) {
      receive_line(stdio, input->data + start, len);
    }
    *skipping = false;
    start += len + 1;
    seen = start;
  }
  size_t rest = input->len - start;
  if (start > 0) {
    memmove(input->data, input->data + start, rest);
    km_buf_truncate(input, rest);
  }
  if (rest == 0 && input->cap > KEPT_BYTES) {
    km_buf_done(input);
    km_buf_init(input, MAX_LINE_BYTES + READ_BYTES);
  }
  if (*skipping || rest >= MAX_LINE_BYTES) {
    if (!*skipping) {
      refuse_long_line(stdio);
    }
    *skipping = true;
    km_buf_clear(input);
  }
}

/* False at the end of input, when output broke, or when asked to stop. */
static bool read_more(struct km_stdio *stdio, struct km_buf *input)
{
  char chunk[READ_BYTES];
  struct pollfd fds[] = {{.fd = stdio->in_fd, .events = POLLIN}, {.fd = stdio->stop_fd, .events = POLLIN}};
  for (;;) {
    if (poll(fds, KM_ARRAY_LEN(fds), -1) < 0 && errno != EINTR) {
      return false;
    }
    if (fds[1].revents != 0) {
      return false;
    }
    if (fds[0].revents == 0) {
      continue;
    }
    ssize_t n = read(stdio->in_fd, chunk, sizeof(chunk));
    if (n > 0) {
      return km_buf_append(input, chunk, (size_t)n);
    }
    if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
      return false;
    }
  }
}

/* Calls in flight get a moment to finish: a client that closes its end may still read the answers. */
static void drain(struct km_stdio *stdio)
{
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += DRAIN_MS / 1000;
  KM_SCOPED_LOCK(&stdio->mutex);
  while (stdio->open > 0 && !stdio->broken) {
    if (pthread_cond_timedwait(&stdio->drained, &stdio->mutex, &until) != 0) {
      break;
    }
  }
}

static void *reader(void *data)
{
  struct km_stdio *stdio = data;
  struct km_buf input;
  km_buf_init(&input, MAX_LINE_BYTES + READ_BYTES);
  bool skipping = false;
  for (size_t seen = 0; read_more(stdio, &input); seen = input.len) {
    split_lines(stdio, &input, seen, &skipping);
  }
  if (input.len > 0 && !skipping) {
    receive_line(stdio, input.data, input.len); /* a last line without its newline */
  }
  km_buf_done(&input);
  drain(stdio);
  km_mcp_connection_closed(stdio->mcp, stdio);
  stdio->on_eof(stdio->on_eof_data);
  return NULL;
}

/* --- start and stop ---------------------------------------------------------------------------------------------------- */

enum km_rc km_stdio_start(struct km_mcp *mcp, int in_fd, int out_fd, void (*on_eof)(void *data), void *data,
                          struct km_stdio **ret, struct km_error *err)
{
  struct km_stdio *stdio = calloc(1, sizeof(*stdio));
  KM_ASSERT(stdio != NULL);
  *stdio = (struct km_stdio){.mcp = mcp,
                             .in_fd = in_fd,
                             .out_fd = out_fd,
                             .stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                             .on_eof = on_eof,
                             .on_eof_data = data,
                             .push = {.ops = &push_ops}};
  pthread_mutex_init(&stdio->mutex, NULL);
  pthread_cond_init(&stdio->drained, NULL);
  int errnum = stdio->stop_fd < 0 ? errno : pthread_create(&stdio->thread, NULL, reader, stdio);
  if (errnum != 0) {
    if (stdio->stop_fd >= 0) {
      (void)close(stdio->stop_fd);
    }
    pthread_cond_destroy(&stdio->drained);
    pthread_mutex_destroy(&stdio->mutex);
    free(stdio);
    return km_error_errno(err, errnum, "starting the stdio transport");
  }
  *ret = stdio;
  return KM_OK;
}

void km_stdio_stop(struct km_stdio *stdio)
{
  if (stdio == NULL) {
    return;
  }
  (void)eventfd_write(stdio->stop_fd, 1);
  pthread_join(stdio->thread, NULL);
  /* Cancelled calls still answer, if only with nothing; each holds the transport until then. */
  pthread_mutex_lock(&stdio->mutex);
  while (stdio->open > 0) {
    pthread_cond_wait(&stdio->drained, &stdio->mutex);
  }
  pthread_mutex_unlock(&stdio->mutex);
  (void)close(stdio->stop_fd);
  pthread_cond_destroy(&stdio->drained);
  pthread_mutex_destroy(&stdio->mutex);
  free(stdio);
}
