"""Tests what the `layernas` program does if its output cannot be written."""

import os
import pty
import subprocess

import harness
from layernas.v1 import search_pb2
from spaces import Space

LAYERNAS = os.path.join(harness.BIN, "layernas")
SPEC = (
    "name: NAME\nspace: {layers: [{name: layer0, options: [a, b, c]}, {name: layer1, options: [a, b, c]}, {name: layer2, options: [a, b, c]}]}\n"
    "objective: {cost: latency_ms}\nstrategy: {random: {}}\nbudget: {trainings: 8}\n"
)


class OutputTest(harness.IntegrationTest):

    def into(self, target, *arguments, server=None):
        """Returns the exit code and standard error of a command whose standard output is the open file `target`."""
        environment = {**os.environ, **({"LAYERNAS_CONTROLLER": server.address} if server else {})}
        done = subprocess.run(
            [LAYERNAS, *arguments], stdin=subprocess.DEVNULL, stdout=target, stderr=subprocess.PIPE, env=environment,
            cwd=self.folder, timeout=harness.PATIENCE_S, check=False, text=True,
        )
        return done.returncode, done.stderr

    def broken_pipe(self):
        reading, writing = os.pipe()
        os.close(reading)
        self.addCleanup(os.close, writing)
        return writing

    def test_no_output_is_lost_without_a_word(self):
        space = Space(layers=3, options=3, seed=83)
        server = self.controller()
        spec = space.spec("lost")
        spec.strategy.random.SetInParent()
        spec.budget.trainings = 4
        api = self.client(server)
        search = api.create(spec).name
        self.worker(server, "tabular", *harness.tabular_flags(space.write_table(self.path("table.csv"))))
        api.wait_for_end(search)
        spec_file = self.write("spec.yaml", SPEC.replace("NAME", "valid"))
        name = search.split("/")[1]
        commands = [
            ["--version"], ["--help"], ["search", "list"], ["search", "list", "-o", "json"], ["search", "get", name],
            ["search", "candidates", name], ["search", "candidates", name, "-o", "csv"],
            ["search", "candidates", name, "-o", "json"], ["search", "frontier", name, "-o", "yaml"],
            ["search", "watch", name], ["search", "watch", name, "-o", "json"], ["search", "wait", name],
            ["search", "compare", name, name], ["worker", "list"], ["report", name, "-o", "-"],
            ["report", name, "-o", "/dev/stdout"], ["validate", spec_file], ["count", os.path.join(harness.REPOSITORY, "examples/shapes10.yaml")], ["init"],
            ["init", "shapes10", "-o", "-"], ["completion", "bash"],
            ["admin", "token", "--role", "client", "--name", "ann"],
        ]
        for command in commands:
            with self.subTest(" ".join(command)):
                with open("/dev/full", "wb") as full:
                    code, err = self.into(full, *command, server=server)
                self.assertEqual(code, 1)
                self.assertIn("No space left on device", err)
                code, err = self.into(self.broken_pipe(), *command, server=server)
                self.assertEqual(code, 1)
                self.assertIn("Broken pipe", err)
                closed = subprocess.run(
                    ["/bin/sh", "-c", 'exec "$0" "$@" >&-', LAYERNAS, *command], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                    env={**os.environ, "LAYERNAS_CONTROLLER": server.address}, timeout=harness.PATIENCE_S, check=False, text=True,
                )
                # Then /dev/stdout is the file that the program has opened in its place.
                self.assertEqual(closed.returncode, 1)
                self.assertRegex(closed.stderr, "Bad file descriptor|Permission denied|cannot write")

    def test_no_help_is_lost_without_a_word(self):
        data = self.path("empty")
        os.mkdir(data)
        for program in ("layernas-controller", "layernas-worker", "layernas-trainer"):
            path = os.path.join(harness.BIN, program)
            if not os.path.exists(path):
                continue
            commands = [["--help"], ["--version"]]
            commands += [["--print-config"]] if program != "layernas-trainer" else []
            for command in commands:
                with self.subTest(f"{program} {command}"), open("/dev/full", "wb") as full:
                    done = subprocess.run([path, *command], stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE,
                                          cwd=data, timeout=harness.PATIENCE_S, check=False, text=True)
                    self.assertEqual(done.returncode, 1)
                    self.assertIn("cannot write to standard output", done.stderr)
            done = subprocess.run([path, "--no-such-option"], stdin=subprocess.DEVNULL, capture_output=True,
                                  timeout=harness.PATIENCE_S, check=False, text=True)
            self.assertEqual(done.returncode, 2, done.stderr)

    def test_no_report_of_a_check_is_lost_without_a_word(self):
        server = self.controller()
        self.client(server).create(Space(layers=2, options=2, seed=1).spec("checked"))
        server.stop()
        with open("/dev/full", "wb") as full:
            done = subprocess.run([os.path.join(harness.BIN, "layernas-controller"), "--check", f"--data-dir={server.data_dir}"],
                                  stdout=full, stderr=subprocess.PIPE, timeout=harness.PATIENCE_S, check=False, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot write the report: No space left on device", done.stderr)

    def test_a_dumb_terminal_is_asked_too(self):
        server = self.controller()
        name = self.client(server).create(Space(layers=2, options=2, seed=1).spec("asked")).name.split("/")[1]
        for term in ("xterm", "dumb", ""):
            master, slave = pty.openpty()
            os.write(master, b"n\n")
            environment = {**os.environ, "TERM": term, "LAYERNAS_CONTROLLER": server.address}
            done = subprocess.run([LAYERNAS, "search", "cancel", name], stdin=slave, stdout=slave, stderr=slave,
                                  env=environment, timeout=harness.PATIENCE_S, check=False)
            os.close(slave)
            said = os.read(master, 1 << 16).decode()
            os.close(master)
            self.assertIn("Cancel it permanently? [y/N]", said, term)
            self.assertNotEqual(done.returncode, 0, said)
        self.assertEqual(self.client(server).search(f"searches/{name}").state, search_pb2.SEARCH_STATE_RUNNING)

    def test_a_token_whose_line_is_lost_is_not_left(self):
        with open("/dev/full", "wb") as full:
            code, _ = self.into(full, "admin", "token", "--role", "client", "--name", "ann", "--out", "ann.token")
        self.assertEqual(code, 1)
        self.assertFalse(os.path.exists(self.path("ann.token")))

    def test_a_report_that_fails_leaves_the_older_one(self):
        server = self.controller()
        name = self.client(server).create(Space(layers=2, options=2, seed=1).spec("old")).name.split("/")[1]
        os.mkdir(self.path("folder"), 0o777)
        self.assertEqual(self.cli(server, "report", name, "-o", self.path("folder/report.html")).returncode, 0)
        older = os.stat(self.path("folder/report.html")).st_ino
        self.assertEqual(self.cli(server, "report", name, "-o", self.path("folder/report.html")).returncode, 0)
        self.assertNotEqual(os.stat(self.path("folder/report.html")).st_ino, older, "written beside and renamed")
        self.assertEqual(os.listdir(self.path("folder")), ["report.html"])
        done = self.cli(server, "report", name, "-o", self.path("no/report.html"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("no/report.html: No such file or directory", done.stderr)
        done = self.cli(server, "report", name, "-o", "/dev/full")
        self.assertEqual((done.returncode, done.stderr), (1, "layernas: cannot write /dev/full: No space left on device\n"))


if __name__ == "__main__":
    harness.main()
