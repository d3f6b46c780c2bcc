"""The programs' version information: one version and their sources, without local paths."""

import os
import re
import subprocess
import unittest

import harness

PROGRAMS = ("layernas", "layernas-controller", "layernas-worker", "layernas-trainer")


class VersionTest(unittest.TestCase):

    def setUp(self):
        # A build without torch has no trainer.
        self.programs = [name for name in PROGRAMS if os.path.exists(os.path.join(harness.BIN, name))]

    def test_all_say_the_same(self):
        with open(os.path.join(harness.REPOSITORY, "CMakeLists.txt"), encoding="utf-8") as file:
            version = re.search(r"project\(layernas VERSION (\S+)", file.read()).group(1)
        said = set()
        for name in self.programs:
            done = subprocess.run(
                [os.path.join(harness.BIN, name), "--version"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                timeout=harness.PATIENCE_S, check=False, text=True,
            )
            self.assertEqual(done.returncode, 0, done.stdout)
            form = rf"{name} ({re.escape(version)} \(commit (?:[0-9a-f]{{12}}(?:-dirty)?|unknown), \w+\))\n"
            self.assertRegex(done.stdout, rf"^{form}$")
            said.add(re.match(form, done.stdout).group(1))
        self.assertEqual(len(said), 1, said)

    def test_no_program_tells_where_it_was_built(self):
        done = subprocess.run([os.path.join(harness.BIN, "layernas"), "--version"], stdout=subprocess.PIPE, check=True)
        if b"Release" not in done.stdout:
            self.skipTest("only a release promises that; others say it to debuggers")
        for name in self.programs:
            with open(os.path.join(harness.BIN, name), "rb") as file:
                self.assertNotIn(harness.REPOSITORY.encode(), file.read(), name)


if __name__ == "__main__":
    harness.main()
