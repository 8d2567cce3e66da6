"""resources_describe says what `kubectl describe` says, fact by fact, for the kinds of the seeded shop."""
import re
import time

from facts import conditions, events, facts, states
from harness import case, check

KINDS = ["pods", "deployments", "replicasets", "statefulsets", "daemonsets", "jobs", "cronjobs", "services", "ingresses", "nodes",
         "persistentvolumeclaims", "persistentvolumes", "storageclasses", "configmaps", "secrets", "horizontalpodautoscalers",
         "namespaces", "serviceaccounts", "roles", "clusterroles", "rolebindings", "clusterrolebindings", "networkpolicies",
         "resourcequotas", "limitranges", "poddisruptionbudgets", "endpointslices", "priorityclasses", "promotions",
         "featureflags"]
MOST = 8  # objects of a kind

# What kubectl prints and we do not, and why.
TOLERATED = [
    ("nodes", "quantity", re.compile(r"^0%$"), "shares of ephemeral storage and huge pages: only CPU and memory are added up"),
    ("", "name", re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"), "the uid, which kubectl prints of custom resources only"),
    ("", "pair", re.compile(r"^(delay|timeout|period|#?success|#?failure)="), "probes are written with our own words"),
]


def objects(world, kind):
    """(namespace or None, name) of some objects."""
    lines = world.kubectl("get", kind, "-A", "--no-headers", "-o",
                          "custom-columns=NS:.metadata.namespace,NAME:.metadata.name").splitlines()
    found = [(None if ns == "<none>" else ns, name) for ns, name in (line.split() for line in lines) if ":" not in name]
    return found[::max(1, -(-len(found) // MOST))]


def is_tolerated(kind, what, fact):
    return any(k in ("", kind) and w in ("", what) and pattern.search(fact) for k, w, pattern, _ in TOLERATED)


def differences(world, kind, ns, name):
    """(facts there are, those that ours lacks)."""
    where = ["-n", ns] if ns else []
    theirs = world.kubectl("describe", kind, name, *where)
    ours = world.call("resources_describe", kind=kind, name=name, **({"namespace": ns} if ns else {})).ok().text
    stated = facts(theirs)
    missing = {(what, fact) for what, fact in stated if not states(ours, what, fact) and not is_tolerated(kind, what, fact)}
    for what, rows in (("condition", conditions(theirs)), ("event", events(theirs))):
        stated |= {(what, " ".join(row)) for row in rows}
        missing |= {(what, " ".join(row)) for row in rows if not re.search(r"\s+".join(map(re.escape, row)), ours)}
    if len(events(theirs)) > 10:  # ours shows the newest ten
        missing = {m for m in missing if m[0] != "event"}
    return stated, missing


def compare(kind):
    @case()
    def described(world):
        chosen, count = objects(world, kind), 0
        check(chosen, f"the cluster has no {kind}")
        for ns, name in chosen:
            for _ in range(5):  # a living cluster changes between two reads
                stated, missing = differences(world, kind, ns, name)
                if not missing:
                    break
                time.sleep(1)
            check(not missing, f"{kind} {ns}/{name} lacks", *sorted(missing))
            count += len(stated)
        check(count or kind in ("priorityclasses", "featureflags", "secrets", "serviceaccounts", "roles", "promotions"),
              f"no fact was found in what kubectl says of {kind}")
    described.__name__ = kind


for each in KINDS:
    compare(each)
