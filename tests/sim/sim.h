/* The simulator: two Kubernetes API servers that answer from recorded data, as the real ones did.
 *
 * A request goes serve.c (HTTP, identity) -> faults.c (shall it go wrong?) -> answer.c (which resource, may they) ->
 * listing.c, watch.c, logs.c, discovery.c to read, write.c and store.c to change; spoil.c makes wrong what a fault says.
 * A cluster's data is guarded by its lock, which answer.c takes for each request and watches take for each look. */
#ifndef SIM_H
#define SIM_H

#include <pthread.h>
#include <sys/types.h>
#include <yyjson.h>

#include "kube_mcp/base/arena.h"
#include "kube_mcp/base/buf.h"
#include "kube_mcp/base/error.h"

#define SIM_MAX_ANSWER       ((size_t)256 * 1024 * 1024)
#define SIM_MAX_GROUPS       8
#define SIM_RESOURCE_VERSION 100000 /* of the data as it was recorded */
#define SIM_MAX_CHANGES      1000   /* that watches can ask for */

/* --- data ----------------------------------------------------------------------------------------------------------- */

struct sim_object {
  const char *ns, *name; /* ns is "" for cluster-wide ones */
  yyjson_val *root;
  yyjson_val *cells; /* of its row, with the recorded age */
  const char *json;  /* as a GET answers it */
  const char *item;  /* as a list does: built-in kinds without kind and apiVersion */
  const char *metadata;
  int64_t created_ms;
};

struct sim_resource {
  const char *group, *version, *plural, *kind;
  yyjson_val *columns; /* empty: this API lays out no Tables */
  struct sim_object *objects;
  size_t count;
};

/* One write. */
struct sim_change {
  uint64_t version;
  const struct sim_resource *resource;
  bool had_before, has_after;
  struct sim_object before, after;
};

struct sim_cluster {
  const char *name;
  struct km_arena *arena; /* of everything below; changed under the lock only */
  pthread_rwlock_t lock;
  uint64_t written;           /* version of the last write */
  struct sim_change *changes; /* a ring */
  size_t change_count;        /* ever */
  yyjson_val *version;        /* what /version answers */
  yyjson_val *core, *groups;  /* arrays of APIGroupDiscovery */
  yyjson_val *openapi;        /* {documents, schemas} */
  struct sim_resource *resources;
  size_t count;
};

/* Reads DIR/NAME.yaml, DIR/discovery.json and DIR/openapi.json; timestamps are moved so that the recording seems to have ended now. */
enum km_rc sim_cluster_load(struct km_arena *arena, const char *dir, const char *name,
                            struct sim_cluster *ret, struct km_error *err);

/* How much comes in addition. */
struct sim_load {
  int64_t pods, events, kinds;
};
void sim_generate(struct sim_cluster *cluster, const struct sim_load *load);

const struct sim_resource *sim_resource_find(const struct sim_cluster *cluster, const char *group,
                                             const char *plural);
const struct sim_object *sim_object_find(const struct sim_resource *resource, const char *ns,
                                         const char *name);
/* By namespace and name, the order they are listed in. */
int sim_object_order(const struct sim_object *a, const struct sim_object *b);
/* JSON, the arena's, stays the object's text. CELLS may be NULL: not known. */
void sim_object_make(struct km_arena *arena, const struct sim_resource *resource, char *json,
                     yyjson_val *cells, struct sim_object *ret);

/* Stores OBJECT, of DOC, in place of OLD (NULL: new) under the next version. */
const struct sim_object *sim_store_put(struct sim_cluster *cluster, const struct sim_resource *resource,
                                       yyjson_mut_doc *doc, yyjson_mut_val *object,
                                       const struct sim_object *old);
void sim_store_remove(struct sim_cluster *cluster, const struct sim_resource *resource,
                      const struct sim_object *object);
/* The version from which on changes are known. */
uint64_t sim_oldest_version(const struct sim_cluster *cluster);
/* The first change after VERSION, or NULL. */
const struct sim_change *sim_change_after(const struct sim_cluster *cluster, uint64_t version);

/* --- one request ---------------------------------------------------------------------------------------------------- */

struct sim_identity {
  char user[128];
  char groups[SIM_MAX_GROUPS][128];
  size_t group_count;
};

struct sim_request {
  struct sim_cluster *cluster;
  const struct sim_identity *who;
  struct km_arena *arena;
  const char *method, *path, *accept, *token /* of the Authorization header */, *content_type, *body;
  const char *(*query)(void *data, const char *name); /* NULL when absent */
  void *query_data;
};

/* A body that comes in the course of time. */
struct sim_stream {
  /* At most MAX bytes, waiting for them; 0 at the end, and when the simulator stops. */
  size_t (*read)(void *state, char *buf, size_t max);
  void (*free)(void *state);
  void *state;
};

struct sim_answer {
  unsigned status;
  const char *type;
  struct km_buf body;
  struct sim_stream stream; /* instead of BODY unless its `read` is NULL */
};

/* The resource that a path names, after discovery. */
struct sim_target {
  const char *group, *version, *plural, *ns, *name, *subresource; /* "" = none */
  const struct sim_resource *resource;                            /* NULL: nothing of it is recorded */
  const char *kind;
};

void sim_answer(const struct sim_request *request, struct sim_answer *answer);
/* A Status. DETAILS is a JSON object, or NULL. */
void sim_fail(struct sim_answer *answer, unsigned status, const char *reason, const char *details,
              const char *format, ...) KM_PRINTF(5, 6);
const char *sim_query(const struct sim_request *request, const char *name); /* "" when absent */
/* False, with the answer a refusal, when the caller may not do that. */
bool sim_may(const struct sim_request *request, const struct sim_target *target, const char *verb,
             struct sim_answer *answer);
/* Sleeps for MS; false as soon as the simulator stops. */
bool sim_pause(long ms);
void sim_stop_pauses(void);

/* What a caller wants to see, and in which form. */
enum sim_form { SIM_FORM_OBJECTS, SIM_FORM_METADATA, SIM_FORM_TABLE };

struct sim_view {
  enum sim_form form;
  const struct sim_resource *resource; /* may be NULL */
  const char *ns, *include;
  struct sim_selector *labels, *fields;
};
/* In memory of ARENA; false when the request has been refused. */
bool sim_view_open(const struct sim_request *request, const struct sim_target *target, struct km_arena *arena,
                   struct sim_view *ret, struct sim_answer *answer);
bool sim_view_has(const struct sim_view *view, const struct sim_object *object);
/* One object by itself, and as the member of a list. */
void sim_view_put(const struct sim_view *view, const struct sim_cluster *cluster,
                  const struct sim_object *object, struct km_buf *out);
void sim_view_put_item(const struct sim_view *view, const struct sim_object *object, struct km_buf *out);

void sim_watch(const struct sim_request *request, const struct sim_target *target, struct sim_answer *answer);
/* create, update, patch or delete. */
void sim_write(const struct sim_request *request, const struct sim_target *target, const char *verb,
               struct sim_answer *answer);
/* Both change OBJECT; the latter is false when an operation does not apply. */
void sim_merge_strategic(yyjson_mut_doc *doc, yyjson_mut_val *object, yyjson_mut_val *patch);
bool sim_patch_json(yyjson_mut_doc *doc, yyjson_mut_val *object, yyjson_mut_val *operations);
void sim_list(const struct sim_request *request, const struct sim_target *target, struct sim_answer *answer);
void sim_get(const struct sim_request *request, const struct sim_target *target, struct sim_answer *answer);
void sim_logs(const struct sim_request *request, const struct sim_object *pod, struct sim_answer *answer);

/* --- discovery ------------------------------------------------------------------------------------------------------ */

/* Answers /api, /apis and what lies directly below; false when PATH is something else. */
bool sim_discovery(const struct sim_request *request, struct sim_answer *answer);
/* Answers the OpenAPI v3 index and the documents that were recorded; false when PATH is something else. */
bool sim_openapi(const struct sim_request *request, struct sim_answer *answer);
/* Whether GROUP and VERSION are served by an API server of their own that does not answer. */
bool sim_is_broken(const struct sim_cluster *cluster, const char *group, const char *version);
/* The entry of a resource, or NULL. */
yyjson_val *sim_discovered(const struct sim_cluster *cluster, const char *group, const char *version,
                           const char *plural);

/* --- access --------------------------------------------------------------------------------------------------------- */

struct sim_access {
  const char *verb, *group, *resource, *ns, *name;
};
/* Evaluates the recorded roles and bindings. */
bool sim_allowed(const struct sim_cluster *cluster, const struct sim_identity *who,
                 const struct sim_access *access);
/* Answers SelfSubjectAccessReview, SelfSubjectReview; false for another resource. */
bool sim_review(const struct sim_request *request, const struct sim_target *target,
                struct sim_answer *answer);
bool sim_in_group(const struct sim_identity *who, const char *group);

/* --- selectors ------------------------------------------------------------------------------------------------------ */

struct sim_selector;
/* NULL with a message in ERR when TEXT is malformed. */
struct sim_selector *sim_labels_parse(struct km_arena *arena, const char *text, struct km_error *err);
struct sim_selector *sim_fields_parse(struct km_arena *arena, const char *text,
                                      const struct sim_target *target, struct km_error *err);
bool sim_selector_matches(const struct sim_selector *selector, const struct sim_object *object);

/* --- faults --------------------------------------------------------------------------------------------------------- */

/* What becomes of the body of an answer; tests/sim/README.md says what each looks like on the wire. */
enum sim_body {
  SIM_BODY_WHOLE,
  SIM_BODY_RESET,
  SIM_BODY_RESET_WITHIN,
  SIM_BODY_TRUNCATED,
  SIM_BODY_TRUNCATED_CHUNKS,
  SIM_BODY_TRICKLE,
  SIM_BODY_GARBAGE,
  SIM_BODY_SHAPE,
  SIM_BODY_HOLES,
  SIM_BODY_HTML,
  SIM_BODY_EMPTY,
  SIM_BODY_ENDLESS,
  SIM_BODY_BLANK,
  SIM_BODY_HUGE,
  SIM_BODY_CLOSE
};

struct sim_fault {
  /* Which requests; "" = any. */
  char cluster[32], path[256], parameter[64] /* of the query, not empty */, token[128];
  long skip, count; /* so many go well first; count 0 = until cleared */
  /* What happens to them. */
  unsigned status, retry_after_s;
  long delay_ms, interval_ms, bytes;
  enum sim_body body;
  unsigned generation; /* of the rules it was taken from */
};

/* The fault for REQUEST, used up by one; false if none. Waits out its delay, or until faults are cleared. */
bool sim_fault_take(const struct sim_request *request, struct sim_fault *ret);
/* Sleeps for MS; false as soon as faults have been cleared since FAULT was taken. */
bool sim_fault_wait(const struct sim_fault *fault, long ms);
/* Makes ANSWER the Status of the fault's code, if it has one. */
void sim_fault_refuse(const struct sim_fault *fault, struct sim_answer *answer);
/* POST adds a rule, GET says how often any was taken, DELETE ends all. */
void sim_faults_script(const struct sim_request *request, struct sim_answer *answer);
void sim_faults_clear(void);

struct MHD_Connection;
struct MHD_Response;
struct MHD_Response *sim_whole_response(struct sim_answer *answer);
/* The response that a fault makes of a good answer, whose body it takes; NULL: no response, hang up. */
struct MHD_Response *sim_spoil(const struct sim_fault *fault, struct MHD_Connection *connection,
                               struct sim_answer *answer);

/* --- keys, files, servers --------------------------------------------------------------------------------------------- */

struct sim_pair {
  char *certificate, *key; /* PEM */
};

struct sim_pki {
  struct sim_pair ca, server, admin, expired, other;
};
enum km_rc sim_pki_make(struct km_arena *arena, const char *cluster, struct sim_pki *ret,
                        struct km_error *err);

struct sim_login {
  const char *token;
  struct sim_identity identity;
};

struct sim_server; /* one API server, or the one that takes faults */
enum km_rc sim_server_start(struct sim_cluster *cluster, const struct sim_pki *pki,
                            const struct sim_login *logins, size_t login_count, unsigned port,
                            struct sim_server **ret, struct km_error *err);
enum km_rc sim_admin_start(unsigned port, struct sim_server **ret, struct km_error *err);
unsigned sim_server_port(const struct sim_server *server);
void sim_server_stop(struct sim_server *server);

enum { SIM_VIEWER, SIM_CHECKOUT_DEV, SIM_NOBODY, SIM_SERVICE_ACCOUNT, SIM_LOGIN_COUNT };

struct sim_world {
  struct km_arena *arena;
  const char *dir;
  struct sim_pki prod, staging;
  struct sim_login logins[SIM_LOGIN_COUNT];
  unsigned prod_port, staging_port, admin_port, dead_port;
  const char *version;
};
/* Makes the logins. */
void sim_world_init(struct sim_world *world);
/* Writes kubeconfig, env and the key files into world->dir. */
enum km_rc sim_world_write(const struct sim_world *world, struct km_error *err);

#endif
