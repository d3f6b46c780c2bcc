"""Five hosts with separate addresses, and TLS and tokens between them: a controller, two workers, a client and
Prometheus. They run a whole search while the host of one worker is cut off and comes back."""

import json
import os
import subprocess
import time
import unittest

from google.protobuf import json_format

import harness
import link
from certificates import Authority
from prometheus import Prometheus
from prometheus import prometheus_program
from spaces import Space
from spaces import pareto

TRAININGS = 30
WHY_NOT = link.why_not()


@unittest.skipIf(WHY_NOT, f"{WHY_NOT}: a search over several hosts was NOT tried")
class SeveralHostsTest(harness.IntegrationTest):

    def setUp(self):
        super().setUp()
        network = link.Network("controller", "worker-1", "worker-2", "client", "prometheus")
        self.addCleanup(network.close)
        self.hosts = network.hosts
        authority = Authority(self.folder, "ours")
        controller = self.hosts["controller"]
        certificate, key = authority.issue("controller", hosts=f"IP:{controller.address}")
        self.environment = {"LAYERNAS_TLS_CA": authority.certificate}
        tokens = self.write_private("tokens", self.new_token("worker") + self.new_token("client"))
        self.server = self.controller(
            f"--tls-cert={certificate}",
            f"--tls-key={key}",
            f"--token-file={tokens}",
            "--insecure-metrics-listen",
            "--lease-duration=3s",
            host=controller.address,
            metrics_host=controller.address,
            prefix=controller.inside,
        )
        self.space = Space(layers=4, options=4, seed=9)
        self.table = self.space.write_table(self.path("table.csv"))

    def new_token(self, role):
        """Returns the line for the controller's list. The token is in ROLE.token."""
        made = self.cli(None, "admin", "token", "--role", role, "--name", f"{role}-1", "--out", f"{role}.token")
        self.assertEqual(made.returncode, 0, made.stderr)
        return made.stdout

    def start_worker(self, name):
        """Starts a worker on its host. It ends no training while the file hold-NAME exists."""
        host = self.hosts[name]
        flags = harness.exec_flags(
            "--table", self.table, "--log", self.path(f"{name}.jsonl"), "--delay", "0.1", "--hold-while", self.path(f"hold-{name}")
        )
        return harness.Worker(
            self,
            self.server.address,
            name,
            f"--token-file={self.path('worker.token')}",
            *flags,
            metrics_host=host.address,
            prefix=host.inside,
            environment=self.environment,
        )

    def noted(self, name, event, after=0.0):
        """Returns what that worker has started ("start") or finished ("end") since a time."""
        if not os.path.exists(self.path(f"{name}.jsonl")):
            return []
        with open(self.path(f"{name}.jsonl"), encoding="utf-8") as file:
            notes = [json.loads(line) for line in file if line.endswith("\n")]
        return [note["task"] for note in notes if note["event"] == event and note["at"] > after]

    def hold(self, name):
        """Makes the worker hold its next training. Returns that training."""
        self.write(f"hold-{name}", "")
        held_at = time.monotonic()
        (held,) = harness.wait_for(lambda: self.noted(name, "start", after=held_at), f"{name} to be at a training")
        return held

    def let_go(self, name):
        os.unlink(self.path(f"hold-{name}"))

    def client(self, *arguments):
        """Returns the output of the command line on the client's host."""
        done = self.cli(
            self.server,
            *arguments,
            environment={**self.environment, "LAYERNAS_TOKEN_FILE": self.path("client.token")},
            prefix=self.hosts["client"].inside,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def client_json(self, *arguments):
        return json.loads(self.client(*arguments, "-o", "json"))

    def watch_from_prometheus(self, expression, value):
        """Waits until a query on Prometheus' host has exactly that value."""
        host = self.hosts["prometheus"]
        promtool = (*host.inside, prometheus_program("promtool"), "query", "instant", "-o", "json")

        def answer():
            done = subprocess.run(
                [*promtool, f"http://{self.prometheus.address}", expression],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=harness.PATIENCE_S,
                check=False,
                text=True,
            )
            # It fails while Prometheus does not serve yet.
            return [sample["value"][1] for sample in json.loads(done.stdout)] if done.returncode == 0 else []

        harness.wait_for(lambda: answer() == [str(value)], f"{expression} to be {value}")

    def test_a_search_while_a_host_is_cut_off_and_returns(self):
        workers = [self.start_worker(name) for name in ("worker-1", "worker-2")]
        self.prometheus = Prometheus(
            self,
            [self.server.metrics_address],
            [worker.metrics_address for worker in workers],
            host=self.hosts["prometheus"].address,
            prefix=self.hosts["prometheus"].inside,
        )
        self.watch_from_prometheus("sum(up)", 3)

        # A client that does not know the authority is refused.
        stranger = self.cli(self.server, "search", "list", prefix=self.hosts["client"].inside)
        self.assertEqual(stranger.returncode, 5, stranger.stderr)
        search = self.client_json("search", "submit", self.spec())["name"]

        for name in ("worker-1", "worker-2"):
            harness.wait_for(lambda name=name: self.noted(name, "end"), f"a result of {name}")
        self.hold("worker-1")
        lost = self.hold("worker-2")
        self.hosts["worker-2"].cut()
        self.watch_from_prometheus('count(up{job="layernas-worker"} == 0)', 1)
        self.watch_from_prometheus("layernas_lease_expirations_total", 1)
        # The other worker gets the cut-off worker's task and continues without it.
        self.let_go("worker-1")
        harness.wait_for(lambda: lost in self.noted("worker-1", "end"), "worker-1 to do it")
        self.hold("worker-1")
        # The lost training ends unnoticed. Its host comes back and gets further tasks.
        self.let_go("worker-2")
        harness.wait_for(lambda: lost in self.noted("worker-2", "end"), "the end of the lost training")
        begun = len(self.noted("worker-2", "start"))
        self.hosts["worker-2"].heal()
        harness.wait_for(lambda: len(self.noted("worker-2", "start")) > begun, "worker-2 to go on")
        self.let_go("worker-1")

        self.client("search", "wait", search)
        self.check_results(search, lost)
        self.watch_from_prometheus('layernas_searches{state="succeeded"}', 1)
        self.watch_from_prometheus("sum(up)", 3)
        for worker in workers:
            self.assertEqual(worker.stop(), 0)

    def spec(self):
        """Returns a file with a search of some of the architectures."""
        spec = self.space.random_spec("spread", trainings=TRAININGS)
        spec.objective.targets.append(self.space.dearest())
        return self.write("spec.yaml", json_format.MessageToJson(spec, preserving_proto_field_name=True))

    def check_results(self, search, lost):
        """Checks that all results are there as they were measured. All but the lost one succeeded at the first
        attempt."""
        candidates = self.client_json("search", "candidates", search)["candidates"]
        self.assertEqual(len(candidates), TRAININGS)
        for one in candidates:
            self.assertEqual(one["state"], "CANDIDATE_STATE_SUCCEEDED", one)
            self.assertEqual(one["metrics"], self.space.metrics(one["architecture"]["id"]))
            self.assertEqual(len(one["failures"]), 1 if one["name"] == lost else 0, one)
        self.assertEqual({one["worker"] for one in candidates}, {"worker-1", "worker-2"})
        frontier = self.client_json("search", "frontier", search)["points"]
        found = [(point["cost"], point["reward"]) for point in frontier]
        self.assertEqual(found, pareto([(one["cost"], one["reward"]) for one in candidates]))


if __name__ == "__main__":
    harness.main()
