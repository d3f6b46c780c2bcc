"""Short runs of layernas-bench-controller: it starts and stops a controller, and its figures are consistent."""

import json
import subprocess
import sys
import tempfile
import unittest

BENCH = sys.argv.pop()


class BenchControllerTest(unittest.TestCase):

    def run_bench(self, *flags):
        with tempfile.TemporaryDirectory() as parent:
            done = subprocess.run(
                [BENCH, "--parent", parent, "--json", *flags], capture_output=True, text=True, timeout=300, check=False
            )
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def check_load(self, report):
        self.assertGreater(report["evaluations_per_second"], 0)
        self.assertGreater(report["completion_p50_ms"], 0)
        self.assertGreaterEqual(report["completion_p99_ms"], report["completion_p50_ms"])
        self.assertIs(report["synced"], True)
        self.assertLessEqual(report["idle_share"], 1)
        self.assertGreater(report["controller_rss_mib"], 1)

    def test_load_with_readers_beside_it(self):
        # The space must be large enough for the fastest machine: a search without further
        # candidates ends, and its watches too.
        report = self.run_bench("--workers=16", "--batch=2", "--seconds=1", "--warm-up=0.2", "--watches=2", "--pages=10")
        self.check_load(report)
        self.assertGreater(report["watched_changes_per_second"], 0)
        self.assertEqual(report["broken_watches"], 0)
        self.assertGreater(report["page_p50_ms"], 0)

    def test_steady_rate(self):
        report = self.run_bench("--workers=16", "--rate=50", "--seconds=2", "--warm-up=0.2", "--layers=4")
        self.check_load(report)
        self.assertLess(report["evaluations_per_second"], 100)

    def test_on_results_that_are_there(self):
        report = self.run_bench("--candidates=500", "--page-reads=20", "--workers=4", "--seconds=0.5", "--warm-up=0.1")
        self.check_load(report)
        self.assertGreaterEqual(report["filled"], 500)
        self.assertGreater(report["start_seconds"], 0)
        self.assertGreater(report["page_1000_p50_ms"], 0)

    def test_parked(self):
        report = self.run_bench("--park=100", "--seconds=1", "--layers=4")
        self.assertEqual(report["parked_workers"], 100)
        self.assertGreater(report["parked_rss_mib"], 1)
        self.assertGreater(report["served_seconds"], 0)
        self.assertGreater(report["reconnected_seconds"], 0)


if __name__ == "__main__":
    unittest.main()
