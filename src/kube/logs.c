/* Container logs: the request, and its answer cut into lines.
 *
 * Keeps at most KM_LOG_LINE_BYTES of a line and nothing of a finished one. A line that lies within one piece of the
 * stream is handed over where it is, without a copy. Runs on the caller's thread. */
#include "kube_mcp/kube/logs.h"

#include <inttypes.h>
#include <string.h>

#include "kube_mcp/base/str.h"
#include "kube_mcp/kube/discovery.h"

#include "kube_mcp/base/banned.h"

#define MAX_PATH_BYTES ((size_t)4096)

/* --- lines -------------------------------------------------------------------------------------------------------------- */

void km_log_splitter_init(struct km_log_splitter *splitter, km_log_line_fn *fn, void *data)
{
  *splitter = (struct km_log_splitter){.fn = fn, .data = data};
  km_buf_init(&splitter->line, KM_LOG_LINE_BYTES);
}

/* Adds to the line under way as much as it may keep. */
static void keep(struct km_log_splitter *splitter, const char *text, size_t len)
{
  size_t room = KM_LOG_LINE_BYTES - splitter->line.len;
  size_t kept = len < room ? len : room;
  km_buf_append(&splitter->line, text, kept);
  splitter->dropped += len - kept;
}

static bool deliver_kept(struct km_log_splitter *splitter)
{
  struct km_log_line line = {splitter->line.data, splitter->line.len, splitter->dropped};
  bool wanted = splitter->fn(splitter->data, &line);
  km_buf_clear(&splitter->line);
  splitter->dropped = 0;
  return wanted;
}

bool km_log_splitter_feed(struct km_log_splitter *splitter, const char *piece, size_t len)
{
  const char *end = piece + len;
  bool wanted = true;
  while (wanted && piece < end) {
    const char *newline = memchr(piece, '\n', (size_t)(end - piece));
    size_t part = (size_t)((newline != NULL ? newline : end) - piece);
    if (newline != NULL && splitter->line.len == 0 && part <= KM_LOG_LINE_BYTES) {
      struct km_log_line line = {piece, part, 0};
      wanted = splitter->fn(splitter->data, &line);
    } else {
      keep(splitter, piece, part);
      wanted = newline == NULL || deliver_kept(splitter);
    }
    piece += part + (newline != NULL);
  }
  return wanted;
}

void km_log_splitter_done(struct km_log_splitter *splitter, bool wanted)
{
  if (wanted && splitter->line.len > 0) {
    (void)deliver_kept(splitter);
  }
  km_buf_done(&splitter->line);
}

/* --- the request -------------------------------------------------------------------------------------------------------- */

/* A log being read. */
struct reading {
  struct km_log_splitter splitter;
  uint64_t left_bytes;
  bool wanted;
};

static bool on_piece(void *data, const char *piece, size_t len)
{
  struct reading *reading = data;
  size_t taken = len < reading->left_bytes ? len : (size_t)reading->left_bytes;
  reading->left_bytes -= taken;
  reading->wanted = km_log_splitter_feed(&reading->splitter, piece, taken);
  return reading->wanted && reading->left_bytes > 0;
}

static void put_path(const struct km_log_query *query, struct km_buf *path)
{
  km_buf_puts(path, "/api/v1/namespaces/");
  km_url_escape(path, query->ns);
  km_buf_puts(path, "/pods/");
  km_url_escape(path, query->pod);
  km_buf_puts(path, "/log?timestamps=true&container=");
  km_url_escape(path, query->container);
  km_buf_puts(path, query->previous ? "&previous=true" : "");
  if (query->tail >= 0) {
    km_buf_printf(path, "&tailLines=%" PRId64, query->tail);
  }
  if (query->since_s > 0) {
    km_buf_printf(path, "&sinceSeconds=%" PRId64, query->since_s);
  }
  if (!km_str_empty(query->since_time)) {
    km_buf_puts(path, "&sinceTime=");
    km_url_escape(path, query->since_time);
  }
}

/* The API server calls every log it cannot have a bad request; that there is none (yet) is not the caller's mistake. */
static enum km_rc tell_absence(struct km_error *err)
{
  if (err->http_status != 400) {
    return err->code;
  }
  if (strstr(err->message, "previous terminated container") != NULL) {
    err->code = KM_E_NOT_FOUND;
    return km_error_hint(err,
                         "the container has not been restarted; without `previous` its current log is read");
  }
  if (strstr(err->message, "is waiting to start") != NULL ||
      strstr(err->message, "is not available") != NULL) {
    err->code = KM_E_NOT_FOUND;
    return km_error_hint(
        err, "there is no log before the container has started; the pod's status says why it waits");
  }
  return err->code;
}

/* A proxy's page comes with status 200 as well. 204 is the log of a pod that is on no node. */
static enum km_rc check_type(const struct km_client *client, const struct km_http_response *response,
                             struct km_error *err)
{
  bool empty = response->status == 204 || response->content_type[0] == '\0';
  if (empty || km_starts_with(response->content_type, "text/plain")) {
    return KM_OK;
  }
  return km_error_set(err, KM_E_PROTOCOL, "context '%s': the answer is no log: its content type is '%s'",
                      km_client_endpoint(client)->context, response->content_type);
}

enum km_rc km_client_logs(struct km_client *client, const struct km_log_query *query,
                          const struct km_kube_request *request, km_log_line_fn *fn, void *data,
                          bool *ret_cut, struct km_error *err)
{
  *ret_cut = false;
  struct km_buf path;
  km_buf_init(&path, MAX_PATH_BYTES);
  put_path(query, &path);
  if (path.failed) {
    km_buf_done(&path);
    return km_error_set(err, KM_E_INVALID, "the names of pod and container take more than %zu bytes",
                        MAX_PATH_BYTES);
  }
  struct reading reading = {.left_bytes = KM_LOG_STREAM_BYTES, .wanted = true};
  km_log_splitter_init(&reading.splitter, fn, data);
  struct km_kube_request get = *request;
  get.method = NULL;
  get.path = path.data;
  get.accept = "*/*";
  get.on_piece = on_piece;
  get.on_piece_arg = &reading;
  struct km_http_response response = {0};
  enum km_rc rc = km_client_do(client, &get, &response, err);
  if (rc == KM_OK) {
    rc = check_type(client, &response, err);
  }
  km_http_response_done(&response);
  km_log_splitter_done(&reading.splitter, reading.wanted);
  km_buf_done(&path);
  *ret_cut = reading.left_bytes == 0;
  return rc == KM_OK ? KM_OK : tell_absence(err);
}
