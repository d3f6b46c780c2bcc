"""Checks the output of scripts/sbom for this build with CycloneDX's schema and against the programs."""

import json
import os
import re
import subprocess
import unittest

import harness

CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "layernas/cyclonedx")
VALIDATE = """
const { Validation, Spec } = require('@cyclonedx/cyclonedx-library');
const text = require('fs').readFileSync(0, 'utf8');
new Validation.JsonStrictValidator(Spec.Version.v1dot5).validate(text).then((errors) => {
  if (errors !== null) console.log(JSON.stringify(errors.slice(0, 3)));
});
"""


class SbomTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        done = subprocess.run(
            [os.path.join(harness.REPOSITORY, "scripts/sbom"), os.path.dirname(harness.BIN)],
            stdout=subprocess.PIPE, check=True, timeout=250, text=True,
        )
        cls.text = done.stdout
        cls.components = {each["name"]: each for each in json.loads(done.stdout)["components"]}

    def validate(self, text):
        done = subprocess.run(
            ["node", "-e", VALIDATE], input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False,
            text=True, env={**os.environ, "NODE_PATH": os.path.join(CACHE, "node_modules")},
        )
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    @unittest.skipUnless(os.path.isdir(CACHE), f"{CACHE} is not there: run scripts/install-deps --test")
    def test_schema(self):
        self.assertEqual(self.validate(self.text), "")
        self.assertIn("/components/0/type", self.validate(self.text.replace('"type": "library"', '"type": "libary"', 1)))

    def test_every_library_is_there(self):
        listed = subprocess.run(["ldd", os.path.join(harness.BIN, "layernas-controller")], stdout=subprocess.PIPE, check=True, text=True)
        self.assertIn("librocksdb.so", listed.stdout)
        uses = {name: each["properties"][0]["value"] for name, each in self.components.items()}
        for name in ("librocksdb7.8", "libgrpc++1.51", "libprotobuf32", "libyaml-cpp0.7", "libc6"):
            self.assertEqual(uses.get(name), "linked", name)
        # Header-only libraries.
        for name in ("libcli11-dev", "libeigen3-dev", "nlohmann-json3-dev"):
            self.assertEqual(uses.get(name), "headers compiled in", name)
        for name, each in self.components.items():
            self.assertTrue(re.fullmatch(r"pkg:deb/debian/\S+@\S+\?arch=\w+&distro=debian-12", each["purl"]), name)


if __name__ == "__main__":
    harness.main()
