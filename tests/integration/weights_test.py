"""Opens the networks that layernas-trainer keeps with plain PyTorch: they are the same network with the same
accuracy."""

import hashlib
import importlib.util
import json
import os
import random
import subprocess
import tempfile
import unittest

TRAINER = os.path.join(os.environ.get("LAYERNAS_BIN", ""), "layernas-trainer")
TEST_IMAGES = 60


def write_cifar10(folder):
    """Writes noise on a colour per class, so that there is something to learn."""
    draw = random.Random(1)
    names = [f"data_batch_{number}.bin" for number in range(1, 6)] + ["test_batch.bin"]
    for name in names:
        with open(os.path.join(folder, name), "wb") as file:
            for index in range(TEST_IMAGES):
                label = index % 10
                noise = bytes(draw.randrange(25 * label, 25 * label + 30) for _ in range(3072))
                file.write(bytes([label]) + noise)


def request(**changes):
    layers = [
        {"name": "block1", "option": "mbconv_k3_e3_se_hswish", "channels": 16, "stride": 2},
        {"name": "block2", "option": "residual_k3", "channels": 24, "stride": 2},
    ]
    train = {"dataset": "cifar10", "epochs": 3, "batch": 20, "augment": False, "parameters": {"holdout": "test"}}
    body = {
        "task": "weights",
        "architecture": {"layers": layers},
        "network": {"input": [3, 32, 32], "classes": 10, "stem_channels": 8, "head_channels": 32},
        "train": train,
        "work": ["train"],
        "seed": 3,
        "keep_weights": "searches/x-1/best",
    }
    return json.dumps({"evaluate": {**body, **changes}}) + "\n"


@unittest.skipUnless(os.path.exists(TRAINER), "built without layernas-trainer")
@unittest.skipIf(importlib.util.find_spec("torch") is None, "PyTorch (python3-torch) is not installed")
class WeightsTest(unittest.TestCase):

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = temporary.name
        write_cifar10(self.folder)

    def answer(self, line, *flags):
        flags = ["--data-dir", self.folder, "--cache-dir", "", *flags]
        done = subprocess.run([TRAINER, *flags], input=line, capture_output=True, text=True, timeout=600, check=True)
        return json.loads(done.stdout.splitlines()[-1])

    def test_plain_pytorch_runs_the_network(self):
        import torch

        result = self.answer(request(), "--weights-dir", os.path.join(self.folder, "weights"))["result"]
        kept = result["weights"]
        self.assertEqual(kept["path"], os.path.join(self.folder, "weights", "searches", "x-1", "best.pt"))
        with open(kept["path"], "rb") as file:
            content = file.read()
        self.assertEqual(kept["bytes"], len(content))
        self.assertEqual(kept["sha256"], hashlib.sha256(content).hexdigest())

        module = torch.jit.load(kept["path"])
        with open(os.path.join(self.folder, "test_batch.bin"), "rb") as file:
            rows = torch.frombuffer(bytearray(file.read()), dtype=torch.uint8).reshape(TEST_IMAGES, 3073)
        pixels = rows[:, 1:].reshape(TEST_IMAGES, 3, 32, 32).float()
        with torch.no_grad():
            found = module(module.normalize(pixels)).argmax(1)
        right = (found == rows[:, 0]).sum().item()
        self.assertAlmostEqual(right / TEST_IMAGES, result["metrics"]["accuracy"], places=6)
        self.assertGreater(right, TEST_IMAGES // 5, "nothing was learned")

    def test_without_a_folder_the_attempt_fails_before_it_trains(self):
        failure = self.answer(request())["failure"]
        self.assertEqual(failure["kind"], "retry")
        self.assertIn("--weights-dir", failure["message"])

    def test_nothing_is_kept_unasked(self):
        self.assertNotIn("weights", self.answer(request(keep_weights=None).replace(', "keep_weights": null', ""))["result"])


if __name__ == "__main__":
    unittest.main()
