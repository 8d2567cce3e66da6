"""pods_list and resources_list: forms, selectors, cutting and continuing."""
import json
import re
import time

from harness import case, check, equal

PODS = "/api/v1/pods"


def names(objects):
    return [o["metadata"]["name"] for o in objects]


def shown(answer):
    return [r["NAME"] for r in answer.ok().rows()]


@case(doors=True, short=True)
def pods_of_all_namespaces(world, door):
    rows = door.call("pods_list").ok().rows()
    want = [(o["metadata"]["namespace"], o["metadata"]["name"]) for o in world.objects(PODS)]
    equal([(r["NAMESPACE"], r["NAME"]) for r in rows], want, "pods")


@case(doors=True)
def pods_of_one_namespace(world, door):
    answer = door.call("pods_list", namespace="checkout")
    equal(shown(answer), names(world.objects("/api/v1/namespaces/checkout/pods")), "pods")
    check("NAMESPACE" not in answer.text, "no namespace column", answer.text)


@case()
def tables_are_the_servers(world):
    for kind, path in [("pods", PODS), ("deployments", "/apis/apps/v1/deployments"), ("svc", "/api/v1/services"),
                       ("no", "/api/v1/nodes"), ("cm", "/api/v1/configmaps"), ("statefulset", "/apis/apps/v1/statefulsets"),
                       ("cronjob", "/apis/batch/v1/cronjobs"), ("ingress", "/apis/networking.k8s.io/v1/ingresses"),
                       ("pvc", "/api/v1/persistentvolumeclaims"), ("promotions", "/apis/shop.example.com/v1/promotions"),
                       ("hpa", "/apis/autoscaling/v2/horizontalpodautoscalers"), ("crd", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions")]:
        rows = world.call("resources_list", kind=kind).ok().rows()
        table = world.table(path)
        check(table, f"{path} is empty")
        steady = lambda rows: [{k: re.sub(r"\d+[smhd]\d*[smh]?\b", "T", v) for k, v in r.items() if k != "NAMESPACE"} for r in rows]
        equal(steady(rows), steady(table), kind)


def both_tables(world, kind):
    """The rows of ours and of kubectl's table, in comparable form; None when ours was cut by its budget."""
    mine = world.call("resources_list", kind=kind).ok()
    if mine.cursor():  # kubectl has no budget
        return None
    theirs = world.kubectl("get", kind, "-A").splitlines()
    steady = lambda lines: [" ".join(re.sub(r"\b\d+[smhd]\d*[smh]?\b", "T", l).split()) for l in lines]
    order = sorted if kind == "events" else list  # kubectl does not sort these
    return order(steady(mine.lines())), order(steady(theirs))


@case(cluster=True)
def tables_are_kubectls(world):
    for kind in ("pods", "deploy", "svc", "nodes", "cm", "sts", "cronjobs", "ing", "pvc", "jobs", "rs", "ds", "promotions",
                 "featureflags", "hpa", "sc", "sa", "events"):
        for attempt in range(10):  # a living cluster changes between two reads
            tables = both_tables(world, kind)
            if tables is None or tables[0] == tables[1]:
                break
            time.sleep(1)
        if tables is not None:
            equal(*tables, kind)


@case(doors=True)
def label_selectors(world, door):
    for selector in ("app=checkout-api", "app==checkout-api", "app!=checkout-api,app", "app in (checkout-api, web)",
                     "app notin (checkout-api)", "app.kubernetes.io/part-of", "!app"):
        rows = shown(door.call("pods_list", label_selector=selector))
        from urllib.parse import quote
        equal(rows, names(world.objects(f"{PODS}?labelSelector={quote(selector)}")), selector)
    check(shown(door.call("pods_list", label_selector="app in (web)")), "some pod is labelled app=web")
    check("nothing found" in door.call("pods_list", label_selector="app=none-such").ok().text, "an empty list says so")


@case()
def a_bad_label_selector(world):
    world.call("pods_list", label_selector="a in (").fails("ValidationError", "label_selector: column 7: ", "the selector ends")


@case(doors=True)
def field_selectors(world, door):
    pods = world.objects(PODS)
    node = next(p["spec"]["nodeName"] for p in pods if p["spec"].get("nodeName"))
    for selector, want in [
            ("status.phase=Pending", [p for p in pods if p["status"]["phase"] == "Pending"]),
            ("status.phase!=Running", [p for p in pods if p["status"]["phase"] != "Running"]),
            (f"spec.nodeName={node}", [p for p in pods if p["spec"].get("nodeName") == node]),
            ("metadata.namespace=shop,status.phase=Running",
             [p for p in pods if p["status"]["phase"] == "Running" and p["metadata"]["namespace"] == "shop"])]:
        check(want, f"nothing matches {selector}")
        equal(shown(door.call("pods_list", field_selector=selector)), names(want), selector)
    rows = shown(door.call("resources_list", kind="secrets", field_selector="type=Opaque"))
    equal(rows, names(s for s in world.objects("/api/v1/secrets") if s["type"] == "Opaque"), "type")


@case()
def an_unknown_field_is_refused(world):
    world.call("pods_list", field_selector="spec.colour=red").fails("ValidationError", "field label not supported: spec.colour")


@case(doors=True)
def forms(world, door):
    pods = world.objects("/api/v1/namespaces/payments/pods")
    get = lambda form, **more: door.call("pods_list", namespace="payments", output=form, **more).ok()
    check("NODE" in get("wide").lines()[0], "wide shows nodes")
    equal([json.loads(line)["metadata"]["name"] for line in get("json").lines()], names(pods), "json")
    check("managedFields" not in get("json").text + get("yaml").text, "managedFields are gone")
    equal(re.findall(r"^  name: (\S+)$", get("yaml").text, re.M), names(pods), "yaml")
    equal(get("name").lines(), ["pod/" + n for n in names(pods)], "name")
    equal(get("count").text.strip(), str(len(pods)), "count")
    equal([r["NODENAME"] for r in get("table", fields=[".spec.nodeName"]).rows()], [p["spec"]["nodeName"] for p in pods], "fields")
    rows = [json.loads(line) for line in get("json", fields=[".status.phase"]).lines()]
    equal([r[".status.phase"] for r in rows], [p["status"]["phase"] for p in pods], "fields in json")


@case(doors=True)
def walking_with_the_cursor_shows_all(world, door):
    for form in ("table", "json", "name"):
        parts, cursor, calls = [], None, 0
        while True:
            answer = door.call("pods_list", limit=7, output=form, **({"cursor": cursor} if cursor else {})).ok()
            parts += answer.rows() if form == "table" else answer.lines()
            cursor = answer.cursor()
            calls += 1
            if not cursor:
                break
            equal(len(parts), 7 * calls, f"rows after {calls} calls as {form}")
        want = names(world.objects(PODS))
        name = {"table": lambda r: r["NAME"], "json": lambda r: json.loads(r)["metadata"]["name"],
                "name": lambda r: r.split("/")[-1]}[form]
        equal([name(p) for p in parts], want, f"the walk as {form}")


@case()
def the_budget_cuts_and_says_what_is_missing(world):
    door = world.cli(["--set", "server.max_result_bytes=4KiB"])
    want = world.objects(PODS)
    answer = door.call("pods_list").ok()
    check(len(answer.text) <= 4096, f"{len(answer.text)} bytes")
    rows = answer.rows()
    check(f", {len(want) - len(rows)} left out (" in answer.text and "shop" in answer.text, "what is missing", answer.text)
    walked, cursor = rows, answer.cursor()
    while cursor:
        answer = door.call("pods_list", cursor=cursor).ok()
        walked, cursor = walked + answer.rows(), answer.cursor()
    equal([r["NAME"] for r in walked], names(want), "the walk")


@case(doors=True, short=True)
def cursors_cannot_be_forged_or_moved(world, door):
    cursor = door.call("pods_list", limit=3).ok().cursor()
    middle = len(cursor) // 2
    forged = cursor[:middle] + ("A" if cursor[middle] != "A" else "B") + cursor[middle + 1:]
    for arguments in ({"cursor": forged}, {"cursor": "abc"}, {"cursor": cursor, "namespace": "shop"},
                      {"cursor": cursor, "label_selector": "app=web"}, {"cursor": cursor, "context": "staging"}):
        door.call("pods_list", limit=3, **arguments).fails("ValidationError", "cursor")
    door.call("resources_list", kind="deploy", limit=3, cursor=cursor).fails("ValidationError", "cursor")
    door.call("pods_list", limit=3, cursor=cursor).ok()


@case()
def kinds_by_any_name(world):
    want = names(world.objects("/apis/apps/v1/deployments"))
    for kind in ("deploy", "deployment", "deployments", "Deployment", "deployments.apps", "deployment.apps", "Deployment.apps",
                 "deployments.v1.apps"):
        equal(shown(world.call("resources_list", kind=kind)), want, kind)
    equal(shown(world.call("resources_list", kind="Deployment", api_version="apps/v1")), want, "with api_version")
    flags = names(world.objects("/apis/platform.example.com/v1alpha1/featureflags"))
    for kind in ("featureflags", "FeatureFlag", "featureflags.platform.example.com"):
        equal(shown(world.call("resources_list", kind=kind)), flags, kind)


@case(doors=True)
def cluster_wide_kinds(world, door):
    equal(shown(door.call("resources_list", kind="nodes")), names(world.objects("/api/v1/nodes")), "nodes")
    door.call("resources_list", kind="nodes", namespace="shop").fails("ValidationError", "not in namespaces")


@case(doors=True)
def an_unknown_kind_gets_the_nearest(world, door):
    door.call("resources_list", kind="deploymnt").fails("NotFound", "deploymnt", "did you mean Deployment")
    door.call("resources_list", kind="Deployment", api_version="apps/v9").fails("NotFound", "apps/v9")


@case(doors=True)
def an_empty_namespace(world, door):
    equal(door.call("pods_list", namespace="none-such").ok().rows(), [], "rows")
    equal(door.call("pods_list", namespace="none-such", output="count").ok().text.strip(), "0", "count")
