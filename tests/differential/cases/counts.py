"""output=count is what kubectl counts."""
import json
import time

from harness import case, equal

KINDS = ["pods", "deployments", "replicasets", "services", "nodes", "configmaps", "secrets", "jobs", "events", "clusterroles",
         "promotions", "featureflags", "persistentvolumeclaims", "endpointslices"]


def compare(world, what, ours, *words):
    for _ in range(10):  # a living cluster changes between two reads
        mine, theirs = ours(), len(json.loads(world.kubectl("get", *words, "-o", "json"))["items"])
        if mine == theirs:
            break
        time.sleep(1)
    equal(mine, theirs, what)


def count(world, tool, **arguments):
    return int(world.call(tool, output="count", **arguments).ok().lines()[0])


@case()
def kinds(world):
    for kind in KINDS:
        compare(world, kind, lambda: count(world, "resources_list", kind=kind), kind, "-A")


@case()
def selected(world):
    compare(world, "a label", lambda: count(world, "pods_list", label_selector="app=web"), "pods", "-A", "-l", "app=web")
    compare(world, "a field", lambda: count(world, "pods_list", field_selector="status.phase=Running"), "pods", "-A",
            "--field-selector", "status.phase=Running")
    compare(world, "a namespace", lambda: count(world, "pods_list", namespace="shop"), "pods", "-n", "shop")


@case()
def events(world):
    compare(world, "events", lambda: count(world, "events_list"), "events", "-A")
    compare(world, "warnings", lambda: count(world, "events_list", type="Warning"), "events", "-A", "--field-selector", "type=Warning")
    compare(world, "of a pod", lambda: count(world, "events_list", **{"for": "pod/postgres-0", "namespace": "data"}), "events", "-n",
            "data", "--field-selector", "involvedObject.kind=Pod,involvedObject.name=postgres-0")
