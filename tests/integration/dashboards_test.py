"""Tests Grafana's queries, Prometheus' rules and the console pages with a real Prometheus that scrapes a real
search."""

import glob
import json
import os
import re

import browser
import harness
from layernas.v1 import search_pb2
from layernas.v1 import search_service_pb2
from layernas.v1 import spec_pb2
from prometheus import Prometheus
from proto_worker import complete
from proto_worker import failure
from proto_worker import lease
from proto_worker import result
from spaces import Space

LABELS = {"hand": "yes"}


class DashboardsTest(harness.IntegrationTest):

    def setUp(self):
        super().setUp()
        # A search that stays in a later stage for as long as the test wants: the test does its
        # tasks itself.
        self.space = Space(layers=3, options=3, seed=53)
        spec = self.space.spec("shown", buckets=spec_pb2.Buckets(count=6, min=self.space.cheapest(), max=self.space.dearest()))
        spec.objective.targets.extend([self.space.dearest() / 2, self.space.dearest()])
        spec.budget.trainings = 100
        spec.evaluation.require.update(LABELS)
        server = self.server = self.controller("--lease-duration=600s")
        self.api = self.client(server)
        self.search = self.api.create(spec).name
        (task,) = self.lease()
        complete(self.api, "by-hand", failure(task.lease_token, search_pb2.FAILURE_KIND_EVALUATOR, "crashed"))
        while self.api.search(self.search).progress.stage < 2:
            (task,) = harness.wait_for(self.lease, "a task")
            complete(self.api, "by-hand", result(task.lease_token, self.space.metrics(task.architecture.id)))
        self.lease()
        # A real worker, with a task that never ends.
        table = self.space.write_table(self.path("table.csv"))
        other = self.space.spec("other")
        self.api.create(other)
        flags = [*harness.exec_flags("--table", table, "--hold-first", self.path("held")), "--label=device=cpu", "--slots=2"]
        worker = self.worker(server, "worker", *flags)
        self.worker_metrics = worker.metrics_address
        self.prometheus = Prometheus(self, [server.metrics_address], [worker.metrics_address])

    def lease(self):
        return lease(self.api, "by-hand", labels=LABELS)

    def stir(self):
        """Makes two calls that write to the disk."""
        self.api.call("PauseSearch", search_service_pb2.PauseSearchRequest(name=self.search))
        self.api.call("ResumeSearch", search_service_pb2.ResumeSearchRequest(name=self.search))

    def test_every_series_is_documented(self):
        """docs/metrics.md has a row for each of the project's series, with its type, and no other rows."""

        def there():
            pages = [harness.scrape(address) for address in (self.server.metrics_address, self.worker_metrics)]
            return {name: kind for page in pages
                    for name, kind in re.findall(r"(?m)^# TYPE ((?:layernas|process)_\w+) (\w+)$", page)}

        # The first series of tables and frontiers appear with the first table and frontier.
        harness.wait_for(lambda: {"layernas_search_buckets", "layernas_frontier_reward"} <= set(there()), "all series")
        with open(os.path.join(harness.REPOSITORY, "docs/metrics.md"), encoding="utf-8") as file:
            rows = re.findall(r"(?m)^\| `(\w+)(?:\{[\w, ]+\})?` \| (\w+) \|", file.read())
        self.assertEqual(len(rows), len(dict(rows)), "a series has two rows")
        self.assertEqual(dict(rows), there())

    def test_every_query_has_an_answer(self):
        # An attempt that fails while it is watched, so that there is a failure rate.
        self.prometheus.wait_for("count_over_time(layernas_completions_total[1m]) > 2", "some scrapes")
        (task,) = harness.wait_for(self.lease, "a task")
        complete(self.api, "by-hand", failure(task.lease_token, search_pb2.FAILURE_KIND_EVALUATOR, "crashed again"))
        queries = {}
        for path in glob.glob(os.path.join(harness.REPOSITORY, "deploy/grafana/dashboards/*.json")):
            with open(path, encoding="utf-8") as file:
                dashboard = json.load(file)
            for panel in dashboard["panels"]:
                for target in panel.get("targets", ()):
                    query = target["expr"].replace("$__rate_interval", "1m").replace("$search", self.search)
                    queries[query] = f"{dashboard['title']}: {panel['title']}: {query}"
        self.assertGreater(len(queries), 50)
        for query, where in queries.items():
            self.prometheus.wait_for(query, where)
        found = self.prometheus.ask("label/search/values", **{"match[]": "layernas_search_trainings"})
        self.assertIn(self.search, found)
        groups = harness.wait_for(lambda: self.prometheus.ask("rules"), "the rules")["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        self.assertGreater(len(rules), 15)
        for rule in rules:
            with self.subTest(rule=rule["name"]):
                self.assertEqual(rule["health"], "ok", rule.get("lastError"))
                if rule["type"] == "recording":
                    self.prometheus.wait_for(rule["name"], rule["name"])

    def test_console_pages_draw_curves(self):
        for query in ("layernas:evaluations:rate5m", "count_over_time(layernas_search_trainings[1m]) > 3", "ALERTS or vector(1)"):
            self.prometheus.wait_for(query, query)
        # Something must happen while it is watched, so that there is a rate.
        busy = "histogram_quantile(0.99, sum by (le) (rate(layernas_storage_commit_seconds_bucket[1m]))) >= 0"
        harness.wait_for(lambda: self.stir() or self.prometheus.query(busy), "a commit that was seen")
        site = f"http://{self.prometheus.address}/consoles"
        with browser.Browser() as page:
            for name, least in (
                ("layernas.html?range=15m", {"slots": 2, "evaluations": 4, "best": 1, "failures": 3, "waiting": 2, "latency": 1}),
                (
                    f"layernas-search.html?search={self.search}&range=15m",
                    {"best": 1, "frontier": 1, "candidates": 5, "buckets": 2, "area": 1, "trainings": 2},
                ),
            ):
                for width, dark in ((1600, False), (390, True)):
                    with self.subTest(name=name, width=width):
                        page.size(width, 900, dark)
                        page.open(f"{site}/{name}")
                        page.wait_for("document.documentElement.dataset.drawn === 'yes'")
                        self.assertEqual(page.complaints, [])
                        self.assertEqual(page.overflows(), [])
                        self.assertEqual([url for url in page.requests if not url.startswith(("data:", f"http://{self.prometheus.address}/"))], [])
                        for chart, curves in least.items():
                            self.assertGreaterEqual(int(page.value(f"document.getElementById('{chart}').dataset.curves") or 0), curves, chart)
                            box = page.value(
                                f"(() => {{ const box = document.querySelector('#{chart} .curve, #{chart} rect').getBoundingClientRect();"
                                " return [box.width, box.height]; })()"
                            )
                            self.assertGreaterEqual(sum(box), 5, chart)
                        self.assertEqual(page.value("document.querySelectorAll('.trouble').length"), 0)
                        # After a scrape that came too late, the tiles are empty until the page
                        # queries again.
                        page.wait_for("[...document.querySelectorAll('.tile b')].every((each) => each.textContent !== '–')")
            page.open(f"{site}/layernas.html")
            page.wait_for("document.querySelectorAll('#searches a').length >= 1")
            link = page.value(f"[...document.querySelectorAll('#searches a')].find((each) => each.search.includes('shown')).href")
            self.assertTrue(link.endswith(f"search={self.search.replace('/', '%2F')}"), link)


if __name__ == "__main__":
    harness.main()
