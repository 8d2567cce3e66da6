"""The official conformance suite: both requirement sets, and what of it applies to the two older revisions. A scenario is
a case; a warning fails it. Scenarios of extensions that the server does not announce are run by the suite but not scored,
by it or here."""

import glob
import json
import os
import re
import subprocess

from harness import NODE, NODE_MODULES, check

RUNS = (["--requirements", "2025-11-25"], ["--requirements", "2026-07-28"],
        ["--suite", "all", "--spec-version", "2025-03-26"], ["--suite", "all", "--spec-version", "2025-06-18"])
PROGRAM = os.path.join(NODE_MODULES, "@modelcontextprotocol", "conformance", "dist", "index.js")
FINE = ("SUCCESS", "INFO", "SKIPPED")


def run(cases, programs):
    for selection in RUNS:
        label = f"suite {selection[-1]}"
        output = os.path.join(programs.folder.name, selection[-1])
        with programs.fixtures_http() as port:
            suite = subprocess.run([NODE, PROGRAM, "server", "--url", f"http://localhost:{port}/mcp", *selection, "-o", output],
                                   capture_output=True, text=True, timeout=300)
        extensions = set(re.findall(r"^\s+. (\S+) \(extension\)$", suite.stdout, re.M))
        with cases.case(f"{label}: exit status 0"):
            check(suite.returncode == 0, f"exit status {suite.returncode}\n{suite.stdout[-3000:]}{suite.stderr[-1000:]}")
        for scenario, findings in sorted(scenarios(output).items()):
            if scenario not in extensions:
                cases.report(f"{label}: {scenario}", "\n".join(findings) or None)


def scenarios(output):
    """What was wrong in each scenario that ran."""
    found = {}
    for path in glob.glob(os.path.join(output, "*", "checks.json")):
        scenario = re.fullmatch(r"server-(.*?)-\d{4}-\d\d-\d\dT.*", os.path.basename(os.path.dirname(path))).group(1)
        with open(path, encoding="utf-8") as file:
            found[scenario] = [f"{one['status']} {one['name']}: {one.get('errorMessage') or one['description']}"
                               for one in json.load(file) if one["status"] not in FINE]
    check(found, f"no scenario left a result in {output}")
    return found
