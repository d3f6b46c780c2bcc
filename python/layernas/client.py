"""Client of the controller. Every call has a deadline, and every error says what failed and why."""

from __future__ import annotations

import dataclasses
import os
import random
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import grpc

from layernas.spec import read_spec
from layernas.transport import Security, is_set, setting
from layernas.v1 import fleet_service_pb2, fleet_service_pb2_grpc, search_pb2, search_service_pb2, search_service_pb2_grpc

DEADLINE_S = 20.0
# Maximum time for which a watch tries to reach the controller.
PATIENCE_S = 600.0
# Maximum duration of one WatchSearch call; the watch then calls again.
WATCH_S = 3600.0
# A connection without a ping reply within the timeout counts as broken. A load balancer can drop one silently.
KEEPALIVE_MS = 30_000
KEEPALIVE_TIMEOUT_MS = 10_000
# Pause between two attempts of a watch. It doubles with each attempt, to relieve a busy controller.
_MIN_PAUSE_S = 0.25
_MAX_PAUSE_S = 5.0
# Codes on which a watch retries: the controller restarts, or a proxy closed the connection.
_RETRIED = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
)
_PAGE = 1000


class Error(Exception):
    """A failed call. `code` is the gRPC status code."""

    def __init__(self, message: str, code: grpc.StatusCode) -> None:
        super().__init__(message)
        self.code = code


@dataclasses.dataclass(frozen=True)
class Point:
    """A trained and measured architecture. The values of a finalist are means over its trainings."""

    candidate: int
    architecture: str
    reward: float
    cost: float
    metrics: Mapping[str, float]
    layers: Mapping[str, str]
    trainings: int = 1
    deviation: float = 0.0


@dataclasses.dataclass(frozen=True)
class Target:
    """The result for a target: the best point, or the nearest point if none meets the target."""

    target: float
    best: Point | None
    nearest: Point | None


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A candidate in any state, such as "running" or "succeeded". The reward is None unless the candidate succeeded.
    If its training was stopped early, reward_estimate is the estimated reward. The cost is None if it is unknown."""

    number: int
    architecture: str
    state: str
    reward: float | None
    cost: float | None
    metrics: Mapping[str, float]
    worker: str
    attempt: int
    failures: tuple[str, ...]
    reward_estimate: float | None = None


@dataclasses.dataclass(frozen=True)
class TaskLog:
    """The end of the standard error of an evaluator, for one attempt; `omitted_bytes` before `text` were not kept."""

    attempt: int
    worker: str
    text: str
    omitted_bytes: int
    attempts: tuple[int, ...]


class Frontier(tuple[Point, ...]):
    """The points of a frontier, cheapest first."""

    def to_pandas(self) -> Any:
        """Returns a DataFrame with a row per point: reward, cost, all metrics, and the option of each layer.

        If a metric or layer has the name of an earlier column, its own column gets the prefix "metric_" or "layer_", as
        in the CSV of the command line. Architectures are strings, such as "010202": read a CSV file with
        dtype={"architecture": str}."""
        import pandas

        taken = {"candidate", "architecture", "reward", "cost"}
        metrics = _columns(sorted({name for point in self for name in point.metrics}), "metric_", taken)
        # In the order of the space.
        layers = _columns(list(dict.fromkeys(name for point in self for name in point.layers)), "layer_", taken)
        return pandas.DataFrame.from_records(
            [
                {"candidate": point.candidate, "architecture": point.architecture, "reward": point.reward, "cost": point.cost}
                | {metrics[name]: value for name, value in point.metrics.items()}
                | {layers[name]: option for name, option in point.layers.items()}
                for point in self
            ]
        )


def _columns(names: list[str], prefix: str, taken: set[str]) -> dict[str, str]:
    """Returns {name: column} with columns that are not in `taken`, and adds them to `taken`."""
    columns = {}
    for name in names:
        column = name
        while column in taken:
            column = prefix + column
        taken.add(column)
        columns[name] = column
    return columns


# Characters that Printable() of the command line replaces: controls, direction marks, separators and tags.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def _printable(text: str) -> str:
    """Returns a text of the controller without control characters, except for line feeds and tabs."""
    return _UNPRINTABLE.sub("?", text)


def _number(name: str) -> int:
    return int(name.rpartition("/")[2])


def _point(message: search_pb2.FrontierPoint) -> Point:
    return Point(
        candidate=_number(message.candidate),
        architecture=message.architecture.id,
        reward=message.reward,
        cost=message.cost,
        metrics=dict(message.metrics),
        layers={layer.name: layer.option for layer in message.architecture.layers},
        trainings=message.trainings,
        deviation=message.reward_deviation,
    )


def _candidate(message: search_pb2.Candidate) -> Candidate:
    succeeded = message.state == search_pb2.CANDIDATE_STATE_SUCCEEDED
    state = _value_name(search_pb2.CandidateState, message.state, "CANDIDATE_STATE_")
    return Candidate(
        number=_number(message.name),
        architecture=message.architecture.id,
        state="running" if state == "leased" else state,
        reward=message.reward if succeeded else None,
        # A cost is above 0 wherever it is known.
        cost=message.cost if succeeded or message.cost != 0 else None,
        metrics=dict(message.metrics),
        worker=message.worker,
        attempt=message.attempt,
        failures=tuple(failure.message for failure in message.failures),
        reward_estimate=message.reward if message.state == search_pb2.CANDIDATE_STATE_STOPPED else None,
    )


class Client:
    """A connection to a controller. Thread-safe, but usable only in the process that created it: after a fork, create
    another client in the child.

    Missing arguments are read from the environment, as in the command line: LAYERNAS_CONTROLLER, LAYERNAS_TLS_CA,
    LAYERNAS_TLS_CERT, LAYERNAS_TLS_KEY, LAYERNAS_TOKEN_FILE and LAYERNAS_INSECURE_TOKEN. A token is sent only over TLS or
    to this machine (127.0.0.0/8, ::1, "localhost"), unless insecure_token is set.

    Raises ValueError for an invalid address, an unusable token or TLS file, or a token that would be sent without TLS.
    Raises OSError, which names the file, if a file cannot be read."""

    def __init__(
        self,
        controller: str | None = None,
        *,
        tls_ca: str | None = None,
        tls_cert: str | None = None,
        tls_key: str | None = None,
        token_file: str | None = None,
        insecure_token: bool = False,
    ) -> None:
        self.address = setting(controller, "CONTROLLER") or "127.0.0.1:7060"
        security = Security(
            tls_ca=setting(tls_ca, "TLS_CA"),
            tls_cert=setting(tls_cert, "TLS_CERT"),
            tls_key=setting(tls_key, "TLS_KEY"),
            token_file=setting(token_file, "TOKEN_FILE"),
            insecure_token=is_set(insecure_token, "INSECURE_TOKEN"),
        )
        security.check(self.address)
        options = [
            ("grpc.enable_http_proxy", 0),
            ("grpc.max_receive_message_length", 64 << 20),
            ("grpc.keepalive_time_ms", KEEPALIVE_MS),
            ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
            # Without this gRPC stops after two pings without data, and a waiting watch sends no data.
            ("grpc.http2.max_pings_without_data", 0),
        ]
        self._process = os.getpid()
        self._channel = security.open_channel(self.address, options)
        self._searches = search_service_pb2_grpc.SearchServiceStub(self._channel)
        self._fleet = fleet_service_pb2_grpc.FleetServiceStub(self._channel)

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(self, spec: str | os.PathLike[str] | Mapping[str, Any]) -> Search:
        """Starts a search from a spec file, or from the same content as a dictionary. A lost answer is retried and does not
        start a second search. Raises SpecError, which lists every mistake in the spec with its position."""
        request = search_service_pb2.CreateSearchRequest(spec=read_spec(spec), request_id=uuid.uuid4().hex)
        try:
            answer = self._call(self._searches.CreateSearch, request)
        except Error as error:
            if error.code not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                raise
            answer = self._call(self._searches.CreateSearch, request)
        return Search(self, answer.search.name)

    def search(self, name: str) -> Search:
        """Returns an existing search by its full name, such as "shapes10-1"."""
        search = Search(self, name if name.startswith("searches/") else f"searches/{name}")
        search.refresh()
        return search

    def searches(self) -> Iterator[Search]:
        """Yields all searches, newest first."""
        request = search_service_pb2.ListSearchesRequest(page_size=_PAGE)
        for page in self._pages(self._searches.ListSearches, request):
            for each in page.searches:
                yield Search(self, each.name)

    def workers(self) -> dict[str, int]:
        """Returns {worker id: number of candidates it holds} for workers that contacted the controller recently."""
        request = fleet_service_pb2.ListWorkersRequest(page_size=_PAGE)
        pages = self._pages(self._fleet.ListWorkers, request)
        return {worker.info.id: len(worker.candidates) for page in pages for worker in page.workers}

    def _check_process(self) -> None:
        """Raises Error after a fork: the child would share the sockets of its parent."""
        if os.getpid() != self._process:
            raise Error(
                f"this client belongs to process {self._process}, which has forked: create a layernas.Client in each process"
                ' (with multiprocessing, use the start method "spawn")',
                grpc.StatusCode.FAILED_PRECONDITION,
            )

    def _call(self, method: Any, request: Any) -> Any:
        self._check_process()
        try:
            return method(request, timeout=DEADLINE_S)
        except grpc.RpcError as error:
            raise self._explain(error) from None

    def _explain(self, error: grpc.RpcError) -> Error:
        if error.code() == grpc.StatusCode.UNAVAILABLE:
            return Error(f"cannot reach the controller at {self.address}: {_printable(error.details() or '')}", error.code())
        return Error(_printable(error.details() or ""), error.code())

    def _pages(self, method: Any, request: Any) -> Iterator[Any]:
        while True:
            page = self._call(method, request)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token


class Search:
    """One search. Every method and property fetches the current data from the controller."""

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self.name = name

    @property
    def id(self) -> str:
        return self.name.removeprefix("searches/")

    def __repr__(self) -> str:
        return f"<Search {self.id}>"

    def refresh(self) -> search_pb2.Search:
        """Returns the search as a message of the API."""
        request = search_service_pb2.GetSearchRequest(name=self.name)
        return self._client._call(self._client._searches.GetSearch, request).search

    @property
    def state(self) -> str:
        """"running", "paused", "succeeded", "failed" or "cancelled"."""
        return _state(self.refresh())

    def frontier(self) -> Frontier:
        request = search_service_pb2.GetFrontierRequest(name=self.name)
        pages = self._client._pages(self._client._searches.GetFrontier, request)
        return Frontier(_point(point) for page in pages for point in page.points)

    def best(self) -> list[Target]:
        """Returns one entry per target, in the order of the spec."""
        request = search_service_pb2.GetFrontierRequest(name=self.name)
        answer = self._client._call(self._client._searches.GetFrontier, request)
        return [
            Target(
                each.target,
                _point(each.best) if each.HasField("best") else None,
                _point(each.nearest) if each.HasField("nearest") else None,
            )
            for each in answer.best
        ]

    def candidates(self) -> Iterator[Candidate]:
        """Yields the candidates in the order of proposal."""
        request = search_service_pb2.ListCandidatesRequest(parent=self.name, page_size=_PAGE)
        for page in self._client._pages(self._client._searches.ListCandidates, request):
            for each in page.candidates:
                yield _candidate(each)

    def log(self, candidate: int, attempt: int = 0) -> TaskLog:
        """Returns the log of an attempt at a candidate; 0 = the latest attempt with a log. Raises Error if there is none."""
        request = search_service_pb2.GetTaskLogRequest(name=f"{self.name}/candidates/{candidate}", attempt=attempt)
        answer = self._client._call(self._client._searches.GetTaskLog, request)
        return TaskLog(answer.attempt, answer.worker, answer.log.tail, answer.log.omitted_bytes, tuple(answer.attempts))

    def watch(self, after_sequence: int = 0) -> Iterator[Candidate | search_pb2.Search]:
        """Yields every change of a candidate or of the search until the search ends, also across controller restarts."""
        sequence = after_sequence
        ended = False
        away_since: float | None = None
        pause_s = _MIN_PAUSE_S
        while True:
            self._client._check_process()
            request = search_service_pb2.WatchSearchRequest(name=self.name, after_sequence=sequence)
            changes = self._client._searches.WatchSearch(request, timeout=WATCH_S)
            try:
                # Waits until the watch is open. Without changes, only this tells that the controller is back.
                if any(key == "layernas-watch" for key, _ in changes.initial_metadata() or ()):
                    away_since = None
                for change in changes:
                    away_since, pause_s = None, _MIN_PAUSE_S
                    sequence = change.sequence
                    if change.HasField("candidate"):
                        yield _candidate(change.candidate)
                    else:
                        search = change.search if change.HasField("search") else change.snapshot
                        ended = _is_final(search)
                        yield search
                # The stream ends after the last change. If the search had ended before, there may be no change left.
                if ended or self._ended_by(sequence):
                    return
                trouble = Error("the watch ended before the search", grpc.StatusCode.UNAVAILABLE)
            except grpc.RpcError as error:
                trouble = self._client._explain(error)
            except Error as error:
                trouble = error
            finally:
                # Also if the caller stops iterating: each open watch counts towards a limit of the controller.
                changes.cancel()
            if trouble.code not in _RETRIED:
                raise trouble
            if trouble.code == grpc.StatusCode.DEADLINE_EXCEEDED:
                # The connection answered every ping for WATCH_S, so it was not lost.
                away_since = None
                continue
            if away_since is None:
                away_since = time.monotonic()
            elif time.monotonic() - away_since > PATIENCE_S:
                raise trouble
            time.sleep(random.uniform(pause_s / 2, pause_s))
            pause_s = min(2 * pause_s, _MAX_PAUSE_S)

    def _ended_by(self, sequence: int) -> bool:
        now = self.refresh()
        return _is_final(now) and now.sequence <= sequence

    def wait(self) -> str:
        """Waits until the search ends and returns its final state."""
        now = self.refresh()
        if _is_final(now):
            return _state(now)
        state = "unknown"
        for change in self.watch(now.sequence):
            if isinstance(change, search_pb2.Search):
                state = _state(change)
        return state

    def pause(self) -> None:
        self._client._call(self._client._searches.PauseSearch, search_service_pb2.PauseSearchRequest(name=self.name))

    def resume(self) -> None:
        self._client._call(self._client._searches.ResumeSearch, search_service_pb2.ResumeSearchRequest(name=self.name))

    def cancel(self) -> None:
        self._client._call(self._client._searches.CancelSearch, search_service_pb2.CancelSearchRequest(name=self.name))

    def delete(self) -> None:
        """Deletes the search, which must have ended."""
        self._client._call(self._client._searches.DeleteSearch, search_service_pb2.DeleteSearchRequest(name=self.name))


def _is_final(search: search_pb2.Search) -> bool:
    return _state(search) in ("succeeded", "failed", "cancelled")


def _state(search: search_pb2.Search) -> str:
    return _value_name(search_pb2.SearchState, search.state, "SEARCH_STATE_")


def _value_name(enum: Any, value: int, prefix: str) -> str:
    """Returns a name such as "succeeded", or "unknown" for a value of a newer controller."""
    return enum.Name(value).removeprefix(prefix).lower() if value in enum.values() else "unknown"
