#!/usr/bin/env python3
"""Checks whether latencies of different days can be compared. It measures the same networks in rounds, minutes apart, each
round in its own process, while other work runs on the machine. It compares the order of the networks between rounds, by the
calibrated value (latency_ratio) and by the plain median (latency_ms) of the same runs.

Prints JSON lines: one for each round, one for each pair of rounds, and the minimum correlations of all pairs.
"""

import argparse
import itertools
import json
import os
import random
import subprocess
import sys
import time

NETWORK = {
    "input": [3, 32, 32],
    "classes": 10,
    "stem_channels": 16,
    "head_channels": 96,
    "parameters": {"stem_stride": 2},
}
# The space of examples/shapes10.yaml.
LAYERS = [("block1", 16, 1), ("block2", 24, 2), ("block3", 24, 1), ("block4", 48, 2), ("block5", 48, 1), ("block6", 64, 1)]
OPTIONS = ["skip", "conv_k3", "mbconv_k3_e3", "mbconv_k5_e4"]


def draw(count, seed):
    """Returns this many different architectures, as indices of options."""
    rng = random.Random(seed)
    drawn = set()
    while len(drawn) < count:
        drawn.add(tuple(rng.randrange(len(OPTIONS)) for _ in LAYERS))
    return sorted(drawn)


def request(choices):
    layers = [
        {"name": name, "option": OPTIONS[choice], "channels": channels, "stride": stride}
        for (name, channels, stride), choice in zip(LAYERS, choices)
    ]
    architecture = {"id": "".join(map(str, choices)), "layers": layers}
    body = {"task": "rounds", "architecture": architecture, "network": NETWORK, "measure": {"runs": 200}, "work": ["measure"]}
    return json.dumps({"evaluate": body}) + "\n"


def measure(trainer, requests):
    """Returns the metrics that a new process answers to each request, in the same order."""
    done = subprocess.run([trainer], input="".join(requests), capture_output=True, text=True, timeout=3600, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    for answer in answers:
        if "result" not in answer:
            sys.exit(f"the trainer failed: {answer}")
    if len(answers) != len(requests):
        sys.exit(f"{len(requests)} requests, {len(answers)} answers")
    return [answer["result"]["metrics"] for answer in answers]


def ranks(values):
    order = sorted(range(len(values)), key=values.__getitem__)
    result = [0] * len(values)
    for rank, index in enumerate(order):
        result[index] = rank
    return result


def spearman(a, b):
    """Returns the rank correlation. Values must differ, as times do."""
    n = len(a)
    return 1 - 6 * sum((x - y) ** 2 for x, y in zip(ranks(a), ranks(b))) / (n * (n * n - 1))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainer", required=True, help="path of layernas-trainer")
    parser.add_argument("--networks", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pause", type=float, default=120, help="time between rounds, in seconds (default: 120)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.networks < 2 or options.rounds < 2:
        parser.error("needs at least two networks and two rounds")

    architectures = draw(options.networks, options.seed)
    rounds = []
    for number in range(options.rounds):
        if number:
            time.sleep(options.pause)
        start = time.monotonic()
        metrics = measure(options.trainer, [request(one) for one in architectures])
        rounds.append(metrics)
        stolen = sorted(m["machine_stolen"] for m in metrics)
        print(
            json.dumps({
                "round": number + 1,
                "seconds": round(time.monotonic() - start, 1),
                "load": round(os.getloadavg()[0], 2),
                "stolen_median": round(stolen[len(stolen) // 2], 3),
                "latency_ms": [round(m["latency_ms"], 4) for m in metrics],
                "latency_ratio": [round(m["latency_ratio"], 4) for m in metrics],
            }),
            flush=True,
        )

    least = {}
    for (i, first), (j, second) in itertools.combinations(enumerate(rounds, 1), 2):
        correlations = {
            name: round(spearman([m[name] for m in first], [m[name] for m in second]), 4)
            for name in ("latency_ratio", "latency_ms")
        }
        print(json.dumps({"rounds": [i, j], "spearman": correlations}))
        for name, value in correlations.items():
            least[name] = min(value, least.get(name, 1))
    print(json.dumps({"networks": options.networks, "least_spearman": least}))


if __name__ == "__main__":
    main()
