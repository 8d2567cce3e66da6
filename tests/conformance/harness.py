"""What the parts of the conformance run share: counting cases, starting the two programs, talking to them raw."""

import base64
import contextlib
import http.client
import json
import os
import queue
import subprocess
import tempfile
import threading
import time
import traceback

BUILD = os.environ["KUBE_MCP_TEST_BUILD"]
FIXTURES = os.path.join(BUILD, "tests", "kube-mcp-conformance")
PRODUCT = os.path.join(BUILD, "kube-mcp")
NODE = os.environ["KUBE_MCP_TEST_NODE"]
NODE_MODULES = os.environ["KUBE_MCP_TEST_NODE_MODULES"]
HERE = os.path.dirname(os.path.abspath(__file__))

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
META = "io.modelcontextprotocol/"
PATIENCE_S = 10


class Cases:
    """Counts what passed and failed and says so, one line a case."""

    def __init__(self):
        self.passed = self.failed = 0

    def report(self, name, error=None):
        if error is None:
            self.passed += 1
            print(f"ok      {name}", flush=True)
        else:
            self.failed += 1
            print(f"FAILED  {name}\n        " + str(error).strip().replace("\n", "\n        "), flush=True)

    @contextlib.contextmanager
    def case(self, name):
        try:
            yield
        except Exception as error:  # a failing case must not end the run, whatever it raised
            frame = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{os.path.basename(frame.filename)}:{frame.lineno}: {frame.line}"
            self.report(name, f"{where}\n{type(error).__name__}: {error}")
        else:
            self.report(name)


# --- the programs ----------------------------------------------------------------------------------------------------

DEAD_KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: red
clusters:
- {name: red, cluster: {server: "https://127.0.0.1:1", insecure-skip-tls-verify: true}}
- {name: blue, cluster: {server: "http://127.0.0.1:1"}}
users:
- {name: reader, user: {token: not-a-real-token}}
contexts:
- {name: red, context: {cluster: red, user: reader, namespace: shop}}
- {name: blue, context: {cluster: blue, user: reader}}
"""


class Programs:
    """Command lines of the fixtures and of the product, and a folder for what they need."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="kube-mcp-conformance-")
        kubeconfig, config = (os.path.join(self.folder.name, name) for name in ("kubeconfig", "config.toml"))
        with open(kubeconfig, "w", encoding="utf-8") as file:
            file.write(DEAD_KUBECONFIG)
        with open(config, "w", encoding="utf-8") as file:
            file.write('[server]\nlog_level = "critical"\n')
            file.write(f'[kubernetes]\nkubeconfig_path = "{kubeconfig}"\nconnect_timeout = "1s"\n')
        # The product must not pick up the configuration or the state of whoever runs this.
        self.settings = {"HOME": self.folder.name, "XDG_STATE_HOME": self.folder.name, "KUBE_MCP_CONFIG": config}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("KUBE")}
        self.environment = {**kept, **self.settings}
        self.stdio_commands = {"fixtures": [FIXTURES, "--stdio"], "product": [PRODUCT]}
        self.http_servers = {"fixtures": self.fixtures_http, "product": self.product_http}

    @contextlib.contextmanager
    def fixtures_http(self, *arguments, port=0):
        process = subprocess.Popen([FIXTURES, "--port", str(port), *arguments], stderr=subprocess.PIPE, text=True)
        try:
            yield int(process.stderr.readline())
        finally:
            stop(process)

    @contextlib.contextmanager
    def product_http(self):
        port = free_port()
        process = subprocess.Popen([PRODUCT, "--transport", "http", "--address", f"127.0.0.1:{port}"],
                                   env=self.environment, stdin=subprocess.DEVNULL)
        try:
            wait_until(lambda: answers(port), "the product listens")
            yield port
        finally:
            stop(process)


def stop(process):
    process.terminate()
    status = process.wait(PATIENCE_S)
    if process.stderr:
        process.stderr.close()
    if status != 0:
        raise AssertionError(f"{os.path.basename(process.args[0])} ended with status {status}")


def free_port():
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port):
    with contextlib.suppress(OSError):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
        connection.request("GET", "/livez")
        return connection.getresponse().status == 200
    return False


def wait_until(condition, what, patience=PATIENCE_S):
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience} s in vain until {what}")
        time.sleep(0.02)


# --- messages --------------------------------------------------------------------------------------------------------

def request(method, params=None, id=1):
    message = {"jsonrpc": "2.0", "id": id, "method": method}
    return message if params is None else {**message, "params": params}


def notification(method, params=None):
    message = {"jsonrpc": "2.0", "method": method}
    return message if params is None else {**message, "params": params}


def initialize(version=LEGACY, capabilities=None, id=1):
    return request("initialize", {"protocolVersion": version, "capabilities": capabilities or {},
                                  "clientInfo": {"name": "raw", "version": "1"}}, id)


def envelope(params=None, capabilities=None, version=MODERN, **meta):
    """PARAMS with the _meta of a 2026-07-28 request."""
    keys = {META + "protocolVersion": version, META + "clientCapabilities": capabilities or {}}
    return {**(params or {}), "_meta": {**keys, **meta}}


def tool_call(name, arguments=None, id=1, **params):
    return request("tools/call", {"name": name, "arguments": arguments or {}, **params}, id)


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def equal(actual, expected, what="value"):
    if actual != expected or type(actual) is not type(expected):
        raise AssertionError(f"{what}: expected {expected!r}, got {actual!r}")


def text_of(result):
    return "".join(block.get("text", "") for block in result["content"])


# --- HTTP ------------------------------------------------------------------------------------------------------------

class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def is_stream(self):
        return self.headers.get("Content-Type", "").startswith("text/event-stream")

    @property
    def messages(self):
        if not self.is_stream:
            return [json.loads(self.body)]
        return [json.loads(line[6:]) for line in self.body.decode().split("\n") if line.startswith("data: ")]

    @property
    def message(self):
        return self.messages[-1]


class Http:
    """One client of POST /mcp, with the headers its era wants."""

    def __init__(self, port, session=None, version=None):
        self.port, self.session, self.version = port, session, version

    def headers(self, extra=None):
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        if self.session:
            headers["Mcp-Session-Id"] = self.session
        if self.version:
            headers["MCP-Protocol-Version"] = self.version
        headers.update(extra or {})
        return {name: value for name, value in headers.items() if value is not None}

    def send(self, method, body=None, headers=None, exact=None):
        """EXACT replaces all headers. Returns the connection, whose answer is still to be read."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        connection.putrequest(method, "/mcp", skip_host="Host" in (headers or {}), skip_accept_encoding=True)
        for name, value in (exact or self.headers(headers)).items():
            connection.putheader(name, value)
        data = body.encode() if isinstance(body, str) else body or b""
        if method == "POST" and exact is None:
            connection.putheader("Content-Length", str(len(data)))
        connection.endheaders(data)
        return connection

    def ask(self, method, body=None, headers=None):
        connection = self.send(method, body, headers)
        try:
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def post(self, body, headers=None):
        return self.ask("POST", body, headers)

    def result(self, message, headers=None):
        answer = self.post(message, headers)
        check("result" in answer.message, f"no result: {answer.status} {answer.body[:300]!r}")
        return answer.message["result"]

    def modern(self, method, params=None, id=1, headers=None, **meta):
        """A complete 2026-07-28 request."""
        routing = {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
        name = (params or {}).get("uri" if method == "resources/read" else "name")
        if name is not None and method in ("tools/call", "prompts/get", "resources/read"):
            routing["Mcp-Name"] = name
        return self.post(request(method, envelope(params, **meta), id), {**routing, **(headers or {})})

    @classmethod
    def opened(cls, port, version=LEGACY, capabilities=None):
        answer = cls(port).post(initialize(version, capabilities))
        equal(answer.status, 200, "status of initialize")
        client = cls(port, answer.headers["Mcp-Session-Id"], version)
        equal(client.post(notification("notifications/initialized")).status, 202, "status of initialized")
        return client


class EventStream:
    """Events of a response as they come."""

    def __init__(self, connection):
        self.connection = connection
        self.response = connection.getresponse()
        equal(self.response.status, 200, "status of the stream")
        check(self.response.headers["Content-Type"] == "text/event-stream", "the answer is no stream")

    def next(self):
        """The next message, or None at the end."""
        while True:
            line = self.response.readline()
            if line == b"":
                return None
            if line.startswith(b"data: "):
                return json.loads(line[6:])

    def close(self):
        # The response holds the socket as well: without both the server would not see us go.
        self.response.close()
        self.connection.close()


# --- stdio -----------------------------------------------------------------------------------------------------------

class Stdio:
    """A program on two pipes. Its answers are read by a thread, so that a missing one fails instead of hanging."""

    def __init__(self, command, environment=None):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def send(self, message):
        data = message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n"
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def receive(self, patience=PATIENCE_S):
        """The next message, or None at the end of output."""
        try:
            line = self.lines.get(timeout=patience)
        except queue.Empty:
            raise AssertionError("no message came") from None
        return None if line is None else json.loads(line)

    def ask(self, message):
        """The answer to MESSAGE, and the messages that came before it."""
        self.send(message)
        before = []
        while True:
            got = self.receive()
            check(got is not None, "the output ended before the answer")
            if got.get("id") == message["id"] and "method" not in got:
                return got, before
            before.append(got)

    def result(self, message):
        answer, _ = self.ask(message)
        check("result" in answer, f"no result: {answer}")
        return answer["result"]

    def silence(self, seconds=0.3):
        with contextlib.suppress(queue.Empty):
            raise AssertionError(f"unexpected: {self.lines.get(timeout=seconds)!r}")

    def end(self, patience=PATIENCE_S):
        """Closes the input; the exit status."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        return self.process.wait(patience)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        try:
            status = self.end()
        finally:
            self.process.kill()
            self.process.stdout.close()
        if exception[0] is None:
            equal(status, 0, "exit status")


def base64_header(value):
    return f"=?base64?{base64.b64encode(value.encode()).decode()}?="
