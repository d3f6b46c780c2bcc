"""Shared code of the benchmarks' tests."""

import itertools
import json
import os
import subprocess
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("LAYERNAS_BIN", os.path.join(ROOT, "build/release/bin"))
TABLES = os.environ.get("LAYERNAS_TABLES") or os.path.join(ROOT, "..", "shared", "data")
SEARCH = os.path.join(BIN, "layernas-bench-search")
PEERS = os.path.join(ROOT, "benchmarks/peers/optuna_search.py")
COMPARE = os.path.join(ROOT, "benchmarks/compare/compare.py")
sys.path += [os.path.dirname(PEERS), os.path.dirname(COMPARE)]


def run(*command, **environment):
    """Returns the finished process with its output as text."""
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
        timeout=600,
        check=False,
        text=True,
    )


def python(file, *arguments, **environment):
    return run("/usr/bin/python3", "-B", file, *arguments, **environment)


def json_lines(done):
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def write_table(file, cost=lambda one: 1 + one[0] + 2 * one[1] + one[2]):
    """Writes 3 x 3 x 3 architectures. Both runs and the mean are equal, so that the measured best is the true best."""
    with open(file, "w", encoding="utf-8") as out:
        out.write("arch,run0,run1,mean,cost\n")
        for one in itertools.product(range(3), repeat=3):
            value = 10 * one[0] + 5 * one[1] + one[2]
            out.write(f"{''.join(map(str, one))},{value},{value},{value},{cost(one)}\n")


def main():
    """Runs the calling file's tests. Exits with 77, which CTest treats as "skipped", if every test was skipped."""
    result = unittest.main(verbosity=2, exit=False).result
    skipped = len(result.skipped)
    sys.exit(1 if not result.wasSuccessful() else 77 if skipped and skipped == result.testsRun else 0)
