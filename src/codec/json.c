/* JSON on yyjson: parsing with a depth bound and positions, documents on an arena, writing into a bounded
 * buffer, tolerant member access.
 *
 * A parsed document is malloc'ed and freed by a callback of its arena, so that its size does not count
 * against the arena's cap: callers bound the input. Parsing in place keeps the text as the document's strings. A document under construction allocates from the arena
 * itself; once the cap has refused it memory it stays marked incomplete. yyjson does not recurse; depth is
 * checked when it is done, so that everything that walks a tree may. Nothing here is shared between
 * threads. */
#include "kube_mcp/codec/json.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kube_mcp/base/banned.h"

#define HUGE_PAGE_BYTES ((uintptr_t)2 * 1024 * 1024)

/* Whether the container VAL holds more than LEVELS of containers, itself included. Recurses no deeper than that, and not
 * into what has too few values for it: those of a container follow it in memory up to the next. */
static bool is_deeper(yyjson_val *val, unsigned levels)
{
  if (levels == 0) {
    return true;
  }
  if ((size_t)(unsafe_yyjson_get_next(val) - val) <= levels) {
    return false;
  }
  bool object = yyjson_is_obj(val);
  yyjson_obj_iter members = yyjson_obj_iter_with(val);
  yyjson_arr_iter items = yyjson_arr_iter_with(val);
  for (size_t i = yyjson_get_len(val); i > 0; i--) {
    yyjson_val *child =
        object ? yyjson_obj_iter_get_val(yyjson_obj_iter_next(&members)) : yyjson_arr_iter_next(&items);
    if (yyjson_is_ctn(child) && is_deeper(child, levels - 1)) {
      return true;
    }
  }
  return false;
}

static bool is_too_deep(yyjson_doc *doc, unsigned max_depth)
{
  yyjson_val *root = yyjson_doc_get_root(doc);
  return yyjson_is_ctn(root) && is_deeper(root, max_depth);
}

/* Offset in valid JSON of the bracket that opens level LEVELS + 1. */
static size_t find_too_deep(const char *data, size_t len, unsigned levels)
{
  unsigned depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < len; i++) {
    if (in_string && data[i] == '\\') {
      i++;
    } else if (data[i] == '"') {
      in_string = !in_string;
    } else if (!in_string && (data[i] == '{' || data[i] == '[')) {
      if (depth++ == levels) {
        return i;
      }
    } else if (!in_string && (data[i] == '}' || data[i] == ']')) {
      depth--;
    }
  }
  return len;
}

/* Sets the error with the line and column of OFFSET before the message; returns its code. */
#define refuse_at(data, len, offset, err, ...)                                                               \
  (km_error_set((err), KM_E_INVALID, __VA_ARGS__), locate((data), (len), (offset), (err)))

static enum km_rc locate(const char *data, size_t len, size_t offset, struct km_error *err)
{
  size_t line = 1;
  size_t column = 1;
  size_t character = 0;
  yyjson_locate_pos(data, len, offset, &line, &column, &character);
  return km_error_wrap(err, "line %zu, column %zu", line, column);
}

static void free_doc(void *data)
{
  yyjson_doc_free(data);
}

enum km_rc km_json_parse(struct km_arena *arena, const char *data, size_t len, unsigned max_depth,
                         yyjson_doc **ret, struct km_error *err)
{
  if (len == 0) {
    return refuse_at(data, len, 0, err, "the JSON text is empty");
  }
  yyjson_read_err problem;
  /* yyjson writes to its input only when told to parse in place. */
  yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)data, len, YYJSON_READ_BIGNUM_AS_RAW, NULL, &problem);
  if (doc == NULL && problem.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION) {
    return km_error_set(err, KM_E_INTERNAL, "out of memory while parsing %zu bytes of JSON", len);
  }
  if (doc == NULL) {
    return refuse_at(data, len, problem.pos, err, "not valid JSON: %s", problem.msg);
  }
  if (is_too_deep(doc, max_depth)) {
    yyjson_doc_free(doc);
    return refuse_at(data, len, find_too_deep(data, len, max_depth), err, "nested deeper than %u levels",
                     max_depth);
  }
  km_arena_defer(arena, free_doc, doc);
  *ret = doc;
  return KM_OK;
}

/* Big documents come and go with each page of a listing. In pages of 4 KiB, getting their memory takes half as long as
 * filling it. */
static void *advised(void *block, size_t size)
{
  uintptr_t first = ((uintptr_t)block + HUGE_PAGE_BYTES - 1) & ~(HUGE_PAGE_BYTES - 1);
  uintptr_t end = ((uintptr_t)block + size) & ~(HUGE_PAGE_BYTES - 1);
  if (block != NULL && first < end) {
    (void)madvise((char *)block + (first - (uintptr_t)block), end - first, MADV_HUGEPAGE);
  }
  return block;
}

static void *big_alloc(void *unused, size_t size)
{
  (void)unused;
  return advised(malloc(size), size);
}

static void *big_realloc(void *unused, void *block, size_t old_size, size_t size)
{
  (void)unused;
  (void)old_size;
  return advised(realloc(block, size), size);
}

static void big_free(void *unused, void *block)
{
  (void)unused;
  free(block);
}

static const yyjson_alc big_memory = {.malloc = big_alloc, .realloc = big_realloc, .free = big_free};

/* The parser has changed what it has read so far, so that lines could no longer be counted. */
static enum km_rc parse_in_place(char *data, size_t len, unsigned max_depth, yyjson_doc **ret,
                                 struct km_error *err)
{
  yyjson_read_err problem;
  yyjson_doc *doc =
      yyjson_read_opts(data, len, YYJSON_READ_BIGNUM_AS_RAW | YYJSON_READ_INSITU, &big_memory, &problem);
  if (doc == NULL && problem.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION) {
    return km_error_set(err, KM_E_INTERNAL, "out of memory while parsing %zu bytes of JSON", len);
  }
  if (doc == NULL) {
    return km_error_set(err, KM_E_INVALID, "byte %zu of %zu: not valid JSON: %s", problem.pos + 1, len,
                        problem.msg);
  }
  if (is_too_deep(doc, max_depth)) {
    yyjson_doc_free(doc);
    return km_error_set(err, KM_E_INVALID, "nested deeper than %u levels", max_depth);
  }
  *ret = doc;
  return KM_OK;
}

enum km_rc km_json_parse_buf(struct km_arena *arena, struct km_buf *text, unsigned max_depth,
                             yyjson_doc **ret, struct km_error *err)
{
  size_t len = 0;
  char *detached = km_buf_detach(text, &len);
  if (len == 0) {
    free(detached);
    return km_error_set(err, KM_E_INVALID, "the JSON text is empty");
  }
  /* Room for the parser's sentinel; what the buffer had in reserve goes back. */
  char *data = realloc(detached, len + YYJSON_PADDING_SIZE);
  KM_ASSERT(data != NULL);
  memset(data + len, 0, YYJSON_PADDING_SIZE);
  enum km_rc rc = parse_in_place(data, len, max_depth, ret, err);
  if (rc != KM_OK) {
    free(data);
    return rc;
  }
  km_arena_defer(arena, free, data); /* after the document, which is deferred later */
  km_arena_defer(arena, free_doc, *ret);
  return KM_OK;
}

/* The context of a document's allocator. */
struct doc_memory {
  struct km_arena *arena;
  bool refused;
};

static void *memory_alloc(void *ctx, size_t size)
{
  struct doc_memory *memory = ctx;
  void *block = km_arena_try_alloc(memory->arena, size);
  if (block == NULL) {
    memory->refused = true;
  }
  return block;
}

/* The old block stays in the arena unused: yyjson enlarges little while a document is built. */
static void *memory_realloc(void *ctx, void *block, size_t old_size, size_t size)
{
  if (size <= old_size) {
    return block;
  }
  void *bigger = memory_alloc(ctx, size);
  if (bigger != NULL && block != NULL) {
    memcpy(bigger, block, old_size);
  }
  return bigger;
}

/* The arena frees everything at once. */
static void memory_free(void *ctx, void *block)
{
  (void)ctx;
  (void)block;
}

yyjson_mut_doc *km_json_new(struct km_arena *arena)
{
  struct doc_memory *memory = KM_ARENA_NEW(arena, struct doc_memory);
  memory->arena = arena;
  yyjson_alc alc = {.malloc = memory_alloc, .realloc = memory_realloc, .free = memory_free, .ctx = memory};
  return yyjson_mut_doc_new(&alc);
}

/* A document keeps a copy of its allocator, whose context is ours. */
bool km_json_complete(const yyjson_mut_doc *doc)
{
  if (doc == NULL) {
    return false;
  }
  const struct doc_memory *memory = doc->alc.ctx;
  return !memory->refused;
}

/* NaN and infinity, which only arithmetic of our own can bring in, become null: better than no document. */
static yyjson_write_flag write_flags(bool pretty)
{
  return YYJSON_WRITE_INF_AND_NAN_AS_NULL | (pretty ? YYJSON_WRITE_PRETTY_TWO_SPACES : YYJSON_WRITE_NOFLAG);
}

/* yyjson writes into memory of its own first; TEXT is NULL when that, or an invalid string, failed. */
static bool append_and_free(struct km_buf *out, char *text, size_t len)
{
  bool ok = text != NULL && km_buf_append(out, text, len);
  free(text);
  return ok;
}

bool km_json_write(const yyjson_mut_val *val, bool pretty, struct km_buf *out)
{
  size_t len = 0;
  char *text = yyjson_mut_val_write_opts(val, write_flags(pretty), NULL, &len, NULL);
  return append_and_free(out, text, len);
}

bool km_json_write_val(const yyjson_val *val, bool pretty, struct km_buf *out)
{
  size_t len = 0;
  char *text = yyjson_val_write_opts(val, write_flags(pretty), NULL, &len, NULL);
  return append_and_free(out, text, len);
}

/* In all that follows, yyjson answers NULL and wrong types with NULL, zero or false by itself. */

const char *km_json_str(yyjson_val *obj, const char *key)
{
  return yyjson_get_str(yyjson_obj_get(obj, key));
}

yyjson_val *km_json_obj(yyjson_val *obj, const char *key)
{
  yyjson_val *val = yyjson_obj_get(obj, key);
  return yyjson_is_obj(val) ? val : NULL;
}

yyjson_val *km_json_arr(yyjson_val *obj, const char *key)
{
  yyjson_val *val = yyjson_obj_get(obj, key);
  return yyjson_is_arr(val) ? val : NULL;
}

int64_t km_json_int(yyjson_val *obj, const char *key, int64_t fallback)
{
  yyjson_val *val = yyjson_obj_get(obj, key);
  if (yyjson_is_sint(val)) {
    return yyjson_get_sint(val);
  }
  if (yyjson_is_uint(val) && yyjson_get_uint(val) <= INT64_MAX) {
    return (int64_t)yyjson_get_uint(val);
  }
  return fallback;
}

bool km_json_bool(yyjson_val *obj, const char *key, bool fallback)
{
  yyjson_val *val = yyjson_obj_get(obj, key);
  return yyjson_is_bool(val) ? yyjson_get_bool(val) : fallback;
}

yyjson_val *km_json_at(yyjson_val *obj, ...)
{
  va_list keys;
  va_start(keys, obj);
  for (const char *key = va_arg(keys, const char *); key != NULL; key = va_arg(keys, const char *)) {
    obj = yyjson_obj_get(obj, key);
  }
  va_end(keys);
  return obj;
}

/* Raw text is a number that 64 bits cannot hold. */
const char *km_json_type_name(yyjson_val *val)
{
  switch (yyjson_get_type(val)) {
  case YYJSON_TYPE_NULL: return "null";
  case YYJSON_TYPE_BOOL: return "boolean";
  case YYJSON_TYPE_STR: return "string";
  case YYJSON_TYPE_ARR: return "array";
  case YYJSON_TYPE_OBJ: return "object";
  case YYJSON_TYPE_NUM: return yyjson_is_int(val) ? "integer" : "number";
  case YYJSON_TYPE_RAW: return strpbrk(yyjson_get_raw(val), ".eE") == NULL ? "integer" : "number";
  default: return "nothing";
  }
}
