/* The answer of a tool, prompt or resource under construction; lives in the call's arena. */
#ifndef KM_MCP_RESULT_H
#define KM_MCP_RESULT_H

#include <stdbool.h>
#include <stdint.h>

#include "kube_mcp/base/buf.h"
#include "kube_mcp/codec/json.h"

struct km_call;

struct km_result {
  yyjson_mut_doc *doc;        /* the call's document */
  yyjson_mut_val *content;    /* array of content blocks */
  yyjson_mut_val *structured; /* structuredContent object, or NULL */
  bool is_error;
  yyjson_mut_val
      *input_requests;       /* object key -> {method, params}: more input is needed (2026-07-28), or NULL */
  const char *request_state; /* sealed by the encoder's caller: plain text here, or NULL */
};

/* Appends a text block. Text is sanitized on its way out (km_text_sanitize). */
void km_result_text(struct km_result *result, const char *text, size_t len);
void km_result_printf(struct km_result *result, const char *format, ...) KM_PRINTF(2, 3);
/* structuredContent, and its JSON as the text block. OBJECT belongs to result->doc. */
void km_result_structured(struct km_result *result, yyjson_mut_val *object);
/* Any further block (image, audio, resource, resource_link), belonging to result->doc. */
void km_result_block(struct km_result *result, yyjson_mut_val *block);
/* Asks for input under KEY; PARAMS belong to result->doc. */
void km_result_need_input(struct km_result *result, const char *key, const char *method,
                          yyjson_mut_val *params);
/* Replaces everything by the error envelope of ERR (PRODUCT.md section 4): CLUSTER and TOOL may be NULL. */
void km_result_error(struct km_result *result, const struct km_error *err, const char *cluster,
                     const char *tool);

#endif
