#!/usr/bin/env python3
"""An evaluator that invents results at once: the reward and the cost of an architecture are sums over its layers."""

import json
import random
import sys


def parts(layer, option):
    """Returns the reward and the cost of an option, which are the same in every process."""
    draw = random.Random(f"{layer}/{option}")
    cost = 1 + option + draw.random()
    return 0.04 * (1 - 1 / (1 + cost)) + 0.01 * draw.random(), cost


def main():
    known = {}
    for line in sys.stdin:
        request = json.loads(line)["evaluate"]
        reward = cost = 0.0
        for layer, digit in enumerate(request["architecture"]["id"]):
            gain, price = known.get((layer, digit)) or known.setdefault((layer, digit), parts(layer, int(digit)))
            reward += gain
            cost += price
        reward += random.Random(request["seed"]).gauss(0, 0.003)
        metrics = {
            "accuracy": reward,
            "latency_ms": cost,
            "latency_p90_ms": 1.1 * cost,
            "latency_p99_ms": 1.3 * cost,
            "params": round(1e4 * cost),
            "epochs": 5,
        }
        print(json.dumps({"result": {"metrics": metrics}, "task": request["task"]}), flush=True)


if __name__ == "__main__":
    main()
