/* What the files of a condition share: its tokens, and the tree that the parser makes and the evaluation walks. */
#ifndef KM_SRC_CODEC_WHERE_INTERNAL_H
#define KM_SRC_CODEC_WHERE_INTERNAL_H

#include "kube_mcp/base/str.h"
#include "kube_mcp/codec/regex.h"
#include "kube_mcp/codec/value.h"
#include "kube_mcp/codec/where.h"

#define KM_WHERE_MAX_BYTES  4096
#define KM_WHERE_MAX_TESTS  64
#define KM_WHERE_MAX_DEPTH  32
#define KM_WHERE_MAX_VALUES 256

/* ---- tokens ---- */

enum km_where_token_type {
  KM_TOKEN_END,
  KM_TOKEN_WORD,   /* also a path, a number, a word of the language */
  KM_TOKEN_QUOTED, /* without its quotes */
  KM_TOKEN_SYMBOL, /* an operator, a bracket, a comma */
};

struct km_where_token {
  enum km_where_token_type type;
  struct km_view text; /* NUL-terminated copy for WORD and QUOTED; borrowed for SYMBOL */
  const char *at;      /* where it begins */
};

struct km_where_lexer {
  struct km_arena *arena;
  const char *text;
  const char *next;
};

/* Reads the next token. Errors: a quote or bracket that is not closed, a character that means nothing. */
enum km_rc km_where_next(struct km_where_lexer *lexer, struct km_where_token *ret, struct km_error *err);
/* 1-based column of AT, in code points. */
size_t km_where_column(const struct km_where_lexer *lexer, const char *at);
/* Sets the error with the column of AT before the message; returns its code. */
#define km_where_refuse(lexer, at, err, ...)                                                                 \
  (km_error_set((err), KM_E_INVALID, __VA_ARGS__),                                                           \
   km_error_wrap((err), "column %zu", km_where_column((lexer), (at))))

/* ---- the tree ---- */

enum km_where_op {
  KM_OP_EXISTS,
  KM_OP_EQUAL, /* any of the values */
  KM_OP_LESS,
  KM_OP_LESS_EQUAL,
  KM_OP_GREATER,
  KM_OP_GREATER_EQUAL,
  KM_OP_CONTAINS,
  KM_OP_MATCHES,
};

enum km_where_operand_type { KM_OPERAND_VALUES, KM_OPERAND_PATH, KM_OPERAND_COUNT };

struct km_where_operand {
  enum km_where_operand_type type;
  const struct km_path *path;    /* PATH, COUNT */
  const struct km_value *values; /* VALUES: one, but for "in" */
  size_t count;
};

struct km_where_test {
  enum km_where_op op;
  bool negated;
  struct km_where_operand left, right;
  struct km_regex *regex; /* MATCHES */
};

enum km_where_node_type { KM_NODE_TEST, KM_NODE_AND, KM_NODE_OR, KM_NODE_NOT };

struct km_where_node {
  enum km_where_node_type type;
  const struct km_where_node *left, *right; /* NOT has only a left one */
  struct km_where_test test;
};

struct km_where_path {
  const char *text;
  bool ordered;    /* compared by order, and */
  bool asked_for;  /* asked whether it exists */
  bool found;      /* selected something in some object */
  int64_t missing; /* objects in which it selected nothing; counted if only ordered */
};

struct km_where {
  const struct km_where_node *root;
  const struct km_path **compiled; /* as many as paths */
  struct km_where_path *paths;
  size_t path_count;
  bool tested;
};

/* Parses the whole of TEXT into WHERE. */
enum km_rc km_where_parse(struct km_arena *arena, const char *text, int64_t now_ms, struct km_where *where,
                          struct km_error *err);

#endif
