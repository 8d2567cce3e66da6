/* The tables of the core: every key that is not a provider's, with its default, its limits and its
 * documentation.
 *
 * This is the one place that knows a key: parsing, `config show`, config.toml.example and
 * docs/configuration.md are made from it. The order here is the order there. Documentation is one or two
 * sentences and says what the value does, not what type it has. */
#include "kube_mcp/config/config.h"

#include <string.h>

#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

#define KIB       ((int64_t)1 << 10)
#define MIB       ((int64_t)1 << 20)
#define GIB       ((int64_t)1 << 30)
#define SECOND_MS ((int64_t)1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS   (60 * MINUTE_MS)
#define DAY_MS    (24 * HOUR_MS)

#define MEMBER(member) .offset = offsetof(struct km_config, member)

/* In the order of enum km_log_level, enum km_log_format, enum km_http2. */
static const char *const log_levels[] = {"debug",    "info",  "notice",    "warning", "error",
                                         "critical", "alert", "emergency", NULL};
static const char *const log_formats[] = {"text", "json", NULL};
static const char *const http2_modes[] = {"auto", "on", "off", NULL};

static const char *const transports[] = {"stdio", "http", NULL};
static const char *const providers[] = {"kubeconfig", "in-cluster", "single", NULL};

static const struct km_field_alias log_level_aliases[] = {{"warn", "warning"}, {NULL, NULL}};
static const struct km_field_alias provider_aliases[] = {
    {"kubeconfig-contexts", "kubeconfig"}, {"single-fixed", "single"}, {NULL, NULL}};

/* --- checks beyond the type --- */

/* HOST:PORT, with an IPv6 address in brackets. */
static const char *check_address(const char *text)
{
  static const char wanted[] = "must be host:port, like 127.0.0.1:8080 or [::1]:8080";
  const char *host_end = text;
  if (*text == '[') {
    host_end = strchr(text, ']');
    if (host_end == NULL || host_end == text + 1) {
      return wanted;
    }
    host_end++;
  } else {
    host_end += strcspn(text, ": \t/");
  }
  int64_t port;
  if (host_end == text || *host_end != ':' || !km_parse_i64(host_end + 1, &port) || port < 0 ||
      port > 65535) {
    return wanted;
  }
  return NULL;
}

static const char *check_path(const char *text)
{
  bool sound = text[0] == '/' && text[1] != '\0' && text[strcspn(text, "?# \t")] == '\0';
  return sound ? NULL : "must be a URL path like /mcp";
}

static const char *check_tool_prefix(const char *text)
{
  static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
  bool sound = text[strspn(text, letters)] == '\0' && strlen(text) <= 16;
  return sound ? NULL : "must be at most 16 of a-z, 0-9 and _";
}

/* --- the tables --- */

const struct km_field km_config_fields[] = {
    /* [server] */
    {.section = "server",
     .name = "transports",
     .type = KM_FIELD_STRINGS,
     MEMBER(server.transports),
     .fallback = "[\"stdio\"]",
     .one_of = transports,
     .min = 1,
     .max = 2,
     .doc = "How clients reach the server; both can run at once."},
    {.section = "server",
     .name = "log_level",
     .type = KM_FIELD_ENUM,
     MEMBER(server.log_level),
     .fallback = "\"info\"",
     .one_of = log_levels,
     .aliases = log_level_aliases,
     .env = "LOG_LEVEL",
     .doc = "The least severe messages that are written to standard error."},
    {.section = "server",
     .name = "log_format",
     .type = KM_FIELD_ENUM,
     MEMBER(server.log_format),
     .fallback = "\"text\"",
     .one_of = log_formats,
     .doc = "text for people, json for log collectors; one line per message either way."},
    {.section = "server",
     .name = "workers",
     .type = KM_FIELD_INT,
     MEMBER(server.workers),
     .fallback = "32",
     .min = 1,
     .max = 256,
     .doc = "Threads that run tool calls. They start when there is work and end when there is none."},
    {.section = "server",
     .name = "max_result_bytes",
     .type = KM_FIELD_SIZE,
     MEMBER(server.max_result_bytes),
     .fallback = "\"32KiB\"",
     .min = 2 * KIB,
     .max = 16 * MIB,
     .doc = "The budget of one answer. A longer list is cut on a row boundary and says what was left out."},
    {.section = "server",
     .name = "max_call_bytes",
     .type = KM_FIELD_SIZE,
     MEMBER(server.max_call_bytes),
     .fallback = "\"256MiB\"",
     .min = MIB,
     .max = 16 * GIB,
     .doc = "The memory one call may take before it fails with TooLarge."},
    {.section = "server",
     .name = "instructions",
     .type = KM_FIELD_STRING,
     MEMBER(server.instructions),
     .fallback = "\"\"",
     .doc = "Text for the model, sent when a client connects. Empty means the built-in text."},
    {.section = "server",
     .name = "tool_prefix",
     .type = KM_FIELD_STRING,
     MEMBER(server.tool_prefix),
     .fallback = "\"\"",
     .check = check_tool_prefix,
     .doc = "Put before every tool name, for clients that connect to several servers with equal names."},

    /* [server.http] */
    {.section = "server.http",
     .name = "address",
     .type = KM_FIELD_STRING,
     MEMBER(http.address),
     .fallback = "\"127.0.0.1:8080\"",
     .check = check_address,
     .env = "K8S_MCP_HOST:K8S_MCP_PORT",
     .doc = "Where to listen, as host:port; port 0 takes a free one. An address other than loopback needs "
            "authentication or insecure_no_auth."},
    {.section = "server.http",
     .name = "path",
     .type = KM_FIELD_STRING,
     MEMBER(http.path),
     .fallback = "\"/mcp\"",
     .check = check_path,
     .doc = "The path of the MCP endpoint."},
    {.section = "server.http",
     .name = "allowed_hosts",
     .type = KM_FIELD_STRINGS,
     MEMBER(http.allowed_hosts),
     .fallback = "[]",
     .doc = "Values of the Host header that are accepted besides loopback names and the address itself."},
    {.section = "server.http",
     .name = "allowed_origins",
     .type = KM_FIELD_STRINGS,
     MEMBER(http.allowed_origins),
     .fallback = "[]",
     .doc = "Values of the Origin header that are accepted besides pages served from loopback."},
    {.section = "server.http",
     .name = "max_body_bytes",
     .type = KM_FIELD_SIZE,
     MEMBER(http.max_body_bytes),
     .fallback = "\"4MiB\"",
     .min = KIB,
     .max = 256 * MIB,
     .doc = "The largest request body; a larger one is answered with 413."},
    {.section = "server.http",
     .name = "connection_memory_bytes",
     .type = KM_FIELD_SIZE,
     MEMBER(http.connection_memory_bytes),
     .fallback = "\"16KiB\"",
     .min = 4 * KIB,
     .max = MIB,
     .doc = "Memory of one connection. Request headers must fit into it."},
    {.section = "server.http",
     .name = "max_connections",
     .type = KM_FIELD_INT,
     MEMBER(http.max_connections),
     .fallback = "1024",
     .min = 1,
     .max = 65536,
     .doc = "Connections open at once; further ones are refused."},
    {.section = "server.http",
     .name = "idle_timeout",
     .type = KM_FIELD_DURATION,
     MEMBER(http.idle_timeout_ms),
     .fallback = "\"120s\"",
     .min = SECOND_MS,
     .max = DAY_MS,
     .doc = "How long a connection without a request or a stream stays open."},
    {.section = "server.http",
     .name = "session_ttl",
     .type = KM_FIELD_DURATION,
     MEMBER(http.session_ttl_ms),
     .fallback = "\"24h\"",
     .min = MINUTE_MS,
     .max = 30 * DAY_MS,
     .doc = "How long a session id is accepted after it was issued."},
    {.section = "server.http",
     .name = "max_sessions",
     .type = KM_FIELD_INT,
     MEMBER(http.max_sessions),
     .fallback = "10000",
     .min = 1,
     .max = 1000000,
     .doc = "Open streams, and terminated sessions that are remembered."},
    {.section = "server.http",
     .name = "session_key",
     .type = KM_FIELD_SECRET,
     MEMBER(http.session_key),
     .fallback = "\"\"",
     .doc =
         "Signs session ids. Replicas that share it accept each other's sessions; empty means a key of this "
         "machine, kept in the user's state folder."},
    {.section = "server.http",
     .name = "insecure_no_auth",
     .type = KM_FIELD_BOOL,
     MEMBER(http.insecure_no_auth),
     .fallback = "false",
     .doc = "Allows an address other than loopback without authentication: whoever reaches it acts with this "
            "server's rights."},

    /* [kubernetes] */
    {.section = "kubernetes",
     .name = "provider",
     .type = KM_FIELD_STRING,
     MEMBER(kubernetes.provider),
     .fallback = "\"kubeconfig\"",
     .one_of = providers,
     .aliases = provider_aliases,
     .doc = "Where contexts come from: all of a kubeconfig, the pod's own service account, or one fixed "
            "context."},
    {.section = "kubernetes",
     .name = "context",
     .type = KM_FIELD_STRING,
     MEMBER(kubernetes.context),
     .fallback = "\"\"",
     .env = "KOM_DEFAULT_CLUSTER",
     .doc = "The context of calls that name none. Empty means the provider's own, such as current-context."},
    {.section = "kubernetes",
     .name = "qps",
     .type = KM_FIELD_DOUBLE,
     MEMBER(kubernetes.qps),
     .fallback = "100",
     .min = 0,
     .max = 1000000,
     .doc = "Requests per second to one cluster, on average; 0 means no limit."},
    {.section = "kubernetes",
     .name = "burst",
     .type = KM_FIELD_INT,
     MEMBER(kubernetes.burst),
     .fallback = "200",
     .min = 1,
     .max = 1000000,
     .doc = "Requests that may go out at once before qps applies."},
    {.section = "kubernetes",
     .name = "timeout",
     .type = KM_FIELD_DURATION,
     MEMBER(kubernetes.timeout_ms),
     .fallback = "\"30s\"",
     .min = 100,
     .max = HOUR_MS,
     .doc = "The deadline of one request to an API server."},
    {.section = "kubernetes",
     .name = "connect_timeout",
     .type = KM_FIELD_DURATION,
     MEMBER(kubernetes.connect_timeout_ms),
     .fallback = "\"3s\"",
     .min = 100,
     .max = 5 * MINUTE_MS,
     .doc = "How long name resolution, connection and TLS may take: what a dead cluster costs a caller."},
    {.section = "kubernetes",
     .name = "http2",
     .type = KM_FIELD_ENUM,
     MEMBER(kubernetes.http2),
     .fallback = "\"auto\"",
     .one_of = http2_modes,
     .doc = "HTTP/2 to API servers. auto uses it where the installed libcurl is known to be sound."},
    {.section = "kubernetes",
     .name = "max_clients",
     .type = KM_FIELD_INT,
     MEMBER(kubernetes.max_clients),
     .fallback = "64",
     .min = 1,
     .max = 4096,
     .doc =
         "Clusters and identities with open connections at once; the least recently used is closed first."},
    {.section = "kubernetes",
     .name = "client_idle",
     .type = KM_FIELD_DURATION,
     MEMBER(kubernetes.client_idle_ms),
     .fallback = "\"10m\"",
     .min = SECOND_MS,
     .max = 7 * DAY_MS,
     .doc = "After how long without calls a cluster's connections and caches are dropped."},
    {.section = "kubernetes",
     .name = "discovery_ttl",
     .type = KM_FIELD_DURATION,
     MEMBER(kubernetes.discovery_ttl_ms),
     .fallback = "\"10m\"",
     .min = SECOND_MS,
     .max = 7 * DAY_MS,
     .doc = "How long a cluster's list of resource kinds is believed; an unknown kind is looked up afresh."},
    {.section = "kubernetes",
     .name = "max_response_bytes",
     .type = KM_FIELD_SIZE,
     MEMBER(kubernetes.max_response_bytes),
     .fallback = "\"256MiB\"",
     .min = 64 * KIB,
     .max = 16 * GIB,
     .doc = "The largest answer that is taken from an API server."},
    {.section = "kubernetes",
     .name = "page_size",
     .type = KM_FIELD_INT,
     MEMBER(kubernetes.page_size),
     .fallback = "500",
     .min = 1,
     .max = 10000,
     .doc = "Objects fetched per list request; long lists take several."},

    /* [security] */
    {.section = "security",
     .name = "require_rbac",
     .type = KM_FIELD_BOOL,
     MEMBER(security.require_rbac),
     .fallback = "true",
     .doc = "Asks the cluster whether a write, or a read of Secrets, logs or exec, is allowed before trying "
            "it, so "
            "that a refusal names what is missing."},
    {.section = "security",
     .name = "rbac_cache_ttl",
     .type = KM_FIELD_DURATION,
     MEMBER(security.rbac_cache_ttl_ms),
     .fallback = "5",
     .min = 0,
     .max = HOUR_MS,
     .doc = "How long such an answer is reused; a bare number is in seconds."},
    {.section = "security",
     .name = "read_only",
     .type = KM_FIELD_BOOL,
     MEMBER(security.read_only),
     .fallback = "false",
     .doc = "Hides and refuses every tool that changes anything, and every request that could."},
    {.section = "security",
     .name = "allowed_tools",
     .type = KM_FIELD_STRINGS,
     MEMBER(security.allowed_tools),
     .fallback = "[]",
     .doc = "Names or globs of the only tools that are offered. Empty means all."},
    {.section = "security",
     .name = "denied_tools",
     .type = KM_FIELD_STRINGS,
     MEMBER(security.denied_tools),
     .fallback = "[]",
     .doc = "Names or globs of tools that are never offered; wins over allowed_tools."},
    {.section = NULL},
};
