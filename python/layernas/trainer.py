"""A trainer of your own: a function from an evaluation to its metrics.

    import layernas

    def train(evaluation, progress):
        network = build(evaluation["architecture"]["layers"])
        for epoch in range(10):
            accuracy = run_epoch(network)
            progress(epoch + 1, 10, accuracy)
        return {"accuracy": accuracy, "latency_ms": measure(network)}

    layernas.serve(train)

and layernas-worker --command 'python3 train.py'. docs/evaluators.md says what is in an evaluation.
"""

from __future__ import annotations

import json
import math
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any, TextIO

Progress = Callable[[int, int, float], None]


class Infeasible(Exception):
    """Raised by a trainer where no attempt can succeed: the network can't be built."""


class Retry(Exception):
    """Raised by a trainer where another attempt may succeed."""


def serve(
    train: Callable[[Mapping[str, Any], Progress], Mapping[str, float]],
    requests: TextIO | None = None,
    answers: TextIO | None = None,
) -> None:
    """Answers evaluations until standard input is closed. What the trainer prints goes to standard error.

    A metric that is not finite says that the training diverged. Any other exception than Infeasible is a failed attempt.
    """
    requests = requests or sys.stdin
    if answers is None:
        # Prints of libraries must not get between the answers.
        answers, sys.stdout = sys.stdout, sys.stderr

    def answer(**message: Any) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    def progress(epoch: int, epochs: int, reward: float) -> None:
        if math.isfinite(reward):
            answer(progress={"epoch": epoch, "epochs": epochs, "reward": reward})

    for line in requests:
        evaluation = json.loads(line)["evaluate"]
        try:
            metrics = {name: float(value) for name, value in train(evaluation, progress).items()}
        except Infeasible as error:
            answer(failure={"kind": "infeasible", "message": str(error)})
        except Retry as error:
            answer(failure={"kind": "retry", "message": str(error)})
        except Exception:  # pylint: disable=broad-except
            answer(failure={"kind": "retry", "message": traceback.format_exc()[-2000:]})
        else:
            answer(result={"metrics": {name: value if math.isfinite(value) else None for name, value in metrics.items()}})
