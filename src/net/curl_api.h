/* libcurl, loaded with dlopen on first use instead of being linked: its twenty libraries would cost every
 * start 4-7 ms and 3 MiB (docs/performance.md). Files of src/net include this header in the place of
 * <curl/curl.h> and call libcurl as usual; the macros below send each call through the loaded library.
 *
 * With KM_CURL_LINKED the plain header is used instead, so that scripts/lint can let libcurl's own type
 * checks look at every curl_easy_setopt. */
#ifndef KM_NET_CURL_API_H
#define KM_NET_CURL_API_H

#ifdef KM_CURL_LINKED
#include <curl/curl.h>
#else
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

/* These four are macros that only count their arguments. */
#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_share_setopt
#undef curl_multi_setopt

/* Their names without "curl_". */
#define CURL_FUNCTIONS(X)                                                                                    \
  X(easy_cleanup)                                                                                            \
  X(easy_getinfo)                                                                                            \
  X(easy_header)                                                                                             \
  X(easy_init)                                                                                               \
  X(easy_pause)                                                                                              \
  X(easy_setopt)                                                                                             \
  X(easy_strerror)                                                                                           \
  X(free)                                                                                                    \
  X(getdate)                                                                                                 \
  X(global_init)                                                                                             \
  X(multi_add_handle)                                                                                        \
  X(multi_cleanup)                                                                                           \
  X(multi_info_read)                                                                                         \
  X(multi_init)                                                                                              \
  X(multi_remove_handle)                                                                                     \
  X(multi_setopt)                                                                                            \
  X(multi_socket_action)                                                                                     \
  X(url)                                                                                                     \
  X(url_cleanup)                                                                                             \
  X(url_get)                                                                                                 \
  X(url_set)                                                                                                 \
  X(url_strerror)                                                                                            \
  X(version_info)

struct curl_api {
#define CURL_MEMBER(name) __typeof__(curl_##name) *name;
  CURL_FUNCTIONS(CURL_MEMBER)
#undef CURL_MEMBER
};

/* The loaded library; loads it if need be, and aborts if that is impossible (km_http_library_load reports it
 * first). */
const struct curl_api *curl_api(void);

#define curl_easy_cleanup        (curl_api()->easy_cleanup)
#define curl_easy_getinfo        (curl_api()->easy_getinfo)
#define curl_easy_header         (curl_api()->easy_header)
#define curl_easy_init           (curl_api()->easy_init)
#define curl_easy_pause          (curl_api()->easy_pause)
#define curl_easy_setopt         (curl_api()->easy_setopt)
#define curl_easy_strerror       (curl_api()->easy_strerror)
#define curl_free                (curl_api()->free)
#define curl_getdate             (curl_api()->getdate)
#define curl_global_init         (curl_api()->global_init)
#define curl_multi_add_handle    (curl_api()->multi_add_handle)
#define curl_multi_cleanup       (curl_api()->multi_cleanup)
#define curl_multi_info_read     (curl_api()->multi_info_read)
#define curl_multi_init          (curl_api()->multi_init)
#define curl_multi_remove_handle (curl_api()->multi_remove_handle)
#define curl_multi_setopt        (curl_api()->multi_setopt)
#define curl_multi_socket_action (curl_api()->multi_socket_action)
#define curl_url                 (curl_api()->url)
#define curl_url_cleanup         (curl_api()->url_cleanup)
#define curl_url_get             (curl_api()->url_get)
#define curl_url_set             (curl_api()->url_set)
#define curl_url_strerror        (curl_api()->url_strerror)
#define curl_version_info        (curl_api()->version_info)
#endif

#endif
