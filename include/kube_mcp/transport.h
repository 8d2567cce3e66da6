/* The transport contract: who sent a message, and where its answers go. */
#ifndef KM_TRANSPORT_H
#define KM_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>

/* What a transport knows about the sender of one message. Strings are borrowed for the call. */
struct km_reply;

struct km_peer {
  bool http;             /* else stdio */
  void *connection;      /* stdio: identity of the one connection; HTTP: NULL */
  struct km_reply *push; /* stdio: for messages outside any exchange (send only), lives until
                                       km_mcp_connection_closed returns; HTTP: NULL */
  const char *principal; /* authenticated caller, "" = none */
  /* HTTP headers; NULL = absent. A header that came twice with different values is rejected by the transport. */
  const char *protocol_version; /* MCP-Protocol-Version */
  const char *method;           /* Mcp-Method */
  const char *name;             /* Mcp-Name */
  const char *session_id;       /* Mcp-Session-Id */
  const char *last_event_id;
  /* Value of "Mcp-Param-NAME", or NULL. */
  const char *(*param_header)(const struct km_peer *peer, const char *name);
  const void *headers; /* for param_header */
};

/* An HTTP answer's extras; stdio ignores them. */
struct km_reply_head {
  int status;             /* 200, 202, 400, 404, ... */
  const char *session_id; /* Mcp-Session-Id to set, or NULL */
};

struct km_reply_ops {
  /* Sends one message ahead of the answer (progress, log, request to the client, stream event). The transport turns the
   * exchange into a stream if need be. Any thread. False if the peer is gone. */
  bool (*send)(struct km_reply *reply, const char *json, size_t len);
  /* Ends the exchange with its answer (JSON NULL = no body). Exactly once unless the peer is gone. Any thread. */
  void (*finish)(struct km_reply *reply, const struct km_reply_head *head, const char *json, size_t len);
};

/* Embedded in the transport's own exchange struct. The transport keeps it alive until finish() has returned, or until
 * km_mcp_peer_gone() has returned true. */
struct km_reply {
  const struct km_reply_ops *ops;
  /* private to src/mcp: the call or stream that answers here */
  void *owner;
};

#endif
