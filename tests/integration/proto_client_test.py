"""A client that is written only from the proto files drives a whole search."""

import uuid

import grpc

import harness
import health_pb2
import health_pb2_grpc
import reflection_pb2
import reflection_pb2_grpc
from google.protobuf import descriptor_pb2
from layernas.v1 import fleet_service_pb2
from layernas.v1 import search_pb2
from layernas.v1 import search_service_pb2
from layernas.v1 import worker_service_pb2
from proto_worker import ProtoWorker
from proto_worker import Watcher
from proto_worker import complete
from proto_worker import heartbeat
from proto_worker import lease
from proto_worker import result
from spaces import Space
from spaces import pareto
from spaces import reference_layernas

ACCEPTED = worker_service_pb2.COMPLETION_STATUS_ACCEPTED
REFUSED = worker_service_pb2.COMPLETION_STATUS_REFUSED


class ProtoClientTest(harness.IntegrationTest):

    def setUp(self):
        super().setUp()
        self.server = self.controller()
        self.api = self.client(self.server)

    def run_to_end(self, space, search_name):
        """Answers every task by the space's formula. Returns the search in its final state."""
        worker = ProtoWorker(self.server.address, "proto-worker", space, max_tasks=8)
        worker.start()
        try:
            return self.api.wait_for_end(search_name)
        finally:
            worker.stop()

    def test_search_from_submission_to_frontier(self):
        space = Space(layers=4, options=3, seed=1)
        edges = space.edges(8)
        spec = space.spec("from-proto", buckets={"edges": edges})
        targets = [space.cheapest() + 5, space.dearest()]
        spec.objective.targets.extend(targets)
        search = self.api.create(spec)
        self.assertRegex(search.name, r"^searches/from-proto-\w+$")
        self.assertEqual(search.state, search_pb2.SEARCH_STATE_RUNNING)
        self.assertEqual([layer.name for layer in search.spec.space.layers], [f"layer{i}" for i in range(4)])

        # The first candidate has every layer's default option. It contains everything that the
        # evaluator needs.
        (task,) = lease(self.api, "by-hand", max_tasks=4)
        self.assertEqual(task.architecture.id, "2222")
        self.assertEqual([layer.option for layer in task.architecture.layers], ["option2"] * 4)
        self.assertEqual([layer.name for layer in task.architecture.layers], [f"layer{i}" for i in range(4)])
        self.assertEqual(list(task.network.input), [3, 32, 32])
        self.assertEqual(task.candidate, f"{search.name}/candidates/1")
        verdict = complete(self.api, "by-hand", result(task.lease_token, space.metrics("2222")))[0]
        self.assertEqual((verdict.status, verdict.lease_token), (ACCEPTED, task.lease_token))

        search = self.run_to_end(space, search.name)
        self.assertEqual(search.state, search_pb2.SEARCH_STATE_SUCCEEDED, search.state_reason)
        trained, table = reference_layernas(space, edges)
        self.assertEqual(self.api.buckets(search.name), table)
        self.assertEqual(search.progress.trainings, len(trained))
        self.assertEqual(search.progress.succeeded, len(trained))
        self.assertEqual(search.progress.stage_count, 4)

        candidates = self.api.candidates(search.name)
        self.assertEqual({candidate.architecture.id for candidate in candidates}, trained)
        self.assertEqual(len(candidates), len(trained), "an architecture was proposed twice")
        for candidate in candidates:
            architecture = candidate.architecture.id
            self.assertEqual(candidate.state, search_pb2.CANDIDATE_STATE_SUCCEEDED)
            self.assertEqual(dict(candidate.metrics), space.metrics(architecture))
            self.assertEqual((candidate.reward, candidate.cost), (space.reward(architecture), space.cost(architecture)))

        # The frontier considers everything that was trained, and the answer for each target lies on
        # it.
        frontier = self.api.frontier(search.name)
        points = [(point.cost, point.reward) for point in frontier.points]
        within = [a for a in trained if space.cost(a) <= max(targets)]
        self.assertEqual(points, pareto([(space.cost(a), space.reward(a)) for a in within]))
        self.assertEqual([best.target for best in frontier.best], targets)
        for best in frontier.best:
            meets = [a for a in trained if space.cost(a) <= best.target]
            if meets:
                self.assertEqual(best.best.architecture.id, max(meets, key=space.reward))
            else:
                self.assertFalse(best.HasField("best"))
                self.assertEqual(best.nearest.cost, min(map(space.cost, trained)))

    def test_sums_over_layers_and_buckets_enough_give_the_true_optimum(self):
        space = Space(layers=4, options=3, seed=2)
        search = self.api.create(space.spec("optimum", buckets={"edges": space.exact_edges()}))
        search = self.run_to_end(space, search.name)
        self.assertEqual(search.state, search_pb2.SEARCH_STATE_SUCCEEDED, search.state_reason)
        points = [(point.cost, point.reward) for point in self.api.frontier(search.name).points]
        self.assertEqual(points, pareto([(space.cost(a), space.reward(a)) for a in space.all()]))

    def test_validate_says_how_large_and_changes_nothing(self):
        space = Space(layers=3, options=3, seed=3)
        request = search_service_pb2.ValidateSearchRequest(spec=space.spec("size", cost_per_layer=True))
        summary = self.api.call("ValidateSearch", request).summary
        self.assertEqual((summary.layers, summary.space_size), (3, 27))
        self.assertEqual((summary.cheapest, summary.dearest), (space.cheapest(), space.dearest()))
        self.assertEqual(len(self.api.call("ListSearches", search_service_pb2.ListSearchesRequest()).searches), 0)

    def test_bad_spec_names_every_mistake(self):
        spec = Space(layers=3, options=2, seed=3).spec("bad")
        spec.space.layers[1].default = "no-such-option"
        spec.budget.trainings = -1
        with self.assertRaises(grpc.RpcError) as raised:
            self.api.create(spec)
        self.assertEqual(raised.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        lines = raised.exception.details().splitlines()
        self.assertEqual([line.split(": ")[0] for line in lines], ["space.layers[1].default", "budget.trainings"])
        self.assertIn("no-such-option", lines[0])

    def test_create_with_the_same_request_id_makes_one_search(self):
        spec = Space(layers=2, options=2, seed=3).spec("once")
        request_id = uuid.uuid4().hex
        names = {self.api.create(spec, request_id).name for _ in range(3)}
        self.assertEqual(len(names), 1)
        self.assertNotIn(self.api.create(spec, uuid.uuid4().hex).name, names)

    def test_pages(self):
        space = Space(layers=3, options=3, seed=4)
        made = [self.api.create(space.spec(f"page-{index}")).name for index in range(5)]
        found, token, pages = [], "", 0
        while True:
            request = search_service_pb2.ListSearchesRequest(page_size=2, page_token=token)
            answer = self.api.call("ListSearches", request)
            self.assertLessEqual(len(answer.searches), 2)
            found += [search.name for search in answer.searches]
            token, pages = answer.next_page_token, pages + 1
            if not token:
                break
        self.assertEqual((found, pages), (made[::-1], 3))
        for name in made[1:]:
            self.api.call("CancelSearch", search_service_pb2.CancelSearchRequest(name=name))

        self.run_to_end(space, made[0])
        everything = self.api.candidates(made[0])
        self.assertGreater(len(everything), 7)
        self.assertEqual(self.api.candidates(made[0], page_size=3), everything)
        numbers = [int(candidate.name.rsplit("/", 1)[1]) for candidate in everything]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
        self.assertEqual(self.api.candidates(made[0], states=[search_pb2.CANDIDATE_STATE_SUCCEEDED]), everything)
        self.assertEqual(self.api.candidates(made[0], states=[search_pb2.CANDIDATE_STATE_FAILED]), [])
        for bad in (
            search_service_pb2.ListCandidatesRequest(parent=made[0], page_token="rubbish"),
            search_service_pb2.ListCandidatesRequest(parent=made[0], page_size=-1),
        ):
            self.assert_rpc_error(grpc.StatusCode.INVALID_ARGUMENT, self.api.call, "ListCandidates", bad)

    def test_watch_is_resumed_by_sequence_number(self):
        space = Space(layers=3, options=3, seed=5)
        search = self.api.create(space.spec("watched"))
        live = Watcher(self.server.address, search.name)
        live.start()
        self.addCleanup(live.stop)
        ended = self.run_to_end(space, search.name)
        live.join(harness.PATIENCE_S)
        self.assertEqual(live.faults, [])
        self.assertEqual(live.final.state, search_pb2.SEARCH_STATE_SUCCEEDED)
        self.assertEqual(live.sequence, ended.sequence)
        succeeded = {candidate.architecture.id for candidate in self.api.candidates(search.name)}
        self.assertEqual(set(live.seen_at), succeeded)

        # Later, from the start or from the middle, the same changes are sent again, and then the
        # stream ends.
        for after in (0, ended.sequence // 2, ended.sequence - 1):
            again = Watcher(self.server.address, search.name, after)
            again.run()
            self.assertEqual(again.faults, [])
            self.assertEqual(
                [change.sequence for change in again.changes], list(range(after + 1, ended.sequence + 1)), after
            )
            self.assertEqual(again.final.state, search_pb2.SEARCH_STATE_SUCCEEDED)

    def test_pause_resume_cancel_delete(self):
        space = Space(layers=3, options=3, seed=6)
        name = self.api.create(space.spec("stop-and-go")).name

        def act(verb):
            return self.api.call(f"{verb}Search", getattr(search_service_pb2, f"{verb}SearchRequest")(name=name))

        self.assertEqual(act("Pause").search.state, search_pb2.SEARCH_STATE_PAUSED)
        self.assertEqual(lease(self.api, "idle", max_wait_s=0.2), [], "a paused search handed out a task")
        self.assertEqual(act("Resume").search.state, search_pb2.SEARCH_STATE_RUNNING)
        (task,) = lease(self.api, "busy")

        # A training that runs when its search is paused continues and counts. No new task is given
        # out.
        act("Pause")
        self.assertEqual(
            heartbeat(self.api, "busy", task.lease_token), {task.lease_token: worker_service_pb2.LEASE_ACTION_CONTINUE}
        )
        verdict = complete(self.api, "busy", result(task.lease_token, space.metrics(task.architecture.id)))[0]
        self.assertEqual(verdict.status, ACCEPTED)
        self.assertEqual(lease(self.api, "idle", max_wait_s=0.2), [])
        act("Resume")
        (task,) = lease(self.api, "busy")

        self.assert_rpc_error(grpc.StatusCode.FAILED_PRECONDITION, act, "Delete")
        self.assertEqual(act("Cancel").search.state, search_pb2.SEARCH_STATE_CANCELLED)
        self.assertEqual(
            heartbeat(self.api, "busy", task.lease_token), {task.lease_token: worker_service_pb2.LEASE_ACTION_CANCEL}
        )
        verdict = complete(self.api, "busy", result(task.lease_token, space.metrics(task.architecture.id)))[0]
        self.assertEqual(verdict.status, REFUSED)
        self.assertEqual(lease(self.api, "idle", max_wait_s=0.2), [])
        self.assert_rpc_error(grpc.StatusCode.FAILED_PRECONDITION, act, "Resume")
        states = {candidate.state for candidate in self.api.candidates(name)}
        self.assertEqual(states, {search_pb2.CANDIDATE_STATE_SUCCEEDED, search_pb2.CANDIDATE_STATE_SKIPPED})

        act("Delete")
        for verb in ("Get", "Delete", "Cancel", "Pause"):
            self.assert_rpc_error(grpc.StatusCode.NOT_FOUND, act, verb)

    def test_workers_are_listed(self):
        heartbeat(self.api, "w-1", labels={"device": "cpu"})
        name = self.api.create(Space(layers=2, options=2, seed=7).spec("fleet")).name
        (task,) = lease(self.api, "w-2")
        workers = self.api.call("ListWorkers", fleet_service_pb2.ListWorkersRequest()).workers
        self.assertEqual([worker.info.id for worker in workers], ["w-1", "w-2"])
        self.assertEqual(dict(workers[0].info.labels), {"device": "cpu"})
        self.assertEqual(list(workers[1].candidates), [task.candidate])
        self.assertTrue(task.candidate.startswith(name))

    def test_health(self):
        health = health_pb2_grpc.HealthStub(self.api.channel)
        for service in ("", "layernas.v1.SearchService", "layernas.v1.WorkerService", "layernas.v1.FleetService"):
            answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=harness.RPC_DEADLINE_S)
            self.assertEqual(answer.status, health_pb2.HealthCheckResponse.SERVING, service)
        self.assert_rpc_error(
            grpc.StatusCode.NOT_FOUND, health.Check, health_pb2.HealthCheckRequest(service="no.such"), timeout=10
        )

    def test_reflection(self):
        reflection = reflection_pb2_grpc.ServerReflectionStub(self.api.channel)

        def ask(**request):
            requests = iter([reflection_pb2.ServerReflectionRequest(**request)])
            return next(reflection.ServerReflectionInfo(requests, timeout=harness.RPC_DEADLINE_S))

        services = {service.name for service in ask(list_services="").list_services_response.service}
        self.assertLessEqual(
            {"layernas.v1.SearchService", "layernas.v1.WorkerService", "layernas.v1.FleetService"}, services
        )
        answer = ask(file_containing_symbol="layernas.v1.SearchService").file_descriptor_response
        names = [descriptor_pb2.FileDescriptorProto.FromString(file).name for file in answer.file_descriptor_proto]
        self.assertIn("layernas/v1/search_service.proto", names)


if __name__ == "__main__":
    harness.main()
