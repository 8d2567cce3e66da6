/* The provider kinds there are, and the names they go by. Constant data; safe on any thread. */
#include "registry.h"

#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

const struct km_provider_ops *const km_providers[] = {
    &km_provider_kubeconfig,
    &km_provider_single,
    &km_provider_in_cluster,
    NULL,
};

/* Names of the systems kube-mcp takes over from. */
static const struct {
  const char *alias;
  const struct km_provider_ops *ops;
} aliases[] = {
    {"kubeconfig-contexts", &km_provider_kubeconfig},
    {"single-fixed", &km_provider_single},
};

const struct km_provider_ops *km_provider_find(const char *kind)
{
  for (size_t i = 0; km_providers[i] != NULL; i++) {
    if (km_streq(kind, km_providers[i]->kind)) {
      return km_providers[i];
    }
  }
  for (size_t i = 0; i < KM_ARRAY_LEN(aliases); i++) {
    if (km_streq(kind, aliases[i].alias)) {
      return aliases[i].ops;
    }
  }
  return NULL;
}
