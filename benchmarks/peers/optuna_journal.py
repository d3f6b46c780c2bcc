#!/usr/bin/python3
"""Measures how many trials per second Optuna stores on disk, with one process, a random sampler and JournalStorage.

This is the counterpart of layernas-bench-controller: nothing is evaluated, and every trial is stored durably. It reads the
JSON of that program from standard input, if piped in, and prints the ratio of evaluations:

    layernas-bench-controller --json | benchmarks/peers/optuna_journal.py
"""

import argparse
import json
import os
import sys
import tempfile
import time

import optuna


def trials_per_second(folder, layers, options, seconds):
    storage = optuna.storages.JournalStorage(
        optuna.storages.JournalFileStorage(os.path.join(folder, "journal.log"))
    )
    study = optuna.create_study(
        storage=storage, directions=["maximize", "minimize"], sampler=optuna.samplers.RandomSampler(seed=1)
    )
    choices = list(range(options))
    trials = 0
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        trial = study.ask()
        architecture = [trial.suggest_categorical(f"layer{i}", choices) for i in range(layers)]
        cost = 1.0 + sum(architecture)
        study.tell(trial, [0.5 + 0.001 * cost, cost])
        trials += 1
    return trials / (time.monotonic() - begin)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=20)
    parser.add_argument("--options", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--parent", default=tempfile.gettempdir(), help="directory for the temporary data")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    controller = None if sys.stdin.isatty() else sys.stdin.read().strip()
    with tempfile.TemporaryDirectory(prefix="optuna-journal-", dir=arguments.parent) as folder:
        rate = trials_per_second(folder, arguments.layers, arguments.options, arguments.seconds)
    report = {"optuna": optuna.__version__, "trials_per_second": rate}
    if controller:
        report["controller"] = json.loads(controller)
        report["times_as_many"] = report["controller"]["evaluations_per_second"] / rate
    print(json.dumps(report))


if __name__ == "__main__":
    main()
