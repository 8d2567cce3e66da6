/* Answers: the body as it arrives, and the few headers anybody asks for.
 *
 * km_transfer_receive runs on the loop thread and collects, streams or refuses; the rest runs on the caller's
 * thread after the transfer has ended, on headers that libcurl keeps. Bounds: the body by the request's
 * max_body_bytes, each header and all of them together by libcurl (100 KiB and 300 KiB), joined warnings by
 * WARNINGS_MAX_BYTES. Compressed bodies are measured as they unfold. Only 2xx bodies are streamed; an error's
 * is collected, so that it can be read. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "http_client.h"
#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

#define WARNINGS_MAX_BYTES ((size_t)4096)

static bool announces_too_much(const struct km_transfer *transfer)
{
  curl_off_t announced = -1;
  (void)curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
  return announced > 0 && (uint64_t)announced > transfer->request->max_body_bytes;
}

size_t km_transfer_receive(char *piece, size_t size, size_t count, void *data)
{
  struct km_transfer *transfer = data;
  const struct km_http_request *request = transfer->request;
  size_t len = size * count;
  bool first = transfer->status == 0;
  if (first) {
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &transfer->status);
  }
  if (request->on_data != NULL && transfer->status / 100 == 2) {
    transfer->stopped = !request->on_data(request->on_data_arg, piece, len);
    return transfer->stopped ? CURL_WRITEFUNC_ERROR : len;
  }
  if (request->on_piece != NULL && transfer->status / 100 == 2) {
    return km_stream_receive(transfer, piece, len);
  }
  if ((first && announces_too_much(transfer)) || !km_buf_append(&transfer->body, piece, len)) {
    transfer->too_large = true;
    return CURL_WRITEFUNC_ERROR;
  }
  return len;
}

/* The I-th header NAME of the final answer; NULL when there are not so many. */
static const char *header_value(const struct km_transfer *transfer, const char *name, size_t i)
{
  struct curl_header *header = NULL;
  CURLHcode code = curl_easy_header(transfer->easy, name, i, CURLH_HEADER, -1, &header);
  return code == CURLHE_OK ? header->value : NULL;
}

/* The form in which servers write it, "Sun, 06 Nov 1994 08:49:37 GMT": libcurl's reader, made for all that was ever sent,
 * takes longer than the rest of reading an answer. False for any other form. */
static bool parse_usual_date(const char *text, int64_t *ret_ms)
{
  static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (strlen(text) != 29 || text[3] != ',' || !km_streq(text + 25, " GMT")) {
    return false;
  }
  const char *month = memmem(months, sizeof(months) - 1, text + 8, 3);
  if (month == NULL || (month - months) % 3 != 0) {
    return false;
  }
  char when[32];
  int len = snprintf(when, sizeof(when), "%.4s-%02d-%.2sT%.8sZ", text + 12, (int)(month - months) / 3 + 1,
                     text + 5, text + 17);
  return km_rfc3339_parse(when, (size_t)len, ret_ms);
}

/* Milliseconds since the epoch; 0 when TEXT is no date. */
static int64_t parse_date(const char *text)
{
  int64_t ms = 0;
  if (text != NULL && parse_usual_date(text, &ms)) {
    return ms > 0 ? ms : 0;
  }
  time_t seconds = text != NULL ? curl_getdate(text, NULL) : -1;
  return seconds > 0 ? (int64_t)seconds * 1000 : 0;
}

/* Retry-After in seconds or as a date. The date is the server's, so it is compared with the server's clock,
 * if known. */
static uint32_t parse_retry_after(const char *text, int64_t server_now_ms)
{
  if (text == NULL) {
    return 0;
  }
  uint64_t seconds = 0;
  int64_t wait_ms = 0;
  if (text[0] >= '0' && text[0] <= '9' && strspn(text, "0123456789") == strlen(text)) {
    bool fits = km_parse_u64(text, &seconds) && seconds <= UINT32_MAX / 1000;
    wait_ms = fits ? (int64_t)seconds * 1000 : UINT32_MAX;
  } else {
    int64_t then_ms = parse_date(text);
    wait_ms = then_ms > 0 ? then_ms - (server_now_ms > 0 ? server_now_ms : km_clock_wall_ms()) : 0;
  }
  return wait_ms <= 0 ? 0 : wait_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)wait_ms;
}

/* All `Warning` headers, as one list; NULL when there is none. What does not fit is left out. */
static char *join_warnings(const struct km_transfer *transfer)
{
  const char *value = header_value(transfer, "Warning", 0);
  if (value == NULL) {
    return NULL;
  }
  struct km_buf joined;
  km_buf_init(&joined, WARNINGS_MAX_BYTES);
  for (size_t i = 0; value != NULL && !joined.failed; value = header_value(transfer, "Warning", ++i)) {
    size_t before = joined.len;
    km_buf_puts(&joined, i > 0 ? ", " : "");
    (void)km_text_sanitize(&joined, value, strlen(value));
    if (joined.failed) {
      km_buf_truncate(&joined, before);
    }
  }
  char *text = km_buf_detach(&joined, NULL);
  km_buf_done(&joined);
  return text;
}

static void read_answer(struct km_transfer *transfer, struct km_http_response *ret)
{
  CURL *easy = transfer->easy;
  long status = 0, connects = 0;
  const char *content_type = NULL;
  (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  (void)curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connects);
  (void)curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &content_type);

  *ret = (struct km_http_response){.status = (int)status, .body = transfer->body};
  km_buf_init(&transfer->body, 0); /* the body is the caller's now */
  (void)km_strcopy(ret->content_type, sizeof(ret->content_type), content_type != NULL ? content_type : "");
  ret->date_wall_ms = parse_date(header_value(transfer, "Date", 0));
  ret->retry_after_ms = parse_retry_after(header_value(transfer, "Retry-After", 0), ret->date_wall_ms);
  ret->audit_warning = join_warnings(transfer);
  ret->elapsed_ns = km_clock_ns() - transfer->started_ns;
  ret->reused_connection = connects == 0;
}

enum km_rc km_transfer_result(struct km_transfer *transfer, struct km_http_response *ret,
                              struct km_error *err)
{
  bool answered = transfer->end == KM_END_CURL && (transfer->code == CURLE_OK || transfer->stopped);
  if (!answered) {
    return km_transfer_error(transfer, err);
  }
  read_answer(transfer, ret);
  return KM_OK;
}

void km_http_response_done(struct km_http_response *response)
{
  km_buf_done(&response->body);
  free(response->audit_warning);
  response->audit_warning = NULL;
}
