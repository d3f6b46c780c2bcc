#!/usr/bin/env python3
"""Measures `layernas report` for many candidates: its time, the size of the file, and the time until it is interactive in
Chromium.

For each size and strategy, it runs a search on a new controller, and makes and opens its report several times. It prints JSON
lines with the median, minimum and maximum of the rounds. They also contain processor times, which other programs on the
machine affect little: of the client, and of the page's main thread until it is drawn. These times should grow no faster than
the number of candidates.
"""

import argparse
import json
import resource
import statistics
import sys
import time

import service

sys.path.insert(0, str(service.ROOT / "tests/integration"))

import browser  # noqa: E402

DRAWN = "document.documentElement.dataset.drawn === 'yes'"
# Runs after the page has handled a click.
NEXT_FRAME = "new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(performance.now()), 0)))"
CHOOSE = (
    "(() => { const begun = performance.now(); document.querySelectorAll('#candidates-table th button')[3].click();"
    " document.querySelector('#candidates-table tbody tr').click(); return performance.now() - begun; })()"
)


def processor_time():
    """Returns the processor time of all children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def summary(values, digits=3):
    return {name: float(f"{of(values):.{digits}g}") for name, of in (("median", statistics.median), ("least", min), ("most", max))}


def measure(running, strategy, trainings, rounds):
    name = running.submit(service.spec(trainings, strategy, layers=20, options=6))
    running.client("search", "wait", name)
    progress = running.search(name)["progress"]
    path = running.folder / "report.html"
    made, made_cpu, interactive, page_cpu, chosen = [], [], [], [], []
    for _ in range(rounds):
        begun, begun_cpu = time.monotonic(), processor_time()
        running.client("report", name, "-o", str(path))
        made.append(time.monotonic() - begun)
        made_cpu.append(processor_time() - begun_cpu)
        # A new browser each time: users who open a report once have no cache either.
        with browser.Browser() as page:
            page.size(1600, 900)
            page.call("Performance.enable", timeDomain="threadTicks")
            page.open(f"file://{path}")
            page.wait_for(DRAWN)
            interactive.append(page.value(NEXT_FRAME) / 1000)
            metrics = {each["name"]: each["value"] for each in page.call("Performance.getMetrics")["metrics"]}
            page_cpu.append(metrics["TaskDuration"])
            chosen.append(page.value(CHOOSE) / 1000)
            if page.complaints:
                sys.exit(f"the page reports errors: {page.complaints}")
    line = {
        "strategy": strategy,
        "candidates": progress["succeeded"],
        "megabytes": round(path.stat().st_size / 1e6, 2),
        "made_s": summary(made),
        "made_cpu_s": summary(made_cpu),
        "interactive_s": summary(interactive),
        "page_cpu_s": summary(page_cpu),
        "sorted_and_chosen_s": summary(chosen),
    }
    print(json.dumps(line), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, nargs="+", default=[2500, 5000, 10000, 20000, 40000])
    parser.add_argument("--strategies", nargs="+", choices=sorted(service.STRATEGIES), default=sorted(service.STRATEGIES))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with service.Service() as running:
        running.start_worker(16, f"--command={sys.executable} {service.HERE / 'evaluator.py'}")
        for strategy in options.strategies:
            for candidates in options.candidates:
                measure(running, strategy, candidates, options.rounds)


if __name__ == "__main__":
    main()
