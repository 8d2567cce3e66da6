/* The keys of all tables, with the value each has so far and where that came from. */
#ifndef KM_CONFIG_SETTINGS_H
#define KM_CONFIG_SETTINGS_H

#include "kube_mcp/config/config.h"
#include "value.h"

struct km_setting {
  const struct km_field *field;
  const struct km_config_extension *extension; /* NULL for the core's keys */
  const char *environment_name;                /* KUBE_MCP_SECTION_NAME */
  struct km_value value;
  const char *origin; /* where the value was set; NULL = it is the field's default */
  const char *set_as; /* the key that set it: NAME or NAME_file */
  int layer;          /* the source that set it */
  void *target;       /* the struct it was stored in, NULL before km_settings_store */
};

struct km_settings {
  struct km_arena *arena;
  struct km_setting *items; /* the core's, then each extension's, in the order of their tables */
  size_t count;
  const struct km_config_extension *extensions;
  size_t extension_count;
  int layer; /* the source being read: whoever reads the next one counts it up */
};

/* Every key at its default. Everything lives in ARENA, and secrets are wiped with it. EXTENSIONS must live as
 * long. Errors: KM_E_INTERNAL for a table with an unsound default. */
enum km_rc km_settings_new(struct km_arena *arena, const struct km_config_extension *extensions, size_t count,
                           struct km_settings **ret, struct km_error *err);

/* True if there is a key NAME in SECTION, or a secret that NAME spells with "_file". */
bool km_settings_has_key(const struct km_settings *settings, const char *section, const char *name);
/* True if PATH is a section or the beginning of one. */
bool km_settings_has_section(const struct km_settings *settings, const char *path);
/* Reads SOURCE into the key, in every table that has it. The key must exist.
 * Errors: those of km_value_read and of reading a NAME_file; NAME and NAME_file set by one and the same
 * layer. */
enum km_rc km_settings_assign(struct km_settings *settings, const char *section, const char *name,
                              const struct km_value_source *source, struct km_error *err);
/* The error for a key that does not exist: "PLACE: unknown key 'x' in [SECTION]; did you mean 'y'?" */
enum km_rc km_settings_unknown_key(const struct km_settings *settings, const char *place, const char *section,
                                   const char *name, struct km_error *err);
/* The same for a section. */
enum km_rc km_settings_unknown_section(const struct km_settings *settings, const char *place,
                                       const char *path, struct km_error *err);
/* Copies every value into CONFIG and into structs of the extensions, which it allocates. */
void km_settings_store(struct km_settings *settings, struct km_config *config);

#endif
