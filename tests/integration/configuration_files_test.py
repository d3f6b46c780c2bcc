"""Compares docs/configuration.md with the programs, and runs a controller and a worker from configuration files."""

import json
import os
import re
import subprocess

import harness
from spaces import Space


class ConfigurationTest(harness.IntegrationTest):

    def run_program(self, name, *arguments, **environment):
        """Returns the exit code and output. The program has its own home and no other variables of the test's
        environment."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("LAYERNAS_", "XDG_"))}
        done = subprocess.run(
            [os.path.join(harness.BIN, name), *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**kept, "HOME": self.folder, **environment}, timeout=harness.PATIENCE_S, check=False, text=True,
        )
        return done.returncode, done.stdout

    def documented(self, program):
        """Returns {option: default} of the program's table. The names of its variables must follow the rule."""
        with open(os.path.join(harness.REPOSITORY, "docs/configuration.md"), encoding="utf-8") as file:
            section = re.search(rf"(?ms)^## {program}\n(.*?)(?=^## |\Z)", file.read()).group(1)
        rows = re.findall(r"(?m)^\| `([\w-]+)` \| `(\w+)` \| (?:`([^`]*)`)? ?\| \S", section)
        self.assertEqual(len(rows), section.count("\n| `"), f"a row of {program} can't be read")
        for name, variable, _ in rows:
            self.assertEqual(variable, "LAYERNAS_" + name.replace("-", "_").upper())
        return {name: default.replace("~", self.folder) for name, _, default in rows}

    def test_the_tables(self):
        for program in ("layernas-controller", "layernas-worker", "layernas"):
            with self.subTest(program):
                code, text = self.run_program(program, "--print-config")
                self.assertEqual(code, 0, text)
                rows = re.findall(r"(?m)^(?:# )?([\w-]+):(?: (.*))?  # default$", text)
                self.assertEqual(len(rows), len(text.splitlines()), text)
                self.assertEqual(dict(rows), self.documented(program))
                # The output can be read back.
                path = self.write("printed.yaml", text)
                code, again = self.run_program(program, f"--config={path}", "--print-config")
                self.assertEqual(code, 0, again)

    def test_the_trainers_table(self):
        if not os.path.exists(os.path.join(harness.BIN, "layernas-trainer")):
            self.skipTest("built without torch")
        code, text = self.run_program("layernas-trainer", "--help")
        self.assertEqual(code, 0, text)
        # "--threads N [1] (env LAYERNAS_THREADS)"
        rows = re.findall(r"(?m)^  --([\w-]+) [A-Z]+(?: \[(\S+)\])? \(env (\w+)\)", text)
        self.assertEqual({name: default for name, default, _ in rows}, self.documented("layernas-trainer"))
        for name, _, variable in rows:
            self.assertEqual(variable, "LAYERNAS_" + name.replace("-", "_").upper())

    def test_a_search_of_programs_with_files(self):
        space = Space(layers=3, options=2, seed=91)
        table = space.write_table(self.path("table.csv"))
        controller_ready, worker_ready = self.path("controller.json"), self.path("worker.json")
        controller_file = self.write(
            "controller.yaml",
            f"data-dir: {self.path('data')}\nlisten: 127.0.0.1:0\nmetrics-listen: 127.0.0.1:1\n"
            f"ready-file: {controller_ready}\n",
        )
        # The file's metrics port is not available, but the environment's port is.
        controller = self.spawn(
            "controller", os.path.join(harness.BIN, "layernas-controller"), "--config", controller_file,
            environment={"LAYERNAS_METRICS_LISTEN": "127.0.0.1:0"},
        )
        address = self.wait_ready(controller, controller_ready)["address"]
        worker_file = self.write(
            "worker.yaml",
            f"controller: 127.0.0.1:1\nid: of-the-file\nevaluator: tabular\ntable: {table}\n"
            f"metric: [accuracy=accuracy, latency_ms=latency_ms]\nready-file: {worker_ready}\n",
        )
        worker = self.spawn(
            "worker", os.path.join(harness.BIN, "layernas-worker"), "--id=of-the-flag",
            environment={"LAYERNAS_WORKER_CONFIG": worker_file, "LAYERNAS_CONTROLLER": address,
                         "LAYERNAS_LABEL": "device=cpu memory=8"},
        )
        self.wait_ready(worker, worker_ready)
        api = harness.Client(address)
        self.addCleanup(api.close)
        search = api.create(space.spec("configured")).name
        self.assertEqual(api.wait_for_end(search).state, harness.FINAL_STATES[0])
        code, text = self.run_program("layernas", "worker", "list", "-o", "json", LAYERNAS_CONTROLLER=address)
        self.assertEqual(code, 0, text)
        (listed,) = json.loads(text)["workers"]
        self.assertEqual(listed["info"]["id"], "of-the-flag")
        self.assertEqual(listed["info"]["labels"], {"device": "cpu", "memory": "8"})

    def test_an_empty_value_is_no_value(self):
        """As from an unset variable of a script: a setting that restricts access, or a table of costs, would be lost."""
        spec = self.write("spec.yaml", "name: x\n")
        for command in (
            ["layernas-controller", "--data-dir", self.path("d"), "--config", ""],
            ["layernas-controller", "--data-dir", self.path("d"), "--token-file="],
            ["layernas-controller", "--data-dir", self.path("d"), "--token-file", "", "--print-config"],
            ["layernas-worker", "--command", ""],
            ["layernas", "validate", "--costs", "", spec],
            ["layernas", "run", spec, "--data-dir", ""],
            ["layernas", "measure", "lut", spec, "t.json", "--command", ""],
        ):
            code, text = self.run_program(*command)
            self.assertEqual(code, 2, text)
            self.assertIn("is empty", text)
        for line in ("insecure-listen: []", "label: []", "weights-dir: []", "insecure-token: []"):
            path = self.write("empty.yaml", line + "\n")
            for program in ("layernas-controller", "layernas-worker", "layernas"):
                for more in ([], ["--print-config"]):
                    code, text = self.run_program(program, "--config", path, *more)
                    self.assertEqual(code, 2, (program, line, text))

    def test_mistakes_name_their_place(self):
        path = self.write("controller.yaml", "data-dir: x\nlease-duraton: 1m\n")
        code, text = self.run_program("layernas-controller", "--config", path)
        self.assertEqual(code, 2, text)
        self.assertIn(f"{path}:2: lease-duraton: is not a valid option in a configuration file; did you mean 'lease-duration'?", text)
        path = self.write("controller.yaml", "data-dir: x\nlease-duration: soon\n")
        code, text = self.run_program("layernas-controller", "--config", path)
        self.assertEqual(code, 2, text)
        self.assertIn(f"{path}:2: --lease-duration: ", text)
        code, text = self.run_program("layernas-worker", LAYERNAS_LABEL="cpu")
        self.assertEqual(code, 2, text)
        self.assertIn("LAYERNAS_LABEL: --label: ", text)
        # The client finds its file without a flag.
        os.makedirs(self.path(".config/layernas"))
        path = self.write(".config/layernas/client.yaml", "controller: nowhere\n")
        code, text = self.run_program("layernas", "--print-config")
        self.assertEqual(code, 0, text)
        self.assertIn(f"controller: nowhere  # {path}:1", text)
        code, text = self.run_program("layernas", "search", "list")
        self.assertNotEqual(code, 0)
        self.assertIn("nowhere", text)


if __name__ == "__main__":
    harness.main()
