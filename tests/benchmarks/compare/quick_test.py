"""Runs a quick comparison from start to end, if there are tables."""

import glob
import os
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# pylint: disable=wrong-import-position
import harness
import measures


@unittest.skipUnless(os.path.isdir(harness.TABLES), f"{harness.TABLES} is not there; LAYERNAS_TABLES names the tables' folder")
class QuickTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.docs = os.path.join(self.folder, "docs")
        os.mkdir(self.docs)
        shutil.copy(os.path.join(harness.ROOT, "docs/benchmarks.md"), self.docs)

    def compare(self, *arguments):
        folders = ["--bin", harness.BIN, "--results", os.path.join(self.folder, "results"), "--docs", self.docs]
        return harness.python(harness.COMPARE, "--quick", *folders, *arguments)

    def test_from_one_end_to_the_other(self):
        done = self.compare("--tables", harness.TABLES)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(os.path.join(self.docs, "benchmarks.md"), encoding="utf-8") as file:
            document = file.read()
        self.assertIn("| 10 | 40 M |", document)
        self.assertEqual(
            sorted(os.path.basename(file) for file in glob.glob(os.path.join(self.docs, "images", "*.svg"))),
            sorted(plot for measure in measures.quick() for plot in measure.plots),
        )
        # No run is repeated.
        self.assertEqual(self.compare("--tables", harness.TABLES).stdout.count("compare: "), done.stdout.count("SKIPPED"))


if __name__ == "__main__":
    harness.main()
