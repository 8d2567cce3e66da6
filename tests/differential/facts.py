"""What a description states, as tokens that do not depend on its layout: addresses, images, quantities, labels, exit codes."""
import re

ADDRESS = r"\d{1,3}(?:\.\d{1,3}){3}(?::\d+|/\d+)?"
KINDS = [
    ("address", re.compile(rf"(?<![\w.:/-]){ADDRESS}(?![\w.-])")),
    ("image", re.compile(r"(?<![\w/])[\w.-]+\.[a-z]+/[\w./-]+(?::[\w.-]+|@sha256:[0-9a-f]{64})(?![\w])")),
    ("pair", re.compile(r"(?<![\w./=-])[A-Za-z][\w./-]*=[\w.:/-]*")),
    ("quantity", re.compile(r"(?<![\w.-])\d+(?:\.\d+)?(?:m|Mi|Gi|Ki|Ti|k|M|G|%)(?![\w])")),
    ("port", re.compile(r"(?<![\w.])[\w-]+/(?:TCP|UDP|SCTP)")),
    ("exit code", re.compile(r"(?<=Exit Code:)\s+\d+")),
    ("reference", re.compile(r"(?<![\w/])(?:ReplicaSet|Deployment|StatefulSet|DaemonSet|Job|CronJob|Node|ClusterRole|Role)/[\w.-]+")),
    ("selector", re.compile(r"(?<![\w])[\w./-]+ (?:in|notin) \([\w., -]+\)")),
    ("name", re.compile(r"(?<![\w./:=-])[a-z][a-z0-9]*(?:-[a-z0-9]+)+(?![\w./:=-])")),
    ("mount", re.compile(r"(?<=\s)/[\w./-]+(?= from [\w-]+ \()")),
]
# Ages and moments: kubectl writes them in its own way, and they pass.
TIMES = re.compile(r"[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} [\d:]+ [+-]\d{4}|\b\d+[smhd](?:\d+[smh])?\b(?= \(x|\s|$)")


def conditions(text):
    """(type, status) of the rows below a line "Conditions:"."""
    rows, inside = set(), False
    for line in text.splitlines():
        if line.startswith("Conditions:"):
            inside = True
        elif inside and not line.startswith(" "):
            inside = False
        words = line.split()
        if inside and len(words) >= 2 and words[1] in ("True", "False", "Unknown"):
            rows.add((words[0], words[1]))
    return rows


def events(text):
    """(type, reason) of the rows below a line "Events:"."""
    rows, inside = set(), False
    for line in text.splitlines():
        inside = inside or line.startswith("Events:")
        words = line.split()
        if inside and len(words) > 2 and words[0] in ("Normal", "Warning"):
            rows.add((words[0], words[1]))
    return rows


def facts(text):
    """What kubectl's description TEXT states."""
    found = set()
    for kind, pattern in KINDS:
        for line in TIMES.sub(" ", text.split("\nEvents:")[0]).splitlines():
            found |= {(kind, match.strip()) for match in pattern.findall(line)}
    return found


def states(ours, kind, fact):
    """Whether OURS says FACT, however it is laid out."""
    if kind == "exit code":
        return f"exit code {fact}" in ours
    if kind == "port":
        return fact in ours or re.search(rf"\b{re.escape(fact.split('/')[0])}\b", ours)
    if kind == "pair" and fact.replace("=", ": ", 1) in ours:  # an annotation
        return True
    return fact in ours
