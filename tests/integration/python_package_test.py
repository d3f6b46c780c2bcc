"""Tests the Python package with a real controller, and a trainer that uses it with a real worker."""

import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import unittest

import harness
import layernas
from spaces import Space

TRAINER = '''
import csv, layernas
table = {row["arch"]: row for row in csv.DictReader(open(__TABLE__))}
def train(evaluation, progress):
    print("this is no answer")
    architecture = evaluation["architecture"]["id"]
    if architecture == "000":
        raise layernas.Infeasible("too small")
    progress(1, 1, 0.5)
    return {name: float(table[architecture][name]) for name in ("accuracy", "latency_ms")}
layernas.serve(train)
'''


class Balancer:
    """Passes connections on to a controller until it silently forgets them. Then it only passes on new ones."""

    def __init__(self, target):
        host, port = target.rsplit(":", 1)
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            connection = {"sockets": (near, socket.create_connection(self._target)), "forgotten": False}
            self.connections.append(connection)
            for source, sink in (connection["sockets"], connection["sockets"][::-1]):
                threading.Thread(target=self._pass_on, args=(connection, source, sink), daemon=True).start()

    @staticmethod
    def _pass_on(connection, source, sink):
        try:
            while data := source.recv(65536):
                if connection["forgotten"]:
                    continue
                sink.sendall(data)
        except OSError:
            pass

    def forget(self):
        for connection in self.connections:
            connection["forgotten"] = True

    def close(self):
        self._listener.close()
        for connection in self.connections:
            for each in connection["sockets"]:
                each.close()


class PythonPackageTest(harness.IntegrationTest):

    def start(self, worker=True):
        self.space = Space(layers=3, options=2, seed=91)
        table = self.space.write_table(self.path("table.csv"))
        self.trainer = self.write("train.py", TRAINER.replace("__TABLE__", repr(table)))
        self.server = self.controller(port=harness.free_port())
        if worker:
            self.start_worker()
        client = layernas.Client(self.server.address)
        self.addCleanup(client.close)
        return client

    def start_worker(self):
        environment = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        harness.Worker(self, self.server.address, "python", "--evaluator=exec", f"--command=/usr/bin/python3 -B {self.trainer}", environment=environment)

    def spec(self):
        return {
            "name": "python",
            "space": {"layers": [{"name": f"layer{layer}", "options": ["a", {"name": "b"}]} for layer in range(3)]},
            "objective": {"reward": "accuracy", "cost": "latency_ms", "targets": [self.space.cheapest() - 1, self.space.dearest()]},
            "strategy": {"layernas": {"buckets": {"count": 3, "scale": "logarithmic", "min": 1, "max": 20}, "order": "reverse"}},
            "budget": {"duration": "1h30m"},
            "evaluation": {"timeout": "1m"},
        }

    def test_a_search_from_its_spec_to_its_frontier(self):
        client = self.start()
        search = client.submit(self.spec())
        changes = list(search.watch())
        self.assertEqual(search.state, "succeeded", search.refresh().state_reason)
        self.assertEqual(search.wait(), "succeeded")
        message = search.refresh()
        self.assertEqual(message.spec.budget.duration.seconds, 5400)
        self.assertEqual(message.spec.strategy.layernas.buckets.count, 3)
        candidates = list(search.candidates())
        ended = {each.number: each for each in changes if isinstance(each, layernas.Candidate)}
        self.assertEqual(sorted(ended), [each.number for each in candidates])
        for each in candidates:
            self.assertEqual(each.state, "infeasible" if each.architecture == "000" else "succeeded", each)
            if each.reward is not None:
                self.assertEqual((each.reward, each.cost), (self.space.reward(each.architecture), self.space.cost(each.architecture)))
        unmet, met = search.best()
        self.assertIsNone(unmet.best)
        self.assertEqual(met.best.reward, max(each.reward for each in candidates if each.reward is not None))
        frontier = search.frontier()
        self.assertEqual(unmet.nearest.cost, frontier[0].cost)
        table = frontier.to_pandas()
        self.assertEqual(list(table["reward"]), [point.reward for point in frontier])
        self.assertEqual(table["layer0"].iloc[-1], frontier[-1].layers["layer0"])
        self.assertEqual([each.id for each in client.searches()], [search.id])
        self.assertEqual(client.workers(), {"python": 0})
        search.delete()
        with self.assertRaisesRegex(layernas.Error, search.name):
            client.search(search.id)

    def test_a_watch_outlives_the_controller(self):
        client = self.start()
        search = client.submit(self.spec())
        seen = []
        for change in search.watch():
            seen.append(change)
            if len(seen) == 1:
                self.server.kill()
                self.server.start()
        self.assertEqual(search.state, "succeeded")
        final = [each for each in seen if isinstance(each, layernas.Candidate) and each.state in ("succeeded", "infeasible")]
        self.assertEqual(len({each.number for each in final}), len(list(search.candidates())))

    def test_a_watch_outlives_a_balancer_that_forgets(self):
        # The minimum that the controller allows.
        self.patch("KEEPALIVE_MS", 11_000)
        self.patch("KEEPALIVE_TIMEOUT_MS", 1_000)
        self.start(worker=False)
        balancer = Balancer(self.server.address)
        self.addCleanup(balancer.close)
        client = layernas.Client(balancer.address)
        self.addCleanup(client.close)
        search = client.submit(self.spec())
        forgotten = False
        for _ in search.watch():
            if not forgotten:
                # By default gRPC stops after two pings without data.
                time.sleep(3 * 11.5)
                # Only now are there changes, but the forgotten connection cannot deliver them.
                balancer.forget()
                forgotten = True
                self.start_worker()
        self.assertEqual(search.wait(), "succeeded")
        self.assertGreater(len(balancer.connections), 1)

    def patch(self, name, value):
        self.addCleanup(setattr, layernas.client, name, getattr(layernas.client, name))
        setattr(layernas.client, name, value)

    def test_a_client_after_a_fork_says_so(self):
        client = self.start()
        search = client.submit(self.spec())
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                for call in (search.refresh, lambda: list(search.watch()), lambda: list(client.searches())):
                    try:
                        call()
                        os.write(writing, b"no error\n")
                    except layernas.Error as error:
                        os.write(writing, str(error).encode() + b"\n")
            finally:
                os._exit(0)
        os.close(writing)
        with open(reading, encoding="utf-8") as said:
            lines = said.read().splitlines()
        os.waitpid(child, 0)
        self.assertEqual(len(lines), 3, lines)
        for line in lines:
            self.assertRegex(line, f"this client belongs to process {os.getpid()}, which has forked: create a layernas.Client")

    def test_errors_say_what_to_do(self):
        client = layernas.Client("127.0.0.1:1")
        self.addCleanup(client.close)
        with self.assertRaisesRegex(layernas.Error, "cannot reach the controller at 127.0.0.1:1"):
            client.search("x-1")
        with self.assertRaisesRegex(ValueError, "budget.duration: not a duration.* write it like 90s"):
            client.submit({"budget": {"duration": "soon"}})

    @unittest.skipIf(importlib.util.find_spec("ensurepip") is None, "python3-venv is not installed: scripts/python-package NOT checked")
    def test_it_installs_without_a_package_index(self):
        subprocess.run(["/usr/bin/python3", "-m", "venv", "--system-site-packages", self.path("venv")], check=True, timeout=harness.PATIENCE_S)
        python = self.path("venv/bin/python")
        # An index that does not exist, and no cached one.
        environment = {**os.environ, "PIP_INDEX_URL": "http://127.0.0.1:1/", "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1", "HOME": self.folder}
        environment.pop("PYTHONPATH", None)
        done = subprocess.run(
            [os.path.join(harness.REPOSITORY, "scripts/python-package"), python], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=environment, timeout=harness.PATIENCE_S, check=False, text=True,
        )
        self.assertEqual(done.returncode, 0, done.stdout)
        shown = subprocess.run(
            [python, "-c", "import layernas; from layernas.v1 import spec_pb2; print(layernas.__file__, spec_pb2.SearchSpec.DESCRIPTOR.name)"],
            stdout=subprocess.PIPE, env=environment, cwd="/", timeout=harness.PATIENCE_S, check=True, text=True,
        ).stdout
        self.assertRegex(shown, rf"^{re.escape(os.path.realpath(self.folder))}.* SearchSpec$")

    def test_the_example_runs(self):
        self.start()
        spec = self.write("spec.json", json.dumps(self.spec()))
        example = os.path.join(harness.REPOSITORY, "python/examples/search.py")
        environment = {**os.environ, "LAYERNAS_CONTROLLER": self.server.address, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        done = subprocess.run(
            ["/usr/bin/python3", "-B", example, spec], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment,
            timeout=harness.PATIENCE_S, check=False, text=True,
        )
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("python-1 succeeded", done.stdout)
        self.assertIn("layer2", done.stdout)


if __name__ == "__main__":
    harness.main()
