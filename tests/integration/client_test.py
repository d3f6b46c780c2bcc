"""Tests the `layernas` program as users see it: on a terminal, in a shell, and during a restart of the controller."""

import glob
import os
import pty
import re
import signal
import socket
import subprocess
import threading
import time

import grpc

import harness
from layernas.v1 import search_pb2
from spaces import Space

LAYERNAS = os.path.join(harness.BIN, "layernas")
ERASE = re.compile(r"\x1b\[\d+A\r\x1b\[J")


class Terminal:
    """A program on its own terminal, with what it wrote there."""

    def __init__(self, test, *arguments, environment=None, answers=False):
        """answers: standard input is the terminal too."""
        self._master, slave = pty.openpty()
        self.output = b""
        self.process = subprocess.Popen(
            [LAYERNAS, *arguments],
            stdin=slave if answers else subprocess.DEVNULL, stdout=slave, stderr=slave,
            env={**os.environ, "TERM": "xterm", **(environment or {})},
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        test.addCleanup(self.end)

    def _read(self):
        while True:
            try:
                read = os.read(self._master, 65536)
            except OSError:
                return  # the other side is closed
            if not read:
                return
            self.output += read

    def type(self, text):
        os.write(self._master, text.encode())

    def wait(self):
        """Returns the exit code and the final screen."""
        code = self.process.wait(harness.PATIENCE_S)
        self._reader.join(harness.PATIENCE_S)
        return code, self.screen()

    def screen(self):
        """Returns the last drawn screen."""
        return ERASE.split(self.output.decode(errors="replace"))[-1].replace("\r\n", "\n")

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join(harness.PATIENCE_S)
        os.close(self._master)


class ClientTest(harness.IntegrationTest):

    def test_a_first_interrupt_ends_a_command_whose_controller_hangs(self):
        hanging = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(hanging.close)
        spec = os.path.join(harness.REPOSITORY, "examples/shapes10.yaml")
        for command in (["wait", "x-1"], ["watch", "x-1"], ["submit", "--watch", spec]):
            process = subprocess.Popen(
                [LAYERNAS, "search", *command, f"--controller=127.0.0.1:{hanging.getsockname()[1]}"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
            # The command has connected, so it calls.
            self.addCleanup(hanging.accept()[0].close)
            process.send_signal(signal.SIGINT)
            # Sooner than the deadline of a call.
            self.assertEqual(process.wait(timeout=10), 130, command)

    def search_of(self, api, space, trainings, name="seen", **strategy):
        spec = space.spec(name, **strategy)
        spec.strategy.random.SetInParent()
        spec.budget.trainings = trainings
        spec.objective.targets.extend([space.dearest() / 2, space.dearest()])
        return api.create(spec).name

    def test_watch_on_a_terminal_over_a_restart(self):
        space = Space(layers=5, options=4, seed=81)
        table = space.write_table(self.path("table.csv"))
        server = self.controller(port=harness.free_port())
        api = self.client(server)
        search = self.search_of(api, space, 400)
        watch = Terminal(self, "search", "watch", "seen", "--controller", server.address, environment={"NO_COLOR": "1"})
        # Slow enough that a busy machine can show the fleet before the search ends.
        self.worker(server, "tabular", *harness.tabular_flags(table, delay="25ms"))
        harness.wait_for(lambda: api.search(search).progress.succeeded > 50, "some results")
        harness.wait_for(lambda: "fleet     1 worker" in watch.screen(), "the fleet to be shown")
        server.kill()
        harness.wait_for(lambda: b"was lost; retrying" in watch.output, "the watch to notice")
        server.start()
        # The old connection may only now notice that it is broken.
        api = self.client(server)
        code, screen = watch.wait()
        self.assertEqual(code, 0, screen)
        self.assertIn(b"reconnected", watch.output)
        ended = api.search(search)
        self.assertEqual(ended.state, search_pb2.SEARCH_STATE_SUCCEEDED)
        progress = ended.progress
        self.assertIn(f"{search.split('/')[1]} has succeeded", screen)
        self.assertIn(f"{progress.trainings}/400 trainings", screen)
        self.assertIn(
            f"0 running, 0 queued, {progress.succeeded} succeeded, {progress.infeasible} infeasible, {progress.failed} failed",
            screen,
        )
        for best in ended.best:
            self.assertIn(f"target {best.target:g}: accuracy {best.best.reward:.5g} at", screen)
        self.assertNotRegex(screen, r"\x1b\[\d*m", "NO_COLOR is set")
        self.assertRegex(screen, "accuracy  [▁▂▃▄▅▆▇█]{30}")
        # With colours, unless the user has turned them off.
        code, screen = Terminal(self, "search", "watch", search, "--controller", server.address).wait()
        self.assertEqual(code, 0)
        self.assertIn("\x1b[32m", screen)

    def test_what_cannot_be_undone_is_asked(self):
        server = self.controller()
        api = self.client(server)
        name = self.search_of(api, Space(layers=3, options=3, seed=83), 10).split("/")[1]

        def ask(verb, answer):
            command = Terminal(self, "search", verb, name, "--controller", server.address, answers=True)
            harness.wait_for(lambda: b"[y/N] " in command.output or command.process.poll() is not None, "the question")
            command.type(answer)
            return command.wait()

        code, screen = ask("cancel", "n\n")
        self.assertEqual(code, 1, screen)
        self.assertIn(f"{name} is running with 0/10 trainings. Cancel it permanently? [y/N] ", screen)
        self.assertIn("nothing was changed\n", screen)
        self.assertEqual(api.search(f"searches/{name}").state, search_pb2.SEARCH_STATE_RUNNING)
        code, screen = ask("cancel", "y\n")
        self.assertEqual(code, 0, screen)
        self.assertEqual(api.search(f"searches/{name}").state, search_pb2.SEARCH_STATE_CANCELLED)
        self.assertEqual(ask("delete", "\n")[0], 1)
        self.assertEqual(api.search(f"searches/{name}").state, search_pb2.SEARCH_STATE_CANCELLED)
        code, screen = ask("delete", "yes\n")
        self.assertEqual(code, 0, screen)
        self.assertIn("is deleted\n", screen)
        self.assert_rpc_error(grpc.StatusCode.NOT_FOUND, api.search, f"searches/{name}")

    def test_the_encoding_decides_what_is_drawn(self):
        space = Space(layers=3, options=3, seed=84)
        server = self.controller()
        api = self.client(server)
        search = self.search_of(api, space, 12)
        neither = {"LC_ALL": "", "LC_CTYPE": "", "LANG": ""}
        watches = [
            (Terminal(self, "search", "watch", search, "--controller", server.address, environment=encoding), encoding, blocks)
            for encoding, blocks in (
                ({"LC_ALL": "C"}, False), ({"LC_ALL": "C.UTF-8"}, True), ({"LC_ALL": "C", "LANG": "C.UTF-8"}, False),
                ({**neither, "LANG": "POSIX"}, False), ({**neither, "LANG": "de_DE.utf8"}, True), (neither, True),
                ({**neither, "LC_CTYPE": "en_US.ISO-8859-1", "LANG": "C.UTF-8"}, False),
            )
        ]
        for watch, _, _ in watches:
            harness.wait_for(lambda watch=watch: "seen-1 is running" in watch.screen(), "the search to be shown")
        self.worker(server, "tabular", *harness.tabular_flags(space.write_table(self.path("table.csv"))))
        for watch, encoding, blocks in watches:
            with self.subTest(str(encoding)):
                code, screen = watch.wait()
                self.assertEqual(code, 0)
                self.assertIn("has succeeded", screen)
                self.assertEqual(bool(re.search("[▁▂▃▄▅▆▇█]", screen)), blocks, screen)
                self.assertEqual(screen.isascii(), not blocks, screen)

    def test_watch_keeps_up(self):
        """Follows lines in a pipe, one per result, while results arrive as fast as possible. Prints the rate."""
        space = Space(layers=7, options=4, seed=82)
        server = self.controller()
        api = self.client(server)
        trainings = 5000
        search = self.search_of(api, space, trainings)
        watch = subprocess.Popen(
            [LAYERNAS, "search", "watch", search, "--controller", server.address],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        self.addCleanup(watch.stderr.close)
        self.addCleanup(watch.stdout.close)
        self.addCleanup(watch.kill)
        ended_at = []

        def note_end():
            api.wait_for_end(search, 4 * harness.PATIENCE_S)
            ended_at.append(time.monotonic())

        noting = threading.Thread(target=note_end)
        table = space.write_table(self.path("table.csv"))
        begun = time.monotonic()
        self.worker(server, "tabular", *harness.tabular_flags(table), "--slots=64")
        noting.start()
        lines = watch.stdout.read().splitlines()
        read_at = time.monotonic()
        self.assertEqual(watch.wait(), 0)
        noting.join()
        candidates = [line.split()[2] for line in lines if re.search(r"  candidate \d+  \w+  succeeded  ", line)]
        self.assertEqual(sorted(map(int, candidates)), list(range(1, trainings + 1)))
        self.assertRegex(lines[-1] + lines[-2] + lines[-3], "has succeeded")
        print(
            f"{trainings / (ended_at[0] - begun):.0f} results a second; the last line was there"
            f" {read_at - ended_at[0]:+.2f} s after the search's end",
            flush=True,
        )

    def complete(self, shell, line):
        """Returns what the shell offers to complete `line`."""
        script = self.write(f"completion.{shell}", self.cli(None, "completion", shell).stdout)
        words = line.split(" ")
        environment = {**os.environ, "PATH": f"{harness.BIN}:{os.environ['PATH']}", "LAYERNAS_CONTROLLER": self.address}
        if shell == "bash":
            quoted = " ".join(f"'{word}'" for word in words)
            program = f"source {script}; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _layernas; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        elif shell == "zsh":
            quoted = " ".join(f"'{word}'" for word in words)
            # The widget's own helpers print their arguments.
            program = (
                "_describe() { print -l -- ${(P)2%%:*} }; compadd() { shift; print -l -- $@ }; _files() { print FILES };"
                f" words=({quoted}); CURRENT={len(words)}; source {script}"
            )
        else:
            program = f"source {script}; complete -C '{line}'"
        done = subprocess.run(
            [shell, *(["--norc"] if shell == "bash" else ["-f"] if shell == "zsh" else ["--no-config"]), "-c", program],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**environment, "HOME": self.folder},
            timeout=harness.PATIENCE_S, check=False, text=True,
        )
        self.assertEqual(done.returncode, 0, done.stdout)
        return {each.split("\t")[0].strip() for each in done.stdout.splitlines()}

    def test_completion(self):
        server = self.controller()
        self.address = server.address
        search = self.client(server).create(Space(layers=2, options=2, seed=1).spec("named")).name.split("/")[1]
        for shell in ("bash", "zsh", "fish"):
            with self.subTest(shell):
                self.assertLessEqual({"submit", "watch", "wait", "compare"}, self.complete(shell, "layernas search "))
                self.assertIn(search, self.complete(shell, "layernas search watch "))
                self.assertLessEqual({"table", "json", "csv", "yaml"}, self.complete(shell, "layernas search list -o "))
                self.assertIn("--output", self.complete(shell, "layernas search list --"))

    def test_misspelled_command(self):
        for arguments, message in (
            (["search", "wach"], "layernas: 'layernas search' has no command 'wach'; did you mean 'watch'?\n"),
            (["frobnicate", "x"], "layernas: 'layernas' has no command 'frobnicate'; 'layernas --help' lists them\n"),
        ):
            done = self.cli(None, *arguments)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (2, "", message))
        self.assertIn("subcommand is required", self.cli(None, "search").stderr)

    def test_manual_pages(self):
        folder = self.path("man")
        self.assertEqual(self.cli(None, "man", folder).returncode, 0)
        pages = glob.glob(os.path.join(folder, "*.1"))
        self.assertGreater(len(pages), 20)
        for page in pages:
            done = subprocess.run(
                ["groff", "-k", "-man", "-Tutf8", "-ww", "-z", page],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=harness.PATIENCE_S, check=False, text=True,
            )
            self.assertEqual((done.returncode, done.stdout), (0, ""), page)


if __name__ == "__main__":
    harness.main()
