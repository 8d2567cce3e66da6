/* Base URLs: taking them apart, and the detour that makes libcurl verify another name than the one it
 * connects to.
 *
 * libcurl takes the name for SNI and verification from the URL. For a tls-server-name the URL therefore
 * carries that name, CURLOPT_CONNECT_TO leads the connection to the real host, and an explicit Host header
 * tells the server what it would have heard otherwise. Parsing itself is libcurl's. A URL with a user or
 * password is refused: credentials come as such, and a URL appears in messages. Stateless and thread-safe;
 * needs no initialised libcurl. */
#include "target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "curl_api.h"
#include "kube_mcp/base/buf.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/net/http.h"

#include "kube_mcp/base/banned.h"

#define URL_MAX_BYTES  ((size_t)8192)
#define NAME_MAX_BYTES ((size_t)253)

static void free_url(CURLU **url)
{
  curl_url_cleanup(*url);
}

static void free_part(char **part)
{
  curl_free(*part);
}

static char *format_text(const char *format, ...) KM_PRINTF(1, 2);

static char *format_text(const char *format, ...)
{
  char *text = NULL;
  va_list args;
  va_start(args, format);
  int len = vasprintf(&text, format, args);
  va_end(args);
  KM_ASSERT(len >= 0);
  return text;
}

/* NAME as it stands in a URL: IPv6 addresses in brackets. */
static char *bracketed(const char *name)
{
  return strchr(name, ':') != NULL && name[0] != '[' ? format_text("[%s]", name) : format_text("%s", name);
}

static bool has_part(CURLU *url, CURLUPart part)
{
  KM_CLEANUP(free_part) char *text = NULL;
  return curl_url_get(url, part, &text, 0) == CURLUE_OK;
}

/* Nothing but scheme, host, port and path has a meaning here. */
static enum km_rc refuse_extras(CURLU *url, struct km_error *err)
{
  if (has_part(url, CURLUPART_USER) || has_part(url, CURLUPART_PASSWORD)) {
    km_error_set(err, KM_E_INVALID, "the server URL holds a user name or password");
    return km_error_hint(err, "remove it from the URL and give the credential in the user entry");
  }
  if (has_part(url, CURLUPART_QUERY) || has_part(url, CURLUPART_FRAGMENT)) {
    return km_error_set(err, KM_E_INVALID,
                        "the server URL has a query or fragment; only a path prefix may follow "
                        "the host");
  }
  return KM_OK;
}

static enum km_rc parse_parts(CURLU *url, const char *base_url, struct km_target *target,
                              struct km_error *err)
{
  CURLUcode code = curl_url_set(url, CURLUPART_URL, base_url, CURLU_NON_SUPPORT_SCHEME | CURLU_DISALLOW_USER);
  if (code == CURLUE_USER_NOT_ALLOWED) { /* parse again for the message only */
    code = curl_url_set(url, CURLUPART_URL, base_url, CURLU_NON_SUPPORT_SCHEME);
  }
  if (code != CURLUE_OK) {
    return km_error_set(err, KM_E_INVALID, "the server URL is malformed: %s", curl_url_strerror(code));
  }
  enum km_rc rc = refuse_extras(url, err);
  if (rc != KM_OK) {
    return rc;
  }
  KM_CLEANUP(free_part) char *scheme = NULL, *host = NULL, *port = NULL;
  (void)curl_url_get(url, CURLUPART_SCHEME, &scheme, 0);
  if (!km_streq(scheme, "https") && !km_streq(scheme, "http")) {
    return km_error_set(err, KM_E_INVALID, "the server URL has scheme '%s'; use https (or http)",
                        scheme != NULL ? scheme : "");
  }
  uint64_t number = 0;
  if (curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
      curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK ||
      !km_parse_u64(port, &number) || number == 0 || number > UINT16_MAX) {
    return km_error_set(err, KM_E_INVALID, "the server URL has no host, or a port out of range");
  }
  target->tls = km_streq(scheme, "https");
  target->port = (uint16_t)number;
  target->authority = format_text("%s:%u", host, (unsigned)target->port);
  size_t len = strlen(host);
  bool brackets = host[0] == '[' && len > 2;
  target->host = format_text("%.*s", (int)(brackets ? len - 2 : len), brackets ? host + 1 : host);
  return KM_OK;
}

/* Such a port stays out of the Host header. */
static bool is_default_port(const struct km_target *target)
{
  return target->port == (target->tls ? 443 : 80);
}

/* Replaces the host in URL by NAME, and notes how libcurl is to undo that. */
static enum km_rc take_other_name(CURLU *url, const char *name, struct km_target *target,
                                  struct km_error *err)
{
  if (strlen(name) > NAME_MAX_BYTES) {
    return km_error_set(err, KM_E_INVALID, "tls-server-name is longer than %zu bytes", NAME_MAX_BYTES);
  }
  KM_CLEANUP(free_part) char *host = NULL;
  (void)curl_url_get(url, CURLUPART_HOST, &host, 0);
  char *url_name = bracketed(name);
  CURLUcode code = curl_url_set(url, CURLUPART_HOST, url_name, 0);
  if (code != CURLUE_OK) {
    free(url_name);
    return km_error_set(err, KM_E_INVALID, "tls-server-name is not a host name: %s", curl_url_strerror(code));
  }
  target->host_header =
      is_default_port(target) ? format_text("Host: %s", host) : format_text("Host: %s", target->authority);
  target->connect_to = format_text("%s:%u:%s", url_name, (unsigned)target->port, target->authority);
  free(url_name);
  return KM_OK;
}

enum km_rc km_target_parse(const char *base_url, const char *tls_server_name, struct km_target *ret,
                           struct km_error *err)
{
  if (km_str_empty(base_url) || strlen(base_url) > URL_MAX_BYTES) {
    return km_error_set(err, KM_E_INVALID, "the server URL is empty or longer than %zu bytes", URL_MAX_BYTES);
  }
  KM_CLEANUP(free_url) CURLU *url = curl_url();
  KM_CLEANUP(free_part) char *whole = NULL;
  KM_CLEANUP(km_target_done) struct km_target target = {0};
  enum km_rc rc = parse_parts(url, base_url, &target, err);
  if (rc == KM_OK && target.tls && !km_str_empty(tls_server_name) &&
      !km_strcaseeq(tls_server_name, target.host)) {
    rc = take_other_name(url, tls_server_name, &target, err);
  }
  if (rc != KM_OK) {
    return rc;
  }
  CURLUcode code = curl_url_get(url, CURLUPART_URL, &whole, 0);
  if (code != CURLUE_OK) {
    return km_error_set(err, KM_E_INVALID, "the server URL is malformed: %s", curl_url_strerror(code));
  }
  size_t len = strlen(whole);
  while (len > 0 && whole[len - 1] == '/') {
    len--;
  }
  target.prefix_url = format_text("%.*s", (int)len, whole);
  *ret = target;
  target = (struct km_target){0};
  return KM_OK;
}

void km_target_done(struct km_target *target)
{
  free(target->host);
  free(target->authority);
  free(target->prefix_url);
  free(target->host_header);
  free(target->connect_to);
  *target = (struct km_target){0};
}

static bool is_unreserved(char c)
{
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

bool km_url_escape(struct km_buf *out, const char *text)
{
  static const char digits[] = "0123456789ABCDEF";
  for (const char *c = text; *c != '\0'; c++) {
    unsigned char byte = (unsigned char)*c;
    if (is_unreserved(*c)) {
      km_buf_putc(out, *c);
    } else {
      km_buf_append(out, (char[]){'%', digits[byte >> 4], digits[byte & 15]}, 3);
    }
  }
  return !out->failed;
}
