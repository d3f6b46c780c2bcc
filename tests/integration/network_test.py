"""A worker on a separate host, behind a network partition, a lossy link and a slow link. No result is lost, no training
is repeated, and everything continues without manual action.

LAYERNAS_PARTITION_S: the duration of a partition; scripts/network sets a minute.
"""

import collections
import json
import os
import time
import unittest

import harness
import link
from layernas.v1 import search_pb2
from spaces import Space

PARTITION_S = float(os.environ.get("LAYERNAS_PARTITION_S", "6"))
# A partition lasts longer than the lease.
LEASE = "30s" if PARTITION_S >= 45 else "3s"
# For this time, an expired candidate is reserved for workers other than the one that had it.
ELSEWHERE_FIRST_S = 5
TRAININGS = 16
WHY_NOT = link.why_not()


@unittest.skipIf(WHY_NOT, WHY_NOT)
class NetworkTest(harness.IntegrationTest):

    def setUp(self):
        super().setUp()
        self.link = link.Link()
        self.addCleanup(self.link.close)
        self.space = Space(layers=4, options=4, seed=3)
        self.table = self.space.write_table(self.path("table.csv"))
        self.server = self.controller(f"--lease-duration={LEASE}", "--insecure-listen", host=self.link.near)
        self.api = self.client(self.server)

    def create(self, trainings):
        spec = self.space.random_spec("far", trainings=trainings)
        return self.api.create(spec).name

    def far_worker(self, delay, slots=1):
        """Starts a worker at the other end of the link. Its trainings are recorded."""
        notes, hold = self.path("far.jsonl"), self.path("hold")
        flags = harness.exec_flags("--table", self.table, "--log", notes, "--delay", str(delay), "--hold-while", hold)
        return harness.Worker(self, self.server.address, "far", f"--slots={slots}", *flags, prefix=self.link.inside)

    def noted(self, event):
        """Returns the far worker's recorded trainings."""
        if not os.path.exists(self.path("far.jsonl")):
            return []
        with open(self.path("far.jsonl"), encoding="utf-8") as file:
            notes = [json.loads(line) for line in file if line.endswith("\n")]
        return [note for note in notes if note["event"] == event]

    def results(self, search):
        return self.api.candidates(search, states=[search_pb2.CANDIDATE_STATE_SUCCEEDED])

    def assert_all_is_there(self, search, trainings):
        """Checks that the search has ended with all its results, each as it was measured. Returns the candidates."""
        ended = self.api.wait_for_end(search)
        self.assertEqual(ended.state, search_pb2.SEARCH_STATE_SUCCEEDED, ended.state_reason)
        candidates = self.api.candidates(search)
        self.assertEqual(len(candidates), trainings)
        for candidate in candidates:
            self.assertEqual(candidate.state, search_pb2.CANDIDATE_STATE_SUCCEEDED, candidate.name)
            self.assertEqual(dict(candidate.metrics), self.space.metrics(candidate.architecture.id))
        return candidates

    def assert_nothing_was_trained_twice(self, candidates):
        times = collections.Counter(note["architecture"] for note in self.noted("start"))
        self.assertEqual([architecture for architecture, count in times.items() if count > 1], [])
        self.assertEqual(sorted(times), sorted(candidate.architecture.id for candidate in candidates))

    def partition(self):
        """Cuts the link while trainings are running, and restores it after the time. Returns the tasks whose training
        ended meanwhile."""
        self.write("hold", "")
        running, since = set(), time.monotonic()

        # One training in each slot, for longer than usual: both have seen the file.
        def held():
            nonlocal running, since
            tasks = {note["task"] for note in self.noted("start")} - {note["task"] for note in self.noted("end")}
            if tasks != running:
                running, since = tasks, time.monotonic()
            return tasks if len(tasks) == 2 and time.monotonic() - since > 5 else None

        under_way = harness.wait_for(held, "trainings under way")
        self.link.cut()
        cut_at = time.monotonic()
        os.unlink(self.path("hold"))
        harness.wait_for(
            lambda: under_way <= {note["task"] for note in self.noted("end")}, "the ends of the trainings"
        )
        time.sleep(max(0.0, cut_at + PARTITION_S - time.monotonic()))
        self.link.heal()
        return under_way

    def test_a_partition_loses_and_wastes_nothing(self):
        search = self.create(TRAININGS)
        worker = self.far_worker(0.3, slots=2)
        harness.wait_for(lambda: len(self.results(search)) >= 3, "the first results")
        trained_meanwhile = self.partition()
        expired = self.server.metrics()["layernas_lease_expirations_total", frozenset()]
        self.assert_nothing_was_trained_twice(self.assert_all_is_there(search, TRAININGS))
        # The leases had expired when the results arrived, but the results were accepted.
        self.assertGreaterEqual(expired, len(trained_meanwhile))
        self.assertEqual(worker.stop(), 0)

    def test_a_worker_is_not_handed_what_it_is_at(self):
        # A slot is free, so a poll is parked. It gets what has expired, because there is no other
        # worker.
        search = self.create(2)
        worker = self.far_worker(PARTITION_S + ELSEWHERE_FIRST_S, slots=3)
        harness.wait_for(lambda: len(self.noted("start")) == 2, "the trainings")
        self.link.cut()
        harness.wait_for(
            lambda: any(candidate.attempt > 1 for candidate in self.api.candidates(search)), "a further lease"
        )
        self.link.heal()
        self.assert_nothing_was_trained_twice(self.assert_all_is_there(search, 2))
        self.assertEqual(worker.stop(), 0)

    @unittest.skipIf(PARTITION_S < 45, "scripts/network runs it")
    def test_who_is_on_this_side_of_a_partition_goes_on(self):
        search = self.create(3 * TRAININGS)
        far = self.far_worker(0.3, slots=2)
        near = self.worker(self.server, "near", *harness.tabular_flags(self.table, f"{int(40 * PARTITION_S)}ms"))
        harness.wait_for(lambda: len(self.results(search)) >= 3, "the first results")
        self.partition()
        # The far worker comes back by itself.
        back = len(self.noted("start"))
        harness.wait_for(
            lambda: len(self.noted("start")) > back or self.api.search(search).state in harness.FINAL_STATES,
            "the far worker to go on",
        )
        candidates = self.assert_all_is_there(search, 3 * TRAININGS)
        by_worker = collections.Counter(candidate.worker for candidate in candidates)
        self.assertEqual(sorted(by_worker), ["far", "near"])
        for worker in (far, near):
            self.assertEqual(worker.stop(), 0)

    def test_a_lossy_link(self):
        search = self.create(40)
        self.link.lose(0.05)
        worker = self.far_worker(0.02, slots=2)
        self.assert_nothing_was_trained_twice(self.assert_all_is_there(search, 40))
        self.link.heal()
        self.assertEqual(worker.stop(), 0)

    def test_a_slow_link(self):
        search = self.create(20)
        self.link.slow("64kbit")
        worker = self.far_worker(0.02, slots=2)
        self.assert_nothing_was_trained_twice(self.assert_all_is_there(search, 20))
        self.assertEqual(worker.stop(), 0)


if __name__ == "__main__":
    harness.main()
