"""Functions that the repository's checks share."""

import os
import subprocess
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_NOT_OURS = {".git", ".cache", "build", "__pycache__", "node_modules"}


def files(root=ROOT):
    """Returns the paths, relative to the root, of all files that are committed or could be."""
    listed = subprocess.run(
        ["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    if listed.returncode == 0:
        names = [name.decode() for name in listed.stdout.split(b"\0") if name]
    else:
        # A copy without history: an archive, or the context of an image's build.
        names = []
        for folder, folders, entries in os.walk(root):
            folders[:] = [name for name in folders if name not in _NOT_OURS]
            names += [os.path.relpath(os.path.join(folder, entry), root) for entry in entries]
    return sorted(name for name in names if os.path.isfile(os.path.join(root, name)))


def cpp_files():
    return [name for name in files() if name.endswith((".cc", ".h"))]


def read(name, root=ROOT):
    with open(os.path.join(root, name), encoding="utf-8", errors="replace") as file:
        return file.read()


def run(*command, **options):
    """Returns the finished process with its output as text."""
    return subprocess.run(
        command,
        cwd=options.pop("cwd", ROOT),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=240,
        check=False,
        text=True,
        **options,
    )


def prometheus_program(name):
    """Returns the path of Debian's prometheus or promtool, which scripts/install-deps --test unpacks."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = os.path.join(cache, "layernas/prometheus/usr/bin", name)
    if not os.access(path, os.X_OK):
        raise AssertionError(f"{path} is not there: run scripts/install-deps --test")
    return path


def main():
    """Runs the calling file's tests. Exits with 77, which CTest treats as "skipped", if every test was skipped."""
    result = unittest.main(verbosity=2, exit=False).result
    skipped = len(result.skipped)
    sys.exit(1 if not result.wasSuccessful() else 77 if skipped and skipped == result.testsRun else 0)
