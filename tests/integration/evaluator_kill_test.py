"""kill -9 of a busy trainer: the worker continues, the task is retried, and the search ends."""

import os
import signal

import harness
from layernas.v1 import search_pb2
from spaces import Space
from spaces import reference_layernas


class EvaluatorKillTest(harness.IntegrationTest):

    def test_the_task_is_tried_again(self):
        space = Space(layers=4, options=3, seed=31)
        table = space.write_table(self.path("table.csv"))
        edges = space.edges(6)
        trained, expected_table = reference_layernas(space, edges)
        server = self.controller()
        api = self.client(server)
        search = api.create(space.spec("trainer-killed", buckets={"edges": edges})).name

        held = self.path("held")
        workers = [
            self.worker(server, name, *harness.exec_flags("--table", table, "--hold-first", held))
            for name in ("one", "two")
        ]
        pid, candidate = harness.wait_for(lambda: self.holder(held), "a trainer to be at work")
        self.assertIn(pid, self.evaluator_processes())
        os.kill(pid, signal.SIGKILL)

        ended = api.wait_for_end(search)
        self.assertEqual(ended.state, search_pb2.SEARCH_STATE_SUCCEEDED, ended.state_reason)
        self.assertEqual(api.buckets(search), expected_table)
        by_name = {found.name: found for found in api.candidates(search)}
        self.assertEqual(len(by_name), len(trained))
        killed = by_name[candidate]
        self.assertEqual((killed.state, killed.attempt), (search_pb2.CANDIDATE_STATE_SUCCEEDED, 2))
        (failed,) = killed.failures
        self.assertEqual((failed.attempt, failed.kind), (1, search_pb2.FAILURE_KIND_EVALUATOR))
        self.assertRegex(failed.message, r"(?i)signal|kill")
        self.assertEqual(sum(len(found.failures) for found in by_name.values()), 1)
        self.assertEqual(server.metrics()["layernas_lease_expirations_total", frozenset()], 0)
        for worker in workers:
            self.assertEqual(worker.stop(), 0)
        self.assertEqual(self.evaluator_processes(), [], "a worker left its trainer behind")

    def holder(self, path):
        """Returns (process id, candidate) when the file contains them."""
        try:
            with open(path, encoding="utf-8") as file:
                text = file.read()
        except FileNotFoundError:
            return None
        if not text.endswith("\n"):
            return None
        pid, candidate = text.split()
        return int(pid), candidate


if __name__ == "__main__":
    harness.main()
