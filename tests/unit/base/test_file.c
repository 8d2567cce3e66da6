/* Reading small files, paths, stamps. */
#include "kube_mcp/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "testing.h"

#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

struct fixture {
  char dir[64];
  struct km_arena *arena;
  struct km_error err;
};

static struct fixture at;

static int set_up(void **state)
{
  (void)state;
  at = (struct fixture){.dir = "/tmp/km-file-XXXXXX", .arena = km_arena_new(1 << 20)};
  return mkdtemp(at.dir) == NULL;
}

static const char *in_dir(const char *name)
{
  return km_path_join(at.arena, at.dir, name);
}

static int tear_down(void **state)
{
  (void)state;
  static const char *const names[] = {"f", "link", "loop", "pipe"};
  for (size_t i = 0; i < KM_ARRAY_LEN(names); i++) {
    (void)unlink(in_dir(names[i]));
  }
  int rc = rmdir(at.dir);
  km_arena_free(at.arena);
  return rc;
}

static const char *write_file(const char *name, const char *data, size_t len)
{
  const char *path = in_dir(name);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_int_equal(fwrite(data, 1, len, file), len);
  assert_int_equal(fclose(file), 0);
  return path;
}

static enum km_rc read_file(const char *path, size_t max, char **data, size_t *len)
{
  *data = NULL;
  *len = 77;
  at.err = (struct km_error){0};
  return km_file_read(at.arena, path, max, data, len, &at.err);
}

static void assert_fails(const char *path, size_t max, enum km_rc expected)
{
  char *data = NULL;
  size_t len = 0;
  assert_int_equal(read_file(path, max, &data, &len), expected);
  assert_int_equal(at.err.code, expected);
  assert_contains(at.err.message, path);
  assert_null(data);
  assert_int_equal(len, 77);
  struct km_secret secret = {0};
  assert_int_equal(km_file_read_secret(path, max, &secret, &at.err), expected);
  assert_true(km_secret_empty(&secret));
}

static void test_reads_whole_files(void **state)
{
  (void)state;
  char *data = NULL;
  size_t len = 0;
  const char *path = write_file("f", "a\0b\n", 4);
  assert_int_equal(read_file(path, 4, &data, &len), KM_OK);
  assert_int_equal(len, 4);
  assert_memory_equal(data, "a\0b\n", 5);
  assert_int_equal(km_file_read(at.arena, path, 4, &data, NULL, &at.err), KM_OK);
  path = write_file("f", "", 0);
  assert_int_equal(read_file(path, 10, &data, &len), KM_OK);
  assert_int_equal(len, 0);
  assert_string_equal(data, "");
  assert_int_equal(symlink("f", in_dir("link")), 0);
  assert_int_equal(read_file(in_dir("link"), 10, &data, &len), KM_OK);
}

static void test_reads_files_that_do_not_tell_their_size(void **state)
{
  (void)state;
  char *data = NULL;
  size_t len = 0;
  assert_int_equal(read_file("/proc/self/status", 1 << 16, &data, &len), KM_OK);
  assert_contains(data, "VmRSS:");
  assert_fails("/proc/self/status", 10, KM_E_TOO_LARGE);
}

static void test_bound_is_exact(void **state)
{
  (void)state;
  static char block[20000];
  memset(block, 'x', sizeof(block));
  const char *path = write_file("f", block, sizeof(block));
  char *data = NULL;
  size_t len = 0;
  assert_int_equal(read_file(path, sizeof(block), &data, &len), KM_OK);
  assert_memory_equal(data, block, sizeof(block));
  assert_fails(path, sizeof(block) - 1, KM_E_TOO_LARGE);
  assert_fails(path, 0, KM_E_TOO_LARGE);
  struct km_arena *small = km_arena_new(1000);
  assert_int_equal(km_file_read(small, path, sizeof(block), &data, &len, &at.err), KM_E_TOO_LARGE);
  km_arena_free(small);
}

static void test_what_is_no_file(void **state)
{
  (void)state;
  assert_fails(in_dir("missing"), 10, KM_E_NOT_FOUND);
  assert_true(at.err.hint[0] != '\0');
  assert_fails(at.dir, 10, KM_E_INVALID);
  assert_contains(at.err.message, "a directory");
  assert_fails("/dev/zero", 10, KM_E_INVALID);
  assert_int_equal(mkfifo(in_dir("pipe"), 0600), 0);
  assert_fails(in_dir("pipe"), 10, KM_E_INVALID);
  assert_int_equal(symlink("loop", in_dir("loop")), 0);
  assert_fails(in_dir("loop"), 10, KM_E_INVALID);
  const char *path = write_file("f", "x", 1);
  assert_fails(km_arena_printf(at.arena, "%s/below", path), 10, KM_E_NOT_FOUND);
}

static void test_unreadable(void **state)
{
  (void)state;
  if (geteuid() == 0) {
    skip(); /* root may read everything */
  }
  const char *path = write_file("f", "x", 1);
  assert_int_equal(chmod(path, 0), 0);
  assert_fails(path, 10, KM_E_FORBIDDEN);
  assert_contains(at.err.hint, "readable");
}

static void test_secret(void **state)
{
  (void)state;
  struct km_secret secret = {0};
  km_secret_set(&secret, "old", 3);
  const char *path = write_file("f", "token\n", 6);
  assert_int_equal(km_file_read_secret(path, 100, &secret, &at.err), KM_OK);
  assert_string_equal(secret.data, "token\n");
  assert_int_equal(km_file_read_secret(in_dir("missing"), 100, &secret, &at.err), KM_E_NOT_FOUND);
  assert_string_equal(secret.data, "token\n"); /* untouched by failure */
  km_secret_done(&secret);
}

static void test_expand(void **state)
{
  (void)state;
  char *home = getenv("HOME") != NULL ? strdup(getenv("HOME")) : NULL;
  setenv("HOME", "/home/me", 1);
  assert_string_equal(km_path_expand(at.arena, "~"), "/home/me");
  assert_string_equal(km_path_expand(at.arena, "~/.kube/config"), "/home/me/.kube/config");
  assert_string_equal(km_path_expand(at.arena, "~root/x"), "~root/x");
  assert_string_equal(km_path_expand(at.arena, "/a/~/b"), "/a/~/b");
  assert_string_equal(km_path_expand(at.arena, "a~"), "a~");
  assert_string_equal(km_path_expand(at.arena, ""), "");
  unsetenv("HOME");
  assert_true(km_path_expand(at.arena, "~/x")[0] == '/');
  if (home != NULL) {
    setenv("HOME", home, 1);
  }
  free(home);
}

static void test_join_and_dir(void **state)
{
  (void)state;
  assert_string_equal(km_path_join(at.arena, "/etc", "ca.pem"), "/etc/ca.pem");
  assert_string_equal(km_path_join(at.arena, "/etc/", "ca.pem"), "/etc/ca.pem");
  assert_string_equal(km_path_join(at.arena, "/etc", "/ca.pem"), "/ca.pem");
  assert_string_equal(km_path_join(at.arena, "", "ca.pem"), "ca.pem");
  assert_string_equal(km_path_join(at.arena, NULL, "ca.pem"), "ca.pem");
  assert_string_equal(km_path_dir(at.arena, "/etc/kube/config"), "/etc/kube");
  assert_string_equal(km_path_dir(at.arena, "/etc//config"), "/etc");
  assert_string_equal(km_path_dir(at.arena, "/config"), "/");
  assert_string_equal(km_path_dir(at.arena, "//config"), "/");
  assert_string_equal(km_path_dir(at.arena, "config"), ".");
  assert_string_equal(km_path_dir(at.arena, "a/b"), "a");
}

static void test_stamp(void **state)
{
  (void)state;
  assert_int_equal(km_file_stamp(in_dir("missing")), 0);
  const char *path = write_file("f", "one", 3);
  uint64_t first = km_file_stamp(path);
  assert_true(first != 0);
  assert_true(km_file_stamp(path) == first);
  assert_int_equal(symlink("f", in_dir("link")), 0);
  assert_true(km_file_stamp(in_dir("link")) == first);
  write_file("f", "three", 5);
  uint64_t longer = km_file_stamp(path);
  assert_true(longer != first);
  const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000, .tv_nsec = 1}};
  assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
  assert_true(km_file_stamp(path) != longer);
  assert_true(km_file_stamp(in_dir("link")) == km_file_stamp(path));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_reads_whole_files, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_reads_files_that_do_not_tell_their_size, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_bound_is_exact, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_what_is_no_file, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_unreadable, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_secret, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_expand, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_join_and_dir, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_stamp, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
