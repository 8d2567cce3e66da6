/* The serve command: transports up, signals awaited, everything down again in order. The main thread only waits: for
 * SIGINT and SIGTERM (stop), SIGHUP (re-read what the provider reads), SIGUSR1 (stdio has ended), and once a minute it
 * lets idle clients go. The signals are blocked before the first thread starts, so that all threads inherit the mask and
 * only sigtimedwait() sees them. */
#include <errno.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "kube_mcp/base/log.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/transport/http.h"
#include "kube_mcp/transport/stdio.h"
#include "server.h"

#include "kube_mcp/base/banned.h"

#define SWEEP_SECONDS 60

struct transports {
  struct km_stdio *stdio;
  struct km_http_server *http;
};

static bool wants(const struct km_config *config, const char *transport)
{
  for (size_t i = 0; i < config->server.transports.count; i++) {
    if (km_streq(config->server.transports.items[i], transport)) {
      return true;
    }
  }
  return false;
}

static void on_stdio_end(void *data)
{
  (void)data;
  (void)kill(getpid(), SIGUSR1);
}

static int answer_get(void *data, const char *path, const char **ret_content_type, struct km_buf *out)
{
  (void)data;
  static const char *const live[] = {"/livez", "/readyz", "/health", "/healthz"};
  for (size_t i = 0; i < KM_ARRAY_LEN(live); i++) {
    if (km_streq(path, live[i])) {
      *ret_content_type = "text/plain";
      km_buf_puts(out, "ok\n");
      return 200;
    }
  }
  return 0;
}

static struct km_http_server_options http_options(const struct km_config_http *http)
{
  return (struct km_http_server_options){
      .address = http->address,
      .path = http->path,
      .allowed_hosts = http->allowed_hosts.items,
      .allowed_host_count = http->allowed_hosts.count,
      .allowed_origins = http->allowed_origins.items,
      .allowed_origin_count = http->allowed_origins.count,
      .max_body_bytes = (size_t)http->max_body_bytes,
      .connection_memory_bytes = (size_t)http->connection_memory_bytes,
      .max_connections = (unsigned)http->max_connections,
      .idle_timeout_ms = http->idle_timeout_ms,
      .insecure_no_auth = http->insecure_no_auth,
      .on_get = answer_get,
  };
}

static enum km_rc start_http(struct km_server *server, struct transports *transports, struct km_error *err)
{
  const struct km_config_http *http = &server->config->http;
  struct km_http_server_options options = http_options(http);
  enum km_rc rc = km_http_server_start(server->mcp, &options, &transports->http, err);
  if (rc == KM_OK) {
    km_log(KM_LOG_INFO, "listening", "address=%s port=%u path=%s", http->address,
           km_http_server_port(transports->http), http->path);
  }
  return rc;
}

/* A daemon's standard input: nobody is there whose leaving would mean anything. */
static bool input_is_null(void)
{
  struct stat input, null;
  return fstat(STDIN_FILENO, &input) == 0 && stat("/dev/null", &null) == 0 && S_ISCHR(input.st_mode) &&
         input.st_rdev == null.st_rdev;
}

static enum km_rc start(struct km_server *server, struct transports *transports, struct km_error *err)
{
  const struct km_config *config = server->config;
  enum km_rc rc = KM_OK;
  if (wants(config, "http")) {
    rc = start_http(server, transports, err);
  }
  if (rc == KM_OK && wants(config, "stdio") && (transports->http == NULL || !input_is_null())) {
    rc =
        km_stdio_start(server->mcp, STDIN_FILENO, STDOUT_FILENO, on_stdio_end, NULL, &transports->stdio, err);
  }
  return rc;
}

static void reload(struct km_server *server)
{
  struct km_error err = {0};
  bool changed = false;
  if (server->provider->ops->reload == NULL) {
    return;
  }
  if (server->provider->ops->reload(server->provider, &changed, &err) == KM_OK) {
    km_log(KM_LOG_INFO, "reloaded", "changed=%s", changed ? "yes" : "no");
  } else {
    km_log(KM_LOG_WARNING, "reload failed, the old state is kept", "error=%s", err.message);
  }
}

/* Returns when the process should end. */
static void wait_for_end(struct km_server *server, const struct transports *transports,
                         const sigset_t *signals)
{
  struct timespec minute = {.tv_sec = SWEEP_SECONDS};
  for (;;) {
    int signal_number = sigtimedwait(signals, NULL, &minute);
    if (signal_number == SIGHUP) {
      reload(server);
    } else if (signal_number == SIGUSR1) {
      struct km_mcp_stats stats;
      km_mcp_stats(server->mcp, &stats);
      /* Input that ends before anyone spoke was never a client; one that spoke and left wants us gone. */
      if (transports->http == NULL || stats.requests > 0) {
        return;
      }
    } else if (signal_number > 0) {
      km_log(KM_LOG_INFO, "stopping", "signal=%s", signal_number == SIGINT ? "SIGINT" : "SIGTERM");
      return;
    } else {
      km_pool_sweep(server->pool);
      (void)malloc_trim(0);
    }
  }
}

static void block_signals(sigset_t *ret)
{
  sigemptyset(ret);
  sigaddset(ret, SIGINT);
  sigaddset(ret, SIGTERM);
  sigaddset(ret, SIGHUP);
  sigaddset(ret, SIGUSR1);
  (void)pthread_sigmask(SIG_BLOCK, ret, NULL);
  (void)signal(SIGPIPE, SIG_IGN);
}

/* On busy cores a thread that wakes up takes the processor from whoever runs: here from an API server in the middle of the
 * next answer, once for every answer. A batch thread waits for its turn instead, and then finds several answers at once:
 * a third more throughput on shared cores, and no difference while a core is idle (docs/performance.md). Threads inherit
 * the policy. Whoever started us with another one has decided already. */
static void take_turns(void)
{
  if (sched_getscheduler(0) == SCHED_OTHER) {
    const struct sched_param ordinary = {0};
    (void)sched_setscheduler(0, SCHED_BATCH, &ordinary);
  }
}

enum km_rc command_serve(const struct km_config *config, struct km_error *err)
{
  sigset_t signals;
  block_signals(&signals);
  take_turns();
  struct km_server server;
  struct transports transports = {0};
  enum km_rc rc = km_server_init(&server, config, wants(config, "http"), err);
  if (rc == KM_OK) {
    rc = start(&server, &transports, err);
  }
  if (rc == KM_OK) {
    km_log(KM_LOG_DEBUG, "ready", "version=" KM_VERSION " provider=%s", config->kubernetes.provider);
    wait_for_end(&server, &transports, &signals);
  }
  km_http_server_stop(transports.http);
  km_stdio_stop(transports.stdio);
  km_server_done(&server);
  return rc;
}

enum km_rc check_serve(const struct km_config *config, struct km_error *err)
{
  struct km_http_server_options options = http_options(&config->http);
  enum km_rc rc = wants(config, "http") ? km_http_server_check(&options, err) : KM_OK;
  const struct km_provider_ops *ops = km_provider_find(config->kubernetes.provider);
  /* One configured cluster is part of the configuration; a kubeconfig and the files of a pod are not. */
  if (rc != KM_OK || ops == NULL || !km_streq(ops->kind, "single")) {
    return rc;
  }
  struct km_provider *provider = NULL;
  rc = km_provider_open(ops, config->provider_config, config->kubernetes.context, &provider, err);
  if (rc == KM_OK) {
    KM_CLEANUP(km_arena_freep) struct km_arena *arena = km_arena_new((size_t)4 * 1024 * 1024);
    struct km_endpoint endpoint;
    rc = provider->ops->resolve(provider, NULL, false, arena, &endpoint, err);
    km_provider_close(provider);
  }
  return rc;
}
