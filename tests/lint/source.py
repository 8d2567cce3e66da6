#!/usr/bin/env python3
"""House rules that a look at one file decides: banned functions, file length, unfinished work, foreign paths.

usage: source.py [ROOT]
"""

import os
import re
import sys

import tree

MAX_LINES = 1000
BANNED_HEADER = "kube_mcp/base/banned.h"
UNFINISHED = re.compile(r"\b(TO[D]O|FIX[M]E|XX[X]|HA[C]K)\b")
# Written in parts, so that this file does not hold what it looks for.
FOREIGN = [
    (re.compile(r"(?<![\w.$}])/(?:work|root|tmp/b)/"), "names a path of one machine"),
    (re.compile(r"\b(?:proxy|sum|registry|deb|security|files|repo1?)\.(?:golang|npmjs|debian|pythonhosted|maven)\b"),
     "names a package registry"),
]
# Not ours to word: pinned dependency lists.
GENERATED = re.compile(r"(?:^|/)(?:go\.sum|package-lock\.json)$")


def banned_names(root):
    return re.findall(r"KM_BANNED\((\w+)\)$", tree.read(root, "include/" + BANNED_HEADER), re.M)


def own_header_late(path, listed):
    """Line of a .c file's own header, where another kind of header stands before it: it must prove that it is complete."""
    stem = os.path.basename(path)[:-2]
    folder = os.path.basename(os.path.dirname(path))
    own = (f"kube_mcp/{folder}/{stem}.h", f"{stem}.h")
    foreign_before = False
    for line, quoted, header in listed:
        if quoted and header in own:
            return line if foreign_before else None
        foreign_before = foreign_before or not quoted
    return None


def check_c(path, text, banned):
    code = tree.code_only(text)
    if path != "include/" + BANNED_HEADER:
        for match in re.finditer(r"(?<![\w.>])(" + "|".join(banned) + r")[ \t]*\(", code):
            yield code.count("\n", 0, match.start()) + 1, f"{match.group(1)}() is banned: see {BANNED_HEADER}"
    listed = list(tree.includes(text))
    if not path.endswith(".c"):
        return
    if not listed or listed[-1][2] != BANNED_HEADER:
        yield listed[-1][0] if listed else 1, f'must include "{BANNED_HEADER}", and include it last'
    late = own_header_late(path, listed)
    if late:
        yield late, "must include its own header before those of libraries"
    if tree.is_product(path) and not text.startswith("/*"):
        yield 1, "must open with a comment that says what the file owns"


def check_text(path, text):
    for number, line in enumerate(text.splitlines(), 1):
        for pattern, problem in FOREIGN:
            if pattern.search(line):
                yield number, problem
        if UNFINISHED.search(line):
            yield number, "unfinished work: finish it, or file it as an issue"
        if "\r" in line or (line != line.rstrip() and not path.endswith(".md")):
            yield number, "ends in white space"


def check_file(path, text, banned):
    if tree.is_c(path):
        yield from check_c(path, text, banned)
    if (tree.is_c(path) or path.endswith((".py", ".go", ".mjs"))) and text.count("\n") > MAX_LINES:
        yield MAX_LINES, f"has {text.count(chr(10))} lines; the ceiling is {MAX_LINES}"
    yield from check_text(path, text)


def is_data(path):
    """Inputs of tests are what they are."""
    return GENERATED.search(path) or path.startswith("tests/fuzz/corpus/") or "/testdata/" in path


def main(root):
    banned = banned_names(root)
    findings, files = [], 0
    for path in tree.project_files(root):
        text = tree.read(root, path)
        if is_data(path) or "\0" in text:
            continue
        files += 1
        findings += [f"{path}:{line}: {problem}" for line, problem in check_file(path, text, banned)]
    if not banned:
        findings.append(f"include/{BANNED_HEADER}:1: bans nothing that this check can read")
    tree.report("source", findings, f"{files} files, {len(banned)} banned functions")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else ".")
