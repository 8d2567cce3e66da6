"""Tables are kubectl's: wide ones, and those of one namespace."""
import re
import time

from harness import case, equal

KINDS = ["pods", "deploy", "svc", "nodes", "sts", "ds", "rs", "jobs", "cronjobs", "ing", "pvc", "pv", "sc", "cm", "secrets", "sa", "hpa",
         "pdb", "netpol", "quota", "limits", "roles", "rolebindings", "ns", "endpointslices", "promotions", "featureflags", "crd"]


def steady(lines):
    """Without ages and without the width of columns."""
    return [" ".join(re.sub(r"\b\d+[smhd]\d*[smh]?\b", "T", line).split()) for line in lines if line]


def compare(world, what, arguments, words):
    for _ in range(10):  # a living cluster changes between two reads
        answer = world.call("resources_list", **arguments).ok()
        mine, theirs = steady(answer.lines()), steady(world.kubectl("get", *words).splitlines())
        if answer.cursor():  # kubectl has no budget
            theirs = theirs[:len(mine)]
        if mine == theirs:
            break
        time.sleep(1)
    equal(mine, theirs, what)


@case()
def wide(world):
    for kind in KINDS:
        compare(world, kind, {"kind": kind, "output": "wide"}, [kind, "-A", "-o", "wide"])


@case()
def of_a_namespace(world):
    for kind in ("pods", "deploy", "svc", "rs", "cm"):
        compare(world, kind, {"kind": kind, "namespace": "shop"}, [kind, "-n", "shop"])


@case()
def with_labels(world):
    compare(world, "pods", {"kind": "pods", "namespace": "shop", "label_selector": "app in (web, cart)"},
            ["pods", "-n", "shop", "-l", "app in (web, cart)"])
