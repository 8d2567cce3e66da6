/* Certificates made on the fly: a throwaway authority, and what it issues. */
#ifndef KM_TESTS_UNIT_NET_PKI_H
#define KM_TESTS_UNIT_NET_PKI_H

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <time.h>

#include "kube_mcp/base/crypto.h"
#include "testing.h"

#define PKI_HOUR 3600

/* PEM in text form; free with pki_done. */
struct pki_pair {
  gnutls_x509_crt_t crt;
  gnutls_x509_privkey_t key;
  struct km_secret cert_pem, key_pem;
};

struct pki_request {
  const char *cn;
  const char *dns;              /* NULL = none */
  bool loopback;                /* 127.0.0.1 and ::1 as addresses */
  time_t not_before, not_after; /* relative to now */
};

static inline void pki_export(struct pki_pair *pair)
{
  gnutls_datum_t out = {0};
  assert_int_equal(gnutls_x509_crt_export2(pair->crt, GNUTLS_X509_FMT_PEM, &out), 0);
  km_secret_set(&pair->cert_pem, out.data, out.size);
  gnutls_free(out.data);
  assert_int_equal(gnutls_x509_privkey_export2_pkcs8(pair->key, GNUTLS_X509_FMT_PEM, NULL, 0, &out), 0);
  km_secret_set(&pair->key_pem, out.data, out.size);
  gnutls_free(out.data);
}

/* CA NULL: self-signed, an authority. */
static inline struct pki_pair pki_issue(const struct pki_pair *ca, const struct pki_request *request)
{
  static unsigned char serial = 0;
  static const unsigned char v4[4] = {127, 0, 0, 1};
  static const unsigned char v6[16] = {[15] = 1};
  struct pki_pair pair = {0};
  gnutls_x509_privkey_init(&pair.key);
  assert_int_equal(gnutls_x509_privkey_generate(pair.key, GNUTLS_PK_ECDSA,
                                                GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
                   0);
  gnutls_x509_crt_init(&pair.crt);
  gnutls_x509_crt_set_version(pair.crt, 3);
  serial++;
  gnutls_x509_crt_set_serial(pair.crt, &serial, 1);
  gnutls_x509_crt_set_activation_time(pair.crt, time(NULL) + request->not_before);
  gnutls_x509_crt_set_expiration_time(pair.crt, time(NULL) + request->not_after);
  gnutls_x509_crt_set_dn_by_oid(pair.crt, GNUTLS_OID_X520_COMMON_NAME, 0, request->cn,
                                (unsigned)strlen(request->cn));
  gnutls_x509_crt_set_key(pair.crt, pair.key);
  gnutls_x509_crt_set_basic_constraints(pair.crt, ca == NULL, -1);
  if (request->dns != NULL) {
    gnutls_x509_crt_set_subject_alt_name(pair.crt, GNUTLS_SAN_DNSNAME, request->dns,
                                         (unsigned)strlen(request->dns), GNUTLS_FSAN_APPEND);
  }
  if (request->loopback) {
    gnutls_x509_crt_set_subject_alt_name(pair.crt, GNUTLS_SAN_IPADDRESS, v4, sizeof(v4), GNUTLS_FSAN_APPEND);
    gnutls_x509_crt_set_subject_alt_name(pair.crt, GNUTLS_SAN_IPADDRESS, v6, sizeof(v6), GNUTLS_FSAN_APPEND);
  }
  const struct pki_pair *signer = ca != NULL ? ca : &pair;
  assert_int_equal(gnutls_x509_crt_sign2(pair.crt, signer->crt, signer->key, GNUTLS_DIG_SHA256, 0), 0);
  pki_export(&pair);
  return pair;
}

static inline struct pki_pair pki_authority(const char *cn)
{
  return pki_issue(NULL, &(struct pki_request){.cn = cn, .not_before = -PKI_HOUR, .not_after = PKI_HOUR});
}

static inline struct pki_pair pki_server(const struct pki_pair *ca)
{
  return pki_issue(ca, &(struct pki_request){.cn = "localhost",
                                             .dns = "localhost",
                                             .loopback = true,
                                             .not_before = -PKI_HOUR,
                                             .not_after = PKI_HOUR});
}

static inline struct pki_pair pki_client(const struct pki_pair *ca, const char *cn)
{
  return pki_issue(ca, &(struct pki_request){.cn = cn, .not_before = -PKI_HOUR, .not_after = PKI_HOUR});
}

static inline void pki_done(struct pki_pair *pair)
{
  gnutls_x509_crt_deinit(pair->crt);
  gnutls_x509_privkey_deinit(pair->key);
  km_secret_done(&pair->cert_pem);
  km_secret_done(&pair->key_pem);
}

#endif
