"""A client of the controller. Every call has a deadline, and every error says what went wrong."""

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
# How long a watch tries to reach a controller that is away.
PATIENCE_S = 600.0
# A watch asks again after so long, whatever the connection says.
WATCH_S = 3600.0
# A connection that answers no ping within the timeout is broken, though nobody said so: a balancer may have forgotten it.
KEEPALIVE_MS = 30_000
KEEPALIVE_TIMEOUT_MS = 10_000
# Between two tries of a watch: longer each time, as a controller that is busy needs it.
_SHORTEST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 5.0
# The controller restarts, or something on the way gave up.
_WORTH_ANOTHER_TRY = (
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
    """A call that failed; `code` is gRPC's."""

    def __init__(self, message: str, code: grpc.StatusCode) -> None:
        super().__init__(message)
        self.code = code


@dataclasses.dataclass(frozen=True)
class Point:
    """An architecture that was trained and measured; a finalist's numbers are means over its trainings."""

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
    """What was found for a target: the best, or where nothing meets it what comes nearest."""

    target: float
    best: Point | None
    nearest: Point | None


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A candidate in any state, such as "running" or "succeeded". The reward is None unless it succeeded; where its
    training was stopped early, reward_estimate is what it might have come to. The cost is None where it is not known."""

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
    """What an evaluator wrote to standard error in one attempt at a candidate: the last lines, after `omitted_bytes`."""

    attempt: int
    worker: str
    text: str
    omitted_bytes: int
    attempts: tuple[int, ...]


class Frontier(tuple[Point, ...]):
    """Points, the cheapest first."""

    def to_pandas(self) -> Any:
        """A DataFrame with a row per point: reward, cost, the metrics, and the option of each layer. A metric or layer
        that is called as a column before it is gets the prefix "metric_" or "layer_", as in the command line's CSV.
        Architectures are texts, such as "010202": read a CSV file with dtype={"architecture": str}."""
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
    """{name: its column}, none of which is taken before; all of them are then."""
    columns = {}
    for name in names:
        column = name
        while column in taken:
            column = prefix + column
        taken.add(column)
        columns[name] = column
    return columns


# What the command line's Printable() replaces: controls, marks that reverse the direction of writing, separators, tags.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def _printable(text: str) -> str:
    """A controller's text for a terminal, which it must not steer; line feeds and tabs stay."""
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
    state = search_pb2.CandidateState.Name(message.state).removeprefix("CANDIDATE_STATE_").lower()
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
    """A connection to a controller, for the threads of one process: after a fork, make another in the child. Arguments
    that are not given come from the environment, as with the command line: LAYERNAS_CONTROLLER, LAYERNAS_TLS_CA,
    LAYERNAS_TLS_CERT, LAYERNAS_TLS_KEY, LAYERNAS_TOKEN_FILE and LAYERNAS_INSECURE_TOKEN. A token goes over TLS or to this
    machine only (127.0.0.0/8, ::1, "localhost"), unless insecure_token allows more; ValueError says so, or what else is
    wrong with an address, a token or the files for TLS. OSError names a file that cannot be read."""

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
            # Otherwise gRPC stops after two pings without data, and a watch that waits sends none.
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
        """Starts a search: from a spec file, or from the same as a dictionary. Safe against a lost answer. SpecError names
        every mistake in the spec with its place."""
        request = search_service_pb2.CreateSearchRequest(spec=read_spec(spec), request_id=uuid.uuid4().hex)
        try:
            answer = self._call(self._searches.CreateSearch, request)
        except Error as error:
            if error.code not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                raise
            answer = self._call(self._searches.CreateSearch, request)
        return Search(self, answer.search.name)

    def search(self, name: str) -> Search:
        """One that is there, by its name: "shapes10-1"."""
        search = Search(self, name if name.startswith("searches/") else f"searches/{name}")
        search.refresh()
        return search

    def searches(self) -> Iterator[Search]:
        """Newest first."""
        request = search_service_pb2.ListSearchesRequest(page_size=_PAGE)
        for page in self._pages(self._searches.ListSearches, request):
            for each in page.searches:
                yield Search(self, each.name)

    def workers(self) -> dict[str, int]:
        """Workers heard from lately, and how many candidates each holds."""
        request = fleet_service_pb2.ListWorkersRequest(page_size=_PAGE)
        pages = self._pages(self._fleet.ListWorkers, request)
        return {worker.info.id: len(worker.candidates) for page in pages for worker in page.workers}

    def _check_process(self) -> None:
        """A connection does not survive a fork: a child would share its parent's sockets."""
        if os.getpid() != self._process:
            raise Error(
                f"this client belongs to process {self._process}, which has forked: make a layernas.Client in each process"
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
    """One search. What it is asked for is fetched anew each time."""

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self.name = name

    @property
    def id(self) -> str:
        return self.name.removeprefix("searches/")

    def __repr__(self) -> str:
        return f"<Search {self.id}>"

    def refresh(self) -> search_pb2.Search:
        """How it stands, as the API says it."""
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
        """One per target, in the order of the spec."""
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
        """In the order of proposal."""
        request = search_service_pb2.ListCandidatesRequest(parent=self.name, page_size=_PAGE)
        for page in self._client._pages(self._client._searches.ListCandidates, request):
            for each in page.candidates:
                yield _candidate(each)

    def log(self, candidate: int, attempt: int = 0) -> TaskLog:
        """Of an attempt at a candidate; 0 = of the latest whose log is kept. An Error says why there is none."""
        request = search_service_pb2.GetTaskLogRequest(name=f"{self.name}/candidates/{candidate}", attempt=attempt)
        answer = self._client._call(self._client._searches.GetTaskLog, request)
        return TaskLog(answer.attempt, answer.worker, answer.log.tail, answer.log.omitted_bytes, tuple(answer.attempts))

    def watch(self, after_sequence: int = 0) -> Iterator[Candidate | search_pb2.Search]:
        """Every change of a candidate and of the search, until that has ended; over restarts of the controller."""
        sequence = after_sequence
        ended = False
        away_since: float | None = None
        pause_s = _SHORTEST_PAUSE_S
        while True:
            self._client._check_process()
            request = search_service_pb2.WatchSearchRequest(name=self.name, after_sequence=sequence)
            changes = self._client._searches.WatchSearch(request, timeout=WATCH_S)
            try:
                # Waits until the watch is open: where nothing changes, nothing else says that the controller is back.
                if any(key == "layernas-watch" for key, _ in changes.initial_metadata() or ()):
                    away_since = None
                for change in changes:
                    away_since, pause_s = None, _SHORTEST_PAUSE_S
                    sequence = change.sequence
                    if change.HasField("candidate"):
                        yield _candidate(change.candidate)
                    else:
                        search = change.search if change.HasField("search") else change.snapshot
                        ended = _is_final(search)
                        yield search
                # It ends when all is told: of a search that had ended before, nothing may have been left to tell.
                if ended or self._ended_by(sequence):
                    return
                trouble = Error("the watch ended before the search", grpc.StatusCode.UNAVAILABLE)
            except grpc.RpcError as error:
                trouble = self._client._explain(error)
            except Error as error:
                trouble = error
            finally:
                # Also when nobody asks for more: a watch takes one of the places that the controller has.
                changes.cancel()
            if trouble.code not in _WORTH_ANOTHER_TRY:
                raise trouble
            if trouble.code == grpc.StatusCode.DEADLINE_EXCEEDED:
                # Of a connection that answered every ping for so long.
                away_since = None
                continue
            if away_since is None:
                away_since = time.monotonic()
            elif time.monotonic() - away_since > PATIENCE_S:
                raise trouble
            time.sleep(random.uniform(pause_s / 2, pause_s))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _ended_by(self, sequence: int) -> bool:
        now = self.refresh()
        return _is_final(now) and now.sequence <= sequence

    def wait(self) -> str:
        """Returns the final state once it is reached."""
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
        """Of one that has ended."""
        self._client._call(self._client._searches.DeleteSearch, search_service_pb2.DeleteSearchRequest(name=self.name))


def _is_final(search: search_pb2.Search) -> bool:
    return _state(search) in ("succeeded", "failed", "cancelled")


def _state(search: search_pb2.Search) -> str:
    return search_pb2.SearchState.Name(search.state).removeprefix("SEARCH_STATE_").lower()
