/* Events of a cluster, equal ones taken together: what events_list shows, and what resources_describe adds to an object. */
#ifndef KM_TOOLS_EVENTS_H
#define KM_TOOLS_EVENTS_H

#include "common.h"
#include "kube_mcp/kube/tally.h"

struct events_query {
  const char *ns;            /* NULL = all namespaces */
  const char *kind, *name;   /* of the object they are about; NULL = any */
  const char *uid;           /* of that object; NULL = any. Events that do not know it are taken, too */
  const char *type, *reason; /* NULL = any */
  int64_t within_ms;         /* only those that happened within this time, by the cluster's clock; 0 = all */
  int64_t since_ms;          /* only those that happened at or after it; 0 = all */
};

/* Events that say the same of one object, but for numbers and generated names. */
struct event_row {
  int64_t first_ms, last_ms; /* 0 = unknown */
  int64_t times;             /* how often it happened */
  int64_t events;            /* how many Event objects say so */
  char *message, *source;    /* of the newest; untrusted, cut */
  char ns[64], kind[64], name[256], type[32], reason[128];
};

struct events {
  struct km_arena *arena;
  struct km_map *by_key;   /* of struct event_row */
  struct event_row **rows; /* the newest first; the arena's */
  size_t row_count;
  int64_t events, times;                   /* of all that match, whether kept as rows or not */
  int64_t forgotten;                       /* events whose rows were older than those that are kept */
  struct km_tally by_reason, by_namespace; /* of what was forgotten, in events */
  const char *narrowed;     /* the context's namespace, taken because all are forbidden; or NULL */
  bool inconsistent;        /* the list changed while it was read */
  int64_t now_ms, ahead_ms; /* the cluster's clock, and how far it is ahead of ours */
};

/* Reads all events that match, page by page, in memory bounded by the rows kept. End with events_done, also after an
 * error. */
enum km_rc events_gather(struct km_call *call, struct target *target, const struct events_query *query,
                         struct events *ret, struct km_error *err);
void events_done(struct events *events); /* accepts a zeroed struct */
/* Counts a row that is not shown. */
void events_leave_out(struct events *events, const struct event_row *row);

/* "pod/web-0" */
void event_put_object(const struct event_row *row, struct km_buf *out);

struct events_limits {
  size_t max_bytes;
  int64_t max_rows; /* 0 = no bound */
  bool namespace_column, object_column;
};
/* Appends the newest rows as a table; returns how many. */
int64_t events_put_table(const struct events *events, struct km_arena *arena,
                         const struct events_limits *limits, struct km_buf *out);

#endif
