/* A strict TOML 1.0.0 parser: text in, a tree with source positions out. No configuration knowledge here. */
#ifndef KM_CONFIG_TOML_H
#define KM_CONFIG_TOML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kube_mcp/base/arena.h"
#include "kube_mcp/base/error.h"

enum km_toml_type {
  KM_TOML_STRING,
  KM_TOML_INTEGER,
  KM_TOML_FLOAT,
  KM_TOML_BOOLEAN,
  KM_TOML_OFFSET_DATETIME,
  KM_TOML_LOCAL_DATETIME,
  KM_TOML_LOCAL_DATE,
  KM_TOML_LOCAL_TIME,
  KM_TOML_ARRAY,
  KM_TOML_TABLE,
};

struct km_toml_value;

struct km_toml_entry { /* of a table, in source order */
  const char *key;     /* NUL-terminated; key_len counts, since "\u0000" is a legal key */
  size_t key_len;
  int line, col; /* of the key */
  struct km_toml_value *value;
};

struct km_toml_value {
  enum km_toml_type type;
  int line, col; /* 1-based; columns count code points */
  union {
    struct {
      char *data;
      size_t len;
    } string; /* NUL-terminated; date-times too, with upper-case T and Z */
    int64_t integer;
    double floating;
    bool boolean;
    struct {
      struct km_toml_value **items;
      size_t count;
    } array;
    struct {
      struct km_toml_entry *entries;
      size_t count;
    } table;
  } as;
};

#define KM_TOML_MAX_BYTES ((size_t)1 << 20)
#define KM_TOML_MAX_DEPTH 64   /* of tables, arrays and dotted keys together */
#define KM_TOML_MAX_KEYS  4096 /* in one table */

/* Parses a whole document; SOURCE names it in messages. Everything lives in ARENA and takes at most about 60
 * bytes per byte of text. Errors: KM_E_INVALID "SOURCE:LINE:COL: what"; KM_E_TOO_LARGE for a text beyond the
 * maximum. */
enum km_rc km_toml_parse(struct km_arena *arena, const char *text, size_t len, const char *source,
                         struct km_toml_value **ret_root, struct km_error *err);
/* The value of KEY in TABLE, or NULL. */
struct km_toml_value *km_toml_get(const struct km_toml_value *table, const char *key);
/* "a string", "an array", ...: with its article, for messages. */
const char *km_toml_type_name(enum km_toml_type type);

#endif
