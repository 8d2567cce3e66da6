"""Lists of thousands of pods: how long they take beside the raw API server, and how much memory."""

import concurrent.futures
import re
import statistics
import subprocess
import time
import urllib.parse

from reads import ACCEPT_TABLE
from servers import start_kube_mcp, start_peer

ACCEPT_METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
LISTED, SEARCHED = 5000, 10000
REPEATS = 7
# Needs whole objects, and the answer is short: the time goes into looking.
CONDITION = ".status.containerStatuses[*].restartCount > 100000"


class RawClient:
    """curl on a kept-alive connection."""

    def __init__(self, cluster):
        self.cluster = cluster

    def fetch(self, accept, paths, keep=False):
        """Seconds that the answers of PATHS took, one after the other; and the last answer. API servers indent what curl
        asks for under its own name, which would take longer."""
        lines = [f'header = "Authorization: Bearer {self.cluster.token}"', f'header = "Accept: {accept}"',
                 f'cacert = "{self.cluster.ca}"', 'user-agent = "bench"', "silent", "fail", r'write-out = "\n%{time_total}\n"']
        for path in ["/version", *paths]:  # the first opens the connection
            lines += [f'url = "{self.cluster.url}{path}"', 'output = "/dev/null"']
        if keep:
            lines.pop()
        out = subprocess.run(["curl", "--config", "-"], input="\n".join(lines), capture_output=True, text=True,
                             check=True).stdout
        times = re.findall(r"^([\d.]+)$", out, re.M)[-len(paths):]
        return sum(float(t) for t in times), out

    def pages_of(self, path):
        """The paths of all pages of a list. Their tokens are good for minutes."""
        paths, token = [], ""
        while True:
            paths.append(path + (f"&continue={urllib.parse.quote(token)}" if token else ""))
            _, text = self.fetch(ACCEPT_METADATA, [paths[-1]], keep=True)
            found = re.search(r'"continue":"([^"]+)"', text[:4000])
            if found is None:
                return paths
            token = found.group(1)


def timed_call(server, arguments, connection=None):
    started = time.perf_counter()
    server.call("pods_list", arguments, connection)
    return time.perf_counter() - started


def measure_times(raw, accept, paths, servers, arguments):
    """Median seconds, taken in turn."""
    times = {"raw": [], **{who: [] for who in servers}}
    connections = {who: server.connect() for who, server in servers.items()}
    for _ in range(REPEATS):
        times["raw"].append(raw.fetch(accept, paths)[0])
        for who, server in servers.items():
            times[who].append(timed_call(server, arguments, connections[who]))
    return {who: statistics.median(t) for who, t in times.items()}


def measure_peak(server, arguments):
    server.forget_peak()
    timed_call(server, arguments)
    return server.peak_kib()


def measure_eight(server, arguments):
    """Eight at once, three times: the peak, and what is resident more than before when all is over. Eight small calls at
    once go before, so that connections and threads are there."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: timed_call(server, {"namespace": "shop"}), range(8)))
        before = server.resident_kib()
        server.forget_peak()
        for _ in range(3):
            list(pool.map(lambda _: timed_call(server, arguments), range(8)))
    return {"peak_kib": server.peak_kib(), "retained_kib": max(0, server.resident_kib() - before)}


def measure_listing(cluster):
    """pods_list over LISTED pods in all namespaces, beside the server's own Table without objects."""
    raw = RawClient(cluster)
    with cluster.pods(LISTED), start_kube_mcp(cluster.kubeconfig) as ours, start_peer(cluster.kubeconfig) as peer:
        servers = {"kube-mcp": ours, "peer": peer}
        for server in servers.values():
            server.call("pods_list", {"namespace": "shop"} if server is ours else {})
        # The memory of the peer last: it does not get it back.
        result = {"peak_kib": {"kube-mcp": measure_peak(ours, {})},
                  "seconds": measure_times(raw, ACCEPT_TABLE, ["/api/v1/pods?includeObject=None"], servers, {})}
        result["peak_kib"]["peer"] = measure_peak(peer, {})
        result["eight"] = {who: measure_eight(server, {}) for who, server in servers.items()}
        return result


def measure_search(cluster):
    """`where` over SEARCHED whole objects, beside fetching the same pages."""
    with start_kube_mcp(cluster.kubeconfig) as ours:
        if not ours.has_argument("pods_list", "where"):
            print("  left out: pods_list has no argument 'where'", flush=True)
            return None
        raw = RawClient(cluster)
        with cluster.pods(SEARCHED):
            arguments = {"where": CONDITION}
            ours.call("pods_list", {"namespace": "shop"})
            peak = measure_peak(ours, arguments)
            pages = raw.pages_of("/api/v1/pods?limit=500")
            return {"peak_kib": peak,
                    "seconds": measure_times(raw, "application/json", pages, {"kube-mcp": ours}, arguments)}


def measure_lists(cluster):
    return {"listing": measure_listing(cluster), "search": measure_search(cluster)}
