/* kube-mcp-conformance: the protocol and transport layers of the product, serving fixtures instead of Kubernetes.
 *   --port N           Streamable HTTP on 127.0.0.1:N/mcp; 0 takes a free port; the port is printed on standard error
 *   --stdio            standard input and output
 *   --session-key KEY  key of session ids, so that they survive a restart
 * Ends with SIGINT, SIGTERM, or the end of standard input. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixtures.h"
#include "kube_mcp/base/log.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/transport/http.h"
#include "kube_mcp/transport/stdio.h"

#include "kube_mcp/base/banned.h"

#define MAX_TOOLS 64

struct options {
  bool stdio;
  uint64_t port;
  const char *session_key;
};

static bool parse_options(int argc, char **argv, struct options *ret)
{
  bool served = false;
  for (int i = 1; i < argc; i++) {
    const char *value = i + 1 < argc ? argv[i + 1] : NULL;
    if (km_streq(argv[i], "--stdio")) {
      ret->stdio = served = true;
    } else if (km_streq(argv[i], "--port") && value != NULL && km_parse_u64(value, &ret->port) &&
               ret->port <= 65535) {
      served = true;
      i++;
    } else if (km_streq(argv[i], "--session-key") && value != NULL) {
      ret->session_key = value;
      i++;
    } else {
      return false;
    }
  }
  return served;
}

static size_t gather_tools(const struct km_tool **ret)
{
  const struct fixture_tools groups[] = {fixture_content_tools(), fixture_behavior_tools(),
                                         fixture_input_tools()};
  size_t count = 0;
  for (size_t i = 0; i < KM_ARRAY_LEN(groups); i++) {
    for (size_t j = 0; j < groups[i].count; j++) {
      KM_ASSERT(count < MAX_TOOLS);
      ret[count++] = &groups[i].tools[j];
    }
  }
  return count;
}

static void fill_features(struct km_mcp_features *ret)
{
  static const struct km_tool *tools[MAX_TOOLS];
  *ret = (struct km_mcp_features){
      .name = "kube-mcp-conformance",
      .title = "Conformance fixtures",
      .version = KM_VERSION,
      .instructions = "Fixtures of the protocol tests.",
      .tools = tools,
      .tool_count = gather_tools(tools),
      .tool_prefix = "",
      .list_resources = fixture_list_resources,
      .list_templates = fixture_list_templates,
      .read_resource = fixture_read_resource,
      .resources_subscribe = true,
      .complete = fixture_complete,
      .tools_list_changed = true,
      .prompts_list_changed = true,
      .resources_list_changed = true,
      .logging = true,
      .list_ttl_ms = 60000,
      .default_deadline_ms = 60000,
      .max_call_bytes = (size_t)32 * 1024 * 1024,
  };
  ret->prompts = fixture_prompts(&ret->prompt_count);
}

static void on_input_end(void *data)
{
  (void)data;
  (void)kill(getpid(), SIGTERM);
}

static enum km_rc start_http(struct km_mcp *mcp, uint64_t port, struct km_http_server **ret,
                             struct km_error *err)
{
  char address[32];
  (void)snprintf(address, sizeof(address), "127.0.0.1:%u", (unsigned)port);
  struct km_http_server_options options = {
      .address = address,
      .path = "/mcp",
      .max_body_bytes = (size_t)4 * 1024 * 1024,
      .connection_memory_bytes = (size_t)32 * 1024,
      .max_connections = 1000,
      .idle_timeout_ms = 60000,
  };
  enum km_rc rc = km_http_server_start(mcp, &options, ret, err);
  if (rc == KM_OK) {
    (void)fprintf(stderr, "%u\n", km_http_server_port(*ret));
  }
  return rc;
}

static enum km_rc serve(struct km_mcp *mcp, const struct options *options, const sigset_t *signals,
                        struct km_error *err)
{
  struct km_http_server *http = NULL;
  struct km_stdio *stdio = NULL;
  enum km_rc rc = options->stdio
                      ? km_stdio_start(mcp, STDIN_FILENO, STDOUT_FILENO, on_input_end, NULL, &stdio, err)
                      : start_http(mcp, options->port, &http, err);
  if (rc == KM_OK) {
    (void)sigwaitinfo(signals, NULL);
  }
  km_http_server_stop(http);
  km_stdio_stop(stdio);
  return rc;
}

static void block_signals(sigset_t *ret)
{
  sigemptyset(ret);
  sigaddset(ret, SIGINT);
  sigaddset(ret, SIGTERM);
  (void)pthread_sigmask(SIG_BLOCK, ret, NULL);
  (void)signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv)
{
  struct options options = {0};
  if (!parse_options(argc, argv, &options)) {
    (void)fprintf(stderr, "usage: %s --port N | --stdio [--session-key KEY]\n", argv[0]);
    return 2;
  }
  sigset_t signals;
  block_signals(&signals);
  km_log_init(KM_LOG_ERROR, KM_LOG_TEXT);
  struct km_mcp_features features;
  fill_features(&features);
  struct km_mcp_options mcp_options = {
      .short_lane = km_lane_new("fixture", 16, 1000),
      .stream_lane = km_lane_new("stream", 4, 16),
      .session_ttl_ms = (int64_t)60 * 60 * 1000,
      .max_sessions = 1000,
  };
  if (options.session_key != NULL) {
    km_secret_set(&mcp_options.session_key, options.session_key, strlen(options.session_key));
  }
  struct km_error err = {0};
  struct km_mcp *mcp = NULL;
  enum km_rc rc = km_mcp_new(&features, &mcp_options, &mcp, &err);
  km_secret_done(&mcp_options.session_key);
  if (rc == KM_OK) {
    rc = serve(mcp, &options, &signals, &err);
  }
  km_mcp_free(mcp);
  km_lane_free(mcp_options.short_lane);
  km_lane_free(mcp_options.stream_lane);
  if (rc != KM_OK) {
    (void)fprintf(stderr, "%s: %s\n", argv[0], err.message);
    return 1;
  }
  return 0;
}
