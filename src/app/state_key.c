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

static const char *key_folder(struct km_arena *arena)
{
  const char *folder = getenv("STATE_DIRECTORY"); /* systemd's */
  if (!km_str_empty(folder)) {
    return folder;
  }
  const char *state = getenv("XDG_STATE_HOME");
  return km_arena_printf(arena, "%s/kube-mcp",
                         km_str_empty(state) ? km_path_expand(arena, "~/.local/state") : state);
}

static void make_folders(const char *path)
{
  char *copy = strdup(path);
  for (char *slash = strchr(copy + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    (void)mkdir(copy, 0700);
    *slash = '/';
  }
  (void)mkdir(copy, 0700);
  free(copy);
}

static void create_key(struct km_arena *arena, const char *path)
{
  uint8_t random[KEY_BYTES];
  char hex[2 * KEY_BYTES + 1];
  km_random(random, sizeof(random));
  km_hex(hex, random, sizeof(random));
  char *temporary = km_arena_printf(arena, "%s.%ld", path, (long)getpid());
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

void state_key_load(struct km_secret *ret)
{
  struct km_arena *arena = km_arena_new((size_t)64 * 1024);
  struct km_error err = {0};
  struct stat info;
  const char *folder = key_folder(arena);
  const char *path = km_arena_printf(arena, "%s/session.key", folder);
  if (stat(path, &info) != 0) {
    make_folders(folder);
    create_key(arena, path);
  }
  if (stat(path, &info) != 0) {
    km_log(KM_LOG_NOTICE, "sessions will not survive a restart", "reason=\"cannot keep a key in %s\"",
           folder);
  } else if (info.st_uid != geteuid() || (info.st_mode & 077) != 0) {
    km_log(KM_LOG_WARNING, "session key ignored",
           "path=%s reason=\"it must be owned by this user, mode 0600\"", path);
  } else if (km_file_read_secret(path, MAX_FILE, ret, &err) != KM_OK) {
    km_log(KM_LOG_WARNING, "session key ignored", "reason=\"%s\"", err.message);
  }
  km_arena_free(arena);
}
