"""Tests the evaluator protocol of the Python helper, and the PyTorch example with the real programs."""

import hashlib
import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest

TRAINERS = os.path.join(os.path.dirname(__file__), "..", "..", "examples", "trainers")
sys.path.insert(0, TRAINERS)
sys.dont_write_bytecode = True

import layernas_evaluator

REQUEST = {
    "evaluate": {
        "task": "searches/x-1/candidates/3#1",
        "candidate": "searches/x-1/candidates/3",
        "architecture": {
            "id": "021",
            "layers": [
                {"name": "block1", "option": "conv_k3", "channels": 16, "stride": 2, "parameters": {}},
                {"name": "block2", "option": "mbconv_k3_e2", "channels": 16, "stride": 1, "parameters": {}},
                {"name": "block3", "option": "skip", "channels": 24, "stride": 2, "parameters": {}},
            ],
        },
        "network": {"input": [3, 16, 16], "classes": 10, "stem_channels": 8, "head_channels": 32},
        "train": {"epochs": 2, "batch": 20, "train_examples": 200, "validation_examples": 100},
        "measure": {"warm_up": 2, "runs": 5},
        "seed": 7,
    }
}


TASK = REQUEST["evaluate"]["task"]


def changed(option):
    request = json.loads(json.dumps(REQUEST))
    request["evaluate"]["architecture"]["layers"][1]["option"] = option
    return request


class HelperTest(unittest.TestCase):

    def answers(self, evaluate, *lines):
        out = io.StringIO()
        layernas_evaluator.serve(evaluate, io.StringIO("".join(line + "\n" for line in lines)), out)
        return [json.loads(line) for line in out.getvalue().splitlines()]

    def test_progress_and_result(self):

        def evaluate(request, progress):
            progress(1, 2, 0.5)
            return {"accuracy": 0.75, "seed": request["seed"]}

        self.assertEqual(
            self.answers(evaluate, json.dumps(REQUEST), ""),
            [
                {"progress": {"epoch": 1, "epochs": 2, "reward": 0.5}, "task": TASK},
                {"result": {"metrics": {"accuracy": 0.75, "seed": 7.0}}, "task": TASK},
            ],
        )

    def test_what_a_handler_of_sigterm_raises_is_no_answer(self):

        def stop(*_):
            raise RuntimeError("told to end")

        def evaluate(request, progress):
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            except RuntimeError as error:
                raise layernas_evaluator.Infeasible("wrapped") from error

        before = signal.signal(signal.SIGTERM, stop)
        self.addCleanup(signal.signal, signal.SIGTERM, before)
        out = io.StringIO()
        with self.assertRaises(SystemExit) as ended:
            layernas_evaluator.serve(evaluate, io.StringIO(json.dumps(REQUEST) + "\n"), out)
        self.assertEqual(ended.exception.code, 143)
        self.assertEqual(out.getvalue(), "")

    def test_odd_progress_is_no_reason_to_lose_a_training(self):

        class Scalar:
            """Stands for a library's integer or tensor, which json cannot write."""

            def __int__(self):
                return 1

            def __float__(self):
                return 0.5

        class Raising:
            """Stands for a tensor on a device that was lost."""

            def __float__(self):
                raise RuntimeError("device lost")

        def evaluate(request, progress):
            progress(Scalar(), 2.0, Scalar())
            progress(None, "two", "good")
            progress(1, 2, Raising())
            progress(float("nan"), float("inf"), float("inf"))
            return {"accuracy": 1}

        answers = self.answers(evaluate, json.dumps(REQUEST))
        self.assertEqual([answer.get("progress") for answer in answers],
                         [{"epoch": 1, "epochs": 2, "reward": 0.5}, {}, {"epoch": 1, "epochs": 2}, {}, None])

    def test_a_late_answer_names_its_own_task(self):
        late = []

        def evaluate(request, progress):
            for report in late:
                report(9, 9, 0.9)
            late.append(progress)
            return {"accuracy": 1}

        second = json.loads(json.dumps(REQUEST))
        second["evaluate"]["task"] = "another#2"
        answers = self.answers(evaluate, json.dumps(REQUEST), json.dumps(second))
        self.assertEqual([answer["task"] for answer in answers], [TASK, TASK, "another#2"])

    def test_weights_stand_beside_the_metrics(self):
        with tempfile.TemporaryDirectory() as folder:
            os.environ["LAYERNAS_WEIGHTS_DIR"] = folder
            self.addCleanup(os.environ.pop, "LAYERNAS_WEIGHTS_DIR")

            def evaluate(request, progress):
                metrics = {"accuracy": 1}
                if file := layernas_evaluator.weights_file(request, ".bin"):
                    with open(file, "wb") as out:
                        out.write(b"network")
                    metrics["weights"] = layernas_evaluator.kept(file)
                return metrics

            wanted = json.loads(json.dumps(REQUEST))
            wanted["evaluate"]["keep_weights"] = "x-1/3"
            first, second = self.answers(evaluate, json.dumps(wanted), json.dumps(REQUEST))
            weights = {
                "path": os.path.join(folder, "x-1", "3.bin"),
                "sha256": hashlib.sha256(b"network").hexdigest(),
                "bytes": 7,
            }
            self.assertEqual(first, {"result": {"metrics": {"accuracy": 1.0}, "weights": weights}, "task": TASK})
            self.assertEqual(second, {"result": {"metrics": {"accuracy": 1.0}}, "task": TASK})

    def test_weights_need_a_folder(self):
        wanted = json.loads(json.dumps(REQUEST))
        wanted["evaluate"]["keep_weights"] = "x-1/3"

        def evaluate(request, progress):
            return {"accuracy": 1, "weights": layernas_evaluator.weights_file(request, ".bin")}

        (answer,) = self.answers(evaluate, json.dumps(wanted))
        self.assertEqual(answer["failure"]["kind"], "retry")
        self.assertIn("LAYERNAS_WEIGHTS_DIR", answer["failure"]["message"])

    def test_what_a_trainer_does_not_understand_is_refused_and_named(self):
        understood = {"epochs": None, "dataset": {"a", "b"}, "parameters.folder": None}

        def refused(part, *where):
            with self.assertRaises(layernas_evaluator.Infeasible) as raised:
                layernas_evaluator.refuse_unknown(part, understood, *where)
            return str(raised.exception)

        layernas_evaluator.refuse_unknown({}, understood)
        layernas_evaluator.refuse_unknown({"epochs": 5, "dataset": "b", "parameters": {"folder": "x"}}, understood)
        self.assertEqual(
            refused({"epochs": 5, "patience": 3, "parameters": {"holdout": "test"}}),
            "this trainer does not support train.parameters.holdout, train.patience: remove it from the spec",
        )
        self.assertEqual(refused({"dataset": "c"}), 'train.dataset is "c"; this trainer supports only "a" or "b"')
        self.assertEqual(refused({"dataset": ["a"]}), 'train.dataset is ["a"]; this trainer supports only "a" or "b"')
        with self.assertRaisesRegex(layernas_evaluator.Infeasible, 'is 2; this trainer supports only "a" or null'):
            layernas_evaluator.refuse_unknown({"epochs": 2}, {"epochs": {"a", None}})
        self.assertEqual(
            refused({"threads": 2}, "measure"), "this trainer does not support measure.threads: remove it from the spec"
        )

    def test_not_a_number_is_null(self):
        (answer,) = self.answers(lambda request, progress: {"accuracy": float("nan")}, json.dumps(REQUEST))
        self.assertEqual(answer, {"result": {"metrics": {"accuracy": None}}, "task": TASK})

    def test_failures_have_their_kind_and_the_next_request_is_answered(self):
        raised = [layernas_evaluator.Infeasible("no such block"), MemoryError("too big"), None]

        def evaluate(request, progress):
            if (error := raised.pop(0)) is not None:
                raise error
            return {"accuracy": 1}

        answers = self.answers(evaluate, *[json.dumps(REQUEST)] * 3, "no JSON")
        self.assertEqual(answers[0]["failure"], {"kind": "infeasible", "message": "no such block"})
        self.assertEqual(answers[1]["failure"], {"kind": "out_of_memory", "message": "out of memory: too big"})
        self.assertIn("result", answers[2])
        self.assertEqual(answers[3]["failure"]["kind"], "retry")

    def test_what_is_printed_stays_out_of_the_protocol(self):
        program = (
            f"import sys; sys.path.insert(0, {TRAINERS!r})\n"
            "from layernas_evaluator import serve\n"
            "def evaluate(request, progress):\n"
            "    print('chatter')\n"
            "    return {'accuracy': 1}\n"
            "serve(evaluate)\n"
        )
        done = subprocess.run(
            [sys.executable, "-B", "-c", program], input=json.dumps(REQUEST) + "\n", capture_output=True, text=True, timeout=60
        )
        self.assertEqual(json.loads(done.stdout), {"result": {"metrics": {"accuracy": 1.0}}, "task": TASK})
        self.assertIn("chatter", done.stderr)


@unittest.skipIf(importlib.util.find_spec("torch") is None, "PyTorch (python3-torch) is not installed")
class PytorchTrainerTest(unittest.TestCase):

    def answers(self, requests, **environment):
        done = subprocess.run(
            [sys.executable, "-B", os.path.join(TRAINERS, "pytorch_trainer.py")],
            input="".join(json.dumps(request) + "\n" for request in requests),
            capture_output=True,
            text=True,
            timeout=900,
            env={**os.environ, **environment},
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_what_it_does_not_understand_is_refused(self):

        def training(**settings):
            request = json.loads(json.dumps(REQUEST))
            request["evaluate"]["train"].update(settings)
            return request

        answers = self.answers([
            training(ema_decay=0.99, parameters={"folder": "flowers"}),
            training(parameters={"holdout": "test"}),
            training(dataset="cifar10"),
            training(optimizer="adamw"),
        ])
        self.assertEqual([answer["failure"]["kind"] for answer in answers], ["infeasible"] * 4)
        messages = [answer["failure"]["message"] for answer in answers]
        self.assertIn("train.ema_decay, train.parameters.folder", messages[0])
        self.assertIn('train.parameters.holdout is "test"', messages[1])
        self.assertIn('train.dataset is "cifar10"', messages[2])
        self.assertIn('train.optimizer is "adamw"', messages[3])

    def test_networks_and_measurements_that_it_does_not_understand_are_refused(self):

        def asking(part, **settings):
            request = json.loads(json.dumps(REQUEST))
            request["evaluate"][part].update(settings)
            return request

        with_layer = json.loads(json.dumps(REQUEST))
        with_layer["evaluate"]["architecture"]["layers"][1]["parameters"] = {"kernel": 7}
        measured = asking("measure", threads=4)
        measured["evaluate"]["work"] = ["measure"]
        trained = asking("measure", threads=4)
        trained["evaluate"]["work"] = ["train"]
        cases = [
            (asking("measure", max_runs=100, ratio_interval=0.01), "measure.max_runs, measure.ratio_interval"),
            (asking("measure", precision="bfloat16"), 'measure.precision is "bfloat16"'),
            (measured, "measure.threads is 4"),
            (asking("network", parameters={"stem_stride": 2, "head_features": 64, "stem_activation": "hswish"}),
             "network.parameters.head_features, network.parameters.stem_activation:"),
            (with_layer, "layers.block2.parameters.kernel"),
        ]
        answers = self.answers([request for request, _ in cases])
        # Before a training, which would report progress.
        self.assertEqual(len(answers), len(cases))
        for answer, (_, said) in zip(answers, cases):
            self.assertEqual(answer["failure"]["kind"], "infeasible")
            self.assertIn(said, answer["failure"]["message"])
        # Fields that this request does not use are not checked.
        self.assertIn("result", self.answers([trained])[-1])

    def test_a_folder_for_weights_is_made_before_the_training(self):
        request = json.loads(json.dumps(REQUEST))
        request["evaluate"]["keep_weights"] = "x-1/3"
        with tempfile.NamedTemporaryFile() as file:
            (answer,) = self.answers([request], LAYERNAS_WEIGHTS_DIR=file.name)
        self.assertEqual(answer["failure"]["kind"], "retry")

    def test_it_keeps_the_weights(self):
        request = json.loads(json.dumps(REQUEST))
        request["evaluate"]["keep_weights"] = "x-1/3"
        with tempfile.TemporaryDirectory() as folder:
            result = self.answers([request], LAYERNAS_WEIGHTS_DIR=folder)[-1]["result"]
            self.assertEqual(result["weights"]["path"], os.path.join(folder, "x-1", "3.pt"))
            self.assertEqual(result["weights"]["bytes"], os.path.getsize(result["weights"]["path"]))

    def test_the_program(self):
        lines = self.answers([REQUEST, changed("conv_k99x"), REQUEST])
        self.assertEqual([line["progress"]["epoch"] for line in lines if "progress" in line], [1, 2, 1, 2])
        first, unknown, again = [line for line in lines if "progress" not in line]
        self.assertEqual(unknown["failure"]["kind"], "infeasible")
        self.assertIn("block2", unknown["failure"]["message"])
        metrics = first["result"]["metrics"]
        # Calculated by hand; layernas counts the same.
        self.assertEqual(metrics["params"], 3 * 8 * 9 + 8 * 16 * 9 + 16 * 32 * 2 + 32 * 9 + 16 * 24 + 24 * 32 + 32 * 10 + 10 +
                         2 * (8 + 16 + 32 + 32 + 16 + 24 + 32))
        self.assertGreater(metrics["latency_ms"], 0)
        self.assertTrue(0 <= metrics["accuracy"] <= 1)
        # The same seed gives the same result.
        self.assertEqual(metrics["accuracy"], again["result"]["metrics"]["accuracy"])


if __name__ == "__main__":
    unittest.main()
