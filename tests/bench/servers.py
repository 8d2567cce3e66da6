"""MCP servers under test: kube-mcp and, beside it, npm's kubernetes-mcp-server."""

import http.client
import json
import os
import platform
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

from cluster import REPO, fail, shell_variables

BINARY = REPO / "build/release/kube-mcp"
PROTOCOL = "2025-11-25"
TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def own_environment():
    """Ours without the settings of the tests, which kube-mcp would take for its own."""
    return {key: value for key, value in os.environ.items() if not key.startswith("KUBE_MCP_")}


class EndedAtOnce(Exception):
    """A server has ended before its first answer: most likely somebody took its port."""


class Server:
    """An MCP server over HTTP: started, initialized, watched, stopped."""

    def __init__(self, name, command, port, env=None):
        self.name, self.port, self.next_id = name, port, 1
        self.process = subprocess.Popen(command, env={**own_environment(), **(env or {})}, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.session = self.initialize()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def post(self, body, session=None, connection=None):
        connection = connection or self.connect()
        connection.request("POST", "/mcp", json.dumps(body), self.headers(session))
        answer = connection.getresponse()
        return answer, answer.read().decode()

    def headers(self, session):
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        if session:
            headers.update({"Mcp-Session-Id": session, "MCP-Protocol-Version": PROTOCOL})
        return headers

    def initialize(self):
        message = {"jsonrpc": "2.0", "id": 1, "method": "initialize",
                   "params": {"protocolVersion": PROTOCOL, "capabilities": {},
                              "clientInfo": {"name": "bench", "version": "1"}}}
        deadline = time.monotonic() + 30
        while True:
            try:
                answer, _ = self.post(message)
                break
            except OSError:
                if self.process.poll() is not None:
                    raise EndedAtOnce from None
                if time.monotonic() > deadline:
                    fail(f"{self.name} does not answer on port {self.port}")
                time.sleep(0.05)
        session = answer.getheader("Mcp-Session-Id")
        self.post({"jsonrpc": "2.0", "method": "notifications/initialized"}, session)
        return session

    def request(self, method, params=None, connection=None):
        self.next_id += 1
        message = {"jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params or {}}
        return self.post(message, self.session, connection)[1]

    def call(self, tool, arguments, connection=None):
        text = self.request("tools/call", {"name": tool, "arguments": arguments}, connection)
        if '"isError":true' in text or '"error":{"code"' in text:
            fail(f"{self.name}: {tool} failed: {text[:300]}")
        return text

    def has_argument(self, tool, argument):
        for offered in json.loads(self.request("tools/list"))["result"]["tools"]:
            if offered["name"] == tool:
                return argument in offered["inputSchema"]["properties"]
        return False

    def resident_kib(self):
        return memory_kib(self.process.pid)["Rss"]

    def forget_peak(self):
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def peak_kib(self):
        """The most that was resident since forget_peak()."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"^VmHWM:\s+(\d+) kB", status, re.M).group(1))

    def cpu_seconds(self):
        return cpu_seconds(self.process.pid)


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_kib(pid):
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = {key: int(value) for key, value in re.findall(r"^(\w+):\s+(\d+) kB", text, re.M)}
    found["Private"] = found["Private_Clean"] + found["Private_Dirty"]
    return found


def start(name, command_on, env=None):
    """The server that COMMAND_ON(port) starts, on the first port that nobody takes in the meantime."""
    for _ in range(5):
        port = free_port()
        try:
            return Server(name, command_on(port), port, env)
        except EndedAtOnce:
            continue
    fail(f"{name} ends as soon as it is started: {' '.join(command_on(free_port()))}")


def start_kube_mcp(kubeconfig):
    return start("kube-mcp", lambda port: [
        str(BINARY), "serve", "--transport", "http", "--address", f"127.0.0.1:{port}", "--kubeconfig", str(kubeconfig),
        "--log-level", "error", "--set", "kubernetes.qps=0"])


def peer_binary():
    modules = Path(shell_variables(REPO / "scripts/lib.sh")["KUBE_MCP_TEST_NODE_MODULES"])
    arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    path = modules / f"kubernetes-mcp-server-linux-{arch}/bin/kubernetes-mcp-server-linux-{arch}"
    if not path.exists():
        fail("the peer kubernetes-mcp-server is not installed: run scripts/setup")
    path.chmod(0o755)
    return path


def start_peer(kubeconfig):
    return start("kubernetes-mcp-server", lambda port: [
        str(peer_binary()), "--port", str(port), "--bind-address", "127.0.0.1", "--kubeconfig", str(kubeconfig)],
        {"KUBE_CLIENT_QPS": "100000", "KUBE_CLIENT_BURST": "100000"})
