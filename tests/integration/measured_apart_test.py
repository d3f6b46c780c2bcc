"""One real worker measures candidates and another one trains them, while the controller is killed."""

import harness
from layernas.v1 import search_pb2
from spaces import Space

SUCCEEDED = search_pb2.CANDIDATE_STATE_SUCCEEDED
SKIPPED = search_pb2.CANDIDATE_STATE_SKIPPED


class MeasuredApartTest(harness.IntegrationTest):

    def setUp(self):
        super().setUp()
        self.server = self.controller(port=harness.free_port())
        self.api = self.client(self.server)
        self.space = Space(layers=5, options=4, seed=71)
        # A device reports no accuracy, and a training machine no latency.
        table = self.space.write_table(self.path("table.csv"))
        flags = [f"--table={table}", "--evaluator=tabular", "--delay=20ms"]
        self.device = [*flags, "--metric=latency_ms=latency_ms", "--label=device=phone"]
        self.trainer = [*flags, "--metric=accuracy=accuracy", "--label=gpu=yes", "--slots=4"]

    def spec(self, name, trainings):
        spec = self.space.spec(name)
        spec.strategy.guided_layernas.SetInParent()
        spec.budget.trainings = trainings
        low, high = self.space.cheapest(), self.space.dearest()
        spec.objective.targets.append(low + 0.4 * (high - low))
        spec.evaluation.require["gpu"] = "yes"
        spec.evaluation.measure_on["device"] = "phone"
        return spec

    def test_what_exceeds_the_target_is_measured_and_not_trained(self):
        spec = self.spec("apart", trainings=40)
        spec.evaluation.measure_first = True
        target = spec.objective.targets[0]
        search = self.api.create(spec).name
        self.worker(self.server, "trainer", *self.trainer)
        waiting = harness.wait_for(lambda: self.api.search(search).waiting_for, "what it waits for")
        self.assertIn("device=phone", waiting)
        self.worker(self.server, "device", *self.device)
        harness.wait_for(lambda: self.api.search(search).progress.succeeded >= 10, "some trainings")
        self.server.kill()
        self.server.start()
        self.assertEqual(self.api.wait_for_end(search).state, search_pb2.SEARCH_STATE_SUCCEEDED)

        candidates = self.api.candidates(search)
        trained = [one for one in candidates if one.state == SUCCEEDED]
        skipped = [one for one in candidates if one.state == SKIPPED]
        print(f"{len(trained)} trained, {len(skipped)} skipped", flush=True)
        self.assertEqual(len(trained), 40)
        self.assertEqual(self.api.search(search).progress.trainings, 40)
        self.assertEqual(len(trained) + len(skipped), len(candidates))
        self.assertGreater(len(skipped), 0)
        for one in trained:
            self.assertLessEqual(one.cost, target)
            self.assertEqual(dict(one.metrics), self.space.metrics(one.architecture.id))
            self.assertEqual(one.worker, "trainer")
        for one in skipped:
            self.assertGreater(one.metrics["latency_ms"], target)
            self.assertEqual(one.metrics["latency_ms"], self.space.cost(one.architecture.id))
            self.assertEqual(one.cost, self.space.cost(one.architecture.id))
            self.assertEqual(one.worker, "device")
        self.server.stop()
        code, output = self.server.check()
        self.assertEqual(code, 0, output)

    def test_without_measure_first_all_are_trained(self):
        search = self.api.create(self.spec("both", trainings=20)).name
        self.worker(self.server, "device", *self.device)
        self.worker(self.server, "trainer", *self.trainer)
        self.assertEqual(self.api.wait_for_end(search).state, search_pb2.SEARCH_STATE_SUCCEEDED)
        candidates = self.api.candidates(search)
        self.assertEqual([one.state for one in candidates], [SUCCEEDED] * 20)
        for one in candidates:
            self.assertEqual(dict(one.metrics), self.space.metrics(one.architecture.id))


if __name__ == "__main__":
    harness.main()
