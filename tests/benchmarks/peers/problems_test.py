"""The peers and layernas-bench-search read tables and generated spaces in the same way."""

import itertools
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# pylint: disable=wrong-import-position
import harness
import problems


class ProblemsTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.table = os.path.join(folder.name, "table.csv")
        harness.write_table(self.table)

    def load(self):
        return problems.Table(self.table, "arch", ["run0", "run1"], "mean", "cost")

    def test_a_table(self):
        table = self.load()
        self.assertEqual(table.option_counts, [3, 3, 3])
        self.assertTrue(table.cost_is_known)
        self.assertEqual(table.judged((2, 1, 0)), 25)
        self.assertEqual((table.best_judged(1), table.best_judged(3), table.best_judged(99)), (0, 20, 27 + 5))
        self.assertEqual(table.best_judged(0.5), float("-inf"))
        self.assertEqual(table.frontier()[:3], [(1, 0), (2, 10), (3, 20)])

    def test_a_cost_that_is_no_sum_is_not_known(self):
        harness.write_table(self.table, cost=lambda one: 1 + one[0] * one[1])
        self.assertFalse(self.load().cost_is_known)

    def test_a_bad_table_is_refused_with_its_line(self):
        with open(self.table, encoding="utf-8") as file:
            good = file.read()
        for old, new, message in [
            ("001,1,1,1,2", "001,1,one,1,2", ":3: could not convert string to float: 'one'"),
            ("001,1,1,1,2", "000,1,1,1,2", ":3: 000 occurs twice"),
            ("001,1,1,1,2\n", "", ": holds 26 architectures, not all 27"),
            ("cost", "time", ": has no column cost; the columns are arch,run0,run1,mean,time"),
        ]:
            with self.subTest(new=new), open(self.table, "w", encoding="utf-8") as file:
                file.write(good.replace(old, new))
                file.flush()
                with self.assertRaises(problems.InputError) as caught:
                    self.load()
                self.assertIn(self.table + message, str(caught.exception))

    def test_area_under_a_frontier(self):
        self.assertEqual(problems.area([(1, 5), (3, 7)], largest=4, floor=5), 2)
        self.assertEqual(problems.area([(5, 9)], largest=4, floor=5), 0)
        self.assertEqual(problems.non_dominated([(2, 1), (1, 1), (3, 4), (3, 5)]), [(1, 1), (3, 5)])

    @unittest.skipUnless(os.access(harness.SEARCH, os.X_OK), f"{harness.SEARCH} is not built")
    def test_a_generated_space_has_here_the_optimum_that_it_has_there(self):
        file = os.path.join(self.folder, "spaces.json")
        flags = ["--generated", "5x3", "--spaces", "2", "--space-seed", "7", "--target-shares", "0"]
        done = harness.run(harness.SEARCH, *flags, "--dump-spaces", file)
        self.assertEqual(done.returncode, 0, done.stderr)
        spaces = problems.read_spaces(file)
        self.assertEqual([space.name for space in spaces], ["generated 5x3 seed 7", "generated 5x3 seed 8"])
        for space in spaces:
            every = list(itertools.product(*map(range, space.option_counts)))
            for target in space.targets_of([0.2, 0.5, 1]):
                # With a small tolerance, because costs are sums of decimals.
                best = max(space.judged(one) for one in every if space.cost(one) <= target + 1e-9)
                self.assertAlmostEqual(space.best_judged(target + 1e-9), best)


if __name__ == "__main__":
    harness.main()
