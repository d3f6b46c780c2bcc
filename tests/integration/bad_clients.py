"""A controller with data that a bad client could damage, and checks that no data was."""

import hashlib
import secrets

import harness
from layernas.v1 import fleet_service_pb2
from layernas.v1 import search_service_pb2
from proto_worker import complete
from proto_worker import heartbeat
from proto_worker import lease
from proto_worker import result
from spaces import Space

LIST = search_service_pb2.ListSearchesRequest()


class BadClients(harness.IntegrationTest):
    """The base of the tests."""

    def setUp(self):
        super().setUp()
        self.tokens = {role: "test_" + secrets.token_hex(24) for role in ("read-only", "client", "worker", "admin")}
        lines = [f"{r} sha256:{hashlib.sha256(t.encode()).hexdigest()} {r}-1\n" for r, t in self.tokens.items()]
        self.server = self.controller(
            f"--token-file={self.write_private('tokens', ''.join(lines))}", "--lease-duration=600s"
        )
        self.admin = self.client(self.server, token=self.tokens["admin"])
        self.space = Space(layers=3, options=3, seed=91)

        # Data that a bad call could damage: a search with a result, a lease and waiting candidates,
        # one that has ended, and one that was deleted.
        self.running = self.admin.create(self.space.spec("running"), "the-request").name
        (self.done,) = lease(self.admin, "w")
        complete(self.admin, "w", self.good(self.done))
        (self.held,) = lease(self.admin, "w")
        self.ended = self.admin.create(self.space.spec("ended")).name
        gone = self.admin.create(self.space.spec("gone")).name
        (self.orphan,) = [t for t in lease(self.admin, "w", max_tasks=2) if t.candidate.startswith(gone)][:1]
        for name in (self.ended, gone):
            self.admin.call("CancelSearch", search_service_pb2.CancelSearchRequest(name=name))
        self.admin.call("DeleteSearch", search_service_pb2.DeleteSearchRequest(name=gone))
        self.gone = gone
        heartbeat(self.admin, "v")
        self.before = self.state()

    def good(self, task):
        return result(task.lease_token, self.space.metrics(task.architecture.id))

    def state(self):
        """Returns the complete visible state."""
        searches = list(self.admin.call("ListSearches", LIST).searches)
        names = [search.name for search in searches]
        workers = self.admin.call("ListWorkers", fleet_service_pb2.ListWorkersRequest()).workers
        return (
            searches,
            [self.admin.candidates(name) for name in names],
            [self.admin.frontier(name) for name in names],
            [self.admin.buckets(name) for name in names],
            [(worker.info, list(worker.candidates)) for worker in workers],
        )

    def assert_unchanged(self):
        self.assertEqual(self.state(), self.before)

    def tearDown(self):
        # After all attempts the controller still runs, and its data on disk is valid and unchanged.
        self.assertTrue(self.server.process.running())
        shown = self.state()
        self.server.kill()
        code, output = self.server.check()
        self.assertEqual(code, 0, output)
        self.server.start()
        self.admin = self.client(self.server, token=self.tokens["admin"])
        self.assertEqual(self.state()[:4], shown[:4])
        log = self.server.process.log()
        for token in self.tokens.values():
            self.assertNotIn(token, log)
        super().tearDown()
