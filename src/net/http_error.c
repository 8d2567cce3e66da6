/* Failures: from what libcurl reports to what a person can act on.
 *
 * One table maps libcurl's codes; next to it stand the three cases that need more than a code: a refused
 * certificate, a failed connect, and a deadline, which name the reason or the phase. Messages name the peer
 * as host:port, never a URL, a path or a credential. libcurl's own words are appended where they add
 * something; they may quote the peer and are cleaned. Pure functions of an ended transfer. */
#include <errno.h>
#include <gnutls/gnutls.h>
#include <inttypes.h>
#include <string.h>

#include "http_client.h"
#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

#define DETAIL_MAX_BYTES ((size_t)200)
#define HEADERS_LIMIT    (300L * 1024) /* libcurl's, for all headers of an answer */
#define CURLE_TOO_LARGE_ 100           /* CURLE_TOO_LARGE, which headers before 8.6 lack */

/* BEFORE and AFTER enclose the peer's name in the message. */
struct failure {
  int code; /* CURLcode */
  enum km_rc rc;
  const char *before, *after;
  bool detail; /* append libcurl's words */
  const char *hint;
};

#define CHECK_SERVER "check host, port and scheme of the cluster's server URL"
#define BROKEN       "if it persists: the server may want a client certificate, or refuse the one it is given"

static const struct failure failures[] = {
    {CURLE_COULDNT_RESOLVE_HOST, KM_E_UNAVAILABLE, "could not resolve the name of ", "", false,
     "check the host name in the cluster's server URL, and the DNS of this machine"},
    {CURLE_COULDNT_RESOLVE_PROXY, KM_E_UNAVAILABLE, "could not resolve the name of the proxy on the way to ",
     "", true, "check proxy-url or HTTPS_PROXY"},
    {CURLE_PROXY, KM_E_UNAVAILABLE, "the proxy on the way to ", " refused or failed", true,
     "check proxy-url or HTTPS_PROXY"},
    {CURLE_SSL_CONNECT_ERROR, KM_E_UNAVAILABLE, "the TLS handshake with ", " failed", true, CHECK_SERVER},
    {CURLE_SSL_CERTPROBLEM, KM_E_INVALID, "the client certificate for ", " cannot be used", true, NULL},
    {CURLE_SSL_CACERT_BADFILE, KM_E_INVALID, "the certificate authority for ", " cannot be read", true, NULL},
    {CURLE_GOT_NOTHING, KM_E_UNAVAILABLE, "", " closed the connection before answering", false, NULL},
    {CURLE_SEND_ERROR, KM_E_UNAVAILABLE, "the connection to ", " broke while the request was sent", true,
     BROKEN},
    {CURLE_RECV_ERROR, KM_E_UNAVAILABLE, "", " broke the connection before answering", true, BROKEN},
    {CURLE_SEND_FAIL_REWIND, KM_E_UNAVAILABLE, "",
     " closed the connection before answering; whether it carried out the request is not known", false,
     "look at the object before you repeat the request"},
    {CURLE_PARTIAL_FILE, KM_E_PROTOCOL, "the answer of ", " was cut off", true, NULL},
    {CURLE_UNSUPPORTED_PROTOCOL, KM_E_PROTOCOL, "", " does not speak HTTP", true, CHECK_SERVER},
    {CURLE_WEIRD_SERVER_REPLY, KM_E_PROTOCOL, "the answer of ", " is not valid HTTP", true, CHECK_SERVER},
    {CURLE_BAD_CONTENT_ENCODING, KM_E_PROTOCOL, "the compressed answer of ", " is damaged", true, NULL},
    {CURLE_HTTP2, KM_E_PROTOCOL, "", " broke the HTTP/2 protocol", true, "http2 = \"off\" avoids HTTP/2"},
    {CURLE_HTTP2_STREAM, KM_E_PROTOCOL, "", " reset the HTTP/2 stream", true,
     "http2 = \"off\" avoids HTTP/2"},
    {CURLE_TOO_LARGE_, KM_E_TOO_LARGE, "the headers sent by ", " are too large", true, NULL},
    /* Linux overcommits memory: what runs out here is libcurl's room for one header line. */
    {CURLE_OUT_OF_MEMORY, KM_E_TOO_LARGE, "a header sent by ", " is too large", false, NULL},
};

static const struct failure other_failure = {0, KM_E_UNAVAILABLE, "the request to ", " failed", true, NULL};
static const struct failure broke_within = {
    0, KM_E_UNAVAILABLE, "", " broke the connection in the middle of its answer", true, NULL};
static const struct failure headers_too_large = {
    0, KM_E_TOO_LARGE, "the headers sent by ", " are too large", false, NULL};

/* GnuTLS' verdict on a certificate; the first row that applies is the reason given. */
static const struct verdict {
  unsigned status; /* gnutls_certificate_status_t */
  const char *what;
  const char *hint;
} verdicts[] = {
    {GNUTLS_CERT_SIGNER_NOT_FOUND, "is not signed by the given certificate authority",
     "check certificate-authority-data of the cluster; it may belong to another or a rebuilt cluster"},
    {GNUTLS_CERT_EXPIRED, "has expired", "renew the server's certificate, or correct this machine's clock"},
    {GNUTLS_CERT_NOT_ACTIVATED, "is not valid yet", "correct the clock of this machine or of the server"},
    {GNUTLS_CERT_REVOKED, "has been revoked", "renew the server's certificate"},
    {GNUTLS_CERT_INSECURE_ALGORITHM, "is signed with an insecure algorithm",
     "renew the server's certificate"},
    {GNUTLS_CERT_INVALID, "does not pass verification", "renew the server's certificate"},
};

static const struct verdict unknown_to_system = {
    GNUTLS_CERT_SIGNER_NOT_FOUND, "is not signed by an authority this machine trusts",
    "give the cluster's authority as certificate-authority or certificate-authority-data"};

/* Without a status libcurl's words say more. */
static const struct verdict wrong_name = {
    0, "is for another name",
    "use a name from the certificate in the server URL, or set tls-server-name to one"};
static const struct verdict refused = {0, "was not accepted",
                                       "check certificate-authority-data and tls-server-name"};

/* Appends libcurl's own words, cleaned, to what is said about a failure. */
static void put_detail(struct km_buf *out, const struct km_transfer *transfer)
{
  const char *words = transfer->detail[0] != '\0' ? transfer->detail : curl_easy_strerror(transfer->code);
  km_buf_puts(out, ": ");
  (void)km_text_sanitize(out, words, km_utf8_prefix(words, strlen(words), DETAIL_MAX_BYTES));
}

static enum km_rc fail(const struct km_transfer *transfer, const struct failure *failure,
                       struct km_error *err)
{
  struct km_buf detail;
  km_buf_init(&detail, DETAIL_MAX_BYTES * 4); /* cleaning may lengthen it */
  if (failure->detail) {
    put_detail(&detail, transfer);
  }
  km_error_set(err, failure->rc, "%s%s%s%s", failure->before, transfer->client->target.authority,
               failure->after, detail.data);
  km_buf_done(&detail);
  return failure->hint != NULL ? km_error_hint(err, "%s", failure->hint) : failure->rc;
}

static const struct verdict *find_verdict(const struct km_transfer *transfer)
{
  if (!km_http_library_has_gnutls()) {
    return &refused;
  }
  long status = 0;
  (void)curl_easy_getinfo(transfer->easy, CURLINFO_SSL_VERIFYRESULT, &status);
  if (((unsigned)status & GNUTLS_CERT_SIGNER_NOT_FOUND) != 0 && transfer->client->ca.fd < 0) {
    return &unknown_to_system;
  }
  for (size_t i = 0; i < KM_ARRAY_LEN(verdicts); i++) {
    if (((unsigned)status & verdicts[i].status) != 0) {
      return &verdicts[i];
    }
  }
  return &wrong_name; /* the chain itself is good */
}

static enum km_rc fail_verification(const struct km_transfer *transfer, struct km_error *err)
{
  const struct verdict *verdict = find_verdict(transfer);
  struct km_buf detail;
  km_buf_init(&detail, DETAIL_MAX_BYTES * 4);
  if (verdict->status == 0) {
    put_detail(&detail, transfer);
  }
  km_error_set(err, KM_E_UNAVAILABLE, "TLS: the certificate of %s %s%s", transfer->client->target.authority,
               verdict->what, detail.data);
  km_buf_done(&detail);
  return km_error_hint(err, "%s", verdict->hint);
}

static enum km_rc fail_connect(const struct km_transfer *transfer, struct km_error *err)
{
  const struct km_http_client *client = transfer->client;
  const char *proxy = client->proxy.authority;
  const char *peer = proxy != NULL ? proxy : client->target.authority;
  long error = 0;
  (void)curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &error);
  if (error == ECONNREFUSED) {
    km_error_set(err, KM_E_UNAVAILABLE, "connection refused by %s%s", proxy != NULL ? "the proxy " : "",
                 peer);
    return km_error_hint(err, "check that the server runs and listens there");
  }
  char reason[96];
  return km_error_set(err, KM_E_UNAVAILABLE, "could not connect to %s%s: %s",
                      proxy != NULL ? "the proxy " : "", peer,
                      error != 0 ? strerror_r((int)error, reason, sizeof(reason)) : transfer->detail);
}

static bool reached(const struct km_transfer *transfer, CURLINFO time)
{
  curl_off_t microseconds = 0;
  (void)curl_easy_getinfo(transfer->easy, time, &microseconds);
  return microseconds > 0;
}

static long header_bytes(const struct km_transfer *transfer)
{
  long bytes = 0;
  (void)curl_easy_getinfo(transfer->easy, CURLINFO_HEADER_SIZE, &bytes);
  return bytes;
}

/* What the transfer was doing when it ended. */
static const char *phase(const struct km_transfer *transfer)
{
  if (header_bytes(transfer) > 0) {
    return "receiving the answer";
  }
  if (reached(transfer, CURLINFO_PRETRANSFER_TIME_T)) {
    return "waiting for the answer";
  }
  if (transfer->connected) {
    return transfer->client->proxy.authority != NULL ? "connecting through the proxy"
                                                     : "in the TLS handshake";
  }
  if (reached(transfer, CURLINFO_NAMELOOKUP_TIME_T)) {
    return "connecting";
  }
  return transfer->resolving ? "resolving the name" : "waiting for a free connection";
}

static uint64_t elapsed_ms(const struct km_transfer *transfer)
{
  return (km_clock_ns() - transfer->started_ns) / KM_NS_PER_MS;
}

static enum km_rc fail_deadline(const struct km_transfer *transfer, struct km_error *err)
{
  return km_error_set(err, KM_E_TIMEOUT, "no complete answer from %s within %" PRIu64 " ms (still %s)",
                      transfer->client->target.authority, elapsed_ms(transfer), phase(transfer));
}

static enum km_rc fail_connect_deadline(const struct km_transfer *transfer, struct km_error *err)
{
  km_error_set(err, KM_E_UNAVAILABLE, "could not connect to %s within %" PRIu64 " ms (still %s)",
               transfer->client->target.authority, elapsed_ms(transfer), phase(transfer));
  return km_error_hint(err, "check that the server is reachable from here: network, VPN, firewall, proxy");
}

static enum km_rc fail_too_large(const struct km_transfer *transfer, struct km_error *err)
{
  const struct km_http_request *request = transfer->request;
  km_error_set(err, KM_E_TOO_LARGE, "the answer of %s is larger than %zu bytes",
               transfer->client->target.authority, request->max_body_bytes);
  err->http_status = (int)transfer->status;
  return km_error_hint(err, "ask for less: a namespace, a selector or a smaller limit");
}

static const struct failure *find_failure(CURLcode code)
{
  for (size_t i = 0; i < KM_ARRAY_LEN(failures); i++) {
    if (failures[i].code == (int)code) {
      return &failures[i];
    }
  }
  return &other_failure;
}

static enum km_rc fail_in_libcurl(const struct km_transfer *transfer, struct km_error *err)
{
  if (transfer->code == CURLE_PEER_FAILED_VERIFICATION) {
    return fail_verification(transfer, err);
  }
  if (transfer->code == CURLE_COULDNT_CONNECT) {
    return fail_connect(transfer, err);
  }
  if (transfer->code == CURLE_OPERATION_TIMEDOUT) { /* the only time limit libcurl is given */
    return fail_connect_deadline(transfer, err);
  }
  if (transfer->code == CURLE_RECV_ERROR && header_bytes(transfer) > 0) {
    return fail(transfer, header_bytes(transfer) > HEADERS_LIMIT ? &headers_too_large : &broke_within, err);
  }
  return fail(transfer, find_failure(transfer->code), err);
}

/* The connection went away under a request that may have been as good as any. CURLE_HTTP2 is also what a GOAWAY that
 * leaves the request out ends in. */
static bool is_lost(CURLcode code)
{
  return code == CURLE_GOT_NOTHING || code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR ||
         code == CURLE_PARTIAL_FILE || code == CURLE_HTTP2 || code == CURLE_HTTP2_STREAM;
}

enum km_rc km_transfer_error(const struct km_transfer *transfer, struct km_error *err)
{
  switch (transfer->end) {
  case KM_END_DEADLINE: return fail_deadline(transfer, err);
  case KM_END_CLOSED:
    return km_error_set(err, KM_E_CANCELLED, "the client of %s was closed",
                        transfer->client->target.authority);
  case KM_END_CANCELLED: return km_cancel_check(transfer->request->cancel, err);
  case KM_END_CURL: break;
  }
  enum km_rc rc = transfer->too_large ? fail_too_large(transfer, err) : fail_in_libcurl(transfer, err);
  if (!transfer->too_large && is_lost(transfer->code)) {
    (void)km_strcopy(err->reason, sizeof(err->reason), "ConnectionLost");
  }
  return rc;
}
