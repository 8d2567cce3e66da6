/* Create, update, patch, apply and delete, in memory. Runs under the cluster's lock for writing.
 *
 * Identity and bookkeeping fields are the simulator's; nothing else is validated, defaulted or reconciled: what is written
 * is what is read. managedFields are not kept, so applying never conflicts and takes no field back. */
#include <string.h>

#include "kube_mcp/base/clock.h"
#include "kube_mcp/base/crypto.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/codec/json.h"
#include "kube_mcp/codec/yaml.h"
#include "sim.h"

#include "kube_mcp/base/banned.h"

/* A write under way. */
struct writing {
  const struct sim_request *request;
  const struct sim_target *target;
  struct sim_answer *answer;
  yyjson_mut_doc *doc;
  const struct sim_object *old; /* NULL: there is none yet */
};

/* --- refusals ----------------------------------------------------------------------------------------------------------- */

/* "deployments.apps \"web\"" and the details that say the same. */
static const char *subject(const struct writing *w, const char *name)
{
  const struct sim_target *target = w->target;
  return km_arena_printf(w->request->arena, "%s%s%s \"%s\"", target->plural,
                         target->group[0] == '\0' ? "" : ".", target->group, name);
}

static const char *details(const struct writing *w, const char *name)
{
  return km_arena_printf(w->request->arena, "{\"name\":\"%s\",\"group\":\"%s\",\"kind\":\"%s\"}", name,
                         w->target->group, w->target->plural);
}

static bool refuse_conflict(const struct writing *w)
{
  sim_fail(
      w->answer, 409, "Conflict", details(w, w->old->name),
      "Operation cannot be fulfilled on %s: the object has been modified; please apply your changes to the "
      "latest version and try again",
      subject(w, w->old->name));
  return false;
}

static bool refuse(const struct writing *w, const char *message)
{
  sim_fail(w->answer, 400, "BadRequest", NULL, "%s", message);
  return false;
}

static bool refuse_invalid(const struct writing *w, const char *message)
{
  sim_fail(w->answer, 422, "Invalid", NULL, "%s \"\" is invalid: %s", w->target->kind, message);
  return false;
}

/* --- what was sent ------------------------------------------------------------------------------------------------------ */

static void refuse_type(const struct writing *w, const char *known)
{
  sim_fail(w->answer, 415, "UnsupportedMediaType", "{}",
           "the body of the request was in an unknown format - accepted media types include: %s", known);
}

/* JSON, or YAML where that is allowed; NULL when it has been refused. */
static yyjson_mut_val *read_body(const struct writing *w, bool yaml)
{
  if (strstr(w->request->content_type, "protobuf") != NULL) {
    refuse_type(w, "application/json");
    return NULL;
  }
  struct km_arena *arena = w->request->arena;
  const char *body = w->request->body;
  struct km_error err;
  yyjson_doc *doc = NULL;
  enum km_rc rc = yaml ? km_yaml_parse(arena, body, strlen(body), "body", &km_yaml_default_limits, &doc, &err)
                       : km_json_parse(arena, body, strlen(body), KM_JSON_MAX_DEPTH, &doc, &err);
  if (rc != KM_OK) {
    (void)refuse(w, km_arena_printf(arena, "error decoding the body: %s", err.message));
    return NULL;
  }
  yyjson_val *root = yyjson_doc_get_root(doc);
  return yyjson_val_mut_copy(w->doc, yaml ? yyjson_arr_get_first(root) : root);
}

static const char *text_at(yyjson_mut_val *object, const char *key)
{
  const char *text = yyjson_mut_get_str(yyjson_mut_obj_get(object, key));
  return text == NULL ? "" : text;
}

static yyjson_mut_val *metadata_of(const struct writing *w, yyjson_mut_val *object)
{
  yyjson_mut_val *metadata = yyjson_mut_obj_get(object, "metadata");
  if (!yyjson_mut_is_obj(metadata)) {
    metadata = yyjson_mut_obj(w->doc);
    yyjson_mut_obj_put(object, yyjson_mut_str(w->doc, "metadata"), metadata);
  }
  return metadata;
}

static void put_text(const struct writing *w, yyjson_mut_val *object, const char *key, const char *text)
{
  yyjson_mut_obj_put(object, yyjson_mut_str(w->doc, key), yyjson_mut_strcpy(w->doc, text));
}

/* Whether OBJECT is of the kind and namespace that it was sent to. */
static bool belongs_here(const struct writing *w, yyjson_mut_val *object)
{
  const struct sim_target *target = w->target;
  const char *kind = text_at(object, "kind");
  const char *ns = text_at(yyjson_mut_obj_get(object, "metadata"), "namespace");
  if (!yyjson_mut_is_obj(object) || (kind[0] != '\0' && !km_streq(kind, target->kind))) {
    return refuse(w, "the object provided is unrecognized (must be of the kind that the path names)");
  }
  return ns[0] == '\0' || km_streq(ns, target->ns) ||
         refuse(w, "the namespace of the provided object does not match the namespace sent on the request");
}

/* The version the writer has read, if the object says one, must be the current one. */
static bool is_current(const struct writing *w, yyjson_mut_val *object)
{
  const char *wanted = text_at(yyjson_mut_obj_get(object, "metadata"), "resourceVersion");
  const char *current = km_json_str(km_json_obj(w->old->root, "metadata"), "resourceVersion");
  return wanted[0] == '\0' || km_streq(wanted, current) || refuse_conflict(w);
}

static bool namespace_exists(const struct writing *w)
{
  const char *ns = w->target->ns;
  if (ns[0] == '\0' ||
      sim_object_find(sim_resource_find(w->request->cluster, "", "namespaces"), "", ns) != NULL) {
    return true;
  }
  sim_fail(w->answer, 404, "NotFound",
           km_arena_printf(w->request->arena, "{\"name\":\"%s\",\"kind\":\"namespaces\"}", ns),
           "namespaces \"%s\" not found", ns);
  return false;
}

/* --- storing ------------------------------------------------------------------------------------------------------------ */

static bool is_dry_run(const struct writing *w)
{
  return km_streq(sim_query(w->request, "dryRun"), "All");
}

/* A name for an object that only says how it begins. */
static void generate_name(const struct writing *w, yyjson_mut_val *metadata)
{
  static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
  unsigned char random[5];
  char ending[sizeof(random) + 1] = "";
  km_random(random, sizeof(random));
  for (size_t i = 0; i < sizeof(random); i++) {
    ending[i] = letters[random[i] % (sizeof(letters) - 1)];
  }
  put_text(w, metadata, "name",
           km_arena_printf(w->request->arena, "%s%s", text_at(metadata, "generateName"), ending));
}

/* What the server gives a new object. */
static void begin_life(const struct writing *w, yyjson_mut_val *object)
{
  const struct sim_target *target = w->target;
  yyjson_mut_val *metadata = metadata_of(w, object);
  unsigned char random[16];
  char digits[2 * sizeof(random) + 1], now[40];
  km_random(random, sizeof(random));
  km_hex(digits, random, sizeof(random));
  km_rfc3339(now, sizeof(now), km_clock_wall_ms());
  (void)km_strcopy(now + strlen("2026-01-02T03:04:05"), 2, "Z"); /* whole seconds */
  put_text(w, object, "apiVersion",
           km_arena_printf(w->request->arena, "%s%s%s", target->group, target->group[0] == '\0' ? "" : "/",
                           target->version));
  put_text(w, object, "kind", target->kind);
  put_text(w, metadata, "uid",
           km_arena_printf(w->request->arena, "%.8s-%.4s-4%.3s-8%.3s-%.12s", digits, digits + 8, digits + 12,
                           digits + 15, digits + 20));
  put_text(w, metadata, "creationTimestamp", now);
  if (yyjson_mut_obj_get(object, "spec") != NULL) {
    yyjson_mut_obj_put(metadata, yyjson_mut_str(w->doc, "generation"), yyjson_mut_int(w->doc, 1));
  }
  if (target->ns[0] != '\0') {
    put_text(w, metadata, "namespace", target->ns);
  }
}

/* What a changed object keeps of the old one; a new spec is a new generation. */
static void go_on_living(const struct writing *w, yyjson_mut_val *object)
{
  static const char *const kept[] = {"name",       "namespace",      "uid", "creationTimestamp",
                                     "generation", "resourceVersion"};
  yyjson_val *old = km_json_obj(w->old->root, "metadata");
  yyjson_mut_val *metadata = metadata_of(w, object);
  for (size_t i = 0; i < KM_ARRAY_LEN(kept); i++) {
    yyjson_val *value = yyjson_obj_get(old, kept[i]);
    if (value != NULL) {
      yyjson_mut_obj_put(metadata, yyjson_mut_str(w->doc, kept[i]), yyjson_val_mut_copy(w->doc, value));
    }
  }
  yyjson_mut_val *spec = yyjson_val_mut_copy(w->doc, yyjson_obj_get(w->old->root, "spec"));
  if (spec != NULL && !yyjson_mut_equals(spec, yyjson_mut_obj_get(object, "spec"))) {
    int64_t generation = km_json_int(old, "generation", 0) + 1;
    yyjson_mut_obj_put(metadata, yyjson_mut_str(w->doc, "generation"), yyjson_mut_int(w->doc, generation));
  }
}

/* Stores OBJECT, unless it is as the old one or the run is dry, and answers with it. */
static void store(const struct writing *w, yyjson_mut_val *object, unsigned status)
{
  const struct sim_object *stored = w->old;
  struct sim_object tried;
  yyjson_mut_val *before = w->old == NULL ? NULL : yyjson_val_mut_copy(w->doc, w->old->root);
  if (before == NULL || !yyjson_mut_equals(before, object)) {
    if (is_dry_run(w)) {
      struct km_buf text;
      km_buf_init(&text, SIM_MAX_ANSWER);
      km_json_write(object, false, &text);
      sim_object_make(w->request->arena, w->target->resource,
                      km_arena_strndup(w->request->arena, text.data, text.len), NULL, &tried);
      km_buf_done(&text);
      stored = &tried;
    } else {
      stored = sim_store_put(w->request->cluster, w->target->resource, w->doc, object, w->old);
    }
  }
  struct sim_view view;
  if (sim_view_open(w->request, w->target, w->request->arena, &view, w->answer)) {
    w->answer->status = status;
    sim_view_put(&view, w->request->cluster, stored, &w->answer->body);
    km_buf_putc(&w->answer->body, '\n');
  }
}

/* --- the verbs ---------------------------------------------------------------------------------------------------------- */

static void create_named(struct writing *w, yyjson_mut_val *object, const char *name)
{
  if (sim_object_find(w->target->resource, w->target->ns, name) != NULL) {
    sim_fail(w->answer, 409, "AlreadyExists", details(w, name), "%s already exists", subject(w, name));
    return;
  }
  begin_life(w, object);
  store(w, object, 201);
}

static void create(struct writing *w)
{
  yyjson_mut_val *object = read_body(w, false);
  if (object == NULL || !belongs_here(w, object) || !namespace_exists(w)) {
    return;
  }
  yyjson_mut_val *metadata = metadata_of(w, object);
  if (text_at(metadata, "name")[0] == '\0') {
    if (text_at(metadata, "generateName")[0] == '\0') {
      (void)refuse_invalid(w, "metadata.name: Required value: name or generateName is required");
      return;
    }
    generate_name(w, metadata);
  }
  create_named(w, object, text_at(metadata, "name"));
}

static void update(struct writing *w)
{
  yyjson_mut_val *object = read_body(w, false);
  if (object == NULL || !belongs_here(w, object) || !is_current(w, object)) {
    return;
  }
  if (!km_streq(text_at(metadata_of(w, object), "name"), w->old->name)) {
    (void)refuse(w, "the name of the object does not match the name on the URL");
    return;
  }
  begin_life(w, object);
  go_on_living(w, object);
  store(w, object, 200);
}

static void apply(struct writing *w)
{
  if (sim_query(w->request, "fieldManager")[0] == '\0') {
    sim_fail(w->answer, 422, "Invalid", NULL,
             "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply "
             "patch");
    return;
  }
  yyjson_mut_val *applied = read_body(w, true);
  if (applied == NULL || !belongs_here(w, applied) || !namespace_exists(w)) {
    return;
  }
  yyjson_mut_val *metadata = metadata_of(w, applied);
  const char *name = text_at(metadata, "name");
  if (name[0] != '\0' && !km_streq(name, w->target->name)) {
    (void)refuse(w, "the name of the object does not match the name on the URL");
    return;
  }
  put_text(w, metadata, "name", w->target->name);
  if (w->old == NULL) {
    if (sim_may(w->request, w->target, "create", w->answer)) {
      create_named(w, applied, w->target->name);
    }
    return;
  }
  if (is_current(w, applied)) {
    yyjson_mut_val *object = yyjson_val_mut_copy(w->doc, w->old->root);
    sim_merge_strategic(w->doc, object, applied);
    go_on_living(w, object);
    store(w, object, 200);
  }
}

/* The old object with the patch in it; NULL when that has been refused. */
static yyjson_mut_val *patched(const struct writing *w, yyjson_mut_val *patch)
{
  const char *type = w->request->content_type;
  yyjson_mut_val *object = yyjson_val_mut_copy(w->doc, w->old->root);
  if (km_starts_with(type, "application/json-patch+json")) {
    if (!sim_patch_json(w->doc, object, patch)) {
      (void)refuse_invalid(w, "the server rejected our request due to an error in our request");
      return NULL;
    }
  } else if (!yyjson_mut_is_obj(patch)) {
    (void)refuse(w, "the patch is not an object");
    return NULL;
  } else if (!is_current(w, patch)) {
    return NULL;
  } else if (km_starts_with(type, "application/merge-patch+json")) {
    object = yyjson_mut_merge_patch(w->doc, object, patch);
  } else {
    sim_merge_strategic(w->doc, object, patch);
  }
  return object;
}

static void patch(struct writing *w)
{
  static const char *const types[] = {"application/json-patch+json", "application/merge-patch+json",
                                      "application/strategic-merge-patch+json"};
  bool known = false;
  for (size_t i = 0; i < KM_ARRAY_LEN(types); i++) {
    known = known || km_starts_with(w->request->content_type, types[i]);
  }
  if (!known) {
    refuse_type(w, "application/json-patch+json, application/merge-patch+json, "
                   "application/strategic-merge-patch+json, application/apply-patch+yaml");
    return;
  }
  yyjson_mut_val *sent = read_body(w, false);
  yyjson_mut_val *object = sent == NULL ? NULL : patched(w, sent);
  if (object != NULL) {
    go_on_living(w, object);
    store(w, object, 200);
  }
}

/* At once, whatever grace, propagation or finalizers say. */
static void delete (struct writing *w)
{
  yyjson_mut_val *options = w->request->body[0] == '\0' ? NULL : read_body(w, false);
  yyjson_mut_val *conditions = yyjson_mut_obj_get(options, "preconditions");
  yyjson_val *metadata = km_json_obj(w->old->root, "metadata");
  static const char *const keys[] = {"resourceVersion", "uid"};
  for (size_t i = 0; i < KM_ARRAY_LEN(keys); i++) {
    const char *wanted = text_at(conditions, keys[i]);
    if (wanted[0] != '\0' && !km_streq(wanted, km_json_str(metadata, keys[i]))) {
      (void)refuse_conflict(w);
      return;
    }
  }
  if (w->answer->status != 200) {
    return;
  }
  km_buf_printf(
      &w->answer->body,
      "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Success\",\"details\":%s}\n",
      details(w, w->old->name));
  if (!is_dry_run(w)) {
    sim_store_remove(w->request->cluster, w->target->resource, w->old);
  }
}

static void not_allowed(struct sim_answer *answer)
{
  sim_fail(answer, 405, "MethodNotAllowed", "{}",
           "the server does not allow this method on the requested resource");
}

static void write_object(struct writing *w, const char *verb)
{
  bool applies =
      km_streq(verb, "patch") && km_starts_with(w->request->content_type, "application/apply-patch+yaml");
  if (km_streq(verb, "create")) {
    create(w);
  } else if (applies) {
    apply(w);
  } else if (w->old == NULL) {
    sim_fail(w->answer, 404, "NotFound", details(w, w->target->name), "%s not found",
             subject(w, w->target->name));
  } else if (km_streq(verb, "update")) {
    update(w);
  } else if (km_streq(verb, "patch")) {
    patch(w);
  } else {
    delete (w);
  }
}

void sim_write(const struct sim_request *request, const struct sim_target *target, const char *verb,
               struct sim_answer *answer)
{
  bool creates = km_streq(verb, "create"), named = target->name[0] != '\0';
  const char *dry_run = sim_query(request, "dryRun");
  if (target->resource == NULL || target->subresource[0] != '\0' || creates == named) {
    not_allowed(answer);
    return;
  }
  if (dry_run[0] != '\0' && !km_streq(dry_run, "All")) {
    sim_fail(answer, 422, "Invalid", NULL, "dryRun: Unsupported value: \"%s\": supported values: \"All\"",
             dry_run);
    return;
  }
  struct writing w = {.request = request,
                      .target = target,
                      .answer = answer,
                      .doc = yyjson_mut_doc_new(NULL),
                      .old = named ? sim_object_find(target->resource, target->ns, target->name) : NULL};
  struct sim_object old; /* its place in the array may move */
  if (w.old != NULL) {
    old = *w.old;
    w.old = &old;
  }
  write_object(&w, verb);
  yyjson_mut_doc_free(w.doc);
}
