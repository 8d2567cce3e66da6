"""What the end-to-end cases stand on: a world (simulator or real cluster), the program's three doors, and answers.

A door is a way in: `kube-mcp call`, MCP over stdio, MCP over HTTP. A world knows the kubeconfig, the identities and the
API server of prod itself, so that a case compares an answer with the truth and not with a copy of it.
"""
import http.client
import json
import os
import re
import shlex
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.parse

CASES = []
MODERN = "2026-07-28"
LEGACY = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]


def case(doors=False, faults=False, cluster=False, short=False):
    """Registers a case. doors: once per door; faults: needs a simulator; cluster: needs kubectl; short: also under valgrind."""
    def register(function):
        CASES.append((function, doors, faults, cluster, short))
        return function
    return register


class Failure(Exception):
    """A case did not find what it expected."""


def check(condition, message, *shown):
    if not condition:
        raise Failure(message + "".join("\n      " + str(x)[:600] for x in shown))


def equal(got, want, what):
    check(got == want, f"{what}: expected {str(want)[:700]!r}, got {str(got)[:700]!r}")


class Answer:
    """The result of one tool call: its text, or its error envelope."""

    def __init__(self, result):
        self.raw = result
        self.text = "\n".join(c.get("text", "") for c in result.get("content", []))
        self.is_error = bool(result.get("isError"))
        self.structured = result.get("structuredContent")
        self.error = json.loads(self.text)["error"] if self.is_error else {}

    def ok(self):
        check(not self.is_error, "the call failed", self.text)
        return self

    def fails(self, kind, *words):
        check(self.is_error, f"expected {kind}, got an answer", self.text)
        equal(self.error.get("type"), kind, f"type of {self.error.get('message')!r}")
        check(self.error.get("message") and "details" in self.error and self.error.get("tool"), "incomplete envelope", self.text)
        everything = self.error["message"] + " " + self.error.get("hint", "")
        for word in words:
            check(word in everything, f"the error does not mention {word!r}", everything)
        return self

    def lines(self):
        """Without the closing remarks."""
        return [line for line in self.text.splitlines() if not line.startswith("# ")]

    def rows(self):
        """The table as one dict per row."""
        lines = self.lines()
        if not lines:
            return []
        starts = [m.start() for m in re.finditer(r"(?:^|(?<=\s\s))\S", lines[0])]
        cut = lambda line: [line[a:b].strip() for a, b in zip(starts, starts[1:] + [None])]
        head = cut(lines[0])
        return [dict(zip(head, cut(line))) for line in lines[1:]]

    def cursor(self):
        found = re.search(r"^# next cursor: (\S+)$", self.text, re.M)
        return found and found.group(1)


class RpcError(Exception):
    def __init__(self, error):
        super().__init__(error.get("message"))
        self.error = error


def unwrap(message):
    if "error" in message:
        raise RpcError(message["error"])
    return message["result"]


class Stdio:
    """kube-mcp serving one client on its standard input and output."""

    def __init__(self, world, options=(), env=None, version=LEGACY[0]):
        self.process = subprocess.Popen(world.command(["serve", "--transport", "stdio", *options]), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=world.log, env=world.environment(env))
        self.last_id = 0
        self.limit = world.limit
        self.server = self.request("initialize", {
            "protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "integration", "version": "1"}})
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def send(self, message):
        self.send_bytes(json.dumps(message).encode())

    def send_bytes(self, line):
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def receive(self):
        timer = threading.Timer(self.limit, self.process.kill)
        timer.start()
        try:
            line = self.process.stdout.readline()
        finally:
            timer.cancel()
        check(line, "the server ended, or was silent for too long")
        return json.loads(line)

    def request(self, method, params=None):
        self.last_id += 1
        self.send({"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params or {}})
        while True:
            message = self.receive()
            if message.get("id") == self.last_id and "method" not in message:
                return unwrap(message)

    def call(self, tool, **arguments):
        return Answer(self.request("tools/call", {"name": tool, "arguments": arguments}))

    def close(self):
        self.process.stdin.close()
        try:
            status = self.process.wait(self.limit)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failure("the server did not end after its input did")
        self.process.stdout.close()
        check(status == 0, f"the server ended with status {status}")


class Http:
    """kube-mcp serving HTTP on a free port; calls are of the modern revision."""

    def __init__(self, world, options=(), env=None):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.limit = world.limit
        self.process = subprocess.Popen(
            world.command(["serve", "--transport", "http", "--address", f"127.0.0.1:{self.port}", *options]),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=world.log, env=world.environment(env))
        world.wait_for_port(self.port, self.process)
        self.ids = 0

    def post(self, body, headers=None):
        """(status, headers, body) of one raw POST."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.limit)
        try:
            connection.request("POST", "/mcp", body, {
                "Content-Type": "application/json", "Accept": "application/json, text/event-stream", **(headers or {})})
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()

    def message(self, method, params=None, name=None):
        """A request of the modern revision: its body and its headers."""
        self.ids += 1
        params = {**(params or {}), "_meta": {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientInfo": {"name": "integration", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {}}}
        headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
        if name:
            headers["Mcp-Name"] = name
        return json.dumps({"jsonrpc": "2.0", "id": self.ids, "method": method, "params": params}), headers

    def request(self, method, params=None, name=None):
        body, headers = self.message(method, params, name)
        _, reply_headers, reply = self.post(body, headers)
        return unwrap(last_message(reply_headers, reply))

    def call(self, tool, **arguments):
        return Answer(self.request("tools/call", {"name": tool, "arguments": arguments}, tool))

    def close(self):
        self.process.terminate()
        try:
            status = self.process.wait(self.limit)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failure("the server did not end after SIGTERM")
        check(status == 0, f"the server ended with status {status}")


def last_message(headers, body):
    """The response in a JSON body, or the last message of an event stream."""
    kind = {k.lower(): v for k, v in headers.items()}.get("content-type", "")
    if kind.startswith("text/event-stream"):
        return json.loads([line[5:] for line in body.decode().splitlines() if line.startswith("data:")][-1])
    return json.loads(body)


class Cli:
    """kube-mcp call."""

    def __init__(self, world, options=(), env=None):
        self.world, self.options, self.env = world, list(options), env

    def call(self, tool, **arguments):
        words = [f"{k}={v if isinstance(v, str) else json.dumps(v)}" for k, v in arguments.items()]
        done = self.world.run(["call", tool, *words, "--json", *self.options], self.env)
        check(done.stdout, f"no answer, status {done.returncode}", done.stderr)
        answer = Answer(json.loads(done.stdout))
        check((done.returncode != 0) == answer.is_error, f"status {done.returncode} does not fit the answer", answer.text)
        return answer

    def close(self):
        pass


DOORS = {"cli": Cli, "stdio": Stdio, "http": Http}


class World:
    """One target with everything the cases need to know about it."""

    def __init__(self, target, binary, env_file, log):
        self.target, self.binary, self.log = target, binary, log
        self.simulated = target != "cluster"
        self.wrapper = shlex.split(os.environ.get("KUBE_MCP_TEST_WRAPPER", ""))
        self.limit = 180 if self.wrapper else 40
        self.vars = read_exports(env_file)
        self.kubeconfig = self.vars["KUBECONFIG"]
        self.folder = tempfile.mkdtemp(prefix="kube-mcp-integration-")
        self.opened = {}
        self.files = 0

    def command(self, arguments):
        return [*self.wrapper, self.binary, *arguments]

    def environment(self, more=None):
        """A clean environment: nothing of the caller's that would configure the program."""
        kept = {k: v for k, v in os.environ.items()
                if k in ("PATH", "LANG", "TMPDIR") or k.endswith("SAN_OPTIONS")}
        # None unsets a variable.
        chosen = {**kept, "HOME": self.folder, "KUBECONFIG": self.kubeconfig, **(more or {})}
        return {k: v for k, v in chosen.items() if v is not None}

    def run(self, arguments, env=None, limit=None):
        return subprocess.run(self.command(arguments), capture_output=True, text=True, errors="replace",
                              timeout=limit or self.limit, env=self.environment(env), stdin=subprocess.DEVNULL)

    def door(self, kind="http"):
        """A door that the cases share."""
        if kind not in self.opened:
            self.opened[kind] = DOORS[kind](self)
        return self.opened[kind]

    def call(self, tool, **arguments):
        return self.door().call(tool, **arguments)

    def cli(self, options=(), env=None):
        return Cli(self, options, env)

    def close(self):
        for door in self.opened.values():
            door.close()

    def file(self, text, mode=0o600, name=None):
        self.files += 1
        path = os.path.join(self.folder, name or f"file-{self.files}")
        with open(path, "wb") as out:
            out.write(text if isinstance(text, bytes) else text.encode())
        os.chmod(path, mode)
        return path

    def make_kubeconfig(self, cluster=None, user=None, **context):
        """A kubeconfig with the one context `it`, for prod's administrator unless told otherwise. None removes a key."""
        entries = {"server": self.vars["PROD_URL"], "certificate-authority": self.vars["PROD_CA"], **(cluster or {})}
        who = user if user is not None else {
            "client-certificate": self.vars["PROD_ADMIN_CRT"], "client-key": self.vars["PROD_ADMIN_KEY"]}
        return self.file(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "clusters": [{"name": "c", "cluster": {k: v for k, v in entries.items() if v is not None}}],
            "users": [{"name": "u", "user": who}],
            "contexts": [{"name": "it", "context": {"cluster": "c", "user": "u", **context}}]}))

    def with_kubeconfig(self, path):
        return self.cli(env={"KUBECONFIG": path})

    def connect(self, token_file=None):
        """A connection to prod's API server itself, as its administrator unless the request is to have a token."""
        tls = ssl.create_default_context(cafile=self.vars["PROD_CA"])
        if token_file is None:
            tls.load_cert_chain(self.vars["PROD_ADMIN_CRT"], self.vars["PROD_ADMIN_KEY"])
        address = urllib.parse.urlsplit(self.vars["PROD_URL"])
        return http.client.HTTPSConnection(address.hostname, address.port, context=tls, timeout=self.limit)

    def api(self, path, accept="application/json", method="GET", **options):
        """(status, document) straight from prod's API server."""
        status, body = self.raw(path, accept, method, **options)
        return status, json.loads(body)

    def raw(self, path, accept, method="GET", body=None, content_type="application/json", token_file=None):
        """The same, with the body as it comes."""
        headers = {"Accept": accept, "Content-Type": content_type}
        if token_file is not None:
            with open(token_file, encoding="utf-8") as file:
                headers["Authorization"] = f"Bearer {file.read().strip()}"
        connection = self.connect(token_file)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def watch(self, path):
        """The events of a watch until the server ends it."""
        connection = self.connect()
        try:
            connection.request("GET", path, headers={"Accept": "application/json"})
            response = connection.getresponse()
            equal(response.status, 200, f"GET {path}")
            return [json.loads(line) for line in response.read().splitlines()]
        finally:
            connection.close()

    def objects(self, path):
        status, document = self.api(path)
        equal(status, 200, f"GET {path}")
        return document["items"]

    def table(self, path):
        """Columns of priority 0 and cells, as the API server lays them out."""
        status, document = self.api(path, "application/json;as=Table;v=v1;g=meta.k8s.io")
        equal(status, 200, f"GET {path} as Table")
        shown = [i for i, c in enumerate(document["columnDefinitions"]) if c["priority"] == 0]
        head = [document["columnDefinitions"][i]["name"].upper() for i in shown]
        return [dict(zip(head, (str(row["cells"][i]) for i in shown))) for row in document.get("rows") or []]

    def kubectl(self, *words):
        return subprocess.run([self.vars["KUBECTL"], *words], capture_output=True, text=True, check=True,
                              timeout=self.limit, env=self.environment()).stdout

    def fault(self, **rule):
        """The next answers of the simulator go wrong as RULE says; see tests/sim/README.md."""
        self.admin("POST", rule)

    def no_faults(self):
        self.admin("DELETE", {})

    def faults_taken(self):
        """How many answers went wrong since faults were ended last."""
        return int(self.admin("GET", {}))

    def admin(self, method, rule):
        address = urllib.parse.urlsplit(self.vars["SIM_ADMIN_URL"])
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
        connection.request(method, "/faults?" + urllib.parse.urlencode(rule))
        response = connection.getresponse()
        body = response.read()
        connection.close()
        check(response.status == 200, "the simulator refused a fault", body)
        return body

    def wait_for_port(self, port, process):
        for _ in range(self.limit * 50):
            if process.poll() is not None:
                raise Failure(f"the server ended with status {process.returncode} before it listened")
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                threading.Event().wait(0.02)
        raise Failure("the server never listened")


def start_simulator(build, folder, *options):
    """The process of a simulator that is ready, its files in FOLDER."""
    program = os.path.join(build, "tests", "kube-mcp-sim")
    process = subprocess.Popen([program, "--dir", folder, "--ports", "auto", *options], stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    if not line.startswith("ready"):
        process.kill()
        sys.exit(f"{program} did not start: {line!r}")
    return process


def read_exports(path):
    """The variables of a file of `export NAME='value'` lines."""
    with open(path, encoding="utf-8") as lines:
        words = shlex.split(lines.read(), comments=True)
    return dict(word.split("=", 1) for word in words if "=" in word)
