/* api_resources_list: which kinds a cluster serves, and what their fields mean (explain.c).
 *
 * Works on the client's discovery snapshot. A row per resource, in the version that kubectl takes, the others beside it;
 * ordered by group and name, so that what the budget leaves out is whole groups, which are counted. Groups that could
 * not be listed are named at the end: their absence says nothing of the rest. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "explain.h"
#include "parts.h"
#include "sheet.h"

#include "kube_mcp/base/banned.h"

#define MAX_WORD_BYTES   ((size_t)253)
#define MAX_BROKEN_SHOWN 5
#define CORE             "core"
#define ALL_VERBS                                                                                            \
  (KM_VERB_GET | KM_VERB_LIST | KM_VERB_WATCH | KM_VERB_CREATE | KM_VERB_UPDATE | KM_VERB_PATCH |            \
   KM_VERB_DELETE | KM_VERB_DELETE_COLLECTION)

static const char *const scopes[] = {"namespaced", "cluster", NULL};
enum scope { SCOPE_NAMESPACED, SCOPE_CLUSTER };

struct api_args {
  struct km_arg_strings contexts;
  const char *context, *explain, *match, *api_version, *category;
  int scope; /* enum scope; -1 = both */
  int64_t depth;
};

static const char *const api_version_aliases[] = {"api_group", NULL};

static const struct km_arg args[] = {
    ARG_CONTEXT(struct api_args),
    ARG_CONTEXTS(struct api_args),
    {.name = "explain",
     .type = KM_ARG_STRING,
     .flags = KM_ARG_NONEMPTY,
     KM_ARG_AT(struct api_args, explain),
     .max = 1024,
     .description = "Instead of listing, document a kind or one of its fields: \"deployment.spec.strategy\", "
                    "\"pods.spec.containers[].livenessProbe\"."},
    {.name = "depth",
     .type = KM_ARG_INT,
     KM_ARG_AT(struct api_args, depth),
     .min = 1,
     .max = 8,
     .fallback = "1",
     .description = "Levels of fields that explain shows."},
    {.name = "match",
     .type = KM_ARG_STRING,
     KM_ARG_AT(struct api_args, match),
     .max = 253,
     .description = "Only names that contain this, or match it as a glob."},
    {.name = "api_version",
     .type = KM_ARG_STRING,
     KM_ARG_AT(struct api_args, api_version),
     .max = 253,
     .aliases = api_version_aliases,
     .description = "Only this group or group/version: \"apps\", \"batch/v1\", \"v1\", \"*.example.com\"."},
    {.name = "scope",
     .type = KM_ARG_ENUM,
     KM_ARG_AT(struct api_args, scope),
     .one_of = scopes,
     .description = "Only these. Default: both."},
    {.name = "category",
     .type = KM_ARG_STRING,
     KM_ARG_AT(struct api_args, category),
     .max = 253,
     .description = "Only of this category, e.g. \"all\"."},
};

/* --- which resources ---------------------------------------------------------------------------------------------------- */

struct chosen {
  const struct km_resource **items; /* by group, name and preference */
  size_t count;
};

static void lower(char out[MAX_WORD_BYTES + 1], const char *text)
{
  (void)km_strcopy(out, MAX_WORD_BYTES + 1, text);
  for (char *c = out; *c != '\0'; c++) {
    *c = (char)tolower((unsigned char)*c);
  }
}

/* PATTERN is in lower case. */
static bool word_matches(const char *pattern, const char *text)
{
  char word[MAX_WORD_BYTES + 1];
  lower(word, text);
  return strpbrk(pattern, "*?") != NULL ? km_glob_match(pattern, word) : strstr(word, pattern) != NULL;
}

static bool name_matches(const struct km_resource *resource, const char *match)
{
  char pattern[MAX_WORD_BYTES + 1];
  if (km_str_empty(match)) {
    return true;
  }
  lower(pattern, match);
  for (size_t i = 0; i < resource->short_name_count; i++) {
    if (km_streq(resource->short_names[i], pattern)) {
      return true;
    }
  }
  return word_matches(pattern, resource->plural) || word_matches(pattern, resource->singular) ||
         word_matches(pattern, resource->kind);
}

/* WANTED is "group", "group/version", or the version of the core group. */
static bool version_matches(const struct km_resource *resource, const char *wanted)
{
  if (km_str_empty(wanted)) {
    return true;
  }
  const char *slash = strchr(wanted, '/');
  if (slash == NULL && *resource->group == '\0') {
    return km_streq(wanted, resource->version) || km_streq(wanted, CORE);
  }
  char group[MAX_WORD_BYTES + 1];
  (void)km_strcopy(group, sizeof(group), wanted);
  if (slash != NULL && (size_t)(slash - wanted) < sizeof(group)) {
    group[slash - wanted] = '\0';
  }
  return km_glob_match(group, resource->group) && (slash == NULL || km_streq(slash + 1, resource->version));
}

static bool category_matches(const struct km_resource *resource, const char *wanted)
{
  for (size_t i = 0; i < resource->category_count; i++) {
    if (km_strcaseeq(resource->categories[i], wanted)) {
      return true;
    }
  }
  return km_str_empty(wanted);
}

static bool is_wanted(const struct km_resource *resource, const struct api_args *given)
{
  bool in_scope = given->scope < 0 || resource->namespaced == (given->scope == SCOPE_NAMESPACED);
  return in_scope && name_matches(resource, given->match) && version_matches(resource, given->api_version) &&
         category_matches(resource, given->category);
}

/* Items of one array: their order is that of preference. */
static int by_group_and_name(const void *a, const void *b)
{
  const struct km_resource *x = *(const struct km_resource *const *)a,
                           *y = *(const struct km_resource *const *)b;
  int order = strcmp(x->group, y->group);
  order = order != 0 ? order : strcmp(x->plural, y->plural);
  return order != 0 ? order : (x > y) - (x < y);
}

static struct chosen choose(struct km_arena *arena, const struct km_discovery *discovery,
                            const struct api_args *given)
{
  size_t count = 0;
  const struct km_resource *items = km_discovery_items(discovery, &count);
  struct chosen chosen = {.items = KM_ARENA_ARRAY(arena, const struct km_resource *, count + 1)};
  for (size_t i = 0; i < count; i++) {
    if (is_wanted(&items[i], given)) {
      chosen.items[chosen.count++] = &items[i];
    }
  }
  if (chosen.count > 0) {
    qsort(chosen.items, chosen.count, sizeof(*chosen.items), by_group_and_name);
  }
  return chosen;
}

/* --- rows --------------------------------------------------------------------------------------------------------------- */

static bool is_same_resource(const struct km_resource *a, const struct km_resource *b)
{
  return km_streq(a->group, b->group) && km_streq(a->plural, b->plural);
}

static void put_words(const char *const *words, size_t count, struct km_buf *out)
{
  for (size_t i = 0; i < count; i++) {
    km_buf_printf(out, "%s%s", out->len > 0 ? "," : "", words[i]);
  }
}

static void put_verbs(unsigned verbs, struct km_buf *out)
{
  static const char *const names[] = {"get",    "list",  "watch",  "create",
                                      "update", "patch", "delete", "deletecollection"};
  if (verbs == ALL_VERBS) {
    km_buf_puts(out, "all");
    return;
  }
  for (size_t i = 0; i < KM_ARRAY_LEN(names); i++) {
    if ((verbs & (1U << i)) != 0) {
      put_words(&names[i], 1, out);
    }
  }
}

/* One row of the COUNT versions of a resource. */
static void put_row(const struct km_resource *const *versions, size_t count, struct sheet *sheet)
{
  const struct km_resource *resource = versions[0];
  struct km_buf words;
  km_buf_init(&words, (size_t)16 * 1024);
  sheet_row(sheet, NULL);
  sheet_cell(sheet, resource->plural);
  put_words(resource->short_names, resource->short_name_count, &words);
  sheet_cell(sheet, words.data);
  km_buf_clear(&words);
  km_buf_printf(&words, "%s%s%s", resource->group, *resource->group != '\0' ? "/" : "", resource->version);
  for (size_t i = 1; i < count; i++) {
    km_buf_printf(&words, ",%s", versions[i]->version);
  }
  sheet_cell(sheet, words.data);
  sheet_cell(sheet, resource->namespaced ? "true" : "false");
  sheet_cell(sheet, resource->kind);
  km_buf_clear(&words);
  put_verbs(resource->verbs, &words);
  sheet_cell(sheet, words.data);
  km_buf_done(&words);
}

/* Fills SHEET and the group of each row; returns how many rows there are. */
static size_t put_rows(const struct chosen *chosen, struct sheet *sheet, const char **groups)
{
  static const char *const headings[] = {"NAME", "SHORT", "APIVERSION", "NAMESPACED", "KIND", "VERBS"};
  for (size_t i = 0; i < KM_ARRAY_LEN(headings); i++) {
    sheet_column(sheet, headings[i]);
  }
  size_t rows = 0;
  for (size_t i = 0, next = 0; i < chosen->count; i = next) {
    for (next = i + 1; next < chosen->count && is_same_resource(chosen->items[i], chosen->items[next]);) {
      next++;
    }
    put_row(&chosen->items[i], next - i, sheet);
    groups[rows++] = *chosen->items[i]->group != '\0' ? chosen->items[i]->group : CORE;
  }
  return rows;
}

/* --- the last lines ----------------------------------------------------------------------------------------------------- */

static void put_broken(const struct km_discovery *discovery, struct km_buf *out)
{
  const char *const *broken = km_discovery_broken(discovery);
  size_t count = 0;
  for (; broken[count] != NULL; count++) {
    if (count < MAX_BROKEN_SHOWN) {
      km_buf_printf(out, "# not listed, broken: %.280s\n", broken[count]);
    }
  }
  if (count > MAX_BROKEN_SHOWN) {
    km_buf_printf(out, "# not listed, broken: %zu more\n", count - MAX_BROKEN_SHOWN);
  }
}

/* What name comes near to one that matched nothing. */
static void put_nearest(struct km_arena *arena, const struct km_discovery *discovery, const char *match,
                        struct km_buf *out)
{
  size_t count = 0;
  const struct km_resource *items = km_discovery_items(discovery, &count);
  const char **names = KM_ARENA_ARRAY(arena, const char *, count + 1);
  for (size_t i = 0; i < count; i++) {
    names[i] = items[i].plural;
  }
  const char *nearest = km_str_empty(match) ? NULL : km_nearest(match, names, count);
  if (nearest != NULL) {
    km_buf_printf(out, "; did you mean '%s'?", nearest);
  }
}

static void write_footer(struct km_call *call, const struct km_discovery *discovery,
                         const struct api_args *given, const char **groups, size_t rows, size_t shown,
                         struct km_buf *out)
{
  put_context(call, out);
  if (rows == 0) {
    km_buf_puts(out, "no kind matches");
    put_nearest(call->arena, discovery, given->match, out);
  } else {
    km_buf_printf(out, "%zu kind%s", rows, rows == 1 ? "" : "s");
  }
  if (shown < rows) {
    km_buf_printf(out, ", %zu left out (by group: ", rows - shown);
    put_groups(call->arena, groups + shown, rows - shown, out);
    km_buf_puts(out, "): narrow with match or api_version");
  }
  km_buf_putc(out, '\n');
  put_broken(discovery, out);
}

static void list_resources(struct km_call *call, const struct km_discovery *discovery,
                           const struct api_args *given, struct km_result *out)
{
  struct chosen chosen = choose(call->arena, discovery, given);
  const char **groups = KM_ARENA_ARRAY(call->arena, const char *, chosen.count + 1);
  struct km_buf text, footer;
  km_buf_init(&text, toolbox(call)->max_result_bytes + SHEET_FOOTER_BYTES);
  km_buf_init(&footer, SHEET_FOOTER_BYTES);
  struct sheet sheet;
  sheet_init(&sheet);
  size_t rows = put_rows(&chosen, &sheet, groups);
  struct sheet_limits limits = {.max_bytes = sheet_budget(call)};
  int64_t shown = sheet_render(&sheet, call->arena, &limits, &text);
  sheet_done(&sheet);
  write_footer(call, discovery, given, groups, rows, (size_t)shown, &footer);
  answer_rows(call, &text, &footer, out);
  km_buf_done(&footer);
  km_buf_done(&text);
}

/* Filters have no part in an explanation: ignoring them would answer another question. */
static enum km_rc check_combination(const struct api_args *given, struct km_error *err)
{
  if (given->explain == NULL ||
      (km_str_empty(given->match) && km_str_empty(given->category) && given->scope < 0)) {
    return KM_OK;
  }
  km_error_set_type(err, KM_E_INVALID, KM_TYPE_VALIDATION_ERROR,
                    "'explain' documents one kind: 'match', 'scope' and 'category' do not go with it");
  return km_error_hint(err, "list first, without explain");
}

static enum km_rc run_one(struct km_call *call, const void *data, struct km_result *out, struct km_error *err)
{
  const struct api_args *given = data;
  struct target target;
  struct km_discovery *discovery = NULL;
  enum km_rc rc = check_combination(given, err);
  if (rc == KM_OK) {
    rc = target_open(call, given->context, &target, err);
  }
  if (rc == KM_OK && given->explain != NULL) {
    return explain(call, &target, given->explain, given->api_version, given->depth, out, err);
  }
  if (rc == KM_OK) {
    rc = km_client_discovery(target.client, &target.request, &discovery, err);
  }
  if (rc != KM_OK) {
    return rc;
  }
  list_resources(call, discovery, given, out);
  km_discovery_unref(discovery);
  return KM_OK;
}

RUN_IN_CONTEXTS(run, struct api_args, run_one)

const struct km_tool km_tool_api_resources_list = {
    .name = "api_resources_list",
    .title = "List kinds, explain fields",
    .description =
        "Which kinds the cluster serves (custom ones too), as `kubectl api-resources`; with explain, what a "
        "field means, its type, values and subfields, as `kubectl explain`.",
    .hints = KM_HINT_READ_ONLY | KM_HINT_IDEMPOTENT | KM_HINT_OPEN_WORLD,
    .args = args,
    .arg_count = KM_ARRAY_LEN(args),
    .args_size = sizeof(struct api_args),
    .run = run,
};
