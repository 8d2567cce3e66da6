/* Container logs, streamed line by line with constant memory. What a line says is untrusted and raw here; km_log_view
 * (kube/log_view.h) makes it fit to be shown. */
#ifndef KM_KUBE_LOGS_H
#define KM_KUBE_LOGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kube_mcp/kube/client.h"

/* Of a longer line the rest is counted, not kept. */
#define KM_LOG_LINE_BYTES ((size_t)64 * 1024)
/* Of a longer log the rest is not read. */
#define KM_LOG_STREAM_BYTES ((uint64_t)64 * 1024 * 1024)

struct km_log_line {
  const char *text; /* without its newline; any bytes; valid during the callback */
  size_t len;       /* at most KM_LOG_LINE_BYTES */
  uint64_t dropped; /* bytes of the line that came behind */
};

/* Gets one line; false = no more are wanted. */
typedef bool km_log_line_fn(void *data, const struct km_log_line *line);

/* Cuts a stream of bytes into lines, whatever pieces it comes in. */
struct km_log_splitter {
  struct km_buf line; /* the beginning of the line that is under way */
  uint64_t dropped;   /* of it */
  km_log_line_fn *fn;
  void *data;
};
void km_log_splitter_init(struct km_log_splitter *splitter, km_log_line_fn *fn, void *data);
/* False as soon as FN is. */
bool km_log_splitter_feed(struct km_log_splitter *splitter, const char *piece, size_t len);
/* Delivers a last line without newline and frees what is held. WANTED: FN has not asked to stop. */
void km_log_splitter_done(struct km_log_splitter *splitter, bool wanted);

struct km_log_query {
  const char *ns, *pod, *container;
  bool previous;
  int64_t tail;           /* lines from the end; negative = all */
  int64_t since_s;        /* not older than so many seconds; 0 = any */
  const char *since_time; /* RFC 3339, or NULL */
};

/* GETs the log and hands it to FN on the calling thread, oldest line first, each with the server's timestamp before it
 * ("2026-01-02T03:04:05.000000006Z text"). Ends early when FN wants no more or after KM_LOG_STREAM_BYTES, which sets
 * *RET_CUT (written whatever the outcome). Blocking.
 * Errors: those of km_client_do; lines may have been delivered before. KM_E_PROTOCOL when the answer is no text. A log that does not exist (yet) is KM_E_NOT_FOUND. */
enum km_rc km_client_logs(struct km_client *client, const struct km_log_query *query,
                          const struct km_kube_request *request, km_log_line_fn *fn, void *data,
                          bool *ret_cut, struct km_error *err);

#endif
