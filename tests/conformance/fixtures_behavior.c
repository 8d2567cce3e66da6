/* Tools that do something during a call: report progress, log, fail, read arguments that headers repeat, wait until they
 * are cancelled, change what the server offers. What the waiting tool went through is counted, process-wide, so that a
 * test can see a cancellation from outside. */
#include "fixtures.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "kube_mcp/base/sync.h"

#include "kube_mcp/base/banned.h"

#define PAUSE_MS 50

#define TOOL_RUN(name)                                                                                       \
  static enum km_rc name(struct km_call *call, const void *args, struct km_result *out, struct km_error *err)

static void wake(void *data)
{
  pthread_cond_broadcast(data);
}

/* True if the call was cancelled before MS had passed. */
static bool wait_cancelled(struct km_call *call, int64_t ms)
{
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t cancelled = PTHREAD_COND_INITIALIZER;
  struct km_cancel_hook hook = {.fn = wake, .data = &cancelled};
  const km_deadline deadline = km_deadline_in_ms(ms);
  km_cancel_hook_add(call->cancel, &hook);
  {
    KM_SCOPED_LOCK(&mutex);
    while (!km_cancelled(call->cancel) && km_deadline_left_ms(deadline) > 0) {
      struct timespec until; /* in short steps: the hook may run just before the wait */
      clock_gettime(CLOCK_REALTIME, &until);
      until.tv_nsec += (long)(10 * KM_NS_PER_MS);
      until.tv_sec += until.tv_nsec / (long)KM_NS_PER_S;
      until.tv_nsec %= (long)KM_NS_PER_S;
      pthread_cond_timedwait(&cancelled, &mutex, &until);
    }
  }
  km_cancel_hook_remove(call->cancel, &hook);
  pthread_cond_destroy(&cancelled);
  return km_cancelled(call->cancel);
}

/* --- progress, logging, errors ----------------------------------------------------------------------------------- */

TOOL_RUN(run_progress)
{
  (void)args;
  for (int percent = 0; percent <= 100; percent += 50) {
    km_call_progress(call, percent, 100, "working");
    /* After the last one too: some clients lose a report that reaches them in one piece with the answer. */
    if (wait_cancelled(call, PAUSE_MS)) {
      return km_call_check(call, err);
    }
  }
  km_result_printf(out, "Reported progress three times");
  return KM_OK;
}

TOOL_RUN(run_logging)
{
  (void)args;
  static const char *const lines[] = {"Tool execution started", "Tool processing data",
                                      "Tool execution completed"};
  for (size_t i = 0; i < KM_ARRAY_LEN(lines); i++) {
    if (i > 0 && wait_cancelled(call, PAUSE_MS)) {
      return km_call_check(call, err);
    }
    km_call_log(call, KM_LOG_INFO, "fixture", lines[i]);
  }
  km_result_printf(out, "Logged three times");
  return KM_OK;
}

TOOL_RUN(run_log_levels)
{
  (void)args;
  (void)err;
  for (int level = KM_LOG_DEBUG; level <= (int)KM_LOG_EMERGENCY; level++) {
    km_call_log(call, (enum km_log_level)level, "fixture", "one line of each level");
  }
  km_result_printf(out, "Logged once at each level");
  return KM_OK;
}

TOOL_RUN(run_error)
{
  (void)call;
  (void)args;
  (void)out;
  return km_error_set(err, KM_E_INVALID, "This tool intentionally returns an error for testing");
}

TOOL_RUN(run_structured)
{
  (void)call;
  (void)args;
  (void)err;
  yyjson_mut_val *weather = yyjson_mut_obj(out->doc);
  yyjson_mut_obj_add_str(out->doc, weather, "city", "Bern");
  yyjson_mut_obj_add_int(out->doc, weather, "degrees", 21);
  km_result_structured(out, weather);
  return KM_OK;
}

static const char weather_schema[] =
    "{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"},"
    "\"degrees\":{\"type\":\"integer\"}},\"required\":[\"city\",\"degrees\"]}";

TOOL_RUN(run_done)
{
  (void)call;
  (void)args;
  (void)err;
  km_result_printf(out, "Done");
  return KM_OK;
}

/* --- arguments that headers repeat ------------------------------------------------------------------------------- */

struct header_args {
  const char *region;
  int64_t priority;
  bool dry_run;
};

static const struct km_arg header_arg_table[] = {
    {.name = "region",
     .description = "Text that Mcp-Param-Region repeats",
     KM_ARG_AT(struct header_args, region),
     .type = KM_ARG_STRING,
     .header = "Region"},
    {.name = "priority",
     .description = "Number that Mcp-Param-Priority repeats",
     KM_ARG_AT(struct header_args, priority),
     .type = KM_ARG_INT,
     .header = "Priority"},
    {.name = "dry_run",
     .description = "Flag that Mcp-Param-Dry-Run repeats",
     KM_ARG_AT(struct header_args, dry_run),
     .type = KM_ARG_BOOL,
     .header = "Dry-Run"},
};

TOOL_RUN(run_headers)
{
  (void)call;
  (void)err;
  const struct header_args *given = args;
  km_result_printf(out, "region=%s priority=%lld dry_run=%s", given->region == NULL ? "" : given->region,
                   (long long)given->priority, given->dry_run ? "true" : "false");
  return KM_OK;
}

/* --- waiting ----------------------------------------------------------------------------------------------------- */

static atomic_int waits_started, waits_cancelled, waits_finished;

struct wait_args {
  int64_t ms;
};

static const struct km_arg wait_arg_table[] = {
    {.name = "ms",
     .description = "How long, unless it is cancelled",
     KM_ARG_AT(struct wait_args, ms),
     .type = KM_ARG_INT,
     .min = 1,
     .max = 60000,
     .fallback = "30000"},
};

TOOL_RUN(run_wait)
{
  const struct wait_args *wait = args;
  atomic_fetch_add(&waits_started, 1);
  km_call_progress(call, 1, -1, "waiting");
  if (wait_cancelled(call, wait->ms)) {
    atomic_fetch_add(&waits_cancelled, 1);
    return km_call_check(call, err);
  }
  atomic_fetch_add(&waits_finished, 1);
  km_result_printf(out, "Waited %lld ms", (long long)wait->ms);
  return KM_OK;
}

TOOL_RUN(run_wait_counts)
{
  (void)call;
  (void)args;
  (void)err;
  yyjson_mut_val *counts = yyjson_mut_obj(out->doc);
  yyjson_mut_obj_add_int(out->doc, counts, "started", atomic_load(&waits_started));
  yyjson_mut_obj_add_int(out->doc, counts, "cancelled", atomic_load(&waits_cancelled));
  yyjson_mut_obj_add_int(out->doc, counts, "finished", atomic_load(&waits_finished));
  km_result_structured(out, counts);
  return KM_OK;
}

/* --- changes ----------------------------------------------------------------------------------------------------- */

TOOL_RUN(run_tool_change)
{
  km_mcp_changed(call->mcp, KM_CHANGED_TOOLS);
  return run_done(call, args, out, err);
}

TOOL_RUN(run_prompt_change)
{
  km_mcp_changed(call->mcp, KM_CHANGED_PROMPTS);
  return run_done(call, args, out, err);
}

TOOL_RUN(run_resource_change)
{
  km_mcp_changed(call->mcp, KM_CHANGED_RESOURCES);
  km_mcp_resource_updated(call->mcp, "test://watched-resource");
  return run_done(call, args, out, err);
}

#define ARGS(table, type) .args = (table), .arg_count = KM_ARRAY_LEN(table), .args_size = sizeof(struct type)

static const struct km_tool tools[] = {
    {.name = "test_tool_with_progress", .description = "Reports progress thrice", .run = run_progress},
    {.name = "test_tool_with_logging", .description = "Logs thrice", .run = run_logging},
    {.name = "test_logging_tool", .description = "Logs once at each level", .run = run_log_levels},
    {.name = "test_error_handling", .description = "Always fails", .run = run_error},
    {.name = "test_structured_content",
     .description = "Answers with structured content",
     .output_schema = weather_schema,
     .run = run_structured},
    {.name = "test_missing_capability",
     .description = "Needs a client that offers sampling",
     .needs_client = KM_CAP_SAMPLING,
     .run = run_done},
    {.name = "test_x_mcp_header",
     .description = "Has arguments that headers repeat",
     ARGS(header_arg_table, header_args),
     .run = run_headers},
    {.name = "test_wait",
     .description = "Waits until it is cancelled",
     ARGS(wait_arg_table, wait_args),
     .run = run_wait},
    {.name = "test_wait_counts",
     .description = "Counts what became of waiting calls",
     .run = run_wait_counts},
    {.name = "test_trigger_tool_change", .description = "Announces other tools", .run = run_tool_change},
    {.name = "test_trigger_prompt_change",
     .description = "Announces other prompts",
     .run = run_prompt_change},
    {.name = "test_trigger_resource_change",
     .description = "Announces other resources, and an update of test://watched-resource",
     .run = run_resource_change},
};

struct fixture_tools fixture_behavior_tools(void)
{
  return (struct fixture_tools){tools, KM_ARRAY_LEN(tools)};
}
