"""What the source checks share: which files the project has, and C text without comments and literals."""

import os
import re
import subprocess
import sys

PRODUCT_FOLDERS = ("src/", "providers/", "config/", "include/")


def project_files(root):
    """Committed and new files, relative to root; ignored ones (build output) are left out."""
    listing = subprocess.run(["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                             check=True, capture_output=True).stdout.decode()
    return sorted(name for name in set(listing.split("\0")) if name and os.path.isfile(os.path.join(root, name)))


def read(root, name):
    with open(os.path.join(root, name), encoding="utf-8", errors="replace") as file:
        return file.read()


def is_c(name):
    return name.endswith((".c", ".h"))


def is_product(name):
    return name.startswith(PRODUCT_FOLDERS)


TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def code_only(text, keep_strings=False):
    """The text with comments (and literals) blanked; line numbers stay."""
    def blank(match):
        token = match.group(0)
        if keep_strings and token[0] in "\"'":
            return token
        return re.sub(r"[^\n]", " ", token)
    return TOKEN.sub(blank, text)


INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def includes(text):
    """(line number, True for quotes, path) of each #include outside comments."""
    for match in INCLUDE.finditer(code_only(text, keep_strings=True)):
        yield text.count("\n", 0, match.start()) + 1, match.group(1) == '"', match.group(2)


def report(name, findings, summary):
    """Prints findings as FILE:LINE: MESSAGE and ends the program; `summary` is what a clean run covered."""
    for finding in findings:
        print(finding)
    print(f"{name}: {len(findings)} findings" if findings else f"{name}: {summary}, clean")
    sys.exit(1 if findings else 0)
