#!/usr/bin/env python3
"""Fails on an #include that points upward between layers, or at a library outside the place that may know it.

usage: layers.py [ROOT]
The two tables below are the rules; docs/architecture.md draws them.
"""

import os
import re
import sys

import tree

# A contract is one header that several layers share: it belongs to none of them.
CONTRACTS = {
    "include/kube_mcp/config/field.h": "field.h",
    "include/kube_mcp/provider.h": "provider.h",
    "include/kube_mcp/tool.h": "tool.h",
    "include/kube_mcp/transport.h": "transport.h",
}

# layer or contract: what it may include besides itself. Nothing is inherited: each edge is a decision.
MAY_INCLUDE = {
    "base": "",
    "codec": "base",
    "field.h": "base",
    "tool.h": "base codec",
    "provider.h": "base field.h",
    "transport.h": "base",
    "config": "base codec field.h",
    "net": "base codec",
    "kube": "base codec net provider.h",
    "policy": "base codec net kube field.h tool.h",
    "providers": "base codec net kube field.h provider.h",
    "graph": "base codec net kube",
    "mcp": "base codec policy tool.h transport.h",
    "transport": "base codec mcp transport.h",
    "tools": "base codec net kube policy providers graph mcp provider.h tool.h",
    "obs": "base codec",
    "operator": "base codec net kube",
    "app": "base codec config field.h net kube policy providers provider.h graph mcp transport transport.h tools tool.h"
           " obs operator",
}

# Header of a third-party library: the paths that may include it.
FENCES = [
    (r"curl/", r"src/net/"),
    (r"microhttpd\.h$", r"src/transport/|tests/sim/"),
    (r"yaml\.h$", r"src/codec/yaml[^/]*\.[ch]$"),
    (r"gnutls/", r"src/base/|src/net/|src/transport/auth[^/]*\.[ch]$|providers/eks/|tests/"),
    (r"uv\.h$", r"src/net/"),
    (r"pcre2\.h$", r"src/codec/regex[^/]*\.c$"),
]


def layer_of(path):
    """The layer or contract a project file belongs to; None when no rule names its place."""
    if path in CONTRACTS:
        return CONTRACTS[path]
    match = re.match(r"(?:include/kube_mcp|src)/([^/]+)/", path)
    name = match.group(1) if match else path.split("/")[0]
    return name if name in MAY_INCLUDE else None


def target_of(path, header):
    """The project file that a quoted #include names."""
    if header.startswith("kube_mcp/"):
        return "include/" + header
    return os.path.normpath(os.path.join(os.path.dirname(path), header))


def check_edge(path, layer, header):
    target = target_of(path, header)
    lower = layer_of(target)
    if lower is None:
        return f'"{header}" belongs to no layer that tests/lint/layers.py knows'
    if target.startswith("src/") and lower != layer:
        return f'"{header}" is private to {lower}: its contract is in include/kube_mcp/{lower}/'
    if lower != layer and lower not in MAY_INCLUDE[layer].split():
        return f'{layer} must not include {lower} ("{header}"); it may include: {MAY_INCLUDE[layer] or "nothing"}'
    return None


def check_fence(path, header):
    for library, allowed in FENCES:
        if re.match(library, header) and not re.match(allowed, path):
            return f"<{header}> is allowed only in {allowed}"
    return None


def main(root):
    findings, edges = [], 0
    for path in filter(tree.is_c, tree.project_files(root)):
        layer = layer_of(path) if tree.is_product(path) else None
        if tree.is_product(path) and layer is None:
            findings.append(f"{path}:1: belongs to no layer that tests/lint/layers.py knows")
            continue
        for line, quoted, header in tree.includes(tree.read(root, path)):
            edges += 1
            problem = check_fence(path, header)
            if not problem and layer and quoted:
                problem = check_edge(path, layer, header)
            if problem:
                findings.append(f"{path}:{line}: {problem}")
    tree.report("layers", findings, f"{edges} includes")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else ".")
