/* The lexical half of the TOML parser, shared by toml.c, toml_lex.c and toml_scalar.c only. */
#ifndef KM_CONFIG_TOML_LEX_H
#define KM_CONFIG_TOML_LEX_H

#include "kube_mcp/config/toml.h"

struct km_toml_place {
  int line, col;
};

struct km_toml_lexer {
  struct km_arena *arena;
  const char *source;    /* names the document in messages */
  const char *text, *at; /* the document and the next byte to read */
  const char *end;
  char *scratch; /* as large as the document: strings are decoded here before they are copied */
  struct {       /* the last position whose line and column were worked out */
    const char *at;
    struct km_toml_place place;
  } mark;
  struct km_error *err;
};

struct km_toml_key { /* one part of a dotted key */
  char *text;
  size_t len;
  struct km_toml_place place;
};

/* Starts at the first byte after a byte order mark. Errors: text that is not UTF-8. */
enum km_rc km_toml_lexer_init(struct km_toml_lexer *lex, struct km_arena *arena, const char *text, size_t len,
                              const char *source, struct km_error *err);
/* Wipes what may have been a secret. The strings handed out stay. */
void km_toml_lexer_done(struct km_toml_lexer *lex);

/* The line and column of AT. Cheap while the positions asked for go forward. */
struct km_toml_place km_toml_place(struct km_toml_lexer *lex, const char *at);
/* "SOURCE:LINE:COL: ..." with the place of AT, or with PLACE. */
enum km_rc km_toml_fail(struct km_toml_lexer *lex, const char *at, const char *format, ...) KM_PRINTF(3, 4);
enum km_rc km_toml_fail_at(struct km_toml_lexer *lex, struct km_toml_place place, const char *format, ...)
    KM_PRINTF(3, 4);
/* "expected WHAT, found 'x'" at the next byte. */
enum km_rc km_toml_expected(struct km_toml_lexer *lex, const char *what);
/* As with km_error_set: a failure is plain to the compiler. */
#define km_toml_fail(...)     km_failure((km_toml_fail)(__VA_ARGS__))
#define km_toml_fail_at(...)  km_failure((km_toml_fail_at)(__VA_ARGS__))
#define km_toml_expected(...) km_failure((km_toml_expected)(__VA_ARGS__))

/* The next byte, or '\0' at the end (a NUL in the text is no legal byte anywhere, so nothing confuses the
 * two). */
char km_toml_peek(const struct km_toml_lexer *lex);
/* Consumes LITERAL if it comes next. */
bool km_toml_accept(struct km_toml_lexer *lex, const char *literal);
void km_toml_skip_blanks(struct km_toml_lexer *lex);
/* Blanks, comments and line ends. */
enum km_rc km_toml_skip_lines(struct km_toml_lexer *lex);
/* Blanks and a comment, then the line's end or the document's. */
enum km_rc km_toml_end_line(struct km_toml_lexer *lex);

/* A string that starts with " or '. */
enum km_rc km_toml_string(struct km_toml_lexer *lex, bool allow_multiline, char **ret, size_t *ret_len);
/* One bare or quoted part of a key. */
enum km_rc km_toml_key(struct km_toml_lexer *lex, struct km_toml_key *ret);
/* A number, boolean or date-time: sets type and contents of RET. */
enum km_rc km_toml_scalar(struct km_toml_lexer *lex, struct km_toml_value *ret);

#endif
