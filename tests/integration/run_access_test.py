"""What `layernas run` serves and keeps is closed to the other users of the machine."""

import os

import grpc

import harness
from layernas.v1 import search_service_pb2
from spaces import Space

LIST = search_service_pb2.ListSearchesRequest()


class RunTest(harness.IntegrationTest):

    def test_a_search_on_this_machine_alone_is_closed_to_others_on_it(self):
        space = Space(layers=2, options=2, seed=87)
        table = space.write_table(self.path("table.csv"))
        spec = self.write(
            "spec.yaml",
            "name: mine\nspace: {layers: [{name: a, options: [x, y]}, {name: b, options: [x, y]}]}\n"
            "objective: {cost: latency_ms}\nstrategy: {layernas: {}}\n",
        )
        data = self.path("data")
        run = self.spawn(
            "run",
            os.path.join(harness.BIN, "layernas"),
            "run",
            spec,
            f"--data-dir={data}",
            "--workers=1",
            "--",
            *harness.tabular_flags(table, delay="500ms"),
        )
        ready_file = os.path.join(data, "ready.json")
        server = harness.Controller(self)
        server.address = self.wait_ready(run, ready_file)["address"]
        self.assert_rpc_error(grpc.StatusCode.UNAUTHENTICATED, self.client(server).call, "ListSearches", LIST)
        done = self.cli(server, "search", "list", f"--token-file={os.path.join(data, 'token')}")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(run.wait(), 0, run.log())
        for name in ("token", "tokens"):
            self.assertEqual(os.stat(os.path.join(data, name)).st_mode & 0o777, 0o600)
        # Again in the same folder, with another controller's settings in the environment.
        done = self.cli(
            None,
            "run",
            spec,
            f"--data-dir={data}",
            "--workers=1",
            "--",
            *harness.tabular_flags(table),
            environment={"LAYERNAS_TLS_CA": "/nowhere.pem", "LAYERNAS_TOKEN_FILE": "/nowhere.token"},
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("waiting for a worker", done.stdout)

    def test_what_a_run_keeps_is_closed_to_others_whatever_the_umask(self):
        self.addCleanup(os.umask, os.umask(0o022))
        table = Space(layers=2, options=2, seed=87).write_table(self.path("table.csv"))
        spec = self.write(
            "spec.yaml",
            "name: mine\nspace: {layers: [{name: a, options: [x, y]}, {name: b, options: [x, y]}]}\n"
            "objective: {cost: latency_ms}\nstrategy: {layernas: {}}\n",
        )
        os.mkdir(self.path("open"))
        # A folder that the run creates, and an existing one that is open to everyone.
        for folder in ("runs/closed/", "open"):
            with self.subTest(folder):
                data = self.path(folder)
                done = self.cli(
                    None, "run", spec, f"--data-dir={data}", "--workers=1", "--", *harness.tabular_flags(table))
                self.assertEqual(done.returncode, 0, done.stderr)
                found = [os.path.join(at, name) for at in (data, os.path.join(data, "logs")) for name in os.listdir(at)]
                for path in found:
                    self.assertEqual(os.stat(path).st_mode & 0o077, 0, path)
                self.assertIn(os.path.join(data, "logs", "worker-1.log"), found)
                self.assertIn(os.path.join(data, "weights"), found)
        self.assertEqual(os.stat(self.path("runs/closed")).st_mode & 0o777, 0o700)
        self.assertEqual(os.stat(self.path("runs")).st_mode & 0o777, 0o755)


if __name__ == "__main__":
    harness.main()
