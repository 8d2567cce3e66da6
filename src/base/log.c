/* Log lines on standard error, as text or as JSON.
 *
 * Owns the threshold and the format, both atomic, and one mutex that keeps the lines of several threads whole. A line
 * is at most 4096 bytes, so that one write(2) to a pipe is atomic too; a value is cut at 1 KiB, and a field that does
 * not fit any more is left out and marked. Values are untrusted: they are cleaned of control and invisible characters
 * and quoted, so none can end its field, start another line or reach the terminal. Each field is formatted on its
 * own, straight from its part of the format, which is why a value may hold blanks and "=". Write errors are ignored:
 * there is nowhere to report them. Thread-safe. */
#include "kube_mcp/base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kube_mcp/base/buf.h"
#include "kube_mcp/base/clock.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/base/sync.h"

#include "kube_mcp/base/banned.h"

#define MAX_LINE_BYTES  ((size_t)4096) /* PIPE_BUF: longer writes to a pipe may be torn */
#define MAX_VALUE_BYTES ((size_t)1024)
/* Room kept for the mark that fields were left out, the closing brace and the newline. */
#define TAIL_BYTES ((size_t)16)

static const char *const level_names[] = {
    [KM_LOG_DEBUG] = "debug",     [KM_LOG_INFO] = "info",           [KM_LOG_NOTICE] = "notice",
    [KM_LOG_WARNING] = "warning", [KM_LOG_ERROR] = "error",         [KM_LOG_CRITICAL] = "critical",
    [KM_LOG_ALERT] = "alert",     [KM_LOG_EMERGENCY] = "emergency",
};

/* Set by km_log_init and km_log_set_level, read by every call of km_log. */
static atomic_int log_threshold = KM_LOG_INFO;
static atomic_int log_format = KM_LOG_TEXT;
static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;

const char *km_log_level_name(enum km_log_level level)
{
  return level_names[(unsigned)level < KM_ARRAY_LEN(level_names) ? level : KM_LOG_EMERGENCY];
}

bool km_log_level_parse(const char *name, enum km_log_level *ret)
{
  for (size_t i = 0; i < KM_ARRAY_LEN(level_names); i++) {
    if (km_streq(name, level_names[i])) {
      *ret = (enum km_log_level)i;
      return true;
    }
  }
  return false;
}

void km_log_init(enum km_log_level threshold, enum km_log_format format)
{
  atomic_store(&log_threshold, (int)threshold);
  atomic_store(&log_format, (int)format);
}

void km_log_set_level(enum km_log_level threshold)
{
  atomic_store(&log_threshold, (int)threshold);
}

bool km_log_enabled(enum km_log_level level)
{
  return (int)level >= atomic_load_explicit(&log_threshold, memory_order_relaxed);
}

/* The arguments not consumed yet; in a struct because a va_list itself cannot be passed on by reference. */
struct arguments {
  va_list list;
};

/* One conversion of a printf format: "%-5ld" has flags "-", width "5", length "l", type 'd'. */
struct conversion {
  char spec[32];
  const char *end; /* in the format, behind the conversion */
  bool plain;      /* no flags, width or precision */
  int stars;       /* widths or precisions that are arguments */
  char length;     /* the modifier, in upper case when doubled; NUL for none */
  char type;
};

/* Reads the conversion that starts with the '%' at FORMAT. */
static struct conversion parse_conversion(const char *format)
{
  struct conversion conversion = {0};
  const char *at = format + 1;
  size_t modifiers = strspn(at, "-+ #0123456789.*");
  conversion.plain = modifiers == 0;
  for (; modifiers > 0; modifiers--) {
    conversion.stars += *at++ == '*';
  }
  for (size_t i = strspn(at, "hlzjt"); i > 0; i--, at++) {
    bool doubled = conversion.length == *at;
    conversion.length = (char)(doubled ? *at - 'a' + 'A' : *at);
  }
  conversion.type = *at++;
  conversion.end = at;
  size_t len = (size_t)(at - format);
  KM_ASSERT(len < sizeof(conversion.spec) && conversion.stars <= 1);
  memcpy(conversion.spec, format, len);
  return conversion;
}

/* The specs come from constant formats that the compiler has checked at every call of km_log. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

/* Prints one argument of TYPE, taken from ARGS, with SPEC. */
#define PRINT_AS(type)                                                                                       \
  (conversion->stars > 0 ? snprintf(out, size, spec, star, va_arg(args->list, type))                         \
                         : snprintf(out, size, spec, va_arg(args->list, type)))

/* Signed and unsigned integers of one size are passed alike.
 * NOLINTBEGIN(bugprone-branch-clone): the branches differ in the type they take. */
static int print_integer(char *out, size_t size, const struct conversion *conversion, int star,
                         struct arguments *args)
{
  const char *spec = conversion->spec;
  switch (conversion->length) {
  case 'l': return PRINT_AS(long);
  case 'L': return PRINT_AS(long long);
  case 'z': return PRINT_AS(size_t);
  case 'j': return PRINT_AS(intmax_t);
  case 't': return PRINT_AS(ptrdiff_t);
  default: return PRINT_AS(int); /* char and short arrive as int */
  }
}

/* Prints what CONVERSION says into OUT, cut to SIZE. */
static void print_conversion(char *out, size_t size, const struct conversion *conversion,
                             struct arguments *args)
{
  const char *spec = conversion->spec;
  int star = conversion->stars > 0 ? va_arg(args->list, int) : 0;
  switch (conversion->type) {
  case 's': {
    const char *text = va_arg(args->list, const char *);
    const char *shown = text != NULL ? text : "";
    (void)(conversion->stars > 0 ? snprintf(out, size, spec, star, shown) : snprintf(out, size, spec, shown));
    break;
  }
  case 'd':
  case 'i':
  case 'u':
  case 'x':
  case 'X':
  case 'o':
  case 'c': (void)print_integer(out, size, conversion, star, args); break;
  case 'e':
  case 'f':
  case 'g': (void)PRINT_AS(double); break;
  case 'p': (void)PRINT_AS(void *); break;
  case '%': (void)km_strcopy(out, size, "%"); break;
  default: km_assert_failed("a conversion that km_log knows", conversion->spec, 0);
  }
}

/* NOLINTEND(bugprone-branch-clone) */
#pragma GCC diagnostic pop

/* A formatted value, before it is cleaned and quoted. */
struct value {
  char text[MAX_VALUE_BYTES + 1];
  size_t len;
  bool is_number; /* one integer and nothing else, so JSON needs no quotes */
};

static bool prints_json_number(const struct conversion *conversion)
{
  return conversion->plain && strchr("diu", conversion->type) != NULL;
}

/* Formats the part of a format up to the next blank; returns where that is. */
static const char *format_value(struct value *value, const char *format, struct arguments *args)
{
  value->len = 0;
  value->is_number = false;
  value->text[0] = '\0';
  const char *at = format;
  while (*at != '\0' && *at != ' ') {
    char *out = value->text + value->len;
    size_t room = sizeof(value->text) - value->len;
    if (*at == '%') {
      struct conversion conversion = parse_conversion(at);
      print_conversion(out, room, &conversion, args);
      value->is_number = at == format && prints_json_number(&conversion);
      at = conversion.end;
    } else {
      (void)km_strcopy(out, room, (const char[]){*at, '\0'});
      value->is_number = false;
      at++;
    }
    value->len += strlen(out);
  }
  return at;
}

/* Appends TEXT, cleaned, as the inside of a JSON string. */
static void append_escaped(struct km_buf *out, const char *text, size_t len)
{
  KM_CLEANUP(km_buf_done) struct km_buf clean;
  km_buf_init(&clean, 4 * MAX_VALUE_BYTES); /* a byte that is not UTF-8 becomes three */
  (void)km_text_sanitize(&clean, text, len);
  for (size_t i = 0; i < clean.len; i++) {
    switch (clean.data[i]) {
    case '\n': km_buf_puts(out, "\\n"); break;
    case '\t': km_buf_puts(out, "\\t"); break;
    case '"': km_buf_puts(out, "\\\""); break;
    case '\\': km_buf_puts(out, "\\\\"); break;
    default: km_buf_putc(out, clean.data[i]); break;
    }
  }
}

static void append_quoted(struct km_buf *out, const char *text, size_t len)
{
  km_buf_putc(out, '"');
  append_escaped(out, text, len);
  km_buf_putc(out, '"');
}

/* True for what reads well without quotes: printable ASCII without blanks, quotes and "=". */
static bool is_bare(const struct value *value)
{
  for (size_t i = 0; i < value->len; i++) {
    char c = value->text[i];
    if (c <= ' ' || c > '~' || strchr("\"\\=", c) != NULL) {
      return false;
    }
  }
  return value->len > 0;
}

/* A line under construction. */
struct line {
  struct km_buf text;
  enum km_log_format format;
  bool incomplete;
};

/* Appends the field whole or not at all, so that a line that has become too long is still well-formed. */
static void append_field(struct line *line, const char *key, size_t key_len, const struct value *value)
{
  KM_CLEANUP(km_buf_done) struct km_buf field;
  km_buf_init(&field, MAX_LINE_BYTES - TAIL_BYTES - line->text.len);
  if (line->format == KM_LOG_JSON) {
    km_buf_printf(&field, ",\"%.*s\":", (int)key_len, key);
  } else {
    km_buf_printf(&field, " %.*s=", (int)key_len, key);
  }
  if (value->is_number || (line->format == KM_LOG_TEXT && is_bare(value))) {
    km_buf_append(&field, value->text, value->len);
  } else {
    append_quoted(&field, value->text, value->len);
  }
  if (field.failed) {
    line->incomplete = true;
  } else {
    km_buf_append(&line->text, field.data, field.len);
  }
}

/* Walks the format "key=%… key=%…", taking the arguments of each value as it comes to it. */
static void append_fields(struct line *line, const char *fields, struct arguments *args)
{
  struct value value;
  const char *at = fields;
  while (*(at += strspn(at, " ")) != '\0') {
    const char *key = at;
    size_t key_len = strcspn(key, "= ");
    KM_ASSERT(key[key_len] == '=');
    at = format_value(&value, key + key_len + 1, args);
    append_field(line, key, key_len, &value);
  }
}

/* When, how bad, what: the same for every line. */
static void begin_line(struct line *line, enum km_log_level level, const char *event)
{
  char now[32];
  km_rfc3339(now, sizeof(now), km_clock_wall_ms());
  /* Events are constants of ours; the bound is for the day one is not. */
  size_t event_len = km_utf8_prefix(event, strlen(event), MAX_VALUE_BYTES);
  if (line->format == KM_LOG_JSON) {
    km_buf_printf(&line->text, "{\"time\":\"%s\",\"level\":\"%s\",\"event\":", now, km_log_level_name(level));
    append_quoted(&line->text, event, event_len);
  } else {
    km_buf_printf(&line->text, "%s %s ", now, km_log_level_name(level));
    append_escaped(&line->text, event, event_len);
  }
}

static void end_line(struct line *line)
{
  if (line->format == KM_LOG_JSON) {
    km_buf_puts(&line->text, line->incomplete ? ",\"cut\":true}\n" : "}\n");
  } else {
    km_buf_puts(&line->text, line->incomplete ? " cut=true\n" : "\n");
  }
}

/* One write(2), unless the receiver takes it in pieces. */
static void write_line(const struct line *line)
{
  KM_SCOPED_LOCK(&log_mutex);
  size_t written = 0;
  while (written < line->text.len) {
    ssize_t count = write(STDERR_FILENO, line->text.data + written, line->text.len - written);
    if (count > 0) {
      written += (size_t)count;
    } else if (count == 0 || errno != EINTR) {
      return;
    }
  }
}

void km_log(enum km_log_level level, const char *event, const char *fields, ...)
{
  if (!km_log_enabled(level)) {
    return;
  }
  struct line line = {.format = (enum km_log_format)atomic_load(&log_format)};
  km_buf_init(&line.text, MAX_LINE_BYTES);
  begin_line(&line, level, event);
  if (fields != NULL) {
    struct arguments args;
    va_start(args.list, fields);
    append_fields(&line, fields, &args);
    va_end(args.list);
  }
  end_line(&line);
  write_line(&line);
  km_buf_done(&line.text);
}
