/* The policy gate: which tools may be seen and called, and what a refusal says. */
#include "kube_mcp/policy/gate.h"

#include "testing.h"

#include "kube_mcp/base/banned.h"

static const struct km_tool reads = {.name = "pods_list", .hints = KM_HINT_READ_ONLY | KM_HINT_IDEMPOTENT};
static const struct km_tool writes = {.name = "pods_delete", .hints = KM_HINT_DESTRUCTIVE};
static const struct km_tool unhinted = {.name = "pods_exec"};

static struct km_strings globs(const char **items, size_t count)
{
  return (struct km_strings){.items = items, .count = count};
}

static void expect_allowed(const struct km_gate *gate, const struct km_tool *tool)
{
  struct km_error err = {0};
  if (km_gate_check(gate, tool, &err) != KM_OK) {
    fail_msg("%s: %s", tool->name, err.message);
  }
  assert_int_equal(err.code, KM_OK);
}

static void expect_denied(const struct km_gate *gate, const struct km_tool *tool, const char *why)
{
  struct km_error err = {0};
  assert_int_equal(km_gate_check(gate, tool, &err), KM_E_FORBIDDEN);
  assert_int_equal(km_error_effective_type(&err), KM_TYPE_POLICY_DENIED);
  assert_contains(err.message, tool->name);
  assert_contains(err.message, why);
}

static void test_an_open_gate(void **state)
{
  (void)state;
  struct km_gate gate = {0};
  expect_allowed(&gate, &reads);
  expect_allowed(&gate, &writes);
  expect_allowed(&gate, &unhinted);
}

/* A tool that does not say that it only reads counts as one that writes. */
static void test_read_only(void **state)
{
  (void)state;
  struct km_gate gate = {.read_only = true};
  expect_allowed(&gate, &reads);
  expect_denied(&gate, &writes, "read-only");
  expect_denied(&gate, &unhinted, "read-only");
  struct km_error err = {0};
  (void)km_gate_check(&gate, &writes, &err);
  assert_contains(err.hint, "security.read_only");
}

static void test_allowed_and_denied(void **state)
{
  (void)state;
  const char *pods[] = {"nodes_*", "pods_*"};
  const char *destroys[] = {"*_delete"};
  const char *exact[] = {"pods_lis"};
  struct km_gate gate = {.allowed_tools = globs(pods, 2), .denied_tools = globs(destroys, 1)};
  expect_allowed(&gate, &reads);
  expect_denied(&gate, &writes, "security.denied_tools ('*_delete')"); /* denied wins */
  gate = (struct km_gate){.allowed_tools = globs(exact, 1)};
  expect_denied(&gate, &reads, "not in security.allowed_tools");
  gate = (struct km_gate){.denied_tools = globs(exact, 1)};
  expect_allowed(&gate, &reads);
}

/* Being allowed by name does not lift read-only mode. */
static void test_read_only_wins_over_allowed(void **state)
{
  (void)state;
  const char *all[] = {"*"};
  struct km_gate gate = {.read_only = true, .allowed_tools = globs(all, 1)};
  expect_denied(&gate, &writes, "read-only");
  expect_allowed(&gate, &reads);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_an_open_gate),
      cmocka_unit_test(test_read_only),
      cmocka_unit_test(test_allowed_and_denied),
      cmocka_unit_test(test_read_only_wins_over_allowed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
