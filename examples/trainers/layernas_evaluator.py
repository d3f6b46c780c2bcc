"""The evaluator protocol for trainers in Python. Only the standard library; copy the file beside your own.

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
    """No attempt at this architecture can succeed; its candidate ends as INFEASIBLE. Anything else that is raised is a
    failed attempt, which is tried again."""


def serve(evaluate, requests=None, answers=None):
    """Answers requests, one after the other, until the input ends.

    evaluate(request, progress) returns the metrics by name, numbers with their unit in the name. `request` is a dict:
    task, candidate, architecture, network, train, measure, seed. progress(epoch, epochs, reward) may be called at any
    time; epochs count from 1. It never raises: progress that is not usable is left out.

    Where the request has keep_weights, the trained network is wanted too: write it to weights_file(request, ".pt"), and
    return kept(file) as "weights" beside the metrics.

    Standard output belongs to the protocol: what the trainer and its libraries print goes to standard error, which the
    worker writes to its log.

    A handler of SIGTERM may raise an exception to end the evaluation. serve then exits with 128 + SIGTERM and answers
    nothing, so that the worker does not count the attempt as failed.
    """
    requests = sys.stdin if requests is None else requests
    if answers is None:
        answers = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        sys.stdout = sys.stderr

    for line in requests:
        if not line.strip():
            continue
        # Each answer names its task, so that a late one, of a thread or a child, is not taken for the next task's.
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
        # The worker tries once more when nothing else runs on its machine.
        return {"kind": "out_of_memory", "message": f"out of memory: {error}"}
    traceback.print_exception(type(error), error, error.__traceback__)
    return {"kind": "retry", "message": f"{type(error).__name__}: {error}"}


def _raised_on_sigterm(error):
    """Whether the handler of SIGTERM raised the exception, or one that led to it."""
    handler = getattr(signal.getsignal(signal.SIGTERM), "__code__", None)
    while handler is not None and error is not None:
        if any(frame.f_code is handler for frame, _ in traceback.walk_tb(error.__traceback__)):
            return True
        error = error.__cause__ or error.__context__
    return False


def refuse_unknown(part, understood, where="train"):
    """Raises Infeasible if a part of the request asks for what a trainer would leave out silently: the search would
    then compare other trainings, networks or measurements than those that were asked for.

    `part` is the request's "train", "network" or "measure", or one of its layers; `where` names it in the message.
    `understood` has the names of settings, "parameters.NAME" for those below `parameters`, each with a set of the
    values that it may have, or None for any.
    """
    settings = {name: value for name, value in part.items() if name != "parameters"}
    settings.update({f"parameters.{name}": value for name, value in part.get("parameters", {}).items()})
    unknown = sorted(settings.keys() - understood.keys())
    if unknown:
        names = ", ".join(f"{where}.{name}" for name in unknown)
        raise Infeasible(f"this trainer does not understand {names}: leave it out of the spec")
    for name, value in settings.items():
        known = understood[name]
        if known is not None and value not in known:
            choices = " or ".join(json.dumps(choice) for choice in sorted(known))
            raise Infeasible(f"{where}.{name} is {json.dumps(value)}; this trainer understands {choices} alone")


def weights_file(request, file_type):
    """Where to write the trained network, or None if it is not wanted. Its folder is there when this returns."""
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
    """What to return as "weights" beside the metrics, of a complete file."""
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
    """How to answer this request: the functions send and progress."""

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
    """The value as a plain number, whatever library it is of; None if it is no number."""
    try:
        return convert(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _finite(value):
    """Null says that a value is not a number, as after a training that diverged; JSON has no other word for it."""
    if value is None:
        return None
    value = float(value)
    return value if math.isfinite(value) else None
