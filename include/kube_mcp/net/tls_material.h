/* Certificates and keys in memory, handed to libcurl as /proc/self/fd/N of sealed memfds. */
#ifndef KM_NET_TLS_MATERIAL_H
#define KM_NET_TLS_MATERIAL_H

#include <stddef.h>
#include <stdint.h>

#include "kube_mcp/base/error.h"

struct km_tls_file {
  int fd;        /* -1 = none */
  char path[32]; /* "/proc/self/fd/N" */
};

/* A sealed, close-on-exec memfd with LEN bytes. LABEL appears in /proc only. */
enum km_rc km_tls_file_open(const char *label, const void *data, size_t len, struct km_tls_file *ret,
                            struct km_error *err);
void km_tls_file_close(struct km_tls_file *file);

/* Parses PEM certificates; what is wrong is said with WHAT ("certificate-authority-data of cluster 'x'").
 * RET_NOT_AFTER_MS (may be NULL) gets the earliest expiry of the first certificate. */
enum km_rc km_tls_check_certificates(const void *pem, size_t len, const char *what,
                                     int64_t *ret_not_before_ms, int64_t *ret_not_after_ms,
                                     struct km_error *err);
/* That KEY is a private key in PEM and belongs to the first certificate of CERT. */
enum km_rc km_tls_check_pair(const void *cert, size_t cert_len, const void *key, size_t key_len,
                             const char *what, struct km_error *err);

#endif
