/* The environment as the configuration sees it: what the process was started with, over the names of an .env
 * file. */
#ifndef KM_CONFIG_ENVIRONMENT_H
#define KM_CONFIG_ENVIRONMENT_H

#include "kube_mcp/base/arena.h"
#include "kube_mcp/base/buf.h"
#include "kube_mcp/base/error.h"

struct km_environment_entry {
  const char *name, *value;
  const char *place; /* "environment NAME" or "FILE:LINE:COL", for messages */
};

struct km_environment {
  struct km_environment_entry *items;
  size_t count;
};

/* ENV_FILE and BLOCK MAY be NULL. Everything lives in ARENA.
 * Errors: those of reading the file; KM_E_INVALID "FILE:LINE:COL: what". */
enum km_rc km_environment_read(struct km_arena *arena, const char *env_file, char **block,
                               struct km_environment *ret, struct km_error *err);
/* NULL if NAME is not set. */
const struct km_environment_entry *km_environment_find(const struct km_environment *env, const char *name);
/* Appends TEXT to OUT with every ${NAME} replaced and every $${ turned into ${. Returns what is wrong
 * ("refers to the environment variable X, which is not set"; lives in ARENA), or NULL. */
const char *km_environment_expand(const struct km_environment *env, struct km_arena *arena, const char *text,
                                  struct km_buf *out);

#endif
