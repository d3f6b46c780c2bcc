"""The table that layernas's own fleet has made: whole, counted right, and what it shows of the product.

No timing: searches of the real core over known results are the same in each run.
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
    """The mean of 20 searches."""
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


if __name__ == "__main__":
    unittest.main()
