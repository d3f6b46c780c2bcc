"""kill -9 of the controller at random moments of a search: no acknowledged result is lost, and nothing is done
twice."""

import json
import os
import random
import time

import harness
from layernas.v1 import search_pb2
from proto_worker import ProtoWorker
from proto_worker import Watcher
from spaces import Space
from spaces import reference_layernas

ROUNDS = 8
BUCKETS = 30
# Generous: a lease that the kill left behind may delay its stage for that long.
LEASE = "10s"


class ControllerKillTest(harness.IntegrationTest):

    def test_kills_at_random_moments(self):
        # The seed can be set. It is printed, so that a failure can be repeated.
        seed = int(os.environ.get("LAYERNAS_KILL_SEED", "20240517"))
        print(f"kill seed {seed}", flush=True)
        draw = random.Random(seed)

        space = Space(layers=7, options=4, seed=11)
        table = space.write_table(self.path("table.csv"))
        edges = space.edges(BUCKETS)
        trained, expected_table = reference_layernas(space, edges)
        self.assertGreaterEqual(len(trained), 200)

        server = self.controller(f"--lease-duration={LEASE}", port=harness.free_port())
        api = self.client(server)
        spec = space.spec("killed", buckets={"edges": edges})
        search = api.create(spec, request_id="the-one-search").name

        log = self.path("evaluations.jsonl")
        workers = [
            self.worker(server, "tabular", "--slots=2", *harness.tabular_flags(table, "30ms")),
            self.worker(server, "exec", *harness.exec_flags("--table", table, "--log", log, "--delay", "0.03")),
        ]
        proto_worker = ProtoWorker(server.address, "proto", space, seconds_per_task=0.03)
        watcher = Watcher(server.address, search)
        for thread in (proto_worker, watcher):
            thread.start()
            self.addCleanup(thread.stop)

        kills = 0
        while kills < ROUNDS:
            seen = len(watcher.seen_at) + draw.randrange(5, 20)
            harness.wait_for(lambda: watcher.final or len(watcher.seen_at) >= seen, "more results")
            if watcher.final:
                break
            time.sleep(draw.uniform(0, 0.05))  # a moment that follows no acknowledgement
            server.kill()
            kills += 1
            acknowledged = dict(proto_worker.acknowledged)
            code, output = server.check()
            self.assertEqual(code, 0, output)
            server.start()
            self.assert_still_there(api, search, space, acknowledged)
            # A client that got no answer repeats the request and gets the search that it created.
            self.assertEqual(api.create(spec, request_id="the-one-search").name, search)
        print(f"{kills} kills, {len(trained)} trainings", flush=True)
        self.assertGreaterEqual(kills, ROUNDS // 2, "the search was over too early to prove much")

        ended = api.wait_for_end(search)
        watcher.join(harness.PATIENCE_S)
        self.assertEqual(ended.state, search_pb2.SEARCH_STATE_SUCCEEDED, ended.state_reason)
        self.assertEqual(watcher.faults, [])
        self.assertGreater(watcher.streams, 1, "the watch was never broken")
        self.assert_still_there(api, search, space, proto_worker.acknowledged)

        # The search ends like one that was not disturbed.
        candidates = api.candidates(search)
        self.assertEqual(sorted(candidate.architecture.id for candidate in candidates), sorted(trained))
        self.assertEqual(set(watcher.seen_at), trained)
        self.assertEqual(api.buckets(search), expected_table)
        self.assertEqual(ended.progress.trainings, len(trained))

        # No known result was requested again, neither from the worker made of proto files nor from
        # the one with a trainer.
        self.assertEqual(proto_worker.repeated, [])
        self.assertGreater(len(proto_worker.acknowledged), 0)
        self.assertEqual(self.starts_after_acknowledgement(log, watcher.seen_at), [])

        for worker in workers:
            self.assertEqual(worker.stop(), 0)
        self.assertEqual(server.stop(), 0)
        code, output = server.check()
        self.assertEqual(code, 0, output)

    def assert_still_there(self, api, search, space, acknowledged):
        """Checks that every acknowledged result is still there as it was reported."""
        stored = {candidate.name: candidate for candidate in api.candidates(search)}
        for name, architecture in acknowledged.items():
            self.assertIn(name, stored)
            self.assertEqual(stored[name].architecture.id, architecture)
            self.assertEqual(stored[name].state, search_pb2.CANDIDATE_STATE_SUCCEEDED)
            self.assertEqual(dict(stored[name].metrics), space.metrics(architecture))

    def starts_after_acknowledgement(self, log, seen_at):
        """Returns the evaluations that started after the watch had shown their result. Both times use the same
        monotonic clock."""
        with open(log, encoding="utf-8") as file:
            notes = [json.loads(line) for line in file]
        starts = [note for note in notes if note["event"] == "start"]
        self.assertGreater(len(starts), 0)
        return [note["architecture"] for note in starts if note["at"] > seen_at.get(note["architecture"], float("inf"))]


if __name__ == "__main__":
    harness.main()
