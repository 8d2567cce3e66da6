/* Label and field selectors, checked before they are sent, so that a mistake is told with its position. What the API
 * server accepts is accepted, and nothing else; which fields a kind can be selected by, only the server knows. */
#ifndef KM_KUBE_SELECTOR_H
#define KM_KUBE_SELECTOR_H

#include "kube_mcp/base/error.h"

/* "app=web,tier in (a,b),!canary,x!=y,weight>3". NULL and "" are fine.
 * Errors: KM_E_INVALID, type ValidationError, "label_selector: column 7: " (1-based, in code points) and what was expected. */
enum km_rc km_label_selector_check(const char *text, struct km_error *err);
/* "status.phase=Running,spec.nodeName!=n1" with the escapes "\\", "\,", "\=". Errors: as above, "field_selector: ...". */
enum km_rc km_field_selector_check(const char *text, struct km_error *err);

#endif
