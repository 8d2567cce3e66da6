/* Small files read whole, and paths.
 *
 * Owns nothing. Only regular files are read (opening a pipe or a device could block for ever), never more than the
 * given bound, whatever size the file system reports. Files read here usually hold credentials, so the buffer they
 * pass through is wiped. Paths are bytes and are taken as they are; "~user" is not expanded. Every function blocks on
 * the file system only and is safe on any thread. */
#include "kube_mcp/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

/* For KM_CLEANUP; a negative number is no file. */
static void fd_done(int *fd)
{
  if (*fd >= 0) {
    close(*fd);
  }
}

/* What the person who configured PATH can do about it. */
static enum km_rc fail_errno(struct km_error *err, int errnum, const char *path)
{
  enum km_rc rc = km_error_errno(err, errnum, "cannot read %s", path);
  if (rc == KM_E_NOT_FOUND) {
    return km_error_hint(err, "check the spelling of the path");
  }
  if (rc == KM_E_FORBIDDEN) {
    return km_error_hint(err, "make the file readable for user id %u, which runs this process",
                         (unsigned)geteuid());
  }
  return rc;
}

static enum km_rc fail_too_large(struct km_error *err, const char *path, size_t max_bytes)
{
  return km_error_set(err, KM_E_TOO_LARGE, "%s is larger than the %zu bytes allowed for it", path, max_bytes);
}

/* Looks at the open file, not at the path, which may name another file by now. */
static enum km_rc check_regular(int fd, const char *path, struct km_error *err)
{
  struct stat st;
  if (fstat(fd, &st) != 0) {
    return fail_errno(err, errno, path);
  }
  if (!S_ISREG(st.st_mode)) {
    return km_error_set(err, KM_E_INVALID, "cannot read %s: it is %s, not a regular file", path,
                        S_ISDIR(st.st_mode) ? "a directory" : "a device, pipe or socket");
  }
  return KM_OK;
}

/* Appends all of FD to OUT, whose maximum is MAX_BYTES. Reads to the end instead of trusting st_size, which is 0 in
 * /proc and stale while somebody writes. */
static enum km_rc read_all(int fd, const char *path, size_t max_bytes, struct km_buf *out,
                           struct km_error *err)
{
  char block[4096];
  enum km_rc rc = KM_OK;
  for (;;) {
    ssize_t count = read(fd, block, sizeof(block));
    if (count == 0) {
      break;
    }
    if (count < 0) {
      if (errno == EINTR) {
        continue;
      }
      rc = fail_errno(err, errno, path);
      break;
    }
    if (!km_buf_append(out, block, (size_t)count)) {
      rc = fail_too_large(err, path, max_bytes);
      break;
    }
  }
  km_wipe(block, sizeof(block));
  return rc;
}

/* Into OUT, which the caller ends even when this fails. */
static enum km_rc read_whole(const char *path, size_t max_bytes, struct km_buf *out, struct km_error *err)
{
  km_buf_init_secret(out, max_bytes);
  /* O_NONBLOCK: opening a pipe that nobody writes to must not wait. */
  KM_CLEANUP(fd_done) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0) {
    return fail_errno(err, errno, path);
  }
  enum km_rc rc = check_regular(fd, path, err);
  return rc == KM_OK ? read_all(fd, path, max_bytes, out, err) : rc;
}

enum km_rc km_file_read(struct km_arena *arena, const char *path, size_t max_bytes, char **ret_data,
                        size_t *ret_len, struct km_error *err)
{
  KM_CLEANUP(km_buf_done) struct km_buf contents;
  enum km_rc rc = read_whole(path, max_bytes, &contents, err);
  if (rc != KM_OK) {
    return rc;
  }
  char *data = km_arena_try_alloc(arena, contents.len + 1);
  if (data == NULL) {
    return km_error_set(err, KM_E_TOO_LARGE, "the %zu bytes of %s exceed the memory of this call",
                        contents.len, path);
  }
  memcpy(data, contents.data, contents.len);
  *ret_data = data;
  if (ret_len != NULL) {
    *ret_len = contents.len;
  }
  return KM_OK;
}

enum km_rc km_file_read_secret(const char *path, size_t max_bytes, struct km_secret *ret,
                               struct km_error *err)
{
  KM_CLEANUP(km_buf_done) struct km_buf contents;
  enum km_rc rc = read_whole(path, max_bytes, &contents, err);
  if (rc == KM_OK) {
    km_secret_set(ret, contents.data, contents.len);
  }
  return rc;
}

/* $HOME, else what the password database says; NULL if neither knows. */
static const char *home_dir(struct km_arena *arena)
{
  const char *home = getenv("HOME"); /* NOLINT(concurrency-mt-unsafe): nothing here changes the environment */
  if (!km_str_empty(home)) {
    return home;
  }
  struct passwd entry;
  struct passwd *found = NULL;
  char text[4096];
  /* A minimal container may know no users; then "~" stays as it is and the error names it. */
  if (getpwuid_r(geteuid(), &entry, text, sizeof(text), &found) != 0 || found == NULL) {
    return NULL;
  }
  return km_arena_strdup(arena, found->pw_dir);
}

char *km_path_expand(struct km_arena *arena, const char *path)
{
  bool is_home = path[0] == '~' && (path[1] == '\0' || path[1] == '/');
  const char *home = is_home ? home_dir(arena) : NULL;
  return home != NULL ? km_arena_printf(arena, "%s%s", home, path + 1) : km_arena_strdup(arena, path);
}

char *km_path_join(struct km_arena *arena, const char *base_dir, const char *path)
{
  if (path[0] == '/' || km_str_empty(base_dir)) {
    return km_arena_strdup(arena, path);
  }
  return km_arena_printf(arena, "%s%s%s", base_dir, km_ends_with(base_dir, "/") ? "" : "/", path);
}

char *km_path_dir(struct km_arena *arena, const char *path)
{
  const char *slash = strrchr(path, '/');
  if (slash == NULL) {
    return km_arena_strdup(arena, ".");
  }
  /* "a//b" lies in "a", and "/b" in "/". */
  while (slash > path && slash[-1] == '/') {
    slash--;
  }
  return km_arena_strndup(arena, path, slash > path ? (size_t)(slash - path) : 1);
}

/* One step of a 64-bit mixer (the finaliser of SplitMix64). */
static uint64_t mix(uint64_t stamp, uint64_t value)
{
  stamp = (stamp ^ value) + UINT64_C(0x9E3779B97F4A7C15);
  stamp = (stamp ^ stamp >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  stamp = (stamp ^ stamp >> 27) * UINT64_C(0x94D049BB133111EB);
  return stamp ^ stamp >> 31;
}

uint64_t km_file_stamp(const char *path)
{
  struct stat st;
  if (stat(path, &st) != 0) {
    return 0;
  }
  uint64_t stamp = mix(0, (uint64_t)st.st_dev);
  stamp = mix(stamp, (uint64_t)st.st_ino);
  stamp = mix(stamp, (uint64_t)st.st_size);
  stamp = mix(stamp, (uint64_t)st.st_mtim.tv_sec);
  stamp = mix(stamp, (uint64_t)st.st_mtim.tv_nsec);
  return stamp != 0 ? stamp : 1; /* 0 says that there is no file */
}
