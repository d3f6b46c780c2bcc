"""Many searches on one fleet of real workers: weighted shares, priorities, caps, cancellation, and broken workers."""

import harness
from layernas.v1 import fleet_service_pb2
from layernas.v1 import search_pb2
from layernas.v1 import search_service_pb2
from layernas.v1 import spec_pb2
from spaces import Space


def endless(space, name, **sharing):
    """Returns the spec of a search with more work than any test does."""
    spec = space.spec(name)
    spec.strategy.ClearField("layernas")
    spec.strategy.random.SetInParent()
    spec.budget.trainings = 1_000_000
    spec.sharing.CopyFrom(spec_pb2.Sharing(**sharing))
    return spec


class SharingTest(harness.IntegrationTest):

    def setUp(self):
        super().setUp()
        self.server = self.controller()
        self.api = self.client(self.server)
        self.space = Space(layers=9, options=4, seed=61)

    def begun(self, *names):
        return [self.api.search(name).progress.trainings for name in names]

    def test_a_saturated_fleet_is_shared_by_weight(self):
        names = [self.api.create(endless(self.space, f"weight-{w}", weight=w)).name for w in (1, 2, 4)]
        table = self.space.write_table(self.path("table.csv"))
        # The number of slots is not a multiple of the sum of the weights.
        for number in range(2):
            self.worker(self.server, f"worker-{number}", "--slots=5", *harness.tabular_flags(table, delay="40ms"))
        harness.wait_for(lambda: sum(self.begun(*names)) > 150, "the fleet to be at work")
        before = self.begun(*names)
        harness.wait_for(lambda: sum(self.begun(*names)) > sum(before) + 1500, "the fleet's work")
        done = [now - was for now, was in zip(self.begun(*names), before)]
        print(f"of {sum(done)} evaluations: {', '.join(f'{one / sum(done):.3f}' for one in done)}", flush=True)
        for weight, one in zip((1, 2, 4), done):
            self.assertAlmostEqual(one / sum(done), weight / 7, delta=0.05 * weight / 7)

        # Changed by a user while they run.
        done = self.cli(self.server, "search", "update", names[0].split("/")[1], "--priority=1", "--max-running=3")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("weight 1, priority 1, at most 3 running", done.stdout)
        harness.wait_for(lambda: self.api.search(names[0]).progress.leased == 3, "its three slots")
        for _ in range(20):
            self.assertLessEqual(self.api.search(names[0]).progress.leased, 3)
        done = self.cli(self.server, "search", "get", names[0])
        self.assertIn("at most 3 running", done.stdout)

    def test_a_cancelled_search_frees_its_trainer_at_the_next_heartbeat(self):
        space = Space(layers=3, options=3, seed=62)
        table = space.write_table(self.path("table.csv"))
        self.server.stop()
        self.server = self.controller("--lease-duration=24s", name="other")
        self.api = self.client(self.server)
        search = self.api.create(space.spec("cancelled")).name
        held = self.path("held")
        self.worker(self.server, "worker", *harness.exec_flags("--table", table, "--hold-first", held))
        harness.wait_for(lambda: self.api.search(search).progress.leased == 1, "the worker to have the task")
        trainer = harness.wait_for(lambda: self.holder(held), "the trainer to be at work")
        self.assertIn(trainer, self.evaluator_processes())

        heartbeats = lambda: self.server.metrics()["layernas_rpc_seconds_count", frozenset({("method", "Heartbeat")})]
        before = heartbeats()
        self.api.call("CancelSearch", search_service_pb2.CancelSearchRequest(name=search))
        harness.wait_for(lambda: trainer not in self.evaluator_processes(), "the trainer to be gone")
        # One heartbeat may have been on its way.
        self.assertLessEqual(heartbeats() - before, 2)
        # The slot is free again.
        following = self.api.create(space.spec("following")).name
        self.assertEqual(self.api.wait_for_end(following).state, search_pb2.SEARCH_STATE_SUCCEEDED)
        self.assertEqual(self.api.candidates(search)[0].state, search_pb2.CANDIDATE_STATE_SKIPPED)

    def test_a_worker_that_keeps_failing_is_shunned_and_shown(self):
        space = Space(layers=3, options=3, seed=63)
        table = space.write_table(self.path("table.csv"))
        spec = space.spec("one-bad-worker")
        spec.evaluation.attempts = 10
        search = self.api.create(spec).name
        # Always busy, so that the other worker is never the second choice.
        self.worker(self.server, "good", *harness.exec_flags("--table", table, "--delay", "0.5"))
        harness.wait_for(lambda: self.api.search(search).progress.succeeded >= 1, "a first result")
        self.worker(self.server, "bad", *harness.exec_flags("--mode", "die"))
        harness.wait_for(lambda: self.server.metrics()["layernas_workers_shunned", frozenset()] == 1, "the bad one to be shunned")
        workers = self.api.call("ListWorkers", fleet_service_pb2.ListWorkersRequest()).workers
        shunned = {worker.info.id: worker for worker in workers if worker.HasField("shunned_for")}
        self.assertEqual(list(shunned), ["bad"])
        self.assertGreaterEqual(shunned["bad"].failures_in_a_row, 3)
        self.assertIn("ended without a result", shunned["bad"].last_failure)
        done = self.cli(self.server, "worker", "list")
        self.assertRegex(done.stdout, r"(?m)^bad .* shunned for \d+s: \d failed in a row, the last: the evaluator ended")
        # The bad worker cost a few attempts, but no candidate.
        ended = self.api.wait_for_end(search)
        self.assertEqual(ended.state, search_pb2.SEARCH_STATE_SUCCEEDED, ended.state_reason)
        self.assertEqual(ended.progress.succeeded, ended.progress.trainings)

    def test_results_are_reused_where_a_search_asks_for_it(self):
        space = Space(layers=3, options=3, seed=64)
        table = space.write_table(self.path("table.csv"))
        first = self.api.create(space.spec("first")).name
        worker = self.worker(self.server, "worker", *harness.tabular_flags(table))
        trained = self.api.wait_for_end(first).progress.trainings
        evaluated = self.evaluations(worker)
        self.assertEqual(evaluated, trained)

        spec = space.spec("second")
        spec.evaluation.reuse_results = True
        second = self.api.create(spec).name
        self.assertEqual(self.api.wait_for_end(second).state, search_pb2.SEARCH_STATE_SUCCEEDED)
        self.assertEqual(self.evaluations(worker), evaluated, "something was trained again")
        found = self.api.candidates(second)
        self.assertEqual(len(found), trained)
        self.assertTrue(all(one.reused_from.startswith(first + "/candidates/") for one in found))
        self.assertEqual(self.api.buckets(second), self.api.buckets(first))
        self.assertEqual(self.server.metrics()["layernas_results_reused_total", frozenset()], trained)

        spec.name = "elsewhere"
        spec.evaluation.train.dataset = "cifar10"
        elsewhere = self.api.create(spec).name
        self.api.wait_for_end(elsewhere)
        self.assertEqual(self.evaluations(worker), 2 * evaluated)
        self.assertFalse(any(one.reused_from for one in self.api.candidates(elsewhere)))

    def evaluations(self, worker):
        name = "layernas_worker_evaluation_seconds_count"
        return sum(value for (series, _), value in worker.metrics().items() if series == name)

    def holder(self, path):
        """Returns the process that holds the file's evaluation, when the file contains it."""
        try:
            with open(path, encoding="utf-8") as file:
                text = file.read()
        except FileNotFoundError:
            return None
        return int(text.split()[0]) if text.endswith("\n") else None


if __name__ == "__main__":
    harness.main()
