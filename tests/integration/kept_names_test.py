"""Kept networks: neither another store's search of the same name nor a late attempt replaces one."""

import hashlib
import os
import shlex
import signal
import sys

import harness
from layernas.v1 import search_pb2

SPEC = """
name: kept
space: {layers: [{name: a, options: [x, y]}]}
objective: {cost: latency_ms}
strategy: {random: {}}
budget: {trainings: 1}
final: {epochs: 1}
evaluation: {train: {epochs: 1}}
"""

# Keeps random bytes as its network. HOLD is a folder; the evaluator waits there before it writes,
# like a slow machine.
EVALUATOR = """
import os, sys, time
from layernas.trainer import kept, serve, weights_file

def evaluate(request, progress):
    result = {"accuracy": 0.5, "latency_ms": 1.0}
    file = weights_file(request, ".pt")
    if file is None:
        return result
    hold = os.environ.get("HOLD")
    if hold:
        open(os.path.join(hold, "holds"), "w").close()
        while not os.path.exists(os.path.join(hold, "go")):
            time.sleep(0.05)
    with open(file + ".tmp", "wb") as out:
        out.write(os.urandom(64))
    os.replace(file + ".tmp", file)
    if hold:
        open(os.path.join(hold, "written"), "w").close()
    return {**result, "weights": kept(file)}

serve(evaluate)
"""


class KeptNamesTest(harness.IntegrationTest):

    def setUp(self):
        super().setUp()
        self.weights = self.path("weights")
        self.flags = (
            f"--weights-dir={self.weights}",
            f"--command={shlex.join([sys.executable, self.write('evaluator.py', EVALUATOR)])}",
        )

    def submit(self, server):
        done = self.cli(server, "search", "submit", self.write("spec.yaml", SPEC))
        self.assertEqual(done.returncode, 0, done.stderr)
        return "searches/kept-1"

    def kept(self, api, name):
        """Returns the winner's network, which is the file that its record names."""
        search = api.wait_for_end(name)
        self.assertEqual(search.state, search_pb2.SEARCH_STATE_SUCCEEDED, search.state_reason)
        ((weights,),) = [winner.weights for winner in search.winners]
        self.assert_is(weights)
        return weights

    def assert_is(self, weights):
        with open(weights.path, "rb") as file:
            self.assertEqual(hashlib.sha256(file.read()).hexdigest(), weights.sha256)

    def test_two_stores_share_a_folder(self):
        kept = []
        for store in ("one", "two"):
            server = self.controller(name=store)
            worker = self.worker(server, f"of-{store}", *self.flags)
            kept.append(self.kept(self.client(server), self.submit(server)))
            worker.stop()
            server.stop()
        self.assertNotEqual(kept[0].path, kept[1].path)
        for weights in kept:
            self.assert_is(weights)
            self.assertRegex(os.path.relpath(weights.path, self.weights), r"^kept-1/2-[0-9a-f]{16}\.pt$")

    def test_an_attempt_that_was_taken_for_lost_writes_late(self):
        server = self.controller("--lease-duration=2s")
        api = self.client(server)
        slow = self.worker(server, "slow", *self.flags, environment={"HOLD": self.folder})
        name = self.submit(server)
        harness.wait_for(lambda: os.path.exists(self.path("holds")), "the final training")
        os.kill(slow.process.pid, signal.SIGSTOP)
        self.worker(server, "quick", *self.flags)
        weights = self.kept(api, name)
        self.write("go", "")
        harness.wait_for(lambda: os.path.exists(self.path("written")), "the late attempt's network")
        self.assert_is(weights)
        os.kill(slow.process.pid, signal.SIGCONT)


if __name__ == "__main__":
    harness.main()
