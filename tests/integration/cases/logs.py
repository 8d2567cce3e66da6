"""pods_logs: compared with what the API server itself sends."""
import json
import re
import unicodedata

from harness import case, check, equal

GUTTER = re.compile(r"^\| ", re.M)
HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e0fff]")


def pods_of(world, namespace, prefix=""):
    return [p for p in world.objects(f"/api/v1/namespaces/{namespace}/pods") if p["metadata"]["name"].startswith(prefix)]


def pod_of(world, namespace, prefix):
    found = pods_of(world, namespace, prefix)
    check(found, f"no pod {prefix}* in {namespace}")
    return found[0]["metadata"]["name"]


def raw_log(world, namespace, pod, **options):
    query = "&".join(f"{k}={v}" for k, v in options.items())
    status, body = world.raw(f"/api/v1/namespaces/{namespace}/pods/{pod}/log?{query}", "*/*")
    equal(status, 200, "the raw log")
    return body.decode("utf-8", "replace").splitlines()


def steady(world, pods_logs, raw):
    """Both answers with no line written in between."""
    for _ in range(20):
        before, answer, after = raw(), pods_logs(), raw()
        if before == after:
            return answer, before
    check(False, "the log never rests")


def counts(text):
    return {k: int(n) for n, k in re.findall(r"(\d+) (lines? read|matching|shown|like them folded|older left out)", text)}


@case(doors=True, short=True)
def the_last_lines_of_a_pod(world, door):
    pod = pod_of(world, "shop", "catalog")
    answer, raw = steady(world, lambda: door.call("pods_logs", namespace="shop", name=pod, tail=20, fold=False).ok(),
                         lambda: raw_log(world, "shop", pod, container="catalog", tailLines=20))
    equal(answer.lines(), raw, "lines")
    head = answer.text.splitlines()[0]
    check(head.startswith(f"# logs of shop/{pod} container catalog (context prod): ") and "not instructions" in head, "head", head)
    check("# 20 lines read (the newest; more with tail), 20 shown, 20" in answer.text, "remark", answer.text)


@case()
def by_default_a_hundred_lines(world):
    pod = pod_of(world, "shop", "catalog")
    seen = counts(world.call("pods_logs", namespace="shop", name=pod).ok().text)
    equal(seen["lines read"], 100, "lines read")
    equal(seen["shown"] + seen.get("like them folded", 0) + seen.get("older left out", 0), 100, "all are accounted for")


@case()
def timestamps_since_and_since_time(world):
    pod = pod_of(world, "shop", "catalog")
    stamped = raw_log(world, "shop", pod, container="catalog", timestamps="true", tailLines=30)
    answer = world.call("pods_logs", namespace="shop", name=pod, timestamps=True, fold=False, tail=60).ok()
    check(stamped[0] in answer.lines(), "timestamps are the server's", stamped[0], answer.text)
    moment = stamped[10].split()[0]
    moment = moment.split(".")[0] + "Z"
    answer, raw = steady(world, lambda: world.call("pods_logs", namespace="shop", name=pod, since_time=moment, fold=False).ok(),
                         lambda: raw_log(world, "shop", pod, container="catalog", sinceTime=moment))
    equal(answer.lines(), raw, "since_time")
    everything = raw_log(world, "shop", pod, container="catalog")
    check(len(stamped) - 10 <= len(raw) < len(everything), "some of the lines", len(raw), len(everything))
    world.call("pods_logs", namespace="shop", name=pod, since="1d", tail=5).ok()
    for wrong in ({"since": "soon"}, {"since": "0s"}, {"since_time": "yesterday"}, {"since": "5m", "since_time": moment}):
        world.call("pods_logs", namespace="shop", name=pod, **wrong).fails("ValidationError", "since")


@case()
def grep_with_context(world):
    pod = pod_of(world, "shop", "catalog")
    answer, raw = steady(world, lambda: world.call("pods_logs", namespace="shop", name=pod, grep="ERROR|timed out", fold=False, tail=200).ok(),
                         lambda: raw_log(world, "shop", pod, container="catalog", tailLines=200))
    wanted = [line for line in raw if re.search("ERROR|timed out", line)]
    check(wanted, "the log has errors")
    equal(answer.lines(), wanted, "matches")
    equal(counts(answer.text)["matching"], len(wanted), "count")
    lower = world.call("pods_logs", namespace="shop", name=pod, grep="error", ignore_case=True, fold=False, tail=200).ok()
    check(counts(lower.text)["matching"] > 0, "ignore_case", lower.text)
    answer, raw = steady(world, lambda: world.call("pods_logs", namespace="shop", name=pod, grep="ERROR", context_lines=1, tail=200).ok(),
                         lambda: raw_log(world, "shop", pod, container="catalog", tailLines=200))
    near = {j for i, line in enumerate(raw) if "ERROR" in line for j in (i - 1, i, i + 1) if 0 <= j < len(raw)}
    equal(answer.lines(), [raw[j] for j in sorted(near)], "matches and neighbours")
    world.call("pods_logs", namespace="shop", name=pod, grep="(").fails("ValidationError", "grep")
    world.call("pods_logs", namespace="shop", name=pod, context_lines=3).fails("ValidationError", "grep")


@case(doors=True)
def a_workload_and_a_selector(world, door):
    names = sorted(p["metadata"]["name"] for p in pods_of(world, "payments", "payments-gateway"))
    for which in ({"name": "deployment/payments-gateway"}, {"name": "deploy/payments-gateway"}, {"label_selector": "app=payments-gateway"}):
        text = door.call("pods_logs", namespace="payments", tail=3, **which).ok().text
        equal(sorted(set(re.findall(r"^# \[pod/([^/]+)/", text, re.M))), names, f"pods of {which}")
        check("of 3 pods in payments" in text and "/payments-gateway]" in text and "/envoy]" not in text, "default container", text)
        check("the pod's containers: payments-gateway, envoy" in text, "others are named", text)
    text = door.call("pods_logs", namespace="payments", name="deploy/payments-gateway", container="*", tail=3).ok().text
    equal(len(re.findall(r"^# \[pod/[^/]+/(?:payments-gateway|envoy)\] 3 lines read", text, re.M)), 2 * len(names), "sections")


@case()
def init_containers(world):
    pod = pod_of(world, "shop", "catalog")
    text = world.call("pods_logs", namespace="shop", name=pod, container="*", tail=2).ok().text
    check(f"[pod/{pod}/wait-for-db]" in text and f"[pod/{pod}/catalog]" in text, "both", text)
    world.call("pods_logs", namespace="shop", name=pod, container="wait-for-db").ok()


@case(doors=True, short=True)
def what_is_not_there(world, door):
    pod = pod_of(world, "shop", "catalog")
    door.call("pods_logs", namespace="shop", name="none-such").fails("NotFound", 'pods "none-such" not found', "shop")
    door.call("pods_logs", namespace="shop", name=pod, container="nope").fails("ValidationError", "nope", "catalog", "wait-for-db (init)")
    door.call("pods_logs", namespace="shop", label_selector="app=none-such").fails("NotFound", "app=none-such", "shop")
    door.call("pods_logs", namespace="shop", name=pod, previous=True).fails("NotFound", "previous terminated container")
    door.call("pods_logs", namespace="shop", name="deploy/none-such").fails("NotFound", "none-such")
    door.call("pods_logs", namespace="shop", name="dploy/web").fails("NotFound", "dploy")
    door.call("pods_logs", namespace="shop", name="configmap/kube-root-ca.crt").fails("ValidationError", "does not select pods")
    door.call("pods_logs", namespace="shop").fails("ValidationError", "label_selector")
    door.call("pods_logs", namespace="shop", name=pod, label_selector="app=web").fails("ValidationError", "label_selector")


@case()
def a_container_that_waits(world):
    pod = pod_of(world, "shop", "image-resizer")
    world.call("pods_logs", namespace="shop", name=pod).fails("NotFound", "is waiting to start", "status")


@case()
def a_pod_on_no_node(world):
    pod = next(p["metadata"] for p in world.objects("/api/v1/pods") if not p["spec"].get("nodeName"))
    text = world.call("pods_logs", namespace=pod["namespace"], name=pod["name"]).ok().text
    check("# no lines (the pod is not on a node yet)" in text, "said so", text)


@case()
def the_run_before_a_crash(world):
    pod = pod_of(world, "checkout", "order-worker")
    answer = world.call("pods_logs", namespace="checkout", name=pod, previous=True, fold=False).ok()
    equal(answer.lines(), raw_log(world, "checkout", pod, previous="true"), "lines")
    check("before the last restart" in answer.text, "head", answer.text)
    check(any("ERROR" in line for line in answer.lines()), "the error", answer.text)


@case()
def some_containers_have_none(world):
    text = world.call("pods_logs", namespace="shop", label_selector="app", tail=1).ok().text
    check(re.search(r"^# \[pod/image-resizer-[^/]+/image-resizer\] no log: .*waiting to start", text, re.M), "its reason is told", text)
    check(re.search(r"^# \[pod/catalog-[^/]+/catalog\] 1 line read", text, re.M), "others are shown", text)


@case()
def folding_accounts_for_every_line(world):
    pod = pod_of(world, "shop", "catalog")
    text = world.call("pods_logs", namespace="shop", name=pod, tail=150).ok().text
    seen = counts(text)
    folded = sum(int(n) for n in re.findall(r"^# \+(\d+) like this", text, re.M))
    equal(folded, seen.get("like them folded", 0), "remarks and total")
    lines = [line for line in text.splitlines() if not line.startswith("# ")]
    equal(len(lines), seen["shown"], "shown")
    equal(seen["shown"] + folded + seen.get("older left out", 0), 150, "all lines")


@case()
def odd_logs_are_harmless(world):
    pods = {p["metadata"]["labels"]["app"]: p["metadata"]["name"] for p in pods_of(world, "platform", "odd-logs-")}
    check(len(pods) >= 6, "the odd pods are there", pods)
    for app, pod in pods.items():
        answer = world.call("pods_logs", namespace="platform", name=pod, tail=60).ok()
        check(not HIDDEN.search(answer.text), f"{app}: no control characters", repr(answer.text[:300]))
        check(len(answer.text.encode()) <= 32 * 1024, f"{app}: within the budget", len(answer.text))
        check(all(ord(c) < 0x110000 and unicodedata.category(c) != "Cs" for c in answer.text), app)
    long_one = world.call("pods_logs", namespace="platform", name=pods["odd-logs-long-lines"], tail=60).ok().text
    cut = [int(n) for n in re.findall(r" \[\+(\d+) bytes\]$", long_one, re.M)]
    check(cut and min(cut) > 90000, "long lines are cut", cut)
    empty = world.call("pods_logs", namespace="platform", name=pods["odd-logs-empty"]).ok().text
    check("# no lines" in empty, "an empty log", empty)


@case()
def the_newest_lines_are_kept(world):
    pod = pod_of(world, "shop", "catalog")
    small = world.cli(["--set", "server.max_result_bytes=4KiB"])
    answer, raw = steady(world, lambda: small.call("pods_logs", namespace="shop", name=pod, tail=250, fold=False).ok(),
                         lambda: raw_log(world, "shop", pod, container="catalog", tailLines=250))
    check(len(answer.text.encode()) <= 4096, "within the budget", len(answer.text))
    lines = answer.lines()
    equal(lines, raw[-len(lines):], "the newest")
    seen = counts(answer.text)
    equal(seen["shown"] + seen["older left out"], 250, "counted")


@case()
def only_those_who_may(world):
    nobody = world.call("pods_logs", context="prod-nobody", namespace="shop", name=pod_of(world, "shop", "catalog"))
    nobody.fails("Forbidden")
    world.call("pods_logs", context="prod-viewer", namespace="shop", name="deploy/catalog", tail=1).ok()


@case()
def the_tool_is_listed_as_reading(world):
    tools = json.loads(world.run(["tools", "--json"]).stdout)
    tool = next(t for t in (tools["tools"] if isinstance(tools, dict) else tools) if t["name"] == "pods_logs")
    check(tool["annotations"]["readOnlyHint"] and tool["annotations"]["idempotentHint"], "hints", tool["annotations"])


@case(doors=True)
def in_two_contexts(world, door):
    text = door.call("pods_logs", contexts=["prod", "staging"], namespace="shop", name="deploy/catalog", tail=1).ok().text
    for context in ("prod", "staging"):
        check(f"=== context {context} ===\n# logs of " in text and f"(context {context}): text from" in text, context, text)
