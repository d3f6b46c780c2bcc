"""Runs `buf lint` on the proto files, and `buf breaking` against the last release's."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest

import repository

BUF = os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "layernas/buf/node_modules/.bin/buf"
)

# The rules of `buf breaking` and their folders: programs are generated from the API, but records
# are only decoded.
RULES = {"FILE": "layernas/v1", "WIRE": "layernas/storage/v1"}


@unittest.skipUnless(os.access(BUF, os.X_OK), f"{BUF} is not there: run scripts/install-deps --test")
class ProtoTest(unittest.TestCase):

    def test_lint(self):
        done = repository.run(BUF, "lint", "proto")
        self.assertEqual(done.returncode, 0, done.stdout)

    def git(self, *arguments, **options):
        return subprocess.run(["git", "-C", repository.ROOT, *arguments], stdout=subprocess.PIPE, timeout=60, check=False, **options)

    def released(self, folder):
        """Writes proto/ of the last release to that folder. Returns the name of the release."""
        tag = self.git("describe", "--tags", "--abbrev=0", "--match=v*", stderr=subprocess.DEVNULL, text=True)
        commit = tag.stdout.strip() if tag.returncode == 0 else repository.read("proto/baseline").strip()
        archive = self.git("archive", commit, "proto", stderr=subprocess.DEVNULL)
        if archive.returncode != 0:
            self.skipTest(f"there is no history that reaches back to {commit}: API and records are NOT compared with it")
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
        return commit

    def breaking(self, now, before, rules):
        ignored = [folder for folder in RULES.values() if folder != RULES[rules]]
        settings = json.dumps({"version": "v2", "breaking": {"use": [rules], "ignore": ignored}})
        done = repository.run(BUF, "breaking", now, "--against", before, "--config", settings)
        return done.returncode, done.stdout

    def test_nothing_breaks(self):
        with tempfile.TemporaryDirectory() as folder:
            commit = self.released(folder)
            before = os.path.join(folder, "proto")
            now = os.path.join(repository.ROOT, "proto")
            for rules in RULES:
                code, said = self.breaking(now, before, rules)
                self.assertEqual(code, 0, f"not compatible with {commit}:\n{said}")

    def test_a_break_would_be_noticed(self):
        for rules, path in (("FILE", "layernas/v1/search.proto"), ("WIRE", "layernas/storage/v1/records.proto")):
            with tempfile.TemporaryDirectory() as folder:
                now = os.path.join(folder, "proto")
                shutil.copytree(os.path.join(repository.ROOT, "proto"), now)
                text = repository.read(os.path.join("proto", path))
                # Changes the first field's number.
                changed = text.replace(" = 1;", " = 1001;", 1)
                self.assertNotEqual(changed, text)
                with open(os.path.join(now, path), "w", encoding="utf-8") as file:
                    file.write(changed)
                code, said = self.breaking(now, os.path.join(repository.ROOT, "proto"), rules)
                self.assertNotEqual(code, 0, path)
                self.assertIn(os.path.basename(path), said)


if __name__ == "__main__":
    repository.main()
