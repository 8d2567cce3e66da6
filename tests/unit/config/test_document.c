/* What the configuration shows of itself: it must be true, complete, loadable, and silent about secrets. */
#include "fixture.h"

#include "kube_mcp/base/str.h"
#include "kube_mcp/config/toml.h"

#include "kube_mcp/base/banned.h"

#define DOCUMENT_MAX_BYTES ((size_t)256 << 10)

/* The text that PRINT writes, in the fixture's arena. */
static const char *shown(void)
{
  struct km_buf out;
  km_buf_init(&out, DOCUMENT_MAX_BYTES);
  assert_true(km_config_show(fx.config, &out));
  const char *text = km_arena_strdup(fx.arena, out.data);
  km_buf_done(&out);
  return text;
}

static char *tables(bool (*print)(const struct km_config_extension *, size_t, struct km_buf *))
{
  struct km_buf out;
  km_buf_init(&out, DOCUMENT_MAX_BYTES);
  assert_true(print(sample_extensions, KM_ARRAY_LEN(sample_extensions), &out));
  char *text = km_arena_strdup(fx.arena, out.data);
  km_buf_done(&out);
  return text;
}

/* The values without the comments that say where they come from. */
static const char *without_comments(const char *text)
{
  struct km_buf out;
  km_buf_init(&out, DOCUMENT_MAX_BYTES);
  for (size_t line; *text != '\0'; text += line) {
    line = strcspn(text, "\n") + 1;
    const char *comment = memmem(text, line, "  # ", 4);
    if (*text != '#') {
      km_buf_append(&out, text, comment != NULL ? (size_t)(comment - text) : line - 1);
      km_buf_putc(&out, '\n');
    }
  }
  const char *copy = km_arena_strdup(fx.arena, out.data);
  km_buf_done(&out);
  return copy;
}

static void show_says_where_values_come_from(void **state)
{
  (void)state;
  const struct km_config_flag flag = {.section = "server", .name = "log_level", .value = "debug"};
  must_load((struct km_config_input){
      .file = write_file("c.toml", "[server]\nworkers = 3\n[security]\nrbac_cache_ttl = 90\n"),
      .environ_block = environment_of("KUBE_MCP_KUBERNETES_QPS=0.1", NULL),
      .flags = &flag,
      .flag_count = 1,
  });
  const char *text = shown();
  assert_contains(text, "# Read: c.toml\n");
  assert_contains(text, "\nworkers = 3  # c.toml:2:11\n");
  assert_contains(text, "\nlog_level = \"debug\"  # flag --log-level\n");
  assert_contains(text, "\nqps = 0.1  # environment KUBE_MCP_KUBERNETES_QPS\n");
  assert_contains(text, "\nrbac_cache_ttl = \"90s\"  # c.toml:4:18\n");
  assert_contains(text, "\nburst = 200\n");
  assert_contains(text, "\nmax_result_bytes = \"32KiB\"\n");
  assert_contains(text, "\nidle_timeout = \"2m\"\n");
  assert_contains(text, "\ntransports = [\"stdio\"]\n");
  assert_contains(text, "\nkubeconfig_path = \"\"\n");
}

static void show_loads_again_to_the_same(void **state)
{
  (void)state;
  must_load_text(
      "[server]\ninstructions = \"a \\\"b\\\" \\\\ $${X} $ \\u0001\\n\\tü\"\ntransports = "
      "[\"http\", \"stdio\"]\n"
      "max_result_bytes = 2049\nlog_level = \"warn\"\n[server.http]\nsession_ttl = \"36h\"\n"
      "[kubernetes]\nqps = 0.30000000000000004\nconnect_timeout = \"1500ms\"\nprovider = \"single\"\n");
  assert_string_equal(fx.config->server.instructions, "a \"b\" \\ ${X} $ \001\n\tü");
  const char *first = without_comments(shown());
  must_load_text(first);
  assert_string_equal(without_comments(shown()), first);
  assert_string_equal(fx.config->server.instructions, "a \"b\" \\ ${X} $ \001\n\tü");
  assert_int_equal(fx.config->server.max_result_bytes, 2049);
  assert_int_equal(fx.config->kubernetes.connect_timeout_ms, 1500);
  assert_int_equal(fx.config->http.session_ttl_ms, 36 * 3600 * 1000);
  assert_true(fx.config->kubernetes.qps == 0.1 + 0.2);
  assert_string_equal(fx.config->kubernetes.provider, "single");
}

static void show_never_holds_a_secret(void **state)
{
  (void)state;
  write_file("key", "hunter2");
  must_load((struct km_config_input){
      .file = write_file("c.toml",
                         "[server.http]\nsession_key_file = \"key\"\n[kubernetes]\nprovider = \"single\"\n"),
      .environ_block = environment_of("KUBE_MCP_KUBERNETES_SINGLE_TOKEN=hunter2", NULL),
  });
  assert_string_equal(sample()->token.data, "hunter2");
  const char *text = shown();
  assert_contains(text, "\n# session_key = \"<set>\"  # c.toml:2:20\n");
  assert_contains(text, "\n# token = \"<set>\"  # environment KUBE_MCP_KUBERNETES_SINGLE_TOKEN\n");
  assert_null(strstr(text, "hunter2"));
  must_load((struct km_config_input){.file = NULL});
  assert_contains(shown(), "\nsession_key = \"\"\n");
}

static void show_hides_the_keys_of_other_providers_unless_set(void **state)
{
  (void)state;
  must_load_text("[kubernetes]\nprovider = \"in-cluster\"\n");
  assert_null(strstr(shown(), "kubeconfig_path"));
  assert_null(strstr(shown(), "[kubernetes.single]"));
  must_load_text("[kubernetes]\nprovider = \"in-cluster\"\nkubeconfig_path = \"k\"\n");
  assert_contains(shown(), "\nkubeconfig_path = \"k\"  # c.toml:3:19\n");
}

static void show_keeps_an_odd_file_name_in_its_comment(void **state)
{
  (void)state;
  must_load((struct km_config_input){.file = write_file("c\nworkers = 1", "[server]\nworkers = 3\n")});
  must_load_text(shown());
  assert_int_equal(fx.config->server.workers, 3);
}

/* Turns "#key = value" lines into "key = value": comments are "# text". */
static void uncomment_keys(char *text)
{
  for (char *line = text; line != NULL && *line != '\0'; line = strchr(line, '\n')) {
    line += *line == '\n';
    if (line[0] == '#' && line[1] >= 'a' && line[1] <= 'z' &&
        memmem(line, strcspn(line, "\n"), "_file = ", 8) == NULL) {
      line[0] = ' ';
    }
  }
}

static void the_example_is_the_defaults(void **state)
{
  (void)state;
  must_load((struct km_config_input){.file = NULL});
  const char *defaults = without_comments(shown());
  char *example = tables(km_config_example);
  must_load_text(example);
  assert_string_equal(without_comments(shown()), defaults);
  uncomment_keys(example);
  must_load_text(example);
  assert_contains(shown(), "\nburst = 200  # c.toml:");
  assert_string_equal(without_comments(shown()), defaults);
}

static void the_example_documents_every_key_once(void **state)
{
  (void)state;
  const char *example = tables(km_config_example);
  for (const struct km_field *field = km_config_fields; field->section != NULL; field++) {
    assert_contains(example, km_arena_printf(fx.arena, "\n#%s = %s\n", field->name, field->fallback));
  }
  assert_contains(example, "\n# Takes an integer between 1 and 256.\n#workers = 32\n");
  assert_contains(example, "# Default from the environment: K8S_MCP_HOST, K8S_MCP_PORT.\n");
  assert_contains(example, "\n#session_key_file = \"\"\n#session_key = \"\"\n");
  const char *key = strstr(example, "\n#kubeconfig_path = ");
  assert_non_null(key);
  assert_null(strstr(key + 1, "\n#kubeconfig_path = "));
  const char *kubernetes = strstr(example, "\n[kubernetes]\n");
  assert_non_null(kubernetes);
  assert_true(kubernetes < key && key < strstr(example, "\n[security]\n"));
  for (const char *line = example; line != NULL; line = strchr(line + 1, '\n')) {
    assert_true(strcspn(line + 1, "\n") <= 110);
  }
}

static void the_manual_has_a_table_per_section(void **state)
{
  (void)state;
  const char *manual = tables(km_config_markdown);
  assert_contains(manual, "\n### `[server.http]`\n");
  assert_contains(manual,
                  "\n| `workers` | `32` | an integer between 1 and 256 | Threads that run tool calls.");
  assert_contains(manual, " Default from the environment: `LOG_LEVEL`. |\n");
  assert_contains(manual, "\n| `token`, `*_file` | ");
}

static void a_full_buffer_is_reported(void **state)
{
  (void)state;
  struct km_buf out;
  must_load((struct km_config_input){.file = NULL});
  km_buf_init(&out, 100);
  assert_false(km_config_show(fx.config, &out));
  km_buf_clear(&out);
  assert_false(km_config_example(NULL, 0, &out));
  km_buf_done(&out);
}

/* The rules every table must keep, or the documents above would be wrong. */
static void the_tables_are_sound(void **state)
{
  (void)state;
  for (const struct km_field *field = km_config_fields; field->section != NULL; field++) {
    assert_non_null(field->doc);
    assert_true(km_ends_with(field->doc, "."));
    assert_true(field->type != KM_FIELD_ENUM || field->one_of != NULL);
    for (const struct km_field *other = km_config_fields; other != field; other++) {
      assert_false(km_streq(other->section, field->section) && km_streq(other->name, field->name));
      assert_int_not_equal(other->offset, field->offset);
    }
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      FIXTURE_TEST(show_says_where_values_come_from),
      FIXTURE_TEST(show_loads_again_to_the_same),
      FIXTURE_TEST(show_never_holds_a_secret),
      FIXTURE_TEST(show_hides_the_keys_of_other_providers_unless_set),
      FIXTURE_TEST(show_keeps_an_odd_file_name_in_its_comment),
      FIXTURE_TEST(the_example_is_the_defaults),
      FIXTURE_TEST(the_example_documents_every_key_once),
      FIXTURE_TEST(the_manual_has_a_table_per_section),
      FIXTURE_TEST(a_full_buffer_is_reported),
      FIXTURE_TEST(the_tables_are_sound),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
