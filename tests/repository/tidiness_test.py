"""Nothing in the repository that belongs to one machine, is too big, is binary, or does not even parse."""

import json
import os
import re
import unittest

import repository

LARGEST_BYTES = 1 << 20
# Absolute paths of somebody's machine. Written so that this file doesn't match itself.
MACHINE_PATH = re.compile(r"(?<![\w./-])/(?:work|root|home)/(?=[\w.])")
# Benchmark tables may lie beside the checkout, where LAYERNAS_TABLES doesn't say otherwise; nothing else may be sought there.
BESIDE = re.compile(r"\.\./shared\b(/\w+)?")
# Made by scripts/demo-dashboards --screenshots.
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
