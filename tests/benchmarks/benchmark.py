"""Runs a benchmark program."""

import json
import os
import subprocess


def run(program, *arguments):
    """The finished process, with what it printed as text."""
    return subprocess.run(
        [os.path.join(os.environ["LAYERNAS_BIN"], program), *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=240,
        check=False,
        text=True,
    )


def lines(program, *arguments):
    """The JSON objects that it prints."""
    done = run(program, "--json", *arguments)
    if done.returncode != 0:
        raise AssertionError(f"{program} exited with {done.returncode}: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]
