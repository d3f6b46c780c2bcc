#!/usr/bin/python3
"""Runs every measure of measures.py, and writes the tables of docs/benchmarks.md and the plots in docs/images.

The output of each command is kept in the results directory under its measure, strategy and a hash of the command, and the
command is not run again. So an interrupted comparison resumes. After a change of one strategy:

    benchmarks/compare/compare.py --tables FOLDER --strategies guided_layernas --again
"""

import argparse
import concurrent.futures
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time

import measures
import tables

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# No measure takes longer.
LIMIT_S = 6 * 3600
# Exit code of skipped tests, as in CTest.
SKIPPED = 77


class Place:
    """Directories of the programs and files of a comparison."""

    def __init__(self, arguments):
        self.tables = arguments.tables
        self.programs = arguments.bin
        self.results = arguments.results

    def file_of(self, run):
        """Returns the file with the lines of a run."""
        command = " ".join([run.program, *run.arguments])
        parts = [run.measure, run.strategy, hashlib.sha256(command.encode()).hexdigest()[:8]]
        return os.path.join(self.results, ".".join(part for part in parts if part) + ".jsonl")

    def lines_of(self, run):
        """Returns the output of the run; empty if it has not been run."""
        try:
            with open(self.file_of(run), encoding="utf-8") as file:
                return [json.loads(line) for line in file]
        except FileNotFoundError:
            return []

    def argv(self, run):
        """Returns the command with this machine's paths."""
        paths = {"{tables}": self.tables or "", "{results}": self.results}
        arguments = list(run.arguments)
        for name, path in paths.items():
            arguments = [argument.replace(name, path) for argument in arguments]
        if run.program.endswith(".py"):
            return ["/usr/bin/python3", "-B", os.path.join(ROOT, run.program), *arguments]
        return [os.path.join(self.programs, run.program), *arguments]

    def lacks(self, run):
        """Returns why the run is not possible here; "" if it is."""
        if run.program == measures.PEERS:
            if importlib.util.find_spec("optuna") is None:
                return "needs Debian's python3-optuna (scripts/install-deps --benchmarks) and /usr/bin/python3"
        elif not os.access(os.path.join(self.programs, run.program), os.X_OK):
            return f"{os.path.join(self.programs, run.program)} is not there: scripts/build release {run.program}, or --bin"
        for file in run.needs:
            if not self.tables:
                return f"needs {file}: name its folder with --tables or LAYERNAS_TABLES"
            if not os.path.exists(os.path.join(self.tables, file)):
                return f"{os.path.join(self.tables, file)} is not there"
        return ""


def make(place, run):
    """Runs one command and keeps its lines. Returns the error, or ""."""
    begin = time.monotonic()
    file = place.file_of(run)
    part = f"{file}.{os.getpid()}.part"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        with open(part, "w", encoding="utf-8") as out:
            done = subprocess.run(
                place.argv(run),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.PIPE,
                env=environment,
                timeout=LIMIT_S,
                check=False,
                text=True,
            )
    except subprocess.TimeoutExpired:
        return f"{run}: took longer than {LIMIT_S} s"
    if done.returncode != 0:
        os.remove(part)
        return f"{run}: exit code {done.returncode}: {' '.join(done.stderr.strip().splitlines()[-3:])}"
    os.replace(part, file)
    print(f"compare: {run}: {time.monotonic() - begin:.0f} s", flush=True)
    return ""


def make_all(place, runs, processes):
    """Returns the errors. Starts with the runs that others need (prepare), then the peers, which take longest."""
    wrong = []
    for prepare in (True, False):
        with concurrent.futures.ThreadPoolExecutor(processes) as pool:
            some = [run for run in runs if run.prepare == prepare]
            some.sort(key=lambda run: run.program != measures.PEERS)
            wrong += [fault for fault in pool.map(lambda run: make(place, run), some) if fault]
    return wrong


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", default=os.environ.get("LAYERNAS_TABLES"), help="directory of the tables (default: LAYERNAS_TABLES)")
    parser.add_argument("--bin", default=os.path.join(ROOT, "build/release/bin"), help="directory of the built programs")
    parser.add_argument("--results", default=os.path.join(ROOT, "benchmarks/results"), help="directory for the measured results")
    parser.add_argument("--docs", default=os.path.join(ROOT, "docs"), help="directory of benchmarks.md and images/")
    parser.add_argument("--measures", help="run only these measures, separated by commas")
    parser.add_argument("--strategies", help="run only these; the documents contain all strategies ever run")
    parser.add_argument("--again", action="store_true", help="run again what was run before")
    parser.add_argument("--write-only", action="store_true", help="run nothing; write the documents from existing results")
    parser.add_argument("--quick", action="store_true", help="use few seeds, to test the comparison")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args(argv)
    if arguments.quick and arguments.docs == parser.get_default("docs"):
        # Quick results must not be written to the documents.
        arguments.results = os.path.join(arguments.results, "quick")
        os.makedirs(arguments.results, exist_ok=True)
        arguments.docs = shutil.copytree(arguments.docs, os.path.join(arguments.results, "docs"), dirs_exist_ok=True)
    arguments.results = os.path.abspath(arguments.results)
    return arguments


def main(argv):
    arguments = parse(argv)
    every = measures.quick() if arguments.quick else measures.full()
    if arguments.measures:
        named = arguments.measures.split(",")
        unknown = set(named) - {measure.name for measure in every}
        if unknown:
            sys.exit(f"compare: unknown measure {', '.join(unknown)}; expected one of {', '.join(one.name for one in every)}")
        every = [measure for measure in every if measure.name in named]
    if arguments.strategies:
        unknown = set(arguments.strategies.split(",")) - {run.strategy for measure in every for run in measure.runs}
        if unknown:
            sys.exit(f"compare: no measure has the strategy {', '.join(unknown)}")
    place = Place(arguments)
    os.makedirs(place.results, exist_ok=True)

    wanted, skipped = [], {}
    for run in [] if arguments.write_only else [run for measure in every for run in measure.runs]:
        if arguments.strategies and not run.prepare and run.strategy not in arguments.strategies.split(","):
            continue
        if os.path.exists(place.file_of(run)) and not arguments.again:
            continue
        why = place.lacks(run)
        if why:
            skipped.setdefault(why, []).append(str(run))
        else:
            wanted.append(run)
    for why, runs in skipped.items():
        print(f"compare: SKIPPED {len(runs)} runs ({', '.join(runs[:3])}{', …' if len(runs) > 3 else ''}): {why}", flush=True)
    wrong = make_all(place, wanted, arguments.processes)

    written = False
    for measure in every:
        lines = [line for run in measure.runs if not run.prepare for line in place.lines_of(run)]
        if not lines:
            continue
        written = True
        tables.replace_block(os.path.join(arguments.docs, "benchmarks.md"), measure.name, measure.text(lines))
        os.makedirs(os.path.join(arguments.docs, "images"), exist_ok=True)
        for name, plot in measure.plots.items():
            with open(os.path.join(arguments.docs, "images", name), "w", encoding="utf-8") as file:
                file.write(plot(lines))
    for fault in wrong:
        print(f"compare: FAILED {fault}", file=sys.stderr)
    if wrong:
        return 1
    if not written:
        print("compare: SKIPPED: there are no results")
        return SKIPPED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
