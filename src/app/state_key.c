/* A key file is created whole or not at all: written to a temporary file of mode 0600 and linked into place, so two
 * processes starting together agree on the one that came first. A file that others may read is not used. */
#include "state_key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kube_mcp/base/file.h"
#include "kube_mcp/base/log.h"
#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

#define KEY_BYTES 32
#define MAX_FILE  ((size_t)4096)

/* Absolute, or NULL when the environment names no place. */
static const char *key_folder(struct km_arena *arena)
{
  const char *folder = getenv("STATE_DIRECTORY"); /* systemd's; several are separated by colons */
  if (folder != NULL && folder[0] != '\0') {
    folder = km_arena_strndup(arena, folder, strcspn(folder, ":"));
  } else {
    const char *state = getenv("XDG_STATE_HOME");
    bool usable = state != NULL && state[0] == '/';
    folder = km_arena_printf(arena, "%s/kube-mcp", usable ? state : km_path_expand(arena, "~/.local/state"));
  }
  return folder[0] == '/' ? folder : NULL;
}

static void make_folders(struct km_arena *arena, const char *path)
{
  char *copy = km_arena_strdup(arena, path);
  for (char *slash = strchr(copy + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    (void)mkdir(copy, 0700);
    *slash = '/';
  }
  (void)mkdir(copy, 0700);
}

static void create_key(struct km_arena *arena, const char *path)
{
  uint8_t random[KEY_BYTES];
  char hex[2 * KEY_BYTES + 1];
  km_random(random, sizeof(random));
  km_hex(hex, random, sizeof(random));
  char suffix[9]; /* process ids repeat: in a container every one is 1 */
  uint8_t suffix_bytes[4];
  km_random(suffix_bytes, sizeof(suffix_bytes));
  km_hex(suffix, suffix_bytes, sizeof(suffix_bytes));
  char *temporary = km_arena_printf(arena, "%s.%s", path, suffix);
  int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd >= 0) {
    bool written = write(fd, hex, sizeof(hex) - 1) == (ssize_t)(sizeof(hex) - 1);
    (void)close(fd);
    /* A link that fails means that another process was first: its key is as good. */
    if (written && link(temporary, path) != 0 && errno != EEXIST) {
      km_log(KM_LOG_DEBUG, "session key not kept", "errno=%d", errno);
    }
    (void)unlink(temporary);
  }
  km_wipe(random, sizeof(random));
  km_wipe(hex, sizeof(hex));
}

static void ignore(const char *path, const char *reason)
{
  km_log(KM_LOG_WARNING, "session key ignored", "path=%s reason=%s", path, reason);
}

/* The key at PATH, or nothing and a line in the log that says why. */
static void read_key(const char *path, struct km_secret *ret)
{
  struct km_error err = {0};
  struct stat info;
  if (lstat(path, &info) != 0) {
    km_log(KM_LOG_NOTICE, "sessions will not survive a restart", "path=%s reason=%s", path,
           "no key can be kept there");
  } else if (!S_ISREG(info.st_mode) || info.st_uid != geteuid() || (info.st_mode & 077) != 0) {
    ignore(path, "it must be a file owned by this user, mode 0600");
  } else if (km_file_read_secret(path, MAX_FILE, ret, &err) != KM_OK) {
    ignore(path, err.message);
  } else if (ret->len < KEY_BYTES) {
    ignore(path, "it is too short; remove it and a new one is made");
    km_secret_done(ret);
  }
}

void state_key_load(struct km_secret *ret)
{
  struct km_arena *arena = km_arena_new((size_t)64 * 1024);
  const char *folder = key_folder(arena);
  if (folder == NULL) {
    km_log(KM_LOG_NOTICE, "sessions will not survive a restart", "reason=%s",
           "neither STATE_DIRECTORY, XDG_STATE_HOME nor HOME names a folder");
  } else {
    const char *path = km_arena_printf(arena, "%s/session.key", folder);
    if (access(path, F_OK) != 0) {
      make_folders(arena, folder);
      create_key(arena, path);
    }
    read_key(path, ret);
  }
  km_arena_free(arena);
}
