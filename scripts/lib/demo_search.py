"""The search of scripts/demo-dashboards: its spec, and an evaluator with made-up results, some noise and a few failures.

demo_search.py FOLDER       writes FOLDER/demo.yaml
demo_search.py --evaluate   answers evaluations on standard input
"""

import json
import math
import os
import random
import sys
import time

OPTIONS = ["skip", "conv_k3", "mbconv_k3_e3", "mbconv_k5_e3", "mbconv_k5_e6"]
# The accuracy and cost of an option, before the layer's factor.
GAIN = [0.0, 0.45, 0.7, 0.8, 1.0]
COST = [0.02, 0.5, 0.45, 0.6, 1.1]
LAYERS = 8

SPEC = """\
# A search whose results are made up.
name: demo
space:
  network: {{ input: [3, 64, 64], classes: 100, stem_channels: 16, head_channels: 256 }}
  layers:
{layers}
objective:
  reward: accuracy
  cost: latency_ms
  targets: [1.5, 2.5, 4]
strategy:
  layernas: {{ buckets: {{ count: 16, min: 0.4, max: 6 }}, replicas: 2, passes: 2 }}
budget: {{ trainings: 320 }}
evaluation:
  train: {{ dataset: shapes10, epochs: 5 }}
  require: {{ device: cpu }}
"""


def layer_line(number):
    stride = 2 if number in (2, 4, 6) else 1
    return (
        f"    - {{ name: block{number}, channels: {16 * 2 ** ((number - 1) // 2)}, stride: {stride},"
        f" options: [{', '.join(OPTIONS)}] }}"
    )


def result(architecture, seed):
    """Returns made-up metrics. Deeper layers gain more and cost less, and gains near the maximum cost more and more."""
    draw = random.Random(f"{architecture}/{seed}")
    gain = cost = 0.0
    for layer, digit in enumerate(architecture):
        option = int(digit)
        gain += GAIN[option] * (0.6 + 0.15 * layer) * (1.25 if option == 3 and layer % 3 == 1 else 1)
        cost += COST[option] * (1.1 - 0.08 * layer)
    accuracy = 0.82 * (1 - math.exp(-gain / 4)) + draw.gauss(0, 0.004)
    latency = (0.3 + cost) * math.exp(draw.gauss(0, 0.01))
    return {"accuracy": accuracy, "latency_ms": latency, "latency_p99_ms": latency * 1.3, "params": round(2e5 * (1 + gain))}


def evaluate():
    for line in sys.stdin:
        request = json.loads(line)["evaluate"]
        architecture = request["architecture"]["id"]
        chance = random.Random()
        time.sleep(chance.uniform(0.15, 0.6))
        if architecture.count("0") > LAYERS - 2:
            answer = {"failure": {"kind": "infeasible", "message": "less than two blocks are left: nothing to train"}}
        elif chance.random() < 0.04:
            answer = {"failure": {"kind": "retry", "message": "CUDA out of memory. Tried to allocate 512 MiB"}}
        else:
            answer = {"result": {"metrics": result(architecture, request["seed"])}}
        # The worker keeps a process that names the task for the next request.
        print(json.dumps(dict(answer, task=request["task"])), flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["--evaluate"]:
        evaluate()
    else:
        with open(os.path.join(sys.argv[1], "demo.yaml"), "w", encoding="utf-8") as file:
            file.write(SPEC.format(layers="\n".join(layer_line(number) for number in range(1, LAYERS + 1))))
