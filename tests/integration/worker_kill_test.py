"""kill -9 of a worker with a lease: another worker retries the task, and the search ends."""

import harness
from layernas.v1 import search_pb2
from spaces import Space
from spaces import reference_layernas


class WorkerKillTest(harness.IntegrationTest):

    def test_the_task_is_tried_again_elsewhere(self):
        space = Space(layers=4, options=3, seed=21)
        table = space.write_table(self.path("table.csv"))
        edges = space.edges(6)
        trained, expected_table = reference_layernas(space, edges)
        server = self.controller("--lease-duration=2s")
        api = self.client(server)
        search = api.create(space.spec("worker-killed", buckets={"edges": edges})).name

        # The first worker's trainer never ends its first evaluation, so it surely has a lease when
        # it is killed.
        held = self.path("held")
        victim = self.worker(server, "victim", *harness.exec_flags("--table", table, "--hold-first", held))
        harness.wait_for(lambda: self.lines(held), "the victim to be on a task")
        candidate = self.lines(held)[0].split()[1]
        victim.kill()
        other = self.worker(server, "other", *harness.exec_flags("--table", table))

        ended = api.wait_for_end(search)
        self.assertEqual(ended.state, search_pb2.SEARCH_STATE_SUCCEEDED, ended.state_reason)
        self.assertEqual(api.buckets(search), expected_table)
        by_name = {found.name: found for found in api.candidates(search)}
        self.assertEqual(len(by_name), len(trained))
        lost = by_name[candidate]
        self.assertEqual((lost.state, lost.attempt, lost.worker), (search_pb2.CANDIDATE_STATE_SUCCEEDED, 2, "other"))
        self.assertEqual(
            [(f.attempt, f.kind, f.worker) for f in lost.failures],
            [(1, search_pb2.FAILURE_KIND_WORKER_LOST, "victim")],
        )
        metrics = server.metrics()
        self.assertEqual(metrics["layernas_lease_expirations_total", frozenset()], 1)
        self.assertEqual(
            sum(value for (name, _), value in metrics.items() if name == "layernas_attempts_failed_total"), 1
        )
        self.assertEqual(other.stop(), 0)
        harness.wait_for(lambda: not self.evaluator_processes(), "the trainers to be gone, the victim's too")
        self.assertEqual(server.stop(), 0)
        code, output = server.check()
        self.assertEqual(code, 0, output)

    def lines(self, path):
        try:
            with open(path, encoding="utf-8") as file:
                return [line for line in file if line.endswith("\n")]
        except FileNotFoundError:
            return []


if __name__ == "__main__":
    harness.main()
