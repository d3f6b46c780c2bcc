"""The evaluator protocol for trainers in Python. Uses only the standard library, so you can copy this file.

    from layernas_evaluator import serve

    def evaluate(request, progress):
        ...
        return {"accuracy": accuracy, "latency_ms": latency}

    serve(evaluate)
"""

import hashlib
import json
import math
import os
import signal
import sys
import traceback


class Infeasible(Exception):
    """Raise this if no attempt at the architecture can succeed: its candidate ends as INFEASIBLE. Any other exception
    makes the attempt fail, and the candidate is retried."""


def serve(evaluate, requests=None, answers=None):
    """Answers requests one after another until the input ends.

    evaluate(request, progress) returns a dict of metrics: numbers, with the unit in the name. `request` is a dict with
    task, candidate, architecture, network, train, measure and seed. You can call progress(epoch, epochs, reward) at any
    time; epochs count from 1. It never raises: unusable progress is ignored.

    If the request has keep_weights, also save the trained network: write it to weights_file(request, ".pt"), and return
    kept(file) as "weights" together with the metrics.

    Standard output is reserved for the protocol. Everything that the trainer and its libraries print goes to standard
    error, which the worker writes to its log.

    A SIGTERM handler may raise an exception to end the evaluation. serve then exits with 128 + SIGTERM without an
    answer, so that the worker does not count the attempt as failed.
    """
    requests = sys.stdin if requests is None else requests
    if answers is None:
        answers = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        sys.stdout = sys.stderr

    for line in requests:
        if not line.strip():
            continue
        # Each answer names its task, so that a late answer of a thread or child is not used for the next task.
        send, progress = _answers_to(_task_of(line), answers)
        try:
            metrics = dict(evaluate(json.loads(line)["evaluate"], progress))
            weights = metrics.pop("weights", None)
            result = {"metrics": {name: _finite(value) for name, value in metrics.items()}}
            send(result=result if weights is None else {**result, "weights": weights})
        except Exception as error:
            if _raised_on_sigterm(error):
                sys.exit(128 + signal.SIGTERM)
            send(failure=_failure(error))


def _failure(error):
    if isinstance(error, Infeasible):
        return {"kind": "infeasible", "message": str(error)}
    if isinstance(error, MemoryError):
        # The worker retries once while nothing else runs on its machine.
        return {"kind": "out_of_memory", "message": f"out of memory: {error}"}
    traceback.print_exception(type(error), error, error.__traceback__)
    return {"kind": "retry", "message": f"{type(error).__name__}: {error}"}


def _raised_on_sigterm(error):
    """Returns whether the SIGTERM handler raised the exception or one of its causes."""
    handler = getattr(signal.getsignal(signal.SIGTERM), "__code__", None)
    while handler is not None and error is not None:
        if any(frame.f_code is handler for frame, _ in traceback.walk_tb(error.__traceback__)):
            return True
        error = error.__cause__ or error.__context__
    return False


def refuse_unknown(part, understood, where="train"):
    """Raises Infeasible if a part of the request has a setting that the trainer does not support. If the trainer ignored
    it, the search would compare other trainings, networks or measurements than the spec requires.

    `part` is "train", "network" or "measure" of the request, or one of its layers; `where` names the part in messages.
    `understood` maps each supported setting to a set of its valid values, or to None if any value is valid. Use
    "parameters.NAME" for the settings in `parameters`.
    """
    settings = {name: value for name, value in part.items() if name != "parameters"}
    settings.update({f"parameters.{name}": value for name, value in (part.get("parameters") or {}).items()})
    unknown = sorted(settings.keys() - understood.keys())
    if unknown:
        names = ", ".join(f"{where}.{name}" for name in unknown)
        raise Infeasible(f"this trainer does not support {names}: remove it from the spec")
    for name, value in settings.items():
        known = understood[name]
        # A list or a dictionary cannot be looked up in a set.
        if known is not None and value not in list(known):
            choices = " or ".join(sorted(json.dumps(choice) for choice in known))
            raise Infeasible(f"{where}.{name} is {json.dumps(value)}; this trainer supports only {choices}")


def weights_file(request, file_type):
    """Returns the path for the trained network, or None if the request does not ask for it. Creates the directory."""
    name = request.get("keep_weights")
    if not name:
        return None
    folder = os.environ.get("LAYERNAS_WEIGHTS_DIR")
    if not folder:
        raise RuntimeError("the request asks for the weights: set LAYERNAS_WEIGHTS_DIR, or --weights-dir of the worker")
    path = os.path.join(os.path.abspath(folder), name + file_type)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


def kept(path):
    """Returns the value of "weights" for a completely written file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return {"path": os.path.abspath(path), "sha256": digest.hexdigest(), "bytes": os.path.getsize(path)}


def _task_of(line):
    try:
        return json.loads(line)["evaluate"].get("task")
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _answers_to(task, answers):
    """Returns the functions send and progress, which answer this request."""

    def send(**message):
        if task is not None:
            message["task"] = task
        answers.write(json.dumps(message, allow_nan=False) + "\n")
        answers.flush()

    def progress(epoch, epochs, reward):
        said = {"epoch": _usable(int, epoch), "epochs": _usable(int, epochs), "reward": _usable(_finite, reward)}
        send(progress={name: value for name, value in said.items() if value is not None})

    return send, progress


def _usable(convert, value):
    """Returns the value as a plain number of Python, or None if it is not a number."""
    try:
        return convert(value)
    except Exception:
        # A tensor of several numbers or on a lost device raises other errors; none may end a training.
        return None


def _finite(value):
    """Returns None, JSON's null, for a value that is not finite, for example after a training that diverged."""
    if value is None:
        return None
    value = float(value)
    return value if math.isfinite(value) else None
