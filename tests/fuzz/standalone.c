/*
 * Driver that stands in for libFuzzer: feeds files to one fuzz target and ends.
 *
 * Every argument is a file or a folder of files (one level, hidden names left out). The corpus thereby runs in every
 * build, also under gcc, valgrind and ThreadSanitizer, which libFuzzer does not serve. An argument that cannot be
 * read, or a run without a single input, is a failure: a corpus that went missing must not pass for a clean one.
 * One input is at most MAX_INPUT_BYTES. Single thread.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kube_mcp/base/banned.h"

#define MAX_INPUT_BYTES (8U << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static size_t inputs;

static int complain(const char *path, const char *problem)
{
  fprintf(stderr, "%s: %s\n", path, problem);
  return -1;
}

static int run_file(const char *path, size_t size)
{
  if (size > MAX_INPUT_BYTES) {
    return complain(path, "larger than 8 MiB");
  }
  FILE *file = fopen(path, "rb");
  if (!file) {
    return complain(path, strerror(errno));
  }
  /* An allocation of the exact size lets the sanitizers and valgrind see a read past the end. */
  uint8_t *data = malloc(size ? size : 1);
  int failed = !data || fread(data, 1, size, file) != size ? complain(path, "cannot be read") : 0;
  if (!failed) {
    LLVMFuzzerTestOneInput(data, size);
    inputs++;
  }
  free(data);
  fclose(file);
  return failed;
}

static int run_path(const char *path, int may_descend);

static int run_folder(const char *folder)
{
  DIR *entries = opendir(folder);
  if (!entries) {
    return complain(folder, strerror(errno));
  }
  int failed = 0;
  for (struct dirent *entry = readdir(entries); entry && !failed; entry = readdir(entries)) {
    char path[PATH_MAX];
    if (entry->d_name[0] == '.') {
      continue;
    }
    int length = snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
    failed = length < (int)sizeof(path) ? run_path(path, 0) : complain(folder, "path too long");
  }
  closedir(entries);
  return failed;
}

static int run_path(const char *path, int may_descend)
{
  struct stat status;
  if (stat(path, &status)) {
    return complain(path, strerror(errno));
  }
  if (S_ISDIR(status.st_mode)) {
    return may_descend ? run_folder(path) : 0;
  }
  return run_file(path, (size_t)status.st_size);
}

int main(int argc, char **argv)
{
  if (LLVMFuzzerInitialize) {
    LLVMFuzzerInitialize(&argc, &argv);
  }
  for (int i = 1; i < argc; i++) {
    if (run_path(argv[i], 1)) {
      return EXIT_FAILURE;
    }
  }
  if (!inputs) {
    fprintf(stderr, "%s: no input: name files or folders of files\n", argv[0]);
    return EXIT_FAILURE;
  }
  printf("%zu inputs\n", inputs);
  return EXIT_SUCCESS;
}
