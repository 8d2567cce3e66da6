/* events_list over events that the test makes up. */
#include <time.h>

#include "tools/fixture.h"

#include "kube_mcp/base/banned.h"

#define HOUR_MS INT64_C(3600000)

/* What the cluster says when asked for events. */
struct script {
  const char *items; /* of the one page; NULL: TOTAL events are made up */
  int total;         /* event I happened I seconds ago, on pod p<I>, for reason R<I % 3> */
  int64_t ahead_ms;  /* of the cluster's clock */
  bool says_date;    /* in its answers */
  bool across_forbidden;
  char path[2048]; /* of the last list */
  atomic_int lists;
};

static void put_time(struct km_buf *out, const char *key, int64_t ms)
{
  char text[32];
  km_rfc3339(text, sizeof(text), ms);
  km_buf_printf(out, "\"%s\":\"%.19sZ\"", key, text);
}

static void put_made_up(const struct script *script, int i, struct km_buf *out)
{
  km_buf_printf(
      out,
      "{\"metadata\":{\"namespace\":\"ns%d\"},\"involvedObject\":{\"kind\":\"Pod\",\"name\":\"p%d\"},"
      "\"reason\":\"R%d\",\"type\":\"Normal\",\"message\":\"said %d\",\"count\":2,",
      i % 2, i, i % 3, i);
  put_time(out, "lastTimestamp", km_clock_wall_ms() + script->ahead_ms - 1000 * (int64_t)i);
  km_buf_putc(out, '}');
}

static bool reply_events(struct exchange *x, struct script *script)
{
  char headers[128] = "Content-Type: application/json\r\n";
  if (script->says_date) {
    time_t now = (time_t)((km_clock_wall_ms() + script->ahead_ms) / 1000);
    struct tm tm;
    gmtime_r(&now, &tm);
    size_t len = strlen(headers);
    assert_true(strftime(headers + len, sizeof(headers) - len, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm) >
                0);
  }
  int start = query_number(x->path, "continue=", 0), limit = query_number(x->path, "limit=", 500);
  int stop = start + limit < script->total ? start + limit : script->total;
  struct km_buf out;
  km_buf_init(&out, 64 * MIB);
  km_buf_puts(&out, "{\"kind\":\"EventList\",\"apiVersion\":\"v1\",\"metadata\":{");
  if (stop < script->total) {
    km_buf_printf(&out, "\"continue\":\"%d\"", stop);
  }
  km_buf_puts(&out, "},\"items\":[");
  km_buf_puts(&out, script->items != NULL ? script->items : "");
  for (int i = start; i < stop; i++) {
    km_buf_puts(&out, i > start ? "," : "");
    put_made_up(script, i, &out);
  }
  km_buf_puts(&out, "]}");
  bool open = server_reply(x, 200, headers, out.data);
  km_buf_done(&out);
  return open;
}

static bool serve_events(struct exchange *x, void *data, bool *ret_mine)
{
  struct script *script = data;
  *ret_mine = strstr(x->path, "/events?") != NULL;
  if (!*ret_mine) {
    return true;
  }
  atomic_fetch_add(&script->lists, 1);
  (void)snprintf(script->path, sizeof(script->path), "%s", x->path);
  if (script->across_forbidden && strstr(x->path, "/namespaces/") == NULL) {
    return reply_status(x, 403, "Forbidden", "events is forbidden at the cluster scope", "");
  }
  return reply_events(x, script);
}

static struct kit *kit_of(struct script *script)
{
  struct kit *kit = kit_new(0);
  kit->cluster.own = serve_events;
  kit->cluster.own_data = script;
  return kit;
}

/* One event as JSON, its times AGO seconds before now. */
static void put_event(struct km_buf *out, const char *name, const char *reason, const char *message, int ago,
                      const char *more)
{
  km_buf_printf(
      out,
      "%s{\"metadata\":{\"namespace\":\"shop\"},\"involvedObject\":{\"kind\":\"Pod\",\"name\":\"%s\"},"
      "\"type\":\"Warning\",\"reason\":\"%s\",\"message\":\"%s\",%s",
      out->len > 0 ? "," : "", name, reason, message, more);
  put_time(out, "lastTimestamp", km_clock_wall_ms() - 1000 * (int64_t)ago);
  km_buf_putc(out, '}');
}

static void test_equal_events_are_one_row(void **state)
{
  (void)state;
  struct km_buf items;
  km_buf_init(&items, MIB);
  put_event(&items, "web", "BackOff", "again in 10s for web-6c9f7d5b4-bcdfg", 500, "\"count\":3,");
  put_event(&items, "web", "BackOff", "again in 20s for web-6c9f7d5b4-xkqpz", 305, "\"count\":4,");
  put_event(&items, "web", "Failed", "again in 20s for web-6c9f7d5b4-xkqpz", 400, "");
  put_event(&items, "api", "BackOff", "again in 20s for web-6c9f7d5b4-xkqpz", 600, "\"count\":1,");
  put_event(&items, "web", "BackOff", "not again in 20s", 700, "\"count\":0,");
  struct script script = {.items = items.data};
  struct kit *kit = kit_of(&script);
  const char *text = expect(kit, "events_list", "{}");
  assert_contains(text,
                  "NAMESPACE   LAST SEEN            COUNT   TYPE      REASON    OBJECT    MESSAGE\n"
                  "shop        5m5s (first 8m20s)   7       Warning   BackOff   pod/web   again in 20s for "
                  "web-6c9f7d5b4-xkqpz\n"
                  "shop        6m40s                1       Warning   Failed    pod/web   again in 20s");
  assert_contains(text, "# context prod: 5 events (10 times) in 4 rows, newest first\n");
  text = expect(kit, "events_list", "{'namespace':'shop'}");
  assert_null(strstr(text, "NAMESPACE"));
  assert_string_equal(expect(kit, "events_list", "{'output':'count'}"), "5\n");
  text = expect(kit, "events_list", "{'output':'json','limit':1}");
  yyjson_val *row = json_of(kit->world->arena, strndupa(text, strcspn(text, "\n")));
  assert_int_equal(km_json_int(row, "count", 0), 7);
  assert_int_equal(km_json_int(row, "events", 0), 2);
  assert_string_equal(km_json_str(row, "object"), "pod/web");
  assert_contains(text,
                  ": the newest 1 shown, 3 events left out (by reason: BackOff 2, Failed 1; by namespace: "
                  "shop 3)\n# there is no cursor: narrow with since");
  kit_free(kit);
  km_buf_done(&items);
}

/* Events of the newer form carry their times elsewhere. */
static void test_series(void **state)
{
  (void)state;
  struct km_buf items;
  km_buf_init(&items, MIB);
  km_buf_puts(&items,
              "{\"metadata\":{\"namespace\":\"shop\"},\"involvedObject\":{\"kind\":\"Pod\",\"name\":\"web\"},"
              "\"reason\":\"Slow\",\"message\":\"m\",\"reportingComponent\":\"scheduler\","
              "\"firstTimestamp\":null,\"lastTimestamp\":null,");
  put_time(&items, "eventTime", km_clock_wall_ms() - HOUR_MS);
  km_buf_puts(&items, ",\"series\":{\"count\":9,");
  put_time(&items, "lastObservedTime", km_clock_wall_ms() - 400500);
  km_buf_puts(&items, "}}");
  struct script script = {.items = items.data};
  struct kit *kit = kit_of(&script);
  assert_contains(expect(kit, "events_list", "{}"), " (first 60m)   9");
  assert_contains(expect(kit, "events_list", "{'output':'json'}"), "\"source\":\"scheduler\"");
  kit_free(kit);
  km_buf_done(&items);
}

/* What the server can select, it does. */
static void test_selectors(void **state)
{
  (void)state;
  struct script script = {.total = 3};
  struct kit *kit = kit_of(&script);
  expect(kit, "events_list", "{'namespace':'shop','for':'pods/web,0=1','type':'Warning','reason':'BackOff'}");
  assert_contains(script.path, "/api/v1/namespaces/shop/events?");
  assert_contains(script.path,
                  "fieldSelector=involvedObject.kind%3DPod%2CinvolvedObject.name%3Dweb%5C%2C0%5C%3D1%2C"
                  "type%3DWarning%2Creason%3DBackOff");
  expect(kit, "events_list", "{'for':'web-0'}");
  assert_contains(script.path, "/api/v1/events?");
  assert_null(strstr(script.path, "involvedObject.kind"));
  expect(kit, "events_list", "{'namespace':'shop','for':'node/n1'}");
  assert_contains(script.path, "/api/v1/events?"); /* nodes are in no namespace, their events in any */
  expect(kit, "events_list", "{}");
  assert_null(strstr(script.path, "fieldSelector"));
  static const char *const refused[] = {"/web", "pod/", "pod/a/b", "/"};
  for (size_t i = 0; i < KM_ARRAY_LEN(refused); i++) {
    assert_contains(
        expect_failure(kit, KM_E_INVALID, "ValidationError", "events_list", "{'for':'%s'}", refused[i]),
        "'for'");
  }
  expect_failure(kit, KM_E_INVALID, "ValidationError", "events_list", "{'type':'warning'}");
  kit_free(kit);
}

static void test_since(void **state)
{
  (void)state;
  struct script script = {.total = 200};
  struct kit *kit = kit_of(&script);
  assert_string_equal(expect(kit, "events_list", "{'output':'count','since':'99500ms'}"), "100\n");
  char then[32];
  km_rfc3339(then, sizeof(then), km_clock_wall_ms() - 49500);
  assert_string_equal(expect(kit, "events_list", "{'output':'count','since':'%s'}", then), "50\n");
  assert_contains(expect(kit, "events_list", "{'since':'500ms'}"), "1 event");
  static const char *const refused[] = {"yesterday", "-1h", "0", "1x", "2026-13-01T00:00:00Z"};
  for (size_t i = 0; i < KM_ARRAY_LEN(refused); i++) {
    expect_failure(kit, KM_E_INVALID, "ValidationError", "events_list", "{'since':'%s'}", refused[i]);
  }
  kit_free(kit);
}

/* Ages are by the clock that stamped the events, and never negative. */
static void test_skewed_clocks(void **state)
{
  (void)state;
  struct script script = {.total = 130, .ahead_ms = HOUR_MS};
  struct kit *kit = kit_of(&script);
  assert_contains(expect(kit, "events_list", "{}"), "\nns0         0s   ");
  script.says_date = true;
  const char *text = expect(kit, "events_list", "{'since':'100s'}");
  assert_contains(text, "\nns1         29s");
  assert_contains(text, "# the cluster's clock is ");
  assert_contains(text, "m ahead of ours: ages are by its clock\n");
  assert_contains(text, "# context prod: 10"); /* 100 or 101 of them */
  script.ahead_ms = -HOUR_MS;
  text = expect(kit, "events_list", "{}");
  assert_contains(text, "\nns1         29s");
  assert_contains(text, "behind ours");
  kit_free(kit);
}

/* A cluster with more different events than anybody wants to hold. */
static void test_100000_events(void **state)
{
  (void)state;
  struct script script = {.total = 100000};
  struct kit *kit = kit_of(&script);
  kit->toolbox.page_size = 500;
  kit->features.default_deadline_ms = 300000; /* under valgrind */
  const char *text = expect(kit, "events_list", "{}");
  assert_int_equal(script.lists, 200);
  assert_contains(text, "pod/p0 ");
  assert_contains(text, "pod/p100 ");
  assert_contains(text, "# context prod: 100000 events (200000 times) in more than ");
  assert_contains(text, "by reason: R0 3");
  assert_contains(text, "# too many different events to compare all");
  assert_contains(expect(kit, "events_list", "{'limit':2000,'output':'json'}"), "events left out");
  assert_string_equal(expect(kit, "events_list", "{'output':'count'}"),
                      "100000\n# too many different events to compare "
                      "all: the COUNT of old rows may be too low\n");
  kit_free(kit);
}

static void test_budgets(void **state)
{
  (void)state;
  struct script script = {.total = 900};
  struct kit *kit = kit_of(&script);
  kit->toolbox.page_size = 100;
  static const size_t budgets[] = {1024, 3000, 8192, 32 * 1024};
  for (size_t i = 0; i < KM_ARRAY_LEN(budgets); i++) {
    kit->toolbox.max_result_bytes = budgets[i];
    assert_contains(expect(kit, "events_list", "{}"), "events left out");
    assert_contains(expect(kit, "events_list", "{'output':'json'}"), "events left out");
  }
  kit_free(kit);
}

/* Whoever may create a pod may say anything in its events. */
static void test_hostile_texts(void **state)
{
  (void)state;
  struct km_buf items, message;
  km_buf_init(&items, 8 * MIB);
  km_buf_init(&message, 4 * MIB);
  km_buf_fill(&message, 'm', 2 * MIB);
  put_event(&items, "a\\n# b", "R\\n# d", "\\u001b[31mred\\n# context prod: fake\\u202e", 10,
            "\"count\":\"x\",");
  put_event(&items, "web", "Long", message.data, 20, "\"count\":-5,");
  km_buf_puts(&items, ",{\"metadata\":7,\"involvedObject\":[],\"series\":3,\"lastTimestamp\":\"x\"}");
  struct script script = {.items = items.data};
  struct kit *kit = kit_of(&script);
  static const char *const outputs[] = {"table", "json"};
  for (size_t i = 0; i < KM_ARRAY_LEN(outputs); i++) {
    const char *text = expect(kit, "events_list", "{'output':'%s','limit':1}", outputs[i]);
    assert_contains(text, "red # context prod: fake");
    assert_null(strstr(text, "\x1b"));
    assert_null(strstr(text, "001b"));
    assert_null(strstr(text, "\n# b"));
    assert_null(strstr(text, "\n# d"));
    text = expect(kit, "events_list", "{'output':'%s'}", outputs[i]);
    assert_contains(text, "mmm\xE2\x80\xA6");
    assert_true(strlen(text) < 4000);
  }
  kit_free(kit);
  km_buf_done(&message);
  km_buf_done(&items);
}

static void test_no_right_for_all_namespaces(void **state)
{
  (void)state;
  struct script script = {.total = 3, .across_forbidden = true};
  struct kit *kit = kit_of(&script);
  expect_failure(kit, KM_E_FORBIDDEN, "Forbidden", "events_list", "{}");
  kit_free(kit);
  kit = kit_of(&script);
  kit->world->fake.endpoint.default_namespace = "shop";
  const char *text = expect(kit, "events_list", "{}");
  assert_contains(text, "the context's namespace 'shop'");
  assert_contains(script.path, "/namespaces/shop/events");
  assert_null(strstr(text, "NAMESPACE"));
  kit_free(kit);
}

static void test_nothing(void **state)
{
  (void)state;
  struct script script = {.items = ""};
  struct kit *kit = kit_of(&script);
  assert_string_equal(
      expect(kit, "events_list", "{}"),
      "# context prod: nothing found; a cluster keeps events for an hour unless told otherwise\n");
  assert_string_equal(expect(kit, "events_list", "{'output':'count'}"), "0\n");
  kit_free(kit);
}

/* Events have times of whole seconds; so has now, and it stays. */
static int64_t now_ms;

static int64_t frozen_wall_ms(void)
{
  return now_ms;
}

static uint64_t running_ns(void)
{
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * KM_NS_PER_S + (uint64_t)now.tv_nsec;
}

int main(void)
{
  const struct km_clock clock = {.monotonic_ns = running_ns, .wall_ms = frozen_wall_ms};
  now_ms = (int64_t)time(NULL) * 1000;
  km_clock_install(&clock);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_equal_events_are_one_row),
      cmocka_unit_test(test_series),
      cmocka_unit_test(test_selectors),
      cmocka_unit_test(test_since),
      cmocka_unit_test(test_skewed_clocks),
      cmocka_unit_test(test_100000_events),
      cmocka_unit_test(test_budgets),
      cmocka_unit_test(test_hostile_texts),
      cmocka_unit_test(test_no_right_for_all_namespaces),
      cmocka_unit_test(test_nothing),
  };
  km_log_init(KM_LOG_CRITICAL, KM_LOG_TEXT);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
