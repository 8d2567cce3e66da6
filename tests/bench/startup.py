"""Start-up time, idle memory and size: over stdio, with 100 contexts known and none connected."""

import json
import statistics
import subprocess
import time

from cluster import fail
from servers import BINARY, PROTOCOL, memory_kib, own_environment, peer_binary


def hundred_contexts(folder):
    """A kubeconfig with 100 contexts, none of which is ever connected."""
    path = folder / "hundred"
    names = [f"cluster-{i:03}" for i in range(100)]
    path.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": names[0],
        "clusters": [{"name": n, "cluster": {"server": f"https://{n}.example.com:6443"}} for n in names],
        "users": [{"name": n, "user": {"token": f"token-of-{n}-" + "x" * 900}} for n in names],
        "contexts": [{"name": n, "context": {"cluster": n, "user": n}} for n in names]}))
    path.chmod(0o600)
    return path


OPENING = [
    {"jsonrpc": "2.0", "id": 1, "method": "initialize",
     "params": {"protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}},
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
]


def first_tools_list(command, keep=False):
    """Milliseconds from exec to the answer of the first tools/list over stdio."""
    started = time.perf_counter()
    process = subprocess.Popen(command, env=own_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL)
    process.stdin.write("".join(json.dumps(m) + "\n" for m in OPENING).encode())
    process.stdin.flush()
    while True:
        line = process.stdout.readline()
        if not line:
            fail(f"{command[0]} ended before answering tools/list")
        message = json.loads(line)
        if message.get("id") == 2:
            break
    elapsed_ms = (time.perf_counter() - started) * 1000
    if keep:
        return elapsed_ms, process
    process.stdin.close()
    process.stdout.read()
    process.wait(20)
    return elapsed_ms


def measure_start(folder, runs):
    kubeconfig = str(hundred_contexts(folder))
    ours = [str(BINARY), "serve", "--kubeconfig", kubeconfig, "--log-level", "error"]
    peer = [str(peer_binary()), "--kubeconfig", kubeconfig, "--log-file", "/dev/null"]
    nothing = ["cat"]  # what starting any process and a pipe costs here
    times = {"kube-mcp": [], "peer": [], "cat": []}
    for _ in range(runs):
        times["kube-mcp"].append(first_tools_list(ours))
        times["peer"].append(first_tools_list(peer))
        times["cat"].append(first_tools_list(nothing))
    return {who: statistics.median(t) for who, t in times.items()}


def measure_idle(folder):
    kubeconfig = str(hundred_contexts(folder))
    result = {}
    for who, command in (("kube-mcp", [str(BINARY), "serve", "--kubeconfig", kubeconfig, "--log-level", "error"]),
                         ("peer", [str(peer_binary()), "--kubeconfig", kubeconfig, "--log-file", "/dev/null"])):
        _, process = first_tools_list(command, keep=True)
        call = {"jsonrpc": "2.0", "id": 3, "method": "tools/call",
                "params": {"name": "config_contexts_list" if who == "kube-mcp" else "configuration_contexts_list",
                           "arguments": {}}}
        process.stdin.write((json.dumps(call) + "\n").encode())
        process.stdin.flush()
        while json.loads(process.stdout.readline()).get("id") != 3:
            pass
        time.sleep(0.5)
        memory = memory_kib(process.pid)
        result[who] = {"rss_kib": memory["Rss"], "private_kib": memory["Private"],
                       "private_dirty_kib": memory["Private_Dirty"]}
        process.stdin.close()
        process.wait(20)
    return result


def measure_size():
    return {"kube-mcp": BINARY.stat().st_size, "peer": peer_binary().stat().st_size}
