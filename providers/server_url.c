/* The form in which the URL of an API server goes on.
 *
 * Owns nothing. kubectl takes a URL without scheme as plain http and ignores credentials in it; both are refused here,
 * because the one sends requests unprotected that look protected, and the other is a password in the wrong place. What
 * cannot be taken apart is not kept, since it might hide credentials that a listing would then show. */
#include "server_url.h"

#include <string.h>
#include <strings.h>

#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

bool km_has_control_chars(const char *text, size_t len)
{
  for (size_t i = 0; i < len; i++) {
    if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
      return true;
    }
  }
  return false;
}

/* True if PORT is empty, or ":" and a number from 1 to 65535. */
static bool port_is_valid(const char *port, size_t len)
{
  char digits[6] = "";
  uint64_t value = 0;
  if (len == 0) {
    return true;
  }
  if (port[0] != ':' || len - 1 >= sizeof(digits)) {
    return false;
  }
  memcpy(digits, port + 1, len - 1);
  return km_parse_u64(digits, &value) && value >= 1 && value <= 65535;
}

/* Names may be internationalised; a v6 address may carry a zone. */
static bool is_host_char(char c, bool is_v6)
{
  if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.') {
    return true;
  }
  return is_v6 ? c == ':' || c == '%' : c == '-' || c == '_' || (unsigned char)c >= 0x80;
}

/* True if AUTHORITY, without userinfo, is host[:port] or [v6][:port]. */
static bool authority_is_valid(const char *authority, size_t len)
{
  bool is_v6 = len > 0 && authority[0] == '[';
  size_t start = is_v6 ? 1 : 0;
  size_t end = start;
  while (end < len && is_host_char(authority[end], is_v6)) {
    end++;
  }
  bool is_empty = end == start;
  if (is_v6) {
    if (end == len || authority[end] != ']') {
      return false;
    }
    end++;
  }
  return !is_empty && port_is_valid(authority + end, len - end);
}

/* The scheme of URL in lower case, or NULL if it is none of ours. */
static const char *scheme_of(const char *url)
{
  if (strncasecmp(url, "https://", strlen("https://")) == 0) {
    return "https";
  }
  return strncasecmp(url, "http://", strlen("http://")) == 0 ? "http" : NULL;
}

const char *km_server_url_normalise(struct km_arena *arena, const char *text, const char **ret)
{
  const char *scheme = scheme_of(text);
  if (scheme == NULL) {
    return "does not start with https:// or http://";
  }
  const char *authority = text + strlen(scheme) + strlen("://");
  const char *path = authority + strcspn(authority, "/?#");
  const char *userinfo_end = memrchr(authority, '@', (size_t)(path - authority));
  const char *host = userinfo_end != NULL ? userinfo_end + 1 : authority;
  size_t host_len = (size_t)(path - host);
  size_t path_len = strcspn(path, "?#");
  while (path_len > 0 && path[path_len - 1] == '/') {
    path_len--;
  }
  if (!authority_is_valid(host, host_len) || km_has_control_chars(path, path_len)) {
    return "is not a valid URL";
  }
  *ret = km_arena_printf(arena, "%s://%.*s%.*s", scheme, (int)host_len, host, (int)path_len, path);
  return userinfo_end != NULL ? "URL holds credentials; put them into a user's username and password" : NULL;
}

bool km_proxy_url_is_supported(const char *url)
{
  static const char *const schemes[] = {"http://", "https://", "socks5://"};
  for (size_t i = 0; i < KM_ARRAY_LEN(schemes); i++) {
    size_t len = strlen(schemes[i]);
    if (strncasecmp(url, schemes[i], len) == 0 && url[len] != '\0') {
      return !km_has_control_chars(url, strlen(url));
    }
  }
  return false;
}
