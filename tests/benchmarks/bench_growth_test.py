"""layernas-bench-growth measures every size, and LayerNAS's trainings grow no faster than allowed."""

import os
import unittest

import harness

PROGRAM = os.path.join(harness.BIN, "layernas-bench-growth")
VARIED = {"layers": [3, 6, 12], "options": [2, 4, 6], "buckets": [5, 10, 20]}
FIXED = {"layers": 8, "options": 4, "buckets": 10}


def lines(*arguments):
    return harness.json_lines(harness.run(PROGRAM, "--json", *map(str, arguments)))


class GrowthTest(unittest.TestCase):

    def test_sizes_and_fits(self):
        arguments = ["--spaces", 3, "--repeats", 1]
        for name, values in VARIED.items():
            arguments += [f"--{name}", ",".join(map(str, values)), f"--fixed-{name}", FIXED[name]]
        found = lines(*arguments)
        for name, values in VARIED.items():
            for value in values:
                line = found.pop(0)
                self.assertEqual(line["varied"], name)
                self.assertEqual({key: line[key] for key in FIXED}, {**FIXED, name: value})
                bound = 1 + line["buckets"] * line["layers"] * line["options"]
                self.assertGreater(line["trainings"], line["layers"])
                self.assertLessEqual(line["trainings"], bound)
                self.assertGreater(line["strategy_seconds"], 0)
            fit = found.pop(0)
            self.assertEqual(fit["fit_over"], name)
            self.assertGreater(fit["trainings"]["r_squared"], 0.95)
            self.assertLessEqual(fit["trainings"]["r_squared"], 1)
            # With few options, only those besides the default are trained. So the first added ones
            # at least double the trainings.
            self.assertAlmostEqual(fit["trainings"]["exponent"], 1.4 if name == "options" else 1, delta=0.2)
        self.assertEqual(found, [])

    def test_pipelining_and_barrier_need_the_same_trainings(self):
        size = ("--layers", 10, "--options", 5, "--buckets", 15, "--spaces", 2, "--repeats", 1)
        trainings = [[line["trainings"] for line in lines(*size, *more)] for more in ((), ("--barrier",))]
        self.assertEqual(len(trainings[0]), 3)
        self.assertEqual(trainings[0], trainings[1])


if __name__ == "__main__":
    harness.main()
