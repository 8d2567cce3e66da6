"""Runs the parts named on the command line, or all. See tests/conformance/run."""

import importlib
import sys

from harness import Cases, Programs

PARTS = {"suite": "official_suite", "inspector": "inspector", "raw": "raw", "typescript": "typescript",
         "python": "python_sdk"}


def main():
    wanted = sys.argv[1:] or list(PARTS)
    unknown = [part for part in wanted if part not in PARTS]
    if unknown:
        sys.exit(f"there is no part '{unknown[0]}': choose from {', '.join(PARTS)}")
    cases, programs = Cases(), Programs()
    for part in wanted:
        with cases.case(f"{part}: ran to its end"):
            importlib.import_module(PARTS[part]).run(cases, programs)
    print(f"{cases.passed} passed, {cases.failed} failed")
    sys.exit(1 if cases.failed else 0)


if __name__ == "__main__":
    main()
