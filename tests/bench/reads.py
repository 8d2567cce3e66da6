"""Cheap reads and pings under load: throughput, latency and processor time, in turn with the raw API server."""

import json
import os
import re
import statistics
import subprocess
from pathlib import Path

from cluster import fail
from servers import start_kube_mcp, start_peer

CONNECTIONS = (1, 8, 64)
ACCEPT_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def wrk(url, connections, seconds, path, headers, body="", expect=""):
    env = {**os.environ, "BENCH_PATH": path, "BENCH_BODY": body, "BENCH_EXPECT": expect,
           "BENCH_HEADERS": "\n".join(f"{k}: {v}" for k, v in headers.items())}
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "-s",
               str(Path(__file__).with_name("request.lua")), url]
    out = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
    found = dict(item.split("=") for item in re.search(r"^BENCH (.*)$", out, re.M).group(1).split())
    requests = int(found["requests"])
    if float(found["errors"]) > 0 or requests == 0:
        fail(f"{url}{path}: {found['errors']} errors in {found['requests']} requests")
    return {"requests": requests, "rate": requests / float(found["seconds"]), "p50_ms": float(found["p50_us"]) / 1000,
            "p99_ms": float(found["p99_us"]) / 1000}


def load_raw(cluster, case, connections, seconds):
    headers = {"Authorization": f"Bearer {cluster.token}", "Accept": case["accept"]}
    return wrk(cluster.url, connections, seconds, case["path"], headers, expect="kind")


def load_server(server, method, params, connections, seconds):
    message = {"jsonrpc": "2.0", "id": "@ID@", "method": method, "params": params}
    body = json.dumps(message).replace('"@ID@"', "@ID@")
    before = server.cpu_seconds()
    sample = wrk(f"http://127.0.0.1:{server.port}", connections, seconds, "/mcp", server.headers(server.session), body,
                 "result")
    sample["cpu_us"] = (server.cpu_seconds() - before) * 1e6 / sample["requests"]
    return sample


def median_of(rounds):
    return {key: statistics.median(r[key] for r in rounds) for key in rounds[0]}


def cases_of(cluster):
    """The cheap reads, and the very request that kube-mcp sends for each."""
    name = cluster.some_pod("shop")
    return {
        "namespaces_list": {"path": "/api/v1/namespaces?limit=500&includeObject=None", "accept": ACCEPT_TABLE,
                            "arguments": {}},
        "pods_get": {"path": f"/api/v1/namespaces/shop/pods/{name}", "accept": "application/json",
                     "arguments": {"namespace": "shop", "name": name}},
    }


def measure_case(cluster, servers, tool, case, connections, seconds, rounds):
    samples = {"raw": [], **{who: [] for who in servers}}
    params = {"name": tool, "arguments": case["arguments"]}
    for _ in range(rounds):  # in turn, so that drift of the machine hits all
        samples["raw"].append(load_raw(cluster, case, connections, seconds))
        for who, server in servers.items():
            samples[who].append(load_server(server, "tools/call", params, connections, seconds))
    result = {who: median_of(s) for who, s in samples.items()}
    print(f"  {tool} at {connections}: " + ", ".join(f"{who} {r['rate']:.0f}/s" for who, r in result.items()), flush=True)
    return result


def measure_pings(servers, seconds, rounds):
    samples = {who: [] for who in servers}
    for _ in range(rounds):
        for who, server in servers.items():
            samples[who].append(load_server(server, "ping", {}, 64, seconds))
    return {who: median_of(s) for who, s in samples.items()}


def measure_reads(cluster, seconds, rounds):
    """The reads, the pings, and what the servers have resident after them."""
    with start_kube_mcp(cluster.kubeconfig) as ours, start_peer(cluster.kubeconfig) as peer:
        servers = {"kube-mcp": ours, "peer": peer}
        reads = {}
        for tool, case in cases_of(cluster).items():
            for server in servers.values():
                server.call(tool, case["arguments"])
            for connections in CONNECTIONS:
                reads[f"{tool}@{connections}"] = measure_case(cluster, servers, tool, case, connections, seconds, rounds)
        memory = {who: server.resident_kib() for who, server in servers.items()}
        return {"reads": reads, "loaded_rss_kib": memory, "pings": measure_pings(servers, seconds, rounds)}
