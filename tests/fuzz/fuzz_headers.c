/* Host, Origin, media type and listen address: nothing is accepted that a browser could have been tricked into, however
 * it is written, and nothing is read beyond its end. The first line of the input is the header, the second the size of
 * the receiving buffer. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/transport/http_host.h"
#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_host(const char *text, size_t host_size)
{
  char host[256];
  if (!host_split(text, host, host_size)) {
    return;
  }
  size_t len = strlen(host);
  KM_ASSERT(len > 0 && len < host_size);
  for (size_t i = 0; i < len; i++) {
    unsigned char c = (unsigned char)host[i];
    KM_ASSERT((isalnum(c) && !isupper(c)) || strchr(".-_:", c) != NULL);
  }
  /* What was split can be written in the usual form and splits the same way. */
  char again[300], second[256];
  (void)snprintf(again, sizeof(again), strchr(host, ':') != NULL ? "[%s]:1" : "%s:1", host);
  KM_ASSERT(host_split(again, second, sizeof(second)) && km_streq(host, second));
}

static void check_allowed(const char *text)
{
  static const char *const hosts[] = {"*.example.com"};
  static const char *const origins[] = {"https://app.example.org"};
  const struct bind_address bound = {.host = "192.0.2.1"};
  char host[256];
  if (host_allowed(text, &bound, hosts, KM_ARRAY_LEN(hosts))) {
    KM_ASSERT(host_split(text, host, sizeof(host)));
    KM_ASSERT(host_is_loopback(host) || km_streq(host, "192.0.2.1") || km_ends_with(host, ".example.com"));
  }
  if (origin_allowed(text, &bound, hosts, KM_ARRAY_LEN(hosts), origins, KM_ARRAY_LEN(origins))) {
    KM_ASSERT(origin_listed(text, origins, KM_ARRAY_LEN(origins)) || km_starts_with(text, "http://") ||
              km_starts_with(text, "https://"));
  }
}

static void check_media_type(const char *text)
{
  if (media_type_is(text, "application/json")) {
    const char *type = text + strspn(text, " \t");
    KM_ASSERT(strncasecmp(type, "application/json", 16) == 0 && strchr("; \t", type[16]) != NULL);
  }
}

static void check_address(const char *text)
{
  struct bind_address address;
  struct km_error err = {0};
  if (bind_address_parse(text, &address, &err) == KM_OK) {
    KM_ASSERT(address.port <= 65535 && address.sockaddr_len > 0);
    KM_ASSERT(address.sockaddr.ss_family == AF_INET || address.sockaddr.ss_family == AF_INET6);
  } else {
    KM_ASSERT(err.code == KM_E_INVALID && err.message[0] != '\0');
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  char *text = malloc(size + 1); /* exactly as long as the text, so that reading on is noticed */
  KM_ASSERT(text != NULL);
  memcpy(text, data, size);
  text[size] = '\0';
  char *rest = text;
  const char *header = strsep(&rest, "\n");
  size_t host_size = rest == NULL ? 256 : 1 + strlen(rest) % 255;
  check_host(header, host_size);
  check_allowed(header);
  check_media_type(header);
  check_address(header);
  free(text);
  return 0;
}
