"""Controllers, workers and trainers are killed, at crash points and at random moments, while several searches run; at
the end no acknowledged result is lost, none was given twice, and every search has ended as if nobody had disturbed it.

LAYERNAS_CHAOS_KILLS and LAYERNAS_CHAOS_SEED choose how many kills and which draw; see scripts/chaos.
"""

import collections
import os
import random
import shutil
import signal
import time

import grpc

import harness
from layernas.v1 import admin_service_pb2
from layernas.v1 import search_pb2
from layernas.v1 import spec_pb2
from proto_worker import ProtoWorker
from proto_worker import Watcher
from proto_worker import search_of
from spaces import Space
from spaces import reference_layernas

KILLS = int(os.environ.get("LAYERNAS_CHAOS_KILLS", "15"))
SEED = int(os.environ.get("LAYERNAS_CHAOS_SEED", "20240601"))

SUCCEEDED = search_pb2.CANDIDATE_STATE_SUCCEEDED
# What a call may end with while its controller dies.
AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED)

# common/base/crash_point.h
CRASH_EXIT_CODE = 85
# (crash point, how often it may be passed before)
CONTROLLER_POINTS = (
    ("before-write", 60),
    ("before-sync", 4),
    ("after-write", 60),
    ("before-reply", 120),
    ("loaded", 1),
    ("backup-copied", 1),
)
WORKER_POINTS = (("task-leased", 12), ("task-evaluated", 12), ("task-reported", 12))
# Of how many starts it is decided that they end at a crash point.
ARMED = 0.6

SEARCHES_AT_ONCE = 4
TRAININGS = 60
BUCKETS = 12
LEASE = "2s"
# Far more than the kills of one candidate's workers and trainers come to.
ATTEMPTS = 10
PAUSE_S = 0.4
BACKUP_DEADLINE_S = 10.0


class Impatient(harness.Client):
    """Learns at once that the controller is not there: nobody but its caller would start it again."""

    def call(self, method, request, timeout_s=10.0, wait_for_ready=False):
        return super().call(method, request, timeout_s, wait_for_ready)


class Chaos:
    """What runs, what was killed, and what was acknowledged meanwhile."""

    def __init__(self, test, seed):
        self.test = test
        self.draw = random.Random(seed)
        self.space = Space(layers=5, options=3, seed=seed)
        self.table = self.space.write_table(test.path("table.csv"))
        self.edges = self.space.edges(BUCKETS)
        self.trained, self.expected_table = reference_layernas(self.space, self.edges)
        self.kills = collections.Counter()
        self.problems = []
        # {search: the final table that it must have, or None}
        self.searches = {}
        self.watchers = {}
        self.backups = 0
        # Nobody is made to die any more.
        self.over = False
        self.server = harness.Controller(
            test, f"--lease-duration={LEASE}", f"--backup-dir={test.path('backups')}", port=harness.free_port()
        )
        self.start_controller({"LAYERNAS_CRASH_AT": "before-schema:1"})
        self.api = Impatient(self.server.address)
        test.addCleanup(self.api.close)
        self.proto_workers = [
            ProtoWorker(self.server.address, f"proto-{n}", self.space, seconds_per_task=0.02) for n in range(2)
        ]
        for worker in self.proto_workers:
            worker.start()
            test.addCleanup(worker.stop)
        trainer = harness.exec_flags("--table", self.table, "--delay", "0.05")
        self.worker_flags = {
            "exec-1": ["--slots=2", *trainer],
            "exec-2": trainer,
            "tabular": ["--slots=2", *harness.tabular_flags(self.table, "30ms")],
        }
        self.workers = {name: self.start_worker(name) for name in self.worker_flags}

    def kill_count(self):
        return sum(self.kills.values())

    # --- Searches

    def keep_searches_running(self):
        running = [search for search in self.searches if not self.watchers[search].final]
        while len(running) < SEARCHES_AT_ONCE:
            running.append(self.create())

    def create(self):
        number = len(self.searches)
        kind = ("measured", "per-layer", "random", "evolution")[number % 4]
        spec = self.space.spec(f"{kind}", cost_per_layer=kind == "per-layer", buckets={"edges": self.edges})
        expected = self.expected_table if kind == "measured" else None
        if kind == "random":
            spec.strategy.random.CopyFrom(spec_pb2.RandomSearch())
        elif kind == "evolution":
            spec.strategy.regularized_evolution.CopyFrom(spec_pb2.RegularizedEvolution(population=8, sample=3))
            spec.objective.targets.append(self.space.dearest() * 0.7)
        if kind in ("random", "evolution"):
            spec.budget.trainings = TRAININGS
        spec.evaluation.attempts = ATTEMPTS
        name = self.persistently(lambda: self.api.create(spec, request_id=f"search-{number}")).name
        self.searches[name] = expected
        self.watchers[name] = watcher = Watcher(self.server.address, name)
        watcher.start()
        self.test.addCleanup(watcher.stop)
        return name

    def persistently(self, call):
        """Calls until the controller answers; what died meanwhile is started again."""
        answers = []

        def answered():
            try:
                answers.append(call())
                return True
            except grpc.RpcError as error:
                if error.code() not in AWAY:
                    raise
                self.restart_what_died()
                return False

        harness.wait_for(answered, "an answer of the controller")
        return answers[0]

    def acknowledged(self, searches):
        """{candidate: architecture} of all results of the searches that somebody was told of."""
        known = {}
        for worker in self.proto_workers:
            known.update((name, ours) for name, ours in worker.acknowledged.copy().items() if search_of(name) in searches)
        for search in searches:
            for change in self.watchers[search].changes.copy():
                if (
                    change.WhichOneof("change") == "candidate"
                    and change.candidate.state == SUCCEEDED
                ):
                    known[change.candidate.name] = change.candidate.architecture.id
        return known

    def lost(self, known, searches):
        """Of the known results of the searches those that are not there as they were."""
        stored = {}
        for search in searches:
            stored.update((found.name, found) for found in self.persistently(lambda s=search: self.api.candidates(s)))
        lost = []
        for name, architecture in known.items():
            found = stored.get(name)
            if (
                found is None
                or found.state != SUCCEEDED
                or found.architecture.id != architecture
                or dict(found.metrics) != self.space.metrics(architecture)
            ):
                lost.append(name)
        return lost

    # --- Processes

    def plan(self, points):
        """The environment of a process that may be meant to die at a crash point."""
        if self.over or self.draw.random() > ARMED:
            return None
        point, most = self.draw.choice(points)
        return {"LAYERNAS_CRASH_AT": f"{point}:{self.draw.randint(1, most)}"}

    def start_controller(self, environment):
        """Until it serves; what dies while it starts is another kill."""
        while True:
            ready_file = self.server.spawn(environment)
            process = self.server.process
            harness.wait_for(lambda: os.path.exists(ready_file) or not process.running(), "the controller's start")
            if process.running():
                self.server.address = self.test.wait_ready(process, ready_file)["address"]
                return
            self.died("controller", process)
            environment = None

    def start_worker(self, name):
        environment = self.plan(WORKER_POINTS)
        return harness.Worker(self.test, self.server.address, name, *self.worker_flags[name], environment=environment)

    def died(self, what, process):
        code = process.wait()
        if code != CRASH_EXIT_CODE:
            self.problems.append(f"{process.name} ended by itself with {code}")
        self.kills[f"{what} at a crash point"] += 1

    def restart_what_died(self):
        if not self.server.process.running():
            self.died("controller", self.server.process)
            self.restart_controller()
        for name, worker in self.workers.items():
            if not worker.process.running():
                self.died("worker", worker.process)
                self.workers[name] = self.start_worker(name)

    def restart_controller(self):
        code, output = self.server.check()
        if code != 0 and "there is no controller's data" not in output:
            self.problems.append(f"--check after {self.kill_count()} kills: {output}")
        running = [search for search in self.searches if not self.watchers[search].final]
        known = self.acknowledged(running)
        self.start_controller(self.plan(CONTROLLER_POINTS))
        for name in self.lost(known, running):
            self.problems.append(f"{name} was acknowledged and is lost after {self.kill_count()} kills")

    def kill_something(self):
        victim = self.draw.choice(("controller", "controller", "worker", "trainer", "trainer"))
        trainers = self.test.evaluator_processes()
        if victim == "controller":
            self.server.process.kill()
            if self.server.process.wait() == CRASH_EXIT_CODE:
                self.kills["controller at a crash point"] += 1
            else:
                self.kills["controller at a random moment"] += 1
            self.restart_controller()
        elif victim == "worker":
            name = self.draw.choice(sorted(self.workers))
            self.workers[name].process.kill()
            self.kills["worker at a random moment"] += 1
            self.workers[name] = self.start_worker(name)
        elif trainers:
            try:
                os.kill(self.draw.choice(trainers), signal.SIGKILL)
                self.kills["trainer at a random moment"] += 1
            except ProcessLookupError:
                pass

    def back_up(self):
        """A backup, if the controller lives long enough, must hold what was acknowledged before it was asked for."""
        known = self.acknowledged(self.searches)
        try:
            request = admin_service_pb2.CreateBackupRequest()
            backup = self.api.call("CreateBackup", request, timeout_s=BACKUP_DEADLINE_S).backup
        except grpc.RpcError as error:
            if error.code() not in AWAY:
                raise
            return
        self.backups += 1
        restored = harness.Controller(self.test, data_dir=backup.path, name="restored")
        code, output = restored.check()
        self.test.assertEqual(code, 0, output)
        restored.start()
        api = harness.Client(restored.address)
        stored = {found.name for search in self.searches for found in api.candidates(search, states=[SUCCEEDED])}
        api.close()
        restored.kill()
        self.problems += [f"{name} is not in {backup.path}" for name in sorted(set(known) - stored)]
        shutil.rmtree(backup.path)


class ChaosTest(harness.IntegrationTest):

    def test_kills_lose_nothing_and_double_nothing(self):
        print(f"{KILLS} kills, seed {SEED}", flush=True)
        begin = time.monotonic()
        chaos = Chaos(self, SEED)
        next_backup = KILLS // 3
        while chaos.kill_count() < KILLS:
            chaos.keep_searches_running()
            time.sleep(chaos.draw.uniform(0, PAUSE_S))
            chaos.restart_what_died()
            if chaos.kill_count() >= next_backup:
                next_backup += 20
                chaos.back_up()
                chaos.restart_what_died()
            if chaos.kill_count() < KILLS:
                chaos.kill_something()

        chaos.over = True
        harness.wait_for(lambda: chaos.backups or chaos.restart_what_died() or chaos.back_up(), "a backup")
        ends = {}
        for name in chaos.searches:
            harness.wait_for(lambda n=name: chaos.restart_what_died() or chaos.watchers[n].final, f"the end of {name}")
            ends[name] = chaos.persistently(lambda n=name: chaos.api.search(n))
        for watcher in chaos.watchers.values():
            watcher.join(harness.PATIENCE_S)
        candidates = {name: chaos.persistently(lambda n=name: chaos.api.candidates(n)) for name in chaos.searches}
        self.verify(chaos, ends, candidates)
        known = chaos.acknowledged(chaos.searches)
        tables = {
            name: chaos.persistently(lambda n=name: chaos.api.buckets(n)) for name, expected in chaos.searches.items()
            if expected
        }
        for worker in chaos.proto_workers:
            worker.stop()
        for worker in chaos.workers.values():
            worker.process.kill()
        chaos.server.kill()
        code, output = chaos.server.check()
        self.assertEqual(code, 0, output)
        for name, expected in chaos.searches.items():
            if expected:
                self.assertEqual({found.state for found in candidates[name]}, {SUCCEEDED}, name)
                self.assertEqual(tables[name], expected, name)
        self.assertEqual(chaos.problems, [])
        seconds = time.monotonic() - begin
        print(f"{chaos.kill_count()} kills in {seconds:.0f} s: {dict(sorted(chaos.kills.items()))}")
        print(
            f"{len(chaos.searches)} searches ended, {sum(map(len, candidates.values()))} candidates, {len(known)} results "
            f"acknowledged, 0 lost, 0 given twice, {chaos.backups} backups restored; {output.strip()}",
            flush=True,
        )

    def verify(self, chaos, ends, candidates):
        for name, search in ends.items():
            self.assertEqual(search.state, search_pb2.SEARCH_STATE_SUCCEEDED, f"{name}: {search.state_reason}")
            architectures = [found.architecture.id for found in candidates[name]]
            self.assertEqual(len(set(architectures)), len(architectures), f"{name} has an architecture twice")
            for found in candidates[name]:
                if found.state == SUCCEEDED:
                    self.assertEqual(dict(found.metrics), chaos.space.metrics(found.architecture.id), found.name)
            self.assertEqual(chaos.watchers[name].faults, [], name)
            # Once there, a result was never given again, by anybody.
            results = collections.Counter(
                change.candidate.name
                for change in chaos.watchers[name].changes
                if change.WhichOneof("change") == "candidate" and change.candidate.state == SUCCEEDED
            )
            self.assertEqual([again for again, times in results.items() if times > 1], [], name)
            self.assertEqual(set(results), {found.name for found in candidates[name] if found.state == SUCCEEDED})
        self.assertEqual(chaos.lost(chaos.acknowledged(ends), ends), [])
        for worker in chaos.proto_workers:
            self.assertEqual(worker.repeated, [])


if __name__ == "__main__":
    harness.main()
