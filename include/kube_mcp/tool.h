/* Tools are tables. One `const struct km_tool` per tool yields its JSON Schema, the strict parser of its arguments, the
 * policy filter, the RBAC check, metric labels, documentation and a snapshot test. */
#ifndef KM_TOOL_H
#define KM_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kube_mcp/base/error.h"
#include "kube_mcp/codec/json.h"

struct km_call;   /* mcp/call.h */
struct km_result; /* mcp/result.h */

enum km_arg_type {
  KM_ARG_STRING,  /* const char *, NULL when absent */
  KM_ARG_INT,     /* int64_t */
  KM_ARG_NUMBER,  /* double */
  KM_ARG_BOOL,    /* bool */
  KM_ARG_ENUM,    /* int: index into one_of; -1 when absent and without default */
  KM_ARG_STRINGS, /* struct km_arg_strings */
  KM_ARG_OBJECT,  /* yyjson_val *, NULL when absent */
};

enum km_arg_flags {
  KM_ARG_REQUIRED = 1,
  KM_ARG_NONEMPTY = 2,  /* "" is refused */
  KM_ARG_DNS_LABEL = 4, /* a namespace or label: RFC 1123 label */
  KM_ARG_DNS_NAME = 8,  /* an object name: no "/", "%", not "." or ".."; up to 253 bytes */
};

struct km_arg_strings {
  const char **items;
  size_t count;
};

struct km_arg {
  const char *name;
  const char *title; /* optional */
  const char *description;
  enum km_arg_type type;
  unsigned flags;
  size_t offset;    /* in the arguments struct */
  int64_t min, max; /* KM_ARG_INT/NUMBER: range; STRING/STRINGS: length/count; both 0 = default bounds */
  const char *const *one_of;  /* KM_ARG_ENUM: NULL-terminated */
  const char *fallback;       /* default as JSON text ("50", "\"table\"", "false"), or NULL */
  const char *header;         /* x-mcp-header name, or NULL */
  const char *const *aliases; /* further accepted names ("cluster" for context), NULL-terminated, or NULL */
};

enum km_tool_hints { /* absent bits are emitted as false */
                     KM_HINT_READ_ONLY = 1,
                     KM_HINT_DESTRUCTIVE = 2,
                     KM_HINT_IDEMPOTENT = 4,
                     KM_HINT_OPEN_WORLD = 8,
};

enum km_tool_lane { KM_LANE_SHORT, KM_LANE_STREAM };

struct km_rbac_row { /* what the caller's identity needs; resource NULL = decided by arguments */
  const char *verb, *group, *resource, *subresource;
};

struct km_tool {
  const char *name, *title, *description;
  unsigned hints; /* enum km_tool_hints */
  const struct km_arg *args;
  size_t arg_count;
  size_t args_size; /* sizeof the arguments struct */
  const struct km_rbac_row *rbac;
  size_t rbac_count;
  enum km_tool_lane lane;
  int64_t deadline_ms;       /* of the whole call; 0 = the server's default */
  const char *input_schema;  /* verbatim JSON instead of the generated schema, or NULL */
  const char *output_schema; /* JSON, or NULL */
  unsigned needs_client;     /* enum km_client_cap bits the client must have declared */
  /* Straight-line blocking code on a worker. ARGS points to the filled arguments struct (in call->arena). */
  enum km_rc (*run)(struct km_call *call, const void *args, struct km_result *out, struct km_error *err);
};

/* Offset and type check in one place: KM_ARG(struct x_args, field). */
#define KM_ARG_AT(type, field) .offset = offsetof(type, field)

/* The generated (or verbatim) input schema of TOOL as a value of DOC. */
yyjson_mut_val *km_tool_input_schema(yyjson_mut_doc *doc, const struct km_tool *tool);
/* The whole tools/list entry: name, title, description, inputSchema, outputSchema, annotations. PREFIX may be "". */
yyjson_mut_val *km_tool_describe(yyjson_mut_doc *doc, const struct km_tool *tool, const char *prefix);
/* The argument that GIVEN names: by its name, an alias, or the camelCase spelling of either. NULL if there is none. */
const struct km_arg *km_tool_find_arg(const struct km_tool *tool, const char *given);
/* Strict parsing of ARGUMENTS (an object or NULL) into ARGS (args_size zeroed bytes): unknown names fail naming the
 * nearest valid one, camelCase spellings and aliases are accepted, types and ranges are checked, defaults filled in.
 * Errors: KM_E_INVALID, type ValidationError. */
enum km_rc km_tool_parse_args(const struct km_tool *tool, yyjson_val *arguments, struct km_arena *arena,
                              void *args, struct km_error *err);

#endif
