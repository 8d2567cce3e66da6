/* What the files of pods_logs share: which containers are meant, and what reading each of them brought. */
#ifndef KM_TOOLS_LOGS_H
#define KM_TOOLS_LOGS_H

#include "common.h"
#include "kube_mcp/kube/log_view.h"

#define LOGS_MAX_PODS 20

struct logs_args {
  const char *context, *ns, *name, *label_selector, *container, *since, *since_time, *grep;
  int64_t tail; /* 0 = not given */
  int64_t context_lines;
  bool previous, timestamps, ignore_case, fold;
  struct km_arg_strings contexts;
};

/* One container's log. Filled by one thread while it is read. */
struct log_section {
  const char *pod, *container;
  const char *others;       /* the pod's containers when this one was chosen for the caller, or NULL */
  bool scheduled;           /* the pod is on a node */
  struct km_arena *arena;   /* of the reading thread; owns VIEW */
  struct km_log_view *view; /* NULL: never read */
  bool cut;                 /* the log was too long to be read whole */
  struct km_error err;      /* KM_OK, or why there is no log or no more of it */
};

struct log_plan {
  const char *ns;
  struct log_section *sections;
  size_t count, capacity;
  size_t pods;                  /* that the sections belong to */
  size_t containers_left_out;   /* of them, for lack of room */
  size_t pods_left_out;         /* beyond LOGS_MAX_PODS */
  struct km_buf left_out_names; /* the names of some of those, comma-separated */
};

/* Finds the containers ARGS mean. At most plan->capacity sections, which the caller sets. A pod without the container
 * becomes a section with an error. LEFT_OUT_NAMES is released with the call's arena.
 * Errors: ValidationError for arguments that say too much or too little, NotFound when no pod is meant. */
enum km_rc log_plan_make(struct km_call *call, struct target *target, const struct logs_args *args,
                         struct log_plan *plan, struct km_error *err);

#endif
