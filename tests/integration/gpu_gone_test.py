"""A worker whose GPU is missing: its message reaches the owner of the search, and a worker with a GPU does the work."""

import os
import unittest

import harness
from layernas.v1 import search_pb2
from spaces import Space

TRAINER = os.path.join(harness.BIN, "layernas-trainer")


@unittest.skipUnless(os.path.exists(TRAINER), "built without layernas-trainer")
class GpuGoneTest(harness.IntegrationTest):

    def test_says_so_and_leaves_the_work_to_others(self):
        space = Space(layers=2, options=2, seed=3)
        server = self.controller()
        api = self.client(server)
        search = api.create(space.random_spec("gone", trainings=1)).name
        self.worker(server, "gone", "--evaluator=exec", f"--command={TRAINER} --device cuda:99")
        harness.wait_for(
            lambda: [found for found in api.candidates(search) if found.failures], "an attempt without a GPU to fail"
        )
        self.worker(server, "well", *harness.exec_flags())
        ended = api.wait_for_end(search)
        self.assertEqual(ended.state, search_pb2.SEARCH_STATE_SUCCEEDED, ended.state_reason)
        (candidate,) = api.candidates(search)
        self.assertEqual(candidate.state, search_pb2.CANDIDATE_STATE_SUCCEEDED)
        for failure in candidate.failures:
            self.assertEqual((failure.worker, failure.kind), ("gone", search_pb2.FAILURE_KIND_EVALUATOR))
            self.assertIn("--device: cannot use device cuda:99", failure.message)


if __name__ == "__main__":
    harness.main()
