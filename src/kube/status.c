/* What an API server's refusal means: a non-2xx answer becomes a category, a message and a hint.
 *
 * Owns the table of status codes and the hints. The body of an answer is untrusted: a Status gives its reason and
 * message, anything else (the page of a proxy, nothing at all) its first readable line; both are cleaned and cut to
 * what a message holds. Bodies larger than MAX_BODY_BYTES are not looked into. Credentials are not known here: the
 * client blanks them out of a body before it asks. Keeps no state. */
#include "kube_mcp/kube/status.h"

#include <ctype.h>
#include <string.h>

#include "kube_mcp/base/str.h"

#include "kube_mcp/kube/line.h"

#include "kube_mcp/base/banned.h"

#define MAX_BODY_BYTES ((size_t)64 * 1024)
/* Together they stay below what struct km_error can hold. */
#define MAX_MESSAGE_COLUMNS ((size_t)440)
#define MAX_LINE_COLUMNS    ((size_t)160)

/* How a status code is classified; a row with a reason goes before the one without. */
struct status_class {
  int status;
  const char *reason; /* Status.reason, or NULL = any */
  enum km_rc code;
  enum km_error_type type;
  const char *hint;
};

static const struct status_class classes[] = {
    {400, NULL, KM_E_INVALID, KM_TYPE_DEFAULT, "check the arguments that the message names"},
    {401, NULL, KM_E_UNAUTHENTICATED, KM_TYPE_DEFAULT,
     "the token or certificate of this context may have expired or belong to another cluster; renew the "
     "credential of "
     "its kubeconfig user"},
    {403, NULL, KM_E_FORBIDDEN, KM_TYPE_DEFAULT,
     "the identity of this context lacks that permission; use another context or namespace, or have the "
     "right granted"},
    {404, NULL, KM_E_NOT_FOUND, KM_TYPE_DEFAULT, "check name, namespace and context"},
    {405, NULL, KM_E_INVALID, KM_TYPE_KUBERNETES_ERROR, "this resource does not support the operation"},
    {406, NULL, KM_E_PROTOCOL, KM_TYPE_DEFAULT, ""},
    {407, NULL, KM_E_UNAVAILABLE, KM_TYPE_DEFAULT,
     "the HTTP proxy wants credentials; check proxy-url and HTTPS_PROXY"},
    {409, NULL, KM_E_CONFLICT, KM_TYPE_DEFAULT, "read the object again and repeat the change"},
    {409, "AlreadyExists", KM_E_CONFLICT, KM_TYPE_DEFAULT,
     "choose another name, or change the existing object"},
    {410, NULL, KM_E_CONFLICT, KM_TYPE_KUBERNETES_ERROR,
     "the position is too old; start the list again without cursor"},
    {413, NULL, KM_E_TOO_LARGE, KM_TYPE_DEFAULT, ""},
    {422, NULL, KM_E_INVALID, KM_TYPE_DEFAULT, "correct the fields that the message names"},
    {429, NULL, KM_E_RATE_LIMITED, KM_TYPE_DEFAULT, "ask again later, or for less"},
    {502, NULL, KM_E_UNAVAILABLE, KM_TYPE_DEFAULT,
     "something between here and the API server cannot reach it"},
    {503, NULL, KM_E_UNAVAILABLE, KM_TYPE_DEFAULT,
     "the API server or an aggregated API behind it is not ready"},
    {504, NULL, KM_E_UNAVAILABLE, KM_TYPE_DEFAULT,
     "something between here and the API server gave up waiting"},
    {504, "Timeout", KM_E_TIMEOUT, KM_TYPE_DEFAULT, "the API server gave up; ask for less, or again later"},
};

/* The row for STATUS and REASON; of codes without a row, by their hundreds. */
static struct status_class classify(int status, const char *reason)
{
  struct status_class found = {0};
  for (size_t i = 0; i < KM_ARRAY_LEN(classes); i++) {
    bool exact = km_streq(classes[i].reason, reason);
    if (classes[i].status == status && (exact || (classes[i].reason == NULL && found.status == 0))) {
      found = classes[i];
    }
  }
  if (found.status != 0) {
    return found;
  }
  if (status >= 300 && status < 400) {
    return (struct status_class){
        status, NULL, KM_E_PROTOCOL, KM_TYPE_DEFAULT,
        "redirects are not followed: a login page or a wrong server URL may stand before the API server"};
  }
  if (status >= 400 && status < 500) {
    return (struct status_class){status, NULL, KM_E_INVALID, KM_TYPE_KUBERNETES_ERROR, ""};
  }
  return (struct status_class){status, NULL, KM_E_UNAVAILABLE, KM_TYPE_KUBERNETES_ERROR, ""};
}

/* What a page says before anything else: tags and entities of HTML are skipped, the first line with letters counts. */
static void put_first_line(struct km_buf *out, const char *body, size_t len)
{
  struct km_buf text;
  km_buf_init(&text, MAX_BODY_BYTES);
  bool in_tag = false;
  bool has_letters = false;
  for (size_t i = 0; i < len && !(has_letters && (body[i] == '\n' || body[i] == '<')); i++) {
    if (body[i] == '<' || body[i] == '>') {
      in_tag = body[i] == '<';
    } else if (!in_tag) {
      km_buf_putc(&text, body[i]);
      has_letters = has_letters || isalpha((unsigned char)body[i]);
    }
  }
  if (has_letters) {
    km_put_line(out, text.data, text.len, MAX_LINE_COLUMNS);
  }
  km_buf_done(&text);
}

/* What the answer says for itself; all empty when it is no Status. */
struct refusal {
  char reason[48];
  bool names_object; /* Status.details.name: the resource exists, the object does not */
  bool is_status;
  int64_t retry_after_s; /* Status.details.retryAfterSeconds */
};

/* Reads the body into REFUSAL and MESSAGE; false when it is no Status. */
static bool read_status(struct km_arena *arena, const struct km_http_response *response,
                        struct refusal *refusal, struct km_buf *message)
{
  yyjson_doc *doc = NULL;
  struct km_error unused;
  const struct km_buf *body = &response->body;
  if (body->len > MAX_BODY_BYTES ||
      km_json_parse(arena, body->data, body->len, KM_JSON_MAX_DEPTH, &doc, &unused) != KM_OK) {
    return false;
  }
  yyjson_val *root = yyjson_doc_get_root(doc);
  if (!km_streq(km_json_str(root, "kind"), "Status")) {
    return false;
  }
  yyjson_val *details = km_json_obj(root, "details");
  const char *reason = km_json_str(root, "reason");
  const char *text = km_json_str(root, "message");
  struct km_buf clean_reason;
  km_buf_init(&clean_reason, KM_LINE_ROOM(sizeof(refusal->reason)));
  if (reason != NULL) {
    km_put_line(&clean_reason, reason, strlen(reason), sizeof(refusal->reason) - 1);
  }
  (void)km_strcopy(refusal->reason, sizeof(refusal->reason), clean_reason.data);
  km_buf_done(&clean_reason);
  if (text != NULL) {
    km_put_line(message, text, strlen(text), MAX_MESSAGE_COLUMNS);
  }
  refusal->is_status = true;
  refusal->names_object = !km_str_empty(km_json_str(details, "name"));
  refusal->retry_after_s = km_json_int(details, "retryAfterSeconds", 0);
  return true;
}

/* A 404 about the path itself: no such resource, or not an API server at all. */
static bool is_unknown_resource(int status, const struct refusal *refusal)
{
  return status == 404 && !refusal->names_object;
}

/* The header, or what the Status says when a proxy has dropped it. */
static uint32_t retry_after_ms(const struct km_http_response *response, const struct refusal *refusal)
{
  if (response->retry_after_ms > 0 || refusal->retry_after_s <= 0) {
    return response->retry_after_ms;
  }
  return refusal->retry_after_s > UINT32_MAX / 1000 ? UINT32_MAX : (uint32_t)refusal->retry_after_s * 1000;
}

enum km_rc km_status_error(const struct km_http_response *response, const char *context, const char *method,
                           const char *path, struct km_error *err)
{
  KM_CLEANUP(km_arena_freep) struct km_arena *arena = km_arena_new(MAX_BODY_BYTES);
  struct refusal refusal = {0};
  struct km_buf said;
  km_buf_init(&said, KM_LINE_ROOM(MAX_MESSAGE_COLUMNS));
  if (!read_status(arena, response, &refusal, &said)) {
    put_first_line(&said, response->body.data,
                   response->body.len < MAX_BODY_BYTES ? response->body.len : MAX_BODY_BYTES);
  }
  struct status_class class = classify(response->status, refusal.reason);
  const char *reason = refusal.reason;
  if (is_unknown_resource(response->status, &refusal)) {
    reason = "UnknownResource";
    class.hint =
        "the cluster does not serve this resource in this version; check the kind and its apiVersion";
  }
  if (response->status == 400 && !refusal.is_status) {
    /* Not the arguments: an API server says so in a Status. The usual cause is http:// before a TLS port. */
    class = (struct status_class){
        400, NULL, KM_E_PROTOCOL, KM_TYPE_UNREACHABLE,
        "this is not how an API server answers; check the server URL of the context, https:// included"};
  }
  if (response->status == 401) {
    km_error_set_type(err, class.code, class.type,
                      "context '%s': the API server does not accept the credential (HTTP 401%s%s)", context,
                      said.len > 0 ? ": " : "", said.data);
  } else if (refusal.is_status && said.len > 0) {
    km_error_set_type(err, class.code, class.type, "context '%s': %s", context, said.data);
  } else {
    km_error_set_type(err, class.code, class.type, "context '%s': %s %.*s was answered with HTTP %d%s%s",
                      context, method, km_shown_path_len(path), path, response->status,
                      said.len > 0 ? ": " : "", said.data);
  }
  km_buf_done(&said);
  err->http_status = response->status;
  err->retry_after_ms = retry_after_ms(response, &refusal);
  (void)km_strcopy(err->reason, sizeof(err->reason), reason);
  return class.hint[0] != '\0' ? km_error_hint(err, "%s", class.hint) : err->code;
}
