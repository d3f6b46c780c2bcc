"""Checks the arithmetic of layernas-bench-fleet where the answer is known, and that pipelining does not change the
tables."""

import os
import unittest

import harness

PROGRAM = os.path.join(harness.BIN, "layernas-bench-fleet")
SMALL = ("--layers", 6, "--options", 3, "--buckets", 12, "--seeds", 3, "--trainings", 60)


def run(*arguments):
    return harness.run(PROGRAM, *map(str, arguments))


def lines(*arguments):
    return harness.json_lines(run("--json", *arguments))


class FleetTest(unittest.TestCase):

    def test_one_worker_is_always_busy(self):
        (line,) = lines(*SMALL, "--workers", 1, "--sigma", 0, "--training-seconds", 100, "--strategies", "random")
        for bound in ("lowest", "median", "highest"):
            self.assertAlmostEqual(line["makespan_seconds"][bound], 60 * 100)
            self.assertAlmostEqual(line["handing_out_seconds"][bound], 59 * 100)
            self.assertAlmostEqual(line["utilisation"][bound], 1)
            self.assertAlmostEqual(line["utilisation_handing_out"][bound], 1)
            self.assertEqual(line["trainings"][bound], 60)
            self.assertEqual(line["crashes"][bound], 0)

    def test_equal_trainings_come_in_waves(self):
        (line,) = lines(*SMALL, "--workers", 25, "--sigma", 0, "--training-seconds", 100, "--strategies", "random")
        self.assertAlmostEqual(line["makespan_seconds"]["median"], 300)
        self.assertAlmostEqual(line["utilisation"]["median"], 60 / 75)
        self.assertAlmostEqual(line["utilisation_handing_out"]["median"], 1)

    def test_pipelining_is_faster_and_changes_no_table(self):
        # With workers for everything, nothing can be slower without the barrier.
        barrier, pipelined = lines(*SMALL, "--workers", 1000, "--strategies", "layernas_barrier,layernas")
        self.assertEqual(barrier["strategy"], "layernas_barrier")
        self.assertEqual(pipelined["strategy"], "layernas")
        self.assertEqual(pipelined["trainings"], barrier["trainings"])
        self.assertEqual(pipelined["seeds_with_barrier_tables"], 3)
        self.assertGreaterEqual(pipelined["utilisation_over_barrier"]["lowest"], 1)
        self.assertGreater(pipelined["utilisation_over_barrier"]["median"], 1.05)
        self.assertLess(pipelined["makespan_seconds"]["median"], barrier["makespan_seconds"]["median"])

    def test_every_strategy_survives_crashes(self):
        found = lines(*SMALL, "--workers", 20, "--crash-share", 0.2)
        self.assertEqual(
            [line["strategy"] for line in found],
            ["layernas_barrier", "layernas", "guided_layernas", "regularized_evolution", "random"])
        for line in found:
            self.assertGreater(line["crashes"]["lowest"], 0, line)
            self.assertGreater(line["trainings"]["lowest"], 30, line)
            for what in ("utilisation", "utilisation_handing_out"):
                self.assertGreater(line[what]["lowest"], 0, line)
                self.assertLessEqual(line[what]["highest"], 1 + 1e-9, line)
        self.assertEqual(found[1]["seeds_with_barrier_tables"], 3)
        self.assertEqual(found[0]["crashes"], found[1]["crashes"])

    def test_an_unknown_strategy_is_named(self):
        done = run(*SMALL, "--strategies", "psychic")
        self.assertEqual(done.returncode, 2)
        self.assertIn("unknown strategy psychic; expected one of", done.stderr)


if __name__ == "__main__":
    harness.main()
