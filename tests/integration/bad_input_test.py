"""Bad input to the real programs: each gets a clear error that says what to do, and nothing is lost."""

import json
import os
import shutil
import socket
import subprocess

import harness
from layernas.v1 import search_pb2
from layernas.v1 import search_service_pb2
from proto_worker import lease
from spaces import Space

SPEC = """\
name: bad-input
space:
  layers:
    - name: first
      options: [small, large]
    - name: second
      options: [small, large]
      default: large
objective:
  cost: latency_ms
  targets: [5]
strategy:
  layernas: {buckets: 4}
budget:
  trainings: 20
evaluation:
  train: {epochs: 1}
"""

# (description, text of SPEC, its replacement, line of the mistake, required text of the message)
SPEC_MISTAKES = [
    ("unknown field", "  trainings: 20", "  trainngs: 20", 15, r"budget\.trainngs.*did you mean.*trainings"),
    ("ill-typed field", "  trainings: 20", "  trainings: many", 15, r"budget\.trainings.*many"),
    ("fraction for a whole number", "  trainings: 20", "  trainings: 2.5", 15, r"budget\.trainings.*2\.5"),
    ("list for a scalar", "name: bad-input", "name: [a, b]", 1, r"name"),
    ("no YAML", "budget:\n", "budget: {\n", None, r"."),
    ("the same key twice", "  trainings: 20", "  trainings: 20\n  trainings: 30", 16, r"trainings"),
    ("layer without options", "      options: [small, large]\n    - name: second", "    - name: second", 4, r"options"),
    ("layer with empty options", "[small, large]\n    - name", "[]\n    - name", 5, r"layers\[0\]\.options"),
    ("duplicate layer", "name: second", "name: first", 6, r"layers\[1\]\.name.*first"),
    ("duplicate option", "[small, large]\n    - name", "[small, small]\n    - name", 5, r"options\[1\].*small"),
    ("default that is no option", "default: large", "default: huge", 8, r"default.*huge"),
    ("zero budget", "  trainings: 20", "  trainings: 0", 15, r"budget\.trainings.*at least 1"),
    ("negative budget", "  trainings: 20", "  trainings: -3", 15, r"budget\.trainings.*-3"),
    ("zero duration", "  trainings: 20", "  duration: 0s", 15, r"budget\.duration"),
    ("bad duration", "  trainings: 20", "  duration: soon", 15, r"budget\.duration.*soon"),
    ("negative buckets", "{buckets: 4}", "{buckets: -4}", 13, r"buckets.*-4"),
    ("negative target", "targets: [5]", "targets: [-5]", 11, r"targets\[0\].*-5"),
    ("unknown strategy", "  layernas:", "  layernass:", 13, r"strategy\.layernass.*did you mean.*layernas"),
    ("no cost", "  cost: latency_ms\n", "", None, r"objective\.cost.*missing"),
    (
        "target below the cheapest",
        "      options: [small, large]\n    - name: second\n      options: [small, large]",
        "      options: [{name: small, costs: {latency_ms: 3}}, {name: large, costs: {latency_ms: 9}}]\n"
        "    - name: second\n"
        "      options: [{name: small, costs: {latency_ms: 4}}, {name: large, costs: {latency_ms: 8}}]",
        11,
        r"targets\[0\].*no architecture can meet 5: the cheapest one costs 7",
    ),
]

ANY_PORTS = ("--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0")


class SpecFileTest(harness.IntegrationTest):

    def test_mistakes_are_named_with_file_line_and_field(self):
        server = self.controller()
        for what, old, new, line, said in SPEC_MISTAKES:
            with self.subTest(what):
                self.assertIn(old, SPEC)
                path = self.write("spec.yaml", SPEC.replace(old, new, 1))
                for command in (["validate", path], ["search", "submit", path]):
                    done = self.cli(server, *command)
                    self.assertNotEqual(done.returncode, 0, done.stdout)
                    place = "spec.yaml" if line is None else f"spec.yaml:{line}:"
                    self.assertIn(place, done.stderr)
                    complaint = next(text for text in done.stderr.splitlines() if place in text)
                    self.assertRegex(complaint, said)
        searches = self.client(server).call("ListSearches", search_service_pb2.ListSearchesRequest()).searches
        self.assertEqual(len(searches), 0)

    def test_every_mistake_is_named_at_once(self):
        text = SPEC.replace("trainings: 20", "trainings: 0").replace("default: large", "default: huge")
        done = self.cli(None, "validate", self.write("spec.yaml", text.replace("epochs: 1", "epoch: 1")))
        self.assertNotEqual(done.returncode, 0)
        for place in ("spec.yaml:8:", "spec.yaml:15:", "spec.yaml:17:"):
            self.assertIn(place, done.stderr)

    def test_file_that_is_not_there(self):
        done = self.cli(None, "validate", "no-such-file.yaml")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("no-such-file.yaml", done.stderr)
        self.assertRegex(done.stderr, "(?i)no such file")

    def test_the_spec_that_the_mistakes_are_made_in_is_good(self):
        done = self.cli(None, "validate", self.write("spec.yaml", SPEC))
        self.assertEqual(done.returncode, 0, done.stderr)


class ControllerTest(harness.IntegrationTest):

    def test_port_in_use(self):
        server = self.controller()
        # Another socket listens on the port.
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            others = f"127.0.0.1:{other.getsockname()[1]}"
            free = "127.0.0.1:0"
            for listen, metrics, taken in (
                (server.address, free, server.address),
                (free, server.metrics_address, server.metrics_address),
                (others, free, others),
                (free, others, others),
            ):
                with self.subTest(listen=listen, metrics=metrics):
                    output = harness.refused_controller(
                        f"--listen={listen}", f"--metrics-listen={metrics}", f"--data-dir={self.path('other')}"
                    )
                    self.assertIn(taken, output)
                    self.assertRegex(output, "(?i)in use|taken")

    def test_data_directory_that_another_controller_holds(self):
        server = self.controller()
        output = harness.refused_controller(*ANY_PORTS, f"--data-dir={server.data_dir}")
        self.assertIn(server.data_dir, output)
        self.assertRegex(output, "(?i)another|in use|held|lock")
        # A directory that is in use cannot be checked either.
        code, output = server.check()
        self.assertEqual(code, 1, output)
        self.assertIn("stop it first", output)
        # The controller that uses it is not affected.
        search = self.client(server).create(Space(2, 2, 1).spec("still-there"))
        self.assertEqual(search.state, search_pb2.SEARCH_STATE_RUNNING)

    def test_data_directory_of_a_newer_schema(self):
        if not shutil.which("ldb"):
            self.skipTest("ldb (Debian: rocksdb-tools) is not installed: the refusal of a newer schema was NOT checked")
        server = self.controller()
        name = self.client(server).create(Space(2, 2, 1).spec("kept")).name
        self.assertEqual(server.stop(), 0)
        ldb = ["ldb", f"--db={server.data_dir}", "--column_family=meta", "--try_load_options"]

        def schema():
            done = subprocess.run(
                [*ldb, "get", "schema_version"], stdout=subprocess.PIPE, timeout=harness.PATIENCE_S, check=True, text=True
            )
            return done.stdout.strip()

        version = schema()
        self.assertRegex(version, r"^\d+$")
        newer = str(int(version) + 1)
        subprocess.run(
            [*ldb, "put", "schema_version", newer],
            stdout=subprocess.DEVNULL,
            timeout=harness.PATIENCE_S,
            check=True,
        )
        for flags in ([], ["--check"]):
            output = harness.refused_controller(*ANY_PORTS, f"--data-dir={server.data_dir}", *flags)
            self.assertRegex(output, rf"(?i)newer|schema.*{newer}")
            self.assertIn(newer, output)
        # The directory is unchanged: with its own version, all data is there.
        self.assertEqual(schema(), newer)
        subprocess.run(
            [*ldb, "put", "schema_version", version],
            stdout=subprocess.DEVNULL,
            timeout=harness.PATIENCE_S,
            check=True,
        )
        server.start()
        self.assertEqual(self.client(server).search(name).name, name)

    def test_data_directory_that_cannot_be_made_or_read(self):
        in_the_way = self.write("file", "not a directory\n")
        for path in (in_the_way, os.path.join(in_the_way, "below")):
            self.assertIn(path, harness.refused_controller(*ANY_PORTS, f"--data-dir={path}"))
        output = harness.refused_controller("--check", f"--data-dir={self.path('nothing-here')}")
        self.assertIn("nothing-here", output)
        self.assertFalse(os.path.exists(self.path("nothing-here")), "--check made a directory")

    def test_flags_that_make_no_sense(self):
        data = f"--data-dir={self.path('data')}"
        self.assertIn("--data-dir", harness.refused_controller(*ANY_PORTS))
        for flag in ("--listen=nonsense", "--listen=127.0.0.1:99999", "--lease-duration=soon", "--lease-duration=0s"):
            name, value = flag.split("=")
            self.assertRegex(harness.refused_controller(data, flag), f"{name}|{value}")
        self.assertFalse(os.path.exists(self.path("data")))


class UnreachableTest(harness.IntegrationTest):

    def test_client_says_what_was_tried_and_how_to_set_it(self):
        address = f"127.0.0.1:{harness.free_port()}"
        spec = self.write("spec.yaml", SPEC)
        for command in (["search", "list"], ["search", "submit", spec], ["worker", "list"], ["search", "get", "x-1"]):
            done = self.cli(address, *command)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(address, done.stderr)
            self.assertIn("--controller", done.stderr)
            self.assertIn("LAYERNAS_CONTROLLER", done.stderr)
        self.assertEqual(self.cli(address, "validate", spec).returncode, 0, "validate needs no controller")

    def test_worker_waits_for_its_controller(self):
        port = harness.free_port()
        space = Space(2, 2, 1)
        table = space.write_table(self.path("table.csv"))
        early = self.spawn(
            "early",
            os.path.join(harness.BIN, "layernas-worker"),
            f"--controller=127.0.0.1:{port}",
            "--id=early",
            *harness.tabular_flags(table),
        )
        harness.wait_for(lambda: str(port) in early.log().split("\n", 1)[1], "the worker to say whom it waits for")
        server = self.controller(port=port)
        api = self.client(server)
        self.assertEqual(
            api.wait_for_end(api.create(space.spec("late")).name).state, search_pb2.SEARCH_STATE_SUCCEEDED
        )


def run_worker(test, *flags):
    """Returns the output of a worker that is expected to refuse its flags."""
    done = subprocess.run(
        [os.path.join(harness.BIN, "layernas-worker"), "--controller=127.0.0.1:1", *flags],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=harness.PATIENCE_S,
        check=False,
        text=True,
    )
    test.assertGreater(done.returncode, 0, done.stdout)
    return done.stdout


class EvaluatorTest(harness.IntegrationTest):
    """Every trainer here is broken, and every search ends FAILED early, with the reason."""

    def search_with(self, *worker_flags, timeout_s=None, dataset="", parameters=None):
        server = self.controller(name="controller")
        self.api = self.client(server)
        spec = Space(layers=3, options=3, seed=61).spec("doomed")
        spec.space.network.stem_channels = 8
        for layer in spec.space.layers:
            # Names of options that layernas-trainer can build.
            for option, name in zip(layer.options, ("conv_k1", "conv_k3", "conv_k5")):
                option.name = name
        spec.evaluation.attempts = 2
        spec.budget.initial_failures = 4
        if timeout_s:
            spec.evaluation.timeout.FromSeconds(timeout_s)
        spec.evaluation.train.parameters.update(parameters or {})
        spec.evaluation.train.dataset = dataset
        search = self.api.create(spec).name
        self.worker(server, "worker", *worker_flags)
        ended = self.api.wait_for_end(search)
        self.assertEqual(ended.state, search_pb2.SEARCH_STATE_FAILED, ended.state_reason)
        done = self.cli(server, "search", "get", search)
        self.assertIn(ended.state_reason.splitlines()[0][:60], done.stdout + done.stderr)
        return ended

    def test_rubbish(self):
        ended = self.search_with(*harness.exec_flags("--mode=rubbish"))
        self.assertIn("Segmentation fault (this is not JSON)", ended.state_reason)

    def test_hangs(self):
        log = self.path("log.jsonl")
        ended = self.search_with(*harness.exec_flags("--mode=hang", f"--log={log}"), timeout_s=1)
        self.assertRegex(ended.state_reason, r"(?i)time|longer")
        with open(log, encoding="utf-8") as file:
            pids = {json.loads(line)["pid"] for line in file}
        alive = [pid for pid in self.evaluator_processes() if pid in pids]
        self.assertEqual(alive, [], "a trainer that hangs was not killed")

    def test_dies(self):
        ended = self.search_with(*harness.exec_flags("--mode=die"))
        self.assertIn("exit code 3", ended.state_reason)
        self.assertIn("out of memory, dying", ended.state_reason)

    def test_is_not_there(self):
        # The program does not exist, so the worker does not start.
        output = run_worker(self, "--evaluator=exec", "--command=/no/such/trainer --flag")
        self.assertIn("/no/such/trainer", output)
        # The program disappears after the first evaluation.
        trainer = self.write("trainer", "#!/bin/sh\nrm \"$0\"\nexit 3\n")
        os.chmod(trainer, 0o755)
        ended = self.search_with("--evaluator=exec", f"--command={trainer}")
        self.assertIn(f"{trainer}: No such file", ended.state_reason)

    def test_nan(self):
        self.assertRegex(self.search_with(*harness.exec_flags("--mode=nan")).state_reason, "(?i)nan|accuracy")

    def test_negative_latency(self):
        ended = self.search_with(*harness.exec_flags("--mode=negative-latency"))
        self.assertRegex(ended.state_reason, r"latency_ms.*(negative|-1|below 0|at least 0)")

    def test_missing_cost(self):
        ended = self.search_with(*harness.exec_flags("--mode=missing-cost"))
        self.assertRegex(ended.state_reason, r"latency_ms")

    def test_retry_says_the_evaluator(self):
        ended = self.search_with(*harness.exec_flags("--mode=retry"))
        self.assertIn("the fake evaluator says retry", ended.state_reason)

    def test_everything_infeasible(self):
        ended = self.search_with(*harness.exec_flags("--mode=infeasible"))
        self.assertIn("the fake evaluator says infeasible", ended.state_reason)
        # The search ends after the first few candidates, not after the whole space.
        self.assertLessEqual(ended.progress.infeasible, 4)

    def search_with_trainer(self, folder):
        trainer = os.path.join(harness.BIN, "layernas-trainer")
        if not os.path.exists(trainer):
            self.skipTest("layernas-trainer is not part of this build: its data folders were NOT checked")
        flags = ["--evaluator=exec", f"--command={trainer} --data-dir {self.folder}"]
        return self.search_with(*flags, dataset="cifar10", parameters={"folder": folder})

    def test_missing_data_folder(self):
        ended = self.search_with_trainer("no-such-folder")
        self.assertIn(self.path("no-such-folder"), ended.state_reason)

    def test_truncated_data_file(self):
        os.mkdir(self.path("cut"))
        image = bytes(1 + 3 * 32 * 32)
        for batch in range(1, 6):
            with open(self.path(f"cut/data_batch_{batch}.bin"), "wb") as file:
                file.write(image * 10 if batch != 3 else image * 9 + image[:100])
        ended = self.search_with_trainer("cut")
        self.assertIn(self.path("cut/data_batch_3.bin"), ended.state_reason)


class LabelsTest(harness.IntegrationTest):

    def test_search_says_what_it_waits_for(self):
        server = self.controller()
        api = self.client(server)
        space = Space(layers=2, options=2, seed=62)
        table = space.write_table(self.path("table.csv"))
        spec = space.spec("picky")
        spec.evaluation.require["device"] = "npu"
        search = api.create(spec).name
        # First there is no worker, then one that does not fit.
        self.assertIn("worker", api.search(search).waiting_for)
        self.worker(server, "unfit", "--label=device=cpu", *harness.tabular_flags(table))
        harness.wait_for(lambda: server.metrics()["layernas_polls_parked", frozenset()] == 1, "its poll to be parked")
        self.assertEqual(lease(api, "unfit-too", max_wait_s=0.2, labels={"device": "gpu"}), [])
        self.assertRegex(api.search(search).waiting_for, "device.*npu")
        done = self.cli(server, "search", "get", search)
        self.assertRegex(done.stdout, "device.*npu")
        # A worker that fits ends the wait.
        self.worker(server, "fit", "--label=device=npu", "--label=more=yes", *harness.tabular_flags(table))
        ended = api.wait_for_end(search)
        self.assertEqual(ended.state, search_pb2.SEARCH_STATE_SUCCEEDED)
        self.assertEqual(ended.waiting_for, "")
        self.assertEqual({candidate.worker for candidate in api.candidates(search)}, {"fit"})


class WorkerFlagsTest(harness.IntegrationTest):

    def test_bad_tables(self):
        table = self.path("table.csv")
        good = harness.tabular_flags(table)
        self.assertIn(table, run_worker(self, *good))
        self.write("table.csv", "arch,accuracy\n00,0.5\n")
        self.assertIn("latency_ms", run_worker(self, *good))
        self.write("table.csv", "arch,accuracy,latency_ms\n00,0.5,1\n01,good,1\n")
        self.assertRegex(run_worker(self, *good), r"table\.csv:3.*good")
        self.write("table.csv", "arch,accuracy,latency_ms\n00,0.5,1\n01,0.5\n")
        self.assertRegex(run_worker(self, *good), r"table\.csv:3")
        self.write("table.csv", "arch,accuracy,latency_ms\n00,0.5,1\n00,0.6,1\n")
        self.assertRegex(run_worker(self, *good), r"table\.csv:3.*00")
        self.write("table.csv", "")
        self.assertIn("table.csv", run_worker(self, *good))

    def test_bad_flags(self):
        for flag in ("--slots=0", "--label=nonsense", "--evaluator=oracle", "--metric=x", "--delay=soon"):
            self.assertIn(flag.split("=")[0], run_worker(self, *harness.tabular_flags(self.path("t.csv")), flag))


if __name__ == "__main__":
    harness.main()
