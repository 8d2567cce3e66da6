/* kube-mcp: where the process starts. Parses the command line, loads the configuration, runs one command, turns its error
 * into a message and an exit code. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "kube_mcp/base/log.h"

#include "kube_mcp/base/banned.h"

/* Big blocks go back to the system when they are freed; without a fixed threshold glibc keeps them (docs/performance.md). */
static void tune_allocator(void)
{
  (void)mallopt(M_MMAP_THRESHOLD, 256 * 1024);
  (void)mallopt(M_TRIM_THRESHOLD, 512 * 1024);
  (void)mallopt(M_ARENA_MAX, 4);
}

/* Whoever started us may have closed a standard stream. Its number must not go to a socket or a key file, so it is taken
 * by a stream in the wrong direction: reading finds the end, writing fails. */
static void hold_standard_streams(void)
{
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
    if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != fd) {
      abort();
    }
  }
}

static enum km_rc run_configured(const struct options *options, struct km_error *err)
{
  struct km_config *config = NULL;
  enum km_rc rc = load_config(options, &config, err);
  if (rc != KM_OK) {
    return rc;
  }
  enum km_log_level level = (enum km_log_level)config->server.log_level;
  if (options->command != COMMAND_SERVE && level != KM_LOG_DEBUG) {
    level = KM_LOG_CRITICAL; /* a command prints its error itself */
  }
  km_log_init(level, (enum km_log_format)config->server.log_format);
  switch (options->command) {
  case COMMAND_CALL: rc = command_call(options, config, err); break;
  case COMMAND_TOOLS: rc = command_tools(options, config, err); break;
  case COMMAND_SERVE:
  case COMMAND_CONFIG:
  case COMMAND_VERSION:
  case COMMAND_HELP: rc = command_serve(config, err); break;
  }
  km_config_free(config);
  return rc;
}

static enum km_rc run(const struct options *options, struct km_error *err)
{
  bool takes_operands = options->command != COMMAND_SERVE && options->command != COMMAND_TOOLS;
  if (options->operand_count > 0 && !takes_operands) {
    return km_error_set(err, KM_E_INVALID, "%s takes no arguments, not '%s'; see kube-mcp --help",
                        command_name(options->command), options->operands[0]);
  }
  switch (options->command) {
  case COMMAND_HELP: options_help(stdout); return KM_OK;
  case COMMAND_VERSION: (void)puts("kube-mcp " KM_VERSION); return KM_OK;
  case COMMAND_CONFIG: return command_config(options, err);
  case COMMAND_SERVE:
  case COMMAND_CALL:
  case COMMAND_TOOLS: break;
  }
  return run_configured(options, err);
}

/* An answer that did not arrive is no success. */
static enum km_rc finish_output(struct km_error *err)
{
  errno = 0;
  if (fflush(stdout) == 0 && ferror(stdout) == 0) {
    return KM_OK;
  }
  return km_error_set(err, KM_E_INTERNAL, "cannot write to standard output%s%s", errno == 0 ? "" : ": ",
                      errno == 0 ? "" : strerror(errno));
}

int main(int argc, char **argv)
{
  hold_standard_streams();
  tune_allocator();
  struct options options;
  struct km_error err = {0};
  enum km_rc rc = options_parse(argc, argv, &options, &err);
  if (rc == KM_OK) {
    rc = run(&options, &err);
  }
  if (rc == KM_OK) {
    rc = finish_output(&err);
  }
  if (rc != KM_OK && err.message[0] != '\0') {
    (void)fprintf(stderr, "kube-mcp: %s\n", err.message);
    if (err.hint[0] != '\0') {
      (void)fprintf(stderr, "hint: %s\n", err.hint);
    }
  }
  return rc == KM_OK ? 0 : km_error_class(rc)->exit_code;
}
