/* Text on its way out of the configuration: into messages and into TOML. */
#ifndef KM_CONFIG_TEXT_H
#define KM_CONFIG_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "kube_mcp/base/arena.h"
#include "kube_mcp/base/buf.h"

/* The first bytes of TEXT as a message may repeat them: on one line and without control characters. */
const char *km_text_shown(struct km_arena *arena, const char *text, size_t len);
/* TEXT as a TOML basic string. False if OUT is full. */
bool km_text_write_toml(struct km_buf *out, const char *text);

#endif
