/* The environment as the configuration sees it.
 *
 * Owns the .env grammar: one NAME=value a line, `export` before it and blanks around the = allowed, #
 * comments, values bare, 'literal' or "with \n escapes"; a later line overrides an earlier one, the real
 * environment overrides both. Nothing is expanded inside an .env file. Limits: 64 KiB and 1,000 names per
 * file. Values may be secrets: no message repeats one. */
#include "environment.h"

#include <string.h>

#include "kube_mcp/base/file.h"
#include "kube_mcp/config/config.h"

#include "kube_mcp/base/banned.h"

#define ENV_FILE_MAX_BYTES ((size_t)64 << 10)
#define ENV_FILE_MAX_NAMES 1000

/* --- names --- */

static bool is_name_start(char c)
{
  return c == '_' || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* Length of the variable name at TEXT, 0 if there is none. */
static size_t name_len(const char *text)
{
  size_t len = 0;
  while (is_name_start(text[len]) || (len > 0 && text[len] >= '0' && text[len] <= '9')) {
    len++;
  }
  return len;
}

/* The entry whose name is the LEN bytes at NAME. */
static struct km_environment_entry *find(const struct km_environment *env, const char *name, size_t len)
{
  for (size_t i = 0; i < env->count; i++) {
    if (strlen(env->items[i].name) == len && memcmp(env->items[i].name, name, len) == 0) {
      return &env->items[i];
    }
  }
  return NULL;
}

const struct km_environment_entry *km_environment_find(const struct km_environment *env, const char *name)
{
  return find(env, name, strlen(name));
}

/* --- the .env file --- */

struct env_line {
  struct km_arena *arena;
  const char *file;
  int number;
  const char *start, *at; /* NUL-terminated, without its line end */
  struct km_error *err;
};

static const char *place_of(const struct env_line *line)
{
  return km_arena_printf(line->arena, "%s:%d:%d", line->file, line->number,
                         (int)(line->at - line->start) + 1);
}

static enum km_rc malformed(const struct env_line *line, const char *what)
{
  return km_error_set(line->err, KM_E_INVALID, "%s: %s", place_of(line), what);
}

static void skip_blanks(struct env_line *line)
{
  line->at += strspn(line->at, " \t");
}

/* "with escapes" or 'literal', leaving AT behind the closing quote. */
static enum km_rc quoted_value(struct env_line *line, const char **ret)
{
  static const char names[] = "nrt\"\\$";
  static const char values[] = "\n\r\t\"\\$";
  char quote = *line->at;
  const char *at = line->at + 1;
  char *out = km_arena_alloc(line->arena, strlen(at) + 1);
  size_t len = 0;
  for (; *at != quote; at++) {
    if (*at == '\0') {
      return malformed(line, "the quoted value is not closed on its line");
    }
    const char *escape = *at == '\\' && quote == '"' && at[1] != '\0' ? strchr(names, at[1]) : NULL;
    if (escape != NULL) {
      at++;
      out[len++] = values[escape - names];
    } else {
      out[len++] = *at;
    }
  }
  line->at = at + 1;
  skip_blanks(line);
  if (*line->at != '\0' && *line->at != '#') {
    return malformed(line, "text follows the quoted value");
  }
  *ret = out;
  return KM_OK;
}

/* Up to the end of the line or a # behind a blank. */
static const char *bare_value(struct env_line *line)
{
  size_t len = 0;
  for (size_t i = 0; line->at[i] != '\0'; i++) {
    bool blank = line->at[i] == ' ' || line->at[i] == '\t';
    if (line->at[i] == '#' && (i == 0 || line->at[i - 1] == ' ' || line->at[i - 1] == '\t')) {
      break;
    }
    len = blank ? len : i + 1;
  }
  return km_arena_strndup(line->arena, line->at, len);
}

static enum km_rc parse_line(struct env_line *line, struct km_environment_entry *ret)
{
  if (strncmp(line->at, "export", 6) == 0 && (line->at[6] == ' ' || line->at[6] == '\t')) {
    line->at += 6;
    skip_blanks(line);
  }
  size_t len = name_len(line->at);
  if (len == 0) {
    return malformed(line, "expected NAME=value");
  }
  struct km_environment_entry entry = {
      .name = km_arena_strndup(line->arena, line->at, len),
      .place = place_of(line),
  };
  line->at += len;
  skip_blanks(line);
  if (*line->at != '=') {
    return malformed(line, "expected '=' after the name");
  }
  line->at++;
  skip_blanks(line);
  if (*line->at == '"' || *line->at == '\'') {
    enum km_rc rc = quoted_value(line, &entry.value);
    if (rc != KM_OK) {
      return rc;
    }
  } else {
    entry.value = bare_value(line);
  }
  *ret = entry;
  return KM_OK;
}

static enum km_rc add_file_entry(struct km_environment *env, const struct km_environment_entry *entry,
                                 const struct env_line *line)
{
  struct km_environment_entry *existing = find(env, entry->name, strlen(entry->name));
  if (existing != NULL) {
    *existing = *entry;
  } else if (env->count == ENV_FILE_MAX_NAMES) {
    return malformed(line, "too many names");
  } else {
    env->items[env->count++] = *entry;
  }
  return KM_OK;
}

static enum km_rc read_file(struct km_arena *arena, const char *file, struct km_environment *ret,
                            struct km_error *err)
{
  char *text;
  size_t len;
  enum km_rc rc = km_file_read(arena, file, ENV_FILE_MAX_BYTES, &text, &len, err);
  if (rc != KM_OK) {
    return km_error_wrap(err, "environment file");
  }
  struct env_line line = {.arena = arena, .file = file, .err = err};
  struct km_environment env = {.items =
                                   KM_ARENA_ARRAY(arena, struct km_environment_entry, ENV_FILE_MAX_NAMES)};
  for (char *at = text; at < text + len && rc == KM_OK;) {
    char *newline = memchr(at, '\n', (size_t)(text + len - at));
    char *end = newline != NULL ? newline : text + len;
    char *next = end + 1;
    if (end > at && end[-1] == '\r') {
      end--;
    }
    *end = '\0';
    line.number++;
    line.start = line.at = at;
    if (strlen(at) != (size_t)(end - at)) {
      return malformed(&line, "the line contains a NUL character");
    }
    skip_blanks(&line);
    if (*line.at != '\0' && *line.at != '#') {
      struct km_environment_entry entry;
      rc = parse_line(&line, &entry);
      if (rc == KM_OK) {
        rc = add_file_entry(&env, &entry, &line);
      }
    }
    at = next;
  }
  if (rc == KM_OK) {
    *ret = env;
  }
  return rc;
}

/* --- the whole --- */

/* Fills ENTRY from "NAME=value"; false for the odd string that has no name. */
static bool split_pair(struct km_arena *arena, const char *pair, struct km_environment_entry *ret)
{
  const char *equals = strchr(pair, '=');
  if (equals == NULL || equals == pair) {
    return false;
  }
  ret->name = km_arena_strndup(arena, pair, (size_t)(equals - pair));
  ret->value = km_arena_strdup(arena, equals + 1);
  ret->place = km_arena_printf(arena, "environment %s", ret->name);
  return true;
}

enum km_rc km_environment_read(struct km_arena *arena, const char *env_file, char **block,
                               struct km_environment *ret, struct km_error *err)
{
  struct km_environment from_file = {.count = 0};
  if (env_file != NULL) {
    enum km_rc rc = read_file(arena, env_file, &from_file, err);
    if (rc != KM_OK) {
      return rc;
    }
  }
  size_t block_count = 0;
  while (block != NULL && block[block_count] != NULL) {
    block_count++;
  }
  struct km_environment env = {
      .items = KM_ARENA_ARRAY(arena, struct km_environment_entry, block_count + from_file.count)};
  for (size_t i = 0; i < block_count; i++) {
    env.count += split_pair(arena, block[i], &env.items[env.count]);
  }
  size_t real_count = env.count;
  for (size_t i = 0; i < from_file.count; i++) {
    struct km_environment real = {.items = env.items, .count = real_count};
    if (km_environment_find(&real, from_file.items[i].name) == NULL) {
      env.items[env.count++] = from_file.items[i];
    }
  }
  *ret = env;
  return KM_OK;
}

enum km_rc km_config_environment(struct km_arena *arena, const char *env_file, char **block, char ***ret,
                                 struct km_error *err)
{
  struct km_environment env;
  enum km_rc rc = km_environment_read(arena, env_file, block, &env, err);
  if (rc != KM_OK) {
    return rc;
  }
  char **pairs = KM_ARENA_ARRAY(arena, char *, env.count + 1);
  for (size_t i = 0; i < env.count; i++) {
    pairs[i] = km_arena_printf(arena, "%s=%s", env.items[i].name, env.items[i].value);
  }
  *ret = pairs;
  return KM_OK;
}

const char *km_environment_expand(const struct km_environment *env, struct km_arena *arena, const char *text,
                                  struct km_buf *out)
{
  for (const char *at = text; *at != '\0';) {
    if (strncmp(at, "$${", 3) == 0) {
      km_buf_puts(out, "${");
      at += 3;
    } else if (strncmp(at, "${", 2) == 0) {
      const char *name = at + 2;
      size_t len = name_len(name);
      if (len == 0 || name[len] != '}') {
        return "has a '${' without a variable name and '}'; write $${ for a plain ${";
      }
      const struct km_environment_entry *entry = find(env, name, len);
      if (entry == NULL) {
        return km_arena_printf(arena, "refers to the environment variable %.*s, which is not set",
                               len > 100 ? 100 : (int)len, name);
      }
      km_buf_puts(out, entry->value);
      at = name + len + 1;
    } else {
      km_buf_putc(out, *at++);
    }
  }
  return NULL;
}
