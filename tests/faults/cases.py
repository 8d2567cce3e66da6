"""Clusters that are big, broken in part, or wrong about the time: answers must stay true and bounded."""
import os
import re
import time

from harness import Http, check, equal

CASES = {}
BUDGET = 32 * 1024  # bytes of an answer
BIG = ("--pods", "5000", "--events", "100000", "--crds", "300", "--skew", "7200")


def case(*simulator):
    """Registers a case for a simulator with these options."""
    def register(function):
        CASES.setdefault(simulator, []).append(function)
        return function
    return register


def call(world, tool, **arguments):
    """An answer of prod that keeps to the budget."""
    answer = world.call(tool, context="prod", **arguments)
    check(len(answer.text.encode()) <= BUDGET, f"an answer of {len(answer.text.encode())} bytes")
    return answer


def number(pattern, text):
    found = re.search(pattern, text)
    check(found, f"no {pattern!r}", text[-600:])
    return int(found.group(1))


def expect_peak(world, limit_kib):
    """What the server had resident at the most; valgrind and sanitizers need several times as much."""
    if world.wrapper or any(name.endswith("SAN_OPTIONS") for name in os.environ):
        return
    with open(f"/proc/{world.door().process.pid}/status", encoding="utf-8") as status:
        peak = number(r"VmHWM:\s+(\d+) kB", status.read())
    check(peak < limit_kib, f"{peak} KiB resident at the most, {limit_kib} are allowed")


# --- many objects -------------------------------------------------------------------------------------------------------


@case(*BIG)
def a_hundred_thousand_events_are_counted(world):
    there_are = len(world.objects("/api/v1/events"))
    check(there_are > 100000, "too few events", there_are)
    answer = call(world, "events_list", limit=5).ok()
    equal(number(r"# context prod: (\d+) events", answer.text), there_are, "events in all")
    equal(len(answer.rows()), 5, "rows")
    check(answer.rows()[0]["NAMESPACE"] != "load", "the newest events are recorded ones", answer.text)
    check("100000" in re.search(r"by namespace: .*", answer.text).group(0).replace("load ", ""), "how the rest is spread", answer.text)
    equal(int(call(world, "events_list", namespace="load", output="count").ok().lines()[0]), 100000, "events of one namespace")
    one = call(world, "events_list", namespace="load", **{"for": "load-000007"}).ok()
    equal(number(r"# context prod: (\d+) event", one.text), 1, "events of one object")


@case(*BIG)
def thousands_of_pods_are_cut_and_counted(world):
    there_are = len(world.objects("/api/v1/pods"))
    answer = call(world, "pods_list").ok()
    shown = len(answer.rows())
    equal(shown + number(r"(\d+) left out", answer.text), there_are, "pods")
    check(answer.cursor(), "no cursor", answer.text[-300:])
    equal(int(call(world, "pods_list", output="count").ok().lines()[0]), there_are, "count")
    expect_peak(world, 64 * 1024)


# --- kinds, one of them broken ------------------------------------------------------------------------------------------


@case(*BIG)
def one_broken_api_among_hundreds_is_named(world):
    answer = call(world, "api_resources_list", match="load2").ok()
    equal(len([row for row in answer.rows() if row["KIND"].startswith("Load2")]), 100, "kinds Load200 to Load299")
    check(re.search(r"^# not listed, broken: broken\.load\.example\.com/v1: \S", answer.text, re.M), "the broken one", answer.text[-500:])
    call(world, "resources_list", kind="load123").ok()
    call(world, "resources_list", kind="Load123", api_version="g123.load.example.com/v1").ok()
    call(world, "resources_list", kind="widgets.broken.load.example.com").fails("NotFound", "broken.load.example.com/v1")
    call(world, "resources_list", kind="load1234").fails("NotFound", "did you mean Load123")


# --- clocks -------------------------------------------------------------------------------------------------------------


def ages(world):
    """Minutes of the oldest namespace, by our answer and by the simulator's."""
    minutes = lambda text: sum(int(n) * {"d": 1440, "h": 60, "m": 1, "s": 0}[u] for n, u in re.findall(r"(\d+)([dhms])", text))
    return [max(minutes(row["AGE"]) for row in rows)
            for rows in (call(world, "namespaces_list").ok().rows(), world.table("/api/v1/namespaces"))]


@case(*BIG)
def a_clock_that_is_ahead(world):
    ours, theirs = ages(world)
    check(abs(ours - theirs) <= 1, "ages are not those of the cluster", ours, theirs)
    check("ahead of ours" in call(world, "events_list", limit=1).ok().text, "the skew is not told")
    recent = int(call(world, "events_list", since="10m", output="count").ok().lines()[0])
    check(0 < recent < 1000, "`since` does not go by the cluster's clock: by ours it would take in everything", recent)


@case("--skew", "-7200")
def a_clock_that_is_behind(world):
    ours, theirs = ages(world)
    check(abs(ours - theirs) <= 1, "ages are not those of the cluster", ours, theirs)
    check("behind ours" in call(world, "events_list", limit=1).ok().text, "the skew is not told")
    for tool in ("pods_list", "nodes_summary", "resources_list"):
        answer = call(world, tool, **({"kind": "deployments"} if tool == "resources_list" else {})).ok()
        check("<invalid>" not in answer.text and not re.search(r"(?<=\s)-\d+[smhd]", answer.text), "a negative age", answer.text[:600])


# --- big objects --------------------------------------------------------------------------------------------------------


def big_config_map(name):
    lines = "".join(f"{i:07d} some line of a big file\n" for i in range(46000))
    return {"metadata": {"name": name, "labels": {"size": "big"}}, "data": {"file": lines, "small": "marker"}}


@case()
def objects_of_a_megabyte_and_a_half(world):
    path = "/api/v1/namespaces/checkout/configmaps"
    for i in range(8):
        status, made = world.api(path, method="POST", body=big_config_map(f"big-{i}"))
        equal(status, 201, made)
    check(len(world.raw(f"{path}/big-0", "application/json")[1]) > 1500000, "the object is too small")
    for output in ("yaml", "json"):
        answer = call(world, "resources_get", kind="cm", name="big-3", namespace="checkout", output=output).ok()
        check(number(r"# cut: \d+ of (\d+) bytes shown", answer.text) > 1500000, "it was cut and does not say so", answer.text[-300:])
    small = call(world, "resources_get", kind="cm", name="big-3", namespace="checkout", fields=[".data.small"]).ok()
    check("marker" in small.text and len(small.text) < 200, "one field", small.text[:300])
    equal(len(call(world, "resources_list", kind="cm", namespace="checkout", label_selector="size=big").ok().rows()), 8, "rows")
    whole = call(world, "resources_list", kind="cm", namespace="checkout", label_selector="size=big", output="json")
    check(whole.is_error or "left out" in whole.text, "a list of objects that do not fit does not say so", whole.text[-400:])
    found = call(world, "resources_list", kind="cm", namespace="checkout", where='.data.small = "marker"', fields=[".data.small"]).ok()
    equal(len(found.rows()), 8, "rows found in whole objects")
    call(world, "resources_describe", kind="cm", name="big-3", namespace="checkout").ok()
    expect_peak(world, 96 * 1024)


# --- credentials and connections ----------------------------------------------------------------------------------------


@case()
def a_token_that_expires_is_read_again(world):
    tokens = []
    for name in ("prod-viewer.token", "sa/token"):
        with open(os.path.join(world.sim_folder, name), encoding="utf-8") as file:
            tokens.append(file.read().strip())
    kubeconfig = world.make_kubeconfig(user={"tokenFile": world.file(tokens[0], name="token")})
    door = Http(world, env={"KUBECONFIG": kubeconfig})
    try:
        door.call("pods_list", namespace="checkout").ok()
        world.fault(token=tokens[0], status=401, count=0)
        expired = door.call("pods_list", namespace="checkout").fails("Unauthenticated")
        check(not any(token in expired.text for token in tokens), "a token is quoted", expired.text)
        world.file(tokens[1], name="token")
        door.call("pods_list", namespace="checkout").ok()
        check(world.faults_taken() >= 2, "the expired token was never refused")
    finally:
        door.close()


@case()
def connections_that_end_while_idle(world):
    for _ in range(3):
        world.fault(body="close")
        call(world, "namespaces_list").ok()
        world.fault(body="reset")
        call(world, "namespaces_list").ok()
    began = time.monotonic()
    call(world, "namespaces_list").ok()
    check(time.monotonic() - began < 2 or world.wrapper, "it took too long")


@case()
def the_second_of_two_clusters_is_broken(world):
    for rule, kind in (({"status": 503}, "Unreachable"), ({"body": "html"}, "KubernetesError"), ({"body": "reset"}, "Unreachable")):
        world.no_faults()
        world.fault(cluster="staging", count=0, **rule)
        answer = world.call("namespaces_list", contexts=["prod", "staging"]).ok()
        check("checkout" in answer.text, "what prod has", answer.text)
        check(re.search(rf"staging\b.*\b{kind}\b", answer.text), f"what became of staging: {kind}", answer.text)
