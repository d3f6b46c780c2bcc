"""Checks the table that layernas's own fleet has made: it is complete, its counts are right, and searches on it give
the documented results.

Timing plays no role: searches of the real core on known results are the same in each run.
"""

import csv
import json
import os
import subprocess
import unittest

ROOT = os.path.join(os.path.dirname(__file__), "..", "..")
BIN = os.environ["LAYERNAS_BIN"]
TABLE = os.path.join(ROOT, "examples", "tables", "shapes10_blocks.csv")
SPEC = os.path.join(ROOT, "examples", "tables", "shapes10_blocks.yaml")
EPOCHS = 8


def run(program, *arguments):
    done = subprocess.run([os.path.join(BIN, program), *arguments], stdout=subprocess.PIPE, timeout=600, check=True, text=True)
    return done.stdout


def rows():
    with open(TABLE, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def search(target, *flags):
    """Returns the mean of 20 searches."""
    curve = ",".join(f"accuracy_{epoch}" for epoch in range(1, EPOCHS + 1))
    lines = run(
        "layernas-bench-search", f"--table={TABLE}", "--options-per-layer=4,5,5,5", "--reward-columns=accuracy",
        "--judge-column=accuracy", "--cost-column=latency_ratio", f"--curve-columns={curve}", f"--targets={target}",
        "--seeds=20", "--json", *flags,
    )
    return json.loads(lines)


class OwnTableTest(unittest.TestCase):

    def test_it_is_whole(self):
        table = rows()
        self.assertEqual(len({row["arch"] for row in table}), 500)
        for row in table:
            self.assertAlmostEqual(float(row[f"accuracy_{EPOCHS}"]), float(row["accuracy"]), places=5)
            self.assertGreater(float(row["latency_ratio"]), 0)

    def test_what_was_trained_is_what_is_counted(self):
        counted = csv.DictReader(run("layernas", "count", SPEC, "--architectures=all", "-o", "csv").splitlines())
        known = {row["architecture"]: (float(row["params"]), float(row["multiply_adds"])) for row in counted}
        for row in rows():
            self.assertEqual((float(row["params"]), float(row["multiply_adds"])), known[row["arch"]], row["arch"])

    def test_measuring_first_saves_half_of_the_trainings(self):
        for strategy in ("random", "regularized_evolution"):
            whole = search(0.55, f"--strategies={strategy}", "--trainings=50")
            first = search(0.55, f"--strategies={strategy}", "--trainings=25", "--measure-first")
            self.assertLessEqual(first["mean_regret_reward"], whole["mean_regret_reward"], strategy)
            self.assertGreater(first["mean_spared"], 0)

    def test_stopping_early_saves_epochs_and_hardly_any_accuracy(self):
        # The random variation of an accuracy on 1,000 images.
        noise = 0.016
        for strategy in ("random", "regularized_evolution", "guided_layernas"):
            whole = search(0.55, f"--strategies={strategy}", "--trainings=100")
            stopped = search(0.55, f"--strategies={strategy}", "--trainings=100", "--early-stop=10", "--min-epochs=2")
            self.assertGreater(stopped["mean_epochs_saved"], 0.3, strategy)
            self.assertLess(stopped["mean_regret_reward"] - whole["mean_regret_reward"], noise, strategy)


if __name__ == "__main__":
    unittest.main()
