/* Claims, volumes and storage classes, and which pods use a claim. */
#include "describe.h"

#include <string.h>

#include "kube_mcp/base/banned.h"

#define MAX_USERS      ((size_t)50)
#define MAX_TEXT_BYTES ((size_t)16 * 1024)

struct users {
  struct km_buf names;
  size_t count;
};

/* A volume that a pod has made for itself is claimed under the pod's name and its own. */
static bool mounts(const struct describe *d, yyjson_val *pod)
{
  const char *pod_name = km_json_str(km_json_obj(pod, "metadata"), "name");
  size_t i, max;
  yyjson_val *volume;
  yyjson_arr_foreach(km_json_arr(km_json_obj(pod, "spec"), "volumes"), i, max, volume)
  {
    const char *claim = km_json_str(km_json_obj(volume, "persistentVolumeClaim"), "claimName");
    const char *own = km_json_str(volume, "name");
    if (claim != NULL ? km_streq(claim, d->name)
                      : km_json_obj(volume, "ephemeral") != NULL && pod_name != NULL && own != NULL &&
                            km_starts_with(d->name, pod_name) && km_ends_with(d->name, own) &&
                            strlen(d->name) == strlen(pod_name) + 1 + strlen(own)) {
      return true;
    }
  }
  return false;
}

static void add_user(struct describe *d, yyjson_val *pod, void *data)
{
  struct users *users = data;
  const char *name = km_json_str(km_json_obj(pod, "metadata"), "name");
  if (name != NULL && mounts(d, pod) && users->count++ < MAX_USERS) {
    km_buf_printf(&users->names, "%s%s", users->count > 1 ? ", " : "", name);
  }
}

static void write_claim(struct describe *d)
{
  struct users users = {0};
  km_buf_init(&users.names, MAX_TEXT_BYTES);
  struct describe_query query = {.label = "used by", .resource = &pods_resource, .ns = d->ns};
  if (!describe_list(d, &query, add_user, &users)) {
    /* The line is written. */
  } else if (users.count == 0) {
    describe_line(d, "used by", "no pod");
  } else if (users.count > MAX_USERS) {
    describe_line(d, "used by", "%s and %zu more", users.names.data, users.count - MAX_USERS);
  } else {
    describe_line(d, "used by", "%s", users.names.data);
  }
  km_buf_done(&users.names);
}

static const struct describe_row claim_rows[] = {
    ROW_TEXT("status", ".status.phase"),
    ROW_TEXT("class", ".spec.storageClassName"),
    ROW_TEXT("volume", ".spec.volumeName"),
    ROW_TEXT("requested", ".spec.resources.requests.storage"),
    ROW_TEXT("capacity", ".status.capacity.storage"),
    ROW_TEXT("access modes", ".spec.accessModes[*]"),
    ROW_TEXT("volume mode", ".spec.volumeMode"),
    ROW_TEXT("data source", ".spec.dataSource"),
    ROW_SELECTOR("selector", ".spec.selector"),
    ROW_TEXT("attributes class", ".spec.volumeAttributesClassName"),
    ROW_TEXT("resize", ".status.allocatedResourceStatuses"),
};

static const struct describe_row volume_rows[] = {
    ROW_TEXT("status", ".status.phase"),
    ROW_TEXT("reason", ".status.reason"),
    ROW_TEXT("message", ".status.message"),
    ROW_OBJECT("claim", ".spec.claimRef"),
    ROW_TEXT("class", ".spec.storageClassName"),
    ROW_TEXT("reclaim policy", ".spec.persistentVolumeReclaimPolicy"),
    ROW_TEXT("capacity", ".spec.capacity.storage"),
    ROW_TEXT("access modes", ".spec.accessModes[*]"),
    ROW_TEXT("volume mode", ".spec.volumeMode"),
    ROW_TEXT("mount options", ".spec.mountOptions[*]"),
    ROW_TEXT("node affinity", ".spec.nodeAffinity"),
    ROW_TEXT("csi", ".spec.csi"),
    ROW_TEXT("host path", ".spec.hostPath"),
    ROW_TEXT("local", ".spec.local"),
    ROW_TEXT("nfs", ".spec.nfs"),
    ROW_TEXT("iscsi", ".spec.iscsi"),
    ROW_TEXT("fibre channel", ".spec.fc"),
};

static const struct describe_row class_rows[] = {
    ROW_TEXT("provisioner", ".provisioner"),
    ROW_PAIRS("parameters", ".parameters"),
    ROW_TEXT("reclaim policy", ".reclaimPolicy"),
    ROW_TEXT("volume binding", ".volumeBindingMode"),
    ROW_TEXT("expansion allowed", ".allowVolumeExpansion"),
    ROW_TEXT("mount options", ".mountOptions[*]"),
    ROW_TEXT("topologies", ".allowedTopologies[*]"),
};

const struct describe_kind describe_storage_kinds[] = {
    {"", "PersistentVolumeClaim", claim_rows, KM_ARRAY_LEN(claim_rows), write_claim},
    {"", "PersistentVolume", volume_rows, KM_ARRAY_LEN(volume_rows), NULL},
    {"storage.k8s.io", "StorageClass", class_rows, KM_ARRAY_LEN(class_rows), NULL},
    {0},
};
