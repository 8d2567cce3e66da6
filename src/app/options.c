/* Parsing the command line. Options may stand before or after the command; "--" ends them. An option that sets a
 * configuration key is recorded as an override and checked by the configuration, which knows types and ranges. */
#include "options.h"

#include <stdlib.h>
#include <string.h>

#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

struct option_row {
  const char *name;          /* with its dashes: also how messages spell it */
  char letter;               /* 0 = none */
  const char *value;         /* metavariable, or NULL for a switch */
  const char *section, *key; /* configuration key it sets, or NULL */
  const char *implied;       /* value of a switch */
  const char *help;
};

static const struct option_row rows[] = {
    {"--config", 'c', "FILE", NULL, NULL, NULL,
     "configuration file (default: /etc/kube-mcp/config.toml, then\n"
     "~/.config/kube-mcp/config.toml)"},
    {"--config-dir", 0, "DIR", NULL, NULL, NULL, "read DIR/*.toml in name order after the file"},
    {"--env-file", 0, "FILE", NULL, NULL, NULL, "read NAME=value lines before the environment"},
    {"--transport", 't', "LIST", "server", "transports", NULL, "stdio, http, or stdio,http"},
    {"--address", 0, "HOST:PORT", "server.http", "address", NULL,
     "where HTTP listens (default 127.0.0.1:8080)"},
    {"--kubeconfig", 0, "PATH", "kubernetes", "kubeconfig_path", NULL,
     "kubeconfig to use (default: $KUBECONFIG, then\n"
     "~/.kube/config)"},
    {"--context", 0, "NAME", "kubernetes", "context", NULL,
     "the default context; with call, the context of the call"},
    {"--provider", 0, "KIND", "kubernetes", "provider", NULL, "kubeconfig, single or in-cluster"},
    {"--read-only", 0, NULL, "security", "read_only", "true",
     "nothing that could change a cluster leaves the process"},
    {"--log-level", 0, "LEVEL", "server", "log_level", NULL, "debug, info, notice, warning, error, ..."},
    {"--set", 's', "KEY=VALUE", NULL, NULL, NULL, "any configuration key, e.g. --set kubernetes.qps=50"},
    {"--json", 'j', NULL, NULL, NULL, NULL, "with call and tools: print the whole JSON result"},
    {"--version", 'V', NULL, NULL, NULL, NULL, "print the version and exit"},
    {"--help", 'h', NULL, NULL, NULL, NULL, "print this help and exit"},
};

static const char *const commands[] = {"serve", "call", "tools", "config", "version", "help"};

const char *command_name(enum command command)
{
  return commands[command];
}

void options_help(FILE *out)
{
  (void)fputs(
      "kube-mcp " KM_VERSION ": a Kubernetes server for the Model Context Protocol\n"
      "\n"
      "Usage:\n"
      "  kube-mcp [serve] [options]                    serve MCP (stdio unless configured otherwise)\n"
      "  kube-mcp call TOOL [key=value ...] [options]  call one tool and print its answer\n"
      "  kube-mcp tools [--json]                       list the tools\n"
      "  kube-mcp config check|show|example [options]  check, show or document the configuration\n"
      "  kube-mcp version\n"
      "\n"
      "Options:\n",
      out);
  for (size_t i = 0; i < KM_ARRAY_LEN(rows); i++) {
    char left[64];
    (void)snprintf(left, sizeof(left), "%s%s%s", rows[i].name, rows[i].value == NULL ? "" : " ",
                   rows[i].value == NULL ? "" : rows[i].value);
    (void)fprintf(out, "  %c%c%s%-22s ", rows[i].letter != 0 ? '-' : ' ',
                  rows[i].letter != 0 ? rows[i].letter : ' ', rows[i].letter != 0 ? ", " : "  ", left);
    for (const char *p = rows[i].help; *p != '\0'; p++) {
      (void)fputc(*p, out);
      if (*p == '\n') {
        (void)fprintf(out, "%29s", "");
      }
    }
    (void)fputc('\n', out);
  }
  (void)fputs("\n"
              "Examples:\n"
              "  kube-mcp call config_contexts_list check=true\n"
              "  kube-mcp call pods_list namespace=shop --context prod\n"
              "  kube-mcp call resources_get kind=deploy name=web namespace=shop fields=.status.conditions\n"
              "  kube-mcp serve --transport http --address 127.0.0.1:8080\n"
              "\n"
              "Exit codes: 0 done, 1 internal error, 2 bad usage or input, 3 not found, 4 forbidden,\n"
              "  5 not authenticated, 6 unreachable, 7 deadline passed, 8 conflict, 9 rate limited,\n"
              "  10 too large, 11 protocol error, 130 cancelled\n",
              out);
}

static const struct option_row *find_row(const char *name, size_t len, char letter)
{
  for (size_t i = 0; i < KM_ARRAY_LEN(rows); i++) {
    bool by_name = name != NULL && strlen(rows[i].name) == len && strncmp(rows[i].name, name, len) == 0;
    if (by_name || (letter != 0 && rows[i].letter == letter)) {
      return &rows[i];
    }
  }
  return NULL;
}

static enum km_rc unknown_option(const char *given, size_t len, struct km_error *err)
{
  const char *names[KM_ARRAY_LEN(rows)];
  for (size_t i = 0; i < KM_ARRAY_LEN(rows); i++) {
    names[i] = rows[i].name;
  }
  char name[64];
  (void)snprintf(name, sizeof(name), "%.*s", (int)len, given);
  km_error_set(err, KM_E_INVALID, "unknown option %s", name);
  const char *nearest = km_nearest(name, names, KM_ARRAY_LEN(names));
  return nearest == NULL ? km_error_hint(err, "see kube-mcp --help")
                         : km_error_hint(err, "did you mean %s?", nearest);
}

static enum km_rc add_flag(struct options *options, const char *section, const char *key, const char *value,
                           const char *spelling, struct km_error *err)
{
  if (options->flag_count == MAX_FLAGS) {
    return km_error_set(err, KM_E_INVALID, "more than %d options set configuration keys", MAX_FLAGS);
  }
  options->flags[options->flag_count++] = (struct km_config_flag){section, key, value, spelling};
  return KM_OK;
}

/* "kubernetes.qps=50": the last dot before '=' separates section and key. ARGV memory is ours to cut. */
static enum km_rc add_setting(struct options *options, char *text, struct km_error *err)
{
  char *equals = strchr(text, '=');
  char *dot = equals == NULL ? NULL : memrchr(text, '.', (size_t)(equals - text));
  if (dot == NULL || dot == text) {
    return km_error_set(err, KM_E_INVALID, "--set wants SECTION.KEY=VALUE, not '%s'", text);
  }
  *dot = '\0';
  *equals = '\0';
  return add_flag(options, text, dot + 1, equals + 1, "--set", err);
}

static enum km_rc apply(struct options *options, const struct option_row *row, char *value,
                        struct km_error *err)
{
  if (row->section != NULL) {
    if (km_streq(row->name, "--context")) {
      options->context = value;
    }
    return add_flag(options, row->section, row->key, row->value == NULL ? row->implied : value, row->name,
                    err);
  }
  if (value != NULL && km_streq(row->name, "--set")) {
    return add_setting(options, value, err);
  }
  const struct {
    const char *name;
    const char **target;
  } texts[] = {{"--config", &options->config_file},
               {"--config-dir", &options->config_dir},
               {"--env-file", &options->env_file}};
  for (size_t i = 0; i < KM_ARRAY_LEN(texts); i++) {
    if (km_streq(row->name, texts[i].name)) {
      *texts[i].target = value;
    }
  }
  if (km_streq(row->name, "--json")) {
    options->json = true;
  } else if (km_streq(row->name, "--version")) {
    options->command = COMMAND_VERSION;
  } else if (km_streq(row->name, "--help")) {
    options->command = COMMAND_HELP;
  }
  return KM_OK;
}

/* Handles the option at ARGV[*INDEX], advancing over its value. */
static enum km_rc parse_option(struct options *options, int argc, char **argv, int *index,
                               struct km_error *err)
{
  char *arg = argv[*index];
  bool is_long = arg[1] == '-';
  char *name = is_long ? arg : NULL;
  char *inline_value = is_long ? strchr(name, '=') : (arg[2] != '\0' ? arg + 2 : NULL);
  size_t len = !is_long ? 0 : inline_value != NULL ? (size_t)(inline_value - name) : strlen(name);
  const struct option_row *row = find_row(name, len, is_long ? 0 : arg[1]);
  if (row == NULL) {
    return is_long ? unknown_option(name, len, err)
                   : km_error_set(err, KM_E_INVALID, "unknown option %s; see kube-mcp --help", arg);
  }
  if (is_long && inline_value != NULL) {
    inline_value++;
  }
  if (row->value == NULL) {
    return inline_value == NULL ? apply(options, row, NULL, err)
                                : km_error_set(err, KM_E_INVALID, "%s takes no value", row->name);
  }
  if (inline_value == NULL) {
    if (*index + 1 >= argc) {
      return km_error_set(err, KM_E_INVALID, "%s needs a value: %s %s", row->name, row->name, row->value);
    }
    inline_value = argv[++*index];
  }
  return apply(options, row, inline_value, err);
}

static enum km_rc choose_command(struct options *options, const char *given, struct km_error *err)
{
  for (size_t i = 0; i < KM_ARRAY_LEN(commands); i++) {
    if (km_streq(given, commands[i])) {
      options->command = (enum command)i;
      return KM_OK;
    }
  }
  km_error_set(err, KM_E_INVALID, "unknown command '%s'", given);
  const char *nearest = km_nearest(given, commands, KM_ARRAY_LEN(commands));
  return nearest == NULL ? km_error_hint(err, "see kube-mcp --help")
                         : km_error_hint(err, "did you mean '%s'?", nearest);
}

enum km_rc options_parse(int argc, char **argv, struct options *ret, struct km_error *err)
{
  struct options options = {.command = COMMAND_SERVE};
  bool only_operands = false, have_command = false;
  int operands = 0; /* moved to the front of ARGV */
  for (int i = 1; i < argc; i++) {
    enum km_rc rc = KM_OK;
    if (!only_operands && km_streq(argv[i], "--")) {
      only_operands = true;
    } else if (!only_operands && argv[i][0] == '-' && argv[i][1] != '\0') {
      rc = parse_option(&options, argc, argv, &i, err);
    } else if (!have_command) {
      have_command = true;
      rc = choose_command(&options, argv[i], err);
    } else {
      argv[1 + operands++] = argv[i];
    }
    if (rc != KM_OK) {
      return rc;
    }
  }
  options.operands = argv + 1;
  options.operand_count = operands;
  *ret = options;
  return KM_OK;
}
