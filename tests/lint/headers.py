#!/usr/bin/env python3
"""Every header of ours compiles alone, with the project's own flags.

usage: headers.py BUILD_FOLDER...
Compiler and flags are read from the compile commands of each configured build folder: one of gcc and one of clang.
"""

import json
import os
import shlex
import subprocess
import sys

import tree


def compile_command(build):
    """The command line of any product file, without its input and outputs."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        words = shlex.split(next(entry["command"] for entry in json.load(file) if "/src/" in entry["file"]))
    kept, skip = [], False
    for word in words:
        if not skip and word not in ("-MD", "-c", "-o", "-MT", "-MF") and not word.endswith(".c"):
            kept.append(word)
        skip = word in ("-o", "-MT", "-MF")
    return kept


def first_error(command, header):
    """None, or the compiler's first complaint about a unit that holds the header and nothing else."""
    done = subprocess.run([*command, "-fsyntax-only", "-include", header, "-x", "c", "-"], capture_output=True, text=True,
                          input="extern int km_headers_unit;\n", check=False)
    return next((line for line in done.stderr.splitlines() if "error" in line), "fails") if done.returncode else None


def main(builds):
    if not builds:
        sys.exit(__doc__)
    headers = [name for name in tree.project_files(".") if name.endswith(".h") and tree.is_product(name)]
    findings = []
    for build in builds:
        command = compile_command(build)
        for header in headers:
            error = first_error(command, header)
            if error:
                findings.append(f"{header}:1: does not compile alone with {os.path.basename(command[0])}: {error}")
    tree.report("headers", findings, f"{len(headers)} headers, {len(builds)} compilers")


if __name__ == "__main__":
    main(sys.argv[1:])
