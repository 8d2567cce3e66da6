/* The commands of the program. Each returns what the exit code is made from. */
#ifndef KM_APP_COMMANDS_H
#define KM_APP_COMMANDS_H

#include "options.h"
#include "server.h"

enum km_rc command_serve(const struct km_config *config, struct km_error *err);
/* What would keep `serve` from starting, or its one configured cluster from being used; connects and binds nothing. */
enum km_rc check_serve(const struct km_config *config, struct km_error *err);
/* On a failure of the tool itself the error has been printed and err->message is empty. */
enum km_rc command_call(const struct options *options, const struct km_config *config, struct km_error *err);
enum km_rc command_tools(const struct options *options, const struct km_config *config, struct km_error *err);
enum km_rc command_config(const struct options *options, struct km_error *err);

#endif
