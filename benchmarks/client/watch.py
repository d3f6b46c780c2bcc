#!/usr/bin/env python3
"""Measures whether `layernas search watch` keeps up with a fast fleet and with a restart of the controller.

Each round runs a search and three watches: JSON and lines in a pipe, and the live view on a terminal. It prints a JSON line
per round and one for all rounds. They contain the results per second; the time from a result's end to its line, for both
pipes (on the same clock); the time from the search's end to the end of each watch; and the processor time of each watch.

The output of the watches is checked, and errors fail the run. Every sequence number must occur once and in order, every result
must have a line, and the final numbers must match the controller's. --restart kills the controller at half of the results and
starts it again. Results from before the kill that are shown later count with their full delay.
"""

import argparse
import datetime
import itertools
import json
import os
import pty
import re
import statistics
import subprocess
import sys
import threading
import time

import evaluator
import service

LAYERS, OPTIONS, SLOTS = 8, 4, 64
ERASE = re.compile(r"\x1b\[\d+A\r\x1b\[J")


def write_table(path):
    """Writes the result of every architecture to a table that the worker looks it up in."""
    known = [[evaluator.parts(layer, option) for option in range(OPTIONS)] for layer in range(LAYERS)]
    with open(path, "w", encoding="utf-8") as file:
        file.write("arch,accuracy,latency_ms\n")
        for choice in itertools.product(range(OPTIONS), repeat=LAYERS):
            parts = [known[layer][option] for layer, option in enumerate(choice)]
            file.write(f"{''.join(map(str, choice))},{sum(part[0] for part in parts)},{sum(part[1] for part in parts)}\n")


class Watch:
    """A watch whose output is read as soon as it arrives; `lines` has each line with its time of arrival."""

    def __init__(self, command, terminal=False):
        self.lines, self._text = [], b""
        if terminal:
            self._from, to = pty.openpty()
        else:
            self._from, to = os.pipe()
        # Notices about the connection are expected; the sequence numbers show their effect.
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=to, stderr=subprocess.DEVNULL, env={**os.environ, "TERM": "xterm"}
        )
        os.close(to)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        rest = b""
        while True:
            try:
                read = os.read(self._from, 1 << 16)
            except OSError:
                read = b""  # A terminal ends like this.
            if not read:
                break
            now = time.time()
            *whole, rest = (rest + read).split(b"\n")
            self.lines += [(now, line) for line in whole]
        _, status, usage = os.wait4(self._process.pid, 0)
        self.ended_at = time.time()
        self.exit_code = os.waitstatus_to_exitcode(status)
        self.cpu_s = usage.ru_utime + usage.ru_stime
        os.close(self._from)

    def join(self):
        self._reader.join()
        if self.exit_code != 0:
            sys.exit(f"a watch ended with {self.exit_code}")


def seconds(timestamp):
    return datetime.datetime.fromisoformat(timestamp.replace("Z", "+00:00")).timestamp()


def check(condition, what):
    if not condition:
        sys.exit(f"the watch showed an error: {what}")


def quantiles(values):
    cuts = statistics.quantiles(values, n=100)
    return {"median": round(statistics.median(values), 4), "p99": round(cuts[98], 4), "most": round(max(values), 4)}


def look(running, name, view, search, trainings):
    """Checks the output. Returns the lags of the JSON lines and of the plain lines."""
    lags, ends, sequences, last = [], {}, [], None
    for at, line in view["json"].lines:
        change = json.loads(line)
        sequences.append(int(change["sequence"]))
        candidate = change.get("candidate", {})
        if candidate.get("state") == "CANDIDATE_STATE_SUCCEEDED":
            number = candidate["name"].rpartition("/")[2]
            ends[number] = seconds(candidate["end_time"])
            lags.append(at - ends[number])
        last = change.get("search", last)
    check(sequences == list(range(1, len(sequences) + 1)), "sequence numbers are missing, or came twice")
    check(len(ends) == len(lags) == trainings, f"{len(lags)} results of {trainings}")
    check(last["state"] == search["state"] and last["best"] == search["best"], "the last state is not the controller's")
    line_lags = []
    for at, line in view["lines"].lines:
        match = re.search(rb"  candidate (\d+)  \S+  succeeded  ", line)
        if match:
            line_lags.append(at - ends.pop(match.group(1).decode()))
    check(not ends, f"{len(ends)} results without a line")
    screen = ERASE.split("\n".join(line.decode(errors="replace") for _, line in view["terminal"].lines))[-1]
    progress = search["progress"]
    check(f"{int(progress['trainings']):,}/{trainings:,} trainings" in screen, screen)
    check(f"0 running, 0 queued, {progress['succeeded']} succeeded" in screen, screen)
    return lags, line_lags


def run(running, trainings, strategy, restart):
    begun = time.time()
    name = running.submit(service.spec(trainings, strategy, LAYERS, OPTIONS))
    view = {
        "json": Watch(running.command("search", "watch", name, "-o", "json")),
        "lines": Watch(running.command("search", "watch", name)),
        "terminal": Watch(running.command("search", "watch", name), terminal=True),
    }
    away_s = None
    if restart:
        service.wait_for(lambda: int(running.search(name)["progress"].get("succeeded", 0)) > trainings / 2, "half of the results")
        killed = time.monotonic()
        running.kill_controller()
        running.start_controller()
        away_s = time.monotonic() - killed
    for each in view.values():
        each.join()
    search = running.search(name)
    check(search["state"] == "SEARCH_STATE_SUCCEEDED", search["state"])
    end = seconds(search["end_time"])
    json_lags, line_lags = look(running, name, view, search, trainings)
    line = {
        "results": trainings,
        "results_a_second": round(trainings / (end - begun)),
        "json_lag_s": quantiles(json_lags),
        "line_lag_s": quantiles(line_lags),
        "ended_after_s": {kind: round(each.ended_at - end, 3) for kind, each in view.items()},
        "cpu_s_for_1000_results": {kind: round(1000 * each.cpu_s / trainings, 4) for kind, each in view.items()},
    }
    if restart:
        line["controller_away_s"] = round(away_s, 3)
    print(json.dumps(line), flush=True)
    return line


def spread(lines, *path):
    values = []
    for line in lines:
        for key in path:
            line = line[key]
        values.append(line)
    return {"median": round(statistics.median(values), 4), "least": min(values), "most": max(values)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=int, default=20000, help="number of results, at most 65,536 (default: 20000)")
    parser.add_argument("--rate", type=int, help="approximate results per second (default: as many as possible)")
    parser.add_argument("--restart", action="store_true", help="kill the controller at half of the results and start it again")
    parser.add_argument("--strategy", choices=sorted(service.STRATEGIES), default="random")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with service.Service() as running:
        table = running.folder / "table.csv"
        write_table(table)
        delay = f"{1000 * SLOTS // options.rate}ms" if options.rate else "0s"
        flags = ["--evaluator=tabular", f"--table={table}", "--metric=accuracy=accuracy", "--metric=latency_ms=latency_ms"]
        running.start_worker(SLOTS, *flags, f"--delay={delay}")
        lines = [run(running, options.results, options.strategy, options.restart) for _ in range(options.rounds)]
    total = {"rounds": options.rounds, "results_a_second": spread(lines, "results_a_second")}
    for kind in ("json_lag_s", "line_lag_s"):
        total[kind] = {quantile: spread(lines, kind, quantile) for quantile in ("median", "p99", "most")}
    for kind in ("json", "lines", "terminal"):
        total[f"{kind}_ended_after_s"] = spread(lines, "ended_after_s", kind)
    print(json.dumps(total), flush=True)


if __name__ == "__main__":
    main()
