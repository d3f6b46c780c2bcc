"""The lease protocol, call by call: repeated calls, losses, expiries, and results that are late or arrive twice."""

import math
import time

import grpc

import harness
from layernas.v1 import search_pb2
from layernas.v1 import search_service_pb2
from layernas.v1 import worker_service_pb2
from proto_worker import complete
from proto_worker import failure
from proto_worker import heartbeat
from proto_worker import lease
from proto_worker import release
from proto_worker import result
from proto_worker import seconds
from proto_worker import worker_info
from spaces import Space

ACCEPTED = worker_service_pb2.COMPLETION_STATUS_ACCEPTED
REFUSED = worker_service_pb2.COMPLETION_STATUS_REFUSED
INVALID = worker_service_pb2.COMPLETION_STATUS_INVALID
CONTINUE = worker_service_pb2.LEASE_ACTION_CONTINUE
CANCEL = worker_service_pb2.LEASE_ACTION_CANCEL

SHORT_LEASE_S = 2.0


class LeaseProtocolTest(harness.IntegrationTest):

    def start(self, *flags, **spec_fields):
        """Starts a controller with one search. Its first stage has a single candidate, with all defaults."""
        self.server = self.controller(*flags)
        self.api = self.client(self.server)
        self.space = Space(layers=3, options=3, seed=1)
        spec = self.space.spec("leases")
        for field, value in spec_fields.items():
            setattr(spec.evaluation, field, value)
        self.search = self.api.create(spec).name

    def candidate(self, number=1):
        return self.api.candidates(self.search)[number - 1]

    def good(self, task):
        return result(task.lease_token, self.space.metrics(task.architecture.id))

    def wait_for_expiry(self, task):
        """Waits until the task's lease has expired, without keeping it alive."""
        harness.wait_for(
            lambda: any(failed.kind == search_pb2.FAILURE_KIND_WORKER_LOST for failed in self.candidate().failures),
            f"the lease of {task.candidate} to expire",
        )

    def test_the_same_completion_twice_is_accepted_twice_and_counts_once(self):
        self.start()
        (task,) = lease(self.api, "a")
        for _ in range(3):
            self.assertEqual([v.status for v in complete(self.api, "a", self.good(task))], [ACCEPTED])
        progress = self.api.search(self.search).progress
        self.assertEqual((progress.trainings, progress.succeeded), (1, 1))

    def test_a_second_differing_result_is_refused_and_overwrites_nothing(self):
        self.start()
        (task,) = lease(self.api, "a")
        complete(self.api, "a", self.good(task))
        before = self.candidate()
        verdict = complete(self.api, "a", result(task.lease_token, {"accuracy": 0.99, "latency_ms": 1.0}))[0]
        self.assertEqual(verdict.status, REFUSED)
        self.assertTrue(verdict.message)
        verdict = complete(
            self.api, "a", failure(task.lease_token, search_pb2.FAILURE_KIND_INFEASIBLE, "changed my mind")
        )[0]
        self.assertEqual(verdict.status, REFUSED)
        self.assertEqual(self.candidate(), before)

    def test_verdicts_are_per_item_and_in_order(self):
        self.start()
        (first,) = lease(self.api, "a")
        complete(self.api, "a", self.good(first))
        tasks = lease(self.api, "a", max_tasks=2)
        self.assertEqual(len(tasks), 2)
        verdicts = complete(
            self.api,
            "a",
            self.good(tasks[1]),
            result(first.lease_token, {"accuracy": 0.99, "latency_ms": 1.0}),
            result(tasks[0].lease_token, {"accuracy": math.nan, "latency_ms": 1.0}),
        )
        self.assertEqual([v.status for v in verdicts], [ACCEPTED, REFUSED, INVALID])
        self.assertEqual(
            [v.lease_token for v in verdicts], [tasks[1].lease_token, first.lease_token, tasks[0].lease_token]
        )

    def test_a_lost_answer_is_delivered_again_for_the_same_request(self):
        self.start()
        (first,) = lease(self.api, "a")
        complete(self.api, "a", self.good(first))
        one = lease(self.api, "a", max_tasks=2, request_id="lost")
        again = lease(self.api, "a", max_tasks=2, request_id="lost")
        self.assertEqual([t.lease_token for t in again], [t.lease_token for t in one])
        self.assertEqual([t.candidate for t in again], [t.candidate for t in one])
        self.assertEqual({self.candidate(int(t.candidate.rsplit("/", 1)[1])).attempt for t in again}, {1})

        # After a restart too, because granted leases are on disk.
        self.server.kill()
        self.server.start()
        again = lease(self.client(self.server), "a", max_tasks=2, request_id="lost")
        self.assertEqual([t.lease_token for t in again], [t.lease_token for t in one])

    def test_release_uses_up_no_attempt(self):
        self.start(attempts=1)
        tokens = set()
        for worker in ("a", "b", "a"):
            (task,) = lease(self.api, worker)
            self.assertEqual(self.candidate().worker, worker)
            tokens.add(task.lease_token)
            release(self.api, worker, task.lease_token)
            self.assertEqual(self.candidate().state, search_pb2.CANDIDATE_STATE_QUEUED)
        self.assertEqual(len(tokens), 3, "a lease given back and one given later must not be taken for each other")
        self.assertEqual(list(self.candidate().failures), [])
        # Only one attempt is allowed, and it is not used up.
        (task,) = lease(self.api, "c")
        self.assertEqual(complete(self.api, "c", self.good(task))[0].status, ACCEPTED)

    def test_an_expired_lease_goes_to_another_worker_as_the_next_attempt(self):
        self.start(f"--lease-duration={SHORT_LEASE_S:.0f}s")
        (lost,) = lease(self.api, "a")
        self.assertEqual(lost.lease_duration.ToSeconds(), SHORT_LEASE_S)
        (task,) = harness.wait_for(lambda: lease(self.api, "b"), "the task to be handed out again")
        self.assertEqual(task.candidate, lost.candidate)
        self.assertNotEqual(task.lease_token, lost.lease_token)
        candidate = self.candidate()
        self.assertEqual((candidate.attempt, candidate.worker), (2, "b"))
        self.assertEqual(
            [(f.attempt, f.kind, f.worker) for f in candidate.failures], [(1, search_pb2.FAILURE_KIND_WORKER_LOST, "a")]
        )
        self.assertEqual(self.server.metrics()["layernas_lease_expirations_total", frozenset()], 1)
        # If the first worker is back, both may continue: the first result is accepted. The first
        # worker's heartbeat takes nothing from the second.
        self.assertEqual(heartbeat(self.api, "a", lost.lease_token), {lost.lease_token: CONTINUE})
        self.assertEqual(heartbeat(self.api, "b", task.lease_token), {task.lease_token: CONTINUE})
        self.assertEqual((self.candidate().attempt, self.candidate().worker), (2, "b"))

        # A stale attempt, because the second worker's result came first.
        self.assertEqual(complete(self.api, "b", self.good(task))[0].status, ACCEPTED)
        before = self.candidate()
        verdict = complete(self.api, "a", result(lost.lease_token, {"accuracy": 0.99, "latency_ms": 1.0}))[0]
        self.assertEqual(verdict.status, REFUSED)
        self.assertEqual(self.candidate(), before)
        self.assertEqual(heartbeat(self.api, "a", lost.lease_token), {lost.lease_token: CANCEL})

    def test_a_worker_that_comes_back_in_time_takes_its_lease_up_again(self):
        self.start(f"--lease-duration={SHORT_LEASE_S:.0f}s", attempts=2)
        (task,) = lease(self.api, "a")
        self.wait_for_expiry(task)
        self.assertEqual(heartbeat(self.api, "a", task.lease_token), {task.lease_token: CONTINUE})
        candidate = self.candidate()
        self.assertEqual((candidate.state, candidate.worker), (search_pb2.CANDIDATE_STATE_LEASED, "a"))
        self.assertEqual(lease(self.api, "b", max_wait_s=0.2), [])
        self.assertEqual(complete(self.api, "a", self.good(task))[0].status, ACCEPTED)

    def test_a_late_result_of_an_expired_lease_is_taken(self):
        self.start(f"--lease-duration={SHORT_LEASE_S:.0f}s")
        (lost,) = lease(self.api, "a")
        self.wait_for_expiry(lost)
        (task,) = harness.wait_for(lambda: lease(self.api, "b"), "the task to be handed out again")
        self.assertEqual(complete(self.api, "a", self.good(lost))[0].status, ACCEPTED)
        self.assertEqual(self.candidate().state, search_pb2.CANDIDATE_STATE_SUCCEEDED)
        # The worker that repeats the task may stop, and cannot overwrite the result.
        self.assertEqual(heartbeat(self.api, "b", task.lease_token), {task.lease_token: CANCEL})
        verdict = complete(self.api, "b", result(task.lease_token, {"accuracy": 0.99, "latency_ms": 1.0}))[0]
        self.assertEqual(verdict.status, REFUSED)
        self.assertEqual(self.candidate().reward, self.space.reward(lost.architecture.id))

    def test_heartbeats_keep_a_lease(self):
        self.start("--lease-duration=4s")
        (task,) = lease(self.api, "a")
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            self.assertEqual(heartbeat(self.api, "a", task.lease_token), {task.lease_token: CONTINUE})
            self.assertEqual(lease(self.api, "b", max_wait_s=0.3), [])
        self.assertEqual(self.candidate().attempt, 1)
        self.assertEqual(complete(self.api, "a", self.good(task))[0].status, ACCEPTED)

    def test_attempts_are_used_up_by_failures(self):
        self.start(attempts=2)
        for attempt in (1, 2):
            (task,) = harness.wait_for(lambda: lease(self.api, "a"), f"attempt {attempt}")
            self.assertEqual(self.candidate().attempt, attempt)
            verdict = complete(
                self.api, "a", failure(task.lease_token, search_pb2.FAILURE_KIND_EVALUATOR, f"crash {attempt}")
            )[0]
            self.assertEqual(verdict.status, ACCEPTED)
        candidate = self.candidate()
        self.assertEqual(candidate.state, search_pb2.CANDIDATE_STATE_FAILED)
        self.assertEqual([f.message for f in candidate.failures], ["crash 1", "crash 2"])

    def test_infeasible_is_a_result(self):
        self.start()
        (task,) = lease(self.api, "a")
        verdict = complete(self.api, "a", failure(task.lease_token, search_pb2.FAILURE_KIND_INFEASIBLE, "loss is NaN"))[0]
        self.assertEqual(verdict.status, ACCEPTED)
        candidate = self.candidate()
        self.assertEqual(candidate.state, search_pb2.CANDIDATE_STATE_INFEASIBLE)
        self.assertEqual(candidate.attempt, 1)
        self.assertEqual(candidate.failures[0].message, "loss is NaN")

    def test_invalid_results_use_up_an_attempt(self):
        self.start(attempts=2)
        cases = [
            ({"accuracy": 0.5, "latency_ms": -1.0}, "latency_ms"),
            ({"accuracy": 0.5}, "latency_ms"),
        ]
        for attempt, (metrics, named) in enumerate(cases, 1):
            (task,) = harness.wait_for(lambda: lease(self.api, "a"), f"attempt {attempt}")
            verdict = complete(self.api, "a", result(task.lease_token, metrics))[0]
            self.assertEqual(verdict.status, INVALID, metrics)
            self.assertIn(named, verdict.message)
            self.assertEqual(self.candidate().failures[-1].kind, search_pb2.FAILURE_KIND_EVALUATOR)
            self.assertIn(named, self.candidate().failures[-1].message)
        self.assertEqual(self.candidate().state, search_pb2.CANDIDATE_STATE_FAILED)

    def check_infeasible(self, metrics, named):
        self.start()
        (task,) = lease(self.api, "a")
        verdict = complete(self.api, "a", result(task.lease_token, metrics))[0]
        self.assertEqual(verdict.status, INVALID)
        self.assertIn(named, verdict.message)
        self.assertEqual(self.candidate().state, search_pb2.CANDIDATE_STATE_INFEASIBLE)

    def test_a_reward_that_is_no_number_is_infeasible(self):
        self.check_infeasible({"accuracy": math.nan, "latency_ms": 1.0}, "accuracy")

    def test_a_cost_that_is_no_number_is_infeasible(self):
        self.check_infeasible({"accuracy": 0.5, "latency_ms": math.inf}, "latency_ms")

    def test_long_poll(self):
        self.start()
        (task,) = lease(self.api, "a")
        # Without work, an empty answer comes after max_wait, or about a second before the call's
        # own deadline.
        self.assertEqual(lease(self.api, "b", max_wait_s=0.2), [])
        started = time.monotonic()
        self.assertEqual(lease(self.api, "b", max_wait_s=600, timeout_s=5), [])
        self.assertLess(time.monotonic() - started, 5)
        # New work wakes a parked poll.
        request = worker_service_pb2.LeaseTasksRequest(
            worker=worker_info("b"), max_tasks=1, request_id="parked", max_wait=seconds(60)
        )
        parked = self.api.method("LeaseTasks").future(request, timeout=harness.RPC_DEADLINE_S)
        harness.wait_for(
            lambda: self.server.metrics()["layernas_polls_parked", frozenset()] == 1, "the poll to be parked"
        )
        complete(self.api, "a", self.good(task))
        self.assertEqual(len(parked.result(harness.PATIENCE_S).tasks), 1)

    def test_a_poll_that_the_worker_gave_up_is_forgotten(self):
        self.start()
        (task,) = lease(self.api, "a")
        request = worker_service_pb2.LeaseTasksRequest(
            worker=worker_info("b"), max_tasks=64, request_id="gone", max_wait=seconds(60)
        )
        parked = self.api.method("LeaseTasks").future(request, timeout=harness.RPC_DEADLINE_S)
        polls = lambda: self.server.metrics()["layernas_polls_parked", frozenset()]
        harness.wait_for(lambda: polls() == 1, "the poll to be parked")
        parked.cancel()
        harness.wait_for(lambda: polls() == 0, "the poll to be forgotten")
        complete(self.api, "a", self.good(task))
        self.assertGreater(len(lease(self.api, "c", max_tasks=64)), 1, "the stage's tasks went to the one who has gone")

    def test_requests_that_make_no_sense(self):
        self.start()
        (task,) = lease(self.api, "a")
        bad = [
            ("LeaseTasks", worker_service_pb2.LeaseTasksRequest(worker=worker_info("a"), max_tasks=0, request_id="1")),
            ("LeaseTasks", worker_service_pb2.LeaseTasksRequest(worker=worker_info("a"), max_tasks=65, request_id="1")),
            ("LeaseTasks", worker_service_pb2.LeaseTasksRequest(worker=worker_info(""), max_tasks=1, request_id="1")),
            ("LeaseTasks", worker_service_pb2.LeaseTasksRequest(worker=worker_info("x" * 101), max_tasks=1)),
            ("CompleteTasks", worker_service_pb2.CompleteTasksRequest(worker_id="a")),
            ("Heartbeat", worker_service_pb2.HeartbeatRequest(worker=worker_info(""))),
        ]
        for method, request in bad:
            details = self.assert_rpc_error(grpc.StatusCode.INVALID_ARGUMENT, self.api.call, method, request)
            self.assertTrue(details, method)
        # The controller never gave out these tokens, so they lead to nothing.
        for token in ("", "rubbish", task.lease_token + "x", task.lease_token[:-1]):
            self.assertEqual(heartbeat(self.api, "a", token), {token: CANCEL}, token)
            verdict = complete(self.api, "a", result(token, {"accuracy": 0.9, "latency_ms": 1.0}))[0]
            self.assertIn(verdict.status, (REFUSED, INVALID), token)
            self.assertTrue(verdict.message)
        self.assertEqual(complete(self.api, "a", self.good(task))[0].status, ACCEPTED)

    def test_results_of_an_ended_search_are_refused(self):
        self.start()
        (task,) = lease(self.api, "a")
        self.api.call("CancelSearch", search_service_pb2.CancelSearchRequest(name=self.search))
        self.api.call("DeleteSearch", search_service_pb2.DeleteSearchRequest(name=self.search))
        self.assertEqual(heartbeat(self.api, "a", task.lease_token), {task.lease_token: CANCEL})
        self.assertEqual(complete(self.api, "a", self.good(task))[0].status, REFUSED)


if __name__ == "__main__":
    harness.main()
