/* Declarative configuration keys: a table of fields describes a section of the TOML file, its defaults, its
 * limits, its documentation and where each value goes in a C struct. The same tables parse, check, show and
 * generate the example. */
#ifndef KM_CONFIG_FIELD_H
#define KM_CONFIG_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum km_field_type {
  KM_FIELD_BOOL,     /* bool */
  KM_FIELD_INT,      /* int64_t, min..max */
  KM_FIELD_DOUBLE,   /* double */
  KM_FIELD_STRING,   /* const char * (never NULL; "" when unset) */
  KM_FIELD_PATH,     /* const char *; ~ expanded */
  KM_FIELD_SECRET,   /* struct km_secret; `NAME_file` is accepted beside it; never shown */
  KM_FIELD_DURATION, /* int64_t milliseconds; "30s" or a number of seconds; min..max in ms */
  KM_FIELD_SIZE,     /* int64_t bytes; "32KiB", "4MiB" or a number */
  KM_FIELD_ENUM,     /* int: index into one_of */
  KM_FIELD_STRINGS,  /* struct km_strings; min..max items */
};

struct km_strings {
  const char **items;
  size_t count;
};

/* Another spelling of a value: {"warn", "warning"}. A NULL name ends the list. */
struct km_field_alias {
  const char *name, *means;
};

struct km_field {
  const char *section; /* "server.http"; dotted */
  const char *name;    /* "address" */
  enum km_field_type type;
  size_t offset;             /* in the target struct */
  const char *fallback;      /* default in TOML syntax: "\"127.0.0.1:8080\"", "100", "[\"stdio\"]" */
  const char *doc;           /* one or two sentences; becomes the comment in config.toml.example */
  int64_t min, max;          /* both 0: unchecked */
  const char *const *one_of; /* NULL-terminated; MUST for ENUM, MAY for STRING and the items of STRINGS */
  const char *env; /* a seed system's environment name read as default, or NULL; "HOST:PORT" names two that
                      each replace their half of the default */
  const struct km_field_alias *aliases; /* MAY be NULL */
  /* MAY be NULL. For STRING, PATH and the items of STRINGS, called for explicit values: what is wrong with
   * TEXT ("must be host:port"), or NULL. */
  const char *(*check)(const char *text);
};

#endif
