"""pods_get and resources_get, and that Secret values never get out."""
import json
import re

from harness import case, check, equal

CANARY = "CANARY"
ENCODED = re.compile(r"Q0FOQVJZ|NBTkFSW|DQU5BUl")  # CANARY in Base64, at each of three offsets


def a_pod(world, namespace="payments"):
    return world.objects(f"/api/v1/namespaces/{namespace}/pods")[0]["metadata"]["name"]


@case(doors=True, short=True)
def a_pod_as_yaml_and_json(world, door):
    name = a_pod(world)
    text = door.call("pods_get", namespace="payments", name=name).ok().text
    equal(sorted(text.splitlines()[:3]), ["apiVersion: v1", "kind: Pod", "metadata:"], "YAML")
    check("managedFields" not in text, "managedFields are gone", text)
    pod = json.loads(door.call("pods_get", namespace="payments", name=name, output="json").ok().text)
    truth = world.api(f"/api/v1/namespaces/payments/pods/{name}")[1]
    equal(pod["spec"], truth["spec"], "spec")
    equal(door.call("pods_get", namespace="payments", name=name, output="name").ok().text.strip(), f"pod/{name}", "name")
    check(name in door.call("pods_get", namespace="payments", name=name, output="table").ok().text, "table")


@case(doors=True)
def only_some_fields(world, door):
    name = a_pod(world)
    text = door.call("pods_get", namespace="payments", name=name, fields=[".spec.containers[*].image", ".spec.none"]).ok().text
    truth = world.api(f"/api/v1/namespaces/payments/pods/{name}")[1]
    for container in truth["spec"]["containers"]:
        check(container["image"] in text, "image", text)
    check(".spec.none: not set" in text and "tolerations" not in text, "nothing else", text)
    door.call("pods_get", namespace="payments", name=name, fields=[".spec["]).fails("ValidationError")


@case(doors=True)
def an_absent_object(world, door):
    door.call("pods_get", namespace="shop", name="none-such").fails("NotFound", 'pods "none-such" not found', "shop")
    answer = door.call("resources_get", kind="deploy", namespace="shop", name="none-such").fails("NotFound")
    equal(answer.error.get("http_status"), 404, "status")
    equal(answer.error.get("cluster"), "prod", "cluster")


@case()
def objects_of_any_kind(world):
    for kind, namespace, path in [("deploy", "shop", "/apis/apps/v1/namespaces/shop/deployments"), ("node", None, "/api/v1/nodes"),
                                  ("Promotion", "shop", "/apis/shop.example.com/v1/namespaces/shop/promotions"),
                                  ("services", "shop", "/api/v1/namespaces/shop/services")]:
        truth = world.objects(path)[0]
        where = {"namespace": namespace} if namespace else {}
        answer = world.call("resources_get", kind=kind, name=truth["metadata"]["name"], output="json", **where).ok()
        equal(json.loads(answer.text)["metadata"]["uid"], truth["metadata"]["uid"], kind)


@case()
def a_big_object_is_cut_to_the_budget(world):
    answer = world.cli(["--set", "server.max_result_bytes=2KiB"]).call("pods_get", namespace="payments", name=a_pod(world)).ok()
    check(len(answer.text) <= 2048 and "# cut: " in answer.text, "cut", answer.text)


@case(doors=True, short=True)
def secret_values_never_get_out(world, door):
    secrets = [s for s in world.objects("/api/v1/secrets") if ENCODED.search(json.dumps(s.get("data")))]
    check(secrets, "no Secret of the cluster holds a canary")
    one = secrets[0]["metadata"]
    key = next(iter(secrets[0]["data"]))
    texts = []
    for form in ("table", "wide", "json", "yaml", "name", "count"):
        texts.append(door.call("resources_list", kind="secrets", output=form).ok().text)
        for fields in ([".data"], [f".data['{key}']"], [".metadata.annotations"]):
            texts.append(door.call("resources_list", kind="secrets", output=form, fields=fields).ok().text)
    for form in ("yaml", "json", "table"):
        get = lambda **more: door.call("resources_get", kind="secret", namespace=one["namespace"], name=one["name"], output=form, **more)
        texts += [get().ok().text, get(fields=[".data"]).ok().text, get(fields=[".metadata"]).ok().text]
    for kind in ("pods", "cm", "deploy", "sa", "events"):
        texts += [door.call("resources_list", kind=kind, output=form).ok().text for form in ("json", "yaml")]
    for text in texts:
        check(CANARY not in text and not ENCODED.search(text), "a Secret value leaked", text)
    check(any("fingerprint" in t for t in texts), "values are described", texts[1])


@case()
def fingerprints_tell_equal_from_different(world):
    secret = next(s for s in world.objects("/api/v1/secrets") if len(s.get("data") or {}) > 1)["metadata"]
    get = lambda: re.findall(r"fingerprint (\w+)", world.call("resources_get", kind="secret", namespace=secret["namespace"], name=secret["name"]).ok().text)
    first = get()
    equal(get(), first, "asked again")
    equal(len(set(first)), len(first), "different values")
