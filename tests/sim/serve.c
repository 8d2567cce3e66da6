/* HTTP: connections, who is calling, and answers that go wrong when told to.
 *
 * One thread per connection, so that a delayed answer holds up nobody else. A client certificate is asked for, never
 * demanded; one that does not verify makes the call unauthenticated (401), as at a real API server. */
#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <microhttpd.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kube_mcp/base/alloc.h"
#include "kube_mcp/base/clock.h"
#include "kube_mcp/base/str.h"
#include "sim.h"

#include "kube_mcp/base/banned.h"

#define MAX_REQUEST_BODY ((size_t)4 * 1024 * 1024)
#define STREAM_BLOCK     ((size_t)16 * 1024)

struct sim_server {
  struct MHD_Daemon *daemon;
  struct sim_cluster *cluster; /* NULL: takes faults */
  const struct sim_login *logins;
  size_t login_count;
};

/* --- identity ----------------------------------------------------------------------------------------------------------- */

static const char *header(struct MHD_Connection *connection, const char *name)
{
  const char *value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
  return value == NULL ? "" : value;
}

static void add_group(struct sim_identity *who, const char *group)
{
  if (who->group_count < SIM_MAX_GROUPS) {
    (void)km_strcopy(who->groups[who->group_count++], sizeof(who->groups[0]), group);
  }
}

/* CN and O of the certificate; false if there are none. */
static bool read_certificate(const gnutls_datum_t *der, struct sim_identity *who)
{
  gnutls_x509_crt_t certificate;
  size_t size = sizeof(who->user);
  if (gnutls_x509_crt_init(&certificate) != 0) {
    return false;
  }
  bool ok =
      gnutls_x509_crt_import(certificate, der, GNUTLS_X509_FMT_DER) == 0 &&
      gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, who->user, &size) == 0;
  for (unsigned i = 0; ok && i < SIM_MAX_GROUPS - 1; i++) {
    char group[128];
    size = sizeof(group);
    if (gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_ORGANIZATION_NAME, i, 0, group, &size) !=
        0) {
      break;
    }
    add_group(who, group);
  }
  gnutls_x509_crt_deinit(certificate);
  return ok;
}

static bool is_trusted(gnutls_session_t session)
{
  unsigned status = 0;
  return gnutls_certificate_verify_peers2(session, &status) == 0 && status == 0;
}

/* False when a credential was given and is not good. */
static bool identify(const struct sim_server *server, struct MHD_Connection *connection,
                     struct sim_identity *who)
{
  *who = (struct sim_identity){0};
  const char *authorization = header(connection, "Authorization");
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
  unsigned count = 0;
  const gnutls_datum_t *chain = info == NULL ? NULL : gnutls_certificate_get_peers(info->tls_session, &count);
  if (chain != NULL && count > 0) {
    if (!is_trusted(info->tls_session) || !read_certificate(&chain[0], who)) {
      return false;
    }
    add_group(who, "system:authenticated");
    return true;
  }
  if (km_starts_with(authorization, "Bearer ")) {
    for (size_t i = 0; i < server->login_count; i++) {
      if (km_streq(authorization + strlen("Bearer "), server->logins[i].token)) {
        *who = server->logins[i].identity;
        return true;
      }
    }
    return false;
  }
  (void)km_strcopy(who->user, sizeof(who->user), "system:anonymous");
  add_group(who, "system:unauthenticated");
  return authorization[0] == '\0';
}

/* Takes on the identity that an administrator asks for. */
static bool impersonate(struct MHD_Connection *connection, struct sim_identity *who,
                        struct sim_answer *answer)
{
  const char *user = header(connection, "Impersonate-User");
  if (*user == '\0') {
    return true;
  }
  if (!sim_in_group(who, "system:masters")) {
    sim_fail(answer, 403, "Forbidden", "{\"kind\":\"users\"}",
             "users \"%s\" is forbidden: User \"%s\" cannot impersonate resource \"users\" in API group \"\" "
             "at the cluster scope",
             user, who->user);
    return false;
  }
  *who = (struct sim_identity){0};
  (void)km_strcopy(who->user, sizeof(who->user), user);
  if (header(connection, "Impersonate-Group")[0] != '\0') {
    add_group(who, header(connection, "Impersonate-Group"));
  }
  add_group(who, "system:authenticated");
  return true;
}

/* --- answers ------------------------------------------------------------------------------------------------------------ */

static ssize_t read_stream(void *data, uint64_t position, char *buf, size_t max)
{
  (void)position;
  const struct sim_stream *stream = data;
  size_t len = stream->read(stream->state, buf, max);
  return len == 0 ? MHD_CONTENT_READER_END_OF_STREAM : (ssize_t)len;
}

static void free_stream(void *data)
{
  struct sim_stream *stream = data;
  stream->free(stream->state);
  free(stream);
}

struct MHD_Response *sim_whole_response(struct sim_answer *answer)
{
  if (answer->stream.read != NULL) {
    struct sim_stream *stream = KM_NEW(struct sim_stream);
    *stream = answer->stream;
    km_buf_done(&answer->body);
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_stream, stream,
                                             free_stream);
  }
  size_t len = answer->body.len;
  return MHD_create_response_from_buffer(len, km_buf_detach(&answer->body, NULL), MHD_RESPMEM_MUST_FREE);
}

/* Ours may be wrong on purpose; libmicrohttpd would say the right time. */
static void add_date(struct MHD_Response *response)
{
  char text[64];
  struct tm tm;
  time_t now = (time_t)(km_clock_wall_ms() / 1000);
  (void)strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
  (void)MHD_add_response_header(response, "Date", text);
}

/* RESPONSE may be NULL: the connection is closed then. */
static enum MHD_Result send_response(struct MHD_Connection *connection, const struct sim_answer *answer,
                                     struct MHD_Response *response)
{
  if (response == NULL) {
    return MHD_NO;
  }
  (void)MHD_add_response_header(response, "Content-Type", answer->type);
  add_date(response);
  enum MHD_Result result = MHD_queue_response(connection, answer->status, response);
  MHD_destroy_response(response);
  return result;
}

/* --- requests ----------------------------------------------------------------------------------------------------------- */

static const char *query_value(void *connection, const char *name)
{
  return MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, name);
}

static void answer_call(const struct sim_server *server, struct MHD_Connection *connection,
                        struct sim_request *request, struct sim_answer *answer)
{
  struct sim_identity who;
  if (!identify(server, connection, &who)) {
    sim_fail(answer, 401, "Unauthorized", NULL, "Unauthorized");
    return;
  }
  if (!impersonate(connection, &who, answer)) {
    return;
  }
  request->who = &who;
  sim_answer(request, answer);
}

static const char *bearer_of(struct MHD_Connection *connection)
{
  const char *authorization = header(connection, "Authorization");
  return km_starts_with(authorization, "Bearer ") ? authorization + strlen("Bearer ") : "";
}

static enum MHD_Result answer_request(const struct sim_server *server, struct MHD_Connection *connection,
                                      const char *url, const char *method, const char *body)
{
  KM_CLEANUP(km_arena_freep) struct km_arena *arena = km_arena_new(MAX_REQUEST_BODY * 4);
  struct sim_request request = {.cluster = server->cluster,
                                .arena = arena,
                                .method = method,
                                .path = url,
                                .accept = header(connection, "Accept"),
                                .token = bearer_of(connection),
                                .content_type = header(connection, "Content-Type"),
                                .body = body,
                                .query = query_value,
                                .query_data = connection};
  struct sim_answer answer = {.type = "application/json"};
  struct sim_fault fault = {0};
  km_buf_init(&answer.body, SIM_MAX_ANSWER);
  if (server->cluster == NULL) {
    sim_faults_script(&request, &answer);
    return send_response(connection, &answer, sim_whole_response(&answer));
  }
  bool faulty = sim_fault_take(&request, &fault);
  if (fault.status == 0) { /* what is refused is not carried out */
    answer_call(server, connection, &request, &answer);
  }
  return send_response(connection, &answer,
                       faulty ? sim_spoil(&fault, connection, &answer) : sim_whole_response(&answer));
}

static enum MHD_Result on_request(void *data, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_len, void **state)
{
  (void)version;
  struct km_buf *body = *state;
  if (body == NULL) {
    *state = body = KM_NEW(struct km_buf);
    km_buf_init(body, MAX_REQUEST_BODY);
    return MHD_YES;
  }
  if (*upload_len > 0) {
    km_buf_append(body, upload, *upload_len);
    *upload_len = 0;
    return MHD_YES;
  }
  return answer_request(data, connection, url, method, body->data);
}

static void on_completed(void *data, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode reason)
{
  (void)data;
  (void)connection;
  (void)reason;
  if (*state != NULL) {
    km_buf_done(*state);
    free(*state);
    *state = NULL;
  }
}

/* --- stopping ----------------------------------------------------------------------------------------------------------- */

static atomic_bool stopping;

bool sim_pause(long ms)
{
  (void)nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
  return !atomic_load(&stopping);
}

void sim_stop_pauses(void)
{
  atomic_store(&stopping, true);
}

/* --- servers ------------------------------------------------------------------------------------------------------------ */

static enum km_rc start(struct sim_server *server, const struct sim_pki *pki, unsigned port,
                        struct sim_server **ret, struct km_error *err)
{
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
                   MHD_USE_SUPPRESS_DATE_NO_CLOCK | (pki == NULL ? 0U : MHD_USE_TLS);
  struct MHD_OptionItem tls[] = {
      {MHD_OPTION_HTTPS_MEM_CERT, 0, pki == NULL ? NULL : pki->server.certificate},
      {MHD_OPTION_HTTPS_MEM_KEY, 0, pki == NULL ? NULL : pki->server.key},
      {MHD_OPTION_HTTPS_MEM_TRUST, 0, pki == NULL ? NULL : pki->ca.certificate},
      {MHD_OPTION_END, 0, NULL},
  };
  server->daemon =
      MHD_start_daemon(flags, (uint16_t)port, NULL, NULL, on_request, server, MHD_OPTION_SOCK_ADDR, &address,
                       MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                       (size_t)64 * 1024, MHD_OPTION_ARRAY, pki == NULL ? &tls[3] : tls, MHD_OPTION_END);
  if (server->daemon == NULL) {
    free(server);
    return km_error_set(err, KM_E_CONFLICT, "cannot listen on 127.0.0.1:%u", port);
  }
  *ret = server;
  return KM_OK;
}

enum km_rc sim_server_start(struct sim_cluster *cluster, const struct sim_pki *pki,
                            const struct sim_login *logins, size_t login_count, unsigned port,
                            struct sim_server **ret, struct km_error *err)
{
  struct sim_server *server = KM_NEW(struct sim_server);
  *server = (struct sim_server){.cluster = cluster, .logins = logins, .login_count = login_count};
  return start(server, pki, port, ret, err);
}

enum km_rc sim_admin_start(unsigned port, struct sim_server **ret, struct km_error *err)
{
  return start(KM_NEW(struct sim_server), NULL, port, ret, err);
}

unsigned sim_server_port(const struct sim_server *server)
{
  return MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

void sim_server_stop(struct sim_server *server)
{
  if (server != NULL) {
    MHD_stop_daemon(server->daemon);
    free(server);
  }
}
