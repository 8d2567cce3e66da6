/* Label and field selectors, checked before they are sent, so that a mistake is told with its position. */
#ifndef KM_KUBE_SELECTOR_H
#define KM_KUBE_SELECTOR_H

#include "kube_mcp/base/error.h"

/* "app=web,tier in (a,b),!canary,x!=y,weight>3": what the API server accepts, legal label keys and values included.
 * NULL and "" are fine. Errors: KM_E_INVALID, type ValidationError, with position (1-based column) and expectation. */
enum km_rc km_label_selector_check(const char *text, struct km_error *err);
/* "status.phase=Running,spec.nodeName!=n1" with the escapes "\\", "\,", "\=". */
enum km_rc km_field_selector_check(const char *text, struct km_error *err);

#endif
