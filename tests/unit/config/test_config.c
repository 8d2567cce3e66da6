/* Loading a configuration: defaults, the layers over them, what is refused and with which words. */
#include "fixture.h"

#include "kube_mcp/base/log.h"
#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

/* PRODUCT section 6, word for word. */
static const char seed_example[] = "[server]\n"
                                   "transports = [\"stdio\", \"http\"]\n"
                                   "log_level = \"info\"\n"
                                   "[server.http]\n"
                                   "address = \"127.0.0.1:8080\"\n"
                                   "[kubernetes]\n"
                                   "provider = \"kubeconfig\"\n"
                                   "kubeconfig_path = \"~/.kube/config\"\n"
                                   "qps = 100\n"
                                   "burst = 200\n"
                                   "timeout = \"30s\"\n"
                                   "[security]\n"
                                   "require_rbac = true\n"
                                   "rbac_cache_ttl = 5\n"
                                   "read_only = false\n";

static void nothing_given_means_the_defaults(void **state)
{
  (void)state;
  must_load((struct km_config_input){.file = NULL});
  const struct km_config *config = fx.config;
  assert_int_equal(config->sources.count, 0);
  assert_int_equal(config->server.transports.count, 1);
  assert_string_equal(config->server.transports.items[0], "stdio");
  assert_int_equal(config->server.log_level, KM_LOG_INFO);
  assert_int_equal(config->server.log_format, KM_LOG_TEXT);
  assert_int_equal(config->server.workers, 32);
  assert_int_equal(config->server.max_result_bytes, 32 * 1024);
  assert_int_equal(config->server.max_call_bytes, 256 * 1024 * 1024);
  assert_string_equal(config->server.tool_prefix, "");
  assert_string_equal(config->http.address, "127.0.0.1:8080");
  assert_string_equal(config->http.path, "/mcp");
  assert_int_equal(config->http.allowed_origins.count, 0);
  assert_int_equal(config->http.idle_timeout_ms, 120000);
  assert_int_equal(config->http.session_ttl_ms, 24 * 3600 * 1000);
  assert_true(km_secret_empty(&config->http.session_key));
  assert_string_equal(config->kubernetes.provider, "kubeconfig");
  assert_true(config->kubernetes.qps == 100.0);
  assert_int_equal(config->kubernetes.connect_timeout_ms, 3000);
  assert_int_equal(config->kubernetes.http2, 0 /* auto */);
  assert_true(config->security.require_rbac);
  assert_int_equal(config->security.rbac_cache_ttl_ms, 5000);
  assert_string_equal(sample()->kubeconfig_path, "");
}

static void log_levels_are_those_of_the_log(void **state)
{
  (void)state;
  for (int level = KM_LOG_DEBUG; level <= KM_LOG_EMERGENCY; level++) {
    must_load_text(km_arena_printf(fx.arena, "[server]\nlog_level = \"%s\"\n",
                                   km_log_level_name((enum km_log_level)level)));
    assert_int_equal(fx.config->server.log_level, level);
  }
}

static void the_seeds_complete_example_loads(void **state)
{
  (void)state;
  must_load_text(seed_example);
  assert_int_equal(fx.config->server.transports.count, 2);
  assert_string_equal(fx.config->server.transports.items[1], "http");
  assert_string_equal(sample()->kubeconfig_path, km_arena_printf(fx.arena, "%s/.kube/config", fx.folder));
  assert_int_equal(fx.config->kubernetes.timeout_ms, 30000);
  assert_int_equal(fx.config->security.rbac_cache_ttl_ms, 5000);
  assert_int_equal(fx.config->sources.count, 1);
  assert_string_equal(fx.config->sources.items[0], "c.toml");
}

/* --- layers --- */

static void each_layer_overrides_those_below(void **state)
{
  (void)state;
  struct km_config_input input = {.file = NULL};
  input.environ_block = environment_of("KOM_DEFAULT_CLUSTER=foreign", NULL);
  must_load(input);
  assert_string_equal(fx.config->kubernetes.context, "foreign");

  input.file = write_file("c.toml", "[kubernetes]\ncontext = \"file\"\nburst = 7\n");
  must_load(input);
  assert_string_equal(fx.config->kubernetes.context, "file");

  assert_int_equal(mkdir("d", 0700), 0);
  write_file("d/20.toml", "kubernetes.context = \"second\"");
  write_file("d/10.toml", "kubernetes.context = \"first\"");
  write_file("d/.30.toml", "kubernetes.context = \"hidden\"");
  write_file("d/30.toml.bak", "not even TOML");
  input.directory = "d";
  must_load(input);
  assert_string_equal(fx.config->kubernetes.context, "second");
  assert_int_equal(fx.config->sources.count, 3);
  assert_string_equal(fx.config->sources.items[2], "d/20.toml");

  write_file("env", "KUBE_MCP_KUBERNETES_CONTEXT=dotenv\nKUBE_MCP_KUBERNETES_QPS=1.5\n");
  input.env_file = "env";
  must_load(input);
  assert_string_equal(fx.config->kubernetes.context, "dotenv");

  input.environ_block = environment_of("KUBE_MCP_KUBERNETES_CONTEXT=real", NULL);
  must_load(input);
  assert_string_equal(fx.config->kubernetes.context, "real");

  const struct km_config_flag flag = {.section = "kubernetes", .name = "context", .value = "flag"};
  input.flags = &flag;
  input.flag_count = 1;
  must_load(input);
  assert_string_equal(fx.config->kubernetes.context, "flag");
  assert_int_equal(fx.config->kubernetes.burst, 7);
  assert_true(fx.config->kubernetes.qps == 1.5);
}

static void false_zero_and_empty_override(void **state)
{
  (void)state;
  assert_int_equal(mkdir("d", 0700), 0);
  write_file("d/a.toml",
             "[server]\ntool_prefix = \"\"\n[kubernetes]\nqps = 0\n[security]\nrequire_rbac = false\n"
             "rbac_cache_ttl = 0\nallowed_tools = []\n");
  must_load((struct km_config_input){
      .file =
          write_file("c.toml", "[server]\ntool_prefix = \"x_\"\n[security]\nallowed_tools = [\"pods_*\"]\n"),
      .directory = "d",
      .environ_block =
          environment_of("KUBE_MCP_KUBERNETES_CONTEXT=", "KUBE_MCP_SERVER_LOG_FORMAT=json", NULL),
  });
  assert_string_equal(fx.config->server.tool_prefix, "");
  assert_true(fx.config->kubernetes.qps == 0.0);
  assert_false(fx.config->security.require_rbac);
  assert_int_equal(fx.config->security.rbac_cache_ttl_ms, 0);
  assert_int_equal(fx.config->security.allowed_tools.count, 0);
  assert_string_equal(fx.config->kubernetes.context, "");
  assert_int_equal(fx.config->server.log_format, KM_LOG_JSON);
}

static void the_file_is_found_where_documented(void **state)
{
  (void)state;
  if (access("/etc/kube-mcp/config.toml", F_OK) == 0) {
    skip();
  }
  assert_int_equal(mkdir(".config", 0700) | mkdir(".config/kube-mcp", 0700), 0);
  write_file(".config/kube-mcp/config.toml", "[server]\nworkers = 3\n");
  must_load((struct km_config_input){.file = NULL});
  assert_int_equal(fx.config->server.workers, 3);
  write_file("named.toml", "[server]\nworkers = 4\n");
  must_load((struct km_config_input){.environ_block = environment_of("KUBE_MCP_CONFIG=~/named.toml", NULL)});
  assert_int_equal(fx.config->server.workers, 4);
}

static void what_was_named_must_exist(void **state)
{
  (void)state;
  assert_int_equal(load((struct km_config_input){.file = "absent.toml"}), KM_E_NOT_FOUND);
  assert_non_null(strstr(fx.err.message, "absent.toml"));
  assert_int_equal(load((struct km_config_input){.directory = "absent"}), KM_E_NOT_FOUND);
  assert_int_equal(load((struct km_config_input){.env_file = "absent.env"}), KM_E_NOT_FOUND);
  assert_int_equal(
      load((struct km_config_input){.environ_block = environment_of("KUBE_MCP_CONFIG=absent", NULL)}),
      KM_E_NOT_FOUND);
}

static void drop_ins_are_bounded(void **state)
{
  (void)state;
  assert_int_equal(mkdir("d", 0700), 0);
  for (int i = 0; i <= 256; i++) {
    write_file(km_arena_printf(fx.arena, "d/%d.toml", i), "");
  }
  assert_input_refused((struct km_config_input){.directory = "d"},
                       "configuration folder d: more than 256 files");
  assert_int_equal(fx.err.code, KM_E_TOO_LARGE);
}

static void one_bad_layer_changes_nothing(void **state)
{
  (void)state;
  assert_int_equal(mkdir("d", 0700), 0);
  write_file("c.toml", "[server]\nworkers = 3\n");
  write_file("d/a.toml", "[server]\nworkers = 0\n");
  struct km_config *config = NULL;
  const struct km_config_input input = {.file = "c.toml", .directory = "d"};
  assert_int_equal(km_config_load(&input, &config, &fx.err), KM_E_INVALID);
  assert_null(config);
  assert_string_equal(fx.err.message,
                      "d/a.toml:2:11: server.workers must be an integer between 1 and 256, not '0'");
}

/* --- foreign names --- */

static void foreign_names_fill_their_half_of_an_address(void **state)
{
  (void)state;
  must_load((struct km_config_input){.environ_block = environment_of("K8S_MCP_HOST=localhost", NULL)});
  assert_string_equal(fx.config->http.address, "localhost:8080");
  must_load((struct km_config_input){.environ_block = environment_of("K8S_MCP_PORT=8766", NULL)});
  assert_string_equal(fx.config->http.address, "127.0.0.1:8766");
  must_load((struct km_config_input){.environ_block =
                                         environment_of("K8S_MCP_HOST=[::1]", "K8S_MCP_PORT=1",
                                                        "LOG_LEVEL=WARN", "KUBECONFIG_PATH=/k", NULL)});
  assert_string_equal(fx.config->http.address, "[::1]:1");
  assert_int_equal(fx.config->server.log_level, KM_LOG_WARNING);
  assert_string_equal(sample()->kubeconfig_path, "/k");
  must_load((struct km_config_input){.environ_block = environment_of("K8S_MCP_HOST=", "LOG_LEVEL=", NULL)});
  assert_string_equal(fx.config->http.address, "127.0.0.1:8080");
  assert_input_refused(
      (struct km_config_input){.environ_block = environment_of("K8S_MCP_PORT=http", NULL)},
      "environment K8S_MCP_PORT: server.http.address must be host:port, like 127.0.0.1:8080 or "
      "[::1]:8080, not '127.0.0.1:http'");
}

/* --- values --- */

static void durations_and_sizes_have_units(void **state)
{
  (void)state;
  must_load_text(
      "[server]\nmax_result_bytes = 4096\nmax_call_bytes = \"1gib\"\n"
      "[server.http]\nidle_timeout = \"1h30m\"\n[kubernetes]\ntimeout = 90\nconnect_timeout = \"250ms\"\n");
  assert_int_equal(fx.config->server.max_result_bytes, 4096);
  assert_int_equal(fx.config->server.max_call_bytes, 1024 * 1024 * 1024);
  assert_int_equal(fx.config->http.idle_timeout_ms, 90 * 60 * 1000);
  assert_int_equal(fx.config->kubernetes.timeout_ms, 90000);
  assert_int_equal(fx.config->kubernetes.connect_timeout_ms, 250);
}

static void plain_text_means_the_same_as_toml(void **state)
{
  (void)state;
  must_load((struct km_config_input){
      .environ_block =
          environment_of("KUBE_MCP_SERVER_TRANSPORTS= http , stdio", "KUBE_MCP_SECURITY_READ_ONLY=1",
                         "KUBE_MCP_SECURITY_REQUIRE_RBAC=false", "KUBE_MCP_SECURITY_RBAC_CACHE_TTL=7",
                         "KUBE_MCP_KUBERNETES_QPS=2.5e1", "KUBE_MCP_SERVER_MAX_RESULT_BYTES=64KiB",
                         "KUBE_MCP_KUBERNETES_PROVIDER=single-fixed",
                         "KUBE_MCP_SECURITY_DENIED_TOOLS=", "KUBE_MCP_SERVER_INSTRUCTIONS=${HOME}", NULL)});
  assert_int_equal(fx.config->server.transports.count, 2);
  assert_string_equal(fx.config->server.transports.items[0], "http");
  assert_true(fx.config->security.read_only);
  assert_false(fx.config->security.require_rbac);
  assert_int_equal(fx.config->security.rbac_cache_ttl_ms, 7000);
  assert_true(fx.config->kubernetes.qps == 25.0);
  assert_int_equal(fx.config->server.max_result_bytes, 65536);
  assert_string_equal(fx.config->kubernetes.provider, "single");
  assert_int_equal(fx.config->security.denied_tools.count, 0);
  assert_string_equal(fx.config->server.instructions, "${HOME}");
}

static void the_chosen_provider_gets_its_own_struct(void **state)
{
  (void)state;
  must_load_text("[kubernetes]\nprovider = \"kubeconfig-contexts\"\nkubeconfig_path = \"rel\"\n");
  assert_string_equal(fx.config->kubernetes.provider, "kubeconfig");
  assert_string_equal(sample()->kubeconfig_path, "rel");
  must_load_text("[kubernetes]\nprovider = \"in-cluster\"\n");
  assert_null(fx.config->provider_config);
  must_load_text("[kubernetes]\nprovider = \"single\"\n[kubernetes.single]\nserver = \"https://h\"\n");
  assert_string_equal(sample()->server, "https://h");
}

static void variables_are_replaced_in_toml_strings(void **state)
{
  (void)state;
  write_file("env", "HOST=from-file\nPORT=1\n");
  must_load((struct km_config_input){
      .file = write_file("c.toml", "[server]\ninstructions = \"a $ b $${HOST} ${HOST}\"\n[server.http]\n"
                                   "address = \"${HOST}:${PORT}\"\nallowed_hosts = [\"${HOST}\"]\n"),
      .env_file = "env",
      .environ_block = environment_of("HOST=real", NULL),
  });
  assert_string_equal(fx.config->server.instructions, "a $ b ${HOST} real");
  assert_string_equal(fx.config->http.address, "real:1");
  assert_string_equal(fx.config->http.allowed_hosts.items[0], "real");
  assert_text_refused(
      "[server]\ninstructions = \"${ABSENT}\"\n",
      "c.toml:2:16: server.instructions refers to the environment variable ABSENT, which is not set");
  assert_text_refused(
      "[server]\ninstructions = \"${1}\"\n",
      "c.toml:2:16: server.instructions has a '${' without a variable name and '}'; write $${ for a "
      "plain ${");
  assert_text_refused(
      "[server]\ninstructions = \"${HOME\"\n",
      "c.toml:2:16: server.instructions has a '${' without a variable name and '}'; write $${ for a "
      "plain ${");
}

/* --- secrets --- */

static void secrets_come_directly_or_from_a_file(void **state)
{
  (void)state;
  write_file("key", "from-file\n");
  must_load_text("[server.http]\nsession_key_file = \"key\"\n");
  assert_string_equal(fx.config->http.session_key.data, "from-file");
  struct km_config_input input = {.file = "c.toml"};
  input.environ_block = environment_of("KUBE_MCP_SERVER_HTTP_SESSION_KEY=direct", NULL);
  must_load(input);
  assert_string_equal(fx.config->http.session_key.data, "direct");
  write_file("c.toml", "[server.http]\nsession_key = \"literal ${X}\"\n");
  input.environ_block = environment_of("X=1", NULL);
  must_load(input);
  assert_string_equal(fx.config->http.session_key.data, "literal 1");
  input.environ_block = environment_of("X=1", "KUBE_MCP_SERVER_HTTP_SESSION_KEY_FILE=~/key", NULL);
  must_load(input);
  assert_string_equal(fx.config->http.session_key.data, "from-file");
  input.environ_block = environment_of("X=1", "KUBE_MCP_SERVER_HTTP_SESSION_KEY_FILE=", NULL);
  must_load(input);
  assert_true(km_secret_empty(&fx.config->http.session_key));
}

static void secrets_are_refused_without_being_repeated(void **state)
{
  (void)state;
  write_file("key", "hunter2");
  assert_text_refused(
      "[server.http]\nsession_key = \"hunter2\"\nsession_key_file = \"key\"\n",
      "c.toml:3:20: server.http.session_key_file is set beside session_key (c.toml:2:15); keep one of "
      "the two");
  assert_text_refused("[server.http]\nsession_key = 42\n",
                      "c.toml:2:15: server.http.session_key must be a string, "
                      "not an integer");
  assert_text_refused("[server.http]\nsession_key = \"hunter2\\u0000\"\n",
                      "c.toml:2:15: server.http.session_key must not contain a NUL character");
  write_file("c.toml", "[server.http]\nsession_key_file = \"absent\"\n");
  assert_int_equal(load((struct km_config_input){.file = "c.toml"}), KM_E_NOT_FOUND);
  assert_true(km_starts_with(fx.err.message, "c.toml:2:20: server.http.session_key_file: "));
  /* A secret that landed in another key is shown as written, not as what it stands for. */
  write_file("c.toml", "[server]\nlog_level = \"${TOKEN}\"\n");
  assert_input_refused(
      (struct km_config_input){.file = "c.toml", .environ_block = environment_of("TOKEN=hunter2", NULL)},
      "c.toml:2:13: server.log_level must be debug, info, notice, warning, error, critical, alert or "
      "emergency, not '${TOKEN}'");
}

/* --- what is refused --- */

static void unknown_keys_name_the_nearest(void **state)
{
  (void)state;
  assert_text_refused("[kubernetes]\nqsp = 1\n",
                      "c.toml:2:1: unknown key 'qsp' in [kubernetes]; did you mean 'qps'?");
  assert_text_refused(
      "[kubernetes]\nread_only = true\n",
      "c.toml:2:1: unknown key 'read_only' in [kubernetes]; 'read_only' belongs in [security]");
  assert_text_refused(
      "log_level = \"info\"\n",
      "c.toml:1:1: unknown key 'log_level' at the top level; 'log_level' belongs in [server]");
  assert_text_refused("[kubernets]\nqps = 1\n",
                      "c.toml:1:2: unknown section [kubernets]; did you mean [kubernetes]?");
  assert_text_refused("[server.htp]\n",
                      "c.toml:1:9: unknown section [server.htp]; did you mean [server.http]?");
  assert_text_refused("server.htpp.address = 1\n",
                      "c.toml:1:8: unknown section [server.htpp]; did you mean [server.http]?");
  assert_text_refused("\"server.http\" = { address = \"x:1\" }\n",
                      "c.toml:1:1: unknown section [server.http]; did you mean [server.http]?");
  assert_text_refused("[server]\nzzzzzzzzzzzz = 1\n", "c.toml:2:1: unknown key 'zzzzzzzzzzzz' in [server]; "
                                                      "`kube-mcp config example` lists all keys");
  assert_text_refused("[server]\n\"a\\u001b[31m\\nb\" = 1\n", "c.toml:2:1: unknown key 'a b' in [server]; "
                                                              "`kube-mcp config example` lists all keys");
}

static void long_values_are_cut_in_messages(void **state)
{
  (void)state;
  char *text = km_arena_printf(fx.arena, "[%0500d]\n", 0);
  write_file("c.toml", text);
  assert_int_equal(load((struct km_config_input){.file = "c.toml"}), KM_E_INVALID);
  assert_contains(fx.err.message, "00000...]; `kube-mcp config example` lists all sections");
  assert_true(strlen(fx.err.message) < 200);
}

static void sections_are_tables(void **state)
{
  (void)state;
  assert_text_refused("[server]\nhttp = \"x\"\n",
                      "c.toml:2:8: [server.http] is a section and cannot be a string");
  assert_text_refused("[[security]]\n", "c.toml:1:3: [security] is a section and cannot be an array");
  assert_text_refused("[server.workers]\n",
                      "c.toml:1:9: server.workers must be an integer between 1 and 256, not a "
                      "table");
}

static void wrong_types_and_ranges_say_what_is_wanted(void **state)
{
  (void)state;
  assert_text_refused("[server]\nworkers = \"8\"\n",
                      "c.toml:2:11: server.workers must be an integer between 1 and 256, not a string");
  assert_text_refused("[server]\nworkers = 257\n",
                      "c.toml:2:11: server.workers must be an integer between 1 and 256, not '257'");
  assert_text_refused("[security]\nread_only = \"false\"\n",
                      "c.toml:2:13: security.read_only must be true or false, not a string");
  assert_text_refused("[kubernetes]\nqps = -1\n",
                      "c.toml:2:7: kubernetes.qps must be a number between 0 and 1000000, not '-1'");
  assert_text_refused("[kubernetes]\nqps = nan\n",
                      "c.toml:2:7: kubernetes.qps must be a number between 0 and 1000000, not 'nan'");
  assert_text_refused(
      "[kubernetes]\ntimeout = \"fast\"\n",
      "c.toml:2:11: kubernetes.timeout must be a duration like \"30s\" or a number of seconds, between "
      "100ms and 1h, not 'fast'");
  assert_text_refused(
      "[kubernetes]\ntimeout = 1.5\n",
      "c.toml:2:11: kubernetes.timeout must be a duration like \"30s\" or a number of seconds, between "
      "100ms and 1h, not a float");
  assert_text_refused(
      "[server]\nmax_result_bytes = \"1 KB\"\n",
      "c.toml:2:20: server.max_result_bytes must be a size like \"32KiB\" or a number of bytes, between "
      "2KiB and 16MiB, not '1 KB'");
  assert_text_refused(
      "[server]\nmax_result_bytes = \"99999999999GiB\"\n",
      "c.toml:2:20: server.max_result_bytes must be a size like \"32KiB\" or a number of bytes, between "
      "2KiB and 16MiB, not '99999999999GiB'");
  assert_text_refused(
      "[kubernetes]\nprovider = \"kubeconfg\"\n",
      "c.toml:2:12: kubernetes.provider must be kubeconfig, in-cluster or single, not 'kubeconfg'; did "
      "you mean 'kubeconfig'?");
  assert_text_refused(
      "[server]\ntransports = [\"stdio\", \"htp\"]\n",
      "c.toml:2:14: server.transports must be a list of stdio or http, not 'htp'; did you mean 'http'?");
  assert_text_refused("[server]\ntransports = [\"stdio\", 1]\n",
                      "c.toml:2:14: server.transports must be a list of stdio or http; item 2 is an integer");
  assert_text_refused("[server]\ntransports = \"stdio\"\n",
                      "c.toml:2:14: server.transports must be a list of stdio or http, not a string");
  assert_text_refused("[server]\ntransports = []\n",
                      "c.toml:2:14: server.transports must have 1 to 2 items, not 0");
  assert_text_refused("[server]\ntool_prefix = \"Prod-\"\n",
                      "c.toml:2:15: server.tool_prefix must be at most 16 of a-z, 0-9 and _, not 'Prod-'");
  assert_text_refused("[server.http]\npath = \"mcp\"\n",
                      "c.toml:2:8: server.http.path must be a URL path like /mcp, not 'mcp'");
  assert_text_refused("[server\n", "c.toml:1:8: expected ']' after the name, found the end of the line");
}

static void addresses_have_a_host_and_a_port(void **state)
{
  (void)state;
  static const char *const good[] = {"127.0.0.1:0", "localhost:65535", "[::1]:80", "0.0.0.0:8080"};
  static const char *const bad[] = {"",     "8080",   ":8080", "h:",    "h:65536", "h:-1",
                                    "h:8x", "::1:80", "[]:1",  "[::1]", "a b:1"};
  for (size_t i = 0; i < KM_ARRAY_LEN(good); i++) {
    must_load_text(km_arena_printf(fx.arena, "[server.http]\naddress = \"%s\"\n", good[i]));
    assert_string_equal(fx.config->http.address, good[i]);
  }
  for (size_t i = 0; i < KM_ARRAY_LEN(bad); i++) {
    assert_text_refused(
        km_arena_printf(fx.arena, "[server.http]\naddress = \"%s\"\n", bad[i]),
        km_arena_printf(fx.arena,
                        "c.toml:2:11: server.http.address must be host:port, like 127.0.0.1:8080 or "
                        "[::1]:8080, not '%s'",
                        bad[i]));
  }
}

static void environment_names_are_checked(void **state)
{
  (void)state;
  assert_input_refused(
      (struct km_config_input){.environ_block = environment_of("KUBE_MCP_SERVER_HTTP_ADRESS=x:1", NULL)},
      "environment KUBE_MCP_SERVER_HTTP_ADRESS: unknown name KUBE_MCP_SERVER_HTTP_ADRESS; did you mean "
      "KUBE_MCP_SERVER_HTTP_ADDRESS?");
  assert_input_refused(
      (struct km_config_input){.environ_block = environment_of("KUBE_MCP_SERVER_WORKERS=", NULL)},
      "environment KUBE_MCP_SERVER_WORKERS: server.workers must be an integer between 1 and 256, not "
      "''");
  assert_input_refused(
      (struct km_config_input){.environ_block = environment_of("KUBE_MCP_SECURITY_READ_ONLY=yes", NULL)},
      "environment KUBE_MCP_SECURITY_READ_ONLY: security.read_only must be true or false, not 'yes'");
  assert_input_refused(
      (struct km_config_input){.environ_block = environment_of("KUBE_MCP_KUBERNETES_QPS=0x10", NULL)},
      "environment KUBE_MCP_KUBERNETES_QPS: kubernetes.qps must be a number between 0 and 1000000, not "
      "'0x10'");
  assert_input_refused(
      (struct km_config_input){.environ_block = environment_of("KUBE_MCP_SECURITY_DENIED_TOOLS=a,,b", NULL)},
      "environment KUBE_MCP_SECURITY_DENIED_TOOLS: security.denied_tools has an empty item between its "
      "commas");
  assert_input_refused(
      (struct km_config_input){.environ_block = environment_of("KUBE_MCP_SECURITY_DENIED_TOOLS=a,", NULL)},
      "environment KUBE_MCP_SECURITY_DENIED_TOOLS: security.denied_tools has an empty item behind its last "
      "comma");
  assert_input_refused(
      (struct km_config_input){.environ_block =
                                   environment_of("KUBE_MCP_SECURITY_DENIED_TOOLS=[\"a\"", NULL)},
      "environment KUBE_MCP_SECURITY_DENIED_TOOLS: security.denied_tools begins with [ but is no list: write "
      "a,b or [\"a\", \"b\"]");
  must_load((struct km_config_input){
      .environ_block = environment_of("KUBE_MCP_SECURITY_DENIED_TOOLS=[\"a\", \"b,c\"]", NULL)});
  assert_int_equal(fx.config->security.denied_tools.count, 2);
  assert_string_equal(fx.config->security.denied_tools.items[1], "b,c");
  write_file("env", "# comment\nKUBE_MCP_SERVER_WORKERS=many\n");
  assert_input_refused((struct km_config_input){.env_file = "env"},
                       "env:2:1: server.workers must be an integer between 1 and 256, not 'many'");
  must_load((struct km_config_input){
      .environ_block = environment_of("KUBE_MCP_STATE_KEY=x", "KUBE_MCP_CACHE=/c", "KUBE_MCP_TEST_ANYTHING=1",
                                      "KUBE_MCP_CLUSTER_DIR=/d", "KUBE_MCPX=1", "=odd", NULL)});
}

static void flags_are_named_as_they_were_typed(void **state)
{
  (void)state;
  struct km_config_flag flag = {
      .section = "server", .name = "transports", .value = "tcp", .spelling = "--transport"};
  struct km_config_input input = {.flags = &flag, .flag_count = 1};
  assert_input_refused(input,
                       "flag --transport: server.transports must be a list of stdio or http, not 'tcp'");
  flag = (struct km_config_flag){.section = "security", .name = "read_only", .value = "maybe"};
  assert_input_refused(input, "flag --read-only: security.read_only must be true or false, not 'maybe'");
  flag = (struct km_config_flag){.section = "security", .name = "readonly", .value = "true"};
  assert_input_refused(input,
                       "flag --readonly: unknown key 'readonly' in [security]; did you mean 'read_only'?");
}

static void an_unsound_table_is_our_error(void **state)
{
  (void)state;
  static const struct km_field fields[] = {
      {.section = "x", .name = "y", .type = KM_FIELD_INT, .fallback = "\"text\"", .doc = "d"},
      {.section = NULL}};
  const struct km_config_extension extension = {.kind = "x", .fields = fields, .size = sizeof(int64_t)};
  const struct km_config_input input = {.extensions = &extension, .extension_count = 1};
  struct km_config *config = NULL;
  assert_int_equal(km_config_load(&input, &config, &fx.err), KM_E_INTERNAL);
  assert_string_equal(fx.err.message, "built-in default: x.y must be an integer, not a string");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      FIXTURE_TEST(nothing_given_means_the_defaults),
      FIXTURE_TEST(log_levels_are_those_of_the_log),
      FIXTURE_TEST(the_seeds_complete_example_loads),
      FIXTURE_TEST(each_layer_overrides_those_below),
      FIXTURE_TEST(false_zero_and_empty_override),
      FIXTURE_TEST(the_file_is_found_where_documented),
      FIXTURE_TEST(what_was_named_must_exist),
      FIXTURE_TEST(drop_ins_are_bounded),
      FIXTURE_TEST(one_bad_layer_changes_nothing),
      FIXTURE_TEST(foreign_names_fill_their_half_of_an_address),
      FIXTURE_TEST(durations_and_sizes_have_units),
      FIXTURE_TEST(plain_text_means_the_same_as_toml),
      FIXTURE_TEST(the_chosen_provider_gets_its_own_struct),
      FIXTURE_TEST(variables_are_replaced_in_toml_strings),
      FIXTURE_TEST(secrets_come_directly_or_from_a_file),
      FIXTURE_TEST(secrets_are_refused_without_being_repeated),
      FIXTURE_TEST(unknown_keys_name_the_nearest),
      FIXTURE_TEST(long_values_are_cut_in_messages),
      FIXTURE_TEST(sections_are_tables),
      FIXTURE_TEST(wrong_types_and_ranges_say_what_is_wanted),
      FIXTURE_TEST(addresses_have_a_host_and_a_port),
      FIXTURE_TEST(environment_names_are_checked),
      FIXTURE_TEST(flags_are_named_as_they_were_typed),
      FIXTURE_TEST(an_unsound_table_is_our_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
