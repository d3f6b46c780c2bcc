"""Programs whose standard streams are closed, or whose standard error nobody reads. The next opened file must not take
the place of a closed stream."""

import os
import subprocess

import harness
from layernas.v1 import spec_pb2

CLOSED = ("/bin/sh", "-c", 'exec "$@" >&- 2>&-', "sh")


def streams(pid):
    """Returns the targets of the process's standard output and error."""
    return [os.readlink(f"/proc/{pid}/fd/{stream}") for stream in (1, 2)]


class ClosedStreamsTest(harness.IntegrationTest):

    def test_controller(self):
        server = self.controller(prefix=CLOSED)
        self.assertEqual(streams(server.process.pid), [os.devnull] * 2)
        self.assertEqual(server.stop(), 0)
        self.assertEqual(server.check()[0], 0)

    def test_a_terminal_that_nobody_reads_does_not_stop_the_controller(self):
        master, terminal = os.openpty()
        self.addCleanup(os.close, master)
        self.addCleanup(os.close, terminal)
        server = self.controller(prefix=("/bin/sh", "-c", f'exec "$@" 2>{os.ttyname(terminal)}', "sh"))
        client = self.client(server)
        spec = spec_pb2.SearchSpec(name="s")
        layer = spec.space.layers.add(name="l")
        for option in ("a", "b"):
            layer.options.add(name=option)
        spec.objective.reward = "accuracy"
        spec.objective.cost = "latency_ms"
        spec.strategy.random.SetInParent()
        spec.budget.trainings = 2
        # Each is logged, which is more than a terminal can hold.
        for _ in range(400):
            client.create(spec)
        self.assertEqual(server.stop(), 0)

    def test_a_command_ends_if_nobody_reads_its_output(self):
        spec = os.path.join(os.path.dirname(__file__), "..", "..", "examples", "shapes10.yaml")
        command = f"{harness.BIN}/layernas count {spec} -o csv"
        architecture = subprocess.run(
            ["/bin/sh", "-c", f"{command} | tail -1 | cut -d, -f1"], stdout=subprocess.PIPE, check=True, text=True
        ).stdout.strip()
        done = subprocess.run(
            ["/bin/sh", "-c", f"yes {architecture} | {command} --architectures - 2>/dev/null | head -2"],
            stdout=subprocess.PIPE, check=True, text=True, timeout=harness.PATIENCE_S,
        )
        self.assertTrue(done.stdout.splitlines()[1].startswith(f"{architecture},"))

    def test_trainer(self):
        trainer = os.path.join(harness.BIN, "layernas-trainer")
        if not os.path.exists(trainer):
            self.skipTest("layernas-trainer is not built")
        process = subprocess.Popen([*CLOSED, trainer], stdin=subprocess.PIPE)
        self.addCleanup(process.wait)
        self.addCleanup(process.stdin.close)

        def filled():
            try:
                return streams(process.pid) == [os.devnull] * 2
            except FileNotFoundError:
                return False

        harness.wait_for(filled, "the trainer to fill its streams")


if __name__ == "__main__":
    harness.main()
