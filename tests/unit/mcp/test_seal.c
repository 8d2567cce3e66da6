/* Sealed tokens: they come back whole, and nothing altered, moved, expired or made elsewhere does. */
#include "kube_mcp/base/clock.h"
#include "kube_mcp/mcp/seal.h"
#include "testing.h"

#include "kube_mcp/base/banned.h"

static int64_t now_ms;

static int64_t fake_wall_ms(void)
{
  return now_ms;
}

static uint64_t fake_monotonic_ns(void)
{
  return (uint64_t)now_ms * KM_NS_PER_MS;
}

struct fixture {
  struct km_arena *arena;
  struct km_sealer sealer;
  struct km_error err;
};

static void use_key(struct km_sealer *sealer, const char *text)
{
  struct km_secret key = {0};
  struct km_error err = {0};
  km_secret_set(&key, text, strlen(text));
  assert_int_equal(km_sealer_init(sealer, &key, &err), KM_OK);
  km_secret_done(&key);
}

static int set_up(void **state)
{
  static const struct km_clock clock = {fake_monotonic_ns, fake_wall_ms};
  static struct fixture fixture;
  now_ms = 1000000;
  km_clock_install(&clock);
  fixture = (struct fixture){.arena = km_arena_new((size_t)1024 * 1024)};
  use_key(&fixture.sealer, "a key of more than thirty-two bytes");
  *state = &fixture;
  return 0;
}

static int tear_down(void **state)
{
  struct fixture *fixture = *state;
  km_sealer_done(&fixture->sealer);
  km_arena_free(fixture->arena);
  km_clock_install(NULL);
  return 0;
}

static enum km_rc unseal(struct fixture *fixture, const char *purpose, const char *context, const char *token)
{
  const uint8_t *payload = NULL;
  size_t len = 0;
  return km_unseal(&fixture->sealer, fixture->arena, purpose, context, token, &payload, &len, &fixture->err);
}

static void test_round_trip(void **state)
{
  struct fixture *fixture = *state;
  static const size_t sizes[] = {0, 1, 2, 3, 100, (size_t)64 * 1024};
  uint8_t *payload = km_arena_alloc(fixture->arena, (size_t)64 * 1024);
  for (size_t i = 0; i < KM_ARRAY_LEN(sizes); i++) {
    memset(payload, (int)i, sizes[i]);
    const char *token = km_seal(&fixture->sealer, fixture->arena, "p", "c", 0, payload, sizes[i]);
    assert_int_equal(strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
                     strlen(token));
    const uint8_t *back = NULL;
    size_t len = 0;
    assert_int_equal(km_unseal(&fixture->sealer, fixture->arena, "p", "c", token, &back, &len, &fixture->err),
                     KM_OK);
    assert_int_equal(len, sizes[i]);
    assert_memory_equal(back, payload, len);
  }
}

static void test_every_altered_character_is_noticed(void **state)
{
  struct fixture *fixture = *state;
  char *token = km_seal(&fixture->sealer, fixture->arena, "p", NULL, 1000, "payload", 7);
  for (size_t i = 0; token[i] != '\0'; i++) {
    char kept = token[i];
    token[i] = kept == 'A' ? 'B' : 'A';
    assert_int_equal(unseal(fixture, "p", NULL, token), KM_E_INVALID);
    token[i] = kept;
  }
  assert_int_equal(unseal(fixture, "p", NULL, token), KM_OK);
  for (size_t len = strlen(token); len-- > 0;) {
    token[len] = '\0';
    assert_int_equal(unseal(fixture, "p", NULL, token), KM_E_INVALID);
  }
}

static void test_purpose_and_context_bind(void **state)
{
  struct fixture *fixture = *state;
  const char *token = km_seal(&fixture->sealer, fixture->arena, "ab", "c", 0, "x", 1);
  assert_int_equal(unseal(fixture, "ab", "c", token), KM_OK);
  assert_int_equal(unseal(fixture, "a", "bc", token), KM_E_INVALID);
  assert_int_equal(unseal(fixture, "abc", "", token), KM_E_INVALID);
  assert_int_equal(unseal(fixture, "ab", NULL, token), KM_E_INVALID);
  assert_int_equal(unseal(fixture, "ab", "d", token), KM_E_INVALID);
  assert_contains(fixture->err.message, "belongs to another request");
}

static void test_other_keys(void **state)
{
  struct fixture *fixture = *state;
  const char *token = km_seal(&fixture->sealer, fixture->arena, "p", NULL, 0, "x", 1);
  km_sealer_done(&fixture->sealer);
  use_key(&fixture->sealer, "another key of more than 32 bytes");
  assert_int_equal(unseal(fixture, "p", NULL, token), KM_E_INVALID);
  km_sealer_done(&fixture->sealer);
  use_key(&fixture->sealer, "a key of more than thirty-two bytes");
  assert_int_equal(unseal(fixture, "p", NULL, token), KM_OK);
  km_sealer_done(&fixture->sealer);
  assert_int_equal(km_sealer_init(&fixture->sealer, NULL, &fixture->err), KM_OK);
  assert_int_equal(unseal(fixture, "p", NULL, token), KM_E_INVALID);
}

static void test_expiry(void **state)
{
  struct fixture *fixture = *state;
  const char *token = km_seal(&fixture->sealer, fixture->arena, "session", NULL, 500, "x", 1);
  const char *lasting = km_seal(&fixture->sealer, fixture->arena, "session", NULL, 0, "x", 1);
  now_ms += 499;
  assert_int_equal(unseal(fixture, "session", NULL, token), KM_OK);
  now_ms += 1;
  assert_int_equal(unseal(fixture, "session", NULL, token), KM_E_TIMEOUT);
  assert_contains(fixture->err.message, "session has expired");
  now_ms += (int64_t)1000 * 1000 * 1000;
  assert_int_equal(unseal(fixture, "session", NULL, lasting), KM_OK);
}

static void test_short_keys_are_refused(void **state)
{
  struct fixture *fixture = *state;
  struct km_secret key = {0};
  struct km_sealer sealer;
  km_secret_set(&key, "too short", 9);
  assert_int_equal(km_sealer_init(&sealer, &key, &fixture->err), KM_E_INVALID);
  assert_contains(fixture->err.message, "32");
  assert_null(strstr(fixture->err.message, "too short"));
  km_secret_done(&key);
}

static void test_garbage(void **state)
{
  struct fixture *fixture = *state;
  static const char *const tokens[] = {"", "A", "====", "!!!!", "AQAAAAAAAAAA", "with space"};
  for (size_t i = 0; i < KM_ARRAY_LEN(tokens); i++) {
    assert_int_equal(unseal(fixture, "p", NULL, tokens[i]), KM_E_INVALID);
  }
  char *huge = km_arena_alloc(fixture->arena, (size_t)200 * 1024 + 1);
  memset(huge, 'A', (size_t)200 * 1024);
  assert_int_equal(unseal(fixture, "p", NULL, huge), KM_E_INVALID);
}

#define SEAL_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
  const struct CMUnitTest tests[] = {
      SEAL_TEST(test_round_trip),
      SEAL_TEST(test_every_altered_character_is_noticed),
      SEAL_TEST(test_purpose_and_context_bind),
      SEAL_TEST(test_other_keys),
      SEAL_TEST(test_expiry),
      SEAL_TEST(test_short_keys_are_refused),
      SEAL_TEST(test_garbage),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
