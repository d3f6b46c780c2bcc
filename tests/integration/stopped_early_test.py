"""Trainings that are stopped early because they are worse than others of similar cost, with real workers."""

import csv

import harness
from layernas.v1 import fleet_service_pb2, search_pb2
from spaces import Space

SUCCEEDED = search_pb2.CANDIDATE_STATE_SUCCEEDED
STOPPED = search_pb2.CANDIDATE_STATE_STOPPED
EPOCHS = 5


class EarlyStopTest(harness.IntegrationTest):

    def setUp(self):
        super().setUp()
        self.server = self.controller(port=harness.free_port())
        self.api = self.client(self.server)
        self.space = Space(layers=4, options=4, seed=72)
        table = self.space.write_table(self.path("table.csv"))
        # An architecture that is ahead at an epoch is also ahead at the end.
        with open(table, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        columns = [f"epoch{epoch}" for epoch in range(1, EPOCHS + 1)]
        with open(table, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["arch", "accuracy", "latency_ms", *columns])
            writer.writeheader()
            for row in rows:
                reward = float(row["accuracy"])
                writer.writerow(row | {name: reward * (i + 1) / EPOCHS for i, name in enumerate(columns)})
        self.flags = [
            f"--table={table}", "--evaluator=tabular", "--metric=accuracy=accuracy", "--metric=latency_ms=latency_ms",
            f"--curve={','.join(columns)}", "--slots=8",
        ]

    def test_what_is_behind_is_called_off_and_the_best_is_found(self):
        spec = self.space.spec("stopped", cost_per_layer=True)
        spec.strategy.random.SetInParent()
        spec.budget.trainings = 80
        target = (self.space.cheapest() + self.space.dearest()) / 2
        spec.objective.targets.append(target)
        spec.evaluation.early_stop.compared = 6
        search = self.api.create(spec).name
        # Long enough that trainings can be stopped.
        self.worker(self.server, "w", *self.flags, "--delay=2s")
        harness.wait_for(lambda: self.api.search(search).progress.stopped >= 3, "trainings that are stopped")

        # The progress of a training is visible.
        def progress():
            workers = self.api.call("ListWorkers", fleet_service_pb2.ListWorkersRequest()).workers
            return [one for worker in workers for one in worker.progress if one.epoch > 0]

        seen = harness.wait_for(progress, "progress")
        self.assertEqual(seen[0].epochs, EPOCHS)
        self.assertGreater(seen[0].reward, 0)

        self.server.kill()
        self.server.start()
        self.assertEqual(self.api.wait_for_end(search).state, search_pb2.SEARCH_STATE_SUCCEEDED)
        candidates = self.api.candidates(search)
        trained = [one for one in candidates if one.state == SUCCEEDED]
        stopped = [one for one in candidates if one.state == STOPPED]
        print(f"{len(trained)} trained, {len(stopped)} stopped", flush=True)
        self.assertEqual(len(trained) + len(stopped), 80)
        self.assertGreaterEqual(len(stopped), 10)
        for one in trained:
            self.assertEqual([point.epoch for point in one.curve], list(range(1, EPOCHS + 1)))
            self.assertAlmostEqual(one.curve[-1].reward, one.reward, places=5)
        for one in stopped:
            self.assertLess(one.curve[-1].epoch, EPOCHS)
            self.assertEqual(one.cost, self.space.cost(one.architecture.id))
        # No stopped training would have been better than the answer.
        best = self.api.search(search).best[0].best
        for one in candidates:
            if one.cost <= target:
                self.assertLessEqual(self.space.reward(one.architecture.id), best.reward)
        self.server.stop()
        code, output = self.server.check()
        self.assertEqual(code, 0, output)


if __name__ == "__main__":
    harness.main()
