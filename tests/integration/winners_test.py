"""A search that trains its winners in full with the real trainer. The kept networks run in plain PyTorch."""

import glob
import hashlib
import json
import os
import subprocess
import sys

import harness
from layernas.v1 import search_pb2

SPEC = """
name: winners
space:
  network: { input: [3, 32, 32], classes: 10, stem_channels: 8, head_channels: 16, parameters: { stem_stride: 2 } }
  layers:
    - { name: a, channels: 8, stride: 2, options: [skip, conv_k3] }
    - { name: b, channels: 8, stride: 1, options: [skip, mbconv_k3_e2_se_hswish] }
objective: { cost: params, counted: true }
strategy: { exhaustive: {} }
final: { per_target: 2, seeds: 2, epochs: 2, holdout: test }
evaluation:
  train: { dataset: shapes10, epochs: 1, batch: 16, train_examples: 64, validation_examples: 32 }
  measure: { runs: 5, warm_up: 1, max_runs: 10 }
"""

# Opens the file without layernas, as a user would.
RUN = """
import json, sys, torch
network = torch.jit.load(sys.argv[1]).eval()
scores = network(torch.zeros(3, 3, 32, 32))
print(json.dumps([list(scores.shape), sum(parameter.numel() for parameter in network.parameters())]))
"""


class WinnersTest(harness.IntegrationTest):

    def test_the_best_are_trained_in_full_and_kept(self):
        server = self.controller()
        api = self.client(server)
        self.worker(server, "w", f"--weights-dir={self.path('weights')}", "--slots=2")
        submitted = self.cli(server, "search", "submit", self.write("spec.yaml", SPEC), "-o", "json")
        name = json.loads(submitted.stdout)["name"]
        search = api.wait_for_end(name, timeout_s=240)
        self.assertEqual(search.state, search_pb2.SEARCH_STATE_SUCCEEDED)
        self.assertEqual(search.progress.trainings, 4)
        candidates = {one.name: one for one in api.candidates(name)}
        self.assertEqual(len(candidates), 4 + 2 * 2)
        self.assertEqual(len(search.winners), 2)
        for winner in search.winners:
            finals = [candidates[one] for one in winner.finals]
            self.assertEqual([one.final_seed for one in finals], [1, 2])
            self.assertEqual({one.final_of for one in finals}, {winner.candidate})
            self.assertEqual((winner.succeeded, winner.trainings), (2, 2))
            self.assertAlmostEqual(winner.reward, sum(one.reward for one in finals) / 2)
            self.assertEqual([point.epoch for point in finals[0].curve], [1, 2])
            for one in finals:
                self.assertEqual(one.metrics["train_epochs"], 2)
                self.assert_opens(one)
            best = max(finals, key=lambda one: one.reward)
            self.assertEqual(winner.weights[0].path, best.weights.path)
            self.assertEqual(winner.weights[0].worker, "w")
        # The frontier keeps the measurements of the search.
        points = api.frontier(name).points
        self.assertEqual({point.trainings for point in points}, {1})

        shown = self.cli(server, "search", "frontier", name).stdout
        self.assertIn("winners, trained in full", shown)
        self.assertIn(search.winners[0].weights[0].path, shown)

    def test_a_run_keeps_them_where_it_keeps_all_else(self):
        spec = self.write("spec.yaml", SPEC.replace("seeds: 2", "seeds: 1") + "budget: { trainings: 1 }\n")
        done = self.cli(None, "run", spec, "--data-dir=kept", "--workers=1")
        self.assertEqual(done.returncode, 0, done.stderr)
        (kept,) = glob.glob(self.path("kept/weights/winners-1/2-*.pt"))
        self.assertIn(os.path.realpath(kept), done.stdout)

    def test_two_runs_do_not_write_over_each_others(self):
        spec = self.write("spec.yaml", SPEC.replace("seeds: 2", "seeds: 1") + "budget: { trainings: 1 }\n")
        for output in ("json", "csv"):
            done = self.cli(None, "run", spec, "--workers=1", "-o", output, environment={"XDG_DATA_HOME": self.path("home")})
            self.assertEqual(done.returncode, 0, done.stderr)
            # The winners are printed for programs too.
            if output == "json":
                (winner,) = json.loads(done.stdout)["winners"]
                self.assertTrue(winner["weights"][0]["path"].startswith(self.path("home/layernas/weights/")))
            else:
                self.assertIn("winners, trained in full", done.stderr)
        self.assertEqual(len(glob.glob(self.path("home/layernas/weights/*/winners-1/2-*.pt"))), 2)

    def assert_opens(self, candidate):
        weights = candidate.weights
        with open(weights.path, "rb") as file:
            content = file.read()
        self.assertEqual(hashlib.sha256(content).hexdigest(), weights.sha256)
        self.assertEqual(len(content), weights.bytes)
        done = subprocess.run([sys.executable, "-c", RUN, weights.path], stdout=subprocess.PIPE, timeout=120, check=True,
                              text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
        shape, parameters = json.loads(done.stdout)
        self.assertEqual(shape, [3, 10])
        self.assertEqual(parameters, candidate.metrics["params"])


if __name__ == "__main__":
    harness.main()
