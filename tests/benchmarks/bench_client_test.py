"""Short runs of benchmarks/client, whose output is checked. The benchmark itself checks what a watch shows."""

import os
import unittest

import harness

FOLDER = os.path.join(harness.ROOT, "benchmarks/client")


class ClientBenchmarksTest(unittest.TestCase):

    def test_report(self):
        arguments = ["--candidates", "40", "--strategies", "layernas", "--rounds", "2"]
        (line,) = harness.json_lines(harness.python(os.path.join(FOLDER, "report.py"), *arguments))
        self.assertEqual(line["candidates"], 40)
        self.assertEqual(line["strategy"], "layernas")
        self.assertGreater(line["megabytes"], 0.05)
        for figure in ("made_s", "made_cpu_s", "interactive_s", "page_cpu_s", "sorted_and_chosen_s"):
            self.assertLessEqual(line[figure]["least"], line[figure]["median"])
            self.assertGreater(line[figure]["least"], 0)

    def test_watch_over_a_restart(self):
        arguments = ["--results", "400", "--rate", "200", "--restart", "--rounds", "2"]
        *rounds, total = harness.json_lines(harness.python(os.path.join(FOLDER, "watch.py"), *arguments))
        self.assertEqual([line["results"] for line in rounds], [400, 400])
        self.assertEqual(total["rounds"], 2)
        self.assertGreater(total["results_a_second"]["least"], 0)
        for line in rounds:
            self.assertGreater(line["controller_away_s"], 0)
            for kind in ("json_lag_s", "line_lag_s"):
                self.assertLessEqual(line[kind]["median"], line[kind]["p99"])


if __name__ == "__main__":
    harness.main()
