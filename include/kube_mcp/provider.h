/* The provider contract: data out.
 *
 * A provider knows which contexts exist, where each is reached and who we are there. It never sees libcurl, never
 * builds a client, and answers from files and memory (credential() may also run a program or call a token service).
 * Life: fields parsed into a config struct -> open -> contexts/resolve/credential from many threads at once -> reload
 * from one thread while others call -> close. Implementations lock their own state (lock order: base/sync.h). */
#ifndef KM_PROVIDER_H
#define KM_PROVIDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kube_mcp/base/arena.h"
#include "kube_mcp/base/cancel.h"
#include "kube_mcp/base/clock.h"
#include "kube_mcp/base/crypto.h"
#include "kube_mcp/base/error.h"
#include "kube_mcp/config/field.h"

/* One context as `config_contexts_list` shows it. */
struct km_context_info {
  const char *name;
  const char *cluster;
  const char *user;
  const char *namespace; /* the context's default namespace, "" = none */
  const char *server;    /* URL without credentials */
  const char *problem;   /* why it cannot be used ("user 'x' is not defined"), or NULL */
};

struct km_context_list {
  struct km_context_info *items; /* in the order of the source */
  size_t count;
  const char *current; /* what an empty context means, or NULL when nothing does */
};

/* Where to talk to. All strings live in the arena given to resolve(). */
struct km_endpoint {
  const char *context;           /* the name it was resolved from */
  const char *server;            /* https://host:port[/prefix] */
  const char *tls_server_name;   /* or NULL */
  const char *proxy_url;         /* or NULL */
  const char *default_namespace; /* or NULL */
  const char *cluster, *user;    /* names, for messages */
  const char *ca_pem;            /* PEM or NULL = system trust */
  size_t ca_pem_len;
  bool insecure_skip_verify;
  bool disable_compression;
  struct { /* impersonation; NULL/0 = none */
    const char *user, *uid;
    const char *const *groups;
    size_t group_count;
    const char *const *extra; /* key, value, key, value ... */
    size_t extra_count;       /* pairs */
  } as;
  char identity[65]; /* hex SHA-256 over all of the above plus the source of the credential: two endpoints
                                    with equal identity may share a client, others never */
};

/* Who we are. Owned by the caller of credential(): km_credential_done wipes it. */
struct km_credential {
  struct km_secret bearer;
  struct km_secret user, password;    /* basic authentication */
  struct km_secret cert_pem, key_pem; /* client certificate */
  int64_t expires_wall_ms;            /* 0 = unknown */
};
static inline void km_credential_done(struct km_credential *credential)
{
  km_secret_done(&credential->bearer);
  km_secret_done(&credential->user);
  km_secret_done(&credential->password);
  km_secret_done(&credential->cert_pem);
  km_secret_done(&credential->key_pem);
  credential->expires_wall_ms = 0;
}

enum km_provider_caps {
  KM_PROVIDER_MULTI_CONTEXT = 1, /* the context argument chooses */
  KM_PROVIDER_RELOADS = 2,       /* reload() is worth calling */
  KM_PROVIDER_SPAWNS = 4,        /* credential() may run programs */
  KM_PROVIDER_REGISTERS = 8,     /* add/remove at run time */
};

struct km_provider;

struct km_provider_ops {
  const char *kind;              /* "kubeconfig": the value of [kubernetes] provider */
  unsigned caps;                 /* enum km_provider_caps */
  const struct km_field *fields; /* MAY be NULL: its own keys, values go to a struct of config_size bytes */
  size_t config_size;
  size_t state_size; /* allocated zeroed by the core and passed back as provider->state */

  /* MUST. Once, before anything else; provider->config is filled. May read files, must succeed quickly. When the
   * source is missing or broken it succeeds and lets contexts()/resolve() report it, so that the server starts. */
  enum km_rc (*open)(struct km_provider *provider, struct km_error *err);
  /* MUST. Any thread. Files only. */
  enum km_rc (*contexts)(struct km_provider *provider, struct km_arena *arena, struct km_context_list *ret,
                         struct km_error *err);
  /* MUST. Any thread. CONTEXT NULL or "" = the default. WRITES is true for mutating calls: a provider with one fixed
   * context refuses another name then (PRODUCT.md section 2). Files only; no network.
   * Errors: KM_E_NOT_FOUND with KM_TYPE_UNKNOWN_CONTEXT (names what exists and the nearest), KM_E_INVALID with
   * KM_TYPE_INVALID_KUBECONFIG and file:line where known. */
  enum km_rc (*resolve)(struct km_provider *provider, const char *context, bool writes,
                        struct km_arena *arena, struct km_endpoint *ret, struct km_error *err);
  /* MUST. Any thread; may block on files, programs or token services until DEADLINE or CANCEL. FORCE asks for a fresh
   * one after a 401. Errors: KM_E_UNAUTHENTICATED, KM_E_INVALID, KM_E_NOT_FOUND, KM_E_TIMEOUT, KM_E_CANCELLED. */
  enum km_rc (*credential)(struct km_provider *provider, const struct km_endpoint *endpoint, bool force,
                           km_deadline deadline, struct km_cancel *cancel, struct km_credential *ret,
                           struct km_error *err);
  /* MAY be NULL. One thread at a time, concurrent with the others: takes up changed files; on error the old state
   * stays. */
  enum km_rc (*reload)(struct km_provider *provider, bool *ret_changed, struct km_error *err);
  /* MAY be NULL (no KM_PROVIDER_REGISTERS): run-time registration. CONTENT is kubeconfig text. */
  enum km_rc (*add)(struct km_provider *provider, const char *id, const char *content, size_t len,
                    bool make_default, struct km_error *err);
  enum km_rc (*remove)(struct km_provider *provider, const char *id, struct km_error *err);
  /* MUST. Accepts half-open state. */
  void (*close)(struct km_provider *provider);
};

struct km_provider {
  const struct km_provider_ops *ops;
  const void *config;          /* struct described by ops->fields */
  const char *default_context; /* [kubernetes] context, or "" */
  void *state;
};

/* Every provider kind, NULL-terminated: providers/registry.c. */
extern const struct km_provider_ops *const km_providers[];
const struct km_provider_ops *km_provider_find(const char *kind); /* NULL if there is none */

/* Allocates state and opens. CONFIG and DEFAULT_CONTEXT must outlive the provider. */
enum km_rc km_provider_open(const struct km_provider_ops *ops, const void *config,
                            const char *default_context, struct km_provider **ret, struct km_error *err);
void km_provider_close(struct km_provider *provider); /* accepts NULL */

/* For implementations: fills endpoint->identity from its members and CREDENTIAL_SOURCE (a text that changes whenever the
 * credential's source does; hashed, never shown). */
void km_endpoint_seal(struct km_endpoint *endpoint, const char *credential_source);
/* The UnknownContext error: "context 'prdo' does not exist" + what exists + nearest as hint. */
enum km_rc km_unknown_context(struct km_error *err, const char *name, const struct km_context_list *list);

#endif
