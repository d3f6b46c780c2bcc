"""What one store must remember: its searches, and every result that somebody was told of.

A backup that is restored begins another history, which shares the past up to the backup with the first. An empty data
directory begins one without a past. A result must be kept by the history that acknowledged it, and by no other.
"""

import collections
import dataclasses
import os
import shutil
import time

from formula import FormulaSpace
from layernas.v1 import search_pb2
from proto_worker import Watcher
from proto_worker import search_of

SUCCEEDED = search_pb2.CANDIDATE_STATE_SUCCEEDED
LEASED = search_pb2.CANDIDATE_STATE_LEASED
GIVEN_UP = (search_pb2.CANDIDATE_STATE_FAILED, search_pb2.CANDIDATE_STATE_INFEASIBLE)


@dataclasses.dataclass(frozen=True)
class PlannedSearch:
    name: str
    space: FormulaSpace
    # {bucket: entries} of the final LayerNAS table, or None where the strategy has none.
    table: dict | None


@dataclasses.dataclass(frozen=True)
class Mark:
    """What a backup must hold: taken before the backup was asked for."""

    path: str
    searches: dict
    # {candidate name: architecture id}
    known: dict
    # Names of the searches that had ended.
    ended: frozenset

    def of(self, path):
        return dataclasses.replace(self, path=path)


@dataclasses.dataclass
class Findings:
    """What was found wrong with stored results, and how many were looked at."""

    checked: int = 0
    wrong: list = dataclasses.field(default_factory=list)
    lost: list = dataclasses.field(default_factory=list)
    twice: list = dataclasses.field(default_factory=list)
    given_up: list = dataclasses.field(default_factory=list)

    def add(self, other):
        self.checked += other.checked
        for name in ("wrong", "lost", "twice", "given_up"):
            getattr(self, name).extend(found for found in getattr(other, name) if found not in getattr(self, name))


class History:
    """Thread-safe where proto workers use it: `acknowledge`, `known_since`."""

    def __init__(self, number, parked, mark=None, before=None):
        """mark: of the backup of the history `before` that it begins with; without it, it begins empty."""
        self.number = number
        # Where its data directory lies while no controller runs on it.
        self.parked = parked
        self.searches = dict(mark.searches) if mark else {}
        self.inherited = dict(mark.known) if mark else {}
        self.ended_before = mark.ended if mark else frozenset()
        # {search: sequence number up to which its watcher followed it in the history before}
        self.sequences = {name: before.sequence(name) for name in mark.searches} if mark else {}
        # {candidate name: architecture id}, told to proto workers.
        self.acknowledged = {}
        # {(search, architecture id): monotonic time of the first acknowledgement}
        self._since = {}
        for name, architecture in self.inherited.items():
            self._since[search_of(name), architecture] = 0.0
        # {search: its watchers, one after the other; the last may still run}
        self.watchers = collections.defaultdict(list)

    # --- The data directory, and who follows the searches in it

    def enter(self, data_dir):
        """The data directory becomes this history's. There is none yet if the history begins empty."""
        if os.path.exists(self.parked):
            shutil.move(self.parked, data_dir)

    def leave(self, data_dir):
        """No controller runs. Afterwards nobody is told anything of this history until watch_all()."""
        self.stop_watching()
        if os.path.exists(data_dir):
            shutil.move(data_dir, self.parked)

    def stop_watching(self):
        for watchers in self.watchers.values():
            if watchers:
                watchers[-1].stop()

    def watch_all(self, address):
        for name in self.unended():
            self.watch(address, name)

    def watch(self, address, name):
        self.watchers[name].append(Watcher(address, name, after_sequence=self.sequence(name)))
        self.watchers[name][-1].start()

    def sequence(self, name):
        """Of the latest change of the search that a watcher was told of."""
        watchers = self.watchers[name]
        return watchers[-1].sequence if watchers else self.sequences.get(name, 0)

    def has_ended(self, name):
        return name in self.ended_before or any(watcher.final for watcher in self.watchers[name])

    def unended(self):
        return [name for name in self.searches if not self.has_ended(name)]

    def mark(self, path):
        ended = frozenset(name for name in self.searches if self.has_ended(name))
        return Mark(path, dict(self.searches), self.known(self.searches), ended)

    # --- What it must hold

    def acknowledge(self, candidate, architecture):
        self.acknowledged[candidate] = architecture
        self._since.setdefault((search_of(candidate), architecture), time.monotonic())

    def known_since(self, search, architecture):
        """When the first result of the architecture was acknowledged to a proto worker; None if none was."""
        return self._since.get((search, architecture))

    def known(self, searches):
        """{candidate: architecture id} of all results of the searches that somebody was told of."""
        told = {**self.inherited, **self.acknowledged.copy()}
        known = {name: architecture for name, architecture in told.items() if search_of(name) in searches}
        for name in searches:
            for change in self._changes(name):
                if change.state == SUCCEEDED:
                    known[change.name] = change.architecture.id
        return known

    def _changes(self, name):
        """The candidates that the search's watchers were told of, in order."""
        for watcher in list(self.watchers[name]):
            for change in watcher.changes.copy():
                if change.WhichOneof("change") == "candidate":
                    yield change.candidate

    def faults(self):
        """What was wrong with the watches."""
        found = [f"{name}: {fault}" for name in self.searches for watcher in self.watchers[name] for fault in watcher.faults]
        for name, sequence in self.sequences.items():
            kinds = {change.WhichOneof("change") for watcher in self.watchers[name] for change in watcher.changes}
            if sequence and kinds and "snapshot" not in kinds:
                found.append(f"{name}: after a restore the watch of change {sequence} went on without a snapshot")
        return found

    def examine(self, known, candidates):
        """Holds stored candidates ({search: [candidate, …]}) against `known` and against the function that made them.

        known: {candidate: architecture id}, taken before the candidates were read.
        """
        found = Findings()
        stored = {}
        for search, listed in candidates.items():
            space = self.searches[search].space
            architectures = collections.Counter(candidate.architecture.id for candidate in listed)
            found.twice += [f"{self}: {search} has {name} {n} times" for name, n in architectures.items() if n > 1]
            for candidate in listed:
                if candidate.state in GIVEN_UP:
                    found.given_up.append(f"{self}: {candidate.name}: {list(candidate.failures)}")
                if candidate.state == SUCCEEDED:
                    stored[candidate.name] = candidate.architecture.id
                    found.checked += 1
                    if not _is_own(space, candidate):
                        found.wrong.append(f"{self}: {candidate}")
        for name, architecture in known.items():
            if search_of(name) in candidates and stored.get(name) != architecture:
                found.lost.append(f"{self}: {name}, {architecture}; stored is {stored.get(name)}")
        found.twice += [f"{self}: {name} once more" for search in candidates for name in self._evaluated_again(search)]
        return found

    def _evaluated_again(self, search):
        """Candidates that were leased or had a result after they had one."""
        done = {name for name in self.inherited if search_of(name) == search}
        for change in self._changes(search):
            if change.name in done and change.state in (LEASED, SUCCEEDED):
                yield change.name
            if change.state == SUCCEEDED:
                done.add(change.name)

    def __str__(self):
        return f"history {self.number}"


def _is_own(space, candidate):
    """Whether a stored result is what the evaluators say of the candidate's architecture."""
    architecture = candidate.architecture.id
    curve = [(point.epoch, point.reward) for point in candidate.curve]
    return (
        dict(candidate.metrics) == space.metrics(architecture)
        and candidate.reward == space.reward(architecture)
        and candidate.cost == space.cost(architecture)
        and curve in ([], space.curve(architecture))
    )
