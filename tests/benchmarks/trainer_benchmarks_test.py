"""Runs the trainer's benchmarks: latencies at different times, and speed compared with plain PyTorch. Does not check
their figures."""

import importlib.util
import json
import os
import subprocess
import sys
import unittest

BENCHMARKS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "benchmarks")
TRAINER = os.path.join(os.environ["LAYERNAS_BIN"], "layernas-trainer")


def run(program, *arguments):
    """Returns the JSON lines that the program prints."""
    command = [sys.executable, "-B", os.path.join(BENCHMARKS, program), "--trainer", TRAINER, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=600, check=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


@unittest.skipUnless(os.path.exists(TRAINER), "built without layernas-trainer")
class TrainerBenchmarksTest(unittest.TestCase):

    def test_rounds_of_latencies(self):
        *rounds, pair, least = run("latency/rounds.py", "--networks=3", "--rounds=2", "--pause=0")
        self.assertEqual([len(each["latency_ratio"]) for each in rounds], [3, 3])
        self.assertEqual(pair["rounds"], [1, 2])
        self.assertEqual(least["least_spearman"], pair["spearman"])

    def test_latencies_of_equal_networks(self):
        group, total = run("latency/equal_networks.py", "--groups=1", "--members=2")
        self.assertEqual((group["cells"], total["pairs"]), (2, 1))
        self.assertGreater(group["latency_ratio"], 0)

    @unittest.skipIf(importlib.util.find_spec("torch") is None, "PyTorch (python3-torch) is not installed")
    def test_speed_beside_pytorch(self):
        (line,) = run("training/speed.py", "--networks=shapes10_small", "--rounds=1", "--share=0.02")
        self.assertEqual(line["network"], "shapes10_small")
        self.assertGreater(line["layernas/pytorch"]["median"], 0)


if __name__ == "__main__":
    unittest.main()
