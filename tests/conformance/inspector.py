"""The Inspector's command line against the fixtures and the product: over stdio and HTTP, in each era."""

import json
import os
import subprocess

from harness import LEGACY, MODERN, NODE, NODE_MODULES, check, equal, text_of

PROGRAM = os.path.join(NODE_MODULES, "@modelcontextprotocol", "inspector", "clients", "launcher", "build", "index.js")
ERAS = ("legacy", "auto", "modern")
TOOL_ERROR, UNREACHABLE = 5, 4


def inspect(programs, target, *arguments, status=0):
    command = [NODE, PROGRAM, "--cli", *target, "--format", "json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=programs.environment)
    equal(done.returncode, status, f"exit status of {' '.join(arguments)}\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}")
    return json.loads(done.stdout) if status == 0 else None


def stdio_target(programs, name):
    # The Inspector hands its own environment to nobody.
    settings = [word for pair in programs.settings.items() for word in ("-e", "=".join(pair))]
    return [*programs.stdio_commands[name], "--transport", "stdio", *settings]


def run(cases, programs):
    for name in ("fixtures", "product"):
        sessions(cases, programs, name, "stdio", stdio_target(programs, name))
        with programs.http_servers[name]() as port:
            sessions(cases, programs, name, "http", [f"http://127.0.0.1:{port}/mcp", "--transport", "http"])
    with cases.case("inspector: a tool's error"):
        inspect(programs, stdio_target(programs, "fixtures"), "--method", "tools/call", "--tool-name",
                "test_error_handling", status=TOOL_ERROR)
    with cases.case("inspector: nobody listens"):
        inspect(programs, ["http://127.0.0.1:1/mcp", "--transport", "http"], "--method", "tools/list", status=UNREACHABLE)


def sessions(cases, programs, name, transport, target):
    for era in ERAS:
        label = f"inspector: {name} over {transport}, {era}"
        arguments = [*target, "--protocol-era", era]
        with cases.case(f"{label}: initialize"):
            result = inspect(programs, arguments, "--method", "initialize")["result"]
            equal(result["protocolVersion"], LEGACY if era == "legacy" else MODERN, "protocolVersion")
        if era == "auto":
            continue
        with cases.case(f"{label}: tools/list --strict"):
            check(inspect(programs, arguments, "--method", "tools/list", "--strict")["result"]["tools"], "no tools")
        with cases.case(f"{label}: tools/call"):
            tool = ["test_x_mcp_header", "--tool-arg", "region=eu"] if name == "fixtures" else ["config_contexts_list"]
            result = inspect(programs, arguments, "--method", "tools/call", "--tool-name", *tool)["result"]
            check(("region=eu" if name == "fixtures" else '"blue"') in text_of(result), str(result))
