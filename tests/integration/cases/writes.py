"""What the API server itself does with writes and watches: here for the simulator's sake, which must not differ.

Each case works in a namespace of its own, which it deletes.
"""
import contextlib
import secrets

from harness import case, check, equal

MERGE, PATCH, APPLY = "application/merge-patch+json", "application/json-patch+json", "application/apply-patch+yaml"
STRATEGIC = "application/strategic-merge-patch+json"


@contextlib.contextmanager
def namespace(world):
    """The path of the ConfigMaps of a new namespace."""
    name = f"writes-{secrets.token_hex(4)}"
    status, answer = world.api("/api/v1/namespaces", method="POST", body={"metadata": {"name": name}})
    equal(status, 201, answer)
    try:
        yield f"/api/v1/namespaces/{name}/configmaps"
    finally:
        world.api(f"/api/v1/namespaces/{name}", method="DELETE")


def config_map(name, data=None, **metadata):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}, "data": data or {}}


def refused(answer, status, reason):
    equal(answer[0], status, answer)
    equal((answer[1]["kind"], answer[1].get("reason")), ("Status", reason), answer)


@case()
def objects_are_created_changed_and_deleted(world):
    with namespace(world) as path:
        status, made = world.api(path, method="POST", body=config_map("a", {"x": "1"}))
        equal((status, made["kind"], made["data"]), (201, "ConfigMap", {"x": "1"}), made)
        check(made["metadata"]["uid"] and made["metadata"]["creationTimestamp"].endswith("Z"), "bookkeeping", made)
        refused(world.api(path, method="POST", body=config_map("a")), 409, "AlreadyExists")
        refused(world.api(path, method="POST", body=config_map("b", namespace="elsewhere")), 400, "BadRequest")
        refused(world.api(path, method="POST", body={"metadata": {}}), 422, "Invalid")
        refused(world.api("/api/v1/namespaces/no-such/configmaps", method="POST", body=config_map("a")), 404, "NotFound")
        status, generated = world.api(path, method="POST", body={"metadata": {"generateName": "g-"}})
        check(generated["metadata"]["name"].startswith("g-") and len(generated["metadata"]["name"]) == 7, "name", generated)

        status, changed = world.api(f"{path}/a", method="PUT", body=config_map("a", {"x": "2"}))
        equal((status, changed["data"]), (200, {"x": "2"}), changed)
        equal(changed["metadata"]["uid"], made["metadata"]["uid"], "uid")
        check(int(changed["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"]), "version", changed)
        refused(world.api(f"{path}/a", method="PUT", body=made), 409, "Conflict")
        refused(world.api(f"{path}/none", method="PATCH", body={}, content_type=MERGE), 404, "NotFound")

        stale = {"preconditions": {"resourceVersion": made["metadata"]["resourceVersion"]}}
        refused(world.api(f"{path}/a", method="DELETE", body=stale), 409, "Conflict")
        equal(world.api(f"{path}/a", method="DELETE")[0], 200, "DELETE")
        refused(world.api(f"{path}/a"), 404, "NotFound")
        refused(world.api(f"{path}/a", method="DELETE"), 404, "NotFound")


@case()
def objects_are_patched_and_applied(world):
    with namespace(world) as path:
        patch = lambda body, kind, query="": world.api(f"{path}/a{query}", method="PATCH", body=body, content_type=kind)
        refused(patch(config_map("a"), APPLY), 422, "Invalid")
        status, made = patch(config_map("a", {"x": "1", "y": "1"}), APPLY, "?fieldManager=it")
        equal((status, made["data"]), (201, {"x": "1", "y": "1"}), made)
        status, same = patch(config_map("a", {"x": "1", "y": "1"}), APPLY, "?fieldManager=it")
        equal((status, same["metadata"]["resourceVersion"]), (200, made["metadata"]["resourceVersion"]), "nothing changed")
        status, more = patch(config_map("a", {"z": "1"}), APPLY, "?fieldManager=another")
        equal((status, more["data"]), (200, {"x": "1", "y": "1", "z": "1"}), more)
        status, merged = patch({"data": {"x": None, "y": "2"}}, MERGE)
        equal((status, merged["data"]), (200, {"y": "2", "z": "1"}), merged)
        status, merged = patch({"metadata": {"labels": {"l": "1"}}, "data": {"z": None}}, STRATEGIC)
        equal((status, merged["data"], merged["metadata"]["labels"]), (200, {"y": "2"}, {"l": "1"}), merged)
        status, patched = patch([{"op": "test", "path": "/data/y", "value": "2"}, {"op": "add", "path": "/data/n", "value": "3"},
                                 {"op": "replace", "path": "/data/n", "value": "4"}, {"op": "move", "from": "/data/y", "path": "/data/m"},
                                 {"op": "remove", "path": "/metadata/labels/l"}], PATCH)
        equal((status, patched["data"]), (200, {"n": "4", "m": "2"}), patched)
        equal(patch([{"op": "remove", "path": "/data/none"}], PATCH)[0], 422, "a path that is not there")
        equal(patch([{"op": "test", "path": "/data/m", "value": "9"}], PATCH)[0], 422, "a test that fails")
        refused(patch({"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "data": {"m": "5"}}, MERGE), 409, "Conflict")
        equal(patch({}, "application/json")[0], 415, "not a patch")


@case()
def lists_of_named_members_are_merged_by_name(world):
    with namespace(world) as path:
        deployments = path.replace("/api/v1", "/apis/apps/v1").replace("configmaps", "deployments")
        container = lambda name, image: {"name": name, "image": image}
        template = {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [container("a", "a:1"), container("b", "b:1")]}}
        status, made = world.api(deployments, method="POST", body={
            "metadata": {"name": "d"}, "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "d"}}, "template": template}})
        equal(status, 201, made)
        change = {"spec": {"template": {"spec": {"containers": [container("b", "b:2")]}}}}
        status, changed = world.api(f"{deployments}/d", method="PATCH", body=change, content_type=STRATEGIC)
        equal(status, 200, changed)
        equal([(c["name"], c["image"]) for c in changed["spec"]["template"]["spec"]["containers"]],
              [("a", "a:1"), ("b", "b:2")], "containers")
        equal(changed["metadata"]["generation"], 2, "generation")


@case()
def dry_runs_change_nothing(world):
    with namespace(world) as path:
        status, made = world.api(f"{path}?dryRun=All", method="POST", body=config_map("a", {"x": "1"}))
        equal((status, made["data"]), (201, {"x": "1"}), made)
        refused(world.api(f"{path}/a"), 404, "NotFound")
        world.api(path, method="POST", body=config_map("a", {"x": "1"}))
        status, merged = world.api(f"{path}/a?dryRun=All", method="PATCH", body={"data": {"x": "2"}}, content_type=MERGE)
        equal((status, merged["data"]), (200, {"x": "2"}), merged)
        equal(world.api(f"{path}/a?dryRun=All", method="DELETE")[0], 200, "DELETE")
        equal(world.api(f"{path}/a")[1]["data"], {"x": "1"}, "the object")


@case()
def watches_tell_of_changes(world):
    with namespace(world) as path:
        world.api(path, method="POST", body=config_map("before", labels={"kept": "yes"}))
        start = world.api(path)[1]["metadata"]["resourceVersion"]
        world.api(path, method="POST", body=config_map("a", {"x": "1"}, labels={"kept": "yes"}))
        world.api(path, method="POST", body=config_map("b"))
        world.api(f"{path}/a", method="PATCH", body={"data": {"x": "2"}}, content_type=MERGE)
        world.api(f"{path}/a", method="PATCH", body={"metadata": {"labels": None}}, content_type=MERGE)
        world.api(f"{path}/b", method="DELETE")
        events = world.watch(f"{path}?watch=true&resourceVersion={start}&timeoutSeconds=1")
        told = lambda events: [(e["type"], e["object"]["metadata"].get("name")) for e in events
                               if e["type"] != "BOOKMARK" and e["object"]["metadata"].get("name") != "kube-root-ca.crt"]
        equal(told(events), [("ADDED", "a"), ("ADDED", "b"), ("MODIFIED", "a"), ("MODIFIED", "a"), ("DELETED", "b")], "events")
        selected = world.watch(f"{path}?watch=true&resourceVersion={start}&timeoutSeconds=1&labelSelector=kept")
        equal(told(selected), [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")], "events of the selected")
        all_there_is = world.watch(f"{path}?watch=true&timeoutSeconds=1")
        equal(sorted(told(all_there_is)), [("ADDED", "a"), ("ADDED", "before")], "events without a version")


@case(faults=True)  # a real server forgets only after minutes, and is free to send bookmarks or not
def watches_have_bookmarks_and_an_end(world):
    path = "/api/v1/configmaps"
    start = world.api(path)[1]["metadata"]["resourceVersion"]
    events = world.watch(f"{path}?watch=true&resourceVersion={start}&timeoutSeconds=1&allowWatchBookmarks=true")
    equal({(e["type"], e["object"]["metadata"]["resourceVersion"]) for e in events}, {("BOOKMARK", start)}, "events")
    events = world.watch("/api/v1/configmaps?watch=true&resourceVersion=1&timeoutSeconds=5")
    equal([(e["type"], e["object"].get("code"), e["object"].get("reason")) for e in events], [("ERROR", 410, "Expired")], "events")


@case()
def those_who_may_only_read_cannot_write(world):
    token = world.vars["PROD_VIEWER_TOKEN_FILE"]
    path = "/api/v1/namespaces/checkout/configmaps"
    for method, where, kind in [("POST", path, "application/json"), ("PATCH", f"{path}/checkout-config", MERGE),
                                ("PUT", f"{path}/checkout-config", "application/json"), ("DELETE", f"{path}/checkout-config", "application/json")]:
        refused(world.api(where, method=method, body=config_map("checkout-config"), content_type=kind, token_file=token), 403, "Forbidden")
