"""Compares the accuracy that layernas-trainer reports with the one that plain PyTorch finds for the kept network.
Covers every kind of data set, validation and test images, each optimizer, moving averages, patience and 16 bits.

Only two of the ten classes can be distinguished, and files contain their images sorted by class. So using only some of
the images, or other weights, gives another accuracy.
"""

import glob
import importlib.util
import json
import os
import shutil
import struct
import subprocess
import tempfile
import unittest
import zlib

TRAINER = os.path.join(os.environ.get("LAYERNAS_BIN", ""), "layernas-trainer")
CLASSES = 10
SIDE = {"shapes10": 32, "cifar10": 32, "cifar100": 32, "idx": 28, "image_folder": 32}
CHANNELS = {"shapes10": 3, "cifar10": 3, "cifar100": 3, "idx": 1, "image_folder": 3}
LAYERS = [{"name": "a", "option": "conv_k3", "channels": 8, "stride": 2}]
# In the cache, a line of JSON is followed by the images, and then by their labels of two bytes.
HEADER_BYTES = 16384

TRAIN, TEST, VALIDATION = 300, 130, 70
HELD_OUT = {(kind, "validation"): VALIDATION for kind in SIDE} | {(kind, "test"): TEST for kind in SIDE}
# It is generated and always has this number.
HELD_OUT["shapes10", "test"] = 1000

# The settings of a training besides the data. Each setting occurs with each optimizer and
# precision.
SETTINGS = {
    "sgd": {"optimizer": "sgd"},
    "average": {"optimizer": "adamw", "ema_decay": 0.9},
    "patience": {"optimizer": "sgd", "patience": 1, "precision": "bfloat16"},
    "both": {"optimizer": "adamw", "ema_decay": 0.8, "patience": 1, "learning_rate": 0.03},
    "bfloat16": {"optimizer": "adamw", "precision": "bfloat16"},
}


def png(image):
    """Returns a file of an image [height, width, 3]."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width, _ = image.shape
    rows = b"".join(b"\0" + row.tobytes() for row in image)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


class Images:
    """Images that can be distinguished by their colour if they are of class 0 or 1. Other classes cannot be
    distinguished."""

    def __init__(self, kind, count, seed):
        import numpy

        draw = numpy.random.default_rng(seed)
        # Sorted, with unequal shares.
        self.labels = numpy.sort(numpy.concatenate([numpy.arange(CLASSES), draw.integers(0, CLASSES, count - CLASSES)]))
        side, channels = SIDE[kind], CHANNELS[kind]
        self.pixels = draw.integers(60, 196, (count, side, side, channels), dtype=numpy.uint8)
        self.pixels[self.labels == 0] += 40
        self.pixels[self.labels == 1] -= 40

    def planes(self, index):
        return self.pixels[index].transpose(2, 0, 1).tobytes()


def write_cifar10(folder, train, test):
    for number in range(5):
        with open(os.path.join(folder, f"data_batch_{number + 1}.bin"), "wb") as file:
            for index in range(number, len(train.labels), 5):
                file.write(bytes([train.labels[index]]) + train.planes(index))
    with open(os.path.join(folder, "test_batch.bin"), "wb") as file:
        for index, label in enumerate(test.labels):
            file.write(bytes([label]) + test.planes(index))


def write_cifar100(folder, train, test):
    for name, images in (("train", train), ("test", test)):
        with open(os.path.join(folder, f"{name}.bin"), "wb") as file:
            for index, label in enumerate(images.labels):
                file.write(bytes([19 - label, label]) + images.planes(index))


def write_idx(folder, train, test):
    for name, images in (("train", train), ("t10k", test)):
        count, height, width, _ = images.pixels.shape
        with open(os.path.join(folder, f"{name}-images-idx3-ubyte"), "wb") as file:
            file.write(struct.pack(">IIII", 0x803, count, height, width) + images.pixels.tobytes())
        with open(os.path.join(folder, f"{name}-labels-idx1-ubyte"), "wb") as file:
            file.write(struct.pack(">II", 0x801, count) + bytes(images.labels.tolist()))


def write_image_folder(folder, train, test):
    for name, images in (("train", train), ("test", test)):
        for index, label in enumerate(images.labels):
            where = os.path.join(folder, name, f"class{label}")
            os.makedirs(where, exist_ok=True)
            with open(os.path.join(where, f"{index:05}.png"), "wb") as file:
                file.write(png(images.pixels[index]))


WRITERS = {"cifar10": write_cifar10, "cifar100": write_cifar100, "idx": write_idx, "image_folder": write_image_folder}


@unittest.skipUnless(os.path.exists(TRAINER), "built without layernas-trainer")
@unittest.skipIf(importlib.util.find_spec("torch") is None, "PyTorch (python3-torch) is not installed")
class AccuracyTest(unittest.TestCase):

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = temporary.name
        for name in ("data", "cache", "weights"):
            os.mkdir(os.path.join(self.folder, name))

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def train(self, requests):
        lines = "".join(json.dumps({"evaluate": request}) + "\n" for request in requests)
        flags = ["--data-dir", self.path("data"), "--cache-dir", self.path("cache"), "--weights-dir", self.path("weights")]
        done = subprocess.run([TRAINER, *flags], input=lines, capture_output=True, text=True, timeout=900, check=True)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        results = [answer for answer in answers if "result" in answer or "failure" in answer]
        self.assertEqual(len(results), len(requests), done.stderr)
        for result in results:
            self.assertIn("result", result, done.stderr)
        return [result["result"] for result in results]

    def request(self, kind, holdout, name, settings):
        side, channels, classes = SIDE[kind], CHANNELS[kind], 100 if kind == "cifar100" else CLASSES
        return {
            "task": f"{kind}-{holdout}-{name}",
            "architecture": {"layers": LAYERS},
            "network": {"input": [channels, side, side], "classes": classes, "stem_channels": 8, "head_channels": 16},
            "train": {
                "dataset": kind, "epochs": 8, "batch": 16, "augment": False, "train_examples": 160,
                "validation_examples": VALIDATION, "parameters": {"holdout": holdout, "folder": "."}, **settings,
            },
            "work": ["train"],
            "seed": 5,
            "keep_weights": f"{kind}/{holdout}-{name}",
        }

    def cached(self, kind, holdout):
        """Returns the pixels [images, height, width, channels] and labels that the cache has for the holdout."""
        import numpy

        for name in glob.glob(self.path("cache", "**"), recursive=True):
            if not os.path.isfile(name):
                continue
            with open(name, "rb") as file:
                content = file.read()
            header = json.loads(content[:HEADER_BYTES])["content"] if content.startswith(b"{") else {}
            if header.get("holdout") != HELD_OUT[kind, holdout]:
                continue
            side, channels = SIDE[kind], CHANNELS[kind]
            shape = (header["train"] + header["holdout"] + header["validation"], side, side, channels)
            size = shape[0] * side * side * channels
            pixels = numpy.frombuffer(content, numpy.uint8, size, HEADER_BYTES).reshape(shape)
            labels = numpy.frombuffer(content, numpy.uint16, shape[0], HEADER_BYTES + size)
            part = slice(header["train"], header["train"] + header["holdout"])
            return pixels[part], labels[part]
        self.fail(f"the cache lacks {kind} with {holdout} images")

    def held_out(self, kind, train, test, holdout):
        """Returns the images that determine the accuracy, as the test wrote them. The cache only tells which of the
        training images were held out for validation."""
        if holdout == "test":
            return test.pixels, test.labels
        drawn = {image.tobytes() for image in self.cached(kind, holdout)[0]}
        indices = [index for index, image in enumerate(train.pixels) if image.tobytes() in drawn]
        self.assertEqual(len(indices), HELD_OUT[kind, holdout])
        return train.pixels[indices], train.labels[indices]

    def accuracy(self, path, pixels, labels):
        import torch

        module = torch.jit.load(path)
        with torch.no_grad():
            scores = module(module.normalize(torch.tensor(pixels).permute(0, 3, 1, 2).contiguous().float()))
        return (scores.argmax(1) == torch.tensor(labels.astype("int64"))).float().mean().item()

    def check(self, images, requests, results):
        """`images` gives the pixels and labels of a holdout."""
        seen = set()
        for request, result in zip(requests, results):
            with self.subTest(request["task"]):
                pixels, labels = images(request["train"]["parameters"]["holdout"])
                found = self.accuracy(result["weights"]["path"], pixels, labels)
                self.assertAlmostEqual(found, result["metrics"]["accuracy"], delta=1e-6)
                seen.add(found)
        # Otherwise the accuracy of any network would be correct.
        self.assertGreater(len(seen), 2, seen)

    def requests(self, kind):
        return [self.request(kind, holdout, name, settings)
                for holdout in ("validation", "test") for name, settings in SETTINGS.items()]

    def test_sets_from_files(self):
        for kind, write in WRITERS.items():
            for name in ("data", "cache"):
                shutil.rmtree(self.path(name))
                os.mkdir(self.path(name))
            train, test = Images(kind, TRAIN, 1), Images(kind, TEST, 2)
            write(self.path("data"), train, test)
            requests = self.requests(kind)
            self.check(lambda holdout: self.held_out(kind, train, test, holdout), requests, self.train(requests))

    def test_the_set_that_is_drawn(self):
        requests = self.requests("shapes10")
        self.check(lambda holdout: self.cached("shapes10", holdout), requests, self.train(requests))


if __name__ == "__main__":
    unittest.main()
