/* An API server that answers from a table: for tools that ask for more than one kind of thing. */
#ifndef KM_TESTS_UNIT_TOOLS_SCRIPT_H
#define KM_TESTS_UNIT_TOOLS_SCRIPT_H

#include "tools/fixture.h"

struct route {
  const char *path; /* the request's begins with it; of several the longest counts */
  int status;       /* 0 = 200 */
  const char *body; /* JSON with ' for " */
  const char *headers;
};

struct script {
  const struct route *routes;
  size_t count;
  char last_query[2048]; /* of the last request that a route answered */
  atomic_int hits[32];   /* of each route */
};

static inline bool script_serve(struct exchange *x)
{
  struct script *script = km_unconst(x->server->data);
  size_t best = script->count, best_len = 0;
  for (size_t i = 0; i < script->count; i++) {
    size_t len = strlen(script->routes[i].path);
    if (len > best_len && km_starts_with(x->path, script->routes[i].path)) {
      best = i;
      best_len = len;
    }
  }
  if (best == script->count) {
    return server_reply(x, 404, "Content-Type: text/plain\r\n", "404 page not found\n");
  }
  const struct route *route = &script->routes[best];
  atomic_fetch_add(&script->hits[best], 1);
  (void)snprintf(script->last_query, sizeof(script->last_query), "%s", x->path);
  char *body = strdup(route->body);
  for (char *c = body; *c != '\0'; c++) {
    *c = *c == '\'' ? '"' : *c;
  }
  char headers[256];
  (void)snprintf(headers, sizeof(headers), "Content-Type: application/json\r\n%s",
                 route->headers != NULL ? route->headers : "");
  bool open = server_reply(x, route->status != 0 ? route->status : 200, headers, body);
  free(body);
  return open;
}

/* Tools over the server that SCRIPT describes, which must outlive them. */
static inline struct kit *kit_of_script(struct script *script)
{
  struct kit *kit = kit_new(0);
  kit->world->server->handler = script_serve;
  kit->world->server->data = script;
  return kit;
}

#define SCRIPT(...)                                                                                          \
  {                                                                                                          \
    .routes = (const struct route[]){__VA_ARGS__},                                                           \
    .count = sizeof((const struct route[]){__VA_ARGS__}) / sizeof(struct route)                              \
  }

#define FORBIDDEN_BODY                                                                                       \
  "{'kind':'Status','status':'Failure','reason':'Forbidden','message':'forbidden here','code':403}"

#endif
