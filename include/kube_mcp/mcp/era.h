/* Protocol revisions and which of the two eras a message belongs to. */
#ifndef KM_MCP_ERA_H
#define KM_MCP_ERA_H

#include <stdbool.h>

#include "kube_mcp/mcp/jsonrpc.h"

enum km_revision {
  KM_REV_NONE = 0,
  KM_REV_2024_11_05,
  KM_REV_2025_03_26,
  KM_REV_2025_06_18,
  KM_REV_2025_11_25, /* newest with a handshake: "legacy" up to here */
  KM_REV_2026_07_28, /* stateless: "modern" */
};
#define KM_REV_NEWEST_LEGACY KM_REV_2025_11_25
#define KM_REV_MODERN        KM_REV_2026_07_28

const char *km_revision_name(enum km_revision revision); /* "2025-11-25" */
/* KM_REV_NONE if unknown; "2024-10-07" counts as 2024-11-05. */
enum km_revision km_revision_parse(const char *name);

enum km_client_cap { /* what the client declared */
                     KM_CAP_SAMPLING = 1,
                     KM_CAP_ELICITATION_FORM = 2,
                     KM_CAP_ELICITATION_URL = 4,
                     KM_CAP_ROOTS = 8,
                     KM_CAP_TASKS = 16,
};
unsigned km_client_caps_parse(yyjson_val *capabilities);

/* The `_meta` envelope of a modern request. */
struct km_envelope {
  bool present;              /* the protocolVersion key is there: the message is modern */
  const char *version;       /* as given; NULL if not a string */
  enum km_revision revision; /* KM_REV_NONE if not served as modern */
  yyjson_val *capabilities;  /* object, or NULL if missing or of another type */
  unsigned caps;
  const char *client_name, *client_version;
  const char *log_level;      /* as given, or NULL */
  yyjson_val *progress_token; /* both eras */
};
void km_envelope_read(yyjson_val *params, struct km_envelope *ret);

#define KM_META_VERSION         "io.modelcontextprotocol/protocolVersion"
#define KM_META_CAPABILITIES    "io.modelcontextprotocol/clientCapabilities"
#define KM_META_CLIENT_INFO     "io.modelcontextprotocol/clientInfo"
#define KM_META_LOG_LEVEL       "io.modelcontextprotocol/logLevel"
#define KM_META_SERVER_INFO     "io.modelcontextprotocol/serverInfo"
#define KM_META_SUBSCRIPTION_ID "io.modelcontextprotocol/subscriptionId"

#endif
