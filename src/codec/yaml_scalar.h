/* What an unquoted YAML scalar means. Private to the codec layer: the reader types scalars with it, the
 * writer asks it whether a string needs quotes. Both must agree, so that whatever is written reads back
 * unchanged. */
#ifndef KM_CODEC_YAML_SCALAR_H
#define KM_CODEC_YAML_SCALAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longer text is never a number. */
#define KM_YAML_MAX_NUMBER_BYTES 400

enum km_yaml_kind {
  KM_YAML_TEXT,
  KM_YAML_NULL,
  KM_YAML_BOOL,
  KM_YAML_SINT,      /* fits int64_t */
  KM_YAML_UINT,      /* beyond int64_t, fits uint64_t */
  KM_YAML_BIGINT,    /* beyond 64 bits, finite as a double */
  KM_YAML_REAL,      /* finite */
  KM_YAML_NONFINITE, /* .inf, -.inf, .nan: JSON has none */
  KM_YAML_TIMESTAMP, /* a string when read; quoted when a string is written */
};

struct km_yaml_scalar {
  enum km_yaml_kind kind;
  union {
    bool truth;
    int64_t sint;
    uint64_t uint;
    double real;
  };
};

/* Types TEXT (NUL-terminated, LEN bytes) as an unquoted scalar without a tag. */
struct km_yaml_scalar km_yaml_resolve(const char *text, size_t len);

/* True for YAML 1.1 base-60 numbers ("12:30:00"): read as text here, but not by every other reader. */
bool km_yaml_is_sexagesimal(const char *text);

#define KM_YAML_REAL_BYTES 32
/* The shortest decimal that reads back as REAL (as its nearest float when SINGLE), with an exponent below
 * 1e-4 and from 1e6 on, as Go's 'g' format has it. Returns the length. */
size_t km_yaml_format_real(double real, bool single, char out[KM_YAML_REAL_BYTES]);

#endif
