/* Scalars as Kubernetes means them: numbers, quantities ("500m", "1Gi"), timestamps and plain text, compared by what they
 * stand for. What `where` and `sort_by` are made of. */
#ifndef KM_CODEC_VALUE_H
#define KM_CODEC_VALUE_H

#include "kube_mcp/codec/json.h"

/* A Kubernetes quantity in billionths (1 = 10^9): exact for every quantity the API server accepts. */
__extension__ typedef __int128 km_nano;

/* "1500m", "1.5Gi", "2e3", "0". What is finer than a billionth is rounded away from zero, as the API server does. False when
 * TEXT is no quantity, or one beyond 10^29. */
bool km_quantity_parse(const char *text, size_t len, km_nano *ret);
/* As kubectl shows CPU ("250m", "4") and memory ("512Mi", "16Gi"). CPU is rounded up to a thousandth; memory is told in the
 * largest unit that it is a multiple of, from Mi on, else in whole Mi, Ki or bytes, rounded down. */
void km_quantity_print_cpu(char *out, size_t size, km_nano value);
void km_quantity_print_memory(char *out, size_t size, km_nano value);

enum km_value_type {
  KM_VALUE_NONE, /* missing or null: before everything else */
  KM_VALUE_BOOL,
  KM_VALUE_NUMBER, /* numbers and quantities: nano */
  KM_VALUE_TIME,   /* RFC 3339: ms since the epoch */
  KM_VALUE_TEXT,   /* also objects and arrays, as compact JSON */
};

struct km_value {
  enum km_value_type type;
  bool boolean;
  km_nano nano; /* numbers that do not fit are the largest, or smallest, that does */
  int64_t time_ms;
  const char *text; /* the text itself where there is one, whatever the type; not NUL-terminated */
  size_t len;
};

/* What VAL stands for. Text that reads as a quantity or a timestamp is that, and keeps its text. Points into VAL; objects
 * and arrays are written into ARENA, which may be NULL for scalars. NULL gives KM_VALUE_NONE. */
struct km_value km_value_of(struct km_arena *arena, yyjson_val *val);
/* What a word that a person typed stands for: as above, and "true", "false" in any case, "null", and a date alone
 * ("2026-01-02"), which is its midnight in UTC. Points into TEXT. */
struct km_value km_value_of_text(const char *text, size_t len);
/* <0, 0, >0: numbers by size, times by time, anything else by text; of different types by type. A total order. */
int km_value_compare(const struct km_value *a, const struct km_value *b);

#endif
