#!/usr/bin/python3
"""A trainer for the tests: speaks the evaluator protocol on stdin and stdout, answers from a table, or misbehaves.

Notes every evaluation in a log, one JSON line each, before it answers.
"""

import argparse
import csv
import json
import os
import sys
import time


def note(path, **record):
    """Appends with one write, so that several evaluators can share the file."""
    if not path:
        return
    line = json.dumps(dict(record, pid=os.getpid(), at=time.monotonic())) + "\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(descriptor, line.encode())
    os.close(descriptor)


def answer(request, **message):
    sys.stdout.write(json.dumps(dict(message, task=request["task"])) + "\n")
    sys.stdout.flush()


def hang():
    while True:
        time.sleep(3600)


def at_work(options):
    return os.path.join(options.machine, str(os.getpid()))


def fits(options, architecture):
    """Registers this process as busy on the machine. Returns False if the machine has no room for this architecture."""
    with open(at_work(options), "w", encoding="utf-8"):
        pass
    others = len(os.listdir(options.machine)) > 1
    if architecture in options.too_large.split(",") or (others and architecture in options.hungry.split(",")):
        leave(options)
        return False
    return True


def leave(options):
    if options.machine:
        os.remove(at_work(options))


def formula(architecture):
    """Returns the metrics of an architecture of tests/chaos/formula.py, which only depend on its layers."""
    layers = [layer["parameters"] for layer in architecture["layers"]]
    return {
        "accuracy": sum(layer["merit"] for layer in layers) / layers[0]["merits_per_one"],
        "latency_ms": float(sum(layer["cost"] for layer in layers)),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--table", help="CSV with arch, accuracy, latency_ms")
    parser.add_argument("--log", help="where evaluations are noted")
    parser.add_argument("--delay", type=float, default=0, help="seconds per evaluation")
    parser.add_argument("--hold-first", help="the evaluation that creates this file never ends")
    parser.add_argument("--hold-while", help="no evaluation ends while this file is there")
    parser.add_argument("--say", help="a file that is written to standard error in each evaluation, as it is")
    parser.add_argument("--machine", help="folder of the evaluations at work, for the sake of --hungry")
    parser.add_argument("--hungry", default="", help="architectures, with commas, that only fit the machine alone")
    parser.add_argument("--too-large", default="", help="architectures, with commas, that never fit the machine")
    parser.add_argument(
        "--mode",
        default="table",
        choices=["table", "formula", "rubbish", "hang", "die", "nan", "negative-latency", "missing-cost", "infeasible", "retry"],
    )
    options = parser.parse_args()

    table = {}
    if options.table:
        with open(options.table, encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                table[row["arch"]] = {name: float(row[name]) for name in ("accuracy", "latency_ms")}

    for line in sys.stdin:
        request = json.loads(line)["evaluate"]
        architecture = request["architecture"]["id"]
        note(options.log, event="start", architecture=architecture, task=request["candidate"], request=request)
        early_reward = 0.1
        if options.mode == "formula":
            table[architecture] = formula(request["architecture"])
            early_reward = table[architecture]["accuracy"] / 2
        answer(request, progress={"epoch": 1, "epochs": 1, "reward": early_reward})
        if options.say:
            with open(options.say, "rb") as file:
                sys.stderr.buffer.write(file.read() + f"that was {architecture}\n".encode())
            sys.stderr.flush()
        if options.hold_first:
            try:
                descriptor = os.open(options.hold_first, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
                os.write(descriptor, f"{os.getpid()} {request['candidate']}\n".encode())
                os.close(descriptor)
                hang()
            except FileExistsError:
                pass
        while options.hold_while and os.path.exists(options.hold_while):
            time.sleep(0.01)
        if options.machine and not fits(options, architecture):
            answer(request, failure={"kind": "out_of_memory", "message": f"{architecture} wants 3 GiB"})
            continue
        time.sleep(options.delay)
        leave(options)
        metrics = table.get(architecture, {"accuracy": 0.5, "latency_ms": 1.0})
        if options.mode in ("table", "formula"):
            answer(request, result={"metrics": metrics})
        elif options.mode == "rubbish":
            print("{Segmentation fault (this is not JSON)", flush=True)
        elif options.mode == "hang":
            hang()
        elif options.mode == "die":
            print("fake_evaluator: out of memory, dying", file=sys.stderr, flush=True)
            os._exit(3)
        elif options.mode == "nan":
            answer(request, result={"metrics": dict(metrics, accuracy=float("nan"))})
        elif options.mode == "negative-latency":
            answer(request, result={"metrics": dict(metrics, latency_ms=-1.0)})
        elif options.mode == "missing-cost":
            answer(request, result={"metrics": {"accuracy": metrics["accuracy"]}})
        else:
            answer(request, failure={"kind": options.mode, "message": f"the fake evaluator says {options.mode}"})
        note(options.log, event="end", architecture=architecture, task=request["candidate"])


if __name__ == "__main__":
    main()
