#!/usr/bin/env python3
"""Keeps docs/tools.md the same as what the program says of its tools, with a real answer of each.

usage: tools_doc.py [--write | --record] KUBE_MCP

Between "<!-- arguments NAME -->" and "<!-- end -->" stands what this makes of `kube-mcp tools --json`, between
"<!-- example NAME ARGUMENTS -->" and "<!-- end -->" what `kube-mcp call NAME ARGUMENTS` answered. --write renews the
arguments, --record the examples too, from the cluster of $KUBECONFIG (tests/cluster). Without them it only compares, and
checks that every tool has an example: exit 1 and a line per difference.
"""

import json
import os
import re
import shlex
import subprocess
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
PAGE = os.path.join(ROOT, "docs/tools.md")
EXAMPLE = re.compile(r"(<!-- example (\w+)(.*?) -->\n)(.*?)(<!-- end -->)", re.S)
BLOCK = re.compile(r"(<!-- arguments (\w+) -->\n)(.*?)(<!-- end -->)", re.S)


def tools_of(program):
    # With the defaults, which the example spells out, not the configuration of whoever runs this.
    command = [program, "--config", os.path.join(ROOT, "config.toml.example"), "tools", "--json"]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env={}).stdout
    return {tool["name"]: tool for tool in json.loads(out)}


def values(schema):
    """What the argument takes, in words."""
    if "enum" in schema:
        return ", ".join(f"`{v}`" for v in schema["enum"])
    kind = {"array": "list of strings"}.get(schema["type"], schema["type"])
    if schema["type"] == "integer" and "maximum" in schema:
        kind += f", {schema['minimum']} to {schema['maximum']}"
    if "maxItems" in schema:
        kind += f", at most {schema['maxItems']}"
    return kind


def table(tool):
    schema = tool["inputSchema"]
    lines = [tool["description"], "", "| argument | takes | default | meaning |", "|---|---|---|---|"]
    for name, arg in schema.get("properties", {}).items():
        default = f"`{json.dumps(arg['default'])}`" if "default" in arg else ""
        if name in schema.get("required", []):
            default = "required"
        lines.append(f"| `{name}` | {values(arg)} | {default} | {arg['description']} |")
    return "\n".join(lines) + "\n"


def example(program, tool, arguments):
    """What the call answers, as in a terminal; a long cursor is cut."""
    out = subprocess.run([program, "call", tool, *shlex.split(arguments)], check=True, stdout=subprocess.PIPE, text=True).stdout
    out = re.sub(r"^(# next cursor: .{24}).*$", r"\1...", out, flags=re.M)
    return f"```console\n$ kube-mcp call {tool}{arguments}\n{out.rstrip()}\n```\n"


def main(arguments):
    write, record = arguments[:1] == ["--write"], arguments[:1] == ["--record"]
    if len(arguments) != 1 + (write or record):
        sys.exit(__doc__)
    program = arguments[-1]
    tools = tools_of(program)
    with open(PAGE, encoding="utf-8") as file:
        page = file.read()
    described = [match[1] for match in BLOCK.findall(page)]
    shown = [match[1] for match in EXAMPLE.findall(page) if match[3].strip()]
    problems = [f"docs/tools.md: {name} has no section" for name in tools if name not in described]
    problems += [f"docs/tools.md: there is no tool {name}" for name in described if name not in tools]
    wanted = BLOCK.sub(lambda m: m[1] + (table(tools[m[2]]) if m[2] in tools else m[3]) + m[4], page)
    if record:
        wanted = EXAMPLE.sub(lambda m: m[1] + example(program, m[2], m[3]) + m[5], wanted)
    else:
        problems += [f"docs/tools.md: {name} has no example: run tools_doc.py --record" for name in tools if name not in shown]
    if wanted != page and (write or record):
        with open(PAGE, "w", encoding="utf-8") as file:
            file.write(wanted)
    elif wanted != page:
        problems.append("docs/tools.md is out of date: run tests/lint/tools_doc.py --write build/release/kube-mcp")
    print("\n".join(problems) or f"tools_doc: {len(tools)} tools, in sync")
    sys.exit(1 if problems else 0)


main(sys.argv[1:])
