"""config_contexts_list, namespaces_list, and naming a context."""
import json
import time

from harness import case, check, equal

NAMES = ["prod", "staging", "prod-viewer", "prod-checkout-dev", "prod-nobody", "dead"]


@case(doors=True, short=True)
def contexts_are_listed(world, door):
    answer = door.call("config_contexts_list").ok()
    equal(sorted(c["name"] for c in answer.structured["contexts"]), sorted(NAMES), "names")
    equal(answer.structured["current_context"], "prod", "current context")
    dev = next(c for c in answer.structured["contexts"] if c["name"] == "prod-checkout-dev")
    equal((dev["cluster"], dev["namespace"]), ("prod", "checkout"), "cluster and namespace")
    check("reachable" not in dev, "nothing was checked", dev)


@case(doors=True)
def a_dead_context_is_told_apart_quickly(world, door):
    began = time.monotonic()
    contexts = {c["name"]: c for c in door.call("config_contexts_list", check=True).ok().structured["contexts"]}
    check(time.monotonic() - began < 6, f"checking took {time.monotonic() - began:.1f} s")
    equal({n for n, c in contexts.items() if not c["reachable"]}, {"dead"}, "unreachable contexts")
    check("refused" in contexts["dead"]["error"], "why it is dead", contexts["dead"])
    check(contexts["prod"]["version"].startswith("v1."), "version", contexts["prod"])


@case()
def the_contexts_need_no_cluster(world):
    world.with_kubeconfig(world.make_kubeconfig({"server": world.vars["DEAD_URL"]})).call("config_contexts_list").ok()


@case(doors=True, short=True)
def namespaces_are_listed(world, door):
    rows = door.call("namespaces_list").ok().rows()
    equal([r["NAME"] for r in rows], [o["metadata"]["name"] for o in world.objects("/api/v1/namespaces")], "names")
    check(all(r["STATUS"] == "Active" and r["AGE"] for r in rows), "status and age", rows)


@case(doors=True)
def an_unknown_context_names_what_exists(world, door):
    answer = door.call("pods_list", context="prodd").fails("UnknownContext", "prodd", "staging", "did you mean 'prod'")
    check("cluster" in answer.error, "the envelope names the cluster", answer.error)


@case(doors=True)
def cluster_is_another_name_for_context(world, door):
    answer = door.call("pods_list", cluster="staging", namespace="shop").ok()
    check("# context staging" in answer.text, "which context answered", answer.text)
    door.call("pods_list", context="staging", cluster="prod").fails("ValidationError")


@case()
def two_contexts_do_not_mix(world):
    rows = {c: {r["NAME"] for r in world.call("pods_list", context=c, namespace="checkout").ok().rows()}
            for c in ("prod", "staging")}
    equal(rows["prod"], {o["metadata"]["name"] for o in world.objects("/api/v1/namespaces/checkout/pods")}, "prod")
    check(rows["staging"] and not rows["prod"] & rows["staging"], "pods in both", rows)


@case()
def a_default_context_can_be_configured(world):
    answer = world.cli(["--context", "staging"]).call("pods_list", namespace="shop").ok()
    check("# context staging" in answer.text, "which context answered", answer.text)


@case(doors=True)
def a_glob_narrows(world, door):
    answer = door.call("config_contexts_list", match="prod-*").ok().structured
    equal(sorted(c["name"] for c in answer["contexts"]), ["prod-checkout-dev", "prod-nobody", "prod-viewer"], "contexts")


@case()
def hundreds_are_cut_to_the_budget(world):
    names = [f"cluster-{i:04}" for i in range(1000)]
    file = world.file(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": names[7],
        "clusters": [{"name": n, "cluster": {"server": f"https://{n}.invalid:6443"}} for n in names],
        "users": [{"name": n, "user": {"token": "t"}} for n in names],
        "contexts": [{"name": n, "context": {"cluster": n, "user": n}} for n in names]}))
    answer = world.cli(["--kubeconfig", file]).call("config_contexts_list").ok()
    check(len(answer.text) <= 32768, "within the budget", len(answer.text))
    equal(len(answer.structured["contexts"]) + answer.structured["left_out"], len(names), "shown and left out")
    equal(answer.structured["current_context"], names[7], "the default")
