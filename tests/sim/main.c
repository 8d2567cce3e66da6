/* kube-mcp-sim: starts the two clusters, writes the files their clients need, says "ready", serves until told to stop. */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "kube_mcp/base/clock.h"
#include "kube_mcp/base/file.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/codec/json.h"
#include "sim.h"

#include "kube_mcp/base/banned.h"

#define MAX_SKEW_S (INT64_C(366) * 24 * 3600)

struct options {
  const char *dir, *data;
  int64_t port_base;    /* 0 = free ports */
  struct sim_load load; /* of prod */
  int64_t skew_s;
};

struct simulation {
  struct sim_world world;
  struct sim_cluster prod, staging;
  struct sim_server *servers[3];
  int dead_socket; /* bound but never listening: whoever connects is refused */
};

static int usage(FILE *out)
{
  (void)fputs("usage: kube-mcp-sim --dir DIR [--data DIR2] [--port-base N | --ports auto] [--pods N]\n"
              "                    [--events N] [--crds N] [--skew SECONDS]\n"
              "Two simulated clusters on loopback, prod and staging. DIR/kubeconfig and DIR/env say how to "
              "reach them.\n"
              "  --data DIR2    recorded data (default: the one beside the sources)\n"
              "  --port-base N  ports N to N+3 instead of free ones\n"
              "  --pods N       N generated pods more in prod, in the namespace load\n"
              "  --events N     the same for events\n"
              "  --crds N       N kinds more in prod, and one aggregated API that does not answer\n"
              "  --skew SECONDS how far the clocks of both clusters are ahead, negative: behind\n",
              out);
  return out == stdout ? 0 : 2;
}

static bool parse_number(const char *text, int64_t min, int64_t max, int64_t *ret)
{
  return km_parse_i64(text, ret) && *ret >= min && *ret <= max;
}

static bool parse(int argc, char **argv, struct options *ret)
{
  struct options options = {.data = SIM_DATA_DIR};
  for (int i = 1; i + 1 < argc; i += 2) {
    const char *value = argv[i + 1];
    bool known = true;
    if (km_streq(argv[i], "--dir")) {
      options.dir = value;
    } else if (km_streq(argv[i], "--data")) {
      options.data = value;
    } else if (km_streq(argv[i], "--port-base")) {
      known = parse_number(value, 1, 65531, &options.port_base);
    } else if (km_streq(argv[i], "--pods")) {
      known = parse_number(value, 0, 1000000, &options.load.pods);
    } else if (km_streq(argv[i], "--events")) {
      known = parse_number(value, 0, 1000000, &options.load.events);
    } else if (km_streq(argv[i], "--crds")) {
      known = parse_number(value, 0, 999, &options.load.kinds);
    } else if (km_streq(argv[i], "--skew")) {
      known = parse_number(value, -MAX_SKEW_S, MAX_SKEW_S, &options.skew_s);
    } else {
      known = km_streq(argv[i], "--ports") && km_streq(value, "auto");
    }
    if (!known) {
      return false;
    }
  }
  *ret = options;
  return argc % 2 == 1 && options.dir != NULL;
}

/* --- the clusters' clock -------------------------------------------------------------------------------------------------- */

static int64_t skew_ms;

static uint64_t monotonic_ns(void)
{
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * KM_NS_PER_S + (uint64_t)now.tv_nsec;
}

static int64_t wrong_wall_ms(void)
{
  struct timespec now;
  (void)clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + skew_ms;
}

/* Everything that asks for the time gets the wrong one, save the certificates, which no skewed client would accept. */
static void skew_clock(int64_t seconds)
{
  static const struct km_clock wrong = {.monotonic_ns = monotonic_ns, .wall_ms = wrong_wall_ms};
  if (seconds != 0) {
    skew_ms = seconds * 1000;
    km_clock_install(&wrong);
  }
}

/* --- starting ------------------------------------------------------------------------------------------------------------- */

static enum km_rc reserve_dead_port(const struct options *options, struct simulation *sim,
                                    struct km_error *err)
{
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof(address);
  address.sin_port = htons((uint16_t)(options->port_base == 0 ? 0 : options->port_base + 3));
  sim->dead_socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (sim->dead_socket < 0 || bind(sim->dead_socket, (struct sockaddr *)&address, len) != 0 ||
      getsockname(sim->dead_socket, (struct sockaddr *)&address, &len) != 0) {
    return km_error_errno(err, errno, "reserving a port");
  }
  sim->world.dead_port = ntohs(address.sin_port);
  return KM_OK;
}

static enum km_rc load(const struct options *options, struct simulation *sim, struct km_error *err)
{
  struct km_arena *arena = sim->world.arena;
  enum km_rc rc = sim_cluster_load(arena, options->data, "prod", &sim->prod, err);
  if (rc == KM_OK) {
    rc = sim_cluster_load(arena, options->data, "staging", &sim->staging, err);
  }
  if (rc == KM_OK) {
    sim_generate(&sim->prod, &options->load);
    rc = sim_pki_make(arena, "prod", &sim->world.prod, err);
  }
  return rc == KM_OK ? sim_pki_make(arena, "staging", &sim->world.staging, err) : rc;
}

static enum km_rc listen_all(const struct options *options, struct simulation *sim, struct km_error *err)
{
  struct sim_world *world = &sim->world;
  unsigned base = (unsigned)options->port_base, step = base == 0 ? 0 : 1;
  enum km_rc rc =
      sim_server_start(&sim->prod, &world->prod, world->logins, SIM_LOGIN_COUNT, base, &sim->servers[0], err);
  if (rc == KM_OK) {
    rc = sim_server_start(&sim->staging, &world->staging, NULL, 0, base + step, &sim->servers[1], err);
  }
  if (rc == KM_OK) {
    rc = sim_admin_start(base + 2 * step, &sim->servers[2], err);
  }
  if (rc == KM_OK) {
    world->prod_port = sim_server_port(sim->servers[0]);
    world->staging_port = sim_server_port(sim->servers[1]);
    world->admin_port = sim_server_port(sim->servers[2]);
    rc = reserve_dead_port(options, sim, err);
  }
  return rc;
}

/* DIR with symbolic links resolved, made when absent. */
static enum km_rc resolve_dir(struct sim_world *world, const char *dir, struct km_error *err)
{
  char *full = NULL;
  if ((mkdir(dir, 0700) != 0 && errno != EEXIST) || (full = realpath(dir, NULL)) == NULL) {
    return km_error_errno(err, errno, "%s", dir);
  }
  world->dir = km_arena_strdup(world->arena, full);
  free(full);
  return KM_OK;
}

static enum km_rc run(const struct options *options, struct simulation *sim, struct km_error *err)
{
  enum km_rc rc = resolve_dir(&sim->world, options->dir, err);
  if (rc == KM_OK) {
    rc = load(options, sim, err);
  }
  if (rc == KM_OK) {
    sim_world_init(&sim->world);
    sim->world.version = km_json_str(sim->prod.version, "gitVersion");
    rc = listen_all(options, sim, err);
  }
  if (rc == KM_OK) {
    rc = sim_world_write(&sim->world, err);
  }
  if (rc == KM_OK) {
    (void)puts("ready");
    (void)fflush(stdout);
  }
  return rc;
}

int main(int argc, char **argv)
{
  struct options options;
  if (argc == 2 && km_streq(argv[1], "--help")) {
    return usage(stdout);
  }
  if (!parse(argc, argv, &options)) {
    return usage(stderr);
  }
  sigset_t stops;
  sigemptyset(&stops);
  sigaddset(&stops, SIGTERM);
  sigaddset(&stops, SIGINT);
  (void)pthread_sigmask(SIG_BLOCK, &stops, NULL);
  (void)signal(SIGPIPE, SIG_IGN);

  struct simulation sim = {.world.arena = km_arena_new(SIZE_MAX), .dead_socket = -1};
  struct km_error err = {0};
  skew_clock(options.skew_s);
  enum km_rc rc = run(&options, &sim, &err);
  if (rc == KM_OK) {
    int signal_number = 0;
    (void)sigwait(&stops, &signal_number);
  } else {
    (void)fprintf(stderr, "kube-mcp-sim: %s\n", err.message);
  }
  sim_faults_clear();
  sim_stop_pauses();
  for (size_t i = 0; i < KM_ARRAY_LEN(sim.servers); i++) {
    sim_server_stop(sim.servers[i]);
  }
  if (sim.dead_socket >= 0) {
    (void)close(sim.dead_socket);
  }
  km_arena_free(sim.world.arena);
  return rc == KM_OK ? 0 : 1;
}
