/* The configuration: defaults < file < drop-ins < environment < flags, checked as a whole or not at all. */
#ifndef KM_CONFIG_CONFIG_H
#define KM_CONFIG_CONFIG_H

#include <stdbool.h>

#include "kube_mcp/base/arena.h"
#include "kube_mcp/base/buf.h"
#include "kube_mcp/base/crypto.h"
#include "kube_mcp/base/error.h"
#include "kube_mcp/config/field.h"

enum km_transport_flag { KM_TRANSPORT_STDIO = 1, KM_TRANSPORT_HTTP = 2 };

struct km_config_server {
  struct km_strings transports; /* "stdio", "http" */
  int log_level;                /* enum km_log_level */
  int log_format;               /* enum km_log_format */
  int64_t workers;              /* threads for short calls */
  int64_t max_result_bytes;     /* budget of one answer */
  int64_t max_call_bytes;       /* memory one call may take */
  const char *instructions;     /* text for the model; "" = built in */
  const char *tool_prefix;
};

struct km_config_http {
  const char *address;               /* host:port */
  const char *path;                  /* "/mcp" */
  struct km_strings allowed_hosts;   /* besides loopback names and the bound address */
  struct km_strings allowed_origins; /* besides same-origin loopback */
  int64_t max_body_bytes;
  int64_t connection_memory_bytes; /* header capacity of one connection */
  int64_t max_connections;
  int64_t idle_timeout_ms;
  int64_t session_ttl_ms;
  int64_t max_sessions;         /* open streams and remembered terminations */
  struct km_secret session_key; /* shared by replicas; empty = kept in the user's state folder */
  bool insecure_no_auth;        /* allow a non-loopback bind without authentication */
};

struct km_config_kubernetes {
  const char *provider; /* canonical: kubeconfig | single | in-cluster */
  const char *context;  /* overrides current-context; "" = provider's default */
  double qps;
  int64_t burst;
  int64_t timeout_ms; /* one upstream request */
  int64_t connect_timeout_ms;
  int http2; /* enum km_http2 of net/http.h */
  int64_t max_clients;
  int64_t client_idle_ms;
  int64_t discovery_ttl_ms;
  int64_t max_response_bytes; /* one upstream answer */
  int64_t page_size;          /* objects per list request */
};

struct km_config_security {
  bool require_rbac;
  int64_t rbac_cache_ttl_ms;
  bool read_only;
  struct km_strings allowed_tools, denied_tools;
};

struct km_config {
  struct km_arena *arena; /* owns every string below */
  struct km_config_server server;
  struct km_config_http http;
  struct km_config_kubernetes kubernetes;
  struct km_config_security security;
  void *provider_config;     /* the chosen provider's own struct (its extension below); NULL if it has none */
  struct km_strings sources; /* files that were read, in order */
  struct km_settings *settings; /* every key's value and where it came from: for km_config_show */
};

/* The tables of the core; a NULL section ends them. Providers add their own (provider.h). */
extern const struct km_field km_config_fields[];

/* A further table, one per provider kind. km_config allocates and owns the structs its values go to. */
struct km_config_extension {
  const char *kind;              /* the value of [kubernetes] provider that chooses it */
  const struct km_field *fields; /* NULL section ends; MAY be NULL */
  size_t size;                   /* of the struct that the offsets point into */
};

struct km_config_flag { /* one command-line override: {"security", "read_only", "true", "--read-only"} */
  const char *section, *name;
  const char *value;    /* as in the environment: plain text, lists comma-separated */
  const char *spelling; /* for messages; NULL = "--" + name with dashes */
};

struct km_config_input {
  const char *file;      /* --config; NULL = KUBE_MCP_CONFIG, else /etc/kube-mcp/config.toml, else
                            ~/.config/kube-mcp/config.toml, else none */
  const char *directory; /* --config-dir or NULL */
  const char *env_file;  /* --env-file or NULL */
  char **environ_block;  /* "NAME=value" strings, NULL-terminated */
  const struct km_config_flag *flags;
  size_t flag_count;
  const struct km_config_extension *extensions;
  size_t extension_count;
};

/* Loads and checks everything; reports the first error with its place ("file:line:col", "environment
 * KUBE_MCP_…", "flag --…") and the nearest valid key. All or nothing: *ret is written only when every layer
 * is sound. Ownership: km_config_free. Blocking: reads files. Threads: any. */
enum km_rc km_config_load(const struct km_config_input *input, struct km_config **ret, struct km_error *err);
void km_config_free(struct km_config *config); /* wipes the secrets; accepts NULL */

/* TOML text of the effective values, which loads again to the same; values that were set somewhere say where.
 * Secrets appear as a commented "<set>". False if OUT is full, as below. */
bool km_config_show(const struct km_config *config, struct km_buf *out);
/* The documented example with every key at its default: config.toml.example. */
bool km_config_example(const struct km_config_extension *extensions, size_t count, struct km_buf *out);
/* The Markdown tables of all keys for docs/configuration.md, one per section. */
bool km_config_markdown(const struct km_config_extension *extensions, size_t count, struct km_buf *out);

/* The environment that km_config_load sees: BLOCK (what the process was started with) over the names of
 * ENV_FILE, which MAY be NULL. For a program that also wants the file's KUBECONFIG, HTTPS_PROXY ... The
 * strings live in ARENA. Errors: as km_file_read; KM_E_INVALID "FILE:LINE:COL: what". */
enum km_rc km_config_environment(struct km_arena *arena, const char *env_file, char **block, char ***ret,
                                 struct km_error *err);

#endif
