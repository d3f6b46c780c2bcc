"""Checks that no file of the repository belongs to one machine, is too large, is binary, or cannot be parsed."""

import json
import os
import re
import unittest

import repository

LARGEST_BYTES = 1 << 20
# Absolute paths of a user's machine. Written so that this file does not match.
MACHINE_PATH = re.compile(r"(?<![\w./-])/(?:work|root|home)/(?=[\w.])")
# The default folder of the benchmark tables is next to the checkout (see LAYERNAS_TABLES). Nothing
# else may be outside of it.
BESIDE = re.compile(r"\.\./shared\b(/\w+)?")
# Created by scripts/demo-dashboards --screenshots.
PICTURE = re.compile(r"docs/images/[\w-]+\.png")
SHELL = re.compile(r"#!\s*(/usr)?/bin/(env )?(ba|da)?sh\b")


class TidinessTest(unittest.TestCase):

    def test_no_machine_paths(self):
        found = []
        for name in repository.files():
            text = repository.read(name)
            for number, line in enumerate(text.splitlines(), 1):
                if MACHINE_PATH.search(line):
                    found.append(f"{name}:{number}: {line.strip()}")
                for match in BESIDE.finditer(line):
                    if match.group(1) != "/data" or "LAYERNAS_TABLES" not in text:
                        found.append(f"{name}:{number}: {line.strip()}")
        self.assertEqual(found, [], "\n" + "\n".join(found))

    def test_machine_paths_would_be_noticed(self):
        for line in ("x = '/{}/main/y'", "see /{}/me/z", "(/{}/a)", "a:/{}/b"):
            for folder in ("work", "root", "home"):
                self.assertTrue(MACHINE_PATH.search(line.format(folder)), line)
        for line in ("controller/worker/agent", "/worker/x", "build/work/x", "../home/x"):
            self.assertFalse(MACHINE_PATH.search(line), line)

    def test_no_file_is_big_or_binary(self):
        for name in repository.files():
            path = os.path.join(repository.ROOT, name)
            self.assertLessEqual(os.path.getsize(path), LARGEST_BYTES, name)
            if PICTURE.fullmatch(name):
                continue
            with open(path, "rb") as file:
                content = file.read()
            self.assertNotIn(b"\0", content, f"{name} is binary")
            try:
                content.decode()
            except UnicodeDecodeError as error:
                self.fail(f"{name} is not UTF-8: {error}")

    def test_shell_scripts_parse(self):
        scripts = [name for name in repository.files() if name.endswith(".sh") or SHELL.match(repository.read(name)[:40])]
        self.assertIn("scripts/install-deps", scripts)
        for name in scripts:
            done = repository.run("bash", "-n", name)
            self.assertEqual((done.returncode, done.stdout), (0, ""), name)
            self.assertTrue(os.access(os.path.join(repository.ROOT, name), os.X_OK), f"{name} is not executable")

    def test_python_and_json_parse(self):
        for name in repository.files():
            if name.endswith(".py"):
                compile(repository.read(name), name, "exec")
            elif name.endswith(".json"):
                json.loads(repository.read(name))


if __name__ == "__main__":
    repository.main()
