/* The committed files that are generated from the tables of keys must be what the tables say today.
 * KM_UPDATE=1 rewrites them instead of comparing. */
#include "testing.h"

#include <errno.h>

#include "kube_mcp/base/buf.h"
#include "kube_mcp/base/file.h"
#include "kube_mcp/config/config.h"
#include "kube_mcp/provider.h"

#include "kube_mcp/base/banned.h"

#define FILE_MAX_BYTES ((size_t)1 << 20)
#define KEYS_BEGIN     "<!-- keys: written by KM_UPDATE=1 build/debug/tests/unit_generated -->\n"
#define KEYS_END       "<!-- end of keys -->\n"

static struct km_arena *arena;

static struct km_config_extension extensions[8];
static size_t extension_count;

static int set_up(void **state)
{
  (void)state;
  arena = km_arena_new(SIZE_MAX);
  for (extension_count = 0; km_providers[extension_count] != NULL; extension_count++) {
    const struct km_provider_ops *ops = km_providers[extension_count];
    assert_true(extension_count < KM_ARRAY_LEN(extensions));
    extensions[extension_count] =
        (struct km_config_extension){.kind = ops->kind, .fields = ops->fields, .size = ops->config_size};
  }
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  km_arena_free(arena);
  return 0;
}

static const char *print(bool (*print_document)(const struct km_config_extension *, size_t, struct km_buf *))
{
  struct km_buf out;
  km_buf_init(&out, FILE_MAX_BYTES);
  assert_true(print_document(extensions, extension_count, &out));
  const char *text = km_arena_strdup(arena, out.data);
  km_buf_done(&out);
  return text;
}

static const char *read_file(const char *path)
{
  char *text = NULL;
  size_t len;
  struct km_error err = {0};
  if (km_file_read(arena, path, FILE_MAX_BYTES, &text, &len, &err) != KM_OK) {
    fail_msg("%s; KM_UPDATE=1 %s writes it", err.message, program_invocation_name);
  }
  return text;
}

/* Compares the file NAME of the repository with TEXT, or writes it. */
static void assert_file(const char *name, const char *text)
{
  const char *path = km_arena_printf(arena, "%s/%s", KM_SOURCE_DIR, name);
  if (getenv("KM_UPDATE") != NULL) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    return;
  }
  if (strcmp(read_file(path), text) != 0) {
    fail_msg("%s is not what the tables of keys say; KM_UPDATE=1 %s rewrites it", name,
             program_invocation_name);
  }
}

static void the_example_is_in_sync(void **state)
{
  (void)state;
  assert_file("config.toml.example", print(km_config_example));
}

static void the_tables_of_the_manual_are_in_sync(void **state)
{
  (void)state;
  const char *manual = read_file(KM_SOURCE_DIR "/docs/configuration.md");
  const char *begin = strstr(manual, KEYS_BEGIN);
  const char *end = strstr(manual, KEYS_END);
  assert_non_null(begin);
  assert_non_null(end);
  assert_file("docs/configuration.md", km_arena_printf(arena, "%.*s%s%s\n%s", (int)(begin - manual), manual,
                                                       KEYS_BEGIN, print(km_config_markdown), end));
}

/* "kubernetes.single", "server" -> "kubernetes_single_server" */
static char *environment_key(const struct km_field *field)
{
  char *key = km_arena_printf(arena, "%s_%s", field->section, field->name);
  for (char *c = key; *c != '\0'; c++) {
    *c = *c == '.' || *c == '-' ? '_' : *c;
  }
  return key;
}

static void assert_distinct(const struct km_field *a, const struct km_field *b)
{
  bool same_key = strcmp(a->section, b->section) == 0 && strcmp(a->name, b->name) == 0;
  if (!same_key && strcmp(environment_key(a), environment_key(b)) == 0) {
    fail_msg("[%s] %s and [%s] %s have the same environment name", a->section, a->name, b->section, b->name);
  }
}

/* One environment name must not mean two keys: [a] b_c and [a.b] c would. */
static void environment_names_are_unambiguous(void **state)
{
  (void)state;
  const struct km_field *fields[256];
  size_t count = 0;
  for (size_t table = 0; table <= extension_count; table++) {
    const struct km_field *field = table == 0 ? km_config_fields : extensions[table - 1].fields;
    for (; field != NULL && field->section != NULL; field++) {
      assert_true(count < KM_ARRAY_LEN(fields));
      fields[count++] = field;
    }
  }
  for (size_t i = 0; i < count; i++) {
    for (size_t j = 0; j < i; j++) {
      assert_distinct(fields[i], fields[j]);
    }
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_example_is_in_sync),
      cmocka_unit_test(the_tables_of_the_manual_are_in_sync),
      cmocka_unit_test(environment_names_are_unambiguous),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
