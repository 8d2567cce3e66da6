/* The lines of one log that will be shown.
 *
 * A line goes through: timestamp off, harmless text, search, frame, fold. What is kept is a list of entries, oldest
 * first, which never takes more than the answer may: the oldest entries leave as newer ones come, and are counted. A line
 * that is like one of the last FOLD_WINDOW entries is counted there instead of being kept. As an entry that has left, or
 * that lies further back, takes no more, the newest lines are always shown or counted close to the end. Bounds: bytes and
 * number of entries by max_bytes, context by context_lines, one line by KM_LOG_SHOWN_BYTES. One thread. */
#include "kube_mcp/kube/log_view.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "kube_mcp/base/alloc.h"
#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

#define FOLD_WINDOW 32
#define MIN_FOLD_BYTES                                                                                       \
  ((size_t)16) /* the remark takes more than shorter lines, which fold into their neighbour only */
#define REMARK_BYTES    ((size_t)72) /* room for "# +N like this, last at T" */
#define MAX_STAMP_BYTES ((size_t)40)
#define MIN_ENTRY_BYTES ((size_t)8) /* what the shortest entry is taken for, to bound their number */
#define MIN_BINARY      8U
/* An invalid byte becomes a character of three. */
#define MAX_CLEAN_BYTES (3 * KM_LOG_LINE_BYTES)

struct entry {
  struct entry *prev, *next;
  uint64_t shape, more; /* lines folded into it */
  int64_t first_ms, last_ms;
  size_t body_at; /* behind the timestamp and the frame */
  size_t len;
  bool foldable;   /* whole, so that it can stand for others */
  bool gap_before; /* lines without a match lie between this and the one before */
  char text[];
};

struct list {
  struct entry *first, *last;
  size_t count, bytes;
};

struct km_log_view {
  struct km_log_view_options options;
  struct km_buf clean;
  struct list kept;
  struct list before; /* lines without a match that may come to stand before one */
  uint64_t read, matching, left_out;
  size_t after;            /* lines still to show behind a match */
  bool skipped;            /* a line has been passed over since the last entry */
  struct entry *successor; /* what followed the entry that the last line was folded into, or NULL */
};

/* --- lists -------------------------------------------------------------------------------------------------------------- */

static size_t bytes_of(const struct entry *entry)
{
  size_t bytes = entry->len + 1 + (entry->more > 0 ? REMARK_BYTES : 0) + (entry->gap_before ? 5 : 0);
  return bytes > MIN_ENTRY_BYTES ? bytes : MIN_ENTRY_BYTES;
}

static void append(struct list *list, struct entry *entry)
{
  entry->prev = list->last;
  entry->next = NULL;
  if (list->last != NULL) {
    list->last->next = entry;
  } else {
    list->first = entry;
  }
  list->last = entry;
  list->count++;
  list->bytes += bytes_of(entry);
}

static struct entry *take_first(struct list *list)
{
  struct entry *entry = list->first;
  KM_ASSERT(entry != NULL);
  list->first = entry->next;
  if (list->first != NULL) {
    list->first->prev = NULL;
  } else {
    list->last = NULL;
  }
  list->count--;
  list->bytes -= bytes_of(entry);
  return entry;
}

static void clear(struct list *list)
{
  while (list->count > 0) {
    free(take_first(list));
  }
}

/* --- lines into entries ------------------------------------------------------------------------------------------------- */

/* The timestamp the server has put before the line; 0 when there is none. RET_MS is its time. */
static size_t stamp_of(const struct km_log_line *line, int64_t *ret_ms)
{
  size_t room = line->len < MAX_STAMP_BYTES ? line->len : MAX_STAMP_BYTES;
  const char *space = memchr(line->text, ' ', room);
  size_t len = space != NULL ? (size_t)(space - line->text) : line->len;
  if (len > MAX_STAMP_BYTES || !km_rfc3339_parse(line->text, len, ret_ms)) {
    *ret_ms = 0;
    return 0;
  }
  return len;
}

/* Cleans LEN bytes, behind which DROPPED came, into view->clean, as one line. Returns how many are still to be told of. A line of which nearly a third is no text is named, not shown: its
 * remains would be noise, and may be chosen to look like something. */
static uint64_t clean(struct km_log_view *view, const char *text, size_t len, uint64_t dropped)
{
  struct km_buf *out = &view->clean;
  km_buf_clear(out);
  size_t changes = km_text_sanitize(out, text, len);
  if (changes >= MIN_BINARY && changes * 10 > len * 3) {
    km_buf_clear(out);
    km_buf_printf(out, "<binary, %" PRIu64 " bytes>", (uint64_t)len + dropped);
    return 0;
  }
  for (size_t i = 0; i < out->len; i++) {
    if (out->data[i] == '\n') { /* was a line separator of Unicode */
      out->data[i] = ' ';
    }
  }
  return dropped;
}

/* Whether a line as it stands could be taken for a remark or heading of ours, or for one that is framed. */
static bool needs_frame(const char *text, size_t len)
{
  bool heading = len >= 3 && memcmp(text, "===", 3) == 0;
  bool framed = len > 0 && text[0] == '|' && (len == 1 || text[1] == ' ');
  return heading || framed || (len > 0 && text[0] == '#');
}

/* The line in view->clean, ready to be shown. STAMP is what stood before it. */
static struct entry *make_entry(const struct km_log_view *view, struct km_view stamp, uint64_t dropped)
{
  const struct km_buf *body = &view->clean;
  size_t shown = km_utf8_prefix(body->data, body->len, KM_LOG_SHOWN_BYTES);
  uint64_t cut = body->len - shown + dropped;
  bool stamped = view->options.timestamps && stamp.len > 0;
  struct km_buf text;
  km_buf_init(&text, MAX_STAMP_BYTES + KM_LOG_SHOWN_BYTES + REMARK_BYTES);
  if (stamped) {
    km_buf_append(&text, stamp.data, stamp.len);
    km_buf_putc(&text, ' ');
  } else if (needs_frame(body->data, shown)) {
    km_buf_puts(&text, "| ");
  }
  size_t body_at = text.len;
  km_buf_append(&text, body->data, shown);
  if (cut > 0) {
    km_buf_printf(&text, " [+%" PRIu64 " bytes]", cut);
  }
  struct entry *entry = km_alloc(sizeof(*entry) + text.len);
  *entry = (struct entry){.body_at = body_at, .len = text.len, .foldable = view->options.fold && cut == 0};
  memcpy(entry->text, text.data, text.len);
  km_buf_done(&text);
  if (entry->foldable) {
    entry->shape = km_log_shape(entry->text + body_at, entry->len - body_at);
  }
  return entry;
}

/* --- folding ------------------------------------------------------------------------------------------------------------ */

static bool stands_for(const struct entry *entry, const struct entry *line)
{
  return entry->foldable && entry->shape == line->shape &&
         km_log_alike(entry->text + entry->body_at, entry->len - entry->body_at, line->text + line->body_at,
                      line->len - line->body_at);
}

static bool is_indented(const struct entry *line)
{
  return line->len > line->body_at && (line->text[line->body_at] == ' ' || line->text[line->body_at] == '\t');
}

/* The recent entry that LINE is like, or NULL. An indented line belongs to what stands above it, as the frames of a stack
 * trace do, so it folds only where that has folded. */
static struct entry *find_alike(const struct km_log_view *view, const struct entry *line)
{
  if (!line->foldable) {
    return NULL;
  }
  if (is_indented(line)) {
    return view->successor != NULL && stands_for(view->successor, line) ? view->successor : NULL;
  }
  size_t window = line->len - line->body_at < MIN_FOLD_BYTES ? 1 : FOLD_WINDOW;
  struct entry *entry = view->kept.last;
  for (; window > 0 && entry != NULL; window--, entry = entry->prev) {
    if (stands_for(entry, line)) {
      return entry;
    }
  }
  return NULL;
}

static void fold_into(struct km_log_view *view, struct entry *entry, const struct entry *line)
{
  view->kept.bytes -= bytes_of(entry);
  entry->more++;
  entry->last_ms = line->last_ms;
  view->kept.bytes += bytes_of(entry);
  view->successor = entry->next;
}

/* Keeps ENTRY, or counts it where it belongs, and lets the oldest go for which there is no room. */
static void show(struct km_log_view *view, struct entry *entry)
{
  struct entry *alike = find_alike(view, entry);
  if (alike != NULL) {
    fold_into(view, alike, entry);
    free(entry);
  } else {
    entry->gap_before = view->options.context_lines > 0 && view->skipped && view->kept.count > 0;
    append(&view->kept, entry);
    view->successor = NULL;
  }
  view->skipped = false;
  while (view->kept.bytes > view->options.max_bytes && view->kept.count > 1) {
    struct entry *oldest = take_first(&view->kept);
    view->left_out += 1 + oldest->more;
    view->successor = view->successor == oldest ? NULL : view->successor;
    free(oldest);
  }
}

/* --- searching ---------------------------------------------------------------------------------------------------------- */

/* Keeps a line without a match for the case that one follows soon. */
static void hold_back(struct km_log_view *view, struct entry *entry)
{
  append(&view->before, entry);
  if (view->before.count > view->options.context_lines) {
    free(take_first(&view->before));
    view->skipped = true;
  }
}

static void show_match(struct km_log_view *view, struct entry *entry)
{
  while (view->before.count > 0) {
    show(view, take_first(&view->before));
  }
  show(view, entry);
  view->after = view->options.context_lines;
}

enum km_rc km_log_view_add(struct km_log_view *view, const struct km_log_line *line, struct km_error *err)
{
  int64_t time_ms = 0;
  size_t stamp = stamp_of(line, &time_ms);
  size_t body_at = stamp > 0 && stamp < line->len ? stamp + 1 : stamp;
  uint64_t dropped = clean(view, line->text + body_at, line->len - body_at, line->dropped);
  view->read++;
  bool matches = true;
  if (view->options.grep != NULL) {
    enum km_rc rc = km_regex_search(view->options.grep, view->clean.data, view->clean.len, &matches, err);
    if (rc != KM_OK) {
      return rc;
    }
  }
  view->matching += matches;
  if (!matches && view->options.context_lines == 0) {
    return KM_OK;
  }
  struct entry *entry = make_entry(view, (struct km_view){line->text, stamp}, dropped);
  entry->first_ms = entry->last_ms = time_ms;
  if (matches) {
    show_match(view, entry);
  } else if (view->after > 0) {
    view->after--;
    show(view, entry);
  } else {
    hold_back(view, entry);
  }
  return KM_OK;
}

/* --- showing ------------------------------------------------------------------------------------------------------------ */

static void put_entry(const struct entry *entry, bool gap, struct km_buf *out)
{
  km_buf_puts(out, gap ? "# --\n" : "");
  km_buf_append(out, entry->text, entry->len);
  km_buf_putc(out, '\n');
  if (entry->more > 0) {
    char last[32] = "";
    km_rfc3339(last, sizeof(last), entry->last_ms);
    km_buf_printf(out, "# +%" PRIu64 " like this", entry->more);
    km_buf_printf(out, entry->last_ms > 0 ? ", last at %s\n" : "%.0s\n", last);
  }
}

/* The newest entry when not even that has room: its beginning. */
static void put_part(const struct entry *entry, size_t max_bytes, struct km_buf *out)
{
  char note[32];
  (void)snprintf(note, sizeof(note), " [+%zu bytes]\n", entry->len);
  if (max_bytes <= strlen(note)) {
    return;
  }
  size_t part = km_utf8_prefix(entry->text, entry->len, max_bytes - strlen(note));
  km_buf_append(out, entry->text, part);
  km_buf_printf(out, " [+%zu bytes]\n", entry->len - part);
}

/* The oldest entry from which on all fit; NULL when not even the last does. */
static const struct entry *first_that_fits(const struct km_log_view *view, size_t max_bytes)
{
  const struct entry *first = NULL;
  size_t bytes = 0;
  for (const struct entry *entry = view->kept.last; entry != NULL; entry = entry->prev) {
    bytes += bytes_of(entry);
    if (bytes > max_bytes) {
      break;
    }
    first = entry;
  }
  return first;
}

void km_log_view_render(const struct km_log_view *view, size_t max_bytes, struct km_buf *out,
                        struct km_log_counts *ret)
{
  *ret = (struct km_log_counts){.read = view->read, .matching = view->matching, .left_out = view->left_out};
  const struct entry *first = first_that_fits(view, max_bytes);
  if (first == NULL && view->kept.last != NULL) {
    first = view->kept.last;
    put_part(first, max_bytes, out);
    ret->shown = 1;
    ret->left_out += first->more;
  }
  bool fits = ret->shown == 0;
  for (const struct entry *entry = view->kept.first; entry != NULL && entry != first; entry = entry->next) {
    ret->left_out += 1 + entry->more;
  }
  for (const struct entry *entry = first; fits && entry != NULL; entry = entry->next) {
    put_entry(entry, entry->gap_before && entry != first, out);
    ret->shown++;
    ret->folded += entry->more;
  }
  for (const struct entry *entry = first; entry != NULL; entry = entry->next) {
    ret->first_ms = entry == first ? entry->first_ms : ret->first_ms;
    ret->last_ms = entry->last_ms > ret->last_ms ? entry->last_ms : ret->last_ms;
  }
}

size_t km_log_view_bytes(const struct km_log_view *view)
{
  return view->kept.bytes;
}

static void release(void *data)
{
  struct km_log_view *view = data;
  clear(&view->kept);
  clear(&view->before);
  km_buf_done(&view->clean);
}

struct km_log_view *km_log_view_new(struct km_arena *arena, const struct km_log_view_options *options)
{
  struct km_log_view *view = KM_ARENA_NEW(arena, struct km_log_view);
  view->options = *options;
  view->options.fold = options->fold && options->context_lines == 0;
  km_buf_init(&view->clean, MAX_CLEAN_BYTES);
  km_arena_defer(arena, release, view);
  return view;
}
