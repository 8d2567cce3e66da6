/* Logging for program code (app, transports, dispatch). Libraries return errors instead and at most log KM_LOG_DEBUG.
 * Lines go to standard error as text or JSON, one write(2) each; standard output belongs to the stdio transport.
 * Thread-safe. Values are escaped; never pass credential material. */
#ifndef KM_BASE_LOG_H
#define KM_BASE_LOG_H

#include <stdbool.h>

#include "kube_mcp/base/compiler.h"

/* The eight levels of RFC 5424, as MCP names them. */
enum km_log_level {
  KM_LOG_DEBUG,
  KM_LOG_INFO,
  KM_LOG_NOTICE,
  KM_LOG_WARNING,
  KM_LOG_ERROR,
  KM_LOG_CRITICAL,
  KM_LOG_ALERT,
  KM_LOG_EMERGENCY,
};

enum km_log_format { KM_LOG_TEXT, KM_LOG_JSON };

const char *km_log_level_name(enum km_log_level level);            /* "warning" */
bool km_log_level_parse(const char *name, enum km_log_level *ret); /* exact MCP names */

void km_log_init(enum km_log_level threshold, enum km_log_format format);
void km_log_set_level(enum km_log_level threshold);
bool km_log_enabled(enum km_log_level level);

/* km_log(KM_LOG_INFO, "listening", "address=%s port=%d", address, port)
 * EVENT is a constant phrase; FIELDS a printf format of `key=%…` pairs separated by spaces (may be NULL). */
void km_log(enum km_log_level level, const char *event, const char *fields, ...) KM_PRINTF(3, 4);

#endif
