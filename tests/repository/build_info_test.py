"""A build contains its commit, and is identical in every folder."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import repository


class BuildInfoTest(unittest.TestCase):

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.sources = os.path.join(self.folder, "sources")
        self.output = os.path.join(self.folder, "values.cc")
        os.mkdir(self.sources)

    def git(self, *arguments):
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
        return subprocess.run(
            ["git", "-C", self.sources, *identity, *arguments], stdout=subprocess.PIPE, timeout=60, check=True, text=True
        ).stdout.strip()

    def write(self, text):
        with open(os.path.join(self.sources, "file"), "w", encoding="utf-8") as file:
            file.write(text)

    def commit(self, *definitions):
        """Returns the commit that cmake/WriteBuildInfo.cmake finds."""
        done = repository.run(
            "cmake", f"-DSOURCE_DIR={self.sources}", f"-DOUTPUT={self.output}", "-DVERSION=1.2.3", "-DBUILD_TYPE=Release",
            *definitions, "-P", "cmake/WriteBuildInfo.cmake",
        )
        self.assertEqual(done.returncode, 0, done.stdout)
        return re.search(r'kBuild = \{"1\.2\.3", "([^"]+)", "Release"\};', repository.read(self.output)).group(1)

    def test_the_commit(self):
        self.git("init", "-q")
        self.write("one")
        self.git("add", "file")
        self.git("commit", "-q", "-m", "one")
        head = self.git("rev-parse", "HEAD")
        self.assertEqual(self.commit(), head[:12])
        written = os.stat(self.output).st_mtime_ns
        self.assertEqual(self.commit(), head[:12])
        self.assertEqual(os.stat(self.output).st_mtime_ns, written, "written again, and so all programs would be linked again")
        self.git("tag", "v1")
        self.write("two")
        self.assertEqual(self.commit(), head[:12] + "-dirty")
        self.assertEqual(self.commit("-DCOMMIT=given"), "given")

    def test_without_history_it_is_unknown(self):
        self.assertEqual(self.commit(), "unknown")
        # Also if the sources are inside another repository.
        self.git("-C", self.folder, "init", "-q")
        self.assertEqual(self.commit(), "unknown")

    def test_there_is_one_version(self):
        version = re.search(r"project\(layernas VERSION (\S+)", repository.read("CMakeLists.txt")).group(1)
        self.assertIn(f'\nversion = "{version}"\n', repository.read("python/pyproject.toml"))
        self.assertRegex(repository.read("CHANGELOG.md"), rf"(?m)\A[^#]*# [^#]*\n## {re.escape(version)}, ")

    def test_packages_do_not_depend_on_the_folder(self):
        """Compiles one source file with the flags of the preset `package`, with debug information, which contains the
        most paths."""
        presets = json.loads(repository.read("CMakePresets.json"))["configurePresets"]
        (flags,) = [each["cacheVariables"]["CMAKE_CXX_FLAGS"] for each in presets if each["name"] == "package"]
        source = "common/base/random.cc"

        def build(folder, flags):
            top = os.path.join(self.folder, folder)
            os.makedirs(os.path.join(top, "build"), exist_ok=True)
            for name in (source, source.replace(".cc", ".h")):
                os.makedirs(os.path.dirname(os.path.join(top, name)), exist_ok=True)
                shutil.copy(os.path.join(repository.ROOT, name), os.path.join(top, name))
            done = repository.run(
                "g++", "-std=c++20", "-O2", "-g", *flags.replace("${sourceDir}", top).split(), f"-I{top}", "-c",
                os.path.join(top, source), "-o", "random.o", cwd=os.path.join(top, "build"),
            )
            self.assertEqual(done.returncode, 0, done.stdout)
            with open(os.path.join(top, "build/random.o"), "rb") as file:
                return file.read()

        self.assertEqual(build("here", flags), build("there", flags))
        # Without the flags, the builds differ.
        self.assertNotEqual(build("here", ""), build("there", ""))


if __name__ == "__main__":
    repository.main()
