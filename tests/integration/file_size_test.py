"""Tests programs whose maximum file size is limited (ulimit -f): they report an error, and no signal ends them."""

import os
import signal
import subprocess

import grpc

import harness
from spaces import Space

LAYERNAS = os.path.join(harness.BIN, "layernas")
WORKER = os.path.join(harness.BIN, "layernas-worker")
SPEC = (
    "name: small\nspace: {layers: [{name: a, options: [x, y, z]}, {name: b, options: [x, y, z]}, {name: c, options: [x, y, z]}]}\n"
    "objective: {cost: latency_ms}\nstrategy: {random: {}}\nbudget: {trainings: 4}\n"
)
ANSWERS = 'while read -r line; do echo \'{"result": {"metrics": {"latency_ms": 1, "%s": 2}}}\'; done' % ("m" * 90)


def limited(size):
    return ["prlimit", f"--fsize={size}"]


class FileSizeTest(harness.IntegrationTest):

    def call(self, size, *command):
        """Returns the exit code and standard error."""
        done = subprocess.run(
            [*limited(size), *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            cwd=self.folder, timeout=harness.PATIENCE_S, check=False, text=True,
        )
        return done.returncode, done.stderr

    def test_the_client_names_the_file(self):
        code, err = self.call(100, LAYERNAS, "init", "shapes10", "-o", "spec.yaml")
        self.assertEqual((code, err), (1, "layernas: cannot write spec.yaml: File too large\n"))
        spec = self.write("small.yaml", SPEC)
        evaluator = self.write("evaluator.sh", ANSWERS)
        code, err = self.call(
            1000, LAYERNAS, "measure", "lut", spec, "table.json", "--networks", "8", "--held-out", "5", "--command",
            f"sh {evaluator}")
        self.assertEqual(code, 1, err)
        self.assertRegex(err, "table.json.*File too large")
        with open(self.path("out"), "wb") as out:
            done = subprocess.run(
                [*limited(100), LAYERNAS, "init", "shapes10", "-o", "-"], stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.PIPE, timeout=harness.PATIENCE_S, check=False, text=True,
            )
        self.assertEqual((done.returncode, done.stderr), (1, "layernas: cannot write the output: File too large\n"))

    def test_the_worker_names_the_file(self):
        code, err = self.call(
            1, WORKER, f"--controller=127.0.0.1:{harness.free_port()}", "--metrics-listen=127.0.0.1:0",
            f"--ready-file={self.path('ready.json')}", "--command=cat")
        self.assertEqual(code, 1, err)
        self.assertRegex(err, "ready.json.*File too large")

    def test_the_controller_ends_with_a_reason_and_keeps_what_it_acknowledged(self):
        server = self.controller(prefix=limited(200_000))
        api = self.client(server)
        acknowledged = []
        with self.assertRaises(grpc.RpcError):
            for number in range(1000):
                acknowledged.append(api.create(Space(layers=5, options=4, seed=1).spec(f"s{number}")).name)
        self.assertEqual(server.process.wait(), 1)
        self.assertRegex(server.process.log(), "cannot write, so the controller stops.*File too large")
        again = self.controller(data_dir=server.data_dir, name="again")
        for name in acknowledged:
            self.assertEqual(self.client(again).search(name).name, name)

    def test_children_get_the_signals_that_we_ignore(self):
        spec = self.write("small.yaml", SPEC)
        evaluator = self.write("evaluator.sh", f"grep SigIgn /proc/self/status > {self.path('ignored')}\n{ANSWERS}")
        code, err = self.call(
            "unlimited", LAYERNAS, "measure", "lut", spec, "table.json", "--networks", "8", "--held-out", "5", "--command",
            f"sh {evaluator}")
        self.assertEqual(code, 0, err)
        with open(self.path("ignored"), encoding="utf-8") as file:
            ignored = int(file.read().split()[1], 16)
        for number in (signal.SIGXFSZ, signal.SIGPIPE):
            self.assertEqual(ignored >> (number - 1) & 1, 0, number.name)


if __name__ == "__main__":
    harness.main()
