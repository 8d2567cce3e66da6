"""MCP at its two transports: revisions, malformed input, clients that vanish."""
import json
import socket
import time

from harness import DOORS, LEGACY, MODERN, Http, RpcError, Stdio, case, check, equal, last_message

TOOLS = [
    "api_resources_list",
    "config_contexts_list",
    "events_list",
    "namespaces_list",
    "nodes_summary",
    "nodes_top",
    "pods_get",
    "pods_list",
    "pods_logs",
    "pods_top",
    "resources_describe",
    "resources_get",
    "resources_list",
]


@case(short=True)
def every_legacy_revision_over_stdio(world):
    for version in LEGACY:
        door = Stdio(world, version=version)
        equal(door.server["protocolVersion"], version, "revision")
        equal(sorted(t["name"] for t in door.request("tools/list")["tools"]), TOOLS, "tools")
        door.call("config_contexts_list").ok()
        door.close()


@case()
def every_legacy_revision_over_http(world):
    door = world.door("http")
    for version in LEGACY:
        body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "i", "version": "1"}}}
        status, headers, reply = door.post(json.dumps(body))
        equal(status, 200, "status of initialize")
        equal(last_message(headers, reply)["result"]["protocolVersion"], version, "revision")
        session = {k.lower(): v for k, v in headers.items()}["mcp-session-id"]
        follow = {"Mcp-Session-Id": session, "MCP-Protocol-Version": version}
        status, _, _ = door.post('{"jsonrpc":"2.0","method":"notifications/initialized"}', follow)
        equal(status, 202, "status of a notification")
        call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "namespaces_list", "arguments": {}}}
        status, headers, reply = door.post(json.dumps(call), follow)
        check("checkout" in json.dumps(last_message(headers, reply)["result"]), "an answer", reply)


@case()
def the_modern_revision_over_stdio(world):
    door = Stdio(world)
    body, _ = world.door("http").message("tools/call", {"name": "namespaces_list", "arguments": {}})
    door.send_bytes(body.encode())
    check("checkout" in json.dumps(door.receive()["result"]), "an answer")
    door.close()


@case(short=True)
def schemas_are_complete(world):
    for tool in world.door("http").request("tools/list")["tools"]:
        schema = tool["inputSchema"]
        equal((schema["type"], schema["additionalProperties"]), ("object", False), tool["name"])
        check(tool["title"] and tool["description"], "title and description", tool)
        check({"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"} <= set(tool["annotations"]), "hints", tool)
        check(all(p.get("type") and p.get("description") for p in schema["properties"].values()), "properties", schema)


@case()
def a_tool_prefix(world):
    door = Stdio(world, ["--set", "server.tool_prefix=k8s_"])
    check(all(t["name"].startswith("k8s_") for t in door.request("tools/list")["tools"]), "prefix")
    door.call("k8s_namespaces_list").ok()
    door.close()


@case(short=True)
def malformed_lines_on_stdio(world):
    door = Stdio(world)
    for line, code in [(b"{", -32700), (b"nonsense", -32700), (b'"\xff\xfe"', -32700), (b"[" * 5000, -32700), (b"{}", -32600),
                       (b"[]", -32600), (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600), (b"5", -32600)]:
        door.send_bytes(line)
        answer = door.receive()
        equal(answer.get("error", {}).get("code"), code, f"code for {line[:30]!r}")
    door.send_bytes(b"")
    door.call("namespaces_list").ok()
    door.close()


@case()
def a_huge_line_on_stdio(world):
    door = Stdio(world)
    try:
        door.send_bytes(b'{"jsonrpc":"2.0","id":7,"method":"ping","params":{"x":"' + b"y" * (64 << 20) + b'"}}')
        check("error" in door.receive(), "refused")
        door.call("namespaces_list").ok()
        door.close()
    finally:
        door.process.kill()


@case()
def unknown_methods(world):
    for kind in ("stdio", "http"):
        try:
            world.door(kind).request("tools/none")
            check(False, "answered")
        except RpcError as refused:
            equal(refused.error["code"], -32601, "code")


@case(short=True)
def malformed_bodies_on_http(world):
    door = world.door("http")
    for body, code in [(b"{", -32700), (b'"\xff"', -32700), (b"[" * 20000, -32700), (b"{}", -32600), (b"", -32700)]:
        status, headers, reply = door.post(body)
        equal(status, 400, f"status for {body[:20]!r}")
        equal(last_message(headers, reply)["error"]["code"], code, f"code for {body[:20]!r}")
    door.call("namespaces_list").ok()


@case()
def too_much_on_http(world):
    door = world.door("http")
    try:
        equal(door.post(b"x" * (5 << 20))[0], 413, "a body of 5 MiB")
    except (BrokenPipeError, ConnectionResetError):
        pass  # refused before all of it was sent
    try:
        status = door.post(b"{}", {"X-Long": "y" * 60000})[0]
        check(status in (400, 413, 414, 431), f"a header of 60 kB was answered {status}")
    except (BrokenPipeError, ConnectionResetError):
        pass
    door.call("namespaces_list").ok()


@case()
def strangers_on_http(world):
    door = world.door("http")
    body, headers = door.message("tools/list")
    for more, want in [({"Host": "evil.example"}, 403), ({"Origin": "https://evil.example"}, 403),
                       ({"Content-Type": "text/plain"}, 415), ({"MCP-Protocol-Version": "1999-01-01"}, 400)]:
        equal(door.post(body, {**headers, **more})[0], want, str(more))


@case(short=True)
def clients_that_vanish(world):
    door = world.door("http")
    body, headers = door.message("tools/call", {"name": "pods_list", "arguments": {"output": "json"}}, "pods_list")
    head = "".join(f"{k}: {v}\r\n" for k, v in {**headers, "Host": f"127.0.0.1:{door.port}", "Content-Type": "application/json",
                                               "Accept": "application/json", "Content-Length": len(body)}.items())
    request = f"POST /mcp HTTP/1.1\r\n{head}\r\n{body}".encode()
    for size in (10, len(request) - 20, len(request)):
        for pause in (0, 0.01):
            with socket.create_connection(("127.0.0.1", door.port)) as client:
                client.sendall(request[:size])
                time.sleep(pause)
    door.call("namespaces_list").ok()


@case()
def a_client_that_leaves_stdio_mid_call(world):
    door = Stdio(world)
    door.send({"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": {"name": "pods_list", "arguments": {}}})
    door.close()


@case(faults=True)
def cancelling_aborts_the_call(world):
    world.fault(delay_ms=15000, count=0, path="/api/v1/pods")
    door = Stdio(world)
    door.send({"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": {"name": "pods_list", "arguments": {}}})
    time.sleep(0.3)
    door.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 9}})
    began = time.monotonic()
    door.call("namespaces_list").ok()
    door.close()
    check(time.monotonic() - began < 5, "the end waited for a cancelled call")


@case()
def many_at_once(world):
    door = Stdio(world)
    for number in range(100, 140):
        door.send({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": "namespaces_list", "arguments": {}}})
    answers = {door.receive()["id"] for _ in range(40)}
    equal(answers, set(range(100, 140)), "ids answered")
    door.close()


@case()
def equal_ids_of_different_clients(world):
    doors = [world.door("http") for _ in range(2)]
    for door in doors:
        door.ids = 4711
        door.call("namespaces_list").ok()


@case()
def the_doors_agree(world):
    texts = {kind: world.door(kind).call("resources_list", kind="cm", output="json").ok().lines() for kind in DOORS}
    equal(texts["stdio"], texts["cli"], "stdio and command line")
    equal(texts["http"], texts["cli"], "HTTP and command line")


@case()
def two_lengths_of_one_body_are_refused(world):
    door = world.door("http")
    with socket.create_connection(("127.0.0.1", door.port), timeout=10) as s:
        s.sendall(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
                  b"Content-Length: 40\r\n\r\n{}")
        status = s.recv(200).split(b" ")[1]
    equal(status, b"400", "status")
