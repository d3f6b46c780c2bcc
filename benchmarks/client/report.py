#!/usr/bin/env python3
"""How long does `layernas report` take for many candidates, how large is the file, and how soon is it interactive in Chromium?

Runs a search for each size and strategy on a controller of its own, and makes and opens its report several times. Prints
JSON lines: medians, least and most of the rounds, and processor times besides, which other programs on the machine change
little: of the client, and of the page's main thread until it is drawn. Over the sizes, they should grow no faster than the
candidates do.
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
# What a click does once the page has had its say.
NEXT_FRAME = "new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(performance.now()), 0)))"
CHOOSE = (
    "(() => { const begun = performance.now(); document.querySelectorAll('#candidates-table th button')[3].click();"
    " document.querySelector('#candidates-table tbody tr').click(); return performance.now() - begun; })()"
)


def processor_time():
    """Of all children that have ended."""
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
        # A browser of its own: what another visit left behind helps nobody who opens a report once.
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
                sys.exit(f"the page complains: {page.complaints}")
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
