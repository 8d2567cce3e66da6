"""where, sort_by, group_by and contexts: what the listings compute themselves, against the objects of the API server."""
import collections
import json
import re

from harness import case, check, equal

PODS = "/api/v1/pods"


def key(o):
    return (o["metadata"].get("namespace", ""), o["metadata"]["name"])


def keys(rows):
    return [(r.get("NAMESPACE", ""), r["NAME"]) for r in rows]


def restarts(pod):
    return [s["restartCount"] for s in pod["status"].get("containerStatuses", [])]


def images(pod):
    return [c["image"] for c in pod["spec"]["containers"]]


def ready(pod):
    return next((c["status"] for c in pod["status"].get("conditions", []) if c["type"] == "Ready"), None)


@case(doors=True)
def conditions(world, door):
    pods = world.objects(PODS)
    node = next(p["spec"]["nodeName"] for p in pods if p["spec"].get("nodeName"))
    for where, holds in [
            (".status.containerStatuses[*].restartCount > 0", lambda p: any(r > 0 for r in restarts(p))),
            (f".spec.nodeName = {node}", lambda p: p["spec"].get("nodeName") == node),
            (f".spec.nodeName != {node}", lambda p: p["spec"].get("nodeName") != node),
            ("not exists .spec.nodeName", lambda p: not p["spec"].get("nodeName")),
            (".metadata.namespace in (shop, data)", lambda p: p["metadata"]["namespace"] in ("shop", "data")),
            (".metadata.namespace not in (shop, data)", lambda p: p["metadata"]["namespace"] not in ("shop", "data")),
            (".spec.containers[*].image contains web", lambda p: any("web" in i for i in images(p))),
            (".metadata.name matches ^c[a-z]+-", lambda p: re.search("^c[a-z]+-", p["metadata"]["name"])),
            ('.status.conditions[?(@.type=="Ready")].status = "False"', lambda p: ready(p) == "False"),
            (".status.phase = Running and (.metadata.namespace = shop or .metadata.namespace = data)",
             lambda p: p["status"]["phase"] == "Running" and p["metadata"]["namespace"] in ("shop", "data")),
            ("count(.spec.containers) > 1", lambda p: len(p["spec"]["containers"]) > 1),
            (".metadata.labels.app = web", lambda p: p["metadata"].get("labels", {}).get("app") == "web"),
            (".metadata.creationTimestamp < now+1h", lambda p: True),
            (".metadata.creationTimestamp > now", lambda p: False)]:
        want = [key(p) for p in pods if holds(p)]
        equal(keys(door.call("pods_list", where=where).ok().rows()), want, where)
        equal(door.call("pods_list", where=where, output="count").ok().text.splitlines()[0], str(len(want)), f"count of {where}")
        equal([json.loads(line)["metadata"]["name"] for line in door.call("pods_list", where=where, output="json", limit=3).ok().lines()],
              [n for _, n in want[:3]], f"json of {where}")


@case(doors=True)
def a_table_with_conditions_is_the_servers(world, door):
    want = [r for r in world.table("/api/v1/namespaces/shop/pods") if r["STATUS"] != "Running"]
    check(want, "some pod of the shop is not running")
    rows = door.call("pods_list", namespace="shop", where='.status.conditions[?(@.type=="Ready")].status != True',
                     fields=[".spec.nodeName"]).ok().rows()
    for row in want:
        mine = next((r for r in rows if r["NAME"] == row["NAME"]), None)
        check(mine, f"{row['NAME']} is missing", rows)
        equal(mine["STATUS"], row["STATUS"], row["NAME"])
        check(mine["NODENAME"], "the extra column", mine)


@case()
def quantities_and_paths_compare(world):
    deployments = world.objects("/apis/apps/v1/deployments")
    want = [key(d) for d in deployments if d["status"].get("readyReplicas", 0) < d["spec"]["replicas"]
            and "readyReplicas" in d["status"]]
    equal(keys(world.call("resources_list", kind="deploy", where=".status.readyReplicas < .spec.replicas").ok().rows()), want,
          "path against path")
    nodes = [key(n) for n in world.objects("/api/v1/nodes")]
    equal(keys(world.call("resources_list", kind="nodes", where=".status.capacity.memory > 1Mi").ok().rows()), nodes, "memory")
    equal(world.call("resources_list", kind="nodes", where=".status.capacity.memory < 1Mi").ok().rows(), [], "memory")


@case(doors=True)
def sorting(world, door):
    pods = world.objects(PODS)
    rows = door.call("pods_list", sort_by=".metadata.name").ok().rows()
    equal([r["NAME"] for r in rows], sorted(p["metadata"]["name"] for p in pods), "by name")
    rows = door.call("pods_list", sort_by="-.metadata.creationTimestamp", limit=5).ok().rows()
    want = sorted({p["metadata"]["creationTimestamp"] for p in pods}, reverse=True)
    made = {key(p): p["metadata"]["creationTimestamp"] for p in pods}
    equal(made[keys(rows)[0]], want[0], "the newest first")
    rows = door.call("pods_list", sort_by="-.status.containerStatuses[*].restartCount").ok().rows()
    most = [max(restarts(p), default=-1) for k in keys(rows) for p in pods if key(p) == k]
    equal(most, sorted(most, reverse=True), "by restarts, those without any last")


@case(doors=True)
def a_sorted_walk_shows_all_once(world, door):
    want = sorted(world.objects(PODS), key=lambda p: (p["metadata"]["name"], p["metadata"]["namespace"]))
    seen, cursor = [], None
    while True:
        answer = door.call("pods_list", sort_by="metadata.name", limit=9, **({"cursor": cursor} if cursor else {})).ok()
        seen += keys(answer.rows())
        cursor = answer.cursor()
        if not cursor:
            break
    equal(seen, [key(p) for p in want], "the walk")
    check("all shown now" in answer.text, "the end says so", answer.text)


@case(doors=True)
def groups(world, door):
    pods = world.objects(PODS)
    want = collections.Counter(i for p in pods for i in set(images(p)))
    rows = door.call("pods_list", group_by=[".spec.containers[*].image"]).ok().rows()
    equal({r["IMAGE"]: int(r["COUNT"]) for r in rows}, dict(want), "images in use")
    equal([int(r["COUNT"]) for r in rows], sorted(want.values(), reverse=True), "the largest first")
    rows = door.call("pods_list", group_by=[".metadata.namespace", ".status.phase"]).ok().rows()
    want = collections.Counter((p["metadata"]["namespace"], p["status"]["phase"]) for p in pods)
    equal({(r["NAMESPACE"], r["PHASE"]): int(r["COUNT"]) for r in rows}, dict(want), "two paths")
    lines = door.call("pods_list", group_by=[".status.phase"], output="json", where=".metadata.namespace = shop").ok().lines()
    want = collections.Counter(p["status"]["phase"] for p in pods if p["metadata"]["namespace"] == "shop")
    equal({json.loads(x)[".status.phase"]: json.loads(x)["count"] for x in lines}, dict(want), "as json, with a condition")


@case(doors=True)
def many_contexts(world, door):
    answer = door.call("pods_list", contexts=["prod", "staging"], namespace="shop").ok()
    rows = answer.rows()
    equal([r["NAME"] for r in rows if r["CONTEXT"] == "prod"],
          [p["metadata"]["name"] for p in world.objects("/api/v1/namespaces/shop/pods")], "prod's pods")
    equal([r["NAME"] for r in rows if r["CONTEXT"] == "staging"],
          [r["NAME"] for r in door.call("pods_list", context="staging", namespace="shop").ok().rows()], "staging's pods")
    for context in ("prod", "staging"):
        check(f"# context {context}: " in answer.text, f"{context} is summed up", answer.text)
    counts = door.call("pods_list", contexts=["prod", "staging"], output="count").ok().text
    equal(counts.splitlines()[0], f"prod: {len(world.objects(PODS))}", "count")
    rows = door.call("pods_list", contexts=["staging", "prod"], namespace="shop", sort_by=".metadata.name").ok().rows()
    equal([r["NAME"] for r in rows], sorted(r["NAME"] for r in rows), "in one order")
    rows = door.call("resources_list", kind="deploy", contexts=["prod", "staging"], group_by=[".metadata.namespace"]).ok().rows()
    equal({r["CONTEXT"] for r in rows}, {"prod", "staging"}, "groups are labelled")


@case(doors=True)
def a_dead_context_costs_only_itself(world, door):
    answer = door.call("pods_list", contexts=["prod", "dead"], namespace="shop").ok()
    check(answer.rows() and all(r["CONTEXT"] == "prod" for r in answer.rows()), "prod's rows", answer.text)
    check("# context dead: Unreachable: " in answer.text, "the dead one is named", answer.text)
    door.call("pods_list", contexts=["dead"]).fails("Unreachable")
    answer = door.call("pods_list", contexts=["prod", "prod-nobody"]).ok()
    check("# context prod-nobody: Forbidden: " in answer.text, "the forbidden one is named", answer.text)


@case(doors=True)
def objects_of_many_contexts(world, door):
    text = door.call("resources_get", kind="deploy", name="web", namespace="shop", contexts=["prod", "staging"],
                     fields=[".spec.template.spec.containers[*].image"]).ok().text
    check("=== context prod ===" in text and "=== context staging ===" in text and text.count("web:") == 2, "both", text)


@case()
def contexts_that_cannot_be(world):
    world.call("pods_list", contexts=["prdo"]).fails("UnknownContext", "no context matches 'prdo'", "did you mean 'prod'")
    world.call("pods_list", contexts=["prod", "none-*"]).fails("UnknownContext", "none-*")
    world.call("pods_list", contexts=["prod"], context="prod").fails("ValidationError", "'context' and 'contexts'")
    cursor = world.call("pods_list", limit=1).ok().cursor()
    world.call("pods_list", contexts=["prod"], cursor=cursor).fails("ValidationError", "'cursor'", "'contexts'")


@case(doors=True)
def bad_questions(world, door):
    for where, word in [(".status.phase =", "column 16"), ("(.a = 1", "column 8"), (".a = 1 or", "column 10"), (".a[ = 1", "column"),
                        (".metadata.name matches [", "column"), ("x" * 5000, "4096")]:
        door.call("pods_list", where=where).fails("ValidationError", "where", word)
    door.call("pods_list", sort_by="-.a[").fails("ValidationError", "sort_by")
    door.call("pods_list", group_by=[".a", ".b["]).fails("ValidationError", "group_by", "item 2")
    door.call("pods_list", group_by=[".a"], sort_by=".b").fails("ValidationError", "group_by", "sort_by")
    door.call("pods_list", group_by=[".a"], output="yaml").fails("ValidationError", "group_by", "output")
    answer = door.call("pods_list", where=".status.fase = Running").ok()
    check("no object read has .status.fase" in answer.text, "a path that finds nothing is told", answer.text)


@case()
def a_pattern_that_explodes_is_stopped(world):
    world.call("pods_list", where='.metadata.uid matches "^(([0-9a-f-])+)+[x-z]$"').fails("ValidationError", "expensive")


@case(doors=True)
def secrets_tell_nothing_through_conditions(world, door):
    for where in (".data.password matches ^Q", ".data contains CANARY", ".stringData.x = y"):
        answer = door.call("resources_list", kind="secrets", where=where, fields=[".data"]).ok()
        check("CANARY" not in answer.text, "a secret value", answer.text)
    secrets = world.objects("/api/v1/secrets")
    some = next(s for s in secrets if s.get("data") and s["type"] == "Opaque")
    name, value = next(iter(some["data"].items()))
    answer = door.call("resources_list", kind="secrets", where=f"exists .data['{name}']").ok()
    check(some["metadata"]["name"] in answer.text, "that a key exists may be asked", answer.text)
    answer = door.call("resources_list", kind="secrets", where=f".data['{name}'] = \"{value}\"").ok()
    check("none matches" in answer.text, "its value may not", answer.text)
