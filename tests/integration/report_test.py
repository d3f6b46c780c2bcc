"""Tests `layernas report` in a real browser: what it draws, at which widths, and how long that takes with many
candidates."""

import glob
import json
import os
import re
import time
import unittest

import browser
import harness
from layernas.v1 import search_pb2
from layernas.v1 import spec_pb2
from proto_worker import complete
from proto_worker import failure
from proto_worker import lease
from proto_worker import result
from spaces import Space

DRAWN = "document.documentElement.dataset.drawn === 'yes'"
HOSTILE = "</script><img src=x onerror=\"document.title='broken'\">"


class ReportTest(harness.IntegrationTest):

    @classmethod
    def setUpClass(cls):
        cls.page = browser.Browser()
        cls.addClassCleanup(cls.page.close)

    def report(self, server, search):
        """Returns the report's path."""
        path = self.path("report.html")
        done = self.cli(server, "report", search.split("/")[1], "-o", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        return path

    def add_settings_that_compare_architectures(self, path):
        with open(path, encoding="utf-8") as file:
            page = file.read()
        self.assertEqual(page.count('"evaluation":{'), 1)
        page = page.replace('"evaluation":{', '"evaluation":{"measure_first":true,"early_stop":{"compared":10},')
        with open(path, "w", encoding="utf-8") as file:
            file.write(page)

    def show(self, path, width, dark=False):
        self.page.size(width, 900, dark)
        self.page.open(f"file://{path}")
        self.page.wait_for(DRAWN)
        self.assertEqual(self.page.complaints, [])
        self.assertEqual(self.page.overflows(), [], f"{width} px wide")
        self.assertEqual([url for url in self.page.requests if not url.startswith(("file:", "data:"))], [])

    def count(self, selector):
        return self.page.value(f"document.querySelectorAll({selector!r}).length")

    def drawn(self, section):
        return self.page.value(f"{browser.DRAWN_PIXELS}('#{section}-chart canvas')")

    def finished_search(self, space, spec, *worker_flags):
        server = self.controller()
        api = self.client(server)
        search = api.create(spec).name
        self.worker(server, "tabular", *harness.tabular_flags(space.write_table(self.path("table.csv"))), *worker_flags)
        ended = api.wait_for_end(search)
        self.assertEqual(ended.state, search_pb2.SEARCH_STATE_SUCCEEDED, ended.state_reason)
        return server, api, search

    def test_a_finished_search_is_drawn(self):
        space = Space(layers=5, options=3, seed=71)
        spec = space.spec("drawn", buckets=spec_pb2.Buckets(count=12))
        # One target that is met and one that cannot be met.
        target = (space.cheapest() + space.dearest()) / 2
        spec.objective.targets.extend([space.cheapest() - 0.5, target])
        server, api, search = self.finished_search(space, spec)
        path = self.report(server, search)
        frontier = api.frontier(search)
        trained = len(api.candidates(search))
        for width, dark in ((1600, False), (390, False), (1600, True)):
            with self.subTest(width=width, dark=dark):
                self.show(path, width, dark)
                self.assertEqual(self.count("#frontier-chart .frontier-point"), len(frontier.points))
                self.assertEqual(self.count("#found-table tbody tr"), len(frontier.points))
                self.assertGreater(self.page.value("document.querySelector('.frontier-line').getTotalLength()"), 50)
                self.assertGreater(self.page.value("document.querySelector('.best-line').getTotalLength()"), 50)
                # A dot has about 40 pixels.
                self.assertGreater(self.drawn("frontier"), 10 * (trained - len(frontier.points)) / 3)
                self.assertGreater(self.drawn("progress"), 10 * trained / 3)
                self.assertGreater(self.drawn("buckets"), 1000)
                self.assertGreater(self.count("#parallel-chart path"), 5)
                self.assertEqual(self.count("#effects-table tbody tr"), 5)
                self.assertIn("±", self.page.value("document.querySelector('#effects-table .effect').textContent"))
                self.assertEqual(self.count("#candidates-table tbody tr"), min(trained, 50))
        best = frontier.best[1].best
        self.assertEqual(self.page.value("document.querySelector('#detail h3').textContent"), f"Candidate {best.candidate.split('/')[-1]}")
        self.assertIn("Nothing meets the target", self.page.value("document.querySelector('#found-note').textContent"))
        self.choosing(api, search)
        # “Copy the spec” and “Copy as spec” return valid specs: that of the search, and one of this architecture.
        self.copied_spec(server, "#spec-text button", 243)
        self.add_settings_that_compare_architectures(path)
        self.show(path, 1600)
        self.copied_spec(server, "#detail .buttons button", 1)

    def choosing(self, api, search):
        """A clicked row is shown in detail and marked everywhere. The filter and the order work."""
        value = self.page.value
        value("document.querySelectorAll('#candidates-table th button')[3].click()")
        rewards = sorted((each.reward for each in api.candidates(search)), reverse=True)
        first = value("document.querySelector('#candidates-table tbody td:nth-child(4)').textContent")
        self.assertAlmostEqual(float(first), rewards[0], 4)
        value("document.querySelector('#candidates-table tbody tr').click()")
        number = value("document.querySelector('#candidates-table tbody tr').dataset.number")
        self.assertEqual(value("document.querySelector('#detail h3').textContent"), f"Candidate {number}")
        self.assertEqual(self.count("#frontier-chart .chosen"), 1)
        value(
            "(() => { const input = document.querySelector('#candidates-filter input'); input.value = '1';"
            " input.dispatchEvent(new Event('input')); })()"
        )
        self.assertGreater(self.count("#candidates-table tbody tr"), 0)
        self.assertEqual(self.page.complaints, [])

    def copied_spec(self, server, button, architectures):
        text = self.page.value(
            "new Promise((done) => { navigator.clipboard.writeText = async (text) => done(text);"
            f" document.querySelector('{button}').click(); }})"
        )
        checked = self.cli(server, "validate", self.write("copied.yaml", text))
        self.assertEqual(checked.returncode, 0, f"{checked.stderr}\n{text}")
        self.assertRegex(checked.stdout, rf"architectures +{architectures}\n")

    def test_running_without_results_failed_and_hostile(self):
        space = Space(layers=2, options=2, seed=72)
        spec = space.spec("hostile")
        spec.space.layers[0].name = HOSTILE
        spec.space.layers[1].options[0].name = HOSTILE
        spec.budget.initial_failures = 1
        spec.evaluation.attempts = 1
        server = self.controller()
        api = self.client(server)
        search = api.create(spec).name
        with self.subTest("nothing yet"):
            self.show(self.report(server, search), 390)
            self.assertEqual(self.page.value("document.querySelector('.chip').textContent"), "running")
            self.assertIn("No results yet", self.page.value("document.querySelector('#frontier-chart').textContent"))
        (task,) = lease(api, "by-hand")
        complete(api, "by-hand", failure(task.lease_token, search_pb2.FAILURE_KIND_EVALUATOR, f"{HOSTILE}\n& more"))
        self.assertEqual(api.wait_for_end(search).state, search_pb2.SEARCH_STATE_FAILED)
        with self.subTest("failed"):
            self.show(self.report(server, search), 390)
            # The first line, and the last line of the quoted standard error, which says what went
            # wrong.
            self.assertIn(f"{HOSTILE} & more", self.page.value("document.querySelector('#failures-table').textContent"))
            self.assertEqual(self.page.value("document.title"), "hostile-1 – layernas")
            self.assertEqual(self.count("img"), 0)
        another = space.spec("other")
        another.space.layers[0].name = HOSTILE
        other = api.create(another).name
        (task,) = lease(api, "by-hand")
        complete(api, "by-hand", result(task.lease_token, space.metrics(task.architecture.id)))
        with self.subTest("one result, no target, still running"):
            self.show(self.report(server, other), 1600)
            self.assertEqual(self.count("#frontier-chart .frontier-point"), 1)
            self.assertIn(HOSTILE, self.page.value("document.querySelector('#detail').textContent"))
            self.assertEqual(self.count("img"), 0)

    def test_lists_of_any_length_have_a_highest_value(self):
        folder = os.path.join(harness.REPOSITORY, "client/report/page")
        text = ""
        for path in glob.glob(os.path.join(folder, "*.js")):
            with open(path, encoding="utf-8") as file:
                text += file.read()
        # As arguments of one call, a list of this length would exceed the stack.
        self.assertEqual(re.findall(r"\b(?:max|min|push|unshift|splice|concat|append|prepend|fromCharCode)\((?:[^()]*, )?\.\.\.", text), [])
        self.assertEqual(re.findall(r"'tbody', \{\}, \.\.\.|\.apply\(", text), [])
        (highest,) = re.findall(r"(?ms)^function highest\(.*?^\}", text)
        self.page.open("about:blank")
        self.assertEqual(self.page.value(f"({highest})(Array.from({{ length: 500000 }}, (_, i) => i))"), 499999)
        self.assertEqual(self.page.value(f"({highest})([])"), 0)

    def edit(self, path, change):
        """Calls `change` with the data of a report, and writes the report again."""
        with open(path, encoding="utf-8") as file:
            page = file.read()
        (text,) = re.findall(r'(?s)<script type="application/json" id="data">(.*?)</script>', page)
        data = json.loads(text)
        change(data)
        with open(path, "w", encoding="utf-8") as file:
            file.write(page.replace(text, json.dumps(data).replace("<", "\\u003c")))

    def test_the_best_option_of_a_layer_is_framed_where_it_is_told_apart(self):
        space = Space(layers=3, options=3, seed=76)
        server, _, search = self.finished_search(space, space.spec("framed"))
        path = self.report(server, search)

        def tell_apart(data):
            for layer, option in enumerate((None, 2, None)):
                data["effects"][layer]["told_apart"] = option

        self.edit(path, tell_apart)
        self.show(path, 1600)
        framed = "[...document.querySelectorAll('#effects-table .effect.top')].map((each) => each.title.split(':')[0])"
        layer = space.spec("framed").space.layers[1]
        self.assertEqual(self.page.value(framed), [f"{layer.name}, {layer.options[2].name}"])

    def test_a_rounded_cost_is_no_other_metric(self):
        space = Space(layers=3, options=3, seed=77)
        server, _, search = self.finished_search(space, space.spec("rounded"))
        path = self.report(server, search)
        for factor, shown in ((1 + 1e-12, False), (1.01, True)):
            with self.subTest(factor=factor):

                def measure(data):
                    for point in data["frontier"]:
                        point["metrics"][data["cost"]] = point["cost"] * factor

                self.edit(path, measure)
                self.show(path, 1600)
                names = self.page.value("[...document.querySelectorAll('#found-table th')].map((each) => each.textContent).join()")
                self.assertEqual("metric_" in names, shown, names)

    def test_a_frontier_of_any_length_is_drawn(self):
        space = Space(layers=3, options=3, seed=75)
        server, _, search = self.finished_search(space, space.spec("long"))
        path = self.report(server, search)
        self.show(path, 1600)
        self.assertEqual(self.page.value("document.querySelector('#candidates-note').textContent"), "")
        self.assertEqual(self.page.value("document.querySelector('#found-note').textContent"), "")
        # As arguments of one call, 126,000 rows end the script.
        points = 130000

        def lengthen(data):
            architecture = data["frontier"][0]["architecture"]
            data["frontier"] = [
                {"number": number, "architecture": architecture, "reward": number / points, "cost": number, "metrics": {}}
                for number in range(1, points + 1)
            ]
            data["candidates"]["total"] = 1000000

        self.edit(path, lengthen)
        self.show(path, 1600)
        rows = self.count("#found-table tbody tr")
        self.assertGreater(rows, 900)
        self.assertLess(rows, 1100)
        self.assertEqual(self.count("#frontier-chart .frontier-point"), rows)
        self.assertIn(f"lists {rows:,} of the 130,000 points", self.page.value("document.querySelector('#found-note').textContent"))
        self.assertIn("130,000 are on the frontier", self.page.value("document.querySelector('#frontier-note').textContent"))
        # Both ends are listed.
        for row, number in (("first", "1"), ("last", "130000")):
            self.assertEqual(self.page.value(f"document.querySelector('#found-table tbody tr:{row}-child').dataset.number"), number)
        note = self.page.value("document.querySelector('#candidates-note').textContent")
        self.assertRegex(note, r"^\d+ of 1,000,000 are listed and drawn")

    def test_long_names_do_not_push_columns_out(self):
        space = Space(layers=3, options=3, seed=74)
        spec = space.spec("long")
        for number, layer in enumerate(spec.space.layers):
            layer.name = f"{number}{'l' * 99}"
            for option in layer.options:
                option.name = f"{option.name[:9]}{'o' * 90}"
        server = self.controller()
        api = self.client(server)
        search = api.create(spec).name
        for _ in range(4):
            (task,) = lease(api, "w" * 100)
            complete(api, "w" * 100, result(task.lease_token, space.metrics(task.architecture.id) | {"m" * 100: 1.0}))
        self.show(self.report(server, search), 1600)
        # Every column is visible without scrolling.
        too_wide = self.page.value(
            "[...document.querySelectorAll('table')].filter((table) => table.offsetWidth > table.parentElement.clientWidth + 1)"
            ".map((table) => table.parentElement.id)"
        )
        self.assertGreater(self.count("table"), 3)
        self.assertEqual(too_wide, [])
        # Four results are too few to compare anything.
        self.assertEqual(self.count(".effect"), 9)
        self.assertEqual(self.count(".effect.top"), 0)

    def test_ten_thousand_candidates(self):
        """Timing is printed but not checked, because the machine may be busy. Sizes are checked."""
        space = Space(layers=7, options=4, seed=73)
        spec = space.random_spec("many", trainings=10000)
        spec.objective.targets.extend([space.cheapest() * 2, space.dearest() / 2])
        server, _, search = self.finished_search(space, spec, "--slots=64")
        begun = time.monotonic()
        path = self.report(server, search)
        made = time.monotonic() - begun
        size = os.path.getsize(path)
        self.assertLess(size, 5 << 20)
        self.page.size(1600, 900)
        opened = self.page.open(f"file://{path}")
        self.page.wait_for(DRAWN)
        self.page.value("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)))")
        ready = self.page.value("performance.now()") / 1000
        self.assertEqual(self.page.complaints, [])
        self.assertGreater(self.drawn("frontier"), 10000)
        self.assertEqual(self.page.value("JSON.parse(document.getElementById('data').textContent).candidates.number.length"), 10000)
        chosen = self.page.value(
            "(() => { const begun = performance.now(); document.querySelectorAll('#candidates-table th button')[3].click();"
            " document.querySelector('#candidates-table tbody tr').click(); return performance.now() - begun; })()"
        )
        print(
            f"10,000 candidates: made in {made:.2f} s, {size / 1e6:.2f} MB, loaded in {opened:.2f} s,"
            f" interactive {ready:.2f} s after navigation, sorted and chosen in {chosen:.0f} ms",
            flush=True,
        )


if __name__ == "__main__":
    harness.main()
