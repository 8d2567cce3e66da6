/* Keys for one cluster: a CA, what it signed, and a CA that signed nothing. All ECDSA: quick to make. */
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>
#include <time.h>

#include "kube_mcp/base/crypto.h"
#include "sim.h"

#include "kube_mcp/base/banned.h"

#define DAY ((time_t)24 * 3600)

struct entity {
  gnutls_x509_privkey_t key;
  gnutls_x509_crt_t certificate;
};

struct wish {
  const char *name, *group; /* CN and O */
  bool authority, server;
  time_t begins, ends; /* relative to now */
};

static void entity_done(struct entity *entity)
{
  gnutls_x509_crt_deinit(entity->certificate);
  gnutls_x509_privkey_deinit(entity->key);
}

static int add_names(gnutls_x509_crt_t certificate)
{
  static const unsigned char loopback[] = {127, 0, 0, 1};
  static const char *const hosts[] = {"localhost", "kubernetes", "kubernetes.default.svc"};
  int rc = gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_IPADDRESS, loopback, sizeof(loopback),
                                                GNUTLS_FSAN_APPEND);
  for (size_t i = 0; rc == 0 && i < KM_ARRAY_LEN(hosts); i++) {
    rc = gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_DNSNAME, hosts[i],
                                              (unsigned)strlen(hosts[i]), GNUTLS_FSAN_APPEND);
  }
  return rc;
}

static int describe(gnutls_x509_crt_t certificate, const struct wish *wish)
{
  unsigned char serial[16];
  km_random(serial, sizeof(serial));
  serial[0] &= 0x7f;
  time_t now = time(NULL);
  int rc = gnutls_x509_crt_set_version(certificate, 3);
  rc = rc != 0 ? rc : gnutls_x509_crt_set_serial(certificate, serial, sizeof(serial));
  rc = rc != 0 ? rc : gnutls_x509_crt_set_activation_time(certificate, now + wish->begins);
  rc = rc != 0 ? rc : gnutls_x509_crt_set_expiration_time(certificate, now + wish->ends);
  rc = rc != 0 ? rc : gnutls_x509_crt_set_basic_constraints(certificate, wish->authority, -1);
  rc = rc != 0 ? rc
               : gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, wish->name,
                                               (unsigned)strlen(wish->name));
  if (rc == 0 && wish->group != NULL) {
    rc = gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_ORGANIZATION_NAME, 0, wish->group,
                                       (unsigned)strlen(wish->group));
  }
  if (rc != 0 || wish->authority) {
    return rc != 0 ? rc : gnutls_x509_crt_set_key_usage(certificate, GNUTLS_KEY_KEY_CERT_SIGN);
  }
  rc = gnutls_x509_crt_set_key_purpose_oid(
      certificate, wish->server ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT, 0);
  return rc != 0 || !wish->server ? rc : add_names(certificate);
}

static struct sim_pair export_pair(struct km_arena *arena, const struct entity *entity)
{
  gnutls_datum_t certificate = {0}, key = {0};
  KM_ASSERT(gnutls_x509_crt_export2(entity->certificate, GNUTLS_X509_FMT_PEM, &certificate) == 0);
  KM_ASSERT(gnutls_x509_privkey_export2(entity->key, GNUTLS_X509_FMT_PEM, &key) == 0);
  struct sim_pair pair = {.certificate =
                              km_arena_strndup(arena, (const char *)certificate.data, certificate.size),
                          .key = km_arena_strndup(arena, (const char *)key.data, key.size)};
  gnutls_free(certificate.data);
  gnutls_free(key.data);
  return pair;
}

/* ISSUER NULL: signs itself. RET is the caller's to let go, also on failure. */
static enum km_rc make(const struct wish *wish, const struct entity *issuer, struct entity *ret,
                       struct km_error *err)
{
  int rc = gnutls_x509_privkey_init(&ret->key);
  rc = rc != 0 ? rc : gnutls_x509_crt_init(&ret->certificate);
  rc = rc != 0 ? rc
               : gnutls_x509_privkey_generate(ret->key, GNUTLS_PK_ECDSA,
                                              GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
  rc = rc != 0 ? rc : describe(ret->certificate, wish);
  rc = rc != 0 ? rc : gnutls_x509_crt_set_key(ret->certificate, ret->key);
  const struct entity *signer = issuer == NULL ? ret : issuer;
  rc = rc != 0
           ? rc
           : gnutls_x509_crt_sign2(ret->certificate, signer->certificate, signer->key, GNUTLS_DIG_SHA256, 0);
  return rc == 0
             ? KM_OK
             : km_error_set(err, KM_E_INTERNAL, "making the key of %s: %s", wish->name, gnutls_strerror(rc));
}

enum km_rc sim_pki_make(struct km_arena *arena, const char *cluster, struct sim_pki *ret,
                        struct km_error *err)
{
  const char *ca_name = km_arena_printf(arena, "%s CA", cluster);
  const char *admin = km_arena_printf(arena, "admin@%s", cluster);
  const struct {
    struct wish wish;
    bool self_signed;
    struct sim_pair *pair;
  } rows[] = {
      {{"kube-apiserver", NULL, false, true, -DAY, 365 * DAY}, false, &ret->server},
      {{admin, "system:masters", false, false, -DAY, 365 * DAY}, false, &ret->admin},
      {{admin, "system:masters", false, false, -2 * DAY, -DAY}, false, &ret->expired},
      {{"other CA", NULL, true, false, -DAY, 365 * DAY}, true, &ret->other},
  };
  struct entity ca = {0};
  enum km_rc rc = make(&(struct wish){ca_name, NULL, true, false, -3 * DAY, 365 * DAY}, NULL, &ca, err);
  if (rc == KM_OK) {
    ret->ca = export_pair(arena, &ca);
  }
  for (size_t i = 0; rc == KM_OK && i < KM_ARRAY_LEN(rows); i++) {
    struct entity entity = {0};
    rc = make(&rows[i].wish, rows[i].self_signed ? NULL : &ca, &entity, err);
    if (rc == KM_OK) {
      *rows[i].pair = export_pair(arena, &entity);
    }
    entity_done(&entity);
  }
  entity_done(&ca);
  return rc;
}
