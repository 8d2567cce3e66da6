/* The kubeconfig provider: every context of the files kubectl would read.
 *
 * Which files is settled at open: kubeconfig_path, else $KUBECONFIG, else ~/.kube/config; their paths are absolute from
 * then on. They are read on first use, and again whenever a file's stamp differs from that of the last attempt, which
 * costs one stat per file and call. What was read is immutable and counted: an answer holds a reference until its
 * arena is freed. A failed attempt keeps the last good state and is reported by reload(); the state before that is
 * kept too, so that a call that resolved just before a change still gets the credential that belongs to its endpoint.
 * Threads: state->lock guards everything in struct state but the paths; files are parsed under it, which makes the
 * attempt single-flight. */
#include "kubeconfig.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../registry.h"
#include "kube_mcp/base/file.h"
#include "kube_mcp/base/sync.h"

#include "kube_mcp/base/banned.h"

#define PATHS_MAX_BYTES ((size_t)1024 * 1024)
#define STATE_MAX_BYTES ((size_t)256 * 1024 * 1024)
#define SCRATCH_BYTES   (4 * KM_CERTIFICATE_MAX_BYTES)
/* A failed attempt is repeated after this time even if no stamp changed: chmod, for one, leaves it as it is. */
#define RETRY_NS KM_NS_PER_S

struct kubeconfig_config {
  const char *path;
};

static const struct km_field fields[] = {
    {.section = "kubernetes",
     .name = "kubeconfig_path",
     .type = KM_FIELD_PATH,
     .offset = offsetof(struct kubeconfig_config, path),
     .fallback = "\"\"",
     .doc =
         "The kubeconfig file. Empty: the files of $KUBECONFIG, merged as kubectl does, else ~/.kube/config.",
     .env = "KUBECONFIG_PATH"},
    {0},
};

enum origin { FROM_CONFIG, FROM_ENVIRONMENT, FROM_HOME };

/* One of the files in force, whether it exists or not. */
struct source_file {
  const char *path;
  uint64_t stamp; /* when it was last read; 0 = it was not there */
};

struct state {
  struct km_arena *arena; /* of the paths */
  enum origin origin;
  struct source_file *files;
  size_t file_count;
  pthread_mutex_t lock;
  bool attempted;
  uint64_t attempted_ns;
  struct km_kubeconfig *current;  /* the last good state, NULL before there is one */
  struct km_kubeconfig *previous; /* the one before */
  bool changed;                   /* since the last reload() */
  struct km_error failure;        /* of the last attempt; KM_OK if it worked */
};

/* ---- which files ---- */

/* Once only, however often it is named. */
static void add_file(struct state *state, const char *path)
{
  for (size_t i = 0; i < state->file_count; i++) {
    if (km_streq(state->files[i].path, path)) {
      return;
    }
  }
  state->files[state->file_count++].path = path;
}

/* The parts of LIST between colons; empty ones name nothing. */
static void add_list(struct state *state, const char *directory, const char *list)
{
  while (*list != '\0') {
    size_t len = strcspn(list, ":");
    if (len > 0) {
      add_file(state, km_path_join(state->arena, directory, km_arena_strndup(state->arena, list, len)));
    }
    list += len + (list[len] == ':' ? 1 : 0);
  }
}

/* Paths become absolute now: a change of the working directory later on means nothing. */
static void find_files(struct state *state, const char *configured)
{
  char *directory = getcwd(NULL, 0);
  const char *base = directory != NULL ? km_arena_strdup(state->arena, directory) : ".";
  free(directory);
  const char *list = getenv("KUBECONFIG"); /* NOLINT(concurrency-mt-unsafe): nothing here changes it */
  list = list != NULL ? list : "";
  size_t most = strlen(list) / 2 + 1; /* each but the last takes a colon, too */
  state->files = KM_ARENA_ARRAY(state->arena, struct source_file, most);
  if (!km_str_empty(configured)) {
    state->origin = FROM_CONFIG;
    add_file(state, km_path_join(state->arena, base, configured));
  } else if (*list != '\0') {
    state->origin = FROM_ENVIRONMENT;
    add_list(state, base, list);
  } else {
    state->origin = FROM_HOME;
    add_file(state, km_path_join(state->arena, base, km_path_expand(state->arena, "~/.kube/config")));
  }
}

static enum km_rc kubeconfig_open(struct km_provider *provider, struct km_error *err KM_UNUSED)
{
  const struct kubeconfig_config *config = provider->config;
  struct state *state = provider->state;
  state->arena = km_arena_new(PATHS_MAX_BYTES);
  pthread_mutex_init(&state->lock, NULL);
  find_files(state, config->path);
  return KM_OK;
}

static void kubeconfig_close(struct km_provider *provider)
{
  struct state *state = provider->state;
  if (state->arena == NULL) {
    return;
  }
  km_kubeconfig_unref(state->current);
  km_kubeconfig_unref(state->previous);
  pthread_mutex_destroy(&state->lock);
  km_arena_free(state->arena);
}

/* ---- reading them ---- */

/* kubectl goes on with an empty configuration; here that would only hide what is wrong. */
static enum km_rc nothing_found(const struct state *state, struct km_error *err)
{
  static const char *const sources[] = {
      [FROM_CONFIG] = "kubernetes.kubeconfig_path",
      [FROM_ENVIRONMENT] = "$KUBECONFIG",
      [FROM_HOME] = "the default, as neither kubernetes.kubeconfig_path nor $KUBECONFIG is set",
  };
  if (state->file_count == 0) {
    km_error_set_type(err, KM_E_INVALID, KM_TYPE_INVALID_KUBECONFIG,
                      "no kubeconfig: $KUBECONFIG names no file");
  } else {
    km_error_set_type(err, KM_E_INVALID, KM_TYPE_INVALID_KUBECONFIG,
                      "no kubeconfig: '%s'%s does not exist (%s)", state->files[0].path,
                      state->file_count > 1 ? " and every other file listed" : "", sources[state->origin]);
  }
  return km_error_hint(err,
                       "mount or name a kubeconfig: kubernetes.kubeconfig_path, --kubeconfig or $KUBECONFIG; "
                       "inside a cluster use provider = \"in-cluster\"");
}

/* Reads PATH into a new file in ARENA; RET becomes NULL when PATH does not exist. */
static enum km_rc read_file(struct km_arena *arena, const char *path, struct km_kubeconfig_file **ret,
                            struct km_error *err)
{
  struct km_secret text = {0};
  struct km_error cause;
  enum km_rc rc = km_file_read_secret(path, KM_KUBECONFIG_MAX_BYTES, &text, &cause);
  if (rc == KM_E_NOT_FOUND) {
    *ret = NULL;
    return KM_OK;
  }
  if (rc != KM_OK) {
    km_error_set_type(err, KM_E_INVALID, KM_TYPE_INVALID_KUBECONFIG, "kubeconfig: %s", cause.message);
    return km_error_hint(err, "%s", cause.hint);
  }
  struct km_kubeconfig_file *file = KM_ARENA_NEW(arena, struct km_kubeconfig_file);
  rc = km_kubeconfig_parse(arena, path, text.data != NULL ? text.data : "", text.len, file, err);
  km_secret_done(&text);
  if (rc == KM_OK) {
    *ret = file;
  }
  return rc;
}

/* Reads and merges all files. One that is malformed fails the whole, as in kubectl; missing ones are passed over. */
static enum km_rc load(const struct state *state, struct km_kubeconfig **ret, struct km_error *err)
{
  KM_CLEANUP(km_arena_freep) struct km_arena *arena = km_arena_new(STATE_MAX_BYTES);
  struct km_kubeconfig_file **files = KM_ARENA_ARRAY(arena, struct km_kubeconfig_file *, state->file_count);
  size_t count = 0;
  for (size_t i = 0; i < state->file_count; i++) {
    enum km_rc rc = read_file(arena, state->files[i].path, &files[count], err);
    if (rc != KM_OK) {
      return rc;
    }
    if (files[count] != NULL) {
      count++;
    }
  }
  if (count == 0) {
    return nothing_found(state, err);
  }
  *ret = km_kubeconfig_merge(arena, files, count);
  arena = NULL;
  return KM_OK;
}

/* Notes the stamps of all files; true if one differs from the last time. Taken before reading, so that a change while
 * reading shows as one more difference. */
static bool stamps_differ(struct state *state)
{
  bool differ = false;
  for (size_t i = 0; i < state->file_count; i++) {
    uint64_t stamp = km_file_stamp(state->files[i].path);
    differ = differ || stamp != state->files[i].stamp;
    state->files[i].stamp = stamp;
  }
  return differ;
}

static bool is_retry_due(const struct state *state)
{
  return state->failure.code != KM_OK && km_clock_ns() - state->attempted_ns >= RETRY_NS;
}

/* Takes up what changed. The lock is held. */
static void refresh(struct state *state)
{
  bool is_first = !state->attempted;
  if (!stamps_differ(state) && !is_first && !is_retry_due(state)) {
    return;
  }
  state->attempted = true;
  state->attempted_ns = km_clock_ns();
  km_error_clear(&state->failure);
  struct km_kubeconfig *fresh = NULL;
  if (load(state, &fresh, &state->failure) == KM_OK) {
    km_kubeconfig_unref(state->previous);
    state->previous = state->current;
    state->current = fresh;
    state->changed = !is_first;
  }
}

/* For whoever watches files or gets SIGHUP. The failure is told each time until it is mended. */
static enum km_rc kubeconfig_reload(struct km_provider *provider, bool *ret_changed, struct km_error *err)
{
  struct state *state = provider->state;
  KM_SCOPED_LOCK(&state->lock);
  refresh(state);
  if (state->failure.code != KM_OK) {
    *err = state->failure;
    return err->code;
  }
  *ret_changed = state->changed;
  state->changed = false;
  return KM_OK;
}

static void unref_config(void *config)
{
  km_kubeconfig_unref(config);
}

/* The current state, or NULL with ERR filled when there is none yet. RET_PREVIOUS (may be NULL) gets the one before, or
 * NULL. Both are held until ARENA is freed. */
static const struct km_kubeconfig *hold(struct state *state, struct km_arena *arena,
                                        const struct km_kubeconfig **ret_previous, struct km_error *err)
{
  KM_SCOPED_LOCK(&state->lock);
  refresh(state);
  if (state->current == NULL) {
    *err = state->failure;
    return NULL;
  }
  km_arena_defer(arena, unref_config, km_kubeconfig_ref(state->current));
  if (ret_previous != NULL) {
    *ret_previous = state->previous;
    if (state->previous != NULL) {
      km_arena_defer(arena, unref_config, km_kubeconfig_ref(state->previous));
    }
  }
  return state->current;
}

/* ---- answers ---- */

/* What an empty context means, or NULL. WHY (may be NULL) is told where it comes from. */
static const char *default_name(const struct km_provider *provider, const struct km_kubeconfig *config,
                                const char **why)
{
  const char *name = NULL;
  const char *source = NULL;
  if (!km_str_empty(provider->default_context)) {
    name = provider->default_context;
    source = "kubernetes.context";
  } else if (config->current_context != NULL) {
    name = config->current_context;
    source = "the kubeconfig's current-context";
  } else if (config->context_count == 1) {
    name = config->contexts[0]->name;
  }
  if (why != NULL) {
    *why = source;
  }
  return name;
}

/* The files are fine and empty: often a mount point that nothing was mounted to. */
static enum km_rc no_contexts(const struct state *state, struct km_error *err)
{
  km_error_set_type(err, KM_E_NOT_FOUND, KM_TYPE_UNKNOWN_CONTEXT, "the kubeconfig '%s'%s defines no contexts",
                    state->files[0].path, state->file_count > 1 ? " (and every other file listed)" : "");
  return km_error_hint(
      err, "check that this is the file you mean; kubectl config get-contexts shows what it holds");
}

/* The UnknownContext error needs names only; problems of contexts are not looked for. */
static enum km_rc unknown(const struct km_kubeconfig *config, const char *name, struct km_error *err)
{
  KM_CLEANUP(km_arena_freep)
  struct km_arena *arena = km_arena_new(sizeof(struct km_context_info) * (config->context_count + 1));
  struct km_context_list list = {
      .items = KM_ARENA_ARRAY(arena, struct km_context_info, config->context_count),
      .count = config->context_count,
  };
  for (size_t i = 0; i < list.count; i++) {
    list.items[i].name = config->contexts[i]->name;
  }
  return km_unknown_context(err, name, &list);
}

/* The context NAME, or what an empty one means; NULL with ERR filled when there is none. */
static const struct km_kubeconfig_context *find_context(const struct km_provider *provider,
                                                        const struct km_kubeconfig *config, const char *name,
                                                        struct km_error *err)
{
  const char *why = NULL;
  if (config->context_count == 0) {
    no_contexts(provider->state, err);
    return NULL;
  }
  if (km_str_empty(name)) {
    name = default_name(provider, config, &why);
  }
  const struct km_kubeconfig_context *context = name != NULL ? km_map_get(config->by_name, name) : NULL;
  if (context == NULL) {
    unknown(config, name, err);
    if (why != NULL) {
      /* A default that leads nowhere is a mistake in a file, not in the call. */
      km_error_wrap(err, "%s", why);
    }
  }
  return context;
}

static enum km_rc kubeconfig_contexts(struct km_provider *provider, struct km_arena *arena,
                                      struct km_context_list *ret, struct km_error *err)
{
  const struct km_kubeconfig *config = hold(provider->state, arena, NULL, err);
  if (config == NULL) {
    return err->code;
  }
  struct km_context_list list = {
      .items = KM_ARENA_ARRAY(arena, struct km_context_info, config->context_count),
      .count = config->context_count,
  };
  for (size_t i = 0; i < list.count; i++) {
    list.items[i] = km_entry_pair_info(&config->contexts[i]->pair, arena);
  }
  const char *name = default_name(provider, config, NULL);
  if (name != NULL && km_map_get(config->by_name, name) != NULL) {
    list.current = name;
  }
  *ret = list;
  return KM_OK;
}

static enum km_rc kubeconfig_resolve(struct km_provider *provider, const char *name, bool writes KM_UNUSED,
                                     struct km_arena *arena, struct km_endpoint *ret, struct km_error *err)
{
  const struct km_kubeconfig *config = hold(provider->state, arena, NULL, err);
  if (config == NULL) {
    return err->code;
  }
  const struct km_kubeconfig_context *context = find_context(provider, config, name, err);
  return context != NULL ? km_entry_pair_endpoint(&context->pair, arena, ret, err) : err->code;
}

/* The context of CONFIG (may be NULL) that still resolves to exactly ENDPOINT, or NULL. */
static const struct km_kubeconfig_context *find_endpoint(const struct km_kubeconfig *config,
                                                         const struct km_endpoint *endpoint,
                                                         struct km_arena *scratch)
{
  const struct km_kubeconfig_context *context =
      config != NULL ? km_map_get(config->by_name, endpoint->context) : NULL;
  struct km_endpoint again;
  struct km_error ignored;
  if (context != NULL && km_entry_pair_endpoint(&context->pair, scratch, &again, &ignored) == KM_OK &&
      km_streq(again.identity, endpoint->identity)) {
    return context;
  }
  return NULL;
}

/* A credential goes only to the endpoint it was written for: never the new user's to the old server. */
static enum km_rc kubeconfig_credential(struct km_provider *provider, const struct km_endpoint *endpoint,
                                        bool force KM_UNUSED, km_deadline deadline KM_UNUSED,
                                        struct km_cancel *cancel KM_UNUSED, struct km_credential *ret,
                                        struct km_error *err)
{
  KM_CLEANUP(km_arena_freep) struct km_arena *scratch = km_arena_new(SCRATCH_BYTES);
  const struct km_kubeconfig *previous = NULL;
  const struct km_kubeconfig *current = hold(provider->state, scratch, &previous, err);
  if (current == NULL) {
    return err->code;
  }
  const struct km_kubeconfig_context *context = find_endpoint(current, endpoint, scratch);
  if (context == NULL) {
    context = find_endpoint(previous, endpoint, scratch);
  }
  if (context == NULL) {
    km_error_set(err, KM_E_CONFLICT, "context '%s' changed in the kubeconfig while it was in use",
                 endpoint->context);
    return km_error_hint(err, "repeat the call");
  }
  return km_entry_pair_credential(&context->pair, ret, err);
}

const struct km_provider_ops km_provider_kubeconfig = {
    .kind = "kubeconfig",
    .caps = KM_PROVIDER_MULTI_CONTEXT | KM_PROVIDER_RELOADS,
    .fields = fields,
    .config_size = sizeof(struct kubeconfig_config),
    .state_size = sizeof(struct state),
    .open = kubeconfig_open,
    .contexts = kubeconfig_contexts,
    .resolve = kubeconfig_resolve,
    .credential = kubeconfig_credential,
    .reload = kubeconfig_reload,
    .close = kubeconfig_close,
};
