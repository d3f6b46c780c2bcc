"""Runs the real programs on loopback for a test, and ends every one of them whatever happens.

Everything waits by polling with a deadline (`wait_for`), never by sleeping a guessed time. Logs stay in the test's own
temporary folder and are printed when the test fails.
"""

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
import urllib.request

import grpc

from rpc_client import Client
from rpc_client import FINAL_STATES  # noqa: F401
from rpc_client import RPC_DEADLINE_S
from waiting import PATIENCE_S
from waiting import wait_for

LOG_LINES_SHOWN = 200

BIN = os.environ.get("LAYERNAS_BIN", "")
HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(HERE))
FAKE_EVALUATOR = f"/usr/bin/python3 -B {os.path.join(HERE, 'fake_evaluator.py')}"

# Marks every process of a test, and all its descendants, so that none is left behind.
_MARK = "LAYERNAS_TEST_FOLDER"
_SANITIZER_REPORT = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|: runtime error: ")


def free_port():
    """Returns a port on which nobody listens. It is below the range from which the kernel takes ports of outgoing
    connections, so it stays free while a controller is killed and started again on it."""
    for port in random.SystemRandom().sample(range(20000, 32000), 200):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no free port between 20000 and 32000")


def scrape(address):
    """Returns the text of /metrics."""
    # An HTTP proxy from the environment must not be used on loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://{address}/metrics", timeout=RPC_DEADLINE_S) as answer:
        return answer.read().decode()


def parse_metrics(text):
    """Returns {(name, frozenset of (label, value)): value} of a page in Prometheus' text format."""
    samples = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        match = re.fullmatch(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: \d+)?", line)
        if not match:
            raise AssertionError(f"not a Prometheus sample: {line!r}")
        labels = frozenset(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match.group(2) or ""))
        samples[match.group(1), labels] = float(match.group(3))
    return samples


class Process:
    """A program under test. Its output goes to a log file."""

    def __init__(self, name, arguments, folder, environment=None):
        self.name = name
        self.log_path = os.path.join(folder, f"{name}.log")
        with open(self.log_path, "ab") as log:
            log.write(f"$ {' '.join(arguments)}\n".encode())
            log.flush()
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "LAYERNAS_CACHE_DIR": os.path.join(folder, "cache"), **(environment or {}), _MARK: folder},
            )
        self.pid = self._process.pid

    def running(self):
        return self._process.poll() is None

    def kill(self):
        """Kills the process with SIGKILL and reaps it."""
        self._process.kill()
        self._process.wait(PATIENCE_S)

    def terminate(self):
        self._process.terminate()

    def wait(self, timeout_s=PATIENCE_S):
        """Returns its exit code."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {timeout_s:.0f} s") from None

    def stop(self, timeout_s=PATIENCE_S, by=signal.SIGTERM):
        """Sends the signal and returns the exit code."""
        self._process.send_signal(by)
        return self.wait(timeout_s)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()


class Controller:
    """layernas-controller with a data directory that outlives kills and restarts. prefix: as for Worker."""

    def __init__(
        self, test, *flags, port=0, host="127.0.0.1", metrics_host="127.0.0.1", data_dir=None, name="controller", prefix=()
    ):
        self._test = test
        self._flags = flags
        self._listen = f"{host}:{port}"
        self._metrics_listen = f"{metrics_host}:0"
        self._prefix = prefix
        self.name = name
        self.data_dir = data_dir or test.path(f"{name}-data")
        self.process = None
        self.address = self.metrics_address = None

    def start(self, environment=None):
        """Returns when the controller serves."""
        ready_file = self.spawn(environment)
        ready = self._test.wait_ready(self.process, ready_file)
        self.address, self.metrics_address = ready["address"], ready["metrics_address"]
        return self

    def spawn(self, environment=None):
        """Starts it without waiting. Returns its ready file."""
        ready_file = self._test.path(f"{self.name}-ready.json")
        if os.path.exists(ready_file):
            os.unlink(ready_file)
        self.process = self._test.spawn(
            self.name,
            *self._prefix,
            os.path.join(BIN, "layernas-controller"),
            f"--data-dir={self.data_dir}",
            f"--listen={self._listen}",
            f"--metrics-listen={self._metrics_listen}",
            f"--ready-file={ready_file}",
            *self._flags,
            environment=environment,
        )
        return ready_file

    def kill(self):
        self.process.kill()

    def stop(self, timeout_s=PATIENCE_S, by=signal.SIGTERM):
        """Sends the signal and returns the exit code."""
        return self.process.stop(timeout_s, by)

    def check(self):
        """Runs `--check` on the data directory. Returns (exit code, output). The controller must not run."""
        done = subprocess.run(
            [os.path.join(BIN, "layernas-controller"), f"--data-dir={self.data_dir}", "--check"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE_S,
            check=False,
            text=True,
        )
        return done.returncode, done.stdout

    def metrics(self):
        return parse_metrics(scrape(self.metrics_address))


class Worker:
    """layernas-worker. prefix: a command to run it with, such as `ip netns exec …`. worker_id: --id (default: `name`)."""

    def __init__(
        self,
        test,
        controller_address,
        name,
        *flags,
        metrics_host="127.0.0.1",
        prefix=(),
        environment=None,
        worker_id=None,
    ):
        ready_file = test.path(f"{name}-ready.json")
        # An old ready file would say too early that this worker handles signals.
        if os.path.exists(ready_file):
            os.unlink(ready_file)
        self.name = name
        self.process = test.spawn(
            name,
            *prefix,
            os.path.join(BIN, "layernas-worker"),
            f"--controller={controller_address}",
            f"--id={worker_id or name}",
            f"--metrics-listen={metrics_host}:0",
            f"--ready-file={ready_file}",
            *flags,
            environment=environment,
        )
        self.metrics_address = test.wait_ready(self.process, ready_file)["metrics_address"]

    def kill(self):
        self.process.kill()

    def stop(self, timeout_s=PATIENCE_S, by=signal.SIGTERM):
        """Sends the signal and returns the exit code."""
        return self.process.stop(timeout_s, by)

    def metrics(self):
        return parse_metrics(scrape(self.metrics_address))


def tabular_flags(table, delay=None):
    flags = [
        "--evaluator=tabular",
        f"--table={table}",
        "--metric=accuracy=accuracy",
        "--metric=latency_ms=latency_ms",
    ]
    return flags + ([f"--delay={delay}"] if delay else [])


def exec_flags(*evaluator_arguments):
    """Returns the flags of a worker whose trainer is tests/integration/fake_evaluator.py with these arguments."""
    return ["--evaluator=exec", f"--command={' '.join([FAKE_EVALUATOR, *evaluator_arguments])}"]


def refused_controller(*flags):
    """Returns the output of a controller that is expected to refuse its flags."""
    done = subprocess.run(
        [os.path.join(BIN, "layernas-controller"), *flags],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PATIENCE_S,
        check=False,
        text=True,
    )
    if done.returncode <= 0:
        raise AssertionError(f"it ended with {done.returncode}: {done.stdout}")
    return done.stdout


class IntegrationTest(unittest.TestCase):
    """Has a temporary folder, ends all processes afterwards, and prints their logs if the test failed."""

    maxDiff = None

    def run(self, result=None):
        if not os.path.isfile(os.path.join(BIN, "layernas-controller")):
            raise SystemExit(f"LAYERNAS_BIN must name the folder with the built programs; it is {BIN!r}")
        self.folder = tempfile.mkdtemp(prefix="layernas-test-")
        self._processes = []
        bad_before = len(result.failures) + len(result.errors)
        try:
            super().run(result)
        finally:
            if len(result.failures) + len(result.errors) > bad_before:
                self._show_logs()
            shutil.rmtree(self.folder, ignore_errors=True)

    def setUp(self):
        # Runs after the test's own clean-ups, because they run last in, first out.
        self.addCleanup(self._end_processes)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        """Writes a file in the test's folder. Returns its path."""
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def write_private(self, name, text):
        """Does the same for a secret that only its user can access. The file is replaced atomically."""
        new = self.write(f"{name}.new", text)
        os.chmod(new, 0o600)
        os.replace(new, self.path(name))
        return self.path(name)

    def spawn(self, name, *arguments, environment=None):
        process = Process(name, list(arguments), self.folder, environment)
        self._processes.append(process)
        return process

    def wait_ready(self, process, ready_file):
        """Returns what the process wrote into its ready file."""

        def ready():
            if os.path.exists(ready_file):
                return True
            if not process.running():
                raise AssertionError(f"{process.name} ended with {process.wait()} before it was ready:\n{process.log()}")
            return False

        wait_for(ready, f"{process.name} to be ready")
        with open(ready_file, encoding="utf-8") as file:
            return json.load(file)

    def controller(self, *flags, **options):
        return Controller(self, *flags, **options).start()

    def worker(self, controller, name, *flags, **options):
        return Worker(self, controller.address, name, *flags, **options)

    def client(self, controller, **options):
        client = Client(controller.address, **options)
        self.addCleanup(client.close)
        return client

    def cli(self, controller, *arguments, timeout_s=PATIENCE_S, environment=None, prefix=()):
        """Runs the `layernas` command line. `controller` is None, a Controller or an address. prefix: as for Worker."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("LAYERNAS_")}
        environment = {**ours, **(environment or {}), _MARK: self.folder}
        if controller:
            environment["LAYERNAS_CONTROLLER"] = getattr(controller, "address", controller)
        return subprocess.run(
            [*prefix, os.path.join(BIN, "layernas"), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=self.folder,
            timeout=timeout_s,
            check=False,
            text=True,
        )

    def assert_rpc_error(self, code, function, *arguments, **options):
        """Checks the status code of the error that the function raises. Returns the error's details."""
        with self.assertRaises(grpc.RpcError) as raised:
            function(*arguments, **options)
        self.assertEqual(raised.exception.code(), code, raised.exception.details())
        return raised.exception.details()

    def evaluator_processes(self):
        """Returns the ids of the running fake evaluators of this test."""
        commands = {pid: _command_line(pid) for pid in self._marked_processes()}
        # A worker's command line names its evaluator too.
        return [pid for pid, text in commands.items() if "fake_evaluator" in text and "layernas-worker" not in text]

    def _marked_processes(self):
        mark = f"{_MARK}={self.folder}\0".encode()
        found = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or int(entry) == os.getpid():
                continue
            try:
                with open(f"/proc/{entry}/environ", "rb") as environ:
                    if mark in environ.read() + b"\0":
                        found.append(int(entry))
            except OSError:
                continue  # it ended meanwhile, or is another user's
        return found

    def _end_processes(self):
        for process in self._processes:
            if process.running():
                process.kill()
        for pid in self._marked_processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        # Processes with the same name share a log.
        for process in {process.log_path: process for process in self._processes}.values():
            report = _SANITIZER_REPORT.search(process.log())
            self.assertIsNone(report, f"a sanitizer reported something in {process.name}")

    def _show_logs(self):
        for entry in sorted(os.listdir(self.folder)):
            if not entry.endswith(".log"):
                continue
            with open(self.path(entry), encoding="utf-8", errors="replace") as log:
                lines = log.read().splitlines()
            skipped = max(0, len(lines) - LOG_LINES_SHOWN)
            print(f"--- {self.id()}: {entry}" + (f" ({skipped} lines before)" if skipped else ""), file=sys.stderr)
            print("\n".join(lines[skipped:]), file=sys.stderr)
        print("---", file=sys.stderr, flush=True)


def _command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as command_line:
            return command_line.read().decode(errors="replace")
    except OSError:
        return ""


def main():
    """Runs the calling file's tests. Exits with 77, which CTest treats as "skipped", if every test was skipped."""
    # Output is not buffered, so that it is visible if CTest ends a test at its timeout.
    result = unittest.main(verbosity=2, exit=False).result
    skipped = len(result.skipped)
    sys.exit(1 if not result.wasSuccessful() else 77 if skipped and skipped == result.testsRun else 0)
