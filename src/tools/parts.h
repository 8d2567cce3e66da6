/* One call in many contexts at once: the `contexts` argument of the tools that read. */
#ifndef KM_TOOLS_PARTS_H
#define KM_TOOLS_PARTS_H

#include "common.h"

/* One part per context; calls[i]->cluster is its name. */
struct parts {
  struct km_call *call;
  struct km_call **calls;
  size_t count;
};

/* The contexts whose names match GLOBS, in the provider's order. Errors: UnknownContext when a glob matches none,
 * ValidationError when CONTEXT is given too, or when they are too many. */
enum km_rc parts_open(struct km_call *call, const char *context, const struct km_arg_strings *globs,
                      struct parts *ret, struct km_error *err);
/* Runs FN for every part, several at a time; each has the deadline of one cluster. */
void parts_run(const struct parts *parts, void (*fn)(struct km_call *part, size_t index, void *data),
               void *data);
/* An error only when all parts have failed, or when the whole call should end. */
enum km_rc parts_verdict(const struct parts *parts, const struct km_error *errors, struct km_error *err);
void parts_done(struct parts *parts);
/* "Unreachable: connection refused", in one line of bounded length. */
void put_part_error(const struct km_error *err, struct km_buf *out);

/* Runs RUN, a tool for one context, in all that CONTEXTS match: their answers one behind the other, each under its context's
 * name and with its share of the budget. Without CONTEXTS it runs once. ARGS is copied for each (ARGS_SIZE bytes), with the
 * context's name at CONTEXT_OFFSET. */
struct in_contexts {
  const void *args;
  size_t args_size, context_offset;
  const struct km_arg_strings *contexts;
  enum km_rc (*run)(struct km_call *call, const void *args, struct km_result *out, struct km_error *err);
};
enum km_rc run_in_contexts(struct km_call *call, const struct in_contexts *how, struct km_result *out,
                           struct km_error *err);

/* The run function of a tool whose arguments (ARGS_T, with members context and contexts) are for one context in RUN_ONE. */
#define RUN_IN_CONTEXTS(name, args_t, run_one)                                                               \
  static enum km_rc name(struct km_call *call, const void *data, struct km_result *out,                      \
                         struct km_error *err)                                                               \
  {                                                                                                          \
    const args_t *given = data;                                                                              \
    const struct in_contexts how = {.args = data,                                                            \
                                    .args_size = sizeof(args_t),                                             \
                                    .context_offset = offsetof(args_t, context),                             \
                                    .contexts = &given->contexts,                                            \
                                    .run = (run_one)};                                                       \
    return run_in_contexts(call, &how, out, err);                                                            \
  }

#endif
