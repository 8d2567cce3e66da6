/* The files a client needs: kubeconfig, keys, tokens, and `env` with the same variables as the real test cluster's. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kube_mcp/base/crypto.h"
#include "kube_mcp/base/file.h"
#include "kube_mcp/base/str.h"
#include "sim.h"

#include "kube_mcp/base/banned.h"

#define MAX_TEXT ((size_t)256 * 1024)

static const struct {
  const char *user;
  const char *groups[3];
} identities[SIM_LOGIN_COUNT] = {
    [SIM_VIEWER] = {"viewer", {"shop:viewers"}},
    [SIM_CHECKOUT_DEV] = {"checkout-dev", {"shop:checkout-developers"}},
    [SIM_NOBODY] = {"nobody", {"shop:visitors"}},
    [SIM_SERVICE_ACCOUNT] = {"system:serviceaccount:kube-mcp:kube-mcp",
                             {"system:serviceaccounts", "system:serviceaccounts:kube-mcp"}},
};

static void add_group(struct sim_identity *identity, const char *group)
{
  (void)km_strcopy(identity->groups[identity->group_count++], sizeof(identity->groups[0]), group);
}

void sim_world_init(struct sim_world *world)
{
  for (size_t i = 0; i < SIM_LOGIN_COUNT; i++) {
    unsigned char random[24];
    char *token = km_arena_alloc(world->arena, 2 * sizeof(random) + 1);
    km_random(random, sizeof(random));
    km_hex(token, random, sizeof(random));
    struct sim_login login = {.token = token};
    (void)km_strcopy(login.identity.user, sizeof(login.identity.user), identities[i].user);
    for (size_t g = 0; g < KM_ARRAY_LEN(identities[i].groups) && identities[i].groups[g] != NULL; g++) {
      add_group(&login.identity, identities[i].groups[g]);
    }
    add_group(&login.identity, "system:authenticated");
    world->logins[i] = login;
  }
}

static enum km_rc write_file(const struct sim_world *world, const char *name, const char *text,
                             struct km_error *err)
{
  const char *path = km_path_join(world->arena, world->dir, name);
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) {
    return km_error_errno(err, errno, "writing %s", path);
  }
  size_t len = strlen(text);
  ssize_t written = write(fd, text, len);
  int failure = written < 0 ? errno : ENOSPC;
  (void)fchmod(fd, 0600);
  (void)close(fd);
  return written == (ssize_t)len ? KM_OK : km_error_errno(err, failure, "writing %s", path);
}

/* --- kubeconfig --------------------------------------------------------------------------------------------------------- */

static void put_cluster(const struct sim_world *world, const char *name, unsigned port,
                        const struct sim_pki *pki, struct km_buf *out)
{
  km_buf_printf(
      out, "- name: %s\n  cluster:\n    server: https://127.0.0.1:%u\n    certificate-authority-data: %s\n",
      name, port, km_base64_encode(world->arena, pki->ca.certificate, strlen(pki->ca.certificate)));
}

static void put_admin(const struct sim_world *world, const char *name, const struct sim_pair *pair,
                      struct km_buf *out)
{
  km_buf_printf(out, "- name: %s\n  user:\n    client-certificate-data: %s\n    client-key-data: %s\n", name,
                km_base64_encode(world->arena, pair->certificate, strlen(pair->certificate)),
                km_base64_encode(world->arena, pair->key, strlen(pair->key)));
}

static enum km_rc write_kubeconfig(const struct sim_world *world, struct km_error *err)
{
  static const struct {
    const char *name, *cluster, *user, *ns;
  } contexts[] = {
      {"prod", "prod", "prod-admin", NULL},
      {"staging", "staging", "staging-admin", NULL},
      {"prod-viewer", "prod", "prod-viewer", NULL},
      {"prod-checkout-dev", "prod", "prod-checkout-dev", "checkout"},
      {"prod-nobody", "prod", "prod-nobody", NULL},
      {"dead", "dead", "prod-viewer", NULL},
  };
  static const struct {
    const char *name;
    int login;
  } tokens[] = {
      {"prod-viewer", SIM_VIEWER}, {"prod-checkout-dev", SIM_CHECKOUT_DEV}, {"prod-nobody", SIM_NOBODY}};
  struct km_buf out;
  km_buf_init(&out, MAX_TEXT);
  km_buf_puts(&out, "apiVersion: v1\nkind: Config\nclusters:\n");
  put_cluster(world, "prod", world->prod_port, &world->prod, &out);
  put_cluster(world, "staging", world->staging_port, &world->staging, &out);
  put_cluster(world, "dead", world->dead_port, &world->prod, &out);
  km_buf_puts(&out, "users:\n");
  put_admin(world, "prod-admin", &world->prod.admin, &out);
  put_admin(world, "staging-admin", &world->staging.admin, &out);
  for (size_t i = 0; i < KM_ARRAY_LEN(tokens); i++) {
    km_buf_printf(&out, "- name: %s\n  user:\n    token: %s\n", tokens[i].name,
                  world->logins[tokens[i].login].token);
  }
  km_buf_puts(&out, "contexts:\n");
  for (size_t i = 0; i < KM_ARRAY_LEN(contexts); i++) {
    km_buf_printf(&out, "- name: %s\n  context:\n    cluster: %s\n    user: %s\n", contexts[i].name,
                  contexts[i].cluster, contexts[i].user);
    if (contexts[i].ns != NULL) {
      km_buf_printf(&out, "    namespace: %s\n", contexts[i].ns);
    }
  }
  km_buf_puts(&out, "current-context: prod\n");
  enum km_rc rc = write_file(world, "kubeconfig", out.data, err);
  km_buf_wipe(&out);
  return rc;
}

/* --- the rest ----------------------------------------------------------------------------------------------------------- */

static enum km_rc write_env(const struct sim_world *world, struct km_error *err)
{
  const struct {
    const char *name, *file;
  } files[] = {{"KUBECONFIG", "kubeconfig"},
               {"PROD_CA", "prod-ca.crt"},
               {"STAGING_CA", "staging-ca.crt"},
               {"OTHER_CA", "other-ca.crt"},
               {"PROD_ADMIN_CRT", "prod-admin.crt"},
               {"PROD_ADMIN_KEY", "prod-admin.key"},
               {"PROD_VIEWER_TOKEN_FILE", "prod-viewer.token"},
               {"EXPIRED_CRT", "expired.crt"},
               {"EXPIRED_KEY", "expired.key"},
               {"SA_DIR", "sa"}};
  struct km_buf out;
  km_buf_init(&out, MAX_TEXT);
  km_buf_printf(&out, "export CLUSTER_DIR='%s'\nexport KUBE_VERSION='%s'\n", world->dir, world->version);
  for (size_t i = 0; i < KM_ARRAY_LEN(files); i++) {
    km_buf_printf(&out, "export %s='%s/%s'\n", files[i].name, world->dir, files[i].file);
  }
  km_buf_printf(
      &out,
      "export PROD_URL='https://127.0.0.1:%u'\nexport PROD_HOST='127.0.0.1'\nexport PROD_PORT='%u'\n"
      "export STAGING_URL='https://127.0.0.1:%u'\nexport DEAD_URL='https://127.0.0.1:%u'\n"
      "export SIM_ADMIN_URL='http://127.0.0.1:%u'\n",
      world->prod_port, world->prod_port, world->staging_port, world->dead_port, world->admin_port);
  enum km_rc rc = write_file(world, "env", out.data, err);
  km_buf_done(&out);
  return rc;
}

enum km_rc sim_world_write(const struct sim_world *world, struct km_error *err)
{
  const struct {
    const char *name, *text;
  } files[] = {
      {"prod-ca.crt", world->prod.ca.certificate},
      {"staging-ca.crt", world->staging.ca.certificate},
      {"other-ca.crt", world->prod.other.certificate},
      {"prod-admin.crt", world->prod.admin.certificate},
      {"prod-admin.key", world->prod.admin.key},
      {"expired.crt", world->prod.expired.certificate},
      {"expired.key", world->prod.expired.key},
      {"prod-viewer.token", world->logins[SIM_VIEWER].token},
      {"sa/token", world->logins[SIM_SERVICE_ACCOUNT].token},
      {"sa/ca.crt", world->prod.ca.certificate},
      {"sa/namespace", "kube-mcp"},
  };
  const char *accounts = km_path_join(world->arena, world->dir, "sa");
  if ((mkdir(world->dir, 0700) != 0 && errno != EEXIST) || (mkdir(accounts, 0700) != 0 && errno != EEXIST)) {
    return km_error_errno(err, errno, "making %s", accounts);
  }
  for (size_t i = 0; i < KM_ARRAY_LEN(files); i++) {
    enum km_rc rc = write_file(world, files[i].name, files[i].text, err);
    if (rc != KM_OK) {
      return rc;
    }
  }
  enum km_rc rc = write_kubeconfig(world, err);
  return rc == KM_OK ? write_env(world, err) : rc;
}
