/* One key's value: read from TOML or plain text, checked against its field, stored in a struct, written as
 * TOML. */
#ifndef KM_CONFIG_VALUE_H
#define KM_CONFIG_VALUE_H

#include "environment.h"
#include "kube_mcp/base/crypto.h"
#include "kube_mcp/config/field.h"
#include "kube_mcp/config/toml.h"

struct km_value { /* which member counts is the field's type */
  bool boolean;
  int64_t integer; /* INT, DURATION, SIZE; the index of ENUM */
  double floating;
  const char *text; /* STRING, PATH */
  struct km_strings list;
  struct km_secret secret;
};

struct km_value_source {
  const struct km_toml_value *toml; /* or, when NULL, */
  const char *text;                 /* plain text: environment and flags */
  const struct km_environment *env; /* for ${NAME} in TOML strings; NULL = leave them alone */
  const char *place;                /* "file:line:col", "environment NAME", "flag --name" */
};

/* Reads SOURCE as a value of FIELD. Strings live in ARENA; a secret in RET is the caller's to wipe.
 * Errors: KM_E_INVALID "PLACE: section.name must be ..., not ...". */
enum km_rc km_value_read(struct km_arena *arena, const struct km_field *field,
                         const struct km_value_source *source, struct km_value *ret, struct km_error *err);
/* Writes VALUE to FIELD's place in the struct at TARGET. A secret is copied. */
void km_value_store(const struct km_field *field, const struct km_value *value, void *target);
/* VALUE as TOML that km_value_read takes back to the same; a secret as "<set>" or "". False if OUT is full.
 */
bool km_value_write(const struct km_field *field, const struct km_value *value, struct km_buf *out);
/* What FIELD takes, for messages and documentation: "a boolean", "an integer between 1 and 256". */
const char *km_value_wanted(struct km_arena *arena, const struct km_field *field);

#endif
