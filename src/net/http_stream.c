/* A body on its way to a caller who takes his time.
 *
 * The loop thread puts what arrives into `pieces`, at most WINDOW_BYTES; when a piece does not fit, libcurl is told to
 * leave the connection unread and to offer the piece again later, so that TCP slows the sender down. The caller takes
 * the whole buffer at once and works on it with no lock held. So a stream costs two windows, however long it is and
 * however slow its reader. Threads: `pieces_lock` guards the exchange, `news` wakes the caller; a post too many only
 * wakes him in vain. Works for the loop are run to their end before the caller goes on, so none is left behind. */
#include "http_client.h"
#include "kube_mcp/base/sync.h"
#include "wait.h"

#include "kube_mcp/base/banned.h"

/* More than the largest piece libcurl hands over (CURL_MAX_WRITE_SIZE, 16 KiB). */
#define WINDOW_BYTES ((size_t)128 * 1024)

void km_stream_begin(struct km_transfer *transfer)
{
  km_buf_init(&transfer->pieces, WINDOW_BYTES);
  transfer->paused = false;
  transfer->over = false;
}

void km_stream_end(struct km_transfer *transfer)
{
  km_buf_done(&transfer->pieces);
}

size_t km_stream_receive(struct km_transfer *transfer, const char *piece, size_t len)
{
  {
    KM_SCOPED_LOCK(&transfer->pieces_lock);
    struct km_buf *pieces = &transfer->pieces;
    transfer->paused = pieces->len > 0 && len > WINDOW_BYTES - pieces->len;
    if (transfer->paused) {
      return CURL_WRITEFUNC_PAUSE; /* there is something to take, so the caller knows already */
    }
    if (!km_buf_append(pieces, piece, len)) {
      transfer->too_large = true;
      return CURL_WRITEFUNC_ERROR;
    }
  }
  sem_post(&transfer->news);
  return len;
}

void km_stream_over(struct km_transfer *transfer)
{
  {
    KM_SCOPED_LOCK(&transfer->pieces_lock);
    transfer->over = true;
  }
  sem_post(&transfer->news);
}

/* Takes what has arrived in exchange for the empty BATCH; true when it was the last. */
static bool take(struct km_transfer *transfer, struct km_buf *batch, bool *ret_paused)
{
  KM_SCOPED_LOCK(&transfer->pieces_lock);
  struct km_buf taken = transfer->pieces;
  transfer->pieces = *batch;
  *batch = taken;
  *ret_paused = transfer->paused;
  transfer->paused = false;
  return transfer->over;
}

void km_stream_deliver(struct km_transfer *transfer)
{
  const struct km_http_request *request = transfer->request;
  struct km_loop *loop = transfer->client->loop;
  struct km_buf batch;
  km_buf_init(&batch, WINDOW_BYTES);
  bool over = false;
  bool wanted = true;
  while (!over && wanted) {
    km_sem_wait(&transfer->news);
    bool paused = false;
    over = take(transfer, &batch, &paused);
    if (paused) {
      km_loop_run_sync(loop, km_driver_resume, transfer);
    }
    wanted = batch.len == 0 || request->on_piece(request->on_piece_arg, batch.data, batch.len);
    km_buf_clear(&batch);
  }
  if (!wanted) {
    km_loop_run_sync(loop, km_driver_stop, transfer);
  }
  km_buf_done(&batch);
}
