"""A worker and a watcher in a few lines each, written only from the proto files."""

import threading
import time
import uuid

import grpc

from google.protobuf import duration_pb2

from harness import Client
from layernas.v1 import search_pb2
from layernas.v1 import search_service_pb2
from layernas.v1 import worker_service_pb2

# Status codes that a call may return while the controller is killed and restarted.
_AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED)


def seconds(value):
    duration = duration_pb2.Duration()
    duration.FromNanoseconds(int(value * 1e9))
    return duration


def worker_info(name, **labels):
    return worker_service_pb2.WorkerInfo(id=name, labels=labels, slots=1, version="test")


def search_of(candidate):
    """Returns the name of a candidate's search."""
    return candidate.rpartition("/candidates/")[0]


def lease(client, worker, max_tasks=1, max_wait_s=10.0, request_id=None, timeout_s=60.0, labels=None):
    """Returns the tasks of one LeaseTasks call. `worker` is an id."""
    request = worker_service_pb2.LeaseTasksRequest(
        worker=worker_info(worker, **(labels or {})),
        max_tasks=max_tasks,
        request_id=request_id or uuid.uuid4().hex,
        max_wait=seconds(max_wait_s),
    )
    return list(client.call("LeaseTasks", request, timeout_s=timeout_s).tasks)


def result(token, metrics, architecture=""):
    return worker_service_pb2.Completion(
        lease_token=token, result=worker_service_pb2.TaskResult(metrics=metrics), architecture=architecture
    )


def failure(token, kind, message):
    return worker_service_pb2.Completion(
        lease_token=token, failure=worker_service_pb2.TaskFailure(kind=kind, message=message)
    )


def complete(client, worker, *completions):
    """Returns the verdicts, in the order of the completions."""
    request = worker_service_pb2.CompleteTasksRequest(worker_id=worker, completions=completions)
    return list(client.call("CompleteTasks", request).verdicts)


def heartbeat(client, worker, *tokens, labels=None):
    """Returns {token: action}."""
    request = worker_service_pb2.HeartbeatRequest(
        worker=worker_info(worker, **(labels or {})),
        leases=[worker_service_pb2.HeldLease(lease_token=token) for token in tokens],
    )
    return {verdict.lease_token: verdict.action for verdict in client.call("Heartbeat", request).verdicts}


def release(client, worker, *tokens):
    client.call("ReleaseTasks", worker_service_pb2.ReleaseTasksRequest(worker_id=worker, lease_tokens=tokens))


class ProtoWorker(threading.Thread):
    """Leases tasks, evaluates them by the space's formula and reports, until it is stopped. Continues when the
    controller comes back.

    acknowledged: {candidate name: architecture id} of every result that the controller acknowledged.
    repeated: architectures that were leased again, for the same search, after their result was acknowledged.
    """

    def __init__(self, address, name, space, max_tasks=2, seconds_per_task=0.0):
        super().__init__(name=name, daemon=True)
        self._client, self._space, self._max_tasks = Client(address), space, max_tasks
        self._seconds_per_task = seconds_per_task
        self._stopped = threading.Event()
        self.acknowledged, self.repeated, self.refused = {}, [], []

    def stop(self):
        self._stopped.set()
        self.join()
        self._client.close()

    def run(self):
        while not self._stopped.is_set():
            tasks = self._persistently(self._lease_once(uuid.uuid4().hex))
            known = {(search_of(name), architecture) for name, architecture in self.acknowledged.items()}
            self.repeated += [
                task.candidate for task in tasks or () if (search_of(task.candidate), task.architecture.id) in known
            ]
            if tasks:
                self._stopped.wait(self._seconds_per_task * len(tasks))
                self._persistently(lambda tasks=tasks: self._report(tasks))

    def _lease_once(self, request_id):
        """Makes a call that may be repeated: the same request gets the same tasks."""
        return lambda: lease(
            self._client, self.name, self._max_tasks, max_wait_s=0.5, request_id=request_id, timeout_s=5.0
        )

    def _report(self, tasks):
        completions = [result(task.lease_token, self._space.metrics(task.architecture.id)) for task in tasks]
        for task, verdict in zip(tasks, complete(self._client, self.name, *completions)):
            if verdict.status == worker_service_pb2.COMPLETION_STATUS_ACCEPTED:
                self.acknowledged[task.candidate] = task.architecture.id
            else:
                self.refused.append((task.candidate, verdict.message))

    def _persistently(self, call):
        while not self._stopped.is_set():
            try:
                return call()
            except grpc.RpcError as error:
                if error.code() not in _AWAY:
                    raise
                self._stopped.wait(0.02)
        return None


class Watcher(threading.Thread):
    """Follows a search by sequence number until its end, across restarts of the controller.

    seen_at: {architecture id: monotonic time at which its success was seen}.
    faults: gaps and repeats in the sequence numbers.
    """

    def __init__(self, address, search, after_sequence=0):
        super().__init__(name=f"watch {search}", daemon=True)
        self._client, self._search = Client(address), search
        self._stopped = threading.Event()
        self._call = None
        self.sequence = after_sequence
        self.changes, self.faults, self.streams = [], [], 0
        self.seen_at = {}
        self.final = None

    def stop(self):
        self._stopped.set()
        if self._call:
            self._call.cancel()
        self.join()
        self._client.close()

    def run(self):
        while not self._stopped.is_set() and self.final is None:
            request = search_service_pb2.WatchSearchRequest(name=self._search, after_sequence=self.sequence)
            self._call = self._client.method("WatchSearch")(request, timeout=600, wait_for_ready=True)
            self.streams += 1
            if self._stopped.is_set():
                self._call.cancel()  # stop() may have cancelled the call before this one
            try:
                for change in self._call:
                    self._take(change)
                return  # the stream ends with the search's final state
            except grpc.RpcError as error:
                if error.code() not in _AWAY:
                    self.faults.append(f"the watch failed: {error.code()} {error.details()}")
                    return
                self._stopped.wait(0.02)

    def _take(self, change):
        kind = change.WhichOneof("change")
        if kind != "snapshot" and change.sequence != self.sequence + 1:
            self.faults.append(f"change {change.sequence} came after {self.sequence}")
        self.sequence = change.sequence
        self.changes.append(change)
        if kind == "candidate":
            if change.candidate.state == search_pb2.CANDIDATE_STATE_SUCCEEDED:
                self.seen_at.setdefault(change.candidate.architecture.id, time.monotonic())
        else:
            search = change.search if kind == "search" else change.snapshot
            if search.state in (
                search_pb2.SEARCH_STATE_SUCCEEDED,
                search_pb2.SEARCH_STATE_FAILED,
                search_pb2.SEARCH_STATE_CANCELLED,
            ):
                self.final = search
