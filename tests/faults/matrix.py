"""The fault matrix: every tool x every fault x where it strikes, and what the call must end in."""
import dataclasses
import re
import time

from harness import check, equal

TIMEOUT = 1.0  # of one request, as the servers under test are configured
SLACK = 3.0    # for a machine that is busy with other tests
PAGE_SIZE = 3
OPTIONS = [f"kubernetes.timeout={int(TIMEOUT * 1000)}ms", f"kubernetes.page_size={PAGE_SIZE}",
           "kubernetes.max_response_bytes=1MiB", "kubernetes.max_clients=4096", "kubernetes.qps=0"]


@dataclasses.dataclass
class Call:
    """One way to call a tool.

    later:    it sends several requests, and one after the first may go wrong too
    discovers: it asks for discovery when the context is new
    tolerant: what an answer says that was given all the same; a failure of every request must still be an error
    requests: how many may time out one after the other
    renamed:  types that this tool knows a better name for
    cold:     it remembers, so it is sent to a context of its own each time
    offline:  no fault can touch it
    """
    arguments: dict
    later: bool = False
    discovers: bool = False
    tolerant: str = None
    requests: int = 1
    renamed: dict = dataclasses.field(default_factory=dict)
    cold: bool = False
    offline: bool = False


# Absent and unreachable are said of the metrics API where the API server says them; a broken connection is not.
NO_METRICS = {"NotFound": ("NotFound", "MetricsUnavailable"), "Unreachable": ("Unreachable", "MetricsUnavailable")}

# A tool that has no row here makes the suite fail.
CALLS = {
    "config_contexts_list": [
        Call({}, offline=True),
        Call({"check": True, "match": "CONTEXT"}, tolerant='"reachable": ?false', cold=True),
    ],
    "namespaces_list": [Call({}, later=True)],
    "pods_list": [
        Call({}, later=True),
        Call({"output": "count"}),
        Call({"output": "count", "label_selector": "app"}, later=True),
        Call({"output": "json", "limit": 20}, later=True),
        Call({"namespace": "checkout", "fields": [".spec.nodeName"]}, later=True),
    ],
    "pods_get": [
        Call({"name": "postgres-0", "namespace": "data"}),
        Call({"name": "postgres-0", "namespace": "data", "output": "yaml"}),
    ],
    "pods_logs": [
        # What was read of a log is shown, with a remark on what stopped it; blanks are a log too.
        Call({"name": "postgres-0", "namespace": "data"}, later=True, tolerant=r"then reading failed|reading stopped|\[\+\d+ bytes\]"),
        Call({"label_selector": "app=payments-gateway", "namespace": "payments"},
             later=True, tolerant=r"then reading failed|reading stopped|\[\+\d+ bytes\]"),
    ],
    "events_list": [
        Call({}, later=True),
        Call({"namespace": "shop", "type": "Warning", "output": "json"}),
        Call({"type": "Warning", "since": "24h"}, later=True),
    ],
    "nodes_summary": [
        Call({}, later=True, tolerant="# pods may not be listed"),
        Call({"output": "json", "name": "prod-worker-a1"}, later=True, tolerant="# pods may not be listed"),
    ],
    "nodes_top": [Call({}, later=True, tolerant="may not read the nodes", renamed=NO_METRICS)],
    "pods_top": [Call({}, later=True, tolerant="may not read the pods", renamed=NO_METRICS)],
    "api_resources_list": [
        Call({}, discovers=True, cold=True, requests=2),
        Call({"explain": "service.spec.ports"}, discovers=True),
    ],
    "resources_list": [
        Call({"kind": "deployments"}, later=True),
        Call({"kind": "promotions", "output": "yaml"}, discovers=True),
    ],
    "resources_get": [
        Call({"kind": "deployment", "name": "checkout-api", "namespace": "checkout"}),
        Call({"kind": "promotion", "name": "summer-sale", "namespace": "shop", "output": "json"}, discovers=True),
    ],
    "resources_describe": [
        Call({"kind": "deployment", "name": "checkout-api", "namespace": "checkout"}, later=True,
             tolerant=r"\((not allowed|not available): ", requests=3),
    ],
}


@dataclasses.dataclass
class Fault:
    """A rule for the simulator, and the types of envelope that a call which meets it may end in.

    once: what becomes of a call when only one answer goes wrong: "ok" (it is repeated), "same", or "either"
    """
    name: str
    rule: dict
    types: tuple
    once: str = "same"
    retry_after_s: int = 0


def status(code, kind, once="same", name=None, **rule):
    return Fault(name or f"status {code}", {"status": code, **rule}, (kind,), once, rule.get("retry_after", 0))


def body(name, *types, once="same", called=None, **rule):
    return Fault(called or name, {"body": name, **rule}, types, once)


FAULTS = [
    status(400, "ValidationError"),
    status(401, "Unauthenticated"),
    status(403, "Forbidden"),
    status(404, "NotFound"),
    status(409, "Conflict"),
    status(410, "KubernetesError", once="either"),  # a list then goes on without the version it wanted
    status(413, "TooLarge"),
    status(415, "KubernetesError"),
    status(422, "ValidationError"),
    status(429, "RateLimited", once="ok"),
    status(429, "RateLimited", name="status 429 with Retry-After", retry_after=30),
    status(500, "KubernetesError"),
    status(502, "Unreachable"),
    status(502, "Unreachable", name="status 502 of a proxy", body="html"),
    status(503, "Unreachable", once="ok"),
    status(504, "Timeout"),
    Fault("delay", {"delay_ms": 8000}, ("Timeout",)),
    body("trickle", "Timeout", bytes=2),
    body("reset", "Unreachable", once="ok"),
    body("reset_within", "Unreachable", once="ok"),
    body("truncated", "KubernetesError", once="ok"),
    body("truncated_chunks", "KubernetesError", "Unreachable", once="ok"),
    body("html", "KubernetesError"),
    body("garbage", "KubernetesError"),
    body("shape", "KubernetesError"),
    body("holes", "KubernetesError"),
    body("empty", "KubernetesError"),
    # A list asks again for smaller pages, as if this one had been a big one.
    body("endless", "TooLarge", "Timeout", once="either"),
    body("endless", "Timeout", called="endless and slow", bytes=200, interval_ms=50),
    body("blank", "TooLarge", "Timeout", once="either"),
    body("blank", "Timeout", called="blank and slow", bytes=200, interval_ms=50),
    body("huge", "TooLarge", once="either", bytes=34 << 20),
    body("close", once="ok"),
]

# Where a fault strikes: which requests of the call it is for.
EVERY, ONCE, LATER, DISCOVERY = "every request", "one request", "a later request", "discovery"
RULES = {EVERY: {"count": 0}, ONCE: {"count": 1}, LATER: {"count": 0, "skip": 1}, DISCOVERY: {"count": 0, "path": "/apis$"}}


@dataclasses.dataclass
class Job:
    tool: str
    call: Call
    fault: Fault
    spot: str

    def __str__(self):
        arguments = " ".join(f"{k}={v}" for k, v in self.call.arguments.items())
        return f"{self.tool} {arguments} | {self.fault.name} | {self.spot}"


def jobs(tools):
    """The matrix over TOOLS, and complaints about tools and rows that do not belong together."""
    complaints = [f"{tool}: no row in tests/faults/matrix.py" for tool in tools if tool not in CALLS]
    complaints += [f"{tool}: has a row in tests/faults/matrix.py, but there is no such tool" for tool in CALLS if tool not in tools]
    matrix = []
    for tool, calls in CALLS.items():
        for call in calls if tool in tools else []:
            spots = [EVERY, ONCE] + [LATER] * call.later + [DISCOVERY] * call.discovers
            matrix += [Job(tool, call, fault, spot) for fault in FAULTS for spot in spots if not (call.offline and spot != EVERY)]
    return matrix, complaints


def expect(job, answer, taken):
    """Raises when ANSWER, given while the fault struck TAKEN times, is not what it must be."""
    if job.call.offline:
        equal(taken, 0, "requests sent by a call that needs no cluster")
        answer.ok()
        return
    check(taken > 0, "the fault never struck: the row describes the call wrongly")
    may_answer = not job.fault.types or (job.spot == ONCE and job.fault.once in ("ok", "either"))
    types = [name for t in job.fault.types for name in job.call.renamed.get(t, (t,))]
    must_answer = not job.fault.types or (job.spot == ONCE and job.fault.once == "ok")
    if not answer.is_error:
        says_so = job.call.tolerant and re.search(job.call.tolerant, answer.text)
        check(may_answer or says_so, f"expected {' or '.join(types)}, got an answer that does not tell", answer.text)
        return
    check(not must_answer, "one bad answer was not survived", answer.text)
    answer.fails(answer.error.get("type"))
    check(answer.error["type"] in types, f"expected {' or '.join(types)}", answer.text)
    if "status" in job.fault.rule and job.fault.rule.get("body") is None:
        equal(answer.error.get("http_status"), job.fault.rule["status"], "http_status")
    if job.fault.retry_after_s:
        equal(answer.error.get("retry_after_s"), job.fault.retry_after_s, "retry_after_s")


def run(world, job):
    """Breaks the simulator as JOB says, calls, looks at the answer, mends, and calls again."""
    context = world.new_context() if job.spot == DISCOVERY or job.call.cold else "prod"
    arguments = {k: context if v == "CONTEXT" else v for k, v in job.call.arguments.items()}
    if job.tool != "config_contexts_list":
        arguments["context"] = context
    world.no_faults()
    world.fault(**{**job.fault.rule, **RULES[job.spot]})
    began = time.monotonic()
    answer = world.call(job.tool, **arguments)
    took = time.monotonic() - began
    taken = world.faults_taken()
    world.no_faults()
    allowed = TIMEOUT * job.call.requests + SLACK
    check(took < allowed, f"it took {took:.1f} s, {allowed:.1f} s were allowed", answer.text)
    expect(job, answer, taken)
    began = time.monotonic()
    again = world.call(job.tool, **arguments)
    check(not again.is_error, "the next call, with nothing wrong any more, failed", again.text)
    check(time.monotonic() - began < TIMEOUT * job.call.requests + SLACK, "the next call, with nothing wrong any more, was slow")
