#!/usr/bin/python3
"""Compares the training speed of layernas-trainer with plain PyTorch, or with several processes of itself. All train in
turns on one thread, with the same networks, data, batches and optimizer.

Prints JSON lines. For each network, they contain the images per second of layernas-trainer and of a plain PyTorch script in
eager mode (plain_pytorch.py). --tuned adds a script that uses channels-last memory and a malloc that keeps freed memory. Each
has the median and the range over the rounds, and the median and range of the ratios per round. --slots N compares N
processes of layernas-trainer at once with one.
"""

import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Networks of examples/*.yaml: name, options of the layers (None: the last ones), batch, training images per round.
NETWORKS = {
    "shapes10_default": ("shapes10", None, 32, 3200),
    "shapes10_middle": ("shapes10", [1, 2, 2, 2, 1, 2], 32, 6400),
    "shapes10_small": ("shapes10", [0, 1, 0, 2, 0, 1], 32, 16000),
    "nats_bench_size_default": ("nats_bench_size", None, 32, 320),
}
HELD_OUT = 100
# Makes malloc keep freed memory, as layernas-trainer does.
KEEPING_MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str((1 << 31) - 1),
    "MALLOC_TOP_PAD_": str(64 << 20),
}


def architecture(space, choices):
    layers = []
    for index, layer in enumerate(space["layers"]):
        option = layer["options"][-1 if choices is None else choices[index]]
        option = {"name": option} if isinstance(option, str) else option
        chosen = {key: layer[key] for key in ("name", "channels", "stride") if key in layer}
        chosen["option"] = option["name"]
        chosen["parameters"] = {**layer.get("parameters", {}), **option.get("parameters", {})}
        layers.append(chosen)
    return {"layers": layers}


def request(spec, choices, batch, images, share):
    space = yaml.safe_load((ROOT / "examples" / f"{spec}.yaml").read_text())["space"]
    train = {
        "dataset": "cifar10",
        "epochs": 1,
        "batch": batch,
        "learning_rate": 0.02,
        "train_examples": max(2, int(images * share) // batch) * batch,
        "validation_examples": HELD_OUT,
        "augment": False,
    }
    body = {"architecture": architecture(space, choices), "network": space["network"], "train": train}
    return {"evaluate": {**body, "work": ["train"], "task": spec, "seed": 1}}


def write_cifar10(folder, images):
    """Writes files in the format of CIFAR-10 with noise: the training speed does not depend on the images."""
    rng = random.Random(1)
    per_file = (images + 4) // 5
    for number in range(1, 6):
        rows = (bytes([rng.randrange(10)]) + rng.randbytes(3072) for _ in range(per_file))
        (folder / f"data_batch_{number}.bin").write_bytes(b"".join(rows))


class Process:
    """An evaluator that gets one request after the other."""

    def __init__(self, command, environment=None):
        variables = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", **(environment or {})}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=variables
        )

    def send(self, message):
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def images_a_second(self, message):
        for line in self.process.stdout:
            answer = json.loads(line)
            if "progress" in answer:
                continue
            if "result" not in answer:
                sys.exit(f"{self.process.args}: {answer}")
            metrics = answer["result"]["metrics"]
            self.params = metrics["params"]
            return message["evaluate"]["train"]["train_examples"] / metrics["train_seconds"]
        sys.exit(f"{self.process.args} ended")

    def train(self, message):
        self.send(message)
        return self.images_a_second(message)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def summary(values):
    return {name: float(f"{of(values):.4g}") for name, of in (("median", statistics.median), ("least", min), ("most", max))}


def compare(name, message, processes, rounds):
    """Runs in turns, in a changing order, so that a machine that slows down favours none of them."""
    speeds = {kind: [] for kind in processes}
    for number in range(rounds):
        for kind in list(processes)[:: 1 if number % 2 else -1]:
            speeds[kind].append(processes[kind].train(message))
    params = {process.params for process in processes.values()}
    if len(params) != 1:
        sys.exit(f"{name}: networks of different sizes: {params}")
    line = {"network": name, "params": int(params.pop()), "rounds": rounds}
    line.update({kind: summary(values) for kind, values in speeds.items()})
    for kind in list(processes)[1:]:
        line[f"layernas/{kind}"] = summary([a / b for a, b in zip(speeds["layernas"], speeds[kind])])
    print(json.dumps(line), flush=True)


def compare_slots(name, message, processes, rounds):
    alone, together = [], []
    for number in range(rounds):
        alone.append(processes[number % len(processes)].train(message))
        for process in processes:
            process.send(message)
        together.append(sum(process.images_a_second(message) for process in processes))
    ratios = summary([b / a for a, b in zip(alone, together)])
    line = {"network": name, "slots": len(processes), "rounds": rounds, "one": summary(alone), "all": summary(together)}
    print(json.dumps({**line, "all/one": ratios}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainer", required=True, help="path of layernas-trainer")
    parser.add_argument("--networks", nargs="+", choices=sorted(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--share", type=float, default=1, help="share of the usual number of images per round (default: 1)")
    parser.add_argument("--tuned", action="store_true", help="also run a tuned PyTorch script")
    parser.add_argument("--slots", type=int, help="compare this many processes of layernas-trainer at once with one")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu); use more images on a GPU, for example --share 100")
    options = parser.parse_args()

    requests = {name: request(*NETWORKS[name], options.share) for name in options.networks}
    most = max(message["evaluate"]["train"]["train_examples"] for message in requests.values())
    with tempfile.TemporaryDirectory() as folder:
        data, cache = pathlib.Path(folder) / "data", pathlib.Path(folder) / "cache"
        data.mkdir()
        write_cifar10(data, most + HELD_OUT)
        trainer = [options.trainer, "--data-dir", str(data), "--cache-dir", str(cache), "--device", options.device]
        plain = [sys.executable, str(pathlib.Path(__file__).parent / "plain_pytorch.py"), "--data-dir", str(data)]
        plain += ["--device", options.device]
        if options.slots:
            processes = {f"slot{i}": Process(trainer) for i in range(options.slots)}
        else:
            processes = {"layernas": Process(trainer), "pytorch": Process(plain)}
            if options.tuned:
                processes["pytorch_tuned"] = Process([*plain, "--tuned"], KEEPING_MALLOC)
        for name, message in requests.items():
            for process in processes.values():
                # Loads the data and does other one-time work.
                process.train(message)
            if options.slots:
                compare_slots(name, message, list(processes.values()), options.rounds)
            else:
                compare(name, message, processes, options.rounds)
        for process in processes.values():
            process.close()


if __name__ == "__main__":
    main()
