/* Untrusted text as one harmless line. */
#ifndef KM_KUBE_LINE_H
#define KM_KUBE_LINE_H

#include "kube_mcp/base/buf.h"

/* Bytes of OUT that a line of MAX_COLUMNS can take: give a buffer at least this much room. */
#define KM_LINE_ROOM(max_columns) ((size_t)(max_columns)*24 + 8)

/* Appends TEXT cleaned (km_text_sanitize), line breaks and tabs with the blanks around them as one blank, trimmed, cut
 * to MAX_COLUMNS with an ellipsis. */
void km_put_line(struct km_buf *out, const char *text, size_t len, size_t max_columns);

/* Length of PATH without its query, as much as a message should show: for "%.*s". */
int km_shown_path_len(const char *path);

#endif
