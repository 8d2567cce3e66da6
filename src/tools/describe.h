/* resources_describe: what the files of the kinds share. A kind is mostly a table of rows, each a label and a path; code is
 * only for what no path can say. */
#ifndef KM_TOOLS_DESCRIBE_H
#define KM_TOOLS_DESCRIBE_H

#include "common.h"

/* A description being written. */
struct describe {
  struct km_call *call;
  struct target *target;
  const struct km_resource *resource;
  const char *ns, *name; /* NS is NULL for cluster-wide kinds */
  yyjson_val *object;    /* redacted */
  int64_t now_ms;        /* by the cluster's clock */
  struct km_buf *out;
  unsigned indent; /* blanks before each line */
};

/* --- rows: describe_rows.c -------------------------------------------------------------------------------------------- */

enum describe_form {
  DESCRIBE_TEXT,     /* the values, joined by ", "; objects as "a=1 b={c=2}" */
  DESCRIBE_TIME,     /* "2026-01-02T03:04:05Z (5m ago)" */
  DESCRIBE_PAIRS,    /* an object as "a=1, b=2" */
  DESCRIBE_LINES,    /* an object's or array's members, a line each */
  DESCRIBE_SELECTOR, /* a label selector as kubectl writes it */
  DESCRIBE_OBJECT,   /* a reference as "Deployment/web", with a namespace "Pod/shop/web-0" */
  DESCRIBE_TABLE,    /* an array, with COLUMNS */
};

struct describe_column {
  const char *heading, *path; /* into the item */
  enum describe_form form;
};

struct describe_row {
  const char *label, *path;
  const char *usual; /* the value that is not worth a line, or NULL */
  enum describe_form form;
  const struct describe_column *columns;
  size_t column_count;
};

#define ROW_TEXT(label_, path_)                                                                              \
  {                                                                                                          \
    .label = (label_), .path = (path_)                                                                       \
  }
/* Only when it is not what it usually is. */
#define ROW_UNLESS(label_, path_, usual_)                                                                    \
  {                                                                                                          \
    .label = (label_), .path = (path_), .usual = (usual_)                                                    \
  }
#define ROW_OBJECT(label_, path_)                                                                            \
  {                                                                                                          \
    .label = (label_), .path = (path_), .form = DESCRIBE_OBJECT                                              \
  }
#define ROW_TIME(label_, path_)                                                                              \
  {                                                                                                          \
    .label = (label_), .path = (path_), .form = DESCRIBE_TIME                                                \
  }
#define ROW_PAIRS(label_, path_)                                                                             \
  {                                                                                                          \
    .label = (label_), .path = (path_), .form = DESCRIBE_PAIRS                                               \
  }
#define ROW_LINES(label_, path_)                                                                             \
  {                                                                                                          \
    .label = (label_), .path = (path_), .form = DESCRIBE_LINES                                               \
  }
#define ROW_SELECTOR(label_, path_)                                                                          \
  {                                                                                                          \
    .label = (label_), .path = (path_), .form = DESCRIBE_SELECTOR                                            \
  }
#define ROW_TABLE(label_, path_, columns_)                                                                   \
  {                                                                                                          \
    .label = (label_), .path = (path_), .form = DESCRIBE_TABLE, .columns = (columns_),                       \
    .column_count = KM_ARRAY_LEN(columns_)                                                                   \
  }

/* Writes the ROWS whose paths select something in ROOT. */
void describe_rows(struct describe *d, yyjson_val *root, const struct describe_row *rows, size_t count);
/* A line "label: " whose value FORMAT makes; the value is untrusted. */
void describe_line(struct describe *d, const char *label, const char *format, ...) KM_PRINTF(3, 4);
/* A line "label:" whose contents follow, indented; ends with describe_end. */
void describe_begin(struct describe *d, const char *label);
void describe_end(struct describe *d);
/* TEXT, several lines of it, indented, at most MAX_BYTES; says how much there is when it is cut. */
void describe_block(struct describe *d, const char *text, size_t len, size_t max_bytes);

/* VAL if it is an object, else one without members: yyjson_obj_foreach may be given nothing else. */
yyjson_val *describe_members(yyjson_val *val);
/* VAL as one line of "a=1 b={c=2}". */
void describe_put_flat(yyjson_val *val, struct km_buf *out);
void describe_put_selector(yyjson_val *selector, struct km_buf *out);
/* "2026-01-02T03:04:05Z (5m ago)" */
void describe_put_time(const struct describe *d, const char *time, struct km_buf *out);
/* "5m" of a timestamp; "" when it is none. */
void describe_put_age(const struct describe *d, const char *time, struct km_buf *out);

struct sheet;
/* A table under LABEL, of at most a hundred of its rows; COUNT is how many there are. */
void describe_put_sheet(struct describe *d, const char *label, struct sheet *sheet, size_t count);

/* --- what else there is in the cluster --------------------------------------------------------------------------------- */

/* Calls FN for each object of RESOURCE. When that is not allowed or fails, a line LABEL says so, and it returns false. */
struct describe_query {
  const char *label;
  const struct km_resource *resource;
  const char *ns, *label_selector, *field_selector;
};
bool describe_list(struct describe *d, const struct describe_query *query,
                   void (*fn)(struct describe *d, yyjson_val *item, void *data), void *data);
/* That METADATA's object is controlled by the one described. */
bool describe_owns(const struct describe *d, yyjson_val *item);

extern const struct km_resource describe_replicasets, describe_endpointslices, describe_quotas,
    describe_limits;

/* --- the kinds ----------------------------------------------------------------------------------------------------------- */

struct describe_kind {
  const char *group, *kind;
  const struct describe_row *rows; /* before MORE */
  size_t row_count;
  void (*more)(struct describe *d); /* or NULL */
};

/* The kinds of each file, ended by one without a kind. */
extern const struct describe_kind describe_pod_kinds[], describe_workload_kinds[], describe_network_kinds[],
    describe_node_kinds[], describe_config_kinds[], describe_access_kinds[], describe_storage_kinds[];

/* A pod's or a pod template's containers and volumes. STATUS is the pod's, or NULL. */
void describe_pod_spec(struct describe *d, yyjson_val *spec, yyjson_val *status);
/* A pod template: its labels, annotations and spec. */
void describe_template(struct describe *d, yyjson_val *template);
/* The addresses behind SERVICE as "10.0.0.1:80, 10.0.0.2:80" under LABEL; those not ready apart. */
void describe_endpoints(struct describe *d, const char *label, const char *service);

#endif
