/* The sources of a configuration, each applied over what came before. */
#ifndef KM_CONFIG_LAYERS_H
#define KM_CONFIG_LAYERS_H

#include "settings.h"

/* The names of other systems (km_field.env), read as defaults: to be applied first. */
enum km_rc km_layer_foreign(struct km_settings *settings, const struct km_environment *env,
                            struct km_error *err);
/* One TOML file. */
enum km_rc km_layer_file(struct km_settings *settings, const struct km_environment *env, const char *path,
                         struct km_error *err);
/* The KUBE_MCP_* names. */
enum km_rc km_layer_environment(struct km_settings *settings, const struct km_environment *env,
                                struct km_error *err);
enum km_rc km_layer_flags(struct km_settings *settings, const struct km_config_flag *flags, size_t count,
                          struct km_error *err);

#endif
