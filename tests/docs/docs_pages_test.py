"""Runs every command of the tutorial and the how-tos with the real programs."""

import os
import re
import tempfile
import unittest

import harness
import pages

PROGRAMS = harness.BIN
STUBS = os.environ["LAYERNAS_STUBS"]
# Replacements that shorten the trainings. Each text must occur in its page.
SHORTER = {
    "docs/tutorial.md": [
        ("trainings: 24", "trainings: 3"),
        ("epochs: 8", "epochs: 1"),
        ("epochs: 3", "epochs: 1"),
        ("train_examples: 2000", "train_examples: 64"),
        ("validation_examples: 1000", "validation_examples: 64"),
    ],
    "docs/howto/search-owner.md": [],
    "docs/howto/fleet-operator.md": [],
    "docs/howto/trainer-author.md": [],
}


class PagesTest(unittest.TestCase):

    def run_page(self, page):
        if not pages.can_isolate():
            self.skipTest("needs a network namespace of its own, which takes root")
        whole = "\n".join(block.text for block in pages.blocks(page))
        for long, _ in SHORTER[page]:
            self.assertIn(long, whole, f"{page} has nothing to shorten")
        with tempfile.TemporaryDirectory(prefix="layernas-page-") as folder:
            code, output = pages.run(page, folder, PROGRAMS, STUBS, SHORTER[page])
            if code != 0:
                for name in sorted(os.listdir(folder)):
                    if name.endswith(".log"):
                        with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as log:
                            output += f"\n--- {name}\n" + log.read()[-4000:]
            self.assertEqual(code, 0, f"the last block that was begun ended with {code}:\n{output}")

    def test_tutorial(self):
        self.run_page("docs/tutorial.md")

    def test_search_owner(self):
        self.run_page("docs/howto/search-owner.md")

    def test_fleet_operator(self):
        self.run_page("docs/howto/fleet-operator.md")

    def test_trainer_author(self):
        self.run_page("docs/howto/trainer-author.md")

    def test_every_how_to_is_here(self):
        there = {f"docs/howto/{name}" for name in os.listdir(os.path.join(pages.ROOT, "docs/howto"))} | {"docs/tutorial.md"}
        self.assertEqual(there, set(SHORTER))

    def test_no_command_hides_in_a_block_that_is_not_run(self):
        for page in SHORTER:
            for block in pages.blocks(page):
                self.assertIn(block.language, ("sh", "yaml", "python", "json", "text"), f"{page}:{block.line}")
                if block.language == "text":
                    self.assertNotRegex(block.text, r"(?m)^\s*(\$ |layernas[- ]|scripts/)", f"{page}:{block.line}")

    def test_a_failing_command_fails_its_page(self):
        self.assertRegex(pages.script("docs/tutorial.md"), r"\Aset -euo pipefail\n")
        for page in SHORTER:
            self.assertFalse(re.search(r"\|\| true", pages.script(page)), page)


if __name__ == "__main__":
    harness.main()
