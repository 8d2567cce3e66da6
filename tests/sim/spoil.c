/* Answers that go wrong on the wire: from a good answer and a fault to the response that is sent instead.
 *
 * Each connection has a thread of its own, so what is slow may simply sleep; it wakes when faults are cleared. */
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "kube_mcp/base/alloc.h"
#include "kube_mcp/base/str.h"
#include "sim.h"

#include "kube_mcp/base/banned.h"

#define BLOCK_BYTES   ((size_t)16 * 1024)
#define HUGE_BYTES    8388608
#define STREAM_BYTES  ((size_t)1000)
#define TRICKLE_BYTES 16
#define TRICKLE_MS    100
#define ENDLESS_HEAD  "{\"kind\":\"List\",\"apiVersion\":\"v1\",\"metadata\":{},\"items\":[{}"
#define ENDLESS_REST  ",{\"metadata\":{\"name\":\"again\"}}"

/* --- bodies that are wrong ---------------------------------------------------------------------------------------------- */

static const struct {
  enum sim_body body;
  const char *type, *text;
  size_t len; /* 0 = that of the text */
} wrong[] = {
    {SIM_BODY_GARBAGE, "application/json", "{\"kind\":\xff\xfe\x00[[[[", 15},
    {SIM_BODY_SHAPE, "application/json",
     "{\"kind\":\"Surprise\",\"items\":{\"a\":[1]},\"rows\":7,\"versions\":\"x\"}\n", 0},
    {SIM_BODY_HOLES, "application/json",
     "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":null,\"columnDefinitions\":[null,7],"
     "\"rows\":[null,5,{\"cells\":\"x\"},{\"cells\":[null,{}],\"object\":[]}],\"items\":[null,5,\"x\",{}]}\n",
     0},
    {SIM_BODY_HTML, "text/html",
     "<html><head><title>Sign in</title></head><body>Please sign in</body></html>\n", 0},
    {SIM_BODY_EMPTY, "application/json", "", 0},
};

/* True when nothing of the good answer is left. */
static bool replace_body(const struct sim_fault *fault, struct sim_answer *answer)
{
  bool replaced = false;
  for (size_t i = 0; i < KM_ARRAY_LEN(wrong); i++) {
    if (wrong[i].body == fault->body) {
      replaced = true;
      answer->type = wrong[i].type;
      km_buf_clear(&answer->body);
      km_buf_append(&answer->body, wrong[i].text, wrong[i].len > 0 ? wrong[i].len : strlen(wrong[i].text));
    }
  }
  if (fault->body == SIM_BODY_HUGE) { /* good, but for the blanks behind it */
    char blanks[1024];
    memset(blanks, ' ', sizeof(blanks));
    size_t wanted = answer->body.len + (size_t)(fault->bytes > 0 ? fault->bytes : HUGE_BYTES);
    while (answer->body.len < wanted && !answer->body.failed) {
      km_buf_append(&answer->body, blanks, sizeof(blanks));
    }
  }
  return replaced;
}

/* --- bodies that are sent wrongly --------------------------------------------------------------------------------------- */

/* A body on its way. */
struct sending {
  struct sim_fault fault;
  int fd;
  char *data;
  struct sim_stream stream; /* instead of DATA unless its `read` is NULL */
  size_t len, end;          /* END: where the connection breaks; LEN = never */
};

/* Cuts the connection off with a reset: what MHD does to the socket afterwards no longer reaches the client. */
static void cut_off(int fd)
{
  const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
  (void)connect(fd, &nobody, sizeof(nobody));
}

static int socket_of(struct MHD_Connection *connection)
{
  return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

/* LEN bytes of the stream at most; true when it was read. */
static bool read_stream(const struct sending *sending, char *buf, size_t len, ssize_t *ret)
{
  if (sending->stream.read == NULL) {
    return false;
  }
  size_t got = sending->stream.read(sending->stream.state, buf, len);
  *ret = got == 0 ? MHD_CONTENT_READER_END_OF_STREAM : (ssize_t)got;
  return true;
}

static ssize_t read_part(void *data, uint64_t position, char *buf, size_t max)
{
  const struct sending *sending = data;
  if (position >= sending->end) {
    if (sending->fault.body == SIM_BODY_RESET_WITHIN) {
      cut_off(sending->fd);
    }
    return sending->end < sending->len ? MHD_CONTENT_READER_END_WITH_ERROR : MHD_CONTENT_READER_END_OF_STREAM;
  }
  size_t len = sending->end - (size_t)position < max ? sending->end - (size_t)position : max;
  if (sending->fault.body == SIM_BODY_TRICKLE) {
    size_t step = (size_t)sending->fault.bytes;
    len = len < step ? len : step;
    if (!sim_fault_wait(&sending->fault, sending->fault.interval_ms)) {
      return MHD_CONTENT_READER_END_WITH_ERROR;
    }
  }
  ssize_t got = (ssize_t)len;
  if (!read_stream(sending, buf, len, &got)) {
    memcpy(buf, sending->data + position, len);
  }
  return got;
}

/* The start of a list and then more of it, or blanks, until faults are cleared or the client has enough. */
static ssize_t read_endless(void *data, uint64_t position, char *buf, size_t max)
{
  const struct sending *sending = data;
  const char *head = ENDLESS_HEAD, *rest = ENDLESS_REST;
  if (!sim_fault_wait(&sending->fault, sending->fault.interval_ms)) {
    return MHD_CONTENT_READER_END_WITH_ERROR;
  }
  size_t step = (size_t)sending->fault.bytes, len = step > 0 && step < max ? step : max;
  for (size_t i = 0; i < len; i++) {
    uint64_t at = position + i;
    buf[i] = sending->fault.body == SIM_BODY_BLANK ? ' '
             : at < strlen(head)                   ? head[at]
                                                   : rest[(at - strlen(head)) % strlen(rest)];
  }
  return (ssize_t)len;
}

static void free_stream(const struct sim_stream *stream)
{
  if (stream->read != NULL) {
    stream->free(stream->state);
  }
}

static void free_sending(void *data)
{
  struct sending *sending = data;
  free_stream(&sending->stream);
  free(sending->data);
  free(sending);
}

static struct MHD_Response *send_wrongly(const struct sim_fault *fault, struct MHD_Connection *connection,
                                         struct sim_answer *answer)
{
  struct sending *sending = KM_NEW(struct sending);
  *sending = (struct sending){
      .fault = *fault, .fd = socket_of(connection), .stream = answer->stream, .len = answer->body.len};
  sending->data = km_buf_detach(&answer->body, NULL);
  sending->end = fault->body == SIM_BODY_TRICKLE ? sending->len : sending->len / 2;
  bool streams = sending->stream.read != NULL;
  if (streams) {
    sending->len = SIZE_MAX;
    sending->end = fault->body == SIM_BODY_TRICKLE ? SIZE_MAX
                   : fault->bytes > 0              ? (size_t)fault->bytes
                                                   : STREAM_BYTES;
  }
  if (fault->body == SIM_BODY_TRICKLE) {
    sending->fault.bytes = fault->bytes > 0 ? fault->bytes : TRICKLE_BYTES;
    sending->fault.interval_ms = fault->interval_ms > 0 ? fault->interval_ms : TRICKLE_MS;
  }
  bool endless = fault->body == SIM_BODY_ENDLESS || fault->body == SIM_BODY_BLANK;
  bool in_chunks = endless || streams || fault->body == SIM_BODY_TRUNCATED_CHUNKS;
  return MHD_create_response_from_callback(in_chunks ? MHD_SIZE_UNKNOWN : sending->len, BLOCK_BYTES,
                                           endless ? read_endless : read_part, sending, free_sending);
}

struct MHD_Response *sim_spoil(const struct sim_fault *fault, struct MHD_Connection *connection,
                               struct sim_answer *answer)
{
  struct MHD_Response *response = NULL;
  sim_fault_refuse(fault, answer);
  if (replace_body(fault, answer) || fault->status != 0 || fault->body == SIM_BODY_RESET) {
    free_stream(&answer->stream);
    answer->stream = (struct sim_stream){0};
  }
  switch (fault->body) {
  case SIM_BODY_RESET:
    cut_off(socket_of(connection));
    km_buf_done(&answer->body);
    return NULL;
  case SIM_BODY_RESET_WITHIN:
  case SIM_BODY_TRUNCATED:
  case SIM_BODY_TRUNCATED_CHUNKS:
  case SIM_BODY_TRICKLE:
  case SIM_BODY_ENDLESS:
  case SIM_BODY_BLANK: response = send_wrongly(fault, connection, answer); break;
  case SIM_BODY_CLOSE:
  case SIM_BODY_WHOLE:
  case SIM_BODY_GARBAGE:
  case SIM_BODY_SHAPE:
  case SIM_BODY_HOLES:
  case SIM_BODY_HTML:
  case SIM_BODY_EMPTY:
  case SIM_BODY_HUGE: response = sim_whole_response(answer); break;
  }
  if (fault->body == SIM_BODY_CLOSE) {
    (void)MHD_add_response_header(response, "Connection", "close");
  }
  if (fault->retry_after_s > 0) {
    char seconds[16];
    (void)snprintf(seconds, sizeof(seconds), "%u", fault->retry_after_s);
    (void)MHD_add_response_header(response, "Retry-After", seconds);
  }
  return response;
}
