"""The pages for contributors (CONTRIBUTING.md, docs/develop): files, tests and build targets that they name exist, and the
diffs that they show still fit the code."""

import fnmatch
import glob
import os
import re
import shlex
import shutil
import subprocess
import unittest

import docs_faults_test
import pages

PATH = re.compile(r"[\w./*-]+")
FILE = re.compile(r"[\w*-]+\.(cc|h|py|proto|patch|dict|md|yaml|yml|txt|json|js|supp)")
# The functions that make targets and tests.
TARGET = re.compile(r"\b(layernas_\w+|\w+_test|add_test|add_executable|add_custom_target)\((?:NAME )?(?!NAME)([\w-]+)")
# A metric with its labels.
METRIC = re.compile(r"(layernas_\w+?)(?:_sum|_count|_bucket)?(?:\{.*\})?")
# What a program prints: words in lower case. The part after an ellipsis differs each time.
PRINTED = re.compile(r"([a-z][\w']*[ :][^…=]*[^…= ])( …)?")
# The info string and the content of a block of code.
BLOCK = re.compile(r"(?ms)^ *```([^\n]*)\n(.*?)^ *```$")
COMMANDS = re.compile(r"(layernas|scripts/|ctest|git|clang-format|iostat|perf|build/)")
LABEL = re.compile(r"\bLABELS (\w+)")
NAMED_TEST = re.compile(r"([A-Z]\w+)\.(\w+)")
# Names that only tests, fuzz targets and benchmarks have.
NAMED_TARGET = re.compile(r"[a-z]\w*_(?:test|fuzz)|layernas-bench-\w+")


def read(name):
    with open(os.path.join(pages.ROOT, name), encoding="utf-8") as file:
        return file.read()


def checked_pages():
    return ["CONTRIBUTING.md", *sorted(glob.glob("docs/develop/**/*.md", root_dir=pages.ROOT, recursive=True))]


def joined_diffs(text):
    """The diff of a page: all its diff blocks in order."""
    return "".join(block for info, block in BLOCK.findall(text) if info == "diff")


def why_not_applied(diff):
    """Returns what git says if the diff does not apply to the tree, else an empty text.

    The lines may have moved since. It works without a repository too, as in a source archive."""
    command = ["git", "apply", "--check", "-"]
    done = subprocess.run(command, cwd=pages.ROOT, input=diff, capture_output=True, timeout=30, check=False, text=True)
    return "" if done.returncode == 0 else done.stderr or f"git exits with {done.returncode}"


def is_there(path):
    return bool(glob.glob(os.path.join(pages.ROOT, path.rstrip("/"))))


class Names:
    """The files, tests, targets, labels and metrics of the repository. Faults are texts; none means that all is there."""

    def __init__(self):
        self.top = {name for name in os.listdir(pages.ROOT) if name not in ("build", ".git")}
        self.files, self.targets, self.labels = set(), set(), set()
        for folder in sorted(self.top):
            for path, _, names in os.walk(os.path.join(pages.ROOT, folder)):
                self.files.update(names)
                for name in names:
                    if name != "CMakeLists.txt" and not name.endswith(".cmake"):
                        continue
                    with open(os.path.join(path, name), encoding="utf-8") as file:
                        text = file.read()
                    self.labels.update(LABEL.findall(text))
                    for function, target in TARGET.findall(text):
                        self.targets.add(f"layernas_{target}" if function == "layernas_library" else target)
        self.files |= self.top
        self.metrics = set(re.findall(r"(?m)^\| `(\w+)", read("docs/metrics.md")))
        self.sources = "".join(
            read(name) for folder in ("common", "controller", "worker", "client")
            for name in glob.glob(f"{folder}/**/*.cc", root_dir=pages.ROOT, recursive=True)
        )
        self.tests = docs_faults_test.existing()
        self.suites = {test.partition(".")[0] for test in self.tests}

    def path_fault(self, text):
        """The fault of a text that is a path, else None."""
        if not PATH.fullmatch(text) or text.startswith(("/", "build/", "..")):
            return None
        if "/" in text:
            is_path = text.split("/")[0] in self.top or FILE.fullmatch(os.path.basename(text))
            return f"there is no {text}" if is_path and not is_there(text) else None
        if FILE.fullmatch(text) and not fnmatch.filter(self.files, text):
            return f"no file is called {text}"
        return None

    def test_fault(self, text):
        if text in self.targets or text in self.tests:
            return None
        if NAMED_TARGET.fullmatch(text):
            return f"there is no test or target {text}"
        if named := NAMED_TEST.fullmatch(text):
            # Members of classes and enums look the same; only those of test suites are tests.
            is_test = named[1] in self.suites or named[1].endswith("Test")
            return f"there is no test {text}" if is_test else None
        return None

    def metric_fault(self, text):
        named = METRIC.fullmatch(text)
        if not named or text in self.targets or named[1] in self.metrics:
            return None
        return f"docs/metrics.md has no {named[1]}"

    def printed_fault(self, text):
        named = PRINTED.fullmatch(text)
        if not named or COMMANDS.match(text) or f'"{named[1]}' in self.sources:
            return None
        return f"no program prints {named[1]!r}"

    def command_faults(self, line):
        """The faults of a line of a shell block."""
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            return []  # a text, not a command
        for end in ("&&", ";", "|"):
            if end in words:
                first = words.index(end)
                return self.word_faults(words[:first]) + self.command_faults(shlex.join(words[first + 1:]))
        return self.word_faults(words)

    def word_faults(self, words):
        """The faults of one command."""
        faults = [fault for word in words for fault in [self.path_fault(word)] if fault]
        for option, wanted in zip(words, words[1:]):
            known = {"-R": self.targets, "-L": self.labels, "-LE": self.labels}.get(option)
            if words[0] in ("ctest", "scripts/test") and known and not any(re.search(wanted, each) for each in known):
                faults.append(f"nothing matches {option} {wanted}")
        for word in words:
            if built := re.fullmatch(r"build/\w+/(?:tests|fuzz|bin)/([\w-]+)", word):
                if built[1] not in self.targets:
                    faults.append(f"nothing builds {word}")
            if patterns := re.fullmatch(r"--gtest_filter=(.*)", word):
                for pattern in patterns[1].split(":"):
                    if not fnmatch.filter(self.tests, pattern):
                        faults.append(f"no test matches {pattern}")
            if NAMED_TEST.fullmatch(word) and word not in self.tests:
                faults.append(f"there is no test {word}")
        if words[:1] == ["scripts/build"]:
            faults += [f"there is no target {word}" for word in words[2:] if word not in self.targets and word.islower()]
        if words[:1] == ["scripts/fuzz"]:
            faults += [f"there is no target {word}" for word in words if word.endswith("_fuzz") and word not in self.targets]
        return faults

    def diff_faults(self, text):
        """Files of a diff that do not exist, and removed lines that are not in their file any more."""
        faults, before = [], None
        for line in text.splitlines():
            if line.startswith("--- "):
                before = None if line == "--- /dev/null" else line.removeprefix("--- a/")
                if before and not is_there(before):
                    faults.append(f"there is no {before}")
            elif line.startswith("+++ ") and before is None and is_there(line.removeprefix("+++ b/")):
                faults.append(f"{line.removeprefix('+++ b/')} is not new")
            elif line.startswith("-") and before and is_there(before) and line[1:] not in read(before).splitlines():
                faults.append(f"{before} has no line {line[1:].strip()!r}")
        return faults

    def page_faults(self, text):
        faults, added = [], ""
        for info, block in BLOCK.findall(text):
            if info == "diff":
                faults += self.diff_faults(block)
                added += "".join(line for line in block.splitlines() if line.startswith("+"))
            elif info in ("", "sh"):
                for line in block.replace("\\\n", " ").splitlines():
                    faults += self.command_faults(line)
        checks = (self.path_fault, self.test_fault, self.metric_fault)
        prose = re.sub(r"(?ms)^ *```.*?^ *```$", "", text)
        for code in re.findall(r"`([^`]+)`", prose):
            if code.startswith(("scripts/", "ctest ", "build/")) and " " in code:
                faults += self.command_faults(code)
            elif code not in added:
                faults += [fault for check in checks for fault in [check(code)] if fault]
        return faults

    def printed_faults(self, text):
        prose = re.sub(r"(?ms)^ *```.*?^ *```$", "", text)
        return [fault for code in re.findall(r"`([^`]+)`", prose) for fault in [self.printed_fault(code)] if fault]


class DocsDevelopTest(unittest.TestCase):

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.names = Names()

    def test_what_the_pages_name_is_there(self):
        self.assertGreater(len(checked_pages()), 8)
        for page in checked_pages():
            with self.subTest(page):
                self.assertEqual(self.names.page_faults(read(page)), [])

    @unittest.skipUnless(shutil.which("git"), "git is not installed: whether the diffs apply to the code was NOT checked")
    def test_the_diffs_apply_to_the_code(self):
        diffs = {page: joined_diffs(read(page)) for page in checked_pages()}
        self.assertGreater(sum(bool(diff) for diff in diffs.values()), 5)
        for page, diff in diffs.items():
            if diff:
                with self.subTest(page):
                    self.assertEqual(why_not_applied(diff), "")

    @unittest.skipUnless(shutil.which("git"), "git is not installed: a stale diff was NOT tried")
    def test_a_diff_that_does_not_apply_would_be_noticed(self):
        first = read("controller/main.cc").splitlines()[0]
        diff = "--- a/controller/main.cc\n+++ b/controller/main.cc\n@@ -1,1 +1,2 @@\n+// Added.\n {}\n"
        self.assertEqual(why_not_applied(diff.format(first)), "")
        self.assertIn("patch does not apply", why_not_applied(diff.format("nothing of the kind")))

    def test_programs_print_what_is_said_to_be_printed(self):
        page = read("docs/develop/debugging.md")
        self.assertEqual(self.names.printed_faults(page), [])
        self.assertEqual(len(self.names.printed_faults("`nothing of the kind is printed`")), 1)
        self.assertEqual(self.names.printed_faults("`lease expired`, `nothing was heard from the worker`"), [])

    def test_the_pages_are_linked(self):
        linked = set()
        for page in ("CONTRIBUTING.md", "ARCHITECTURE.md", *checked_pages()):
            for target in re.findall(r"\]\(([^)#\s]+)", read(page)):
                linked.add(os.path.normpath(os.path.join(os.path.dirname(page), target)))
        self.assertEqual([page for page in checked_pages()[1:] if page not in linked], [])

    def test_what_is_not_there_would_be_noticed(self):
        for text in (
            "`controller/core/nothing.cc`",
            "`nothing.cc`",
            "`core/buckets.h`",
            "`tests/fuzz/nothing_*.cc`",
            "`nothing_test`",
            "`nothing_fuzz`",
            "`layernas-bench-nothing`",
            "`LeasesTest.Nothing`",
            "`NothingTest.test_x`",
            "`layernas_nothing_total`",
            "`scripts/build release nothing_test`",
            "```\nscripts/nothing\n```",
            "```\nscripts/build release nothing_test\n```",
            "```\nscripts/test -- -R nothing_test\n```",
            "```\nctest --test-dir build/release -L nothing\n```",
            "```\nbuild/release/tests/nothing_test\n```",
            "```\nbuild/release/tests/buckets_test --gtest_filter='Nothing.*'\n```",
            "```\nscripts/fuzz --minutes 1 nothing_fuzz\n```",
            "```\nscripts/build release && build/release/bin/nothing\n```",
            "```diff\n--- a/controller/nothing.cc\n+++ b/controller/nothing.cc\n```",
            "```diff\n--- /dev/null\n+++ b/controller/main.cc\n```",
            "```diff\n--- a/controller/main.cc\n+++ b/controller/main.cc\n-nothing of the kind\n```",
        ):
            self.assertEqual(len(self.names.page_faults(text)), 1, (text, self.names.page_faults(text)))
        for text in (
            "`controller/core`",
            "`main.cc`",
            "`buckets_test`",
            "`tests/fuzz/*_fuzz.cc`",
            "`World::Faults`",
            "`build/x`",
            "`layernas_rpc_seconds{method}`",
            "`layernas_rpc_seconds_sum`",
        ):
            self.assertEqual(self.names.page_faults(text), [], text)


if __name__ == "__main__":
    unittest.main()
