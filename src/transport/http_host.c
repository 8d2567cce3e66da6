/* Host, Origin and address checks. Whatever does not parse is refused. */
#include "http_host.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

bool host_split(const char *text, char *host, size_t size)
{
  const char *end = NULL, *rest = NULL;
  if (*text == '[') {
    text++;
    end = strchr(text, ']');
    rest = end == NULL ? NULL : end + 1;
  } else {
    end = text + strcspn(text, ":");
    rest = end;
  }
  if (rest == NULL || end == text || (size_t)(end - text) >= size) {
    return false;
  }
  if (*rest == ':') {
    uint64_t port = 0;
    if (!km_parse_u64(rest + 1, &port) || port > 65535) {
      return false;
    }
  } else if (*rest != '\0') {
    return false;
  }
  size_t len = (size_t)(end - text);
  for (size_t i = 0; i < len; i++) {
    unsigned char c = (unsigned char)text[i];
    if (!isalnum(c) && c != '.' && c != '-' && c != '_' && c != ':') {
      return false;
    }
    host[i] = (char)tolower(c);
  }
  host[len] = '\0';
  return true;
}

bool host_is_loopback(const char *host)
{
  struct in_addr v4;
  struct in6_addr v6;
  if (km_streq(host, "localhost") || km_streq(host, "localhost.")) {
    return true;
  }
  if (inet_pton(AF_INET, host, &v4) == 1) {
    return (ntohl(v4.s_addr) >> 24) == 127;
  }
  return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static bool matches_any(const char *text, const char *const *globs, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    if (km_glob_match(globs[i], text)) {
      return true;
    }
  }
  return false;
}

bool host_allowed(const char *header, const struct bind_address *bound, const char *const *allowed,
                  size_t count)
{
  char host[256];
  if (header == NULL || !host_split(header, host, sizeof(host))) {
    return false;
  }
  if (host_is_loopback(host) || km_streq(host, bound->host)) {
    return true;
  }
  return matches_any(host, allowed, count) || matches_any(header, allowed, count);
}

bool origin_listed(const char *header, const char *const *origins, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    if (km_strcaseeq(header, origins[i])) {
      return true;
    }
  }
  return false;
}

bool origin_allowed(const char *header, const struct bind_address *bound, const char *const *hosts,
                    size_t host_count, const char *const *origins, size_t origin_count)
{
  if (origin_listed(header, origins, origin_count)) {
    return true;
  }
  const char *host = km_starts_with(header, "http://")    ? header + 7
                     : km_starts_with(header, "https://") ? header + 8
                                                          : NULL;
  return host != NULL && host_allowed(host, bound, hosts, host_count);
}

bool media_type_is(const char *value, const char *type)
{
  if (value == NULL) {
    return false;
  }
  value += strspn(value, " \t");
  size_t len = strcspn(value, "; \t");
  return len == strlen(type) && strncasecmp(value, type, len) == 0;
}

static bool fill_sockaddr(struct bind_address *address)
{
  struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&address->sockaddr;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)&address->sockaddr;
  const char *host = km_streq(address->host, "localhost") ? "127.0.0.1" : address->host;
  if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons((uint16_t)address->port);
    address->sockaddr_len = sizeof(*v4);
    return true;
  }
  if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((uint16_t)address->port);
    address->sockaddr_len = sizeof(*v6);
    return true;
  }
  return false;
}

enum km_rc bind_address_parse(const char *text, struct bind_address *ret, struct km_error *err)
{
  struct bind_address address = {0};
  const char *colon = strrchr(text, ':');
  uint64_t port = 0;
  if (colon == NULL || !km_parse_u64(colon + 1, &port) || port > 65535) {
    km_error_set(err, KM_E_INVALID, "server.http.address must be HOST:PORT, not '%s'", text);
    return km_error_hint(err, "for example 127.0.0.1:8080 or [::1]:8080");
  }
  address.port = (unsigned)port;
  if (colon == text) {
    km_strcopy(address.host, sizeof(address.host), "0.0.0.0");
  } else if (!host_split(text, address.host, sizeof(address.host))) {
    return km_error_set(err, KM_E_INVALID, "server.http.address '%s' has no valid host", text);
  }
  if (!fill_sockaddr(&address)) {
    km_error_set(err, KM_E_INVALID, "server.http.address: '%s' is not a numeric address", address.host);
    return km_error_hint(err, "use an IP address of this machine, or localhost");
  }
  address.loopback = host_is_loopback(address.host);
  *ret = address;
  return KM_OK;
}
