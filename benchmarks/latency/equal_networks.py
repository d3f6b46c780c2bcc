#!/usr/bin/env python3
"""Checks whether cells of NATS-Bench's topology space that are the same network have the same latency. It draws cells that
differ only in operations that do not affect the result, and measures them in turns. It compares the calibrated latencies of
all pairs of a group with the 95 % confidence intervals from the trainer.

Prints JSON lines: one for each group (the largest difference of a pair, and the interval of that difference, both as a
share), and the share of pairs within their interval. One in twenty intervals of 95 % is expected to miss.
"""

import argparse
import itertools
import json
import math
import random
import statistics

import rounds

NETWORK = {
    "input": [3, 32, 32],
    "classes": 10,
    "stem_channels": 16,
    "parameters": {"cells": 5, "stages": 3, "stem_activation": "none", "final_norm": True},
}
EDGES = ["edge01", "edge02", "edge12", "edge03", "edge13", "edge23"]
OPERATIONS = ["none", "skip_connect", "avg_pool_3x3", "nor_conv_1x1", "nor_conv_3x3"]


def draw_group(rng, members):
    """Returns cells in which nothing leaves node 1, so that its inputs have no effect, or nothing leaves node 2."""
    live = {edge: rng.choice(OPERATIONS) for edge in EDGES}
    # There must be a path from the input to the output.
    live["edge03"] = rng.choice(OPERATIONS[1:])
    if rng.random() < 0.5:
        live |= {"edge12": "none", "edge13": "none"}
        dead = ["edge01"]
    else:
        live |= {"edge23": "none"}
        dead = ["edge02", "edge12"]
    variants = list(itertools.product(OPERATIONS, repeat=len(dead)))
    return [live | dict(zip(dead, variant)) for variant in rng.sample(variants, min(members, len(variants)))]


def request(cell):
    layers = [{"name": edge, "option": cell[edge]} for edge in EDGES]
    body = {"task": "equal", "architecture": {"layers": layers}, "network": NETWORK, "measure": {"runs": 100}, "work": ["measure"]}
    return json.dumps({"evaluate": body}) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainer", required=True, help="path of layernas-trainer")
    parser.add_argument("--groups", type=int, default=8)
    parser.add_argument("--members", type=int, default=4, help="cells per group (default: 4)")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    groups = [draw_group(rng, arguments.members) for _ in range(arguments.groups)]
    # The cells of a group are not measured one directly after the other.
    order = [(group, member) for group, cells in enumerate(groups) for member in range(len(cells))]
    rng.shuffle(order)
    measured = dict(zip(order, rounds.measure(arguments.trainer, [request(groups[group][member]) for group, member in order])))

    within, pairs = 0, 0
    for group, cells in enumerate(groups):
        found = [measured[group, member] for member in range(len(cells))]
        differences = []
        for a, b in itertools.combinations(found, 2):
            mean = (a["latency_ratio"] + b["latency_ratio"]) / 2
            interval = math.hypot(a["latency_ratio_interval"], b["latency_ratio_interval"])
            differences.append((abs(a["latency_ratio"] - b["latency_ratio"]) / mean, interval))
        pairs += len(differences)
        within += sum(difference <= interval for difference, interval in differences)
        largest, interval = max(differences)
        ratio = statistics.median(one["latency_ratio"] for one in found)
        print(json.dumps({"group": group, "cells": len(cells), "latency_ratio": round(ratio, 3),
                          "largest_difference": round(largest, 4), "its_interval": round(interval, 4)}), flush=True)
    print(json.dumps({"pairs": pairs, "within_interval": round(within / pairs, 3)}))


if __name__ == "__main__":
    main()
