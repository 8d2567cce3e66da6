/* libcurl as a whole: loading it, its one-time initialisation, and what this build of it can do.
 *
 * curl_global_init maps several MiB, so it happens with the first transfer of the process and not before;
 * asking for the version needs none of it. Owns the loaded functions, pthread_once guards and the version
 * record libcurl keeps; all are written once. libcurl is not cleaned up at exit: transfers of other threads
 * could still be ending. Thread-safe. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "curl_api.h"
#include "http_client.h"
#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

/* The first libcurl whose HTTP/2 we trust unasked. Before it, and within reach of a Kubernetes client:
 *   < 8.0.0   a stream that is reset, or a connection that is closed, while others run can pass for a
 *             complete answer (curl #10693, #10715); uploads spin while the peer's window is full (#10618)
 *   < 8.2.0   uploads of more than 64 KiB can stall on a new connection (#11426)
 *   < 8.13.0  a session that nghttp2 has given up is not noticed, and its calls wait for their deadlines
 *             (#16544)
 * Stalls fixed later concern paused transfers; we pause none. */
#define FIRST_SOUND_HTTP2 0x080d00U

static const curl_version_info_data *version_info;

#ifndef KM_CURL_LINKED

/* Debian's GnuTLS flavour; elsewhere the only one there is. */
static const char *const library_names[] = {"libcurl-gnutls.so.4", "libcurl.so.4"};

static const struct {
  const char *name;
  size_t offset;
} functions[] = {
#define CURL_ROW(name) {"curl_" #name, offsetof(struct curl_api, name)},
    CURL_FUNCTIONS(CURL_ROW)
#undef CURL_ROW
};

static struct curl_api loaded;
static bool is_loaded;
static char load_failure[256];

static bool resolve_functions(void *library)
{
  for (size_t i = 0; i < KM_ARRAY_LEN(functions); i++) {
    void *function = dlsym(library, functions[i].name);
    if (function == NULL) {
      (void)snprintf(load_failure, sizeof(load_failure), "libcurl lacks %s: it is older than 7.83",
                     functions[i].name);
      return false;
    }
    memcpy((char *)&loaded + functions[i].offset, &function, sizeof(function));
  }
  return true;
}

static void load_library(void)
{
  for (size_t i = 0; i < KM_ARRAY_LEN(library_names); i++) {
    void *library = dlopen(library_names[i], RTLD_NOW | RTLD_LOCAL);
    if (library != NULL) {
      is_loaded = resolve_functions(library);
      return;
    }
    if (i == 0) {
      const char *reason = dlerror();
      (void)snprintf(load_failure, sizeof(load_failure), "%s",
                     reason == NULL ? "libcurl cannot be loaded" : reason);
    }
  }
}

static void ensure_loaded(void)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, load_library);
}

const struct curl_api *curl_api(void)
{
  ensure_loaded();
  KM_ASSERT(is_loaded);
  return &loaded;
}

enum km_rc km_http_library_load(struct km_error *err)
{
  ensure_loaded();
  if (is_loaded) {
    return KM_OK;
  }
  km_error_set(err, KM_E_INTERNAL, "libcurl cannot be used: %s", load_failure);
  return km_error_hint(err, "install it: libcurl3-gnutls on Debian 12, libcurl3t64-gnutls on Debian 13");
}

#else

enum km_rc km_http_library_load(struct km_error *err)
{
  (void)err;
  return KM_OK;
}

#endif

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
