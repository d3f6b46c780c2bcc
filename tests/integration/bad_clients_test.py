"""Bad clients: malformed, oversized, stale, unauthorised and impolite calls, written only from the proto files. Each
gets the right status, and none changes anything."""

import math

import grpc

import bad_clients
import harness
from google.protobuf import duration_pb2
from layernas.v1 import fleet_service_pb2
from layernas.v1 import search_pb2
from layernas.v1 import search_service_pb2
from layernas.v1 import spec_pb2
from layernas.v1 import worker_service_pb2
from proto_worker import complete
from proto_worker import failure
from proto_worker import heartbeat
from proto_worker import lease
from proto_worker import release
from proto_worker import result
from proto_worker import worker_info

SEARCHES = "/layernas.v1.SearchService/"
WORKERS = "/layernas.v1.WorkerService/"
FLEET = "/layernas.v1.FleetService/"

INVALID = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND = grpc.StatusCode.NOT_FOUND
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
UNIMPLEMENTED = grpc.StatusCode.UNIMPLEMENTED
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED
DENIED = grpc.StatusCode.PERMISSION_DENIED
REFUSED = worker_service_pb2.COMPLETION_STATUS_REFUSED
INVALID_RESULT = worker_service_pb2.COMPLETION_STATUS_INVALID
CANCEL = worker_service_pb2.LEASE_ACTION_CANCEL


class BadClientsTest(bad_clients.BadClients):

    def refuse(self, what, code, path, request=b"", said="", api=None, metadata=None, **options):
        """Makes a call with `request`, a message or its bytes. It must end with that code (or one of several) and
        change nothing."""
        with self.subTest(what):
            data = request if isinstance(request, bytes) else request.SerializeToString()
            call = (api or self.admin).channel.unary_unary(path)
            with self.assertRaises(grpc.RpcError) as raised:
                call(data, timeout=harness.RPC_DEADLINE_S, metadata=metadata, **options)
            codes = code if isinstance(code, tuple) else (code,)
            self.assertIn(raised.exception.code(), codes, raised.exception.details())
            if said:
                self.assertRegex(raised.exception.details(), said)
            self.assert_unchanged()

    def test_malformed(self):
        for what, data in (
            ("random bytes", b"\xff\xff\xff\xff\xff"),
            ("a message that was cut", b"\x0a\x10searches"),
            ("text that is no UTF-8", b"\x0a\x02\xff\xfe"),
            ("a length beyond the end", b"\x0a\xff\xff\xff\xff\x0f"),
            ("a group that is not closed", b"\x0b"),
        ):
            for method in ("GetSearch", "CreateSearch", "DeleteSearch"):
                self.refuse(f"{what} to {method}", INVALID, SEARCHES + method, data)
        self.refuse("a field of another type", INVALID, SEARCHES + "DeleteSearch", b"\x08\x05", "name of a search")
        self.refuse("an unknown method", UNIMPLEMENTED, SEARCHES + "DropSearches")
        self.refuse("an unknown service", UNIMPLEMENTED, "/layernas.v1.AdminService/DeleteSearch")
        self.refuse("a version to come", UNIMPLEMENTED, "/layernas.v2.SearchService/DeleteSearch")

    def test_bad_names(self):
        for name in (
            "",
            "running-1",
            "searches/",
            "searches/running",
            "searches/running-0",
            "searches/running-01",
            "searches/running-1/",
            "searches/running-1/candidates/1",
            "SEARCHES/running-1",
            "searches/../running-1\0",
            "searches/running-99999999999999999999999",
            "searches/" + "x" * 1_000_000,
        ):
            for method in ("Get", "Pause", "Resume", "Cancel", "Delete"):
                request = getattr(search_service_pb2, f"{method}SearchRequest")(name=name)
                self.refuse(f"{method} {name[:40]!r}", (INVALID, NOT_FOUND), f"{SEARCHES}{method}Search", request)
        request = search_service_pb2.ListCandidatesRequest(parent="searches/other-1")
        self.refuse("the right number with the wrong name", NOT_FOUND, SEARCHES + "ListCandidates", request)

    def test_bad_pages(self):
        for what, request in (
            ("negative page size", {"page_size": -1}),
            ("huge page size", {"page_size": 2_000_000_000}),
            ("made-up page token", {"page_token": "next please"}),
            ("page token beyond all numbers", {"page_token": "p99999999999999999999999"}),
            ("huge page token", {"page_token": "p" + "1" * 1_000_000}),
        ):
            self.refuse(what, INVALID, SEARCHES + "ListSearches", search_service_pb2.ListSearchesRequest(**request))
        list_candidates = SEARCHES + "ListCandidates"
        for what, states in (("unspecified", [0]), ("unknown", [77]), ("too many", [3] * 101)):
            request = search_service_pb2.ListCandidatesRequest(parent=self.running, states=states)
            self.refuse(f"{what} states", INVALID, list_candidates, request, "states")
        request = fleet_service_pb2.ListWorkersRequest(page_size=1001)
        self.refuse("too large a page of workers", INVALID, FLEET + "ListWorkers", request, "page_size")
        request = search_service_pb2.GetBucketsRequest(name=self.running, stage=99, **{"pass": -1})
        self.refuse("a stage that there is not", NOT_FOUND, SEARCHES + "GetBuckets", request)

    def test_bad_specs(self):
        def spoilt(**changes):
            spec = self.space.spec("spoilt")
            for path, value in changes.items():
                part = spec
                *parts, last = path.split("__")
                for name in parts:
                    part = getattr(part, name) if not name.isdigit() else part[int(name)]
                if isinstance(value, list):
                    getattr(part, last)[:] = value
                else:
                    setattr(part, last, value)
            return spec

        many_layers = self.space.spec("spoilt")
        for number in range(1001):
            many_layers.space.layers.add(name=f"more{number}").options.add(name="one")
        large = self.space.spec("spoilt")
        large.space.network.parameters["text"] = "x" * (3 << 20)
        endless = self.space.spec("spoilt", cost_per_layer=True)
        endless.space.layers[0].options[0].costs["latency_ms"] = math.inf
        many_labels = self.space.spec("spoilt")
        many_labels.evaluation.require["k" * 101] = "v"
        for what, spec, said in (
            ("an empty spec", spec_pb2.SearchSpec(), "name: is missing"),
            ("a name with a path in it", spoilt(name="../spoilt"), "name: must be"),
            ("a name that is too long", spoilt(name="x" * 41), "name: must be"),
            ("a layer's name with a line feed", spoilt(space__layers__0__name="a\nb"), r"layers\[0\].name"),
            ("two layers of one name", spoilt(space__layers__0__name="layer1"), r"layers\[1\].name"),
            ("a target that is not a number", spoilt(objective__targets=[math.nan]), r"targets\[0\]"),
            ("a negative budget", spoilt(budget__trainings=-5), "budget.trainings"),
            ("a cost without end", endless, r"costs.latency_ms"),
            ("more layers than are taken", many_layers, "space.layers: must have at most 1000"),
            ("a spec that is too large", large, "maximum of 2097152"),
            ("a label that is too long", many_labels, "evaluation.require"),
        ):
            request = search_service_pb2.CreateSearchRequest(spec=spec)
            self.refuse(what, INVALID, SEARCHES + "CreateSearch", request, said)
            request = search_service_pb2.ValidateSearchRequest(spec=spec)
            self.refuse(f"{what}, to be validated", INVALID, SEARCHES + "ValidateSearch", request, said)
        request = search_service_pb2.CreateSearchRequest(spec=self.space.spec("fine"), request_id="x" * 101)
        self.refuse("a request id that is too long", INVALID, SEARCHES + "CreateSearch", request, "request_id")

    def test_bad_workers(self):
        def info(**changes):
            worker = worker_info("stranger")
            for name, value in changes.items():
                if name == "labels":
                    worker.labels.update(value)
                else:
                    setattr(worker, name, value)
            return worker

        workers = {
            "a worker without a name": info(id=""),
            "a worker with too long a name": info(id="x" * 101),
            "a worker with a line feed in its name": info(id="a\nb"),
            "a worker with too many labels": info(labels={f"k{number}": "v" for number in range(65)}),
            "a worker with too long a label": info(labels={"k": "v" * 101}),
            "a worker with a label without a key": info(labels={"": "v"}),
            "a worker with negative slots": info(slots=-1),
            "a worker with too long a version": info(version="1" * 101),
        }
        for what, worker in workers.items():
            request = worker_service_pb2.LeaseTasksRequest(worker=worker, max_tasks=1, request_id="r")
            self.refuse(what, INVALID, WORKERS + "LeaseTasks", request, "^worker")
            request = worker_service_pb2.HeartbeatRequest(worker=worker)
            self.refuse(f"{what}, alive", INVALID, WORKERS + "Heartbeat", request, "^worker")
        for what, changes in (
            ("no task asked for", {"max_tasks": 0}),
            ("minus one task asked for", {"max_tasks": -1}),
            ("too many tasks asked for", {"max_tasks": 65}),
            ("no request id", {"request_id": ""}),
            ("too long a request id", {"request_id": "x" * 101}),
        ):
            fields = {"worker": worker_info("w"), "max_tasks": 1, "request_id": "r", **changes}
            request = worker_service_pb2.LeaseTasksRequest(**fields)
            self.refuse(what, INVALID, WORKERS + "LeaseTasks", request, next(iter(changes)))

    def test_bad_reports(self):
        held = self.held.lease_token
        held_lease = worker_service_pb2.HeldLease
        for what, leases in (
            ("too many leases", [held_lease(lease_token=held)] * 1025),
        ):
            request = worker_service_pb2.HeartbeatRequest(worker=worker_info("w"), leases=leases)
            self.refuse(f"a heartbeat with {what}", INVALID, WORKERS + "Heartbeat", request, "leases")
        for what, completions in (
            ("nothing in it", []),
            ("too much in it", [self.good(self.held)] * 257),
        ):
            request = worker_service_pb2.CompleteTasksRequest(worker_id="w", completions=completions)
            self.refuse(f"a report with {what}", INVALID, WORKERS + "CompleteTasks", request, "completions")
        request = worker_service_pb2.CompleteTasksRequest(completions=[self.good(self.held)])
        self.refuse("a report of nobody", INVALID, WORKERS + "CompleteTasks", request, "worker_id")
        for what, tokens in (("nothing", []), ("too much", [held] * 1025)):
            request = worker_service_pb2.ReleaseTasksRequest(worker_id="w", lease_tokens=tokens)
            self.refuse(f"{what} given back", INVALID, WORKERS + "ReleaseTasks", request, "lease_tokens")

    def test_one_bad_item(self):
        """A bad item does not affect the other items: it gets its own verdict."""
        held = self.held.lease_token
        for token in ("x" * 101, "a\nb", "\u00e9"):
            self.assertEqual(heartbeat(self.admin, "w", token), {token: CANCEL})
            verdicts = complete(self.admin, "w", result(token, {"accuracy": 1.0}))
            self.assertEqual([verdict.status for verdict in verdicts], [REFUSED])
            release(self.admin, "w", token)
        self.assert_unchanged()
        for metrics, said in (
            (None, "neither a result nor a failure"),
            ({f"m{number}": 1.0 for number in range(257)}, "257 metrics; the maximum is 256"),
            ({"m" * 101: 1.0}, "101 bytes; the maximum is 100"),
        ):
            (task,) = lease(self.admin, said)
            bad = worker_service_pb2.Completion(lease_token=task.lease_token)
            if metrics is not None:
                bad = result(task.lease_token, metrics)
            verdicts = complete(self.admin, said, result("1" * 101, {"accuracy": 1.0}), bad)
            self.assertEqual([verdict.status for verdict in verdicts], [REFUSED, INVALID_RESULT], said)
            self.assertIn(said, verdicts[1].message)
            # The attempt failed with that reason.
            (candidate,) = [one for one in self.admin.candidates(self.running) if one.name == task.candidate]
            self.assertIn(said, candidate.failures[-1].message)
        self.before = self.state()

    def test_oversized(self):
        text = "x" * (5 << 20)
        request = search_service_pb2.GetSearchRequest(name=text)
        self.refuse("a message of 5 MiB", EXHAUSTED, SEARCHES + "GetSearch", request, "larger than max")
        self.refuse(
            "a small message that unpacks to 5 MiB",
            EXHAUSTED,
            SEARCHES + "GetSearch",
            request,
            "larger than max",
            compression=grpc.Compression.Gzip,
        )
        # gRPC may close such a caller's connection, so each call has its own.
        codes = (EXHAUSTED, grpc.StatusCode.UNAVAILABLE)
        for what, metadata in (
            ("9 kB of metadata", [("x-much", "y" * 9000)]),
            ("50 kB of metadata", [(f"x-much-{number}", "y" * 500) for number in range(100)]),
        ):
            api = self.client(self.server, token=self.tokens["admin"])
            self.refuse(what, codes, SEARCHES + "GetSearch", b"", api=api, metadata=metadata)

    def test_stale_searches(self):
        for method in ("Get", "Pause", "Resume", "Cancel", "Delete"):
            request = getattr(search_service_pb2, f"{method}SearchRequest")(name=self.gone)
            self.refuse(f"{method} a search that is gone", NOT_FOUND, f"{SEARCHES}{method}Search", request)
        for method in ("Pause", "Resume", "Cancel"):
            request = getattr(search_service_pb2, f"{method}SearchRequest")(name=self.ended)
            self.refuse(f"{method} a search that has ended", PRECONDITION, f"{SEARCHES}{method}Search", request)
        request = search_service_pb2.DeleteSearchRequest(name=self.running)
        self.refuse("delete a search that runs", PRECONDITION, SEARCHES + "DeleteSearch", request)
        request = search_service_pb2.ResumeSearchRequest(name=self.running)
        self.refuse("resume a search that runs", PRECONDITION, SEARCHES + "ResumeSearch", request)
        with self.assertRaises(grpc.RpcError) as raised:
            next(self.admin.method("WatchSearch")(search_service_pb2.WatchSearchRequest(name=self.gone), timeout=60))
        self.assertEqual(raised.exception.code(), NOT_FOUND)
        # The request that once created a search creates no second one.
        again = self.admin.create(self.space.spec("another"), "the-request")
        self.assertEqual(again.name, self.running)
        self.assert_unchanged()

    def test_stale_leases(self):
        done, held, orphan = self.done.lease_token, self.held.lease_token, self.orphan.lease_token
        search, number, attempt, lineage = held.split(".")
        tokens = {
            "of a result that came already": done,
            "of a search that is gone": orphan,
            "of an attempt to come": f"{search}.{number}.{int(attempt) + 1}.{lineage}",
            "of attempt 0": f"{search}.{number}.0.{lineage}",
            "of a candidate that there is not": f"{search}.999999.1.{lineage}",
            "of a search that there is not": f"999999.1.1.{lineage}",
            "of another store": f"{search}.{number}.{attempt}.{int(lineage) + 1}",
            "of a store before there were lineages": f"{search}.{number}.{attempt}",
            "made up": "let me in",
            "empty": "",
            "with a sign": f"{search}.{number}.+{attempt}.{lineage}",
            "with a number beyond all": f"{search}.{number}.99999999999999999999.{lineage}",
        }
        for what, token in tokens.items():
            with self.subTest(what):
                reports = [
                    result(token, {"accuracy": 0.99, "latency_ms": 1.0}),
                    failure(token, search_pb2.FAILURE_KIND_INFEASIBLE, "changed my mind"),
                ]
                verdicts = complete(self.admin, "w", *reports)
                self.assertEqual([verdict.status for verdict in verdicts], [REFUSED, REFUSED])
                self.assertTrue(all(verdict.message for verdict in verdicts))
                self.assertEqual(heartbeat(self.admin, "w", token), {token: CANCEL})
                release(self.admin, "w", token)
                self.assert_unchanged()
        # A worker cannot return another worker's lease.
        release(self.admin, "v", held)
        self.assert_unchanged()

    def test_unauthorised(self):
        create = search_service_pb2.CreateSearchRequest(spec=self.space.spec("intruder"))
        cancel = search_service_pb2.CancelSearchRequest(name=self.running)
        delete = search_service_pb2.DeleteSearchRequest(name=self.ended)
        report = worker_service_pb2.CompleteTasksRequest(worker_id="w", completions=[self.good(self.held)])
        poll = worker_service_pb2.LeaseTasksRequest(worker=worker_info("intruder"), max_tasks=1, request_id="r")
        nobody = self.client(self.server)
        admin = self.tokens["admin"]
        for what, metadata in (
            ("without a token", None),
            ("with an empty token", [("authorization", "Bearer ")]),
            ("with a token that is unknown", [("authorization", f"Bearer {admin}x")]),
            ("with half a token", [("authorization", f"Bearer {admin[:20]}")]),
            ("with a token of another scheme", [("authorization", f"Basic {admin}")]),
            ("with a bare token", [("authorization", admin)]),
            ("with two tokens", [("authorization", f"Bearer {admin}")] * 2),
            ("with a token elsewhere", [("token", admin), ("x-authorization", f"Bearer {admin}")]),
        ):
            for path, request in (
                (SEARCHES + "CreateSearch", create),
                (SEARCHES + "CancelSearch", cancel),
                (WORKERS + "LeaseTasks", poll),
                (WORKERS + "CompleteTasks", report),
                # Callers without permission do not even learn that the request is malformed.
                (SEARCHES + "DeleteSearch", b"\xff\xff"),
            ):
                self.refuse(f"{path} {what}", UNAUTHENTICATED, path, request, api=nobody, metadata=metadata)
        for role, path, request in (
            ("read-only", SEARCHES + "CreateSearch", create),
            ("read-only", SEARCHES + "CancelSearch", cancel),
            ("read-only", WORKERS + "LeaseTasks", poll),
            ("client", SEARCHES + "DeleteSearch", delete),
            ("client", WORKERS + "CompleteTasks", report),
            ("worker", SEARCHES + "CreateSearch", create),
            ("worker", SEARCHES + "GetSearch", search_service_pb2.GetSearchRequest(name=self.running)),
            ("worker", SEARCHES + "CancelSearch", b"\xff\xff"),
        ):
            api = self.client(self.server, token=self.tokens[role])
            self.refuse(f"{path} as {role}", DENIED, path, request, f"role {role}", api=api)

    def test_impolite(self):
        """Clients that do not wait for an answer."""
        # If a poll's time is over before it is parked, it leases nothing, because nobody would
        # learn of the lease.
        poll = worker_service_pb2.LeaseTasksRequest(worker=worker_info("w"), max_tasks=8, request_id="hasty")
        poll.max_wait.CopyFrom(duration_pb2.Duration(seconds=-5))
        self.admin.call("PauseSearch", search_service_pb2.PauseSearchRequest(name=self.running))
        self.before = self.state()
        self.assertEqual(len(self.admin.call("LeaseTasks", poll).tasks), 0)
        poll.max_wait.CopyFrom(duration_pb2.Duration(seconds=1_000_000_000))
        for _ in range(20):
            self.admin.method("LeaseTasks").future(poll, timeout=harness.RPC_DEADLINE_S).cancel()
        watches = []
        for _ in range(20):
            request = search_service_pb2.WatchSearchRequest(name=self.running, after_sequence=2**64 - 1)
            watches.append(self.admin.method("WatchSearch")(request, timeout=harness.RPC_DEADLINE_S))
        # A stream that is never read.
        self.assert_unchanged()
        for watch in watches:
            watch.cancel()
        harness.wait_for(lambda: self.server.metrics()["layernas_polls_parked", frozenset()] == 0, "no poll to be parked")
        self.assert_unchanged()


if __name__ == "__main__":
    harness.main()
