/* The tools with everything below them, on a small API server that the test describes. */
#ifndef KM_TESTS_UNIT_TOOLS_FIXTURE_H
#define KM_TESTS_UNIT_TOOLS_FIXTURE_H

#include <stdatomic.h>

#include "kube/fixture.h"

#include "kube_mcp/base/cancel.h"
#include "kube_mcp/kube/pool.h"
#include "kube_mcp/mcp/server.h"
#include "kube_mcp/tools/toolbox.h"

#define CANARY "canary-in-a-secret"

/* -- the cluster -------------------------------------------------------------------------------------------------- */

/* Rows 0..total-1, the first half in namespace alpha, the rest in beta. The continue token is the number of the row
 * that comes next. Tests change it between calls. */
struct cluster {
  int total;
  int name_bytes; /* longest padding of a name */
  int big_row;    /* its value takes big_bytes; -1 = none */
  size_t big_bytes;
  bool remaining; /* tells remainingItemCount */
  bool no_tables; /* answers Lists instead */
  bool across_forbidden;
  bool review_forbids_across;
  bool namespaces;        /* can be listed; otherwise the rows answer for them too */
  int expired;            /* token that is answered with 410; 0 = none, -1 = exact versions are */
  bool fresh;             /* sends a token along with that 410 */
  const char *token_tail; /* behind every token */
  atomic_int stall_at;    /* token at which the server says nothing more; 0 = none */
  size_t max_page_bytes;
  atomic_int lists, reviews;
  /* Answers in place of what follows, or says with false in *RET_MINE that the request is not for it. */
  bool (*own)(struct exchange *x, void *data, bool *ret_mine);
  void *own_data;
};

static inline int query_number(const char *path, const char *name, int fallback)
{
  const char *at = strstr(path, name);
  return at != NULL ? (int)strtol(at + strlen(name), NULL, 10) : fallback;
}

static inline const char *row_namespace(const struct cluster *cluster, int row)
{
  return row < cluster->total / 2 ? "alpha" : "beta";
}

static inline void put_object(const struct cluster *cluster, const char *plural, int row, bool whole,
                              bool typed, struct km_buf *out)
{
  bool secret = km_streq(plural, "secrets");
  km_buf_puts(out, "{");
  if (typed) {
    km_buf_printf(out, "\"kind\":\"%s\",\"apiVersion\":\"v1\",", secret ? "Secret" : "Pod");
  }
  km_buf_printf(out, "\"metadata\":{\"namespace\":\"%s\",\"name\":\"r%05d", row_namespace(cluster, row), row);
  km_buf_fill(out, 'x', cluster->name_bytes > 0 ? (size_t)(row * 7919 % (cluster->name_bytes + 1)) : 0);
  km_buf_puts(out, "\",\"managedFields\":[{\"manager\":\"m\"}]");
  if (secret) {
    km_buf_puts(
        out,
        ",\"annotations\":{\"kubectl.kubernetes.io/last-applied-configuration\":\"{\\\"data\\\":\\\"" CANARY
        "\\\"}\"}");
  }
  km_buf_puts(out, "}");
  if (whole && secret) {
    km_buf_puts(out,
                ",\"data\":{\"password\":\"Y2FuYXJ5LWluLWEtc2VjcmV0\"},\"stringData\":{\"more\":\"" CANARY
                "\"}");
  } else if (whole) {
    km_buf_printf(out, ",\"spec\":{\"nodeName\":\"node-%d\",\"big\":\"", row % 3);
    km_buf_fill(out, 'b', row == cluster->big_row ? cluster->big_bytes : 0);
    km_buf_puts(out, "\"}");
  }
  km_buf_puts(out, "}");
}

static inline void put_row(const struct cluster *cluster, const char *path, const char *plural, int row,
                           bool table, bool whole, struct km_buf *out)
{
  if (!table) {
    put_object(cluster, plural, row, whole, false, out);
    return;
  }
  km_buf_printf(out, "{\"cells\":[\"r%05d", row);
  km_buf_fill(out, 'x', cluster->name_bytes > 0 ? (size_t)(row * 7919 % (cluster->name_bytes + 1)) : 0);
  km_buf_printf(out, "\",\"%s\",\"node-%d\"],\"object\":", row % 4 == 0 ? "Pending" : "Running", row % 3);
  if (strstr(path, "includeObject=None") != NULL) {
    km_buf_puts(out, "null");
  } else {
    put_object(cluster, plural, row, strstr(path, "includeObject=Object") != NULL, false, out);
  }
  km_buf_puts(out, "}");
}

static inline bool reply_status(struct exchange *x, int code, const char *reason, const char *message,
                                const char *metadata)
{
  char body[1024];
  (void)snprintf(
      body, sizeof(body),
      "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{%s},\"status\":\"Failure\",\"reason\":\"%s\","
      "\"message\":\"%s\",\"code\":%d}",
      metadata, reason, message, code);
  return server_reply(x, code, "Content-Type: application/json\r\n", body);
}

/* The first row of NS and the one behind its last. */
static inline void rows_of(const struct cluster *cluster, const char *ns, int *ret_first, int *ret_end)
{
  int half = cluster->total / 2;
  *ret_first = km_streq(ns, "beta") ? half : 0;
  *ret_end = km_streq(ns, "alpha") ? half : cluster->total;
}

static inline bool reply_list(struct exchange *x, struct cluster *cluster, const char *plural, const char *ns)
{
  char accept[256] = "";
  (void)server_header(x, "Accept", accept, sizeof(accept));
  bool table = strstr(accept, "as=Table") != NULL && !cluster->no_tables;
  bool whole = strstr(accept, "as=PartialObjectMetadataList") == NULL;
  int first = 0, end = 0;
  rows_of(cluster, ns, &first, &end);
  int start = query_number(x->path, "continue=", first);
  int limit = query_number(x->path, "limit=", 500);
  int stop = start + limit < end ? start + limit : end;
  struct km_buf out;
  km_buf_init(&out, 64 * MIB);
  km_buf_printf(&out, "{\"kind\":\"%s\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"77\"",
                table ? "Table" : "List");
  if (stop < end) {
    km_buf_printf(&out, ",\"continue\":\"%d%s\"", stop,
                  cluster->token_tail != NULL ? cluster->token_tail : "");
    if (cluster->remaining) {
      km_buf_printf(&out, ",\"remainingItemCount\":%d", end - stop);
    }
  }
  km_buf_puts(&out, "}");
  if (table) {
    km_buf_puts(
        &out,
        ",\"columnDefinitions\":[{\"name\":\"Name\",\"type\":\"string\",\"priority\":0},{\"name\":\"Status\","
        "\"type\":\"string\",\"priority\":0},{\"name\":\"Node\",\"type\":\"string\",\"priority\":1}]");
  }
  km_buf_puts(&out, table ? ",\"rows\":[" : ",\"items\":[");
  for (int row = start; row < stop; row++) {
    km_buf_puts(&out, row > start ? "," : "");
    put_row(cluster, x->path, plural, row, table, whole, &out);
  }
  km_buf_puts(&out, "]}");
  bool open = server_reply(x, 200, "Content-Type: application/json\r\n", out.data);
  km_buf_done(&out);
  return open;
}

/* The two that rows are in, as a Table without objects. */
static inline bool reply_namespaces(struct exchange *x)
{
  return server_reply(x, 200, "Content-Type: application/json\r\n",
                      "{\"kind\":\"Table\",\"metadata\":{\"resourceVersion\":\"77\"},\"columnDefinitions\":[{"
                      "\"name\":\"Name\",\"type\":"
                      "\"string\",\"format\":\"name\",\"priority\":0}],\"rows\":[{\"cells\":[\"alpha\"],"
                      "\"object\":null},{\"cells\":["
                      "\"beta\"],\"object\":null}]}");
}

static inline bool reply_object(struct exchange *x, const struct cluster *cluster, const char *plural,
                                const char *name)
{
  int row = (int)strtol(name + 1, NULL, 10);
  if (*name != 'r' || row >= cluster->total) {
    return server_reply(
        x, 404, "Content-Type: application/json\r\n",
        "{\"kind\":\"Status\",\"status\":\"Failure\",\"reason\":\"NotFound\",\"message\":\"none not found\","
        "\"details\":{\"name\":\"none\",\"kind\":\"pods\"},\"code\":404}");
  }
  char accept[256] = "";
  (void)server_header(x, "Accept", accept, sizeof(accept));
  struct km_buf out;
  km_buf_init(&out, 64 * MIB);
  if (strstr(accept, "as=Table") != NULL) {
    km_buf_puts(
        &out,
        "{\"kind\":\"Table\",\"metadata\":{},\"columnDefinitions\":[{\"name\":\"Name\",\"type\":\"string\","
        "\"priority\":0}],\"rows\":[");
    put_row(cluster, x->path, plural, row, true, false, &out);
    km_buf_puts(&out, "]}");
  } else {
    put_object(cluster, plural, row, true, true, &out);
  }
  bool open = server_reply(x, 200, "Content-Type: application/json\r\n", out.data);
  km_buf_done(&out);
  return open;
}

static inline bool reply_review(struct exchange *x, struct cluster *cluster)
{
  atomic_fetch_add(&cluster->reviews, 1);
  bool across = strstr(x->body, "\"namespace\":\"") == NULL || strstr(x->body, "\"namespace\":\"\"") != NULL;
  bool allowed = !(cluster->review_forbids_across && across);
  return server_reply(x, 201, "Content-Type: application/json\r\n",
                      allowed ? "{\"kind\":\"SelfSubjectAccessReview\",\"status\":{\"allowed\":true}}"
                              : "{\"kind\":\"SelfSubjectAccessReview\",\"status\":{\"allowed\":false}}");
}

/* Splits "/api/v1[/namespaces/NS]/PLURAL[/NAME]?..." */
static inline void split_path(const char *path, char ns[64], char plural[64], char name[256])
{
  *ns = *plural = *name = '\0';
  if (sscanf(path, "/api/v1/namespaces/%63[^/?]/%63[^/?]/%255[^/?]", ns, plural, name) < 2) {
    *ns = '\0';
    (void)sscanf(path, "/api/v1/%63[^/?]", plural);
  }
}

static inline bool cluster_serve(struct exchange *x)
{
  struct cluster *cluster = km_unconst(x->server->data);
  if (cluster->own != NULL) {
    bool mine = true;
    bool open = cluster->own(x, cluster->own_data, &mine);
    if (mine) {
      return open;
    }
  }
  if (km_streq(x->method, "POST")) {
    return reply_review(x, cluster);
  }
  char ns[64], plural[64], name[256];
  split_path(x->path, ns, plural, name);
  if (*name != '\0') {
    return reply_object(x, cluster, plural, name);
  }
  atomic_fetch_add(&cluster->lists, 1);
  int token = query_number(x->path, "continue=", 0);
  if (cluster->across_forbidden && *ns == '\0') {
    return reply_status(x, 403, "Forbidden", "pods is forbidden at the cluster scope", "");
  }
  bool exact = strstr(x->path, "resourceVersionMatch=Exact") != NULL;
  if ((token != 0 && token == cluster->expired && strstr(x->path, "fresh") == NULL) ||
      (exact && cluster->expired == -1)) {
    char metadata[64] = "";
    if (cluster->fresh) {
      (void)snprintf(metadata, sizeof(metadata), "\"continue\":\"%dfresh\"", token);
    }
    return reply_status(x, 410, "Expired", "too old", metadata);
  }
  if (token != 0 && token == cluster->stall_at) {
    server_stall(x, 20000);
    return false;
  }
  return km_streq(plural, "namespaces") && cluster->namespaces ? reply_namespaces(x)
                                                               : reply_list(x, cluster, plural, ns);
}

/* -- the tools ---------------------------------------------------------------------------------------------------- */

struct kit {
  struct world *world;
  struct cluster cluster;
  struct km_pool *pool;
  struct km_lane *lane;
  struct km_toolbox toolbox;
  struct km_mcp_features features;
  struct km_mcp *mcp;
  struct km_cancel *cancel; /* of the next calls, or NULL */
  char *json;               /* of the last call */
  yyjson_doc *doc;
  enum km_rc rc;
};

static inline enum km_rc kit_gate(void *app, const struct km_tool *tool, struct km_error *err)
{
  struct km_toolbox *toolbox = app;
  return km_gate_check(&toolbox->gate, tool, err);
}

/* Tools over a cluster of TOTAL rows; the kit's members may be changed before the first call. */
static inline struct kit *kit_new(int total)
{
  struct kit *kit = calloc(1, sizeof(*kit));
  kit->cluster.total = total;
  kit->cluster.big_row = -1;
  kit->cluster.remaining = true;
  kit->world = world_new(cluster_serve, &kit->cluster);
  struct km_pool_options options = {.client = kit->world->options, .max_clients = 8, .idle_ms = 60000};
  kit->pool = km_pool_new(kit->world->loop, &kit->world->fake.provider, &options);
  kit->lane = km_lane_new("test", 4, 64);
  kit->toolbox = (struct km_toolbox){
      .pool = kit->pool, .fan_out = kit->lane, .max_result_bytes = 32 * 1024, .page_size = 10};
  kit->features = (struct km_mcp_features){.name = "test",
                                           .version = "0",
                                           .app = &kit->toolbox,
                                           .tools = km_tools,
                                           .tool_count = km_tool_count(),
                                           .tool_prefix = "",
                                           .gate = kit_gate,
                                           .default_deadline_ms = 20000,
                                           .max_call_bytes = 64 * MIB};
  struct km_mcp_options mcp_options = {
      .short_lane = kit->lane, .stream_lane = kit->lane, .session_ttl_ms = 60000, .max_sessions = 8};
  assert_int_equal(km_mcp_new(&kit->features, &mcp_options, &kit->mcp, &kit->world->err), KM_OK);
  kit->toolbox.sealer = km_mcp_sealer(kit->mcp);
  return kit;
}

static inline void kit_forget(struct kit *kit)
{
  yyjson_doc_free(kit->doc);
  free(kit->json);
  kit->doc = NULL;
  kit->json = NULL;
}

static inline void kit_free(struct kit *kit)
{
  kit_forget(kit);
  km_mcp_free(kit->mcp);
  km_lane_free(kit->lane);
  km_pool_free(kit->pool);
  world_free(kit->world);
  free(kit);
}

/* Calls TOOL with ARGUMENTS (JSON with ' for "). Returns the text of the answer, which lives until the next call. */
static inline const char *call(struct kit *kit, const char *tool, const char *format, ...) KM_PRINTF(3, 4);
static inline const char *call(struct kit *kit, const char *tool, const char *format, ...)
{
  char *arguments = NULL;
  va_list list;
  va_start(list, format);
  assert_true(vasprintf(&arguments, format, list) >= 0);
  va_end(list);
  for (char *c = arguments; *c != '\0'; c++) {
    *c = *c == '\'' ? '"' : *c;
  }
  kit_forget(kit);
  struct km_error err = {0};
  kit->rc = KM_OK;
  if (km_mcp_call_tool(kit->mcp, tool, arguments, kit->cancel, &kit->json, &kit->rc, &err) != KM_OK) {
    fail_msg("%s %s: %s", tool, arguments, err.message);
  }
  free(arguments);
  kit->doc = yyjson_read(kit->json, strlen(kit->json), 0);
  yyjson_val *content = km_json_arr(yyjson_doc_get_root(kit->doc), "content");
  assert_int_equal(yyjson_arr_size(content), 1);
  return km_json_str(yyjson_arr_get_first(content), "text");
}

/* The same, and the call must succeed within the budget. */
#define expect(kit, ...) expect_within((kit), call((kit), __VA_ARGS__))
static inline const char *expect_within(struct kit *kit, const char *text)
{
  if (kit->rc != KM_OK) {
    fail_msg("%s", text);
  }
  if (strlen(text) > kit->toolbox.max_result_bytes) {
    fail_msg("%zu bytes, not %zu: %s", strlen(text), kit->toolbox.max_result_bytes, text);
  }
  return text;
}

/* The same, and the call must fail with RC and type TYPE. */
#define expect_failure(kit, rc, type, ...) expect_failed((kit), (rc), (type), call((kit), __VA_ARGS__))
static inline const char *expect_failed(struct kit *kit, enum km_rc rc, const char *type, const char *text)
{
  if (kit->rc != rc) {
    fail_msg("ended with %d, not %d: %s", (int)kit->rc, (int)rc, text);
  }
  char quoted[128];
  (void)snprintf(quoted, sizeof(quoted), "\"type\":\"%s\"", type);
  assert_contains(text, quoted);
  return text;
}

/* The cursor in TEXT, or "". The caller frees it. */
static inline char *cursor_of(const char *text)
{
  static const char mark[] = "# next cursor: ";
  const char *at = strstr(text, mark);
  at = at != NULL ? at + strlen(mark) : "";
  return strndup(at, strcspn(at, "\n"));
}

#endif
