"""Clients that send as much as they may, in every call, as fast as they can. A worker's heartbeats still get through,
and its lease stays alive. The time of its slowest heartbeat is printed; the test only fails if the lease is lost."""

import hashlib
import itertools
import json
import secrets
import subprocess
import sys
import threading
import time

import grpc

import harness
from layernas.v1 import fleet_service_pb2
from layernas.v1 import search_pb2
from layernas.v1 import search_service_pb2
from layernas.v1 import spec_pb2
from layernas.v1 import worker_service_pb2
from proto_worker import complete
from proto_worker import heartbeat
from proto_worker import lease
from proto_worker import result
from proto_worker import worker_info
from spaces import Space

SEARCHES = "/layernas.v1.SearchService/"
WORKERS = "/layernas.v1.WorkerService/"
FLEET = "/layernas.v1.FleetService/"
SECONDS = 12
RESULTS = 2000
# A heartbeat that takes this long loses the lease.
LEASE_DURATION_S = 10
# The limits of a spec, as refusals name them.
MOST_TARGETS, MOST_SPEC_BYTES = 200, 2 << 20


def strategies():
    yield spec_pb2.Strategy(guided_layernas=spec_pb2.GuidedLayerNas())
    yield spec_pb2.Strategy(layernas=spec_pb2.LayerNas(replicas=100))
    yield spec_pb2.Strategy(regularized_evolution=spec_pb2.RegularizedEvolution(population=10000, sample=10000))
    yield spec_pb2.Strategy(random=spec_pb2.RandomSearch())


def largest_spec(name, layers, options, strategy):
    """Returns a spec about as large as a request may be, with a cost for each option."""
    spec = Space(2, 2, seed=1).spec(name)
    del spec.space.layers[:]
    for layer in range(layers):
        added = spec.space.layers.add(name=f"layer{layer}", channels=8, stride=1)
        for option in range(options):
            # No two sums are equal.
            added.options.add(name=f"option{option}", costs={"latency_ms": 1 + option * 1.37 + layer * option / 977})
    spec.strategy.CopyFrom(strategy)
    spec.budget.trainings = 1_000_000
    cheapest = layers * 1.0
    spec.objective.targets.extend(cheapest * (1 + (index + 1) / MOST_TARGETS) for index in range(MOST_TARGETS))
    return spec


def beat(address, token, lease_token):
    """Sends heartbeats for the duration of the test, from a separate process, so that no other Python thread delays
    them. Prints the seconds that each took. Ends early if the lease is lost."""
    client = harness.Client(address, token=token)
    taken = []
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        begin = time.monotonic()
        verdicts = heartbeat(client, "victim", lease_token)
        taken.append(time.monotonic() - begin)
        if verdicts[lease_token] != worker_service_pb2.LEASE_ACTION_CONTINUE:
            break
        time.sleep(0.02)
    print(json.dumps({"kept": verdicts[lease_token] == worker_service_pb2.LEASE_ACTION_CONTINUE, "taken": sorted(taken)}))


class HostileClientsTest(harness.IntegrationTest):

    def setUp(self):
        super().setUp()
        tokens = {role: "test_" + secrets.token_hex(24) for role in ("worker", "victim", "admin", "read-only")}
        lines = [
            f"{'worker' if name == 'victim' else name} sha256:{hashlib.sha256(token.encode()).hexdigest()} {name}-1\n"
            for name, token in tokens.items()
        ]
        self.server = self.controller(
            f"--token-file={self.write_private('tokens', ''.join(lines))}", f"--lease-duration={LEASE_DURATION_S}s"
        )
        self.admin = self.client(self.server, token=tokens["admin"])
        self.tokens = tokens
        self.ended = threading.Event()
        self.codes = {}
        self.lock = threading.Lock()

    def fill(self):
        """Creates a search with many results, so that there is much to read."""
        space = Space(layers=6, options=9, seed=3)
        self.filled = self.admin.create(space.random_spec("filled", RESULTS + 1000)).name
        worker = self.client(self.server, token=self.tokens["worker"])
        done = 0
        while done < RESULTS:
            tasks = lease(worker, "filler", max_tasks=64)
            metrics = {f"m{index}": float(index) for index in range(200)}
            complete(worker, "filler", *(result(t.lease_token, metrics | space.metrics(t.architecture.id)) for t in tasks))
            done += len(tasks)
        worker.close()

    def calls_of_client(self, index):
        """Yields (path, request bytes) endlessly."""
        service = search_service_pb2
        for turn in itertools.count():
            # Concatenated encoded messages are one message.
            spec = self.specs[(turn + index) % len(self.specs)]
            yield "ValidateSearch", spec
            yield "CreateSearch", spec + service.CreateSearchRequest(request_id=f"{index}-{turn}").SerializeToString()
            yield "ListSearches", service.ListSearchesRequest(page_size=1000).SerializeToString()
            for name in self.of_clients():
                for method in ("GetSearch", "GetFrontier", "GetBuckets", "PauseSearch", "ResumeSearch"):
                    yield method, getattr(service, f"{method}Request")(name=name).SerializeToString()
                yield "UpdateSearch", service.UpdateSearchRequest(
                    name=name, sharing=spec_pb2.Sharing(priority=1, weight=2)).SerializeToString()
                yield "ListCandidates", service.ListCandidatesRequest(parent=name, page_size=1000).SerializeToString()
                yield "CancelSearch", service.CancelSearchRequest(name=name).SerializeToString()
                yield "DeleteSearch", service.DeleteSearchRequest(name=name).SerializeToString()
            for method in ("GetSearch", "GetFrontier", "GetBuckets"):
                yield method, getattr(service, f"{method}Request")(name=self.filled).SerializeToString()
            yield "ListCandidates", service.ListCandidatesRequest(parent=self.filled, page_size=1000).SerializeToString()
            yield "GetTaskLog", service.GetTaskLogRequest(name=f"{self.filled}/candidates/1").SerializeToString()
            yield "ListWorkers", fleet_service_pb2.ListWorkersRequest(page_size=1000).SerializeToString()

    def of_clients(self):
        answer = self.admin.call("ListSearches", search_service_pb2.ListSearchesRequest(page_size=1000))
        return [search.name for search in answer.searches if search.name != self.filled]

    def calls_of_worker(self, index, api):
        service = worker_service_pb2
        curve = [search_pb2.CurvePoint(epoch=epoch + 1, reward=0.5) for epoch in range(1000)]
        metrics = {f"metric_with_a_long_name_{number}": 1.5 for number in range(250)} | {"accuracy": 0.5, "latency_ms": 3}
        trained = service.TaskResult(metrics=metrics, curve=curve)
        log = search_pb2.TaskLog(tail="x" * 15_000)
        garbage = [f"garbage-{number}" for number in range(960)]
        held = service.HeartbeatRequest(
            leases=[service.HeldLease(lease_token=token, curve=curve[:300]) for token in garbage]).SerializeToString()
        reports = service.CompleteTasksRequest(
            completions=[service.Completion(lease_token=token, log=log, result=trained) for token in garbage[:100]],
        ).SerializeToString()
        returned = service.ReleaseTasksRequest(lease_tokens=garbage).SerializeToString()
        for turn in itertools.count():
            me = worker_info(f"hostile{index}-{turn % 50}", **{f"label{number}": "x" * 90 for number in range(60)})
            request = service.LeaseTasksRequest(worker=me, max_tasks=64, request_id=f"{index}-{turn}")
            tokens = [task.lease_token for task in api.call("LeaseTasks", request).tasks]
            leases = [service.HeldLease(lease_token=token) for token in tokens]
            yield "Heartbeat", service.HeartbeatRequest(worker=me, leases=leases).SerializeToString() + held
            done = [service.Completion(lease_token=token, log=log, result=trained) for token in tokens[:20]]
            yield "CompleteTasks", service.CompleteTasksRequest(worker_id=me.id, completions=done).SerializeToString() + reports
            rest = service.ReleaseTasksRequest(worker_id=me.id, lease_tokens=tokens[20:]).SerializeToString()
            yield "ReleaseTasks", rest + returned

    def hammer(self, token, prefix, calls):
        """Makes the calls one after another until the test has ended. They may be refused."""
        api = self.client(self.server, token=self.tokens[token])
        for method, request in calls(api):
            if self.ended.is_set():
                break
            path = (FLEET if method == "ListWorkers" else prefix) + method
            try:
                api.channel.unary_unary(path)(request, timeout=60)
                code = "OK"
            except grpc.RpcError as error:
                code = error.code().name
            with self.lock:
                key = (method, code)
                self.codes[key] = self.codes.get(key, 0) + 1
        api.close()

    def flood(self):
        """Makes hundreds of large reads at once, again and again."""
        api = self.client(self.server, token=self.tokens["read-only"])
        read = api.channel.unary_unary(SEARCHES + "ListCandidates")
        request = search_service_pb2.ListCandidatesRequest(parent=self.filled, page_size=1000).SerializeToString()
        while not self.ended.is_set():
            for answer in [read.future(request, timeout=60) for _ in range(300)]:
                code = answer.code().name
                with self.lock:
                    self.codes["flood", code] = self.codes.get(("flood", code), 0) + 1
        api.close()

    def watch(self):
        """Opens watches of the largest search and reads none of them."""
        api = self.client(self.server, token=self.tokens["admin"])
        watches = []
        while not self.ended.wait(0.05):
            request = search_service_pb2.WatchSearchRequest(name=self.filled)
            watches.append(api.method("WatchSearch")(request, timeout=60))
            if len(watches) > 100:
                watches.pop(0).cancel()
        api.close()

    def test_heartbeats_go_through(self):
        specs = [
            largest_spec("hostile", layers, options, strategy)
            for (layers, options), strategy in itertools.product([(1000, 55), (70, 800), (1000, 2)], strategies())
        ]
        specs.append(Space(6, 10, seed=1).spec("exhaustive"))
        specs[-1].strategy.exhaustive.SetInParent()
        self.specs = [search_service_pb2.CreateSearchRequest(spec=spec).SerializeToString() for spec in specs]
        self.assertLess(max(map(len, self.specs)), MOST_SPEC_BYTES)
        self.fill()
        victim = self.client(self.server, token=self.tokens["victim"])
        (task,) = lease(victim, "victim")
        heart = subprocess.Popen(
            [sys.executable, "-B", __file__, "beat", self.server.address, self.tokens["victim"], task.lease_token],
            stdout=subprocess.PIPE,
        )
        hammers = [
            *(threading.Thread(target=self.hammer, args=("admin", SEARCHES, lambda _, i=i: self.calls_of_client(i)))
              for i in range(2)),
            *(threading.Thread(target=self.hammer, args=("worker", WORKERS, lambda api, i=i: self.calls_of_worker(i, api)))
              for i in range(2)),
            threading.Thread(target=self.watch),
            threading.Thread(target=self.flood),
        ]
        for thread in hammers:
            thread.start()
        beats = json.loads(heart.communicate(timeout=harness.PATIENCE_S)[0])
        self.ended.set()
        for thread in hammers:
            thread.join()
        for (method, code), count in sorted(self.codes.items()):
            print(f"{method} {code}: {count}")
        taken = beats["taken"]
        print(f"{len(taken)} heartbeats: median {1e3 * taken[len(taken) // 2]:.1f} ms, "
              f"99 % {1e3 * taken[len(taken) * 99 // 100]:.1f} ms, slowest {1e3 * taken[-1]:.0f} ms")
        self.assertTrue(beats["kept"])
        self.assertLess(taken[-1], LEASE_DURATION_S)
        for method in ("ValidateSearch", "CreateSearch", "ListCandidates", "Heartbeat", "CompleteTasks", "ReleaseTasks"):
            self.assertGreater(self.codes.get((method, "OK"), 0), 0, self.codes)


if __name__ == "__main__":
    if sys.argv[1:2] == ["beat"]:
        beat(*sys.argv[2:])
    else:
        harness.main()
