"""Protocol rules that the official tools do not reach: batches, ids, malformed input, sessions, headers, cancellation,
streams, stdio. Every function whose name begins with http_ or stdio_ is a case."""

import contextlib
import json
import subprocess
import threading
import time

from harness import (FIXTURES, LEGACY, META, MODERN, Answer, EventStream, Http, Stdio, base64_header, check, envelope,
                     equal, initialize, notification, request, text_of, tool_call, wait_until)

LEGACY_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")


def error_code(answer, status=None):
    if isinstance(answer, Answer):
        if status is not None:
            equal(answer.status, status, "status")
        answer = answer.message
    check("error" in answer, f"no error: {answer}")
    check("id" not in answer or answer["id"] is not None, "an id of null")
    return answer["error"]["code"]


# --- revisions -------------------------------------------------------------------------------------------------------

def http_every_legacy_revision_is_echoed(port):
    for version in LEGACY_VERSIONS:
        result = Http(port).result(initialize(version))
        equal(result["protocolVersion"], version, "protocolVersion")
        check(isinstance(result["capabilities"]["tools"], dict), "capabilities.tools is no object")


def http_other_revisions_get_the_newest_with_a_handshake(port):
    for version in ("1999-01-01", "2026-07-28", "2099-01-01", ""):
        equal(Http(port).result(initialize(version))["protocolVersion"], LEGACY, "protocolVersion")
    equal(Http(port).result(initialize("2024-10-07"))["protocolVersion"], "2024-10-07", "protocolVersion")


def http_completions_are_unknown_to_2024_11_05(port):
    check("completions" not in Http(port).result(initialize("2024-11-05"))["capabilities"], "completions announced")
    check("completions" in Http(port).result(initialize("2025-03-26"))["capabilities"], "completions not announced")


def http_structured_content_since_2025_06_18(port):
    for version in LEGACY_VERSIONS:
        result = Http.opened(port, version).result(tool_call("test_structured_content"))
        equal("structuredContent" in result, version >= "2025-06-18", f"structuredContent in {version}")
        check('"Bern"' in text_of(result), "the text block lacks the JSON")


def http_version_header_need_not_equal_the_negotiated_one(port):
    client = Http.opened(port, "2024-11-05")
    client.version = "2025-11-25"
    equal(client.post(request("ping")).status, 200, "status")
    client.version = None
    equal(client.post(request("ping")).status, 200, "status without the header")
    client.version = "1.2.3"
    equal(error_code(client.post(request("ping")), 400), -32600, "code")


def http_empty_results_of_old_revisions_are_empty(port):
    client = Http.opened(port)
    for message in (request("ping"), request("logging/setLevel", {"level": "error"}),
                    request("resources/subscribe", {"uri": "test://watched-resource"}),
                    request("resources/unsubscribe", {"uri": "test://watched-resource"})):
        equal(client.result(message), {}, message["method"])


def http_modern_methods_need_the_envelope(port):
    client = Http.opened(port)
    equal(error_code(client.post(request("server/discover"))), -32601, "code")
    equal(error_code(client.post(request("subscriptions/listen", {"notifications": {}}))), -32601, "code")


# --- JSON-RPC --------------------------------------------------------------------------------------------------------

IDS = (0, 1, -5, 9007199254740993, 9223372036854775807, -9223372036854775808, 18446744073709551615, "", "a", "0", "Zürich")


def http_ids_come_back_as_they_were(port):
    client = Http.opened(port)
    for id in IDS:
        equal(client.post(request("ping", id=id)).message["id"], id, "legacy id")
        equal(client.modern("server/discover", id=id).message["id"], id, "modern id")
        equal(client.post(tool_call("nothing", id=id)).message["id"], id, "id of an error")


def http_integers_beyond_64_bits_come_back_digit_by_digit(port):
    body = '{"jsonrpc":"2.0","id":123456789012345678901234567890,"method":"ping"}'
    check(b'"id":123456789012345678901234567890' in Http.opened(port).post(body).body, "the id was changed")


def http_other_ids_are_refused(port):
    client = Http.opened(port)
    for id in ("null", "1.5", "1e3", "true", "[]", "{}"):
        answer = client.post('{"jsonrpc":"2.0","id":%s,"method":"ping"}' % id)
        equal(error_code(answer, 400), -32600, f"code for id {id}")
        check("id" not in answer.message, "an unreadable id is answered with an id")


def http_malformed_messages(port):
    client = Http.opened(port)
    cases = {"": -32700, "{": -32700, '{"jsonrpc":"2.0","id":1,"method":"ping"}}': -32700, '{"a":NaN}': -32700,
             '{"jsonrpc":"2.0","id":1,"method":"\xff"}': -32700, "[" * 1000 + "]" * 1000: -32700,
             "null": -32600, "1": -32600, '"ping"': -32600, "{}": -32600,
             '{"id":1,"method":"ping"}': -32600, '{"jsonrpc":"1.0","id":1,"method":"ping"}': -32600,
             '{"jsonrpc":"2.0","id":1,"method":7}': -32600, '{"jsonrpc":"2.0","id":1}': -32600,
             '{"jsonrpc":"2.0","id":1,"result":{},"error":{}}': -32600,
             '{"jsonrpc":"2.0","id":1,"method":"ping","params":null}': -32602,
             '{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}': -32602}
    for body, code in cases.items():
        equal(error_code(client.post(body.encode("latin-1")), 400), code, f"code for {body[:60]}")
    equal(client.result(request("ping")), {}, "ping afterwards")


def http_the_id_is_echoed_where_the_rest_is_wrong(port):
    answer = Http.opened(port).post('{"jsonrpc":"2.0","id":"x","method":"ping","params":null}')
    equal(answer.message["id"], "x", "id")


def http_notifications_and_answers_are_accepted_without_a_body(port):
    client = Http.opened(port)
    for message in (notification("notifications/initialized"), notification("notifications/unknown"),
                    notification("notifications/cancelled", {"requestId": 99}),
                    {"jsonrpc": "2.0", "id": "nobody-asked", "result": {}}):
        answer = client.post(message)
        equal((answer.status, answer.body), (202, b""), str(message))
    answer = client.post(request("notifications/x", envelope()) | {}, {})
    check(answer.status != 202, "a request was taken for a notification")


def http_unknown_things(port):
    client = Http.opened(port)
    equal(error_code(client.post(request("no/such")), 200), -32601, "unknown method")
    equal(error_code(client.post(tool_call("no_such")), 200), -32602, "unknown tool")
    equal(error_code(client.post(request("tools/call", {})), 200), -32602, "tool without a name")
    equal(error_code(client.post(request("prompts/get", {"name": "no_such"})), 200), -32602, "unknown prompt")
    equal(error_code(client.post(request("prompts/get", {"name": "test_prompt_with_arguments"})), 200), -32602,
          "prompt without its arguments")
    equal(error_code(client.post(request("tools/list", {"cursor": "bogus"})), 200), -32602, "unknown cursor")
    equal(error_code(client.post(request("logging/setLevel", {"level": "warn"})), 200), -32602, "unknown level")
    answer = client.post(request("resources/read", {"uri": "test://none"}))
    equal((error_code(answer, 200), answer.message["error"]["data"]), (-32002, {"uri": "test://none"}), "resource")
    equal(error_code(client.modern("tools/call", {"name": "no_such"}), 200), -32602, "unknown tool, modern")
    equal(error_code(client.modern("no/such"), 404), -32601, "unknown method, modern")


def http_wrong_arguments_are_results_the_model_sees(port):
    client = Http.opened(port)
    for arguments in ({"ms": "soon"}, {"ms": 0}, {"msec": 5}, {"ms": 1.5}):
        result = client.result(tool_call("test_wait", arguments))
        check(result["isError"] and "ValidationError" in text_of(result) and "ms" in text_of(result), str(result))
    check("did you mean 'region'" in text_of(client.result(tool_call("test_x_mcp_header", {"regoin": "x"}))),
          "no suggestion")


# --- batches ---------------------------------------------------------------------------------------------------------

def http_batches_in_2025_03_26(port):
    client = Http.opened(port, "2025-03-26")
    batch = [request("ping", id=1), notification("notifications/initialized"), tool_call("test_simple_text", id="two"),
             request("no/such", id=3), {"jsonrpc": "2.0"}, tool_call("test_tool_with_progress", id=5)]
    answer = client.post(batch)
    equal(answer.status, 200, "status")
    answers = {entry.get("id"): entry for entry in answer.message}
    equal(set(answers), {1, "two", 3, 5, None}, "ids")
    equal(answers[1]["result"], {}, "ping")
    equal(answers[3]["error"]["code"], -32601, "unknown method")
    equal(answers[None]["error"]["code"], -32600, "malformed element")


def http_batch_of_notifications_is_accepted(port):
    client = Http.opened(port, "2025-03-26")
    answer = client.post([notification("notifications/initialized")] * 3)
    equal((answer.status, answer.body), (202, b""), "answer")


def http_progress_of_a_batch_precedes_its_answer(port):
    call = tool_call("test_tool_with_progress", id=1, _meta={"progressToken": "t"})
    answer = Http.opened(port, "2025-03-26").post([call])
    check(answer.is_stream, "no stream")
    equal([message["params"]["progress"] for message in answer.messages[:-1]], [0.0, 50.0, 100.0], "progress")
    equal([entry["id"] for entry in answer.message], [1], "ids")


def http_batches_are_refused_elsewhere(port):
    batch = [request("ping", id=1)]
    for version in ("2024-11-05", "2025-06-18", "2025-11-25"):
        equal(error_code(Http.opened(port, version).post(batch), 400), -32600, version)
    client = Http.opened(port, "2025-03-26")
    for wrong in ([], [initialize("2025-03-26")], [request("server/discover", envelope())], [request("ping")] * 101):
        equal(error_code(client.post(wrong), 400), -32600, str(wrong)[:60])
    equal(error_code(Http(port).post(batch), 400), -32600, "without a session")


# --- HTTP itself -----------------------------------------------------------------------------------------------------

def http_host_and_origin(port):
    client = Http.opened(port)
    ping = request("ping")
    good = [{"Host": host} for host in ("localhost", f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}")]
    good += [{"Origin": origin} for origin in (f"http://localhost:{port}", "http://127.0.0.1", "http://[::1]:3000")]
    evil = [{"Host": host} for host in ("evil.example.com", f"evil.example.com:{port}", "127.0.0.1.evil.example.com",
                                        "localhost:99999", "")]
    evil += [{"Origin": origin} for origin in ("http://evil.example.com", "null", "http://localhost.evil.example.com",
                                               "file://", "http://user@localhost.evil")]
    for headers in good:
        equal(client.post(ping, headers).status, 200, str(headers))
    for headers in evil:
        check(400 <= client.post(ping, headers).status < 500, f"{headers} was let in")


def http_content_types(port):
    client = Http.opened(port)
    ping = request("ping")
    for kind in ("application/json; charset=utf-8", "Application/JSON", "application/json;x=y"):
        equal(client.post(ping, {"Content-Type": kind}).status, 200, kind)
    for kind in ("text/plain", "text/plain; x=application/json", "application/jsonp", None):
        equal(client.post(ping, {"Content-Type": kind}).status, 415, str(kind))


def http_methods_and_sizes(port):
    client = Http.opened(port)
    answer = client.ask("PUT", "{}")
    equal((answer.status, "POST" in answer.headers["Allow"]), (405, True), "PUT")
    announced = {**client.headers(), "Content-Length": str(5 << 20)}
    with contextlib.closing(client.send("POST", exact=announced)) as connection:
        equal(connection.getresponse().status, 413, "5 MiB announced")
    chunked = {**client.headers(), "Transfer-Encoding": "chunked"}
    with contextlib.closing(client.send("POST", exact=chunked)) as connection:
        for _ in range(5):
            connection.send(b"100000\r\n" + b" " * (1 << 20) + b"\r\n")
        connection.send(b"0\r\n\r\n")
        equal(connection.getresponse().status, 413, "5 MiB sent")
    equal(client.result(request("ping")), {}, "ping afterwards")


def http_answers_are_json_unless_something_precedes_them(port):
    client = Http.opened(port)
    check(not client.post(tool_call("test_tool_with_progress")).is_stream, "a stream without need")
    answer = client.post(tool_call("test_tool_with_progress", _meta={"progressToken": 7}))
    check(answer.is_stream, "no stream")
    equal((answer.headers["Cache-Control"], answer.headers["X-Accel-Buffering"]),
          ("no-cache, no-transform", "no"), "headers")
    for message in answer.messages[:-1]:
        equal((message["method"], message["params"]["progressToken"]), ("notifications/progress", 7), "progress")
    equal(answer.message["id"], 1, "id")


# --- sessions --------------------------------------------------------------------------------------------------------

def http_requests_need_a_session(port):
    equal(error_code(Http(port).post(request("ping")), 400), -32600, "code")
    equal(error_code(Http(port, "forged").post(request("ping")), 404), -32600, "code")
    client = Http.opened(port)
    half = len(client.session) // 2
    altered = client.session[:half] + ("A" if client.session[half] != "A" else "B") + client.session[half + 1:]
    equal(Http(port, altered).post(request("ping")).status, 404, "altered id")
    check(all(0x21 <= ord(c) <= 0x7e for c in client.session), "the id is not visible ASCII")


def http_initialize_ignores_a_stale_session(port):
    answer = Http(port, "stale").post(initialize())
    check(answer.status == 200 and answer.headers["Mcp-Session-Id"] not in ("", "stale"), "no new session")


def http_ended_sessions_are_unknown(port):
    client, other = Http.opened(port), Http.opened(port)
    equal(client.ask("DELETE").status, 204, "DELETE")
    equal(client.post(request("ping")).status, 404, "POST afterwards")
    equal(client.ask("GET", headers={"Accept": "text/event-stream"}).status, 404, "GET afterwards")
    equal(client.ask("DELETE").status, 404, "DELETE again")
    equal(Http(port).ask("DELETE").status, 400, "DELETE without an id")
    equal(other.result(request("ping")), {}, "another session")


def http_session_survives_a_restart(programs):
    key = ("--session-key", "a key that is long enough for sessions")
    with programs.fixtures_http(*key) as port:
        session = Http.opened(port, "2025-06-18", {"sampling": {}}).session
    with programs.fixtures_http(*key) as port:
        client = Http(port, session, "2025-06-18")
        equal(client.result(request("ping")), {}, "ping after the restart")
        check("structuredContent" in client.result(tool_call("test_structured_content")), "the revision was forgotten")
        check("isError" not in client.result(tool_call("test_missing_capability")), "capabilities were forgotten")
    with programs.fixtures_http() as port:
        equal(Http(port, session).post(request("ping")).status, 404, "under another key")


http_session_survives_a_restart.wants_programs = True


def http_one_get_stream_a_session(port):
    client = Http.opened(port)
    accept = {"Accept": "text/event-stream"}
    with contextlib.closing(EventStream(client.send("GET", headers=accept))) as stream:
        equal(client.ask("GET", headers=accept).status, 409, "a second stream")
        client.result(request("resources/subscribe", {"uri": "test://watched-resource"}))
        client.result(tool_call("test_trigger_resource_change"))
        equal([stream.next()["method"] for _ in range(2)],
              ["notifications/resources/list_changed", "notifications/resources/updated"], "messages")
        client.result(request("resources/unsubscribe", {"uri": "test://watched-resource"}))
        client.result(tool_call("test_trigger_resource_change"))
        client.result(tool_call("test_trigger_tool_change"))
        equal([stream.next()["method"] for _ in range(2)],
              ["notifications/resources/list_changed", "notifications/tools/list_changed"], "after unsubscribing")
        equal(client.ask("DELETE").status, 204, "DELETE")
        equal(stream.next(), None, "the stream after DELETE")
    equal(Http(port).ask("GET", headers=accept).status, 400, "without a session")
    equal(Http.opened(port).ask("GET", headers={"Accept": "text/html"}).status, 406, "for a page")


def http_get_stream_can_be_opened_again(port):
    client = Http.opened(port)

    def opens():
        with contextlib.closing(client.send("GET", headers={"Accept": "text/event-stream"})) as connection:
            with connection.getresponse() as response:
                return response.status == 200
    for _ in range(3):
        wait_until(opens, "the stream can be opened again", patience=2)


# --- questions to the client -----------------------------------------------------------------------------------------

def http_questions_come_on_the_stream_of_the_call(port):
    client = Http.opened(port, capabilities={"elicitation": {}})
    call = tool_call("test_elicitation", {"message": "Who?"}, id="call")
    with contextlib.closing(EventStream(client.send("POST", call))) as stream:
        question = stream.next()
        equal((question["method"], question["params"]["message"]), ("elicitation/create", "Who?"), "question")
        answer = {"action": "accept", "content": {"username": "u", "email": "e"}}
        other = Http.opened(port)
        equal(other.post({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "decline"}}).status, 202,
              "answer of a stranger")
        equal(client.post({"jsonrpc": "2.0", "id": question["id"], "result": answer}).status, 202, "answer")
        result = stream.next()
        equal((result["id"], "action=accept" in text_of(result["result"])), ("call", True), str(result))
        equal(stream.next(), None, "end of the stream")


def http_several_rounds_of_questions(port):
    client = Http.opened(port, capabilities={"elicitation": {}})
    with contextlib.closing(EventStream(client.send("POST", tool_call("test_input_required_result_multi_round")))) as stream:
        for content in ({"name": "Ann"}, {"color": "red"}):
            question = stream.next()
            client.post({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept", "content": content}})
        equal(text_of(stream.next()["result"]), "Ann likes red", "text")


def http_prompts_ask_too(port):
    client = Http.opened(port, capabilities={"elicitation": {}})
    call = request("prompts/get", {"name": "test_input_required_result_prompt"})
    with contextlib.closing(EventStream(client.send("POST", call))) as stream:
        client.post({"jsonrpc": "2.0", "id": stream.next()["id"],
                     "result": {"action": "accept", "content": {"context": "night"}}})
        equal(stream.next()["result"]["messages"][0]["content"]["text"], "Use this context: night", "text")


def http_a_refused_question_is_the_tools_error(port):
    client = Http.opened(port, capabilities={"sampling": {}})
    with contextlib.closing(EventStream(client.send("POST", tool_call("test_sampling", {"prompt": "x"})))) as stream:
        client.post({"jsonrpc": "2.0", "id": stream.next()["id"], "error": {"code": -1, "message": "not now"}})
        result = stream.next()["result"]
        check(result["isError"] and "not now" in text_of(result), str(result))


def http_nobody_is_asked_what_he_did_not_declare(port):
    client = Http.opened(port)
    for tool, arguments in (("test_elicitation", {"message": "x"}), ("test_sampling", {"prompt": "x"}),
                            ("test_input_required_result_list_roots", {}), ("test_missing_capability", {})):
        answer = client.post(tool_call(tool, arguments))
        check(answer.message["result"]["isError"] and "declare" in text_of(answer.message["result"]), tool)
        answer = client.modern("tools/call", {"name": tool, "arguments": arguments})
        equal(error_code(answer, 400), -32021, tool)
        check(isinstance(answer.message["error"]["data"]["requiredCapabilities"], dict), "requiredCapabilities")


# --- 2026-07-28 ------------------------------------------------------------------------------------------------------

def http_modern_results_say_what_they_are(port):
    for method in ("server/discover", "tools/list", "resources/list", "resources/templates/list", "prompts/list"):
        result = Http(port).modern(method).message["result"]
        equal(result["resultType"], "complete", method)
        check(isinstance(result["ttlMs"], int) and result["cacheScope"] in ("public", "private"), f"{method}: no hints")
        check(result["_meta"][META + "serverInfo"]["name"], f"{method}: no serverInfo")


def http_modern_ignores_sessions(port):
    answer = Http(port, "no-such-session").modern("tools/list")
    equal((answer.status, answer.headers["Mcp-Session-Id"]), (200, None), "answer")


def http_modern_envelope_is_checked(port):
    client = Http(port, version=MODERN)
    headers = {"Mcp-Method": "tools/list"}
    for params in ({}, {"_meta": {}}, {"_meta": {META + "protocolVersion": MODERN}},
                   {"_meta": {META + "protocolVersion": MODERN, META + "clientCapabilities": []}},
                   {"_meta": {META + "protocolVersion": 7, META + "clientCapabilities": {}}}):
        equal(error_code(client.post(request("tools/list", params), headers), 400), -32602, str(params))
    answer = client.post(request("tools/list", envelope(version="2030-01-01")),
                         {**headers, "MCP-Protocol-Version": "2030-01-01"})
    equal(error_code(answer, 400), -32022, "an unknown revision")
    equal(answer.message["error"]["data"], {"supported": [MODERN], "requested": "2030-01-01"}, "data")


def http_modern_headers_must_repeat_the_body(port):
    client = Http(port)
    read = ("resources/read", {"uri": "test://static-text"})
    for wrong in ({"MCP-Protocol-Version": LEGACY}, {"MCP-Protocol-Version": None}, {"Mcp-Method": "tools/list"},
                  {"Mcp-Method": None}, {"Mcp-Name": "test://other"}, {"Mcp-Name": None},
                  {"Mcp-Name": "=?base64?AAA?="}, {"Mcp-Name": "=?BASE64?eA==?="}):
        equal(error_code(client.modern(*read, headers=wrong), 400), -32020, str(wrong))
    for right in ({"Mcp-Name": base64_header("test://static-text")}, {"Mcp-Name": "  test://static-text \t"}):
        equal(client.modern(*read, headers=right).status, 200, str(right))


def http_names_beyond_ascii_travel_as_base64(port):
    client = Http(port)
    answer = client.modern("prompts/get", {"name": "Grüße"}, headers={"Mcp-Name": base64_header("Grüße")})
    equal(error_code(answer, 200), -32602, "code")


def http_arguments_in_headers(port):
    client = Http(port)

    def call(arguments, headers):
        return client.modern("tools/call", {"name": "test_x_mcp_header", "arguments": arguments}, headers=headers)
    for arguments, headers in (({}, {}), ({"region": None}, {}), ({"region": "eu"}, {"mcp-param-region": "eu"}),
                               ({"region": "ü"}, {"Mcp-Param-Region": base64_header("ü")}),
                               ({"priority": 42}, {"Mcp-Param-Priority": "42"}),
                               ({"dry_run": True}, {"Mcp-Param-Dry-Run": "true"})):
        answer = call(arguments, headers)
        check(answer.status == 200 and "isError" not in answer.message["result"], f"{arguments} {answer.body!r}")
    for arguments, headers in (({"region": "eu"}, {}), ({"region": "eu"}, {"Mcp-Param-Region": "us"}),
                               ({"region": "eu"}, {"Mcp-Param-Region": "EU"}), ({}, {"Mcp-Param-Region": "eu"}),
                               ({"priority": 42}, {"Mcp-Param-Priority": "43"}),
                               ({"dry_run": True}, {"Mcp-Param-Dry-Run": "True"})):
        equal(error_code(call(arguments, headers), 400), -32020, f"{arguments} {headers}")


def http_state_belongs_to_one_request(port):
    client = Http(port)
    caps = {"elicitation": {}}

    def call(name, **params):
        return client.modern("tools/call", {"name": name, "arguments": {}, **params}, capabilities=caps)
    first = call("test_input_required_result_request_state").message["result"]
    equal(first["resultType"], "input_required", "resultType")
    state, answers = first["requestState"], {"confirm": {"action": "accept", "content": {"ok": True}}}
    done = call("test_input_required_result_request_state", requestState=state, inputResponses=answers)
    check("state-ok" in text_of(done.message["result"]), str(done.message))
    answer = call("test_input_required_result_tampered_state", requestState=state, inputResponses=answers)
    equal(error_code(answer, 200), -32602, "another tool's state")
    for wrong in ("", "x", state[:-2], state + "A"):
        answer = call("test_input_required_result_request_state", requestState=wrong, inputResponses=answers)
        equal(error_code(answer, 200), -32602, f"state {wrong!r}")


def http_listen(port):
    client = Http(port)
    wanted = {"toolsListChanged": True, "promptsListChanged": False, "resourceSubscriptions": ["test://watched-resource"]}
    message = request("subscriptions/listen", envelope({"notifications": wanted}), id=77)
    headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "subscriptions/listen"}
    with contextlib.closing(EventStream(client.send("POST", message, headers))) as stream:
        first = stream.next()
        equal(first["method"], "notifications/subscriptions/acknowledged", "first message")
        equal(first["params"]["notifications"],
              {"toolsListChanged": True, "resourceSubscriptions": ["test://watched-resource"]}, "honoured")
        for tool in ("test_trigger_prompt_change", "test_trigger_resource_change", "test_trigger_tool_change"):
            client.modern("tools/call", {"name": tool})
        heard = [stream.next() for _ in range(2)]
        equal([one["method"] for one in heard],
              ["notifications/resources/updated", "notifications/tools/list_changed"], "messages")
        for one in (first, *heard):
            equal(one["params"]["_meta"][META + "subscriptionId"], 77, "subscriptionId")
    equal(error_code(client.modern("subscriptions/listen", {"notifications": True})), -32602, "without a filter")


def http_logging_per_request(port):
    client = Http(port)

    def levels(**meta):
        messages = client.modern("tools/call", {"name": "test_logging_tool"}, **meta).messages
        return [message["params"]["level"] for message in messages[:-1]]
    equal(levels(), [], "without a level")
    equal(levels(**{META + "logLevel": "error"}), ["error", "critical", "alert", "emergency"], "from error on")
    equal(len(levels(**{META + "logLevel": "debug"})), 8, "levels from debug on")
    equal(error_code(client.modern("tools/call", {"name": "test_logging_tool"}, **{META + "logLevel": "warn"})), -32602,
          "an unknown level")


def http_logging_by_session(port):
    client = Http.opened(port)
    client.result(request("logging/setLevel", {"level": "alert"}))
    messages = client.post(tool_call("test_logging_tool")).messages
    equal([message["params"]["level"] for message in messages[:-1]], ["alert", "emergency"], "levels")


def http_both_eras_serve_at_once(port):
    legacy, failures = Http.opened(port), []

    def ask(number):
        try:
            for _ in range(20):
                if number % 2:
                    equal(legacy.result(tool_call("test_simple_text", id=number))["content"][0]["type"], "text")
                else:
                    equal(legacy.modern("tools/call", {"name": "test_simple_text"}, id=number).message["id"], number)
        except AssertionError as error:
            failures.append(error)
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(failures, [], "failures")


# --- cancellation ----------------------------------------------------------------------------------------------------

def http_counts(port):
    return Http(port).modern("tools/call", {"name": "test_wait_counts"}).message["result"]["structuredContent"]


def http_cancelled_by_notification(port):
    client, before = Http.opened(port), http_counts(port)
    call = tool_call("test_wait", id="slow", _meta={"progressToken": 1})
    with contextlib.closing(EventStream(client.send("POST", call))) as stream:
        equal(stream.next()["method"], "notifications/progress", "first message")
        stranger = Http.opened(port)
        stranger.post(notification("notifications/cancelled", {"requestId": "slow"}))
        client.post(notification("notifications/cancelled", {"requestId": "other"}))
        time.sleep(0.2)
        equal(http_counts(port)["cancelled"], before["cancelled"], "cancelled by others")
        equal(client.post(notification("notifications/cancelled", {"requestId": "slow"})).status, 202, "status")
        equal(stream.next(), None, "an answer to a cancelled request")
    wait_until(lambda: http_counts(port)["cancelled"] == before["cancelled"] + 1, "the call is cancelled")


def http_modern_call_is_cancelled_by_closing(port):
    client, before = Http(port), http_counts(port)
    for token in ({}, {"progressToken": 1}):
        message = request("tools/call", envelope({"name": "test_wait"}, **token))
        headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "test_wait"}
        started = http_counts(port)["started"]
        connection = client.send("POST", message, headers)
        wait_until(lambda: http_counts(port)["started"] == started + 1, "the call has started")
        connection.close()
    wait_until(lambda: http_counts(port)["cancelled"] == before["cancelled"] + 2, "both calls are cancelled")


def http_legacy_call_survives_closing(port):
    client, before = Http.opened(port), http_counts(port)
    connection = client.send("POST", tool_call("test_wait", {"ms": 600}))
    wait_until(lambda: http_counts(port)["started"] == before["started"] + 1, "the call has started")
    connection.close()
    wait_until(lambda: http_counts(port)["finished"] == before["finished"] + 1, "the call is finished")
    equal(http_counts(port)["cancelled"], before["cancelled"], "cancelled")


def http_stopping_cancels_what_runs(programs):
    with programs.fixtures_http() as port:
        connection = Http(port).send("POST", request("tools/call", envelope({"name": "test_wait"})),
                                     {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "test_wait"})
        wait_until(lambda: http_counts(port)["started"] == 1, "the call has started")
        begun = time.monotonic()
    check(time.monotonic() - begun < 5, "stopping took too long")
    connection.close()


http_stopping_cancels_what_runs.wants_programs = True


# --- stdio -----------------------------------------------------------------------------------------------------------

def opened(version=LEGACY, capabilities=None):
    client = Stdio([FIXTURES, "--stdio"])
    equal(client.result(initialize(version, capabilities))["protocolVersion"], version, "protocolVersion")
    client.send(notification("notifications/initialized"))
    return client


def stdio_every_legacy_revision():
    for version in LEGACY_VERSIONS:
        with opened(version) as client:
            equal(client.result(request("ping", id=2)), {}, "ping")
            check(client.result(request("tools/list", id=3))["tools"], "no tools")
            check(text_of(client.result(tool_call("test_simple_text", id=4))), "no text")


def stdio_before_initialize():
    with Stdio([FIXTURES, "--stdio"]) as client:
        equal(client.result(request("ping")), {}, "ping")
        equal(error_code(client.ask(request("tools/list"))[0]), -32600, "tools/list")
        equal(client.result(initialize())["protocolVersion"], LEGACY, "initialize afterwards")


def stdio_probe_then_handshake():
    with Stdio([FIXTURES, "--stdio"]) as client:
        probe = request("server/discover", envelope(), id="server-discover-probe-1")
        equal(client.result(probe)["supportedVersions"], [MODERN], "supportedVersions")
        equal(client.result(initialize())["protocolVersion"], LEGACY, "initialize")
        check(client.result(request("tools/list"))["tools"], "no tools")


def stdio_modern():
    with Stdio([FIXTURES, "--stdio"]) as client:
        equal(client.result(request("tools/list", envelope()))["resultType"], "complete", "resultType")
        equal(error_code(client.ask(request("initialize", envelope()))[0]), -32601, "initialize")
        equal(error_code(client.ask(request("tools/list", envelope(version="2030-01-01")))[0]), -32022, "version")
        client.send(request("subscriptions/listen", envelope({"notifications": {"toolsListChanged": True}}), id="sub"))
        equal(client.receive()["method"], "notifications/subscriptions/acknowledged", "acknowledgement")
        _, before = client.ask(request("tools/call", envelope({"name": "test_trigger_tool_change"})))
        equal(before[0]["params"]["_meta"], {META + "subscriptionId": "sub"}, "_meta")
        client.send(notification("notifications/cancelled", envelope({"requestId": "sub"})))
        client.silence()
        _, before = client.ask(request("tools/call", envelope({"name": "test_trigger_tool_change"})))
        equal(before, [], "messages after the end")


def stdio_framing():
    with opened() as client:
        client.send(b"\n  \r\n" + b'{"jsonrpc":"2.0","id":5,"method":"ping"}\r\n')
        equal(client.receive(), {"jsonrpc": "2.0", "id": 5, "result": {}}, "after blank lines")
        for half in (b'{"jsonrpc":"2.0",', b'"id":6,"method":"ping"}', b"\n"):
            client.send(half)
            time.sleep(0.05)
        equal(client.receive()["id"], 6, "in pieces")
        client.send(b'{"jsonrpc":"2.0","id":7,"method":"ping"}\n{"jsonrpc":"2.0","id":8,"method":"ping"}\n')
        equal([client.receive()["id"], client.receive()["id"]], [7, 8], "two at once")
        client.send(b'{"jsonrpc":"2.0","id":9,"method":"ping","params":{"x":"' + b"x" * (8 << 20) + b'"}}\n')
        equal(client.receive()["id"], 9, "8 MiB")


def stdio_malformed_lines():
    with opened() as client:
        for line, code in ((b"{\n", -32700), (b"\xff\xfe\n", -32700), (b"\x00\n", -32700), (b"[]\n", -32600),
                           (b"7\n", -32600), (b'{"jsonrpc":"2.0","id":null,"method":"ping"}\n', -32600)):
            client.send(line)
            answer = client.receive()
            equal((error_code(answer), "id" in answer), (code, False), str(line))
        equal(client.result(request("ping")), {}, "ping afterwards")


def stdio_notifications_are_never_answered():
    with opened() as client:
        for message in (notification("notifications/unknown"), notification("no/such"), notification("x", [1]),
                        {"jsonrpc": "2.0", "id": 4, "result": {}, "error": {}}, {"jsonrpc": "2.0", "id": 4, "result": {}}):
            client.send(message)
        client.silence()
        equal(client.result(request("ping")), {}, "ping afterwards")


def stdio_batches():
    with opened("2025-03-26") as client:
        client.send([request("ping", id=1), tool_call("test_simple_text", id=2), notification("x")])
        equal(sorted(entry["id"] for entry in client.receive()), [1, 2], "ids")
    with opened("2025-06-18") as client:
        client.send([request("ping", id=1)])
        equal(error_code(client.receive()), -32600, "code")


def stdio_questions():
    with opened(capabilities={"sampling": {}}) as client:
        client.send(tool_call("test_sampling", {"prompt": "capital?"}, id="call"))
        question = client.receive()
        equal(question["params"]["messages"][0]["content"]["text"], "capital?", "question")
        client.send({"jsonrpc": "2.0", "id": question["id"],
                     "result": {"role": "assistant", "model": "m", "content": {"type": "text", "text": "Paris"}}})
        equal(text_of(client.receive()["result"]), "LLM response: Paris", "text")


def stdio_subscriptions():
    with opened() as client:
        client.result(request("resources/subscribe", {"uri": "test://watched-resource"}))
        _, before = client.ask(tool_call("test_trigger_resource_change"))
        equal([message["method"] for message in before],
              ["notifications/resources/list_changed", "notifications/resources/updated"], "messages")


def stdio_cancellation():
    for wrap in (lambda params: params, envelope):
        with opened() as client:
            client.send(request("tools/call", wrap({"name": "test_wait"}), id="slow"))
            counts = request("tools/call", {"name": "test_wait_counts"}, id=2)
            wait_until(lambda: client.result(counts)["structuredContent"]["started"] == 1, "the call has started")
            client.send(notification("notifications/cancelled", {"requestId": "slow", "reason": "enough"}))
            wait_until(lambda: client.result(counts)["structuredContent"]["cancelled"] == 1, "the call is cancelled")
            client.silence()


def stdio_other_calls_go_on_while_one_waits():
    with opened() as client:
        client.send(tool_call("test_wait", {"ms": 500}, id="slow"))
        equal(client.result(request("ping", id=1)), {}, "ping")
        check(text_of(client.result(tool_call("test_simple_text", id=2))), "no text")
        equal(client.receive()["id"], "slow", "the slow answer")


def stdio_end_of_input_lets_calls_finish():
    client = opened()
    client.send(tool_call("test_wait", {"ms": 400}, id="last"))
    client.send(b'{"jsonrpc":"2.0","id":"unended","method":"ping"}')
    equal(client.end(), 0, "exit status")
    equal({client.receive()["id"], client.receive()["id"]}, {"last", "unended"}, "answers")
    equal(client.receive(), None, "end of output")


def stdio_end_of_input_ends_long_calls():
    client = opened()
    client.send(tool_call("test_wait", {"ms": 60000}))
    begun = time.monotonic()
    equal(client.end(), 0, "exit status")
    check(time.monotonic() - begun < 5, "the program lingered")
    equal(client.receive(), None, "end of output")


def stdio_a_reader_that_left_ends_the_program():
    process = subprocess.Popen([FIXTURES, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    process.stdin.write(json.dumps(initialize()).encode() + b"\n")
    check(b'"result"' in process.stdout.readline(), "no answer")
    process.stdout.close()
    process.stdin.write(json.dumps(request("ping")).encode() + b"\n")
    equal(process.wait(10), 0, "exit status")
    process.stdin.close()


# --- running them ----------------------------------------------------------------------------------------------------

def run(cases, programs):
    functions = {name: function for name, function in globals().items() if name.startswith(("http_", "stdio_"))}
    del functions["http_counts"]
    with programs.fixtures_http() as port:
        for name, function in functions.items():
            with cases.case("raw: " + name.replace("_", " ")):
                if name.startswith("stdio_"):
                    function()
                elif getattr(function, "wants_programs", False):
                    function(programs)
                else:
                    function(port)
