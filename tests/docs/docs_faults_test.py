"""Checks docs/develop/faults.md: every test that it names exists, and every fault has a test."""

import glob
import os
import re
import unittest

import pages

PAGE = os.path.join(pages.ROOT, "docs/develop/faults.md")
CPP = re.compile(r"\bTEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\s*\)")


def existing():
    """Returns Suite.Name of the C++ tests and Class.method of the Python tests."""
    found = set()
    for path in glob.glob(os.path.join(pages.ROOT, "tests/**/*"), recursive=True):
        if path.endswith((".cc", ".h")):
            with open(path, encoding="utf-8") as file:
                found.update(".".join(name) for name in CPP.findall(file.read()))
        elif path.endswith(".py"):
            of_class = ""
            with open(path, encoding="utf-8") as file:
                for line in file:
                    if named := re.match(r"class (\w+)", line):
                        of_class = named[1]
                    elif named := re.match(r"    def (test_\w+)", line):
                        found.add(f"{of_class}.{named[1]}")
    return found


class DocsFaultsTest(unittest.TestCase):

    def test_each_fault_has_tests_that_exist(self):
        with open(PAGE, encoding="utf-8") as file:
            items = re.split(r"\n\* ", file.read())[1:]
        there = existing()
        numbers = []
        for item in items:
            numbers.append(re.match(r"\*\*(\w+)\*\*", item)[1])
            tests = re.findall(r"`(\w+\.\w+)`", item)
            with self.subTest(numbers[-1]):
                self.assertTrue(tests)
                self.assertEqual([test for test in tests if test not in there], [])
        self.assertEqual(len(numbers), len(set(numbers)))
        self.assertGreater(len(numbers), 80)


if __name__ == "__main__":
    unittest.main()
