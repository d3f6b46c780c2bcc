#!/usr/bin/env python3
"""Trains and measures every architecture of a spec with an exhaustive strategy, with a controller and a worker on this
machine. Writes a CSV table with a row for each, for `layernas-worker --evaluator tabular` and layernas-bench-search.

Resumes if it is started again with the same --data-dir. Prints progress to standard error.
"""

import argparse
import csv
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

# Metrics that describe the machine at that moment, and not the architecture.
LEFT_OUT = {"machine_clock_mhz", "machine_fingerprint", "machine_load", "machine_stolen", "latency_runs", "train_epochs"}
# Significant digits of numbers that are not integers.
DIGITS = 6


class Programs:
    """The controller and the worker; they end with this object."""

    def __init__(self, arguments):
        self.bin = pathlib.Path(arguments.bin)
        self.data = pathlib.Path(arguments.data_dir)
        self.data.mkdir(parents=True, exist_ok=True)
        self.running = []
        ready = self.data / "controller.json"
        ready.unlink(missing_ok=True)
        self._start("layernas-controller", f"--data-dir={self.data}/store", "--listen=127.0.0.1:0", f"--ready-file={ready}",
                    "--metrics-listen=127.0.0.1:0")
        while not ready.exists():
            if self.running[0].poll() is not None:
                sys.exit(f"the controller did not start: see {self.data}/layernas-controller.log")
            time.sleep(0.1)
        self.address = json.loads(ready.read_text())["address"]
        self._start("layernas-worker", f"--controller={self.address}", f"--slots={arguments.slots}", "--id=table")

    def _start(self, program, *flags):
        log = open(self.data / f"{program}.log", "a", encoding="utf-8")
        self.running.append(subprocess.Popen([self.bin / program, *flags], stdout=log, stderr=log))

    def client(self, *arguments):
        done = subprocess.run([self.bin / "layernas", *arguments], stdout=subprocess.PIPE, text=True, timeout=600, check=True,
                              env=os.environ | {"LAYERNAS_CONTROLLER": self.address})
        return json.loads(done.stdout)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        for process in reversed(self.running):
            process.send_signal(signal.SIGTERM)
            process.wait()


def search_of(programs, spec):
    """Returns the name of the search, submitted now or by an earlier run."""
    searches = programs.client("search", "list", "-o", "json")["searches"]
    if searches:
        return searches[0]["name"]
    return programs.client("search", "submit", spec, "-o", "json")["name"]


def await_end(programs, name):
    while True:
        search = programs.client("search", "get", name, "-o", "json")
        progress = search["progress"]
        print(f"{progress.get('succeeded', 0)} trained, {progress.get('failed', 0)} failed", file=sys.stderr, flush=True)
        if search["state"] not in ("running", "paused", "SEARCH_STATE_RUNNING", "SEARCH_STATE_PAUSED"):
            return
        time.sleep(30)


def cell(value):
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else f"{value:.{DIGITS}g}"
    return value


def write(candidates, path):
    rows = []
    for candidate in candidates:
        if "metrics" not in candidate:
            sys.exit(f"{candidate['name']} has no result")
        row = {"arch": candidate["architecture"]["id"]}
        for name, value in sorted(candidate["metrics"].items()):
            if name not in LEFT_OUT:
                row[name] = value
        for point in candidate.get("curve", []):
            row[f"accuracy_{point['epoch']}"] = point["reward"]
        rows.append(row)
    rows.sort(key=lambda row: row["arch"])
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow([cell(row.get(column)) for column in columns])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = pathlib.Path(__file__).resolve().parents[2]
    parser.add_argument("--bin", default=root / "build/release/bin", help="directory of the programs")
    parser.add_argument("--spec", default=root / "examples/tables/shapes10_blocks.yaml")
    parser.add_argument("--data-dir", required=True, help="directory for the controller's data and the logs")
    parser.add_argument("--slots", type=int, default=len(os.sched_getaffinity(0)), help="trainings at once (default: one per core)")
    parser.add_argument("--out", required=True, help="CSV file to write")
    arguments = parser.parse_args()
    with Programs(arguments) as programs:
        name = search_of(programs, arguments.spec)
        await_end(programs, name)
        write(programs.client("search", "candidates", name, "-o", "json")["candidates"], arguments.out)


if __name__ == "__main__":
    main()
