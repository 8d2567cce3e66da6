/* The product put together: configuration, provider, pool, tools, protocol. What main builds and passes down. */
#ifndef KM_APP_SERVER_H
#define KM_APP_SERVER_H

#include "kube_mcp/config/config.h"
#include "kube_mcp/mcp/server.h"
#include "kube_mcp/tools/toolbox.h"
#include "options.h"

/* The configuration tables of every provider kind, for km_config_*. */
const struct km_config_extension *provider_extensions(size_t *ret_count);
enum km_rc load_config(const struct options *options, struct km_config **ret, struct km_error *err);

struct km_server {
  const struct km_config *config;
  struct km_loop *loop;
  struct km_provider *provider;
  struct km_pool *pool;
  struct km_lane *short_lane, *stream_lane, *fan_out;
  struct km_toolbox toolbox;
  struct km_mcp_features features;
  struct km_mcp *mcp;
};

/* Builds everything but transports. Connects nothing. PERSISTENT_KEY: keep the session key in the user's state folder
 * when none is configured, so that sessions survive a restart. */
enum km_rc km_server_init(struct km_server *server, const struct km_config *config, bool persistent_key,
                          struct km_error *err);
/* Stops and frees everything; accepts a zeroed or half-built server. */
void km_server_done(struct km_server *server);

#endif
