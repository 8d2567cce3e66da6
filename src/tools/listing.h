/* A listing under way, shared by the listing*.c files: the question, the walk over the pages, and what it yields. */
#ifndef KM_TOOLS_LISTING_H
#define KM_TOOLS_LISTING_H

#include "common.h"
#include "cursor.h"
#include "groups.h"
#include "kube_mcp/codec/where.h"
#include "rows.h"

#define FOOTER_BYTES     ((size_t)1536) /* the last lines without groups never take more */
#define GROUPS_BYTES     ((size_t)768)
#define MIN_BUDGET_BYTES ((size_t)512)
#define MIN_ROW_BYTES    ((size_t)16) /* no row takes less in any answer */

struct spans; /* listing_again.c */

struct lister {
  struct km_call *call;
  const struct listing *listing;
  struct target target;
  struct km_error *err;
  bool alone; /* the call lists nothing else: it hears of the progress */

  /* the question */
  struct km_path **fields;
  struct km_where *where;    /* NULL = all */
  struct km_path *sort_path; /* NULL = as listed */
  struct km_path **group_paths;
  struct groups *groups; /* NULL = rows */
  bool looks;            /* into objects */
  bool needs_whole;      /* beyond their metadata */
  bool always_redacts;   /* a path may reach what is dropped without a trace */
  struct place start;

  /* the walk */
  enum km_list_form form;
  bool with_metadata; /* spans could not be found: rows must bring their namespace */
  bool narrowed;      /* all namespaces were asked for, one may be listed */
  bool across;        /* rows of several namespaces */
  const char *ns;     /* NULL = all namespaces, or none has a part in it */
  const char *resume_token;
  const char *resource_version; /* of the first page */
  int64_t to_skip;              /* rows behind the start that are still to come */
  int64_t seen;                 /* rows met */
  int64_t matched;              /* of them those that hold the condition */
  int64_t earlier;              /* of those the ones that earlier answers dealt with */
  int64_t remaining;            /* rows after the last page met, -1 = unknown */
  bool complete, inconsistent;
  bool only_counts;   /* what comes is counted, from pages without objects */
  enum km_rc stopped; /* why a page ended the listing; detail in err */

  /* the yield */
  struct km_table *reader; /* reads cells, and counts what is not shown */
  struct rows rows;
  struct spans *spans;     /* how many rows each namespace has; NULL = not counted */
  struct place first_left; /* an unsorted listing's first row without room, or the page behind the last */
  bool has_left;
  size_t budget;
};

static inline bool lister_is_table(const struct lister *lister)
{
  return lister->groups == NULL &&
         (lister->listing->output == OUTPUT_TABLE || lister->listing->output == OUTPUT_WIDE);
}

static inline bool lister_is_sorted(const struct lister *lister)
{
  return lister->sort_path != NULL;
}

static inline bool lister_form_is_table(const struct lister *lister)
{
  return lister->form == KM_LIST_TABLE || lister->form == KM_LIST_TABLE_BARE ||
         lister->form == KM_LIST_TABLE_OBJECTS;
}

/* Are the cells of the rows it chooses read from pages of their own? */
static inline bool lister_reads_cells_later(const struct lister *lister)
{
  return lister_is_table(lister) && lister->form == KM_LIST_OBJECTS;
}

/* --- listing.c -------------------------------------------------------------------------------------------------------- */

/* How many rows hold the condition, all in all; -1 when no more than a lower bound is known. */
int64_t lister_total(const struct lister *lister);

/* --- listing_question.c ------------------------------------------------------------------------------------------------ */

/* Prepares LISTER, whose call, listing, target, err and alone are set: checks and compiles the arguments. */
enum km_rc lister_open(struct lister *lister);
void lister_done(struct lister *lister);

/* --- listing_rows.c ---------------------------------------------------------------------------------------------------- */

/* Takes row INDEX of PAGE, which is ROW_VAL there. ARENA holds what the row needs until the page is done. */
enum km_rc lister_take_row(struct lister *lister, const struct page_ref *page, int64_t index,
                           yyjson_val *row_val, struct km_arena *arena);
/* Counts a row that cannot be shown any more; the first of them is where the next answer begins. DATA is the lister. */
void lister_leave_out(void *data, const struct row *row);

/* --- listing_again.c: pages asked for again, in another form ----------------------------------------------------------- */

/* Reads the cells of rows that were chosen by their objects. */
enum km_rc lister_read_cells(struct lister *lister);
/* Lets WALK read the rest of a list whose rows are only counted, and counts those of each namespace at the same time, where
 * that is cheap. */
enum km_rc lister_count_rest(struct lister *lister, enum km_rc (*walk)(struct lister *lister));
/* Finds the namespaces of rows that came without objects, and how the rows left out divide among them if that was counted. FALSE
 * in *RET_FOUND: the cluster has changed too much, list again with metadata. */
enum km_rc lister_find_namespaces(struct lister *lister, bool *ret_found);

/* --- listing_answer.c -------------------------------------------------------------------------------------------------- */

/* What an answer says of one listing. */
struct yield {
  struct lister *lister;
  size_t shown;          /* of its rows */
  const char *oversized; /* the name of a row too large for any answer, dealt with by naming it; or NULL */
};

void write_listing(struct lister *lister, struct km_result *out);
/* Is something left out? */
bool yield_is_cut(const struct yield *yield);
/* Counts the rows that were kept but found no room after all. */
void yield_count_unshown(const struct yield *yield);
/* What is shown and what is missing, without the end of the line; and where the rows left out are, in what ROOM there is. */
void yield_write_extent(const struct yield *yield, struct km_buf *out);
void yield_write_groups(const struct yield *yield, size_t room, struct km_buf *out);
/* The remarks that do not depend on what is shown. */
void lister_write_warnings(const struct lister *lister, struct km_buf *out);

/* --- listing_groups.c -------------------------------------------------------------------------------------------------- */

/* The groups of all LISTERS, the largest first, with their context if LABELLED, in about BUDGET bytes. */
void lister_write_groups(struct lister *const *listers, size_t lister_count, bool labelled, size_t budget,
                         struct km_buf *out);

/* --- listing_merge.c --------------------------------------------------------------------------------------------------- */

/* One answer for COUNT listings of one question in as many contexts, the failed ones (ERRORS) among them; at least one has
 * succeeded. */
void write_listings(struct lister *listers, const struct km_error *errors, size_t count,
                    struct km_result *out);

#endif
