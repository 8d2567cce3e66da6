/* What must not reach the model: secret values become length and keyed fingerprint; noise is dropped. */
#ifndef KM_KUBE_REDACT_H
#define KM_KUBE_REDACT_H

#include "kube_mcp/codec/json.h"

/* A copy of OBJECT fit to be shown, in DOC: managedFields and the last-applied-configuration annotation dropped; Secret
 * data and stringData values replaced by "<redacted N bytes, fingerprint xxxxxxxxxxxxxxxx>"; kubeconfig-like and
 * service-account token annotations likewise. Works on single objects, lists (items) and nested templates. */
yyjson_mut_val *km_redact_object(yyjson_mut_doc *doc, yyjson_val *object);
/* The same for an ITEM of a list of KIND, which its items need not repeat. */
yyjson_mut_val *km_redact_item(yyjson_mut_doc *doc, yyjson_val *item, const char *kind);

/* Whether km_redact_item would mask or drop anything of ITEM but managedFields. What it would leave as it is may be looked
 * at without the cost of a copy, which is ten times that of this walk. */
bool km_redact_changes(yyjson_val *item, const char *kind);

#endif
