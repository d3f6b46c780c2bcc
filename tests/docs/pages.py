"""Pages of the documentation whose commands are run, in order, as a reader would.

The info string of a fenced block says what is to be done with it; a reader of the page sees none of this:

    ```sh               run in the page's shell, whose folder and variables go on from block to block
    ```sh terminal      run in a terminal of its own: stays in the background until the page is over
    ```sh skip: WHY     not run
    ```yaml FILE        written to FILE in the shell's folder; the same for ```python FILE

Everything else (```text, ```yaml without a file) is to be read. A page begins in a folder that looks like the checkout
after a build, in a network of its own where all ports are free.
"""

import dataclasses
import os
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FENCE = re.compile(r"```(.*)")
# The programs log this when they are ready.
READY = "serving|worker runs"
LINKED = ("benchmarks", "deploy", "docs", "examples", "proto", "python", "scripts")


@dataclasses.dataclass(frozen=True)
class Block:
    """`info` is the text after the fence; `line` is where the text begins."""

    line: int
    info: str
    text: str

    @property
    def language(self):
        return self.info.split(" ")[0]

    @property
    def words(self):
        return self.info.partition(" ")[2]


def blocks(page):
    """Returns all fenced blocks of a page, given by its path from the root."""
    found, opened, lines = [], None, []
    with open(os.path.join(ROOT, page), encoding="utf-8") as file:
        for number, line in enumerate(file.read().splitlines(), 1):
            fence = FENCE.fullmatch(line)
            if not fence:
                lines.append(line)
            elif opened is None:
                opened, lines = (number + 1, fence.group(1).strip()), []
            else:
                found.append(Block(*opened, "\n".join(lines)))
                opened = None
    if opened is not None:
        raise AssertionError(f"{page}:{opened[0]}: the block does not end")
    return found


def script(page, shorter=()):
    """Returns a bash script that does what the page says. shorter: pairs of a text and its replacement, to save
    time."""
    lines = ["set -euo pipefail"]
    terminals = 0
    for block in blocks(page):
        text = block.text
        for long, short in shorter:
            text = text.replace(long, short)
        lines.append(f"echo '=== {page}:{block.line}'")
        if block.language in ("yaml", "python") and block.words:
            lines.append(f"cat >{block.words} <<'END OF FILE'\n{text}\nEND OF FILE")
        elif block.language == "sh" and block.words == "terminal":
            terminals += 1
            log = f'"$PAGE_FOLDER/terminal-{terminals}.log"'
            lines.append(f"({text}\n) >{log} 2>&1 &\nterminal=$!")
            lines.append(
                f"until grep -qE '{READY}' {log}; do sleep 0.1; kill -0 $terminal 2>/dev/null || {{ cat {log}; exit 1; }}; done"
            )
        elif block.language == "sh" and not block.words:
            lines.append(text)
        elif block.language == "sh" and not re.fullmatch(r"skip: \w.+", block.words):
            raise AssertionError(f"{page}:{block.line}: what does {block.info!r} mean?")
    # Programs in terminals end with this shell, which is the first process in its namespace.
    return "\n".join(lines) + "\n"


def prepare(folder, programs, stubs):
    """Makes `folder` look like a checkout with a build. Everything that a page writes stays in it and in its home."""
    checkout = os.path.join(folder, "layernas")
    os.makedirs(os.path.join(checkout, "build/release/generated"))
    os.makedirs(os.path.join(folder, "home"))
    for name in LINKED:
        os.symlink(os.path.join(ROOT, name), os.path.join(checkout, name))
    os.symlink(programs, os.path.join(checkout, "build/release/bin"))
    os.symlink(stubs, os.path.join(checkout, "build/release/generated/python"))
    return checkout


def can_isolate():
    """Returns true if this user may create a network namespace."""
    return subprocess.run([*_ISOLATED, "true"], stderr=subprocess.DEVNULL, timeout=60, check=False).returncode == 0


# All processes end with the first one.
_ISOLATED = ["unshare", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"]


def run(page, folder, programs, stubs, shorter=(), timeout_s=600):
    """Runs the page in `folder`, which must be empty. Returns (exit code, output)."""
    checkout = prepare(folder, programs, stubs)
    with open(os.path.join(folder, "page.sh"), "w", encoding="utf-8") as file:
        file.write(script(page, shorter))
    environment = {
        "HOME": os.path.join(folder, "home"),
        "PAGE_FOLDER": folder,
        # Debian's Python, which finds Debian's packages.
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        # Options of a build with sanitizers.
        **{name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")},
    }
    command = [*_ISOLATED, "bash", "-c", 'ip link set lo up && exec bash "$PAGE_FOLDER/page.sh"']
    with open(os.path.join(folder, "output.txt"), "w+", encoding="utf-8", errors="replace") as output:
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, cwd=checkout,
                timeout=timeout_s, check=False,
            )
            code = done.returncode
        except subprocess.TimeoutExpired:
            code = "none: it took too long"
        output.seek(0)
        return code, output.read()
