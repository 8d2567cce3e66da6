/* libcurl as a whole: its one-time initialisation and what this build of it can do.
 *
 * curl_global_init maps several MiB, so it happens with the first transfer of the process and not before; asking for
 * the version needs none of it. Owns two pthread_once guards and the version record libcurl keeps; both are written
 * once. libcurl is not cleaned up at exit: transfers of other threads could still be ending. Thread-safe. */
#include <curl/curl.h>
#include <pthread.h>

#include "http_client.h"
#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

/* The first libcurl whose HTTP/2 we trust unasked. Each of these reaches a Kubernetes client, and is fixed in:
 *   8.0.0   uploads spin or stall when the peer's window is full (curl #10618)
 *   8.1.0   bytes of a cancelled stream are never returned to the connection's window, so enough cancelled calls stop
 *           every other call on that connection (a9b7f72bc9); stalls with several streams of different pace (#11043)
 *   8.2.0   uploads stall around the peer's SETTINGS (#11426)
 *   8.14.0  a stream's window is not opened again (#16955)
 * 8.14.1 is also the first one a Debian release carries (13). */
#define FIRST_SOUND_HTTP2 0x080e00U

static const curl_version_info_data *version_info;

static void load_version_info(void)
{
  version_info = curl_version_info(CURLVERSION_NOW);
}

static const curl_version_info_data *get_version_info(void)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, load_version_info);
  return version_info;
}

static void init_library(void)
{
  KM_ASSERT(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

void km_http_library_init(void)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, init_library);
}

bool km_http_library_has_http2(void)
{
  return (get_version_info()->features & CURL_VERSION_HTTP2) != 0;
}

bool km_http_library_has_gnutls(void)
{
  const char *tls = get_version_info()->ssl_version;
  return tls != NULL && km_starts_with(tls, "GnuTLS");
}

bool km_http2_is_sound(void)
{
  return km_http_library_has_http2() && get_version_info()->version_num >= FIRST_SOUND_HTTP2;
}

const char *km_http_library_version(void)
{
  return get_version_info()->version;
}
