/* The last gate before the wire: what a request is, judged by its method and path alone.
 *
 * Keeps no state. The policy has already been applied where tools are listed and called; this is the place that nothing
 * can go round. A request's own flags only allow the exceptions to be looked for, they are not believed: an access
 * review must be POSTed to a resource that is one, a dry run must say dryRun=All and nothing else. Subresources that
 * act as they are called (exec, attach, port-forward, proxy) or hand out credentials (token) ignore dryRun, so they
 * have no exception, and the first three are refused even as GET. */
#include "internal.h"

#include <ctype.h>
#include <string.h>

#include "kube_mcp/base/str.h"
#include "kube_mcp/kube/line.h"

#include "kube_mcp/base/banned.h"

#define MAX_PATH_BYTES ((size_t)16 * 1024)
#define MAX_SEGMENTS   16

/* A path cut at its slashes. */
struct segments {
  struct km_view items[MAX_SEGMENTS];
  size_t count;
};

static bool view_is(struct km_view view, const char *text)
{
  return view.len == strlen(text) && memcmp(view.data, text, view.len) == 0;
}

static bool view_is_one_of(struct km_view view, const char *const *texts, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    if (view_is(view, texts[i])) {
      return true;
    }
  }
  return false;
}

static bool is_dot_segment(struct km_view segment)
{
  return view_is(segment, ".") || view_is(segment, "..");
}

static int hex_digit(char c)
{
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  char lower = (char)(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* An escape that no honest writer needs: of a letter, digit, dot, slash, percent sign or control character. Servers
 * decode a path before they split it, so any of them could make this file read another path than they do. */
static bool is_disguise(const char *escape)
{
  int high = hex_digit(escape[1]);
  int low = high >= 0 ? hex_digit(escape[2]) : -1;
  int byte = 16 * high + low;
  return low < 0 || byte < 0x20 || byte == 0x7F || isalnum(byte) || strchr("-._~/\\%", byte) != NULL;
}

/* Cuts the part of PATH before the query. False when it is no absolute path, or one too deep to be Kubernetes'. */
static bool split(const char *path, struct segments *ret)
{
  ret->count = 0;
  while (*path == '/') {
    path++;
    struct km_view segment = {.data = path, .len = strcspn(path, "/?")};
    if (ret->count == MAX_SEGMENTS || segment.len == 0 || is_dot_segment(segment)) {
      return false;
    }
    ret->items[ret->count++] = segment;
    path += segment.len;
  }
  return ret->count > 0 && (*path == '\0' || *path == '?');
}

/* Visible ASCII without fragment and, before the query, without disguises: nothing that could end the request line, be
 * dropped on the way or be read in two ways. */
static bool is_clean(const char *path)
{
  size_t len = strnlen(path, MAX_PATH_BYTES + 1);
  bool in_query = false;
  for (size_t i = 0; i < len; i++) {
    in_query = in_query || path[i] == '?';
    if (path[i] <= ' ' || path[i] > '~' || path[i] == '#' ||
        (path[i] == '%' && !in_query && is_disguise(path + i))) {
      return false;
    }
  }
  return len <= MAX_PATH_BYTES;
}

/* The resource part: segments behind /api/v1 or /apis/GROUP/VERSION, and behind namespaces/NAME if more follows. */
static struct segments resource_segments(const struct segments *path)
{
  struct segments rest = {.count = 0};
  size_t start = path->count > 0 && view_is(path->items[0], "api") ? 2 : 3;
  if (path->count > start + 2 && view_is(path->items[start], "namespaces") &&
      !view_is(path->items[start + 2], "status") && !view_is(path->items[start + 2], "finalize")) {
    start += 2;
  }
  for (size_t i = start; i < path->count; i++) {
    rest.items[rest.count++] = path->items[i];
  }
  return rest;
}

/* One of the resources to which a POST only asks a question, in whatever version. */
static bool is_access_review(const struct segments *path)
{
  static const char *const reviews[] = {"selfsubjectaccessreviews", "selfsubjectrulesreviews",
                                        "subjectaccessreviews", "localsubjectaccessreviews"};
  static const char *const authentications[] = {"selfsubjectreviews", "tokenreviews"};
  if (path->count < 4 || !view_is(path->items[0], "apis")) {
    return false;
  }
  struct segments resource = resource_segments(path);
  if (resource.count != 1) {
    return false;
  }
  if (view_is(path->items[1], "authorization.k8s.io")) {
    return view_is_one_of(resource.items[0], reviews, KM_ARRAY_LEN(reviews));
  }
  return view_is(path->items[1], "authentication.k8s.io") &&
         view_is_one_of(resource.items[0], authentications, KM_ARRAY_LEN(authentications));
}

/* RESOURCE/NAME/SUBRESOURCE[/...] with a subresource that acts at once. */
static bool acts_at_once(const struct segments *path)
{
  static const char *const acting[] = {"exec", "attach", "portforward"};
  struct segments resource = resource_segments(path);
  return resource.count >= 3 && view_is_one_of(resource.items[2], acting, KM_ARRAY_LEN(acting));
}

/* A proxy passes the request on to something that knows no dryRun; a token is handed out all the same. */
static bool ignores_dry_run(const struct segments *path)
{
  static const char *const ignoring[] = {"proxy", "token"};
  struct segments resource = resource_segments(path);
  return acts_at_once(path) ||
         (resource.count >= 3 && view_is_one_of(resource.items[2], ignoring, KM_ARRAY_LEN(ignoring)));
}

/* dryRun=All at least once, and no other dryRun. */
static bool asks_for_dry_run(const char *path)
{
  bool found = false;
  const char *query = strchr(path, '?');
  while (query != NULL) {
    query++;
    struct km_view parameter = {.data = query, .len = strcspn(query, "&")};
    if (view_is(parameter, "dryRun=All")) {
      found = true;
    } else if (parameter.len >= 6 && memcmp(parameter.data, "dryRun", 6) == 0) {
      return false;
    }
    query = strchr(query, '&');
  }
  return found;
}

/* Methods are case-sensitive: "get" is something else, and refused. */
static bool is_reading(const char *method)
{
  return km_streq(method, "GET") || km_streq(method, "HEAD") || km_streq(method, "OPTIONS");
}

static bool may_leave_read_only(const struct km_kube_request *request, const char *method,
                                const struct segments *path)
{
  if (is_reading(method)) {
    return !acts_at_once(path);
  }
  if (request->access_review && km_streq(method, "POST") && is_access_review(path)) {
    return true;
  }
  return request->dry_run && asks_for_dry_run(request->path) && !ignores_dry_run(path);
}

enum km_rc km_guard_request(bool read_only, const struct km_kube_request *request, struct km_error *err)
{
  struct segments path;
  if (!is_clean(request->path) || !split(request->path, &path)) {
    return km_error_set(err, KM_E_INVALID,
                        "the request path is not one that an API server could be asked for");
  }
  const char *method = request->method != NULL ? request->method : "GET";
  if (!read_only || may_leave_read_only(request, method, &path)) {
    return KM_OK;
  }
  km_error_set_type(err, KM_E_FORBIDDEN, KM_TYPE_POLICY_DENIED,
                    "read-only mode: %s %.*s could change the cluster", method,
                    km_shown_path_len(request->path), request->path);
  return km_error_hint(err, "the server runs with read_only = true; only its operator can change that");
}
