"""layernas-bench-guided measures everything that it should measure."""

import os
import unittest

import harness

PROGRAM = os.path.join(harness.BIN, "layernas-bench-guided")


def run(*arguments):
    return harness.run(PROGRAM, *map(str, arguments))


def lines(*arguments):
    return harness.json_lines(run("--json", *arguments))


class GuidedTest(unittest.TestCase):

    def check_times(self, line):
        # From 600 results on, the models are fitted again after each further hundredth.
        counts = {
            "handover": 11,
            "observe": 10,
            "proposal": 8,
            "batch": 1,
            "refit_and_proposal": 1,
            "variances_refit_and_proposal": 1,
        }
        for what, count in counts.items():
            times = line[f"{what}_milliseconds"]
            self.assertEqual(times["count"], count, what)
            self.assertLessEqual(times["median"], times["p90"], what)
            self.assertLessEqual(times["p90"], times["highest"], what)

    def test_times(self):
        size = ("--layers", 8, "--options", 3, "--results", 600, "--proposals", 9, "--batch", 3, "--under-way", 2)
        for measured in (False, True):
            (line,) = lines(*size, *(["--measured-cost"] if measured else []))
            self.assertEqual((line["layers"], line["options"], line["results"]), (8, 3, 600))
            self.assertGreater(line["cost_bins"], 0)
            self.assertEqual(line["measured_cost"], measured)
            self.check_times(line)

    def test_more_results_than_the_space_offers(self):
        done = run("--layers", 2, "--options", 3, "--results", 5)
        self.assertEqual(done.returncode, 2)
        self.assertIn("at most half of the space, which has 9 architectures", done.stderr)


if __name__ == "__main__":
    harness.main()
