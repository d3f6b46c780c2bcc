"""Tests the tables and plots of the comparison."""

import os
import sys
import tempfile
import unittest
import xml.etree.ElementTree

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# pylint: disable=wrong-import-position
import harness
import measures
import plots
import tables

DOCUMENT = """# Title

<!-- generated: one -->

old

<!-- end of generated -->

between

<!-- generated: two -->
<!-- end of generated -->
"""


def line(strategy, trainings, regret, **more):
    common = {"target": 4e7, "answered": 1.0}
    return {"strategy": strategy, **common, "trainings": trainings, "mean_regret_judged": regret, "error_regret_judged": 0.1, **more}


class TablesTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = os.path.join(folder.name, "document.md")
        self.write(DOCUMENT)

    def write(self, text):
        with open(self.file, "w", encoding="utf-8") as file:
            file.write(text)

    def test_a_block_alone_is_replaced_and_again(self):
        for text in ("new", "newer\n\nlines"):
            tables.replace_block(self.file, "one", text)
            with open(self.file, encoding="utf-8") as file:
                self.assertEqual(file.read(), DOCUMENT.replace("old", text))

    def test_a_document_without_the_marker_is_refused(self):
        for text in ("", DOCUMENT + DOCUMENT, DOCUMENT.replace("end of", "")):
            self.write(text)
            with self.assertRaises(tables.DocumentError):
                tables.replace_block(self.file, "one", "new")

    def test_a_comparison_names_the_best_and_the_factor(self):
        lines = [line("random", 50, 0.5), line("optuna_tpe", 50, 0.2), line("guided_layernas", 50, 0.05)]
        lines.append(line("random", 100, 0.4))
        text = measures.compared(lines, [measures.trainings], ["trainings"], "mean_regret_judged")
        self.assertEqual(
            text.splitlines(),
            [
                "| trainings | random | Optuna TPE | guided LayerNAS | best other ÷ guided |",
                "| --- | --- | --- | --- | --- |",
                "| 50 | 0.500 | 0.200 | **0.050** | 4.0 |",
                "| 100 | **0.400** | – | – | – |",
            ],
        )

    def test_a_rival_that_is_better_is_shown_as_better(self):
        lines = [line("optuna_tpe", 50, 0.02), line("guided_layernas", 50, 0.05), line("layernas", 50, 90.1, answered=0.0)]
        text = measures.compared(lines, [measures.trainings], ["trainings"], "mean_regret_judged")
        self.assertIn("| **0.020** | no answer | 0.050 | 0.4 |", text)


class PlotsTest(unittest.TestCase):

    def parsed(self, svg):
        root = xml.etree.ElementTree.fromstring(svg)
        texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
        return root, texts

    def test_over_trainings(self):
        guided = [(50, 0.04, 0.2), (100, 0.02, 0.01)]
        series = {"cost ≤ 1 & 2": {"random": [(50, 0.4, 0.1), (100, 0.0, 0.0)], "guided_layernas": guided}}
        root, texts = self.parsed(plots.over_trainings(series, "regret"))
        for words in ("cost ≤ 1 & 2", "trainings", "regret", "50", "100", "random", "guided LayerNAS", "0.1"):
            self.assertIn(words, texts)
        self.assertNotIn("Optuna TPE", texts)
        self.assertIn("prefers-color-scheme:dark", root.find("{http://www.w3.org/2000/svg}style").text)

    def test_by_case(self):
        cases = {"one": {"random": (0.4, 0.1), "guided_layernas": (0.04, 0.05)}, "two": {"random": (4, 1)}}
        _, texts = self.parsed(plots.by_case(cases, "regret"))
        for words in ("one", "two", "regret", "random", "guided LayerNAS", "0.1", "1"):
            self.assertIn(words, texts)


class MeasuresTest(unittest.TestCase):

    def test_every_run_has_its_own_command(self):
        for every in (measures.full(), measures.quick()):
            runs = [(run.measure, run.program, run.arguments) for measure in every for run in measure.runs]
            self.assertEqual(len(runs), len(set(runs)))

    def test_the_documents_have_room_for_every_measure(self):
        with open(os.path.join(harness.ROOT, "docs/benchmarks.md"), encoding="utf-8") as file:
            document = file.read()
        for measure in measures.full():
            self.assertEqual(document.count(tables.BEGIN.format(measure.name)), 1, measure.name)
            for plot in measure.plots:
                self.assertTrue(os.path.exists(os.path.join(harness.ROOT, "docs/images", plot)), plot)

class ProgramTest(unittest.TestCase):

    def test_says_what_is_missing(self):
        with tempfile.TemporaryDirectory() as folder:
            flags = ["--quick", "--bin", harness.BIN, "--results", folder, "--docs", folder]
            done = harness.python(harness.COMPARE, *flags, "--measures", "nas_bench_macro", LAYERNAS_TABLES="")
            self.assertEqual(done.returncode, 77, done.stderr)
            self.assertIn("--tables or LAYERNAS_TABLES", done.stdout)
            done = harness.python(harness.COMPARE, *flags, "--measures", "none")
            self.assertEqual(done.returncode, 1)
            self.assertIn("unknown measure none; expected one of nas_bench_macro", done.stderr)


if __name__ == "__main__":
    harness.main()
