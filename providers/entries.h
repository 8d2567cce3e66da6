/* A cluster and a user as a source describes them (a kubeconfig, our own TOML, a service account), and the endpoint and
 * credential that they give. The rules of use are kubectl's, whatever the source.
 *
 * Life: the source fills the plain members -> km_*_entry_prepare checks and completes -> read-only from then on, so
 * that any thread may use it. Texts belong to the source and must outlive every endpoint made from them. */
#ifndef KM_PROVIDERS_ENTRIES_H
#define KM_PROVIDERS_ENTRIES_H

#include "digest.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/provider.h"

/* Bounds of the files that entries name. */
#define KM_CERTIFICATE_MAX_BYTES ((size_t)1024 * 1024)
#define KM_TOKEN_MAX_BYTES       ((size_t)64 * 1024)
/* A credential that came from a token file is asked for again after this time, as client-go does. */
#define KM_TOKEN_FILE_TTL_MS ((int64_t)60 * 1000)

/* Why an entry cannot be used, as a whole sentence that starts with its label. TEXT NULL = it can. */
struct km_entry_problem {
  const char *text;
  enum km_error_type type;
};

struct km_cluster_entry {
  const char *name;
  const char *label;  /* for messages: "cluster 'prod' (/home/me/.kube/config:7)" */
  const char *server; /* as written; prepared: scheme://host[:port][/prefix], without credentials or query */
  const char *tls_server_name;
  const char *proxy_url;
  const char *ca_file; /* absolute */
  struct km_view ca_pem;
  bool insecure_skip_verify;
  bool disable_compression;
  struct km_entry_problem problem; /* the source's finding, else prepare's */
};

/* The thing itself, the file that holds it, or neither. */
struct km_entry_secret {
  const char *file; /* absolute */
  struct km_secret data;
};

struct km_user_entry {
  const char *name;
  const char *label;
  struct km_entry_secret token, certificate, key;
  const char *username;
  struct km_secret password;
  struct {
    const char *user, *uid;
    const char *const *groups;
    size_t group_count;
    const char *const *extra; /* key, value, key, value ... */
    size_t extra_count;       /* pairs */
  } as;
  const char *exec_command;        /* of an exec plugin, or NULL */
  const char *auth_provider;       /* name of the removed stanza, or NULL */
  struct km_entry_problem problem; /* the source's finding, else prepare's */
  char digest[KM_DIGEST_HEX_LEN];  /* set by prepare: changes with anything above */
};

/* What a context ties together. CLUSTER is never NULL; USER NULL = anonymous. */
struct km_entry_pair {
  const char *context;
  const char *namespace; /* or NULL */
  const struct km_cluster_entry *cluster;
  const struct km_user_entry *user;
  enum km_error_type error_type; /* of errors about these entries; KM_TYPE_DEFAULT = the category's */
};

/* Normalises and checks what can be told without touching a file; texts made on the way live in ARENA. */
void km_cluster_entry_prepare(struct km_cluster_entry *cluster, struct km_arena *arena);
void km_user_entry_prepare(struct km_user_entry *user, struct km_arena *arena);
void km_user_entry_done(struct km_user_entry *user); /* wipes the secrets */

/* PAIR as it is listed; the problem may also be that a file it names does not exist. */
struct km_context_info km_entry_pair_info(const struct km_entry_pair *pair, struct km_arena *arena);
/* The list of a source that has only PAIR. */
void km_entry_pair_list(const struct km_entry_pair *pair, struct km_arena *arena,
                        struct km_context_list *ret);
/* The endpoint of PAIR, sealed; reads the CA file. Blocking: files.
 * Ownership: ARENA and the source's memory; both must outlive RET. */
enum km_rc km_entry_pair_endpoint(const struct km_entry_pair *pair, struct km_arena *arena,
                                  struct km_endpoint *ret, struct km_error *err);
/* The credential of PAIR, read anew. Empty over plain http, where kubectl sends none either. Blocking: files. */
enum km_rc km_entry_pair_credential(const struct km_entry_pair *pair, struct km_credential *ret,
                                    struct km_error *err);

#endif
