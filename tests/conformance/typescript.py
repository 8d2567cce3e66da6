"""One session of the official TypeScript SDK's clients (both major lines) per program, transport and mode. The sessions
themselves are in typescript.mjs; each prints nothing and ends with status 0, or says what was wrong."""

import os
import subprocess

from harness import HERE, MODERN, NODE, check

# (line of the SDK, mode): the first line knows no other than the handshake.
CLIENTS = (("v1", "legacy"), ("v2", "legacy"), ("v2", "auto"), ("v2", MODERN))


def session(programs, *arguments):
    done = subprocess.run([NODE, os.path.join(HERE, "typescript.mjs"), *arguments], capture_output=True, text=True,
                          timeout=90, env={**programs.environment, "NODE_MODULES": os.environ["KUBE_MCP_TEST_NODE_MODULES"]})
    check(done.returncode == 0, f"exit status {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def run(cases, programs):
    for name in ("fixtures", "product"):
        for line, mode in CLIENTS:
            with cases.case(f"typescript: {name} over stdio, {line} {mode}"):
                session(programs, line, mode, name, *programs.stdio_commands[name])
        with programs.http_servers[name]() as port:
            for line, mode in CLIENTS:
                with cases.case(f"typescript: {name} over http, {line} {mode}"):
                    session(programs, line, mode, name, f"http://127.0.0.1:{port}/mcp")
