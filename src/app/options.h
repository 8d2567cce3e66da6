/* The command line: one table says what each option is called, what it does, and which configuration key it sets; the
 * same table prints --help. */
#ifndef KM_APP_OPTIONS_H
#define KM_APP_OPTIONS_H

#include <stdio.h>

#include "kube_mcp/config/config.h"

enum command {
  COMMAND_SERVE,
  COMMAND_CALL,
  COMMAND_TOOLS,
  COMMAND_CONFIG,
  COMMAND_VERSION,
  COMMAND_HELP,
};

#define MAX_FLAGS 64

struct options {
  enum command command;
  const char *config_file, *config_dir, *env_file;
  struct km_config_flag flags[MAX_FLAGS];
  size_t flag_count;
  const char *context; /* as given, for `call` */
  bool json;
  char **operands; /* what follows the command */
  int operand_count;
};

/* Parses ARGV. Errors: KM_E_INVALID with the nearest option or command as hint. Strings are borrowed from ARGV. */
enum km_rc options_parse(int argc, char **argv, struct options *ret, struct km_error *err);
void options_help(FILE *out);
const char *command_name(enum command command);

#endif
