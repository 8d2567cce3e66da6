/* Errors: what is filled, wrapped, cut and mapped. */
#include "kube_mcp/base/error.h"

#include <errno.h>

#include "testing.h"

#include "kube_mcp/base/log.h"
#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

static void test_set_fills_everything(void **state)
{
  (void)state;
  struct km_error err;
  memset(&err, 0xA5, sizeof(err));
  int line = __LINE__ + 1;
  enum km_rc rc = km_error_set(&err, KM_E_INVALID, "port %d is out of range", 70000);
  assert_int_equal(rc, KM_E_INVALID);
  assert_int_equal(err.code, KM_E_INVALID);
  assert_int_equal(err.type, KM_TYPE_DEFAULT);
  assert_string_equal(err.message, "port 70000 is out of range");
  assert_string_equal(err.hint, "");
  assert_string_equal(err.reason, "");
  assert_int_equal(err.http_status, 0);
  assert_int_equal(err.retry_after_ms, 0);
  assert_string_equal(err.func, __func__);
  assert_int_equal(err.line, line);
}

static void test_set_may_quote_the_error_it_replaces(void **state)
{
  (void)state;
  struct km_error err;
  km_error_set(&err, KM_E_UNAVAILABLE, "connection refused");
  km_error_set_type(&err, KM_E_TIMEOUT, KM_TYPE_NETWORK_ERROR, "gave up after: %s", err.message);
  assert_string_equal(err.message, "gave up after: connection refused");
  assert_int_equal(km_error_effective_type(&err), KM_TYPE_NETWORK_ERROR);
}

static void test_wrap_keeps_the_rest(void **state)
{
  (void)state;
  struct km_error err;
  km_error_set_type(&err, KM_E_FORBIDDEN, KM_TYPE_POLICY_DENIED, "not allowed");
  err.http_status = 403;
  err.retry_after_ms = 1500;
  km_error_hint(&err, "ask %s", "an admin");
  const char *func = err.func;
  int line = err.line;
  assert_int_equal(km_error_wrap(&err, "listing pods in %s", "shop"), KM_E_FORBIDDEN);
  assert_int_equal(km_error_wrap(&err, "context %s", "prod"), KM_E_FORBIDDEN);
  assert_string_equal(err.message, "context prod: listing pods in shop: not allowed");
  assert_string_equal(err.hint, "ask an admin");
  assert_int_equal(err.type, KM_TYPE_POLICY_DENIED);
  assert_int_equal(err.http_status, 403);
  assert_int_equal(err.retry_after_ms, 1500);
  assert_ptr_equal(err.func, func);
  assert_int_equal(err.line, line);
}

/* LEN euro signs: three bytes each, so that most cuts would fall inside one. */
static char *euros(size_t len)
{
  char *text = calloc(3 * len + 1, 1);
  assert_non_null(text);
  for (size_t i = 0; i < len; i++) {
    memcpy(text + 3 * i, "\xE2\x82\xAC", 3);
  }
  return text;
}

static void test_long_texts_are_cut_between_characters(void **state)
{
  (void)state;
  char *text = euros(1000);
  for (int shift = 0; shift < 3; shift++) {
    struct km_error err;
    km_error_set(&err, KM_E_INVALID, "%.*s%s", shift, "xy", text);
    km_error_hint(&err, "%.*s%s", shift, "xy", text);
    assert_true(strlen(err.message) >= sizeof(err.message) - 7);
    assert_true(strlen(err.hint) >= sizeof(err.hint) - 7);
    assert_true(km_utf8_valid(err.message, strlen(err.message)));
    assert_true(km_utf8_valid(err.hint, strlen(err.hint)));
    assert_true(km_ends_with(err.message, "\xE2\x80\xA6"));
    km_error_wrap(&err, "z%s", text);
    assert_true(err.message[0] == 'z');
    assert_true(km_utf8_valid(err.message, strlen(err.message)));
  }
  free(text);
}

static void test_longest_text_that_fits_is_kept(void **state)
{
  (void)state;
  struct km_error err;
  char text[sizeof(err.message) + 1];
  memset(text, 'a', sizeof(text));
  text[sizeof(err.message) - 1] = '\0';
  km_error_set(&err, KM_E_INVALID, "%s", text);
  assert_string_equal(err.message, text);
  text[sizeof(err.message) - 1] = 'a';
  text[sizeof(err.message)] = '\0';
  km_error_set(&err, KM_E_INVALID, "%s", text);
  assert_true(km_ends_with(err.message, "\xE2\x80\xA6"));
}

static void test_wrapping_again_and_again_keeps_the_newest_context(void **state)
{
  (void)state;
  struct km_error err;
  km_error_set(&err, KM_E_INTERNAL, "origin");
  for (int i = 0; i < 200; i++) {
    km_error_wrap(&err, "level %d", i);
  }
  assert_true(km_starts_with(err.message, "level 199: level 198: "));
  assert_true(strlen(err.message) < sizeof(err.message));
}

static void test_errno_chooses_the_category(void **state)
{
  (void)state;
  static const struct {
    int errnum;
    enum km_rc rc;
  } cases[] = {{ENOENT, KM_E_NOT_FOUND},  {EACCES, KM_E_FORBIDDEN},
               {EPERM, KM_E_FORBIDDEN},   {ECONNREFUSED, KM_E_UNAVAILABLE},
               {ETIMEDOUT, KM_E_TIMEOUT}, {EFBIG, KM_E_TOO_LARGE},
               {EISDIR, KM_E_INVALID},    {EEXIST, KM_E_CONFLICT},
               {ENOMEM, KM_E_INTERNAL},   {EIO, KM_E_INTERNAL},
               {12345, KM_E_INTERNAL}};
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    struct km_error err;
    assert_int_equal(km_error_errno(&err, cases[i].errnum, "opening %s", "/x"), cases[i].rc);
    assert_int_equal(err.code, cases[i].rc);
    assert_true(km_starts_with(err.message, "opening /x: "));
    assert_string_equal(err.func, __func__);
  }
  struct km_error err;
  km_error_errno(&err, ENOENT, "opening %s", "/x");
  assert_string_equal(err.message, "opening /x: No such file or directory");
}

static void test_clear(void **state)
{
  (void)state;
  struct km_error err;
  struct km_error zero;
  memset(&zero, 0, sizeof(zero));
  km_error_set(&err, KM_E_CONFLICT, "x");
  km_error_clear(&err);
  assert_memory_equal(&err, &zero, sizeof(err));
}

static void test_every_category_has_a_row(void **state)
{
  (void)state;
  for (int code = KM_OK; code < KM_RC_COUNT; code++) {
    const struct km_error_class *row = km_error_class((enum km_rc)code);
    assert_non_null(row->name);
    assert_true(row->log_level >= KM_LOG_DEBUG && row->log_level <= KM_LOG_EMERGENCY);
    if (code == KM_OK) {
      assert_int_equal(row->exit_code, 0);
      continue;
    }
    assert_true(row->type != KM_TYPE_DEFAULT);
    assert_true(row->jsonrpc_code <= -32600 && row->jsonrpc_code >= -32603);
    assert_true(row->http_status >= 400 && row->http_status < 600);
    assert_true(row->exit_code > 0);
    for (int other = KM_OK; other < code; other++) {
      assert_true(row->exit_code != km_error_class((enum km_rc)other)->exit_code);
      assert_string_not_equal(row->name, km_error_class((enum km_rc)other)->name);
    }
  }
}

static void test_exit_codes_are_the_documented_ones(void **state)
{
  (void)state;
  static const int documented[KM_RC_COUNT] = {
      [KM_E_INTERNAL] = 1,        [KM_E_INVALID] = 2,     [KM_E_NOT_FOUND] = 3, [KM_E_FORBIDDEN] = 4,
      [KM_E_UNAUTHENTICATED] = 5, [KM_E_UNAVAILABLE] = 6, [KM_E_TIMEOUT] = 7,   [KM_E_CONFLICT] = 8,
      [KM_E_RATE_LIMITED] = 9,    [KM_E_TOO_LARGE] = 10,  [KM_E_PROTOCOL] = 11, [KM_E_CANCELLED] = 130};
  for (int code = KM_OK; code < KM_RC_COUNT; code++) {
    assert_int_equal(km_error_class((enum km_rc)code)->exit_code, documented[code]);
  }
}

static void test_types(void **state)
{
  (void)state;
  assert_string_equal(km_error_type_name(KM_TYPE_NOT_FOUND), "NotFound");
  assert_string_equal(km_error_type_name(KM_TYPE_AWS_CONFIG_MISSING), "AWSConfigMissing");
  for (int type = KM_TYPE_DEFAULT + 1; type < KM_TYPE_COUNT; type++) {
    const char *name = km_error_type_name((enum km_error_type)type);
    assert_true(name != NULL && name[0] >= 'A' && name[0] <= 'Z');
    for (int other = KM_TYPE_DEFAULT + 1; other < type; other++) {
      assert_string_not_equal(name, km_error_type_name((enum km_error_type)other));
    }
  }
  struct km_error err;
  km_error_set(&err, KM_E_UNAVAILABLE, "x");
  assert_int_equal(km_error_effective_type(&err), KM_TYPE_UNREACHABLE);
}

static void test_values_out_of_range_are_internal_errors(void **state)
{
  (void)state;
  assert_ptr_equal(km_error_class(KM_RC_COUNT), km_error_class(KM_E_INTERNAL));
  assert_string_equal(km_error_type_name(KM_TYPE_COUNT), "InternalError");
}

/* Formats count bytes. */
static void test_no_character_is_cut_in_two(void **state)
{
  (void)state;
  struct km_error err = {0};
  km_error_set(&err, KM_E_INVALID, "'%.5s' \xF0\x9F\x98\x80 '%s'", "abc\xE6\x9E\xA4", "\xFF\x80z");
  assert_string_equal(err.message, "'abc?\?' \xF0\x9F\x98\x80 '?\?z'");
  km_error_wrap(&err, "%.2s", "\xE6\x9E\xA4");
  assert_string_equal(err.message, "?\?: 'abc?\?' \xF0\x9F\x98\x80 '?\?z'");
  km_error_hint(&err, "%.1s", "\xC3\xA4");
  assert_string_equal(err.hint, "?");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_no_character_is_cut_in_two),
      cmocka_unit_test(test_set_fills_everything),
      cmocka_unit_test(test_set_may_quote_the_error_it_replaces),
      cmocka_unit_test(test_wrap_keeps_the_rest),
      cmocka_unit_test(test_long_texts_are_cut_between_characters),
      cmocka_unit_test(test_longest_text_that_fits_is_kept),
      cmocka_unit_test(test_wrapping_again_and_again_keeps_the_newest_context),
      cmocka_unit_test(test_errno_chooses_the_category),
      cmocka_unit_test(test_clear),
      cmocka_unit_test(test_every_category_has_a_row),
      cmocka_unit_test(test_exit_codes_are_the_documented_ones),
      cmocka_unit_test(test_types),
      cmocka_unit_test(test_values_out_of_range_are_internal_errors),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
