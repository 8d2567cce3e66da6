/* Which proxy a client uses.
 *
 * libcurl would read the environment itself, but by rules that differ from kubectl's (it does proxy loopback
 * addresses, it ignores HTTP_PROXY) and against the name in the URL, which is not the real host when a
 * tls-server-name is set. So the choice is made here, once per client, and libcurl is told the result. Rules
 * of NO_PROXY: comma-separated; "*"; "example.com" (and all below it), ".example.com" (only below it), an
 * address, a network in CIDR notation; each name or address with an optional ":port". Reads the environment;
 * keeps nothing; thread-safe while nobody calls setenv. */
#include "target.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "curl_api.h"
#include "kube_mcp/base/alloc.h"
#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

#define ENTRY_MAX_BYTES 256
#define SOCKS_PORT      "1080"

struct address {
  uint8_t bytes[16];
  unsigned bits; /* 32 or 128 */
};

/* An IPv4 or IPv6 address, the latter also in brackets. */
static bool parse_address(const char *text, struct address *ret)
{
  char bare[INET6_ADDRSTRLEN];
  size_t len = strlen(text);
  if (len > 2 && text[0] == '[' && text[len - 1] == ']') {
    if (len - 2 >= sizeof(bare)) {
      return false;
    }
    memcpy(bare, text + 1, len - 2);
    bare[len - 2] = '\0';
    text = bare;
  }
  if (inet_pton(AF_INET, text, ret->bytes) == 1) {
    ret->bits = 32;
    return true;
  }
  if (inet_pton(AF_INET6, text, ret->bytes) == 1) {
    ret->bits = 128;
    return true;
  }
  return false;
}

static bool same_network(const struct address *a, const struct address *b, unsigned prefix)
{
  if (a->bits != b->bits || prefix > a->bits) {
    return false;
  }
  unsigned whole = prefix / 8, rest = prefix % 8;
  unsigned mask = 0xFFU << (8 - rest) & 0xFFU;
  return memcmp(a->bytes, b->bytes, whole) == 0 &&
         (rest == 0 || (a->bytes[whole] & mask) == (b->bytes[whole] & mask));
}

/* As Go, and with it kubectl, has it: such hosts never take a proxy from the environment. */
static bool is_loopback(const char *host)
{
  struct address address;
  if (!parse_address(host, &address)) {
    return km_strcaseeq(host, "localhost");
  }
  return address.bits == 32 ? address.bytes[0] == 127
                            : memcmp(address.bytes, &in6addr_loopback, sizeof(in6addr_loopback)) == 0;
}

/* Cuts ":port" off ENTRY; false when it is a port other than PORT. Bare IPv6 addresses have no port. */
static bool port_agrees(char *entry, uint16_t port)
{
  char *colon = strrchr(entry, ':');
  if (colon == NULL || (strchr(entry, ':') != colon && colon[-1] != ']')) {
    return true;
  }
  uint64_t number = 0;
  if (!km_parse_u64(colon + 1, &number) || number != port) {
    return false;
  }
  *colon = '\0';
  return true;
}

/* ENTRY is ADDRESS/PREFIX, SLASH points to its slash. */
static bool network_matches(const char *entry, const char *slash, const char *host)
{
  char base[INET6_ADDRSTRLEN + 2];
  struct address network, address;
  uint64_t prefix = 0;
  size_t len = (size_t)(slash - entry);
  if (len >= sizeof(base)) {
    return false;
  }
  memcpy(base, entry, len);
  base[len] = '\0';
  return parse_address(base, &network) && parse_address(host, &address) && km_parse_u64(slash + 1, &prefix) &&
         prefix <= network.bits && same_network(&network, &address, (unsigned)prefix);
}

/* "example.com" matches itself and what lies below it, ".example.com" and "*.example.com" only the latter. */
static bool name_matches(const char *entry, const char *host)
{
  if (entry[0] == '*' && entry[1] == '.') {
    entry++;
  }
  size_t entry_len = strlen(entry), host_len = strlen(host);
  if (entry_len == 0 || entry_len > host_len) {
    return false;
  }
  const char *tail = host + (host_len - entry_len);
  if (!km_strcaseeq(tail, entry)) {
    return false;
  }
  return entry[0] == '.' ? tail != host : tail == host || tail[-1] == '.';
}

static bool entry_matches(char *entry, const char *host, uint16_t port)
{
  if (km_streq(entry, "*")) {
    return true;
  }
  const char *slash = strchr(entry, '/');
  if (slash != NULL) {
    return network_matches(entry, slash, host);
  }
  if (!port_agrees(entry, port)) {
    return false;
  }
  struct address wanted, address;
  if (parse_address(entry, &wanted)) {
    return parse_address(host, &address) && same_network(&wanted, &address, wanted.bits);
  }
  return name_matches(entry, host);
}

bool km_no_proxy_match(const char *list, const char *host, uint16_t port)
{
  static const char blanks[] = " \t";
  while (*list != '\0') {
    size_t len = strcspn(list, ",");
    size_t start = strspn(list, blanks);
    size_t end = len;
    while (end > start && strchr(blanks, list[end - 1]) != NULL) {
      end--;
    }
    char entry[ENTRY_MAX_BYTES];
    if (end > start && end - start < sizeof(entry)) {
      memcpy(entry, list + start, end - start);
      entry[end - start] = '\0';
      if (entry_matches(entry, host, port)) {
        return true;
      }
    }
    list += list[len] == ',' ? len + 1 : len;
  }
  return false;
}

static const char *environment(const char *upper, const char *lower)
{
  const char *value = getenv(upper);
  if (km_str_empty(value)) {
    value = getenv(lower);
  }
  return km_str_empty(value) ? NULL : value;
}

/* NULL: no proxy for TARGET. */
static const char *from_environment(const struct km_target *target)
{
  const char *url =
      target->tls ? environment("HTTPS_PROXY", "https_proxy") : environment("HTTP_PROXY", "http_proxy");
  if (url == NULL || is_loopback(target->host)) {
    return NULL;
  }
  const char *exceptions = environment("NO_PROXY", "no_proxy");
  return exceptions != NULL && km_no_proxy_match(exceptions, target->host, target->port) ? NULL : url;
}

static void free_url(CURLU **url)
{
  curl_url_cleanup(*url);
}

static void free_part(char **part)
{
  curl_free(*part);
}

/* Fills RET from TEXT. ORIGIN names where it comes from, because the URL itself may hold a password. */
static enum km_rc parse_proxy(const char *text, const char *origin, struct km_proxy *ret,
                              struct km_error *err)
{
  KM_CLEANUP(free_url) CURLU *url = curl_url();
  CURLUcode code = curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME | CURLU_DEFAULT_SCHEME);
  if (code != CURLUE_OK) {
    return km_error_set(err, KM_E_INVALID, "%s is not a proxy URL: %s", origin, curl_url_strerror(code));
  }
  if (strstr(text, "://") == NULL) {
    (void)curl_url_set(url, CURLUPART_SCHEME, "http", 0); /* the default above is https */
  }
  KM_CLEANUP(free_part) char *scheme = NULL, *host = NULL, *port = NULL, *whole = NULL;
  (void)curl_url_get(url, CURLUPART_SCHEME, &scheme, 0);
  bool socks = km_streq(scheme, "socks5") || km_streq(scheme, "socks5h");
  if (!socks && !km_streq(scheme, "http") && !km_streq(scheme, "https")) {
    return km_error_set(err, KM_E_INVALID, "%s has scheme '%s'; use http, https or socks5", origin,
                        scheme != NULL ? scheme : "");
  }
  if (socks) { /* the proxy resolves the name, as kubectl has it */
    (void)curl_url_set(url, CURLUPART_SCHEME, "socks5h", CURLU_NON_SUPPORT_SCHEME);
  }
  bool has_port = curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK;
  const char *number = has_port ? port : SOCKS_PORT;
  (void)curl_url_set(url, CURLUPART_PORT, number, 0); /* else libcurl takes 1080 for http, too */
  (void)curl_url_get(url, CURLUPART_HOST, &host, 0);
  if (curl_url_get(url, CURLUPART_URL, &whole, 0) != CURLUE_OK) {
    return km_error_set(err, KM_E_INVALID, "%s is not a proxy URL", origin);
  }
  int len = asprintf(&ret->authority, "%s:%s", host, number);
  KM_ASSERT(len >= 0);
  ret->url = km_strdup(whole);
  return KM_OK;
}

enum km_rc km_proxy_choose(const char *explicit_url, const struct km_target *target, struct km_proxy *ret,
                           struct km_error *err)
{
  if (!km_str_empty(explicit_url)) {
    return parse_proxy(explicit_url, "proxy-url", ret, err);
  }
  const char *url = from_environment(target);
  if (url != NULL) {
    return parse_proxy(url, target->tls ? "HTTPS_PROXY" : "HTTP_PROXY", ret, err);
  }
  ret->url = km_strdup("");
  ret->authority = NULL;
  return KM_OK;
}

void km_proxy_done(struct km_proxy *proxy)
{
  free(proxy->url);
  free(proxy->authority);
  *proxy = (struct km_proxy){0};
}
