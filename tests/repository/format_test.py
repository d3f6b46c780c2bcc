"""clang-format changes no C++ file."""

import shutil
import unittest

import repository


@unittest.skipUnless(shutil.which("clang-format"), "clang-format is not there: run scripts/install-deps --test")
class FormatTest(unittest.TestCase):

    def test_every_file_is_formatted(self):
        files = repository.cpp_files()
        self.assertGreater(len(files), 10)
        done = repository.run("clang-format", "--dry-run", "-Werror", *files)
        bad = sorted({line.split(":", 1)[0] for line in done.stdout.splitlines() if "error:" in line})
        self.assertEqual(done.returncode, 0, f"to be formatted: clang-format -i {' '.join(bad)}\n{done.stdout[-2000:]}")


if __name__ == "__main__":
    repository.main()
