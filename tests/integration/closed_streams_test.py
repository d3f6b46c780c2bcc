"""Programs that are started with closed standard streams: the next file that they open must not take such a place."""

import os
import subprocess

import harness

CLOSED = ("/bin/sh", "-c", 'exec "$@" >&- 2>&-', "sh")


def streams(pid):
    """What its standard output and error are."""
    return [os.readlink(f"/proc/{pid}/fd/{stream}") for stream in (1, 2)]


class ClosedStreamsTest(harness.IntegrationTest):

    def test_controller(self):
        server = self.controller(prefix=CLOSED)
        self.assertEqual(streams(server.process.pid), [os.devnull] * 2)
        self.assertEqual(server.stop(), 0)
        self.assertEqual(server.check()[0], 0)

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
