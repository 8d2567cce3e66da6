"""nodes_summary against the nodes and pods themselves, and against kubectl."""
import json
import re
from fractions import Fraction

from harness import case, check, equal

UNITS = {"m": Fraction(1, 1000), "u": Fraction(1, 10**6), "n": Fraction(1, 10**9), "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12,
         "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "": 1}
ENDED = ("Succeeded", "Failed")


def quantity(text):
    number, unit = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", text).groups()
    return Fraction(number) * UNITS[unit]


def requested(pod, what):
    """What a pod without init containers that need more requests."""
    of = lambda c: quantity(c.get("resources", {}).get("requests", {}).get(what, "0"))
    spec = pod["spec"]
    sidecars = [c for c in spec.get("initContainers", []) if c.get("restartPolicy") == "Always"]
    first = [c for c in spec.get("initContainers", []) if c.get("restartPolicy") != "Always"]
    return max([sum(of(c) for c in spec["containers"] + sidecars)] + [of(c) + sum(of(s) for s in sidecars) for c in first])


def steady(world, read, judge):
    """JUDGE of what READ finds; once more when the cluster moved meanwhile."""
    for attempt in range(5):
        try:
            return judge(read())
        except Exception:
            if world.simulated or attempt == 4:
                raise


@case(doors=True, short=True)
def the_state_of_nodes(world, door):
    rows = {r["NAME"]: r for r in door.call("nodes_summary").ok().rows()}
    table = {r["NAME"]: r for r in world.table("/api/v1/nodes")}
    equal(sorted(rows), sorted(table), "nodes")
    for name, row in rows.items():
        for column in ("STATUS", "ROLES", "VERSION"):
            equal(row[column], table[name][column], f"{column} of {name}")


@case()
def what_pods_request(world):
    def read():
        answer = world.call("nodes_summary", output="json").ok()
        return [json.loads(line) for line in answer.lines()], world.objects("/api/v1/nodes"), world.objects("/api/v1/pods")

    def judge(found):
        lines, nodes, pods = found
        equal(sorted(n["name"] for n in lines), sorted(n["metadata"]["name"] for n in nodes), "nodes")
        for line in lines:
            node = next(n for n in nodes if n["metadata"]["name"] == line["name"])
            own = [p for p in pods if p["spec"].get("nodeName") == line["name"] and p["status"]["phase"] not in ENDED]
            equal(line["requested"]["pods"], len(own), f"pods of {line['name']}")
            for what in ("cpu", "memory"):
                want = sum(requested(p, what) for p in own)
                equal(quantity(line["requested"][what]), want, f"{what} requested on {line['name']}")
                allocatable = quantity(node["status"]["allocatable"][what])
                equal(quantity(line["allocatable"][what]), allocatable, f"{what} of {line['name']}")
                equal(line["requested"][what + "_percent"], int(want * 100 / allocatable), f"share of {what}")
            equal(line["capacity"]["pods"], int(node["status"]["capacity"]["pods"]), "room for pods")

    steady(world, read, judge)


@case(cluster=True)
def requests_are_kubectls(world):
    """The lines "Allocated resources" of kubectl describe."""
    def read():
        lines = [json.loads(line) for line in world.call("nodes_summary", output="json").ok().lines()]
        return lines, {n["name"]: world.kubectl("describe", "node", n["name"]) for n in lines}

    def judge(found):
        for line, text in ((n, found[1][n["name"]]) for n in found[0]):
            for what in ("cpu", "memory"):
                value, percent = re.search(rf"^  {what} +(\S+) \((\d+)%\)", text, re.M).groups()
                equal(quantity(line["requested"][what]), quantity(value), f"{what} of {line['name']}")
                equal(line["requested"][what + "_percent"], int(percent), f"share of {what}")
            equal(f"({line['requested']['pods']} in total)", re.search(r"Non-terminated Pods: +(\(.*\))", text).group(1), "pods")

    steady(world, read, judge)


@case(doors=True)
def one_node(world, door):
    name = world.objects("/api/v1/nodes")[0]["metadata"]["name"]
    answer = door.call("nodes_summary", name=name, output="wide").ok()
    equal([r["NAME"] for r in answer.rows()], [name], "rows")
    check("containerd://" in answer.text, "the runtime", answer.text)
    door.call("nodes_summary", name="none-such").fails("NotFound", "none-such")


@case()
def nodes_by_label(world):
    nodes = world.objects("/api/v1/nodes")
    label = "topology.kubernetes.io/zone"
    zone = nodes[0]["metadata"]["labels"][label]
    want = sorted(n["metadata"]["name"] for n in nodes if n["metadata"]["labels"].get(label) == zone)
    rows = world.call("nodes_summary", label_selector=f"{label}={zone}").ok().rows()
    equal(sorted(r["NAME"] for r in rows), want, "nodes of the zone")
    check("no nodes found" in world.call("nodes_summary", label_selector="a=none-such").ok().text, "none")


@case()
def who_may_not_see_nodes(world):
    world.call("nodes_summary", context="prod-nobody").fails("Forbidden", "nodes")


@case(faults=True)
def who_may_not_see_pods(world):
    world.fault(path="/api/v1/pods", status=403, count=0)
    answer = world.call("nodes_summary").ok()
    check("pods may not be listed" in answer.text and "CPU-REQ" not in answer.text, "what is left out", answer.text)
    equal(len(answer.rows()), len(world.objects("/api/v1/nodes")), "nodes")
