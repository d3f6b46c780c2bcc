"""/metrics of controller and worker after a small search: the essential series have the right values."""

import os
import subprocess

import harness
from layernas.v1 import search_pb2
from layernas.v1 import search_service_pb2
from layernas.v1 import worker_service_pb2
from proto_worker import complete
from proto_worker import failure
from proto_worker import lease
from proto_worker import result
from prometheus import prometheus_program
from spaces import Space
from spaces import reference_layernas


def total(samples, name, **labels):
    """Returns the sum of the samples of that name that have these labels."""
    wanted = set(labels.items())
    found = [value for (sample, having), value in samples.items() if sample == name and wanted <= having]
    return sum(found) if found else None


class MetricsTest(harness.IntegrationTest):

    def wait_for_value(self, server, value, name, **labels):
        """Waits, because gauges follow the state with a delay."""
        harness.wait_for(
            lambda: total(server.metrics(), name, **labels) == value, f"{name}{labels or ''} to be {value}"
        )

    def test_controller_and_worker(self):
        space = Space(layers=3, options=3, seed=51)
        table = space.write_table(self.path("table.csv"))
        edges = space.edges(5)
        trained, _ = reference_layernas(space, edges)
        server = self.controller()
        api = self.client(server)
        search = api.create(space.spec("measured", buckets={"edges": edges})).name

        # The test itself causes one invalid result, one failure and one refusal; a worker does the
        # rest.
        (task,) = lease(api, "by-hand")
        complete(api, "by-hand", result(task.lease_token, {"accuracy": 0.5}))
        (task,) = harness.wait_for(lambda: lease(api, "by-hand"), "the second attempt")
        complete(api, "by-hand", failure(task.lease_token, search_pb2.FAILURE_KIND_EVALUATOR, "crashed"))
        (task,) = harness.wait_for(lambda: lease(api, "by-hand"), "the third attempt")
        self.wait_for_value(server, 1, "layernas_tasks_leased")
        complete(api, "by-hand", result(task.lease_token, space.metrics(task.architecture.id)))
        (verdict,) = complete(api, "by-hand", result(task.lease_token, {"accuracy": 0.99, "latency_ms": 1.0}))
        self.assertEqual(verdict.status, worker_service_pb2.COMPLETION_STATUS_REFUSED)

        self.wait_for_value(server, 1, "layernas_candidates", state="succeeded")
        # Series of a search are updated once per second.
        self.wait_for_value(server, 1, "layernas_frontier_points", search=search)
        running = server.metrics()
        self.assertEqual(total(running, "layernas_searches", state="running"), 1)
        self.assertGreater(total(running, "layernas_tasks_ready"), 0)
        self.assertEqual(total(running, "layernas_best_reward", search=search), space.reward("222"))
        self.assertEqual(total(running, "layernas_frontier_points", search=search), 1)
        self.assertEqual(total(running, "layernas_workers"), 1)

        worker = self.worker(server, "tabular", *harness.tabular_flags(table))
        ended = api.wait_for_end(search)
        self.assertEqual(ended.state, search_pb2.SEARCH_STATE_SUCCEEDED, ended.state_reason)
        self.wait_for_value(server, 1, "layernas_searches", state="succeeded")
        self.wait_for_value(server, 1, "layernas_polls_parked")

        samples = server.metrics()
        self.assertEqual(total(samples, "layernas_searches", state="succeeded"), 1)
        self.assertEqual(total(samples, "layernas_searches", state="running"), 0)
        self.assertEqual(total(samples, "layernas_tasks_ready"), 0)
        self.assertEqual(total(samples, "layernas_tasks_leased"), 0)
        self.assertEqual(total(samples, "layernas_workers"), 2)
        self.assertEqual(total(samples, "layernas_lease_expirations_total"), 0)
        # A failure that was accepted is an accepted completion.
        self.assertEqual(total(samples, "layernas_completions_total", status="accepted"), len(trained) + 1)
        self.assertEqual(total(samples, "layernas_completions_total", status="refused"), 1)
        self.assertEqual(total(samples, "layernas_completions_total", status="invalid"), 1)
        self.assertEqual(total(samples, "layernas_evaluations_total", outcome="succeeded"), len(trained))
        for outcome in ("infeasible", "failed"):
            self.assertIn(total(samples, "layernas_evaluations_total", outcome=outcome), (0, None))
        self.assertEqual(total(samples, "layernas_attempts_failed_total"), 2)
        self.assertGreater(total(samples, "layernas_rpc_seconds_count", method="LeaseTasks"), 3)
        self.assertEqual(total(samples, "layernas_rpc_seconds_count", method="CreateSearch"), 1)
        commits = total(samples, "layernas_storage_commit_seconds_count")
        self.assertGreater(commits, 10)
        self.assertEqual(total(samples, "layernas_storage_commit_batch_commands_count"), commits)
        self.assertGreaterEqual(total(samples, "layernas_storage_commit_batch_commands_sum"), commits)
        self.assertEqual(total(samples, "layernas_build_info"), 1)
        # The number of series with a search's name is limited by the number of running searches.
        for (name, labels), _ in samples.items():
            self.assertNotIn("search", dict(labels), name)
        self.assert_sound(samples)

        samples = worker.metrics()
        self.assertEqual(total(samples, "layernas_build_info"), 1)
        self.assertTrue(
            any(value == len(trained) - 1 for (name, _), value in samples.items() if name.endswith("_total")),
            f"no counter of the worker says that it did {len(trained) - 1} evaluations: {sorted(samples)}",
        )
        self.assert_sound(samples)

    def test_what_is_wanted_by_the_labels_of_workers(self):
        space = Space(layers=3, options=3, seed=54)
        server = self.controller("--lease-duration=600s")
        api = self.client(server)

        def create(name, trainings, require, measure_on=None):
            spec = space.random_spec(name, trainings=trainings)
            spec.evaluation.require.update(require)
            spec.evaluation.measure_on.update(measure_on or {})
            return api.create(spec).name

        gpu = {"device": "gpu", "memory": "40"}
        search = create("gpu", 3, gpu)
        create("also-gpu", 2, gpu)
        create("apart", 5, {"device": "gpu"}, measure_on={"device": "phone"})
        self.wait_for_value(server, 5, "layernas_tasks_wanted", required="device=gpu,memory=40")
        # Nothing has been measured yet that could be trained.
        self.assertGreater(total(server.metrics(), "layernas_tasks_wanted", required="device=phone"), 0)
        self.assertEqual(total(server.metrics(), "layernas_tasks_wanted", required="device=gpu"), 0)

        # A task that a worker holds is still wanted until it is done.
        (task,) = lease(api, "by-hand", labels={"device": "phone"})
        self.wait_for_value(server, 1, "layernas_tasks_leased")
        measured = {"latency_ms": space.cost(task.architecture.id)}
        complete(api, "by-hand", result(task.lease_token, measured))
        self.wait_for_value(server, 1, "layernas_tasks_wanted", required="device=gpu")
        (task,) = lease(api, "by-hand", labels={"device": "gpu"})
        self.wait_for_value(server, 1, "layernas_tasks_leased")
        self.assertEqual(total(server.metrics(), "layernas_tasks_wanted", required="device=gpu"), 1)

        create("any", 4, {})
        self.wait_for_value(server, 4, "layernas_tasks_wanted", required="")
        api.call("CancelSearch", search_service_pb2.CancelSearchRequest(name=search))
        self.wait_for_value(server, 2, "layernas_tasks_wanted", required="device=gpu,memory=40")
        api.call("CancelSearch", search_service_pb2.CancelSearchRequest(name="searches/also-gpu-2"))
        self.wait_for_value(server, None, "layernas_tasks_wanted", required="device=gpu,memory=40")

    def test_a_search_that_is_paused_or_waits_says_so(self):
        """Tests the metrics of the alerts LayernasSearchIdle and LayernasSearchWaits, which only these metrics
        distinguish."""
        space = Space(layers=2, options=2, seed=55)
        server = self.controller()
        api = self.client(server)
        paused = api.create(space.spec("paused")).name
        other = api.create(space.spec("other")).name
        spec = space.spec("waits")
        spec.evaluation.require.update({"gpu": "a100"})
        waits = api.create(spec).name
        self.wait_for_value(server, 0, "layernas_search_paused", search=paused)
        # There is no worker that could lack the label.
        self.wait_for_value(server, 1, "layernas_search_waiting", search=waits)
        self.assertGreater(total(server.metrics(), "layernas_tasks_wanted", required="gpu=a100"), 0)
        api.call("PauseSearch", search_service_pb2.PauseSearchRequest(name=paused))
        self.wait_for_value(server, 1, "layernas_search_paused", search=paused)
        self.assertEqual(total(server.metrics(), "layernas_search_paused", search=other), 0)
        api.call("ResumeSearch", search_service_pb2.ResumeSearchRequest(name=paused))
        self.wait_for_value(server, 0, "layernas_search_paused", search=paused)

    def assert_sound(self, samples):
        for name, labels in samples:
            self.assertRegex(name, r"^(layernas|process|grpc)_")
            self.assertFalse({"worker", "worker_id", "candidate", "task"} & set(dict(labels)), (name, labels))

    def test_promtool_likes_them(self):
        space = Space(layers=2, options=2, seed=52)
        table = space.write_table(self.path("table.csv"))
        server = self.controller()
        api = self.client(server)
        search = api.create(space.spec("linted")).name
        while_running = harness.scrape(server.metrics_address)
        worker = self.worker(server, "tabular", *harness.tabular_flags(table))
        api.wait_for_end(search)
        pages = {
            "controller with a search": while_running,
            "controller": harness.scrape(server.metrics_address),
            "worker": harness.scrape(worker.metrics_address),
        }
        for name, page in pages.items():
            done = subprocess.run(
                [prometheus_program("promtool"), "check", "metrics"],
                input=page,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=harness.PATIENCE_S,
                check=False,
                text=True,
            )
            self.assertEqual(done.stdout, "", name)

    def test_are_served_on_ipv6(self):
        if not os.path.exists("/proc/net/if_inet6"):
            self.skipTest("this machine has no IPv6: metrics on [::1] were NOT tried")
        table = Space(layers=2, options=2, seed=53).write_table(self.path("table.csv"))
        server = self.controller(metrics_host="[::1]")
        worker = self.worker(server, "tabular", *harness.tabular_flags(table), metrics_host="[::1]")
        for program in (server, worker):
            self.assertRegex(program.metrics_address, r"^\[::1\]:[1-9]")
            self.assertEqual(total(program.metrics(), "layernas_build_info"), 1)
        taken = harness.refused_controller(
            "--listen=127.0.0.1:0", f"--metrics-listen={server.metrics_address}", f"--data-dir={self.path('another')}"
        )
        self.assertIn(f"cannot serve metrics on {server.metrics_address}: Address already in use", taken)


if __name__ == "__main__":
    harness.main()
