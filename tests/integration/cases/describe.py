"""resources_describe: what is said of an object and of what belongs to it."""
import json
import re

from harness import case, check, equal


def first(world, path):
    return world.objects(path)[0]


def describe(door, kind, thing, **more):
    where = {"namespace": thing["metadata"]["namespace"]} if "namespace" in thing["metadata"] else {}
    return door.call("resources_describe", kind=kind, name=thing["metadata"]["name"], **where, **more).ok().text


@case(doors=True, short=True)
def a_pod_with_its_containers(world, door):
    for pod in world.objects("/api/v1/namespaces/shop/pods")[:3]:
        text = describe(door, "pod", pod)
        equal(text.splitlines()[0], f"Pod: shop/{pod['metadata']['name']} (v1)", "heading")
        for container in pod["spec"]["containers"]:
            check(f"container {container['name']}:\n  image: {container['image']}\n" in text, "container", text)
        for status in pod["status"].get("containerStatuses", []):
            check(f"  restarts: {status['restartCount']}\n" in text or not world.simulated, "restarts", text)
        for condition in pod["status"]["conditions"]:
            check(re.search(rf"^  {condition['type']} +{condition['status']}\b", text, re.M), condition["type"], text)
        for key, value in pod["metadata"]["labels"].items():
            check(f"{key}={value}" in text, "label", text)


@case()
def what_belongs_to_an_object(world):
    web = next(d for d in world.objects("/apis/apps/v1/namespaces/shop/deployments") if d["metadata"]["name"] == "web")
    sets = [s["metadata"]["name"] for s in world.objects("/apis/apps/v1/namespaces/shop/replicasets")
            if s["metadata"]["ownerReferences"][0]["uid"] == web["metadata"]["uid"]]
    text = describe(world, "deploy", web)
    check(any(f"new replicaset: {s} (" in text for s in sets), "the new ReplicaSet", text)
    service = next(s for s in world.objects("/api/v1/namespaces/shop/services") if s["metadata"]["name"] == "web")
    slices = world.objects("/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dweb")
    text = describe(world, "svc", service)
    for endpoint in slices[0]["endpoints"]:
        check(f"{endpoint['addresses'][0]}:{slices[0]['ports'][0]['port']}" in text, "endpoint", text)
    node = first(world, "/api/v1/nodes")
    text = describe(world, "node", node)
    check(re.search(r"^allocated cpu: requests \S+ \(\d+%\)", text, re.M), "what is asked for", text)
    pods = [p for p in world.objects("/api/v1/pods") if p["spec"].get("nodeName") == node["metadata"]["name"]
            and p["status"]["phase"] not in ("Succeeded", "Failed")]
    for pod in pods:
        check(re.search(rf"^  {pod['metadata']['namespace']} +{pod['metadata']['name']} ", text, re.M), "pod of the node", text)


@case(doors=True)
def events_come_last(world, door):
    event = next(e for e in world.objects("/api/v1/namespaces/shop/events") if e["involvedObject"]["kind"] == "Pod")
    text = door.call("resources_describe", kind="pod", namespace="shop", name=event["involvedObject"]["name"]).ok().text
    check(event["reason"] in text.split("\nevents")[1], "event", text)


@case()
def every_kind_can_be_described(world):
    for kind, path in [
            ("rs", "/apis/apps/v1/replicasets"), ("sts", "/apis/apps/v1/statefulsets"), ("ds", "/apis/apps/v1/daemonsets"),
            ("job", "/apis/batch/v1/jobs"), ("cronjob", "/apis/batch/v1/cronjobs"), ("ing", "/apis/networking.k8s.io/v1/ingresses"),
            ("pvc", "/api/v1/persistentvolumeclaims"), ("pv", "/api/v1/persistentvolumes"), ("sc", "/apis/storage.k8s.io/v1/storageclasses"),
            ("cm", "/api/v1/configmaps"), ("hpa", "/apis/autoscaling/v2/horizontalpodautoscalers"), ("ns", "/api/v1/namespaces"),
            ("sa", "/api/v1/serviceaccounts"), ("role", "/apis/rbac.authorization.k8s.io/v1/roles"),
            ("clusterrole", "/apis/rbac.authorization.k8s.io/v1/clusterroles"),
            ("rolebinding", "/apis/rbac.authorization.k8s.io/v1/rolebindings"),
            ("netpol", "/apis/networking.k8s.io/v1/networkpolicies"), ("quota", "/api/v1/resourcequotas"),
            ("limits", "/api/v1/limitranges"), ("pdb", "/apis/policy/v1/poddisruptionbudgets"),
            ("crd", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"), ("promotion", "/apis/shop.example.com/v1/promotions"),
            ("featureflag", "/apis/platform.example.com/v1alpha1/featureflags")]:
        thing = first(world, path)
        text = describe(world, kind, thing)
        check(thing["metadata"]["name"] in text.splitlines()[0], kind, text)
        check("\nevents" in text and "null" not in text.split("events")[0], kind, text)


@case(doors=True, short=True)
def values_of_secrets_stay_hidden(world, door):
    secrets = [s for s in world.objects("/api/v1/secrets") if s.get("data")]
    for secret in secrets:
        text = describe(door, "secret", secret)
        for key, value in secret["data"].items():
            check(f"{key}: <redacted " in text and value not in text, "key and no value", text)
        check("CANARY" not in text, "a value leaked", text)
    users = [p for p in world.objects("/api/v1/pods") if "secretKeyRef" in json.dumps(p["spec"])]
    check(users, "some pod takes a variable from a Secret")
    check(re.search(r"from key \S+ of secret \S+", describe(door, "pod", users[0])), "the reference is shown")


@case(doors=True)
def mistakes_are_named(world, door):
    door.call("resources_describe", kind="pod", namespace="shop", name="none-such").fails("NotFound", "none-such", "shop")
    door.call("resources_describe", kind="deploymnt", name="web").fails("NotFound", "did you mean Deployment")
    door.call("resources_describe", context="prod-nobody", kind="pod", namespace="shop", name="x").fails("Forbidden", "pods")


@case()
def what_is_not_allowed_is_said_in_its_place(world):
    mine = world.call("resources_describe", context="prod-checkout-dev", kind="deploy", name="checkout-api").ok().text
    check("new replicaset: " in mine and "\nevents" in mine, "allowed", mine)
    narrow = world.call("resources_describe", context="prod-viewer", kind="ns", name="checkout").ok().text
    check("quota checkout:" in narrow, "quota", narrow)


@case()
def a_big_object_is_cut_and_keeps_its_events(world):
    event = next(e for e in world.objects("/api/v1/namespaces/shop/events") if e["involvedObject"]["kind"] == "Pod")
    door = world.cli(["--set", "server.max_result_bytes=3KiB"])
    text = door.call("resources_describe", kind="pod", namespace="shop", name=event["involvedObject"]["name"]).ok().text
    check(len(text) <= 3072, f"{len(text)} bytes")
    check("\n# cut: " in text or "\nevents" in text, "cut", text)
