/* Certificates and keys: sealed memfds, and what the checks say about good and bad PEM. */
#include "kube_mcp/net/tls_material.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kube_mcp/base/buf.h"
#include "net/pki.h"

#include "kube_mcp/base/banned.h"

static void test_file_is_sealed_and_readable_by_path(void **state)
{
  (void)state;
  static const char text[] = "some certificate";
  struct km_tls_file file;
  struct km_error err;
  assert_int_equal(km_tls_file_open("test", text, strlen(text), &file, &err), KM_OK);
  char back[64] = "";
  for (int i = 0; i < 2; i++) { /* every opening reads from the start */
    int fd = open(file.path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, back, sizeof(back)), strlen(text));
    assert_memory_equal(back, text, strlen(text));
    close(fd);
  }
  assert_int_equal(pwrite(file.fd, "x", 1, 0), -1);
  assert_int_equal(errno, EPERM);
  assert_int_equal(ftruncate(file.fd, 0), -1);
  assert_int_equal(fcntl(file.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  assert_int_equal(fcntl(file.fd, F_GET_SEALS) & F_SEAL_SEAL, F_SEAL_SEAL);
  int fd = file.fd;
  km_tls_file_close(&file);
  assert_int_equal(file.fd, -1);
  assert_int_equal(fcntl(fd, F_GETFD), -1);
  km_tls_file_close(&file); /* twice is harmless */
}

static void test_large_and_empty_files(void **state)
{
  (void)state;
  struct km_tls_file file;
  struct km_error err;
  size_t len = (size_t)3 << 20;
  char *data = test_malloc(len);
  memset(data, 'c', len);
  assert_int_equal(km_tls_file_open("large", data, len, &file, &err), KM_OK);
  assert_int_equal(lseek(file.fd, 0, SEEK_END), len);
  km_tls_file_close(&file);
  assert_int_equal(km_tls_file_open("empty", data, 0, &file, &err), KM_OK);
  km_tls_file_close(&file);
  test_free(data);
}

static void test_dates_of_the_first_certificate(void **state)
{
  (void)state;
  struct pki_pair ca = pki_authority("ca"), leaf = pki_server(&ca);
  struct km_buf chain;
  km_buf_init(&chain, 65536);
  km_buf_puts(&chain, "subject=whatever openssl prints\n");
  km_buf_append(&chain, leaf.cert_pem.data, leaf.cert_pem.len);
  km_buf_append(&chain, ca.cert_pem.data, ca.cert_pem.len);
  int64_t before = 0, after = 0, now = (int64_t)time(NULL) * 1000;
  struct km_error err;
  assert_int_equal(km_tls_check_certificates(chain.data, chain.len, "x", &before, &after, &err), KM_OK);
  assert_true(llabs(now - PKI_HOUR * 1000LL - before) < 10000);
  assert_true(llabs(now + PKI_HOUR * 1000LL - after) < 10000);
  assert_int_equal(km_tls_check_certificates(chain.data, chain.len, "x", NULL, NULL, &err), KM_OK);
  km_buf_done(&chain);
  pki_done(&leaf);
  pki_done(&ca);
}

static void expect_bad_certificate(const char *text, size_t len, const char *why)
{
  struct km_error err = {0};
  int64_t untouched = 42;
  assert_int_equal(km_tls_check_certificates(text, len, "authority of 'prod'", &untouched, NULL, &err),
                   KM_E_INVALID);
  assert_contains(err.message, "authority of 'prod'");
  assert_contains(err.message, why);
  assert_int_equal(untouched, 42);
}

static void test_bad_certificates_are_named(void **state)
{
  (void)state;
  static const char cut[] =
      "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIBATAK\n-----END CERTIFICATE-----\n";
  static const char open_end[] = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIBATAK\n";
  struct pki_pair ca = pki_authority("ca");
  expect_bad_certificate("", 0, "empty");
  expect_bad_certificate(NULL, 0, "empty");
  expect_bad_certificate("LS0tLS1CRUdJTg==", 16, "not in PEM format");
  expect_bad_certificate(cut, strlen(cut), "malformed");
  expect_bad_certificate(open_end, strlen(open_end), "authority");
  expect_bad_certificate(ca.key_pem.data, ca.key_pem.len, "authority");
  pki_done(&ca);
}

static enum km_rc check_pair(const struct km_secret *cert, const struct km_secret *key, struct km_error *err)
{
  return km_tls_check_pair(cert->data, cert->len, key->data, key->len, "user 'alice'", err);
}

static void test_pairs(void **state)
{
  (void)state;
  struct pki_pair ca = pki_authority("ca"), alice = pki_client(&ca, "alice"), bob = pki_client(&ca, "bob");
  struct km_error err = {0};
  assert_int_equal(check_pair(&alice.cert_pem, &alice.key_pem, &err), KM_OK);
  assert_int_equal(check_pair(&alice.cert_pem, &bob.key_pem, &err), KM_E_INVALID);
  assert_contains(err.message, "user 'alice'");
  assert_contains(err.message, "do not belong together");
  assert_true(err.hint[0] != '\0');
  assert_int_equal(check_pair(&alice.cert_pem, &alice.cert_pem, &err), KM_E_INVALID);
  assert_contains(err.message, "key of user 'alice'");
  struct km_secret empty = {0};
  assert_int_equal(check_pair(&alice.cert_pem, &empty, &err), KM_E_INVALID);
  assert_contains(err.message, "empty");
  assert_int_equal(check_pair(&empty, &alice.key_pem, &err), KM_E_INVALID);
  struct km_secret junk = {0};
  km_secret_set(&junk, "hunter2", 7);
  assert_int_equal(check_pair(&alice.cert_pem, &junk, &err), KM_E_INVALID);
  assert_contains(err.message, "not in PEM format");
  assert_null(strstr(err.message, "hunter2"));
  km_secret_done(&junk);
  pki_done(&bob);
  pki_done(&alice);
  pki_done(&ca);
}

static void test_encrypted_key_is_refused_by_name(void **state)
{
  (void)state;
  struct pki_pair ca = pki_authority("ca");
  gnutls_datum_t pem = {0};
  assert_int_equal(gnutls_x509_privkey_export2_pkcs8(ca.key, GNUTLS_X509_FMT_PEM, "secret",
                                                     GNUTLS_PKCS_PBES2_AES_256, &pem),
                   0);
  struct km_secret key = {0};
  km_secret_set(&key, pem.data, pem.size);
  gnutls_free(pem.data);
  struct km_error err = {0};
  assert_int_equal(check_pair(&ca.cert_pem, &key, &err), KM_E_INVALID);
  assert_contains(err.message, "passphrase");
  km_secret_done(&key);
  pki_done(&ca);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_file_is_sealed_and_readable_by_path),
      cmocka_unit_test(test_large_and_empty_files),
      cmocka_unit_test(test_dates_of_the_first_certificate),
      cmocka_unit_test(test_bad_certificates_are_named),
      cmocka_unit_test(test_pairs),
      cmocka_unit_test(test_encrypted_key_is_refused_by_name),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
