/* Errors: a category, what a person needs to know, and what to do next. docs/errors.md is the manual.
 *
 * A function that can fail returns enum km_rc and takes `struct km_error *err` last, never NULL. On failure it has
 * filled ERR exactly once and left its ret_* outputs untouched. Nothing here allocates; messages are cut, not grown.
 * Messages never hold credential material. */
#ifndef KM_BASE_ERROR_H
#define KM_BASE_ERROR_H

#include <stdint.h>

#include "kube_mcp/base/compiler.h"

enum km_rc {
  KM_OK = 0,
  KM_E_INVALID,         /* the caller's input is wrong */
  KM_E_NOT_FOUND,       /* the named thing does not exist */
  KM_E_FORBIDDEN,       /* the cluster or the policy says no */
  KM_E_UNAUTHENTICATED, /* the cluster does not accept who we are */
  KM_E_CONFLICT,        /* the thing changed, or exists already */
  KM_E_TIMEOUT,         /* the deadline passed */
  KM_E_CANCELLED,       /* the caller withdrew */
  KM_E_RATE_LIMITED,    /* asked to wait longer than the deadline allows */
  KM_E_UNAVAILABLE,     /* cannot be reached: DNS, connect, TLS, 502-504 */
  KM_E_TOO_LARGE,       /* a bound was exceeded */
  KM_E_PROTOCOL,        /* the other side does not speak the protocol it should */
  KM_E_INTERNAL,        /* ours, or the operating system's */
  KM_RC_COUNT,
};

/* Envelope types a category alone does not determine. KM_TYPE_DEFAULT takes the type of the category's row. */
enum km_error_type {
  KM_TYPE_DEFAULT = 0,
  KM_TYPE_UNKNOWN_CONTEXT,
  KM_TYPE_VALIDATION_ERROR,
  KM_TYPE_INVALID_MANIFEST,
  KM_TYPE_FORBIDDEN,
  KM_TYPE_POLICY_DENIED,
  KM_TYPE_CONFIRMATION_REQUIRED,
  KM_TYPE_NOT_FOUND,
  KM_TYPE_CONFLICT,
  KM_TYPE_KUBERNETES_ERROR,
  KM_TYPE_UNAUTHENTICATED,
  KM_TYPE_UNREACHABLE,
  KM_TYPE_TIMEOUT,
  KM_TYPE_RATE_LIMITED,
  KM_TYPE_TOO_LARGE,
  KM_TYPE_METRICS_UNAVAILABLE,
  KM_TYPE_SCALING_NOT_SUPPORTED,
  KM_TYPE_FEATURE_DISABLED,
  KM_TYPE_FEATURE_NOT_INSTALLED,
  KM_TYPE_EXTERNAL_SERVICE_UNAVAILABLE,
  KM_TYPE_CANCELLED,
  KM_TYPE_INTERNAL_ERROR,
  KM_TYPE_TOKEN_EXPIRED,
  KM_TYPE_AWS_CONFIG_MISSING,
  KM_TYPE_EXEC_FAILED,
  KM_TYPE_INVALID_KUBECONFIG,
  KM_TYPE_NETWORK_ERROR,
  KM_TYPE_PERMISSION_DENIED,
  KM_TYPE_INVALID_CREDENTIALS,
  KM_TYPE_CLUSTER_NOT_FOUND,
  KM_TYPE_REGION_MISMATCH,
  KM_TYPE_COUNT,
};

struct km_error {
  enum km_rc code;
  enum km_error_type type;
  int http_status;         /* of the upstream answer, 0 if there was none */
  uint32_t retry_after_ms; /* 0 = unknown */
  char reason[48];         /* Kubernetes Status reason, or "" */
  char message[640];
  char hint[320];   /* what to do next, or "" */
  const char *func; /* where it was set first */
  int line;
};

/* One row per category: the only place that maps an error to anything. */
struct km_error_class {
  const char *name;        /* "not_found": metric label and log field */
  enum km_error_type type; /* envelope type when the error names none */
  int jsonrpc_code;        /* when the failure is the protocol's, not a tool's */
  int http_status;         /* when HTTP itself must carry it */
  int log_level;           /* enum km_log_level */
  int exit_code;           /* of the command line */
};
const struct km_error_class *km_error_class(enum km_rc code);

/* "NotFound" for KM_TYPE_NOT_FOUND, ... Never NULL. */
const char *km_error_type_name(enum km_error_type type);
/* The envelope type of ERR: its own, else its category's. */
enum km_error_type km_error_effective_type(const struct km_error *err);

/* What every failing path returns: never KM_OK, which is thereby plain to the compiler and to the analyzers. */
static inline enum km_rc km_failure(enum km_rc rc)
{
  return rc != KM_OK ? rc : KM_E_INTERNAL;
}

/* Fills ERR and returns CODE: `return km_error_set(err, KM_E_INVALID, "port %d is out of range", port);` */
#define km_error_set(err, code, ...) km_error_set_type((err), (code), KM_TYPE_DEFAULT, __VA_ARGS__)
/* The same with an envelope type of its own. */
#define km_error_set_type(err, code, type, ...)                                                              \
  km_failure(km_error_set_at((err), (code), (type), __func__, __LINE__, __VA_ARGS__))
enum km_rc km_error_set_at(struct km_error *err, enum km_rc code, enum km_error_type type, const char *func,
                           int line, const char *format, ...) KM_PRINTF(6, 7);

/* Puts "context: " before the message, keeps everything else, returns the code. */
enum km_rc km_error_wrap(struct km_error *err, const char *format, ...) KM_PRINTF(2, 3);
#define km_error_wrap(...) km_failure((km_error_wrap)(__VA_ARGS__))
/* Sets the hint and returns the code, so that it can end a return statement. */
enum km_rc km_error_hint(struct km_error *err, const char *format, ...) KM_PRINTF(2, 3);
#define km_error_hint(...) km_failure((km_error_hint)(__VA_ARGS__))
/* Sets code and message from an errno value: "WHAT: No such file or directory". */
#define km_error_errno(err, errnum, ...)                                                                     \
  km_failure(km_error_errno_at((err), (errnum), __func__, __LINE__, __VA_ARGS__))
enum km_rc km_error_errno_at(struct km_error *err, int errnum, const char *func, int line, const char *format,
                             ...) KM_PRINTF(5, 6);
/* Back to the all-zero "no error" state. */
void km_error_clear(struct km_error *err);

#endif
