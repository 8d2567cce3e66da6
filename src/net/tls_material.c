/* Certificates and keys: into sealed memfds for libcurl, and out of PEM far enough to say what is wrong with
 * them.
 *
 * libcurl's GnuTLS flavour takes certificates as file names only, hence /proc/self/fd/N. A file is sealed
 * before its name is given away, so what was checked is what is used. The checks parse, compare and forget:
 * nothing is cached, nothing is written to disk, and messages name WHAT they are about, never a byte of it.
 * Stateless and thread-safe. */
#include "kube_mcp/net/tls_material.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kube_mcp/base/compiler.h"

#include "kube_mcp/base/banned.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3 */
#endif

#define KEY_ID_MAX 64

/* MFD_NOEXEC_SEAL is asked for because a kernel may be set to refuse memfds without it, and older ones do not
 * know it. */
static int create_memfd(const char *label)
{
  const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  int fd = memfd_create(label, flags | MFD_NOEXEC_SEAL);
  if (fd < 0 && errno == EINVAL) {
    fd = memfd_create(label, flags);
  }
  return fd;
}

static int write_all(int fd, const char *data, size_t len)
{
  while (len > 0) {
    ssize_t written = write(fd, data, len);
    if (written < 0) {
      if (errno == EINTR) {
        continue;
      }
      return errno;
    }
    data += written;
    len -= (size_t)written;
  }
  return 0;
}

enum km_rc km_tls_file_open(const char *label, const void *data, size_t len, struct km_tls_file *ret,
                            struct km_error *err)
{
  int fd = create_memfd(label);
  if (fd < 0) {
    return km_error_errno(err, errno, "cannot create memory for '%s'", label);
  }
  int error = write_all(fd, data, len);
  if (error == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0) {
    error = errno;
  }
  if (error != 0) {
    close(fd);
    return km_error_errno(err, error, "cannot fill memory for '%s'", label);
  }
  ret->fd = fd;
  (void)snprintf(ret->path, sizeof(ret->path), "/proc/self/fd/%d", fd);
  return KM_OK;
}

void km_tls_file_close(struct km_tls_file *file)
{
  if (file->fd >= 0) {
    close(file->fd);
  }
  *file = (struct km_tls_file){.fd = -1};
}

/* A datum that only reads; GnuTLS declares its inputs without const. */
static gnutls_datum_t borrow(const void *data, size_t len)
{
  return (gnutls_datum_t){.data = (unsigned char *)(uintptr_t)data, .size = (unsigned)len};
}

static void free_certificate(gnutls_x509_crt_t *cert)
{
  if (*cert != NULL) {
    gnutls_x509_crt_deinit(*cert);
  }
}

/* Tells "not PEM at all" (Base64 given twice, DER, a path) from damaged PEM. */
static bool is_pem(const void *pem, size_t len)
{
  static const char begin[] = "-----BEGIN ";
  return memmem(pem, len, begin, sizeof(begin) - 1) != NULL;
}

/* The first certificate of a list that is valid as a whole. */
static enum km_rc first_certificate(const void *pem, size_t len, const char *what, gnutls_x509_crt_t *ret,
                                    struct km_error *err)
{
  if (pem == NULL || len == 0) {
    return km_error_set(err, KM_E_INVALID, "%s is empty", what);
  }
  if (len > UINT_MAX) {
    return km_error_set(err, KM_E_TOO_LARGE, "%s is too large for a certificate (%zu bytes)", what, len);
  }
  if (!is_pem(pem, len)) {
    km_error_set(err, KM_E_INVALID, "%s is not in PEM format: it has no '-----BEGIN CERTIFICATE-----' line",
                 what);
    return km_error_hint(err,
                         "data keys of a kubeconfig hold PEM text in base64; files hold PEM text as it is");
  }
  gnutls_datum_t text = borrow(pem, len);
  gnutls_x509_crt_t *list = NULL;
  unsigned count = 0;
  int status = gnutls_x509_crt_list_import2(&list, &count, &text, GNUTLS_X509_FMT_PEM, 0);
  if (status == GNUTLS_E_NO_CERTIFICATE_FOUND) {
    return km_error_set(err, KM_E_INVALID, "%s holds no certificate", what);
  }
  if (status < 0 || count == 0) {
    return km_error_set(err, KM_E_INVALID, "%s is malformed: %s", what, gnutls_strerror(status));
  }
  *ret = list[0];
  for (unsigned i = 1; i < count; i++) {
    gnutls_x509_crt_deinit(list[i]);
  }
  gnutls_free(list);
  return KM_OK;
}

enum km_rc km_tls_check_certificates(const void *pem, size_t len, const char *what,
                                     int64_t *ret_not_before_ms, int64_t *ret_not_after_ms,
                                     struct km_error *err)
{
  KM_CLEANUP(free_certificate) gnutls_x509_crt_t cert = NULL;
  enum km_rc rc = first_certificate(pem, len, what, &cert, err);
  if (rc != KM_OK) {
    return rc;
  }
  if (ret_not_before_ms != NULL) {
    *ret_not_before_ms = (int64_t)gnutls_x509_crt_get_activation_time(cert) * 1000;
  }
  if (ret_not_after_ms != NULL) {
    *ret_not_after_ms = (int64_t)gnutls_x509_crt_get_expiration_time(cert) * 1000;
  }
  return KM_OK;
}

static void free_key(gnutls_x509_privkey_t *key)
{
  if (*key != NULL) {
    gnutls_x509_privkey_deinit(*key);
  }
}

/* Any key type in PKCS #8, PKCS #1 or SEC 1 form, without a passphrase. */
static enum km_rc import_key(const void *pem, size_t len, const char *what, gnutls_x509_privkey_t *ret,
                             struct km_error *err)
{
  if (pem == NULL || len == 0) {
    return km_error_set(err, KM_E_INVALID, "the key of %s is empty", what);
  }
  if (len > UINT_MAX || !is_pem(pem, len)) {
    return km_error_set(err, KM_E_INVALID, "the key of %s is not in PEM format: it has no '-----BEGIN' line",
                        what);
  }
  KM_CLEANUP(free_key) gnutls_x509_privkey_t key = NULL;
  int status = gnutls_x509_privkey_init(&key);
  if (status == 0) {
    gnutls_datum_t text = borrow(pem, len);
    status = gnutls_x509_privkey_import2(key, &text, GNUTLS_X509_FMT_PEM, NULL, 0);
  }
  if (status == GNUTLS_E_DECRYPTION_FAILED) {
    km_error_set(err, KM_E_INVALID, "the key of %s is protected by a passphrase", what);
    return km_error_hint(err, "store the key without a passphrase, readable only by its owner");
  }
  if (status != 0) {
    return km_error_set(err, KM_E_INVALID, "the key of %s is malformed: %s", what, gnutls_strerror(status));
  }
  *ret = KM_TAKE(key);
  return KM_OK;
}

enum km_rc km_tls_check_pair(const void *cert, size_t cert_len, const void *key, size_t key_len,
                             const char *what, struct km_error *err)
{
  KM_CLEANUP(free_certificate) gnutls_x509_crt_t certificate = NULL;
  KM_CLEANUP(free_key) gnutls_x509_privkey_t private_key = NULL;
  enum km_rc rc = first_certificate(cert, cert_len, what, &certificate, err);
  if (rc == KM_OK) {
    rc = import_key(key, key_len, what, &private_key, err);
  }
  if (rc != KM_OK) {
    return rc;
  }
  unsigned char cert_id[KEY_ID_MAX], key_id[KEY_ID_MAX];
  size_t cert_id_len = sizeof(cert_id), key_id_len = sizeof(key_id);
  int status = gnutls_x509_crt_get_key_id(certificate, 0, cert_id, &cert_id_len);
  if (status == 0) {
    status = gnutls_x509_privkey_get_key_id(private_key, 0, key_id, &key_id_len);
  }
  if (status != 0) {
    return km_error_set(err, KM_E_INVALID, "the key of %s cannot be compared with its certificate: %s", what,
                        gnutls_strerror(status));
  }
  if (cert_id_len != key_id_len || memcmp(cert_id, key_id, key_id_len) != 0) {
    km_error_set(err, KM_E_INVALID, "%s and its key do not belong together", what);
    return km_error_hint(
        err, "take certificate and key from the same source; one of them may have been renewed alone");
  }
  return KM_OK;
}
