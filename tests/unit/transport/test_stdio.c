#include "fixture.h"

#include <fcntl.h>

#include "kube_mcp/transport/stdio.h"

#include "kube_mcp/base/banned.h"

/* -- a client at the other end of two pipes ---------------------------------------------------------------------------- */

struct pipes {
  struct fixture fixture;
  struct km_stdio *stdio;
  int in, out, server_in, server_out; /* IN is the server's input, OUT its output: the client's ends */
  atomic_bool ended;
  struct km_buf text;
};

static void on_eof(void *data)
{
  atomic_store((atomic_bool *)data, true);
}

static int start(void **state)
{
  static struct pipes pipes;
  int in[2], out[2];
  struct km_error err = {0};
  (void)signal(SIGPIPE, SIG_IGN);
  fixture_init(&pipes.fixture);
  assert_int_equal(pipe2(in, O_CLOEXEC), 0);
  assert_int_equal(pipe2(out, O_CLOEXEC), 0);
  pipes.in = in[1];
  pipes.server_in = in[0];
  pipes.out = out[0];
  pipes.server_out = out[1];
  atomic_store(&pipes.ended, false);
  km_buf_init(&pipes.text, (size_t)256 * 1024 * 1024);
  assert_int_equal(km_stdio_start(pipes.fixture.mcp, pipes.server_in, pipes.server_out, on_eof, &pipes.ended,
                                  &pipes.stdio, &err),
                   KM_OK);
  *state = &pipes;
  return 0;
}

static int stop(void **state)
{
  struct pipes *pipes = *state;
  km_stdio_stop(pipes->stdio);
  assert_true(atomic_load(&pipes->ended));
  fixture_done(&pipes->fixture);
  km_buf_done(&pipes->text);
  int *const fds[] = {&pipes->in, &pipes->out, &pipes->server_in, &pipes->server_out};
  for (size_t i = 0; i < KM_ARRAY_LEN(fds); i++) {
    if (*fds[i] >= 0) {
      close(*fds[i]);
    }
  }
  return 0;
}

static void hang_up(int *fd)
{
  close(*fd);
  *fd = -1;
}

static void put_bytes(const struct pipes *pipes, const char *data, size_t len)
{
  while (len > 0) {
    ssize_t n = write(pipes->in, data, len);
    assert_true(n > 0);
    data += n;
    len -= (size_t)n;
  }
}

static void put(const struct pipes *pipes, const char *text)
{
  put_bytes(pipes, text, strlen(text));
}

/* Reads what comes within TIMEOUT_MS; false when nothing does, or at the end. */
static bool get(struct pipes *pipes, int timeout_ms)
{
  static char chunk[65536];
  struct pollfd ready = {.fd = pipes->out, .events = POLLIN};
  if (poll(&ready, 1, timeout_ms) <= 0) {
    return false;
  }
  ssize_t n = read(pipes->out, chunk, sizeof(chunk));
  return n > 0 && km_buf_append(&pipes->text, chunk, (size_t)n);
}

static void await(struct pipes *pipes, const char *part)
{
  while (strstr(pipes->text.data, part) == NULL) {
    if (!get(pipes, PATIENCE_MS)) {
      fail_msg("\"%s\" did not come; received: %.2000s", part, pipes->text.data);
    }
  }
}

static unsigned count_lines(const struct pipes *pipes)
{
  unsigned lines = 0;
  for (size_t i = 0; i < pipes->text.len; i++) {
    lines += pipes->text.data[i] == '\n';
  }
  return lines;
}

static void handshake(struct pipes *pipes)
{
  put(pipes, INITIALIZE "\n");
  await(pipes, "\"protocolVersion\":\"2025-11-25\"");
  put(pipes, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n");
  await(pipes, "\n");
  km_buf_clear(&pipes->text);
}

#define PONG "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n"

/* -- lines ------------------------------------------------------------------------------------------------------------- */

static void test_one_line_for_each_message(void **state)
{
  struct pipes *pipes = *state;
  handshake(pipes);
  for (int i = 0; i < 300; i++) {
    put(pipes, PING "\n");
  }
  while (count_lines(pipes) < 300) {
    assert_true(get(pipes, PATIENCE_MS));
  }
  for (int i = 0; i < 300; i++) {
    assert_memory_equal(pipes->text.data + (size_t)i * strlen(PONG), PONG, strlen(PONG));
  }
}

static void test_pieces_and_line_ends(void **state)
{
  struct pipes *pipes = *state;
  handshake(pipes);
  for (const char *c = PING "\n"; *c != '\0'; c++) {
    put_bytes(pipes, c, 1);
  }
  await(pipes, PONG);
  /* Blank lines mean nothing; CRLF ends a line as well. */
  put(pipes, "\n\r\n   \n\t\r\n" PING "\r\n" PING "\n\n" PING);
  while (count_lines(pipes) < 3) {
    assert_true(get(pipes, PATIENCE_MS));
  }
  sleep_ms(50);
  assert_false(get(pipes, 0));
  put(pipes, "\n");
  await(pipes, PONG PONG PONG PONG);
}

static void test_bad_lines_are_answered_and_forgotten(void **state)
{
  struct pipes *pipes = *state;
  handshake(pipes);
  static const struct {
    const char *line;
    size_t len;
    const char *code;
  } cases[] = {
      {"{", 1, "-32700"},
      {"\xff\xfe\xfd", 3, "-32700"},
      {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"pi\xffng\"}", 39, "-32700"},
      {"{\"a\":\0}", 7, "-32700"},
      {"\0", 1, "-32700"},
      {"Content-Length: 52", 18, "-32700"},
      {"[]", 2, "-32600"},
      {"17", 2, "-32600"},
      {"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}", 43, "-32600"},
      {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"nonsense\"}", 44, "-32601"},
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    km_buf_clear(&pipes->text);
    put_bytes(pipes, cases[i].line, cases[i].len);
    put(pipes, "\n" PING "\n");
    await(pipes, PONG);
    assert_contains(pipes->text.data, cases[i].code);
    assert_int_equal(count_lines(pipes), 2);
    assert_null(strstr(pipes->text.data, "\"id\":null"));
  }
}

static void test_a_line_may_be_long_but_not_endless(void **state)
{
  struct pipes *pipes = *state;
  handshake(pipes);
  enum { BLOCK = 1024 * 1024 };
  char *block = malloc(BLOCK);
  assert_non_null(block);
  memset(block, ' ', BLOCK);
  for (int i = 0; i < 20; i++) {
    put_bytes(pipes, block, BLOCK);
  }
  put(pipes, PING "\n");
  await(pipes, PONG);
  km_buf_clear(&pipes->text);
  memset(block, 'x', BLOCK);
  for (int i = 0; i < 70; i++) {
    put_bytes(pipes, block, BLOCK);
  }
  put(pipes, "\n" PING "\n");
  await(pipes, PONG);
  assert_contains(pipes->text.data, "-32600");
  assert_int_equal(count_lines(pipes), 2);
  free(block);
}

/* -- calls -------------------------------------------------------------------------------------------------------------- */

static void test_calls_run_side_by_side(void **state)
{
  struct pipes *pipes = *state;
  handshake(pipes);
  put(pipes, CALL("block", "{}") "\n" PING "\n");
  put(pipes, "{\"jsonrpc\":\"2.0\",\"id\":\"quick\",\"method\":\"tools/"
             "call\",\"params\":{\"name\":\"echo\",\"arguments\":{\"text\":\"no waiting\"}}}\n");
  await(pipes, "no waiting");
  put(pipes, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":7}}\n");
  assert_soon(atomic_load(&blocking_cancelled) == 1);
  assert_soon(in_flight(&pipes->fixture) == 0);
  put(pipes, "{\"jsonrpc\":\"2.0\",\"id\":\"last\",\"method\":\"ping\"}\n");
  await(pipes, "\"last\"");
  assert_null(strstr(pipes->text.data, "\"id\":7")); /* cancelled: no answer */
}

static void test_lines_of_many_calls_do_not_mix(void **state)
{
  struct pipes *pipes = *state;
  handshake(pipes);
  for (int i = 0; i < 20; i++) {
    put(pipes, CALL("steps", "{\"number\":10}") "\n" CALL("big", "{\"number\":20000}") "\n");
  }
  while (count_lines(pipes) < 20 * 11 + 20 * 2) {
    assert_true(get(pipes, PATIENCE_MS));
  }
  for (char *line = pipes->text.data, *end = NULL; *line != '\0'; line = end + 1) {
    end = strchr(line, '\n');
    assert_non_null(end);
    yyjson_doc *doc = yyjson_read(line, (size_t)(end - line), 0);
    assert_non_null(doc);
    yyjson_doc_free(doc);
  }
}

static void test_changes_are_told_unasked(void **state)
{
  struct pipes *pipes = *state;
  km_mcp_changed(pipes->fixture.mcp, KM_CHANGED_TOOLS); /* nobody there yet */
  handshake(pipes);
  km_mcp_changed(pipes->fixture.mcp, KM_CHANGED_TOOLS);
  await(pipes, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n");
  put(pipes, LISTEN "\n");
  await(pipes, "acknowledged");
  km_mcp_changed(pipes->fixture.mcp, KM_CHANGED_TOOLS);
  await(pipes, "subscriptionId\":9");
}

/* -- the end -------------------------------------------------------------------------------------------------------------- */

static void test_end_of_input_lets_calls_finish(void **state)
{
  struct pipes *pipes = *state;
  handshake(pipes);
  put(pipes, CALL("block", "{\"number\":300}") "\n" PING);
  hang_up(&pipes->in);
  await(pipes, "waited");
  await(pipes, PONG); /* the last line may lack its end */
  assert_soon(atomic_load(&pipes->ended));
  assert_int_equal(atomic_load(&blocking_cancelled), 0);
}

static void test_end_of_input_does_not_wait_for_ever(void **state)
{
  struct pipes *pipes = *state;
  handshake(pipes);
  put(pipes, CALL("block", "{}") "\n" LISTEN "\n");
  await(pipes, "acknowledged");
  hang_up(&pipes->in);
  assert_soon(atomic_load(&pipes->ended));
  assert_soon(atomic_load(&blocking_cancelled) == 1);
  assert_int_equal(open_streams(&pipes->fixture), 0);
}

static void test_broken_output_ends_the_transport(void **state)
{
  struct pipes *pipes = *state;
  handshake(pipes);
  put(pipes, CALL("block", "{}") "\n");
  assert_soon(atomic_load(&blocking_started) == 1);
  hang_up(&pipes->out);
  put(pipes, PING "\n");
  assert_soon(atomic_load(&pipes->ended));
  assert_soon(atomic_load(&blocking_cancelled) == 1);
}

static void test_stopping_while_nobody_reads(void **state)
{
  struct pipes *pipes = *state;
  handshake(pipes);
  put(pipes, CALL("big", "{\"number\":1000000}") "\n");
  sleep_ms(100);
  /* stop() must come to an end although the answer is stuck. */
}

static void test_an_output_that_does_not_block(void **state)
{
  struct pipes *pipes = *state;
  handshake(pipes);
  assert_int_equal(fcntl(pipes->server_out, F_SETFL, O_NONBLOCK), 0);
  assert_int_equal(fcntl(pipes->server_in, F_SETFL, O_NONBLOCK), 0);
  put(pipes, CALL("big", "{\"number\":3000000}") "\n");
  sleep_ms(50);
  await(pipes, "\"}]}}\n");
  assert_true(pipes->text.len > 3000000);
  assert_int_equal(count_lines(pipes), 2);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_one_line_for_each_message, start, stop),
      cmocka_unit_test_setup_teardown(test_pieces_and_line_ends, start, stop),
      cmocka_unit_test_setup_teardown(test_bad_lines_are_answered_and_forgotten, start, stop),
      cmocka_unit_test_setup_teardown(test_a_line_may_be_long_but_not_endless, start, stop),
      cmocka_unit_test_setup_teardown(test_calls_run_side_by_side, start, stop),
      cmocka_unit_test_setup_teardown(test_lines_of_many_calls_do_not_mix, start, stop),
      cmocka_unit_test_setup_teardown(test_changes_are_told_unasked, start, stop),
      cmocka_unit_test_setup_teardown(test_end_of_input_lets_calls_finish, start, stop),
      cmocka_unit_test_setup_teardown(test_end_of_input_does_not_wait_for_ever, start, stop),
      cmocka_unit_test_setup_teardown(test_broken_output_ends_the_transport, start, stop),
      cmocka_unit_test_setup_teardown(test_stopping_while_nobody_reads, start, stop),
      cmocka_unit_test_setup_teardown(test_an_output_that_does_not_block, start, stop),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
