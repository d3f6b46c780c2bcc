"""The standard error of trainers can be read for each candidate, also if a trainer fails, hangs, or writes garbage."""

import json
import os

import grpc
import harness
import layernas
from layernas.v1 import search_pb2
from spaces import Space


class TaskLogsTest(harness.IntegrationTest):

    def setUp(self):
        super().setUp()
        self.space = Space(layers=3, options=2, seed=5)
        self.table = self.space.write_table(self.path("table.csv"))
        # A megabyte, followed by bytes that are not text.
        with open(self.path("words"), "wb") as file:
            file.write(b"".join(b"line %d\n" % i for i in range(100_000)) + bytes(range(256)) + b"\n")

    def search(self, api, name, attempts=1, timeout_ms=None):
        spec = self.space.random_spec(name, trainings=2)
        spec.evaluation.attempts = attempts
        if timeout_ms:
            spec.evaluation.timeout.FromMilliseconds(timeout_ms)
        return api.create(spec).name.removeprefix("searches/")

    def logs(self, server, *arguments):
        return self.cli(server, "search", "logs", *arguments)

    def test_of_results_over_a_restart(self):
        server = self.controller(port=harness.free_port())
        api = self.client(server)
        name = self.search(api, "talks")
        worker = self.worker(server, "one", *harness.exec_flags("--table", self.table, "--say", self.path("words")))
        api.wait_for_end("searches/" + name)
        candidate = api.candidates("searches/" + name)[0]
        for _ in range(2):
            shown = self.logs(server, name, "1")
            self.assertEqual(shown.returncode, 0, shown.stderr)
            self.assertIn(f"candidate 1 of {name}, attempt 1, by one", shown.stderr)
            self.assertRegex(shown.stderr, r"\d{6,} earlier bytes were not kept")
            self.assertTrue(shown.stdout.endswith(f"that was {candidate.architecture.id}\n"), shown.stdout[-100:])
            self.assertIn("line 99999\n", shown.stdout)
            self.assertNotIn("line 90000\n", shown.stdout)
            self.assertLessEqual(len(shown.stdout.encode()), 16 << 10)
            server.stop()
            server.start()
        worker.stop()
        log = layernas.Client(server.address).search(name).log(1)
        self.assertEqual((log.attempt, log.worker, log.attempts), (1, "one", (1,)))
        self.assertTrue(log.text.endswith(f"that was {candidate.architecture.id}\n"))
        self.assertGreater(log.omitted_bytes, 900_000)

    def test_of_failures(self):
        server = self.controller()
        api = self.client(server)
        crashing = self.search(api, "crashing", attempts=2)
        worker = self.worker(server, "one", *harness.exec_flags("--mode", "die"))
        api.wait_for_end("searches/" + crashing)
        worker.stop()
        for attempt in ("1", "2"):
            shown = json.loads(self.logs(server, crashing, "1", "--attempt", attempt, "-o", "json").stdout)
            self.assertEqual(shown["log"]["tail"], "fake_evaluator: out of memory, dying\n")
            self.assertEqual((shown["attempt"], shown["attempts"]), (int(attempt), [1, 2]))

        # Long enough for all the output on a busy machine; half a second was not.
        hanging = self.search(api, "hanging", timeout_ms=8000)
        worker = self.worker(server, "two", *harness.exec_flags("--mode", "hang", "--say", self.path("words")))
        api.wait_for_end("searches/" + hanging)
        worker.stop()
        self.assertIn("that was ", self.logs(server, hanging, "1").stdout)

    def test_where_there_is_none(self):
        server = self.controller()
        api = self.client(server)
        name = self.search(api, "silent")
        worker = self.worker(server, "one", *harness.exec_flags("--table", self.table))
        api.wait_for_end("searches/" + name)
        worker.stop()
        shown = self.logs(server, name, "1")
        self.assertEqual((shown.returncode, shown.stdout), (1, ""))
        self.assertIn("wrote nothing to standard error", shown.stderr)
        shown = self.logs(server, name, "77")
        self.assertIn(f"there is no candidate searches/{name}/candidates/77", shown.stderr)
        with self.assertRaises(layernas.Error) as raised:
            layernas.Client(server.address).search(name).log(1, attempt=3)
        self.assertEqual(raised.exception.code, grpc.StatusCode.NOT_FOUND)


if __name__ == "__main__":
    harness.main()
