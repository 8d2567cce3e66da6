/* Memory for small long-lived objects of our own. Sizes a peer can influence belong in an arena or a km_buf, which
 * have bounds and report; these two end the process when the system has no memory left. */
#ifndef KM_BASE_ALLOC_H
#define KM_BASE_ALLOC_H

#include <stddef.h>

#include "kube_mcp/base/compiler.h"

/* Zeroed; never NULL; released with free(). */
void *km_alloc(size_t size) KM_MUST_USE;
char *km_strdup(const char *text) KM_MUST_USE; /* NULL gives NULL */

#define KM_NEW(type) ((type *)km_alloc(sizeof(type)))

#endif
