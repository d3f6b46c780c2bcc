"""Tokens and their roles with real processes: who may make which call, changes without a restart, and no leaked
secrets."""

import hashlib
import os
import re
import secrets
import threading

import grpc

import harness
from google.protobuf import descriptor_pb2
from layernas.v1 import fleet_service_pb2
from layernas.v1 import search_pb2
from layernas.v1 import search_service_pb2
from proto_worker import lease
from spaces import Space
import health_pb2
import health_pb2_grpc
import reflection_pb2
import reflection_pb2_grpc

ROLES = ("read-only", "client", "worker", "admin")
READERS = {"read-only", "client", "admin"}
SEARCHERS = {"client", "admin"}
WORKERS = {"worker", "admin"}

# Who may make which call. A missing method fails the test: decide who may call it.
ALLOWED = {
    "layernas.v1.SearchService": {
        "ValidateSearch": READERS,
        "GetSearch": READERS,
        "ListSearches": READERS,
        "WatchSearch": READERS,
        "ListCandidates": READERS,
        "GetTaskLog": READERS,
        "GetFrontier": READERS,
        "GetBuckets": READERS,
        "CreateSearch": SEARCHERS,
        "PauseSearch": SEARCHERS,
        "ResumeSearch": SEARCHERS,
        "CancelSearch": SEARCHERS,
        "UpdateSearch": SEARCHERS,
        "DeleteSearch": {"admin"},
    },
    "layernas.v1.FleetService": {"ListWorkers": READERS},
    "layernas.v1.AdminService": {"CreateBackup": {"admin"}},
    "layernas.v1.WorkerService": {
        "LeaseTasks": WORKERS,
        "Heartbeat": WORKERS,
        "CompleteTasks": WORKERS,
        "ReleaseTasks": WORKERS,
    },
    "grpc.reflection.v1alpha.ServerReflection": {"ServerReflectionInfo": READERS},
    "grpc.health.v1.Health": {"Check": set(ROLES), "Watch": set(ROLES)},
}
OPEN = "grpc.health.v1.Health"

LIST = search_service_pb2.ListSearchesRequest()
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED
PERMISSION_DENIED = grpc.StatusCode.PERMISSION_DENIED
RESOURCE_EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED


def new_token():
    return "test_" + secrets.token_hex(24)


def line(role, token, name):
    return f"{role} sha256:{hashlib.sha256(token.encode()).hexdigest()} {name}\n"


class TokenTest(harness.IntegrationTest):

    def setUp(self):
        super().setUp()
        self.tokens = {role: new_token() for role in ROLES}
        self.token_file = self.write_tokens()

    def write_tokens(self, without=(), more=""):
        lines = [line(role, token, f"{role}-1") for role, token in self.tokens.items() if role not in without]
        return self.write_private("tokens", "# who may come in\n" + "".join(lines) + more)

    def start(self, *flags, **options):
        self.server = self.controller(f"--token-file={self.token_file}", *flags, **options)
        return self.server

    def api(self, role):
        return self.client(self.server, token=self.tokens[role])

    def own_token_file(self, role):
        return self.write_private(f"{role}.token", self.tokens[role] + "\n")

    def refused(self):
        """Returns {reason: refused calls}."""
        return {
            dict(labels)["reason"]: value
            for (name, labels), value in self.server.metrics().items()
            if name == "layernas_calls_refused_total"
        }

    def state(self):
        """Returns everything that a call could have changed."""
        admin = self.api("admin")
        searches = list(admin.call("ListSearches", LIST).searches)
        candidates = {search.name: admin.candidates(search.name) for search in searches}
        workers = admin.call("ListWorkers", fleet_service_pb2.ListWorkersRequest()).workers
        return searches, candidates, [(worker.info, list(worker.candidates)) for worker in workers]

    def served_methods(self):
        """Returns {service: its methods' descriptors} for everything that the controller says it serves."""
        stub = reflection_pb2_grpc.ServerReflectionStub(self.api("admin").channel)

        def ask(**request):
            requests = iter([reflection_pb2.ServerReflectionRequest(**request)])
            return next(stub.ServerReflectionInfo(requests, timeout=harness.RPC_DEADLINE_S))

        # gRPC's own implementation has no descriptor.
        health = descriptor_pb2.FileDescriptorProto()
        health_pb2.DESCRIPTOR.CopyToProto(health)
        files = [health]
        services = [service.name for service in ask(list_services="").list_services_response.service]
        for service in services:
            for file in ask(file_containing_symbol=service).file_descriptor_response.file_descriptor_proto:
                files.append(descriptor_pb2.FileDescriptorProto.FromString(file))
        found = {f"{file.package}.{service.name}": service.method for file in files for service in file.service}
        return {service: found[service] for service in services}

    def status_of(self, api, service, method):
        """Returns the status of a call with an empty request."""
        path = f"/{service}/{method.name}"
        try:
            if method.client_streaming:
                next(api.channel.stream_stream(path)(iter([b""]), timeout=harness.RPC_DEADLINE_S))
            elif method.server_streaming:
                next(api.channel.unary_stream(path)(b"", timeout=harness.RPC_DEADLINE_S))
            else:
                api.channel.unary_unary(path)(b"", timeout=harness.RPC_DEADLINE_S)
            return grpc.StatusCode.OK
        except grpc.RpcError as error:
            return error.code()

    def test_every_method_of_every_service_for_every_role(self):
        self.start()
        space = Space(layers=2, options=2, seed=81)
        self.api("client").create(space.spec("kept"))
        (task,) = lease(self.api("worker"), "w")
        self.assertTrue(task.candidate)
        before = self.state()

        served = self.served_methods()
        self.assertEqual(
            {service: {method.name for method in methods} for service, methods in served.items()},
            {service: set(methods) for service, methods in ALLOWED.items()},
            "say in ALLOWED who may call what is new",
        )
        callers = {role: self.api(role) for role in ROLES}
        callers["nobody"] = self.client(self.server)
        callers["a stranger"] = self.client(self.server, token=new_token())
        for service, methods in served.items():
            for method in methods:
                for caller, api in callers.items():
                    with self.subTest(service=service, method=method.name, caller=caller):
                        code = self.status_of(api, service, method)
                        if service == OPEN or caller in ALLOWED[service][method.name]:
                            self.assertNotIn(code, (UNAUTHENTICATED, PERMISSION_DENIED))
                        else:
                            self.assertEqual(code, PERMISSION_DENIED if caller in ROLES else UNAUTHENTICATED)
        self.assertEqual(self.state(), before)
        refused = self.refused()
        methods_for = [allowed for service in ALLOWED if service != OPEN for allowed in ALLOWED[service].values()]
        self.assertEqual(refused["no_token"], len(methods_for))
        self.assertEqual(refused["unknown_token"], len(methods_for))
        self.assertEqual(refused["wrong_role"], sum(len(set(ROLES) - allowed) for allowed in methods_for))

    def test_the_programs_with_their_tokens(self):
        self.start()
        space = Space(layers=2, options=2, seed=82)
        table = space.write_table(self.path("table.csv"))
        client = f"--token-file={self.own_token_file('client')}"
        name = self.api("client").create(space.spec("secure")).name
        self.worker(
            self.server, "worker", *harness.tabular_flags(table), f"--token-file={self.own_token_file('worker')}"
        )
        ended = self.api("read-only").wait_for_end(name)
        self.assertEqual(ended.state, search_pb2.SEARCH_STATE_SUCCEEDED)
        self.assertEqual(self.cli(self.server, "search", "watch", name, client).returncode, 0)
        done = self.cli(
            self.server, "worker", "list", environment={"LAYERNAS_TOKEN_FILE": self.own_token_file("read-only")}
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("worker", done.stdout)

        done = self.cli(self.server, "search", "list")
        self.assertEqual(done.returncode, 1)
        self.assertIn("--token-file", done.stderr)
        done = self.cli(self.server, "search", "delete", name, client)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "client-1 has the role client, but .*DeleteSearch is for admin")
        done = self.cli(self.server, "search", "delete", name, f"--token-file={self.own_token_file('admin')}")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_token_made_by_the_client_lets_in(self):
        made = self.cli(None, "admin", "token", "--role", "client", "--name", "ann", "--out", "ann.token")
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertEqual(os.stat(self.path("ann.token")).st_mode & 0o777, 0o600)
        self.token_file = self.write_private("made", made.stdout)
        self.start()
        done = self.cli(self.server, "search", "list", f"--token-file={self.path('ann.token')}")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_changes_are_taken_over_without_a_restart(self):
        self.start()
        space = Space(layers=3, options=3, seed=83)
        client, reader = self.api("client"), self.api("read-only")
        name = client.create(space.spec("watched")).name
        watch = reader.method("WatchSearch")(
            search_service_pb2.WatchSearchRequest(name=name), timeout=harness.RPC_DEADLINE_S
        )
        next(watch)

        def code(api):
            try:
                api.call("ListSearches", LIST)
                return None
            except grpc.RpcError as error:
                return error.code()

        # One token is removed, another is added.
        new = new_token()
        self.write_tokens(without=["read-only"], more=line("read-only", new, "reader-2"))
        newcomer = self.client(self.server, token=new)
        harness.wait_for(lambda: code(newcomer) is None, "the new token to be let in")
        self.assertEqual(code(reader), UNAUTHENTICATED)
        # An open stream ends with the next change.
        client.call("PauseSearch", search_service_pb2.PauseSearchRequest(name=name))
        with self.assertRaises(grpc.RpcError) as raised:
            for _ in watch:
                pass
        self.assertEqual(raised.exception.code(), UNAUTHENTICATED)

        # A broken file changes nothing, and the log names the line.
        self.write_private("tokens", line("admin", new_token(), "root") + f"client {self.tokens['client']} ann\n")
        harness.wait_for(lambda: f"{self.token_file}:2: " in self.server.process.log(), "the broken file to be noticed")
        self.assertIsNone(code(newcomer))
        self.assertIsNone(code(client))
        # A file that others can read is refused too.
        self.write_tokens(without=["client"])
        os.chmod(self.token_file, 0o644)
        harness.wait_for(lambda: "chmod" in self.server.process.log(), "the open file to be noticed")
        self.assertIsNone(code(client))
        self.write_tokens(without=["client"])
        harness.wait_for(lambda: code(client) == UNAUTHENTICATED, "the repaired file to be used")
        self.assert_no_secrets()

    def test_a_worker_takes_over_its_new_token(self):
        self.start()
        space = Space(layers=2, options=2, seed=84)
        table = space.write_table(self.path("table.csv"))
        flags = [*harness.tabular_flags(table), f"--token-file={self.own_token_file('worker')}"]
        worker = self.worker(self.server, "worker", *flags)
        harness.wait_for(lambda: "reached the controller" in worker.process.log(), "the worker to get in")
        self.tokens["worker"] = new_token()
        self.write_tokens()
        harness.wait_for(lambda: "UNAUTHENTICATED" in worker.process.log(), "the worker to be locked out")
        self.own_token_file("worker")
        name = self.api("client").create(space.spec("later")).name
        self.assertEqual(self.api("client").wait_for_end(name).state, search_pb2.SEARCH_STATE_SUCCEEDED)
        self.assert_no_secrets()

    def test_files_that_cannot_be_used_are_named(self):
        flags = [f"--data-dir={self.path('refused')}", "--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0"]
        secret = self.tokens["client"]
        for text, mode, said in (
            (None, None, "missing"),
            ("", 0o600, "contains no token"),
            (line("client", secret, "ann"), 0o644, "chmod o="),
            ("\n" + line("boss", secret, "ann"), 0o600, "tokens-bad:2: "),
            (f"client {secret} ann\n", 0o600, "tokens-bad:1: "),
        ):
            path = self.path("missing" if text is None else "tokens-bad")
            if text is not None:
                self.write_private("tokens-bad", text)
                os.chmod(path, mode)
            output = harness.refused_controller(*flags, f"--token-file={path}")
            self.assertIn(path, output)
            self.assertIn(said, output)
            self.assertNotIn(secret, output)
        self.assertFalse(os.path.exists(self.path("refused")))

        readable = self.write_private("readable.token", secret)
        os.chmod(readable, 0o644)
        for path, said in ((readable, "chmod o="), (self.write_private("short.token", "hush"), "contains no token")):
            done = self.cli("127.0.0.1:1", "search", "list", f"--token-file={path}")
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(path, done.stderr)
            self.assertIn(said, done.stderr)
            self.assertNotRegex(done.stderr, f"{secret}|hush")
        done = self.cli("controller.example:7060", "search", "list", f"--token-file={self.own_token_file('client')}")
        self.assertEqual(done.returncode, 2)
        self.assertIn("in the clear", done.stderr)

    def test_health_is_for_everyone(self):
        self.start()
        for api in (self.client(self.server), self.client(self.server, token="rubbish" * 10)):
            health = health_pb2_grpc.HealthStub(api.channel)
            answer = health.Check(health_pb2.HealthCheckRequest(), timeout=harness.RPC_DEADLINE_S)
            self.assertEqual(answer.status, health_pb2.HealthCheckResponse.SERVING)
            answer = next(health.Watch(health_pb2.HealthCheckRequest(), timeout=harness.RPC_DEADLINE_S))
            self.assertEqual(answer.status, health_pb2.HealthCheckResponse.SERVING)

    def test_no_secret_where_it_does_not_belong(self):
        self.start("--log-level=debug")
        space = Space(layers=2, options=2, seed=85)
        table = space.write_table(self.path("table.csv"))
        worker = self.worker(
            self.server,
            "worker",
            *harness.tabular_flags(table, delay="300ms"),
            "--log-level=debug",
            f"--token-file={self.own_token_file('worker')}",
        )
        name = self.api("client").create(space.spec("hush")).name
        # While the workers run.
        self.assert_no_secrets(worker)
        self.assertIn("layernas-worker", "".join(self.command_lines()))
        self.api("client").wait_for_end(name)

        # Wrong tokens are not logged either, neither in part nor as a whole, and not once for each
        # try.
        stranger = new_token()
        self.tokens["stranger"] = stranger
        before = self.server.process.log().count("\n")
        for bad in (f"Bearer {stranger}", f"Basic {stranger}", stranger, f"Bearer {stranger} {stranger}"):
            for _ in range(50):
                with self.assertRaises(grpc.RpcError) as raised:
                    self.client_method("ListSearches")(LIST, timeout=60, metadata=[("authorization", bad)])
                self.assertEqual(raised.exception.code(), UNAUTHENTICATED)
                self.assertNotIn(stranger[:12], raised.exception.details())
        with self.assertRaises(grpc.RpcError) as raised:
            self.api("worker").call("ListSearches", LIST)
        self.assertIn("worker-1", raised.exception.details())
        self.assertEqual(sum(self.refused().values()), 201)
        self.assertIn("refused a call", self.server.process.log())
        self.assertLess(self.server.process.log().count("\n") - before, 60)
        self.assert_no_secrets(worker)

    def client_method(self, name):
        return self.client(self.server).method(name)

    def command_lines(self):
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit() and int(entry) != os.getpid():
                try:
                    with open(f"/proc/{entry}/cmdline", encoding="utf-8", errors="replace") as file:
                        found.append(file.read())
                except OSError:
                    continue
        return found

    def assert_no_secrets(self, *workers):
        places = {f"{name}.log": self.text(f"{name}.log") for name in ["controller", *(w.name for w in workers)]}
        places["metrics"] = harness.scrape(self.server.metrics_address)
        for worker in workers:
            places[f"metrics of {worker.name}"] = harness.scrape(worker.metrics_address)
        places["command lines"] = "\n".join(self.command_lines())
        hashes = {role: hashlib.sha256(token.encode()).hexdigest() for role, token in self.tokens.items()}
        for where, text in places.items():
            for secret in [*self.tokens.values(), *hashes.values()]:
                self.assertFalse(re.search(re.escape(secret[5:20]), text), f"{secret} is in {where}")

    def text(self, name):
        with open(self.path(name), encoding="utf-8", errors="replace") as file:
            return file.read()


class BoundsTest(harness.IntegrationTest):

    def test_open_polls_of_a_host_are_bounded(self):
        server = self.controller("--max-polls-per-host=3")
        polls = []
        for number in range(3):
            api = self.client(server)
            poll = threading.Thread(target=lease, args=(api, f"w{number}"), kwargs={"max_wait_s": 20}, daemon=True)
            poll.start()
            polls.append(poll)
        harness.wait_for(lambda: server.metrics()["layernas_polls_parked", frozenset()] == 3, "the polls to be parked")
        details = self.assert_rpc_error(RESOURCE_EXHAUSTED, lease, self.client(server), "one-more")
        self.assertIn("at most 3 open LeaseTasks calls", details)
        self.assertIn("--max-polls-per-host", details)
        # Other calls are not limited.
        self.client(server).call("ListSearches", LIST)
        workers = self.client(server).call("ListWorkers", fleet_service_pb2.ListWorkersRequest()).workers
        self.assertNotIn("one-more", [worker.info.id for worker in workers])
        for poll in polls:
            poll.join(harness.PATIENCE_S)
        self.assertEqual(lease(self.client(server), "one-more", max_wait_s=0.1), [])

    def test_open_streams_of_a_host_are_bounded(self):
        server = self.controller("--max-streams-per-host=3")
        api = self.client(server)
        name = api.create(Space(layers=2, options=2, seed=86).spec("watched")).name
        watches = []

        def watch():
            stream = api.method("WatchSearch")(
                search_service_pb2.WatchSearchRequest(name=name), timeout=harness.PATIENCE_S
            )
            watches.append(stream)
            return next(stream)

        watch()
        watch()
        # The streams of all services count.
        health = health_pb2_grpc.HealthStub(api.channel).Watch(
            health_pb2.HealthCheckRequest(), timeout=harness.PATIENCE_S
        )
        next(health)
        details = self.assert_rpc_error(RESOURCE_EXHAUSTED, watch)
        self.assertIn("at most 3 open streams", details)
        self.assertIn("--max-streams-per-host", details)
        reflection = reflection_pb2_grpc.ServerReflectionStub(api.channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        self.assert_rpc_error(
            RESOURCE_EXHAUSTED,
            lambda: next(reflection.ServerReflectionInfo(iter([request]), timeout=harness.RPC_DEADLINE_S)),
        )
        health.cancel()

        def watches_again():
            try:
                return watch()
            except grpc.RpcError as error:
                self.assertEqual(error.code(), RESOURCE_EXHAUSTED)
                return None

        harness.wait_for(watches_again, "the place of the stream that ended")
        for stream in watches:
            stream.cancel()


if __name__ == "__main__":
    harness.main()
