/* Small files, read whole, with a bound and an error that names the path. */
#ifndef KM_BASE_FILE_H
#define KM_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "kube_mcp/base/arena.h"
#include "kube_mcp/base/crypto.h"
#include "kube_mcp/base/error.h"

/* Reads PATH into the arena, NUL-terminated.
 * Errors: KM_E_NOT_FOUND, KM_E_FORBIDDEN, KM_E_TOO_LARGE (over MAX_BYTES), KM_E_INVALID (a directory, ...). */
enum km_rc km_file_read(struct km_arena *arena, const char *path, size_t max_bytes, char **ret_data,
                        size_t *ret_len, struct km_error *err);
/* The same into a secret; the intermediate copies are wiped. */
enum km_rc km_file_read_secret(const char *path, size_t max_bytes, struct km_secret *ret,
                               struct km_error *err);
/* "~" and "~/x" expanded with $HOME (else the password database); other paths returned as they are. */
char *km_path_expand(struct km_arena *arena, const char *path);
/* PATH if absolute, else joined to BASE_DIR. */
char *km_path_join(struct km_arena *arena, const char *base_dir, const char *path);
/* The folder part of PATH ("." if none). */
char *km_path_dir(struct km_arena *arena, const char *path);
/* What changes when a file's content is replaced: device, inode, size, mtime, following symlinks. 0 if absent. */
uint64_t km_file_stamp(const char *path);

#endif
