"""The peers solve the same problems as layernas-bench-search, count in the same way, and print the same lines."""

import importlib.util
import itertools
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# pylint: disable=wrong-import-position
import harness

COLUMNS = ["--reward-columns", "run0,run1", "--judge-column", "mean", "--cost-column", "cost"]


def peers(*arguments):
    return harness.json_lines(harness.python(harness.PEERS, *arguments, "--json"))


@unittest.skipUnless(
    importlib.util.find_spec("optuna"), "optuna is not there: scripts/install-deps --benchmarks, and /usr/bin/python3"
)
class OptunaSearchTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.table = os.path.join(folder.name, "table.csv")
        harness.write_table(self.table)

    def flags(self, *more):
        return ["--table", self.table, *COLUMNS, *more]

    def test_prints_the_lines_of_layernas_bench_search(self):
        if not os.access(harness.SEARCH, os.X_OK):
            self.skipTest(f"{harness.SEARCH} is not built")
        flags = self.flags("--targets", "4,6", "--trainings", "5,10", "--seeds", "2", "--first-seed", "3")
        for joint in [], ["--joint"]:
            ours = harness.json_lines(harness.run(harness.SEARCH, *flags, *joint, "--strategies", "random", "--json"))
            theirs = peers(*flags, *joint, "--strategies", "optuna_tpe")
            self.assertEqual([set(line) for line in theirs], [set(line) for line in ours])
            for field in ("problem", "target", "trainings", "seeds", "mean_trained"):
                self.assertEqual([line[field] for line in theirs], [line[field] for line in ours], field)

    def test_trains_what_the_budget_allows_and_repeats_itself(self):
        flags = self.flags("--targets", "6", "--trainings", "3,8", "--seeds", "3")
        once, again = peers(*flags), peers(*flags)
        self.assertEqual([line["mean_trained"] for line in once], [3, 8, 3, 8])
        for line in once + again:
            del line["strategy_seconds"]
        self.assertEqual(once, again)

    def test_finds_the_best_where_it_may_train_all(self):
        # 9 of 27 architectures cost at most 4. The others are never trained, because their cost is
        # known.
        fits = sum(1 + a + 2 * b + c <= 4 for a, b, c in itertools.product(range(3), repeat=3))
        for line in peers(*self.flags("--targets", "4", "--trainings", "27", "--seeds", "2")):
            self.assertEqual((line["mean_trained"], line["worst_regret_judged"]), (fits, 0))

    def test_a_measured_cost_costs_a_training(self):
        harness.write_table(self.table, cost=lambda one: 1 + one[0] * one[1])
        for line in peers(*self.flags("--targets", "1", "--trainings", "27", "--seeds", "1")):
            self.assertEqual((line["mean_trained"], line["worst_regret_judged"]), (27, 0))

    def test_bad_flags_are_refused(self):
        for flags, message in [
            (["--targets", "4"], "one of --table and --spaces-file"),
            (self.flags(), "one of --targets and --target-shares"),
            (self.flags("--targets", "0.5"), "nothing in table.csv costs 0.5 or less"),
            (self.flags("--targets", "4", "--strategies", "tpe"), "unknown strategy tpe; expected one of optuna_tpe"),
            (["--table", "none.csv", *COLUMNS, "--targets", "4"], "none.csv: No such file"),
        ]:
            with self.subTest(message=message):
                done = harness.python(harness.PEERS, *flags)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(message, done.stderr)


if __name__ == "__main__":
    harness.main()
