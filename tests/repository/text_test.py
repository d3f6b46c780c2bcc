"""Text that is never right (scripts/check-text), and that it would be noticed."""

import os
import tempfile
import unittest

import repository

WRONG = {
    "page.md": (
        "# Page\n\n" + "x " * 70 + "\n\nStart it anew, for it has ended. [A page](no/such.md)\n\n```\nanew, in output\n```\n",
        [":3: 140 columns", ":5: the link no/such.md leads nowhere", ":5: 'anew'", ":5: 'for it"],
    ),
    "code.cc": (
        "// Of the search.\nint a;  // lest it fails\n// The first.\n// Of the search, in a sentence that goes on.\n// What is left.\n",
        [":1: 'Of the search.'", ":2: 'lest'"],
    ),
    "more.cc": ("int a;\n// What is left.\nint b;\n// What is it?\n", [":2: 'What is left.'"]),
}


class TextTest(unittest.TestCase):

    def test_nothing_that_is_never_right(self):
        done = repository.run("scripts/check-text")
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_mistakes_would_be_noticed(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, (text, wanted) in WRONG.items():
                path = os.path.join(folder, name)
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
                done = repository.run("scripts/check-text", path)
                self.assertEqual(done.returncode, 1, done.stdout)
                found = [line.removeprefix(path) for line in done.stdout.splitlines()]
                self.assertEqual(len(found), len(wanted), found)
                for line, start in zip(found, wanted):
                    self.assertTrue(line.startswith(start), f"{line!r} is not {start!r}")


if __name__ == "__main__":
    repository.main()
