/* Errors: filling struct km_error, and the one table that says what each category means to the outside.
 *
 * Owns the category table and the names of the envelope types; both are constant. Nothing here allocates or locks,
 * so every function is safe on any thread and in any state of the process. A text that does not fit is cut on a
 * UTF-8 boundary and ends with an ellipsis. Arguments may point into the error that is being filled: every text is
 * composed in a buffer of its own first. docs/errors.md repeats the table for readers. */
#include "kube_mcp/base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kube_mcp/base/log.h"
#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

#define ELLIPSIS "\xE2\x80\xA6"

/* JSON-RPC 2.0 codes. Revision 2026-07-28 allows no implementation-defined ones, so categories share these. */
#define RPC_INVALID_REQUEST (-32600)
#define RPC_INVALID_PARAMS  (-32602)
#define RPC_INTERNAL        (-32603)

/* A category that no protocol message can have gets the code of the nearest one that can. Levels: what the caller did
 * wrong is information, what the cluster did is a warning, what we or it broke is an error. Exit codes 3 to 11 and 130 are part of the command line's contract. */
static const struct km_error_class classes[KM_RC_COUNT] = {
    [KM_OK] = {"ok", KM_TYPE_DEFAULT, 0, 200, KM_LOG_DEBUG, 0},
    [KM_E_INVALID] = {"invalid", KM_TYPE_VALIDATION_ERROR, RPC_INVALID_PARAMS, 400, KM_LOG_INFO, 2},
    [KM_E_NOT_FOUND] = {"not_found", KM_TYPE_NOT_FOUND, RPC_INVALID_PARAMS, 404, KM_LOG_INFO, 3},
    [KM_E_FORBIDDEN] = {"forbidden", KM_TYPE_FORBIDDEN, RPC_INVALID_REQUEST, 403, KM_LOG_NOTICE, 4},
    [KM_E_UNAUTHENTICATED] = {"unauthenticated", KM_TYPE_UNAUTHENTICATED, RPC_INVALID_REQUEST, 401,
                              KM_LOG_WARNING, 5},
    [KM_E_CONFLICT] = {"conflict", KM_TYPE_CONFLICT, RPC_INVALID_REQUEST, 409, KM_LOG_INFO, 8},
    [KM_E_TIMEOUT] = {"timeout", KM_TYPE_TIMEOUT, RPC_INTERNAL, 504, KM_LOG_WARNING, 7},
    [KM_E_CANCELLED] = {"cancelled", KM_TYPE_CANCELLED, RPC_INTERNAL, 499, KM_LOG_INFO, 130},
    [KM_E_RATE_LIMITED] = {"rate_limited", KM_TYPE_RATE_LIMITED, RPC_INTERNAL, 429, KM_LOG_WARNING, 9},
    [KM_E_UNAVAILABLE] = {"unavailable", KM_TYPE_UNREACHABLE, RPC_INTERNAL, 503, KM_LOG_WARNING, 6},
    [KM_E_TOO_LARGE] = {"too_large", KM_TYPE_TOO_LARGE, RPC_INVALID_REQUEST, 413, KM_LOG_NOTICE, 10},
    [KM_E_PROTOCOL] = {"protocol", KM_TYPE_KUBERNETES_ERROR, RPC_INTERNAL, 502, KM_LOG_ERROR, 11},
    [KM_E_INTERNAL] = {"internal", KM_TYPE_INTERNAL_ERROR, RPC_INTERNAL, 500, KM_LOG_ERROR, 1},
};

static const char *const type_names[KM_TYPE_COUNT] = {
    [KM_TYPE_DEFAULT] = "InternalError",
    [KM_TYPE_UNKNOWN_CONTEXT] = "UnknownContext",
    [KM_TYPE_VALIDATION_ERROR] = "ValidationError",
    [KM_TYPE_INVALID_MANIFEST] = "InvalidManifest",
    [KM_TYPE_FORBIDDEN] = "Forbidden",
    [KM_TYPE_POLICY_DENIED] = "PolicyDenied",
    [KM_TYPE_CONFIRMATION_REQUIRED] = "ConfirmationRequired",
    [KM_TYPE_NOT_FOUND] = "NotFound",
    [KM_TYPE_CONFLICT] = "Conflict",
    [KM_TYPE_KUBERNETES_ERROR] = "KubernetesError",
    [KM_TYPE_UNAUTHENTICATED] = "Unauthenticated",
    [KM_TYPE_UNREACHABLE] = "Unreachable",
    [KM_TYPE_TIMEOUT] = "Timeout",
    [KM_TYPE_RATE_LIMITED] = "RateLimited",
    [KM_TYPE_TOO_LARGE] = "TooLarge",
    [KM_TYPE_METRICS_UNAVAILABLE] = "MetricsUnavailable",
    [KM_TYPE_SCALING_NOT_SUPPORTED] = "ScalingNotSupported",
    [KM_TYPE_FEATURE_DISABLED] = "FeatureDisabled",
    [KM_TYPE_FEATURE_NOT_INSTALLED] = "FeatureNotInstalled",
    [KM_TYPE_EXTERNAL_SERVICE_UNAVAILABLE] = "ExternalServiceUnavailable",
    [KM_TYPE_CANCELLED] = "Cancelled",
    [KM_TYPE_INTERNAL_ERROR] = "InternalError",
    [KM_TYPE_TOKEN_EXPIRED] = "TokenExpired",
    [KM_TYPE_AWS_CONFIG_MISSING] = "AWSConfigMissing",
    [KM_TYPE_EXEC_FAILED] = "ExecFailed",
    [KM_TYPE_INVALID_KUBECONFIG] = "InvalidKubeconfig",
    [KM_TYPE_NETWORK_ERROR] = "NetworkError",
    [KM_TYPE_PERMISSION_DENIED] = "PermissionDenied",
    [KM_TYPE_INVALID_CREDENTIALS] = "InvalidCredentials",
    [KM_TYPE_CLUSTER_NOT_FOUND] = "ClusterNotFound",
    [KM_TYPE_REGION_MISMATCH] = "RegionMismatch",
};

const struct km_error_class *km_error_class(enum km_rc code)
{
  return &classes[(unsigned)code < KM_RC_COUNT ? code : KM_E_INTERNAL];
}

const char *km_error_type_name(enum km_error_type type)
{
  return type_names[(unsigned)type < KM_TYPE_COUNT ? type : KM_TYPE_INTERNAL_ERROR];
}

enum km_error_type km_error_effective_type(const struct km_error *err)
{
  return err->type != KM_TYPE_DEFAULT ? err->type : km_error_class(err->code)->type;
}

/* Copies TEXT into DEST; what does not fit is replaced by an ellipsis. */
static void store(char *dest, size_t size, const char *text)
{
  size_t len = strlen(text);
  if (len < size) {
    memcpy(dest, text, len + 1);
    return;
  }
  size_t kept = km_utf8_prefix(text, len, size - sizeof(ELLIPSIS));
  memcpy(dest, text, kept);
  memcpy(dest + kept, ELLIPSIS, sizeof(ELLIPSIS));
}

/* Long enough that `store` sees whether a message or hint had to be cut. */
struct text {
  char data[sizeof(((struct km_error *)NULL)->message) + sizeof(ELLIPSIS)];
};

/* A precision counts bytes, so "%.40s" may cut a character in two: what is left of it becomes a question mark. */
static void mend(char *text)
{
  size_t len = strlen(text);
  if (km_utf8_valid(text, len)) {
    return;
  }
  for (size_t i = 0; i < len;) {
    unsigned char lead = (unsigned char)text[i];
    size_t width = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    if (width <= len - i && km_utf8_valid(text + i, width)) {
      i += width;
    } else {
      text[i++] = '?';
    }
  }
}

/* vsnprintf fails only for texts beyond 2 GiB and broken wide characters. */
KM_PRINTF(2, 0) static void compose(struct text *text, const char *format, va_list args)
{
  if (vsnprintf(text->data, sizeof(text->data), format, args) < 0) {
    text->data[0] = '\0';
  }
  mend(text->data);
}

/* Everything of ERR anew, so that nothing of an earlier failure shines through. */
static void fill(struct km_error *err, enum km_rc code, const char *func, int line, const char *message)
{
  memset(err, 0, sizeof(*err));
  err->code = code;
  err->func = func;
  err->line = line;
  store(err->message, sizeof(err->message), message);
}

enum km_rc km_error_set_at(struct km_error *err, enum km_rc code, enum km_error_type type, const char *func,
                           int line, const char *format, ...)
{
  struct text message;
  va_list args;
  va_start(args, format);
  compose(&message, format, args);
  va_end(args);
  fill(err, code, func, line, message.data);
  err->type = type;
  return code;
}

/* Puts TEXT, then ": REST", into DEST. TEXT and REST may not lie in DEST. */
static void store_joined(char *dest, size_t size, const char *text, const char *rest)
{
  char joined[2 * sizeof(struct text)];
  (void)snprintf(joined, sizeof(joined), "%s: %s", text, rest);
  store(dest, size, joined);
}

enum km_rc(km_error_wrap)(struct km_error *err, const char *format, ...)
{
  struct text context;
  va_list args;
  va_start(args, format);
  compose(&context, format, args);
  va_end(args);
  store_joined(err->message, sizeof(err->message), context.data, err->message);
  return err->code;
}

enum km_rc(km_error_hint)(struct km_error *err, const char *format, ...)
{
  struct text hint;
  va_list args;
  va_start(args, format);
  compose(&hint, format, args);
  va_end(args);
  store(err->hint, sizeof(err->hint), hint.data);
  return err->code;
}

/* Who has to act: a missing or forbidden file is the configuration's, a refused connection the peer's, the rest ours. */
static enum km_rc category_of_errno(int errnum)
{
  switch (errnum) {
  case ENOENT:
  case ENOTDIR:
  case ENXIO:
  case ENODEV:
  case ESRCH: return KM_E_NOT_FOUND;
  case EACCES:
  case EPERM:
  case EROFS: return KM_E_FORBIDDEN;
  case EEXIST:
  case EADDRINUSE: return KM_E_CONFLICT;
  case EINVAL:
  case EISDIR:
  case ELOOP:
  case ENAMETOOLONG:
  case EILSEQ:
  case EADDRNOTAVAIL:
  case EAFNOSUPPORT: return KM_E_INVALID;
  case EFBIG:
  case E2BIG:
  case EMSGSIZE:
  case EOVERFLOW: return KM_E_TOO_LARGE;
  case ETIMEDOUT: return KM_E_TIMEOUT;
  case ECANCELED: return KM_E_CANCELLED;
  case ECONNREFUSED:
  case ECONNRESET:
  case ECONNABORTED:
  case EHOSTUNREACH:
  case ENETUNREACH:
  case ENETDOWN:
  case EPIPE: return KM_E_UNAVAILABLE;
  default: return KM_E_INTERNAL;
  }
}

enum km_rc km_error_errno_at(struct km_error *err, int errnum, const char *func, int line, const char *format,
                             ...)
{
  struct text what;
  va_list args;
  va_start(args, format);
  compose(&what, format, args);
  va_end(args);
  char reason[128];
  const char *description = strerror_r(errnum, reason, sizeof(reason));
  fill(err, category_of_errno(errnum), func, line, "");
  store_joined(err->message, sizeof(err->message), what.data, description);
  return err->code;
}

void km_error_clear(struct km_error *err)
{
  memset(err, 0, sizeof(*err));
}
