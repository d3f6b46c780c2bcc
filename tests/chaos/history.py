"""What one store must keep: its searches, and every result that a worker or a watcher was told of.

A restored backup begins a new history, which inherits what was acknowledged before the backup. An empty data directory
begins a history that inherits nothing. The history that acknowledged a result must keep it; no other may take it.
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
    """What a backup must hold. It is taken before the backup is requested."""

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
    """How many stored results were checked, and what was wrong. The lists hold messages for people."""

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
    """`acknowledge` and `known_since` may be called from any thread, everything else from the main thread only."""

    def __init__(self, number, parked, mark=None, before=None):
        """mark: of a backup of the history `before`, which this history begins with. Without a mark it begins empty."""
        self.number = number
        # Where its data directory lies while no controller runs on it.
        self.parked = parked
        self.searches = dict(mark.searches) if mark else {}
        self.inherited = dict(mark.known) if mark else {}
        self.ended_before = mark.ended if mark else frozenset()
        # {search: sequence number up to which its watcher followed it in the history before}
        self.sequences = {name: before.sequence(name) for name in mark.searches} if mark else {}
        # {candidate name: architecture id} of the results that Outlivers were told of.
        self.acknowledged = {}
        # {(search, architecture id): monotonic time of the first acknowledgement}
        self._since = {}
        for name, architecture in self.inherited.items():
            self._since[search_of(name), architecture] = 0.0
        # {search: its watchers, one after the other; the last may still run}
        self.watchers = collections.defaultdict(list)

    # --- The data directory and the watchers of its searches

    def enter(self, data_dir):
        """Moves this history's store to `data_dir`. An empty history has none: the controller creates it."""
        if os.path.exists(self.parked):
            shutil.move(self.parked, data_dir)

    def leave(self, data_dir):
        """Stops the watchers and moves the store away. No controller may run. watch_all() resumes the watches."""
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
        """Returns the sequence number of the search's latest change that a watcher has seen."""
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
        """Returns when the architecture's first result was acknowledged to an Outliver; None if it never was."""
        return self._since.get((search, architecture))

    def known(self, searches):
        """Returns {candidate: architecture id} of the searches' results that a worker or watcher was told of."""
        told = {**self.inherited, **self.acknowledged.copy()}
        known = {name: architecture for name, architecture in told.items() if search_of(name) in searches}
        for name in searches:
            for change in self._changes(name):
                if change.WhichOneof("change") == "candidate" and change.candidate.state == SUCCEEDED:
                    known[change.candidate.name] = change.candidate.architecture.id
        return known

    def _changes(self, name):
        """Yields the changes that the search's watchers saw in this history, in order."""
        for watcher in list(self.watchers[name]):
            yield from watcher.changes.copy()

    def faults(self):
        """Returns messages about what the watches did wrong."""
        found = []
        for name in self.searches:
            for watcher in self.watchers[name]:
                found += [f"{self}: {name}: {fault}" for fault in watcher.faults]
        for name, sequence in self.sequences.items():
            followed_to_the_end = any(watcher.final for watcher in self.watchers[name])
            kinds = {change.WhichOneof("change") for change in self._changes(name)}
            if sequence and followed_to_the_end and "snapshot" not in kinds:
                found.append(f"{self}: {name}: the watch of change {sequence} got no snapshot after a restore")
        return found

    def examine(self, known, candidates):
        """Compares stored candidates ({search: [candidate, …]}) with `known` and with the function that made them.

        known: the answer of known(), taken before the candidates were read.
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
                    stored[candidate.name] = architecture = candidate.architecture.id
                    found.checked += 1
                    if not _is_own(space, candidate):
                        found.wrong.append(
                            f"{self}: {candidate.name}, {architecture}, by {candidate.worker}: "
                            f"{dict(candidate.metrics)}, not {space.metrics(architecture)}"
                        )
            found.twice += [f"{self}: {name} was evaluated again" for name in self._evaluated_again(search)]
        for name, architecture in known.items():
            if search_of(name) in candidates and stored.get(name) != architecture:
                found.lost.append(f"{self}: {name}, {architecture}; stored is {stored.get(name)}")
        return found

    def _evaluated_again(self, search):
        """Yields the names of candidates that were leased again, or got another result, after their result."""
        inherited = {name for name in self.inherited if search_of(name) == search}
        done = set()
        for change in self._changes(search):
            if change.WhichOneof("change") == "snapshot":
                # What follows came after the restore. Before it, a watch that was behind may still see the backup's past.
                done |= inherited
            elif change.WhichOneof("change") == "candidate":
                if change.candidate.name in done and change.candidate.state in (LEASED, SUCCEEDED):
                    yield change.candidate.name
                if change.candidate.state == SUCCEEDED:
                    done.add(change.candidate.name)

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
