/* The features that the official conformance suite and our own protocol cases expect of a server. They belong to the
 * test program alone; the product lists none of them. */
#ifndef KM_TESTS_CONFORMANCE_FIXTURES_H
#define KM_TESTS_CONFORMANCE_FIXTURES_H

#include "kube_mcp/mcp/server.h"

struct fixture_tools {
  const struct km_tool *tools;
  size_t count;
};
struct fixture_tools fixture_content_tools(void); /* answers that never change */
struct fixture_tools
fixture_behavior_tools(void); /* progress, logging, errors, headers, cancellation, changes */
struct fixture_tools fixture_input_tools(void); /* questions to the client */

const struct km_prompt *fixture_prompts(size_t *ret_count);

yyjson_mut_val *fixture_list_resources(struct km_call *call, yyjson_mut_doc *doc);
yyjson_mut_val *fixture_list_templates(struct km_call *call, yyjson_mut_doc *doc);
enum km_rc fixture_read_resource(struct km_call *call, const char *uri, struct km_result *out,
                                 struct km_error *err);
enum km_rc fixture_complete(struct km_call *call, yyjson_val *ref, const char *argument, const char *value,
                            yyjson_mut_doc *doc, yyjson_mut_val *values, struct km_error *err);

/* --- helpers shared by the fixtures ------------------------------------------------------------------------------ */

/* A red pixel, and a millisecond of silence. */
#define FIXTURE_PNG                                                                                          \
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4z8AAAAMBAQD3A0FDAAAAAElFTkSuQmCC"
#define FIXTURE_WAV "UklGRiwAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQgAAACAgICAgICAgA=="

/* JSON text of ours as a value of DOC. */
yyjson_mut_val *fixture_json(struct km_call *call, yyjson_mut_doc *doc, const char *json);
/* Appends the elements of a JSON array to OUT's content. */
void fixture_blocks(struct km_call *call, struct km_result *out, const char *json_array);
/* A question to the client: asked through km_result_need_input, answered in call->input_responses. */
struct question {
  const char *key, *method, *params;
};
void fixture_ask(struct km_call *call, struct km_result *out, const struct question *question);
/* The client's answer, or NULL when there is none of the right form. */
yyjson_val *fixture_answer(const struct km_call *call, const struct question *question);

#endif
