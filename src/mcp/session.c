/* Legacy sessions. An HTTP session id is signed and says all that matters (revision, capabilities, caller), so a
 * restarted process or another replica rebuilds the session from it; the table only holds what was learned since (log
 * level, subscriptions) and which ids were ended. A stdio connection has one session without an id.
 * Everything here is guarded by mcp->mutex; functions without _locked take it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/base/sync.h"

#include "kube_mcp/base/banned.h"

#define PURPOSE "session"

static struct km_session *session_new(enum km_revision revision, unsigned caps, const char *client_name)
{
  struct km_session *session = calloc(1, sizeof(*session));
  KM_ASSERT(session != NULL);
  session->refs = 1;
  session->revision = revision;
  session->caps = caps;
  session->log_level = KM_LOG_INFO;
  km_strcopy(session->client_name, sizeof(session->client_name), client_name == NULL ? "" : client_name);
  return session;
}

static void session_unref_locked(struct km_session *session)
{
  if (--session->refs == 0) {
    km_map_free(session->subscriptions);
    free(session->id);
    free(session->principal);
    free(session);
  }
}

void session_unref(struct km_mcp *mcp, struct km_session *session)
{
  KM_SCOPED_LOCK(&mcp->mutex);
  session_unref_locked(session);
}

static void release_entry(void *value)
{
  session_unref_locked(value);
}

/* Whom to forget first. Forgetting a live session costs nothing but its log level and subscriptions: it is rebuilt from
 * its id. Forgetting that an id was ended would let it live again, so those go last. */
enum eviction_class { EVICT_EXPIRED, EVICT_UNUSED, EVICT_ENDED, EVICT_CLASSES };

struct eviction {
  const char *key;
  enum eviction_class class;
  int64_t now_ms;
};

static bool pick_victim(const char *key, void *value, void *data)
{
  struct eviction *eviction = data;
  const struct km_session *session = value;
  bool fits = session->refs == 1;
  if (eviction->class == EVICT_EXPIRED) {
    fits = fits && session->expires_wall_ms <= eviction->now_ms;
  } else if (eviction->class == EVICT_UNUSED) {
    fits = fits && !session->terminated;
  }
  if (fits) {
    eviction->key = key;
  }
  return !fits;
}

static void make_room_locked(struct km_mcp *mcp)
{
  if (mcp->sessions == NULL) {
    mcp->sessions = km_map_new(release_entry);
  }
  while (km_map_count(mcp->sessions) >= mcp->options.max_sessions) {
    struct eviction eviction = {.now_ms = km_clock_wall_ms()};
    for (; eviction.key == NULL && eviction.class < EVICT_CLASSES; eviction.class ++) {
      km_map_each(mcp->sessions, pick_victim, &eviction);
    }
    if (eviction.key == NULL) {
      return;
    }
    char *key = strdup(eviction.key);
    km_map_remove(mcp->sessions, key);
    free(key);
  }
}

static void remember_locked(struct km_mcp *mcp, struct km_session *session)
{
  make_room_locked(mcp);
  session->refs++;
  km_map_put(mcp->sessions, session->id, session);
}

struct km_session *session_create(struct km_mcp *mcp, enum km_revision revision, unsigned caps,
                                  const char *client_name, const char *principal)
{
  struct km_session *session = session_new(revision, caps, client_name);
  uint8_t nonce[16];
  char nonce_hex[33];
  char payload[192];
  km_random(nonce, sizeof(nonce));
  km_hex(nonce_hex, nonce, sizeof(nonce));
  int len = snprintf(payload, sizeof(payload), "%s %u %s %s", km_revision_name(revision), caps, nonce_hex,
                     session->client_name);
  struct km_arena *arena = km_arena_new(4096);
  const char *id =
      km_seal(&mcp->sealer, arena, PURPOSE, principal, mcp->options.session_ttl_ms, payload, (size_t)len);
  session->id = strdup(id);
  session->principal = strdup(principal);
  km_arena_free(arena);
  session->expires_wall_ms =
      mcp->options.session_ttl_ms > 0 ? km_clock_wall_ms() + mcp->options.session_ttl_ms : INT64_MAX;
  KM_SCOPED_LOCK(&mcp->mutex);
  remember_locked(mcp, session);
  return session;
}

/* Rebuilds a session from the payload "REVISION CAPS NONCE NAME" of its id. */
static struct km_session *session_rebuild(struct km_mcp *mcp, const char *id, const char *principal)
{
  struct km_arena *arena = km_arena_new(8192);
  struct km_error err = {0};
  const uint8_t *payload = NULL;
  size_t len = 0;
  struct km_session *session = NULL;
  if (strlen(id) < 1024 &&
      km_unseal(&mcp->sealer, arena, PURPOSE, principal, id, &payload, &len, &err) == KM_OK) {
    char *text = km_arena_strndup(arena, (const char *)payload, len);
    char *rest = text;
    const char *revision = strsep(&rest, " ");
    const char *caps_text = strsep(&rest, " ");
    const char *nonce = strsep(&rest, " ");
    uint64_t caps = 0;
    enum km_revision parsed = km_revision_parse(revision);
    if (parsed != KM_REV_NONE && nonce != NULL && km_parse_u64(caps_text, &caps)) {
      session = session_new(parsed, (unsigned)caps, rest);
      session->id = strdup(id);
      session->principal = strdup(principal == NULL ? "" : principal);
      session->expires_wall_ms = km_unsealed_expiry_ms(payload);
    }
  }
  km_arena_free(arena);
  return session;
}

/* An id in the table has passed the check of its signature once; only time can have made it invalid since. */
static struct km_session *session_recall(struct km_mcp *mcp, const char *id, const char *principal)
{
  int64_t now_ms = km_clock_wall_ms();
  KM_SCOPED_LOCK(&mcp->mutex);
  struct km_session *known = mcp->sessions == NULL ? NULL : km_map_get(mcp->sessions, id);
  if (known == NULL || known->terminated || now_ms >= known->expires_wall_ms ||
      !km_streq(known->principal, principal == NULL ? "" : principal)) {
    return NULL;
  }
  known->refs++;
  return known;
}

struct km_session *session_find(struct km_mcp *mcp, const char *id, const char *principal)
{
  struct km_session *recalled = session_recall(mcp, id, principal);
  if (recalled != NULL) {
    return recalled;
  }
  struct km_session *rebuilt = session_rebuild(mcp, id, principal);
  if (rebuilt == NULL) {
    return NULL; /* forged, expired, or somebody else's */
  }
  KM_SCOPED_LOCK(&mcp->mutex);
  struct km_session *known = mcp->sessions == NULL ? NULL : km_map_get(mcp->sessions, id);
  if (known == NULL) {
    remember_locked(mcp, rebuilt);
    return rebuilt;
  }
  session_unref_locked(rebuilt);
  if (known->terminated) {
    return NULL;
  }
  known->refs++;
  return known;
}

struct km_session *session_for_connection(struct km_mcp *mcp, const struct km_peer *peer)
{
  KM_SCOPED_LOCK(&mcp->mutex);
  if (mcp->stdio_session == NULL) {
    mcp->stdio_session = session_new(KM_REV_NONE, 0, NULL);
    mcp->stdio_session->connection = peer->connection;
    mcp->stdio_session->push = peer->push;
  }
  mcp->stdio_session->refs++;
  return mcp->stdio_session;
}

int km_mcp_delete_session(struct km_mcp *mcp, const struct km_peer *peer)
{
  if (peer->session_id == NULL) {
    return 400;
  }
  struct km_session *session = session_find(mcp, peer->session_id, peer->principal);
  if (session == NULL) {
    return 404;
  }
  struct km_call *stream = NULL;
  {
    KM_SCOPED_LOCK(&mcp->mutex);
    session->terminated = true;
    for (struct km_call *call = mcp->calls; call != NULL; call = call->private->next) {
      if (call->private->session == session && call->private->subscription != NULL) {
        stream = call;
        call_ref(stream);
        break;
      }
    }
  }
  if (stream != NULL) {
    stream_end(stream);
    call_unref(stream);
  }
  session_unref(mcp, session);
  return 204;
}

void km_mcp_connection_closed(struct km_mcp *mcp, const void *connection)
{
  struct km_call *doomed[64];
  size_t count;
  do { /* in rounds, because cancelling must happen without the lock */
    count = 0;
    {
      KM_SCOPED_LOCK(&mcp->mutex);
      for (struct km_call *call = mcp->calls; call != NULL && count < KM_ARRAY_LEN(doomed);
           call = call->private->next) {
        if (call->private->connection == connection && !km_cancelled(call->cancel)) {
          call_ref(call);
          doomed[count++] = call;
        }
      }
    }
    for (size_t i = 0; i < count; i++) {
      km_cancel_trigger(doomed[i]->cancel, "the connection was closed");
      if (doomed[i]->private->subscription != NULL) {
        stream_end(doomed[i]);
      }
      call_unref(doomed[i]);
    }
  } while (count > 0);
  KM_SCOPED_LOCK(&mcp->mutex);
  struct km_session *session = mcp->stdio_session;
  if (session != NULL && session->connection == connection) {
    mcp->stdio_session = NULL;
    session->push = NULL;
    session_unref_locked(session);
  }
}

void sessions_free(struct km_mcp *mcp)
{
  km_map_free(mcp->sessions);
  if (mcp->stdio_session != NULL) {
    session_unref_locked(mcp->stdio_session);
  }
}
