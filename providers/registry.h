/* The provider kinds, each defined in the file of its folder. */
#ifndef KM_PROVIDERS_REGISTRY_H
#define KM_PROVIDERS_REGISTRY_H

#include "kube_mcp/provider.h"

extern const struct km_provider_ops km_provider_kubeconfig;
extern const struct km_provider_ops km_provider_single;
extern const struct km_provider_ops km_provider_in_cluster;

#endif
