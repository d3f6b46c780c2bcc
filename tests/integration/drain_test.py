"""SIGTERM: a worker returns its leases, a controller answers all waiting callers, and both end quickly with exit code
0."""

import json
import os
import signal
import time

import grpc

import harness
from layernas.v1 import search_pb2
from layernas.v1 import search_service_pb2
from layernas.v1 import worker_service_pb2
from proto_worker import lease
from proto_worker import seconds
from proto_worker import worker_info
from spaces import Space

# Far longer than a drain should take, and far shorter than the drained programs would wait
# otherwise.
PROMPT_S = 60


class DrainTest(harness.IntegrationTest):

    def test_worker_gives_its_lease_back_without_using_an_attempt(self):
        space = Space(layers=3, options=3, seed=41)
        table = space.write_table(self.path("table.csv"))
        server = self.controller("--lease-duration=600s")
        api = self.client(server)
        spec = space.spec("drained")
        spec.evaluation.attempts = 1
        search = api.create(spec).name

        held = self.path("held")
        worker = self.worker(server, "leaving", *harness.exec_flags("--table", table, "--hold-first", held))
        harness.wait_for(lambda: api.search(search).progress.leased == 1, "the worker to be on a task")
        self.assertEqual(worker.stop(PROMPT_S), 0)
        self.assertEqual(self.evaluator_processes(), [], "the worker left its trainer behind")
        (candidate,) = api.candidates(search)
        self.assertEqual(candidate.state, search_pb2.CANDIDATE_STATE_QUEUED)
        self.assertEqual(list(candidate.failures), [])

        # Only one attempt is allowed. So the next worker can only succeed if the first one used
        # none.
        self.write("held", "done\n")
        self.worker(server, "staying", *harness.exec_flags("--table", table, "--hold-first", held))
        ended = api.wait_for_end(search)
        self.assertEqual(ended.state, search_pb2.SEARCH_STATE_SUCCEEDED, ended.state_reason)
        self.assertFalse(any(found.failures for found in api.candidates(search)))

    def test_a_drained_training_goes_on_where_it_was(self):
        trainer = os.path.join(harness.BIN, "layernas-trainer")
        if not os.path.exists(trainer):
            self.skipTest("built without layernas-trainer")
        server = self.controller("--lease-duration=600s")
        api = self.client(server)
        spec = Space(layers=1, options=1, seed=44).spec("interrupted")
        spec.space.layers[0].options[0].name = "conv_k3"
        spec.objective.cost = "params"
        spec.evaluation.attempts = 1
        spec.evaluation.train.dataset = "shapes10"
        spec.evaluation.train.epochs = 60
        spec.evaluation.train.train_examples = 640
        spec.evaluation.train.validation_examples = 10
        search = api.create(spec).name
        # The trainer's output is saved. Only the trainer itself handles SIGTERM.
        cache, said = self.path("cache"), self.write("said", "")
        script = f"trap '' TERM; {trainer} --cache-dir {cache} | tee -a {said}"
        flags = ("--evaluator=exec", f'--command=/bin/sh -c "{script}"', "--evaluator-grace=60s")
        worker = self.worker(server, "leaving", *flags)

        def epochs():
            with open(said, encoding="utf-8") as lines:
                told = [json.loads(line)["progress"] for line in lines if "progress" in line and "epochs" in line]
            return [(one["epoch"], one["reward"]) for one in told]

        harness.wait_for(epochs, "the first epoch")
        self.assertEqual(worker.stop(PROMPT_S), 0)
        self.assertEqual(len(os.listdir(os.path.join(cache, "checkpoints"))), 1)

        before = epochs()
        worker = self.worker(server, "staying", *flags)
        ended = api.wait_for_end(search)
        self.assertEqual(ended.state, search_pb2.SEARCH_STATE_SUCCEEDED, ended.state_reason)
        # A resumed training reports its whole curve: the earlier epochs unchanged, and then the
        # rest.
        after = epochs()[len(before) :]
        self.assertEqual([epoch for epoch, _ in after], list(range(1, 61)), "an epoch is missing")
        self.assertEqual(after[: len(before)], before, "an epoch was trained twice")
        self.assertEqual(os.listdir(os.path.join(cache, "checkpoints")), [])

    def test_a_repeated_signal_is_one_request(self):
        """timeout(1), a shell and a scheduler may signal a process and its group."""
        table = Space(layers=2, options=2, seed=45).write_table(self.path("table.csv"))
        server = self.controller("--lease-duration=600s")
        api = self.client(server)
        search = api.create(Space(layers=2, options=2, seed=45).spec("repeated")).name
        worker = self.worker(server, "leaving", *harness.exec_flags("--table", table, "--hold-first", self.path("held")))
        harness.wait_for(lambda: api.search(search).progress.leased == 1, "the worker to be on a task")
        worker.process.terminate()
        self.assertEqual(worker.stop(PROMPT_S), 0)
        (candidate,) = api.candidates(search)
        self.assertEqual(candidate.state, search_pb2.CANDIDATE_STATE_QUEUED)
        self.assertEqual(list(candidate.failures), [])

    def test_idle_worker_ends_at_once(self):
        server = self.controller()
        table = Space(layers=2, options=2, seed=42).write_table(self.path("table.csv"))
        worker = self.worker(server, "idle", *harness.tabular_flags(table))
        harness.wait_for(lambda: server.metrics()["layernas_polls_parked", frozenset()] >= 1, "its poll to be parked")
        self.assertEqual(worker.stop(PROMPT_S), 0)

    def test_worker_ends_while_its_controller_is_away(self):
        server = self.controller()
        table = Space(layers=2, options=2, seed=42).write_table(self.path("table.csv"))
        worker = self.worker(server, "orphan", *harness.tabular_flags(table))
        harness.wait_for(lambda: server.metrics()["layernas_polls_parked", frozenset()] >= 1, "its poll to be parked")
        server.kill()
        self.assertEqual(worker.stop(PROMPT_S), 0)

    def handle_hang_ups(self, how):
        """Sets how programs started from now on handle SIGHUP. The tests themselves may run under nohup."""
        self.addCleanup(signal.signal, signal.SIGHUP, signal.signal(signal.SIGHUP, how))

    def test_a_hang_up_that_was_ignored_at_the_start_stays_ignored(self):
        self.handle_hang_ups(signal.SIG_IGN)
        server = self.controller()
        table = Space(layers=2, options=2, seed=45).write_table(self.path("table.csv"))
        worker = self.worker(server, "kept", *harness.tabular_flags(table))
        for program in (server, worker):
            with open(f"/proc/{program.process.pid}/status") as status:
                masks = dict(line.split(":", 1) for line in status)
            # A blocked signal is kept for the thread that waits for it, even if it is ignored.
            self.assertFalse(int(masks["SigBlk"], 16) >> (signal.SIGHUP - 1) & 1)
            self.assertTrue(int(masks["SigIgn"], 16) >> (signal.SIGHUP - 1) & 1)

    def test_a_hang_up_is_a_drain_too(self):
        self.handle_hang_ups(signal.SIG_DFL)
        server = self.controller()
        table = Space(layers=2, options=2, seed=42).write_table(self.path("table.csv"))
        worker = self.worker(server, "left behind", *harness.tabular_flags(table))
        harness.wait_for(lambda: server.metrics()["layernas_polls_parked", frozenset()] >= 1, "its poll to be parked")
        self.assertEqual(worker.stop(PROMPT_S, signal.SIGHUP), 0)
        self.assertEqual(server.stop(PROMPT_S, signal.SIGHUP), 0)

    def test_controller_ends_promptly_with_parked_polls_and_open_watches(self):
        server = self.controller()
        api = self.client(server)
        search = api.create(Space(layers=2, options=2, seed=43).spec("left-running")).name
        (task,) = lease(api, "holder")
        request = worker_service_pb2.LeaseTasksRequest(
            worker=worker_info("waiting"), max_tasks=1, request_id="parked", max_wait=seconds(600)
        )
        poll = api.method("LeaseTasks").future(request, timeout=600)
        watch = api.method("WatchSearch")(search_service_pb2.WatchSearchRequest(name=search), timeout=600)
        self.assertTrue(next(watch))
        harness.wait_for(lambda: server.metrics()["layernas_polls_parked", frozenset()] == 1, "the poll to be parked")

        started = time.monotonic()
        self.assertEqual(server.stop(PROMPT_S), 0)
        print(f"the controller ended after {time.monotonic() - started:.2f} s", flush=True)
        # Both got an answer; their connections were not just cut.
        self.assert_rpc_error(grpc.StatusCode.UNAVAILABLE, poll.result, harness.PATIENCE_S)
        with self.assertRaises(grpc.RpcError) as raised:
            for _ in watch:
                pass
        self.assertEqual(raised.exception.code(), grpc.StatusCode.UNAVAILABLE)

        # Nothing is lost: the lease continues after the next start.
        server.start()
        api = self.client(server)
        (candidate,) = api.candidates(search)
        self.assertEqual((candidate.state, candidate.worker), (search_pb2.CANDIDATE_STATE_LEASED, "holder"))
        self.assertEqual(candidate.name, task.candidate)


if __name__ == "__main__":
    harness.main()
