"""Tests `layernas run` and its data directory: only one run at a time uses it, and unfinished searches can be
resumed."""

import os
import re
import shlex
import signal
import subprocess

import harness
from layernas.v1 import search_pb2
from spaces import Space

LAYERNAS = os.path.join(harness.BIN, "layernas")
SPEC = (
    "name: NAME\nspace: {layers: [{name: layer0, options: [a, b, c]}, {name: layer1, options: [a, b, c]}, {name: layer2, options: [a, b, c]}]}\n"
    "objective: {cost: latency_ms}\nstrategy: {random: {}}\nbudget: {trainings: 8}\n"
)
FULL = "cannot write the output: No space left on device\n"


class RunTest(harness.IntegrationTest):

    def setUp(self):
        super().setUp()
        self.table = Space(layers=3, options=3, seed=84).write_table(self.path("table.csv"))

    def spec(self, name):
        return self.write(f"{name}.yaml", SPEC.replace("NAME", name))

    def start_run(self, label, *arguments, delay, environment=None):
        return self.spawn(
            label, LAYERNAS, "run", *arguments, "--workers=1", "--", *harness.tabular_flags(self.table, delay=delay), environment=environment)

    def run_to_end(self, *arguments):
        return self.cli(None, "run", *arguments, "--workers=1", "--", *harness.tabular_flags(self.table))

    def started(self, run, folder="data"):
        """Waits until a candidate of the run has succeeded."""
        self.wait_ready(run, self.path(f"{folder}/ready.json"))
        harness.wait_for(lambda: " succeeded " in run.log(), "a result")

    def test_results_that_cannot_be_written_are_kept(self):
        environment = {**os.environ, "TMPDIR": self.path(""), "LAYERNAS_CACHE_DIR": self.path("cache")}
        with open("/dev/full", "wb") as full:
            done = subprocess.run(
                [LAYERNAS, "run", self.spec("full"), "-o", "csv", "--workers=1", "--", *harness.tabular_flags(self.table)],
                stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, env=environment,
                timeout=harness.PATIENCE_S, check=False, text=True,
            )
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(FULL, done.stderr)
        command = re.search("with: (layernas run --resume .*)", done.stderr).group(1)
        done = self.cli(None, *shlex.split(command)[1:])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("full-1 has succeeded", done.stdout)
        self.assertRegex(done.stdout, r"(?m)^\s*latency_ms +accuracy")

    def test_a_second_run_touches_nothing(self):
        run = self.start_run("first", self.spec("first"), f"--data-dir={self.path('data')}", delay="100ms")
        self.started(run)
        done = self.run_to_end(self.spec("second"), f"--data-dir={self.path('data')}")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, rf"cannot use data directory .*: another 'layernas run' \(pid {run.pid}\)")
        self.assertEqual(run.wait(), 0, run.log())
        self.assertIn("first-1 has succeeded", run.log())

    def test_settings_of_another_controller_have_no_effect(self):
        folder, backups = self.path("data"), self.path("backups")
        os.makedirs(os.path.join(backups, ".partial-nightly"))
        settings = {"LAYERNAS_BACKUP_DIR": backups, "LAYERNAS_RETENTION": "1ms", "LAYERNAS_MAX_SEARCHES_PER_CALLER": "none"}
        run = self.start_run("kept", self.spec("kept"), f"--data-dir={folder}", delay=None, environment=settings)
        self.assertEqual(run.wait(), 0, run.log())
        self.assertEqual(os.listdir(backups), [".partial-nightly"])
        server = self.controller(data_dir=os.path.join(folder, "controller"))
        self.assertEqual(self.client(server).search("searches/kept-1").state, search_pb2.SEARCH_STATE_SUCCEEDED)

    def test_what_was_killed_waits_for_resume(self):
        run = self.start_run("killed", self.spec("killed"), f"--data-dir={self.path('data')}", delay="300ms")
        self.started(run)
        run.kill()
        done = self.run_to_end(self.spec("other"), f"--data-dir={self.path('data')}")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("killed-1 in", done.stderr)
        self.assertIn("is unfinished and stays paused", done.stderr)
        self.assertIn("layernas run --resume --data-dir", done.stderr)
        # The other search had the worker to itself: the first has as many results as before.
        results = run.log().count(" succeeded ")
        server = self.controller(data_dir=self.path("data/controller"))
        first = self.client(server).search("searches/killed-1")
        self.assertEqual(first.state, search_pb2.SEARCH_STATE_PAUSED)
        self.assertLess(first.progress.succeeded, 8)
        self.assertLessEqual(first.progress.succeeded, results + 2)
        server.stop()
        done = self.run_to_end("--resume", f"--data-dir={self.path('data')}")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("killed-1 has succeeded", done.stdout)

    def test_an_interrupted_run_can_be_resumed(self):
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            with self.subTest(number.name):
                name = number.name.lower()
                folder = self.path(name)
                run = self.start_run(name, self.spec(name), f"--data-dir={folder}", delay="300ms")
                self.started(run, name)
                os.kill(run.pid, number)
                self.assertEqual(run.wait(), 130, run.log())
                self.assertIn(f"interrupted: {name}-1 is unfinished; resume it with: layernas run --resume", run.log())
                done = self.run_to_end("--resume", f"--data-dir={folder}")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn(f"{name}-1 has succeeded", done.stdout)

    def test_nohup_outlives_its_terminal(self):
        program = f"import os, signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); os.execv({LAYERNAS!r}, {[LAYERNAS, 'run', self.spec('nohup'), '--data-dir=' + self.path('data'), '--workers=1', '--', *harness.tabular_flags(self.table, delay='100ms')]!r})"
        run = self.spawn("nohup", "/usr/bin/python3", "-c", program)
        self.started(run)
        os.kill(run.pid, signal.SIGHUP)
        self.assertEqual(run.wait(), 0, run.log())

    def test_an_interrupted_run_without_a_folder_is_cancelled(self):
        environment = {**os.environ, "TMPDIR": self.path(""), "LAYERNAS_CACHE_DIR": self.path("cache")}
        run = self.start_run("lost", self.spec("lost"), delay="300ms", environment=environment)
        harness.wait_for(lambda: " succeeded " in run.log(), "a result")
        os.kill(run.pid, signal.SIGINT)
        self.assertEqual(run.wait(), 4, run.log())
        self.assertIn("interrupted: cancelling lost-1; use --data-dir to be able to resume a search\n", run.log())
        # What it found is shown, and its folder is gone.
        self.assertRegex(run.log(), r"(?m)^\s*latency_ms +accuracy")
        self.assertEqual([name for name in os.listdir(self.path("")) if name.startswith("layernas-run-")], [])

    def test_results_of_a_run_whose_programs_die_are_kept(self):
        environment = {**os.environ, "TMPDIR": self.path(""), "LAYERNAS_CACHE_DIR": self.path("cache")}
        for program, shown in (("layernas-controller", False), ("layernas-worker", True)):
            name = program.removeprefix("layernas-")
            run = self.start_run(name, self.spec(name), delay="200ms", environment=environment)
            harness.wait_for(lambda run=run: " succeeded " in run.log(), "a result")
            children = subprocess.run(["pgrep", "-P", str(run.pid), "-f", program], capture_output=True, text=True, check=True)
            os.kill(int(children.stdout.split()[0]), signal.SIGKILL)
            self.assertEqual(run.wait(), 1, run.log())
            self.assertIn("ended unexpectedly", run.log())
            self.assertEqual(re.search(r"(?m)^\s*latency_ms +accuracy", run.log()) is not None, shown, run.log())
            command = re.search("resume it with: (layernas run --resume .*)", run.log()).group(1)
            done = self.cli(None, *shlex.split(command)[1:])
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(f"{name}-1 has succeeded", done.stdout)

    def test_workers_are_as_many_as_usable_processors(self):
        usable = str(min(os.sched_getaffinity(0)))
        done = subprocess.run(
            ["taskset", "-c", usable, LAYERNAS, "run", "--help"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            timeout=harness.PATIENCE_S, check=True, text=True)
        self.assertIn("--workers N [1, one per usable processor]", done.stdout)

    def test_resume_says_what_it_needs(self):
        for arguments, message in (
            (["--resume"], "--resume needs the --data-dir"),
            (["--resume", f"--data-dir={self.path('none')}"], "has no search"),
            (["--resume", f"--data-dir={self.path('none')}", self.spec("x")], "leave SPEC and --costs out"),
            ([], "SPEC is missing"),
        ):
            done = self.cli(None, "run", *arguments)
            self.assertEqual(done.returncode, 2)
            self.assertIn(message, done.stderr)
        self.assertFalse(os.path.exists(self.path("none")))


if __name__ == "__main__":
    harness.main()
