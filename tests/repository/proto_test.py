"""`buf lint` of the proto files."""

import os
import unittest

import repository

BUF = os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "layernas/buf/node_modules/.bin/buf"
)


@unittest.skipUnless(os.access(BUF, os.X_OK), f"{BUF} is not there: run scripts/install-deps --test")
class ProtoLintTest(unittest.TestCase):

    def test_lint(self):
        done = repository.run(BUF, "lint", "proto")
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    repository.main()
