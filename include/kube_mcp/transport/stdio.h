/* MCP over standard input and output: one JSON object per line. */
#ifndef KM_TRANSPORT_STDIO_H
#define KM_TRANSPORT_STDIO_H

#include "kube_mcp/mcp/server.h"

struct km_stdio;

/* Starts a reader thread on IN_FD; answers go to OUT_FD, one write per line. ON_EOF runs on that thread when input ends
 * or output breaks, after calls in flight have been given two seconds to finish. */
enum km_rc km_stdio_start(struct km_mcp *mcp, int in_fd, int out_fd, void (*on_eof)(void *data), void *data,
                          struct km_stdio **ret, struct km_error *err);
void km_stdio_stop(struct km_stdio *stdio); /* accepts NULL */

#endif
