"""api_resources_list against discovery and kubectl: which kinds there are, and what their fields mean."""
import os
import re
import time

from harness import case, check, equal

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
FIELDS = ["deployment.spec.strategy", "deployment.spec.strategy.rollingUpdate.maxSurge", "deployment.spec.replicas",
          "deployment.spec.template.spec.containers.image", "deployment.spec.selector.matchLabels",
          "deployment.metadata.creationTimestamp", "pod.spec", "pod.spec.containers", "pod.spec.containers.ports.containerPort",
          "pod.spec.containers.resources.limits", "pod.spec.volumes.emptyDir.medium", "pod.status.conditions.status",
          "pod.metadata.labels", "service.spec.ports.targetPort", "configmap.data", "promotions.spec.discountPercent",
          "promotions.spec.channel", "promotions.status.conditions"]


def discovered(world):
    """(plural, group, first version) to its entry, subresources left out."""
    found = {}
    for path in ("/api", "/apis"):
        status, document = world.api(path, AGGREGATED)
        equal(status, 200, path)
        for group in document["items"]:
            for version in group["versions"]:
                for resource in version["resources"] if version.get("freshness") != "Stale" else []:
                    if "responseKind" in resource and resource["responseKind"].get("kind"):
                        found.setdefault((group["metadata"].get("name", ""), resource["resource"]), (version["version"], resource))
    return found


@case(doors=True, short=True)
def every_kind(world, door):
    answer = door.call("api_resources_list").ok()
    want = discovered(world)
    rows = {}
    for row in answer.rows():
        group, _, versions = row["APIVERSION"].rpartition("/")
        rows[group, row["NAME"]] = (versions.split(",")[0], row)
    equal(sorted(rows), sorted(want), "kinds")
    for key, (version, row) in rows.items():
        want_version, resource = want[key]
        equal(version, want_version, f"version of {key}")
        equal(row["KIND"], resource["responseKind"]["kind"], f"kind of {key}")
        equal(row["NAMESPACED"], str(resource["scope"] == "Namespaced").lower(), f"scope of {key}")
        equal(row["SHORT"], ",".join(resource.get("shortNames", [])), f"short names of {key}")
        verbs = resource["verbs"] if row["VERBS"] == "all" else row["VERBS"].split(",")
        equal(sorted(verbs), sorted(resource["verbs"]), f"verbs of {key}")


@case(cluster=True)
def the_list_is_kubectls(world):
    theirs = []
    for line in world.kubectl("api-resources", "--no-headers").splitlines():
        cells = line.split()
        theirs.append([cells[0], *cells[-3:]])
    rows = [[r["NAME"], r["APIVERSION"].split(",")[0], r["NAMESPACED"], r["KIND"]] for r in world.call("api_resources_list").ok().rows()]
    equal(sorted(rows), sorted(theirs), "kinds")


@case()
def narrowed(world):
    names = lambda **arguments: [r["NAME"] for r in world.call("api_resources_list", **arguments).ok().rows()]
    equal(names(match="promo"), ["promotions"], "part of a name")
    equal(names(match="DEPLOY"), ["deployments"], "short name")
    equal(names(match="*sets", api_version="apps/v1"), ["daemonsets", "replicasets", "statefulsets"], "glob and version")
    equal(names(api_version="*.example.com"), ["featureflags", "promotions"], "custom kinds")
    equal(names(api_version="*.example.com", scope="cluster"), ["featureflags"], "cluster-wide ones")
    check("pods" in names(category="all") and "secrets" not in names(category="all"), "category all")
    answer = world.call("api_resources_list", match="deploymnts").ok()
    check("did you mean 'deployments'?" in answer.text, "the nearest", answer.text)


@case()
def a_list_that_is_cut_says_what_is_missing(world):
    answer = world.cli(["--set", "server.max_result_bytes=4KiB"]).call("api_resources_list").ok()
    check(len(answer.text) <= 4096, f"{len(answer.text)} bytes")
    total, left = map(int, re.search(r"(\d+) kinds, (\d+) left out \(by group: \S", answer.text).groups())
    equal(len(answer.rows()) + left, total, "rows and what is left out")


@case(doors=True)
def fields(world, door):
    answer = door.call("api_resources_list", explain="deployment.spec.strategy").ok()
    check(answer.text.startswith("Deployment.spec.strategy <DeploymentStrategy> (apps/v1)\n"), "the head", answer.text)
    check('\n  type <string>, one of ["Recreate","RollingUpdate"]: Type of deployment.\n' in answer.text, "a field", answer.text)
    answer = door.call("api_resources_list", explain="promotions.shop.example.com.spec").ok()
    check("  discountPercent <integer> required: Percent off the list price\n" in answer.text, "of a CRD", answer.text)
    answer = door.call("api_resources_list", explain="pods.spec.containers[].livenessProbe", depth=2).ok()
    check("\n    port <IntOrString> required\n" in answer.text, "two levels", answer.text)


@case()
def fields_that_do_not_exist(world):
    call = lambda field, **more: world.call("api_resources_list", explain=field, **more)
    call("deployment.spec.strategi").fails("NotFound", "position 17", "did you mean 'strategy'")
    call("deploymnt.spec").fails("NotFound", "deploymnt", "Deployment")
    call("pods.spec[").fails("ValidationError", "position 10")
    call("pods.spec", api_version="apps/v1").fails("NotFound", "apps/v1")
    call("pods.spec", match="x").fails("ValidationError", "match")
    call("nodes.metrics.k8s.io").fails("NotFound", "no schema", "metrics.k8s.io")


def explained(text):
    """(type, first words of the description) of kubectl's or our explanation."""
    if text.startswith(("GROUP:", "KIND:")):
        kind = re.search(r"^FIELD: \S+ <(.*?)>", text, re.M).group(1)
        description = re.search(r"^DESCRIPTION:\n(.*?)(?:^FIELDS:|\Z)", text, re.M | re.S).group(1)
    else:
        kind = re.match(r"\S+ <(.*?)>", text).group(1)
        description = "\n".join(re.findall(r"^  (.*)$", text.split("fields:\n")[0], re.M))
    words = " ".join(description.replace("<empty>", "").split())
    return kind.lower(), words[:60]


def subfields(text):
    """name -> (type, required) of the fields that an explanation lists."""
    ours = re.findall(r"^  (\S+) <(.*?)>( required)?", text, re.M)
    theirs = re.findall(r"^  (\S+)\t<(.*?)>( -required-)?$", text, re.M)
    return {name: (kind.lower(), bool(required)) for name, kind, required in theirs or ours}


@case(cluster=True)
def explanations_are_kubectls(world):
    for field in FIELDS:
        mine, theirs = world.call("api_resources_list", explain=field).ok().text, world.kubectl("explain", field)
        equal(explained(mine), explained(theirs), field)
        equal(subfields(mine), subfields(theirs), f"fields of {field}")


@case(cluster=True)
def a_broken_group_costs_nobody_else_anything(world):
    """An aggregated API whose server does not exist."""
    group = f"broken-{os.getpid()}.kube-mcp.test"
    manifest = world.file(f"""{{"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {{"name": "v1.{group}"}},
        "spec": {{"group": "{group}", "version": "v1", "groupPriorityMinimum": 10, "versionPriority": 10, "insecureSkipTLSVerify": true,
        "service": {{"name": "nowhere", "namespace": "default"}}}}}}""")
    world.kubectl("create", "-f", manifest)
    try:
        for _ in range(40):
            answer = world.cli().call("api_resources_list").ok()
            if group in answer.text:
                break
            time.sleep(0.25)
        check(re.search(rf"^# not listed, broken: {re.escape(group)}/v1: \S", answer.text, re.M), "the broken group", answer.text)
        names = [r["NAME"] for r in answer.rows()]
        check("pods" in names and "promotions" in names, "the others", answer.text)
        world.cli().call("resources_list", kind="promotions").ok()
        world.cli().call("resources_list", kind="none-such").fails("NotFound")
    finally:
        world.kubectl("delete", "-f", manifest)
