"""A controller, a worker and a search on loopback, for the benchmarks of the client."""

import json
import os
import pathlib
import random
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BIN = pathlib.Path(os.environ.get("LAYERNAS_BIN", ROOT / "build/release/bin"))
PATIENCE_S = 600
STRATEGIES = {"random": "random: {}", "layernas": "layernas: { buckets: 100, replicas: 4 }"}


def spec(trainings, strategy, layers, options):
    """Returns a YAML spec with two targets. Few architectures meet the first one."""
    names = ", ".join(f"option{number}" for number in range(options))
    lines = "\n".join(f"    - {{ name: layer{number}, channels: 16, options: [{names}] }}" for number in range(layers))
    return (
        "name: bench\n"
        "space:\n"
        "  network: { input: [3, 32, 32], classes: 10 }\n"
        f"  layers:\n{lines}\n"
        f"objective: {{ reward: accuracy, cost: latency_ms, targets: [{2 * layers}, {layers * options * 0.6}] }}\n"
        f"strategy: {{ {STRATEGIES[strategy]} }}\n"
        f"budget: {{ trainings: {trainings} }}\n"
    )


def free_port():
    """Returns a port below the range of outgoing connections, so it is still free when the controller is restarted."""
    for port in random.sample(range(20000, 32000), 200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    sys.exit("no free port")


def wait_for(condition, what):
    deadline = time.monotonic() + PATIENCE_S
    while not (value := condition()):
        if time.monotonic() > deadline:
            sys.exit(f"timed out waiting for {what}")
        time.sleep(0.01)
    return value


class Service:
    """A context manager: the service ends and its data is removed at the end of the block."""

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="layernas-bench-")
        self.folder = pathlib.Path(self._folder.name)
        self.address = f"127.0.0.1:{free_port()}"
        self._worker = None
        self.start_controller()
        return self

    def __exit__(self, *_):
        for process in (self._worker, self._controller):
            if process:
                process.kill()
                process.wait()
        self._folder.cleanup()

    def _start(self, name, program, *arguments):
        ready = self.folder / f"{name}.json"
        ready.unlink(missing_ok=True)
        with open(self.folder / f"{name}.log", "ab") as log:
            process = subprocess.Popen(
                [BIN / program, *arguments, "--metrics-listen=127.0.0.1:0", f"--ready-file={ready}", "--log-level=warning"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )
        wait_for(lambda: ready.exists() or process.poll() is not None, f"{program} to be ready")
        if process.poll() is not None:
            sys.exit(f"{program} ended:\n{(self.folder / f'{name}.log').read_text()}")
        return process

    def start_controller(self):
        self._controller = self._start(
            "controller", "layernas-controller", f"--listen={self.address}", f"--data-dir={self.folder / 'data'}"
        )

    def kill_controller(self):
        self._controller.kill()
        self._controller.wait()

    def start_worker(self, slots, *evaluator):
        self._worker = self._start(
            "worker", "layernas-worker", f"--controller={self.address}", "--id=bench", f"--slots={slots}", *evaluator
        )

    def command(self, *arguments):
        """Returns a command line of the client with the controller's address."""
        return [str(BIN / "layernas"), *arguments, "--controller", self.address]

    def client(self, *arguments):
        """Returns the output of the client."""
        return subprocess.run(
            self.command(*arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=PATIENCE_S, check=True, text=True
        ).stdout

    def submit(self, text):
        file = self.folder / "spec.yaml"
        file.write_text(text)
        return json.loads(self.client("search", "submit", str(file), "-o", "json"))["name"].split("/")[1]

    def search(self, name):
        return json.loads(self.client("search", "get", name, "-o", "json"))
