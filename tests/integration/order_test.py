"""The same search on a real table ends with the same buckets with one worker and with four."""

import os
import unittest

import harness
from layernas.v1 import search_pb2
from layernas.v1 import spec_pb2

TABLE = os.path.join(
    os.environ.get("LAYERNAS_TABLES") or os.path.join(harness.REPOSITORY, "..", "shared", "data"),
    "nas_bench_macro_cifar10.csv",
)
LAYERS, OPTIONS, BUCKETS = 8, 3, 20


def spec():
    """NAS-Bench-Macro: 8 layers with 3 options. The reward comes from one of three real trainings of each
    architecture."""
    made = spec_pb2.SearchSpec(name="macro")
    for layer in range(LAYERS):
        added = made.space.layers.add(name=f"layer{layer}")
        for option in ("identity", "mbconv_k3_e3", "mbconv_k5_e6"):
            added.options.add(name=option)
    made.objective.reward = "accuracy"
    made.objective.cost = "multiply_adds"
    made.objective.targets.extend([40e6, 80e6])
    made.strategy.layernas.CopyFrom(
        spec_pb2.LayerNas(buckets=spec_pb2.Buckets(count=BUCKETS, min=7e6, max=110e6))
    )
    return made


@unittest.skipUnless(os.path.exists(TABLE), f"{TABLE} is not there; LAYERNAS_TABLES names the folder that holds it")
class OrderTest(harness.IntegrationTest):

    def run_with(self, workers):
        """Returns (buckets of every stage, trainings, best per target) of a search with that number of workers."""
        server = self.controller(name=f"controller-{workers}")
        api = self.client(server)
        flags = [
            "--evaluator=tabular",
            f"--table={TABLE}",
            "--metric=accuracy=test_acc_run0,test_acc_run1,test_acc_run2",
            "--metric=multiply_adds=multiply_adds",
        ]
        for number in range(workers):
            # The workers have different speeds, so that results arrive in another order.
            self.worker(server, f"worker-{workers}-{number}", *flags, f"--delay={3 + 5 * number}ms")
        search = api.create(spec()).name
        ended = api.wait_for_end(search, 4 * harness.PATIENCE_S)
        self.assertEqual(ended.state, search_pb2.SEARCH_STATE_SUCCEEDED, ended.state_reason)
        candidates = api.candidates(search)
        holders = {candidate.worker for candidate in candidates}
        self.assertGreaterEqual(len(holders), min(workers, 2), "the order of arrival can't have been another")
        tables = [api.buckets(search, 1, stage) for stage in range(1, LAYERS + 1)]
        self.assertEqual(tables[-1], api.buckets(search))
        best = [point.best.architecture.id for point in api.frontier(search).best]
        return tables, ended.progress.trainings, best

    def test_one_worker_and_four_end_in_the_same_buckets(self):
        alone, together = self.run_with(1), self.run_with(4)
        self.assertEqual(together, alone)
        tables, trainings, best = alone
        self.assertGreater(len(tables[-1]), 5)
        self.assertEqual(len(best), 2)
        self.assertTrue(all(best), "nothing meets a target")
        self.assertLessEqual(trainings, 1 + BUCKETS * LAYERS * OPTIONS)
        print(f"{trainings} trainings; best at 40 M and 80 M: {', '.join(best)}", flush=True)


if __name__ == "__main__":
    harness.main()
