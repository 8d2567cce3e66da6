"""pods_top and nodes_top: prod has a metrics API, staging has none."""
import json
import re

from harness import case, check, equal
from cases.nodes import quantity

METRICS = "/apis/metrics.k8s.io/v1beta1"


def close(mine, theirs, what):
    """Usage changes between two reads."""
    check(abs(mine - theirs) <= 0.5 * float(theirs) + 0.02, f"{what}: {float(mine)} is far from {float(theirs)}")


@case(doors=True, short=True)
def pods(world, door):
    rows = door.call("pods_top").ok().rows()
    want = {(i["metadata"]["namespace"], i["metadata"]["name"]): i for i in world.objects(METRICS + "/pods")}
    check(want, "no metrics")
    equal(sorted((r["NAMESPACE"], r["POD"]) for r in rows), sorted(want), "pods")
    used = [quantity(r["CPU"]) for r in rows]
    equal(used, sorted(used, reverse=True), "the order")
    if world.simulated:
        for row in rows:
            containers = want[row["NAMESPACE"], row["POD"]]["containers"]
            equal(used[rows.index(row)] * 1000, -(-sum(quantity(c["usage"]["cpu"]) for c in containers) * 1000 // 1), row["POD"])


@case(doors=True)
def containers_beside_their_limits(world, door):
    answer = door.call("pods_top", namespace="payments", containers=True, sort_by="memory").ok()
    pods = {p["metadata"]["name"]: p for p in world.objects("/api/v1/namespaces/payments/pods")}
    check(answer.rows(), "no rows", answer.text)
    for row in answer.rows():
        spec = pods[row["POD"]]["spec"]
        container = next(c for c in spec["containers"] + spec.get("initContainers", []) if c["name"] == row["CONTAINER"])
        for kind, column in (("requests", "REQ"), ("limits", "LIM")):
            for what, prefix in (("cpu", "CPU"), ("memory", "MEM")):
                want = container.get("resources", {}).get(kind, {}).get(what)
                shown = row[f"{prefix}-{column}"]
                if want is None:
                    equal(shown, "<none>", f"{what} {kind} of {row['CONTAINER']}")
                    continue
                value, percent = re.fullmatch(r"(\S+) \((\d+)%\)", shown).groups()
                equal(quantity(value), quantity(want), f"{what} {kind} of {row['CONTAINER']}")
                close(int(percent) / 100, quantity(row["CPU" if what == "cpu" else "MEMORY"]) / quantity(want), "share")


@case()
def how_old_the_figures_are(world):
    for tool in ("pods_top", "nodes_top"):
        answer = world.call(tool).ok()
        check(re.search(r"^# measured (\d+ to )?\d+ s ago, over \d+s$", answer.text, re.M), "the age", answer.text)


@case(doors=True)
def nodes(world, door):
    rows = {r["NAME"]: r for r in door.call("nodes_top").ok().rows()}
    nodes = {n["metadata"]["name"]: n for n in world.objects("/api/v1/nodes")}
    equal(sorted(rows), sorted(nodes), "nodes")
    for name, row in rows.items():
        value, percent = re.fullmatch(r"(\S+) \((\d+)%\)", row["MEM-ALLOC"]).groups()
        equal(quantity(value), quantity(nodes[name]["status"]["allocatable"]["memory"]), f"memory of {name}")
        close(int(percent) / 100, quantity(row["MEMORY"]) / quantity(value), "share")


@case(cluster=True)
def figures_are_kubectls(world):
    for words, tool, key in ((["nodes"], "nodes_top", lambda r: r["NAME"]), (["pods", "-A"], "pods_top", lambda r: r["POD"])):
        theirs = {}
        for line in world.kubectl("top", *words, "--no-headers").splitlines():
            cells = line.split()
            name = cells[0] if words == ["nodes"] else cells[1]
            theirs[name] = cells[1:] if words == ["nodes"] else cells[2:]
        rows = world.call(tool).ok().rows()
        equal(sorted(key(r) for r in rows), sorted(theirs), tool)
        for row in rows:
            close(quantity(row["CPU"]), quantity(theirs[key(row)][0]), f"cpu of {key(row)}")
            memory = theirs[key(row)][-2 if words == ["nodes"] else -1]
            close(quantity(row["MEMORY"]) / 2**20, quantity(memory) / 2**20, f"memory of {key(row)}")


@case(doors=True)
def one_pod_and_one_node(world, door):
    item = world.objects(METRICS + "/pods")[0]["metadata"]
    equal([r["POD"] for r in door.call("pods_top", name=item["name"], namespace=item["namespace"]).ok().rows()], [item["name"]], "pod")
    door.call("pods_top", name="none-such", namespace="shop").fails("NotFound", "none-such")
    node = world.objects(METRICS + "/nodes")[0]["metadata"]["name"]
    equal([r["NAME"] for r in door.call("nodes_top", name=node).ok().rows()], [node], "node")


@case()
def by_label(world):
    rows = world.call("pods_top", label_selector="app=web").ok().rows()
    check(rows and all(r["POD"].startswith("web-") for r in rows), "the pods of web", rows)
    equal(world.call("pods_top", label_selector="app=none-such").ok().rows(), [], "none")


@case(doors=True)
def a_cluster_without_metrics(world, door):
    for tool in ("pods_top", "nodes_top"):
        answer = door.call(tool, context="staging").fails("MetricsUnavailable", "no metrics API", "metrics-server")
        equal(answer.error.get("http_status"), 404, "status")


@case(faults=True)
def a_metrics_api_that_is_broken(world):
    world.fault(path=METRICS, status=503, count=0)
    for tool in ("pods_top", "nodes_top"):
        world.cli().call(tool).fails("MetricsUnavailable", "does not answer", "v1beta1.metrics.k8s.io")


@case()
def who_may_not_see_metrics(world):
    world.call("pods_top", context="prod-nobody").fails("Forbidden")
