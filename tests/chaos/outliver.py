"""A worker that outlives every controller and records which history acknowledged its results."""

import threading
import time
import uuid

import grpc

import harness
from formula import formula
from layernas.v1 import worker_service_pb2
from proto_worker import complete
from proto_worker import lease
from proto_worker import result
from proto_worker import search_of

# Status codes that a call may return while its controller dies.
AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED)


class Impatient(harness.Client):
    """Fails at once if no controller runs, so that the caller can start one."""

    def call(self, method, request, timeout_s=10.0, wait_for_ready=False):
        return super().call(method, request, timeout_s, wait_for_ready)


class Outliver(threading.Thread):
    """Leases tasks, evaluates them by the formula and reports, whichever history the controller has at the time.

    gate: held during each call and while its answer is recorded. The main thread takes it to change `history` while no
    controller runs. An answer is thus recorded for the history that gave it.
    says_architecture: whether reports name the architecture. Old workers do not.
    twice: messages about tasks that were leased after their result was acknowledged.
    faults: messages about verdicts and errors that a controller must not give.
    refused: number of reports that were refused.
    """

    def __init__(self, address, name, history, max_tasks, seconds_per_task, says_architecture):
        super().__init__(name=name, daemon=True)
        self._client = Impatient(address)
        self._max_tasks, self._seconds_per_task = max_tasks, seconds_per_task
        self._says_architecture = says_architecture
        self._stopped = threading.Event()
        self.gate = threading.Lock()
        self.history = history
        self.twice, self.faults, self.refused = [], [], 0

    def stop(self):
        self._stopped.set()
        self.join()
        self._client.close()

    def run(self):
        while not self._stopped.is_set():
            request_id = uuid.uuid4().hex
            lent = self._persistently(lambda request_id=request_id: self._lease(request_id))
            if lent and lent[1]:
                self._stopped.wait(self._seconds_per_task * len(lent[1]))
                self._persistently(lambda lent=lent: self._report(*lent))

    def _lease(self, request_id):
        """Returns the history that gave the tasks, and the tasks. May be repeated with the same request_id."""
        asked = time.monotonic()
        tasks = lease(self._client, self.name, self._max_tasks, max_wait_s=0.5, request_id=request_id, timeout_s=5.0)
        for task in tasks:
            since = self.history.known_since(search_of(task.candidate), task.architecture.id)
            if since is not None and since < asked:
                self.twice.append(f"{self.history}: {task.candidate} was leased after its result was acknowledged")
        return self.history, tasks

    def _report(self, lender, tasks):
        completions = [
            result(
                task.lease_token,
                formula(task.architecture),
                task.architecture.id if self._says_architecture else "",
            )
            for task in tasks
        ]
        for task, verdict in zip(tasks, complete(self._client, self.name, *completions)):
            if verdict.status == worker_service_pb2.COMPLETION_STATUS_ACCEPTED:
                if self.history is not lender:
                    self.faults.append(f"{self.history} took a result of {task.candidate} of {lender}")
                self.history.acknowledge(task.candidate, task.architecture.id)
            elif verdict.status == worker_service_pb2.COMPLETION_STATUS_REFUSED:
                self.refused += 1
            else:
                self.faults.append(f"{self.history}: {task.candidate}: {verdict}")

    def _persistently(self, call):
        while not self._stopped.is_set():
            try:
                with self.gate:
                    return call()
            except grpc.RpcError as error:
                if error.code() not in AWAY:
                    # Nobody sees what a thread raises.
                    self.faults.append(f"{self.name}: {error.code()} {error.details()}")
                    raise
            self._stopped.wait(0.02)
        return None
