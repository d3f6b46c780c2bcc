"""Kills controllers, workers and trainers while searches run, restores backups and swaps data directories.

Workers outlive all of that. At the end every stored result is that of its own architecture, no acknowledged result is
lost, no architecture was evaluated again after its result, and every search has ended as if nothing had happened.

LAYERNAS_CHAOS_KILLS and LAYERNAS_CHAOS_SEED choose how many kills and which draw; see scripts/chaos.
"""

import collections
import os
import random
import shutil
import time

import grpc

import harness
from fleet import CONTROLLER_POINTS
from fleet import Fates
from fleet import Fleet
from formula import FormulaSpace
from history import SUCCEEDED
from history import Findings
from history import History
from history import PlannedSearch
from layernas.v1 import admin_service_pb2
from layernas.v1 import search_pb2
from layernas.v1 import spec_pb2
from outliver import AWAY
from outliver import Impatient
from outliver import Outliver
from spaces import reference_layernas

KILLS = int(os.environ.get("LAYERNAS_CHAOS_KILLS", "15"))
SEED = int(os.environ.get("LAYERNAS_CHAOS_SEED", "20240601"))

SEARCHES_AT_ONCE = 4
TRAININGS = 60
BUCKETS = 12
LEASE = "2s"
# Far more than the trainers of one candidate that are killed.
ATTEMPTS = 20
PAUSE_S = 0.4
# Kills between two lines that say how far the run is.
PROGRESS = 50
BACKUP_DEADLINE_S = 10.0

# Kills per cycle. In each cycle all acts of one order happen, at drawn moments. "restore" takes the latest backup of
# the history that runs then.
CYCLE = 15
ORDERS = (
    ("back_up", "twin", "restore", "swap_away", "restart_worker", "swap_back"),
    ("back_up", "swap_away", "twin", "restart_worker", "swap_back", "restore"),
    ("swap_away", "back_up", "restart_worker", "restore", "twin", "swap_back"),
)
# Maximum number of parked data directories. Beyond it, the one that was parked first is examined and deleted.
PARKED = 3
# Share of the swaps to a parked directory; all others are to an empty one.
OLD_ONES = 0.3


class Chaos:
    """What runs, what was killed, and what was found."""

    def __init__(self, test, seed):
        self.test = test
        self.draw = random.Random(seed)
        self.seed = seed
        self.kills, self.acts = collections.Counter(), collections.Counter()
        self.fates = Fates(self.draw, self.kills)
        self.findings = Findings()
        self.problems = []
        self.created = self.histories = 0
        self.history = self.new_history()
        # Histories whose data directory is moved away for now.
        self.parked = []
        # {history: Mark of its latest backup}
        self.marks = {}
        self.server = harness.Controller(
            test, f"--lease-duration={LEASE}", f"--backup-dir={test.path('backups')}", port=harness.free_port()
        )
        self.start_controller({"LAYERNAS_CRASH_AT": "before-schema:1"})
        address = self.server.address
        self.api = Impatient(address)
        test.addCleanup(self.api.close)
        self.outlivers = [
            Outliver(address, "proto-1", self.history, max_tasks=2, seconds_per_task=0.02, says_architecture=True),
            Outliver(address, "proto-2", self.history, max_tasks=2, seconds_per_task=0.02, says_architecture=False),
            Outliver(address, "proto-slow", self.history, max_tasks=1, seconds_per_task=1.0, says_architecture=False),
        ]
        for worker in self.outlivers:
            worker.start()
            test.addCleanup(worker.stop)
        self.fleet = Fleet(test, address, self.fates, self.draw)

    def new_history(self, mark=None, before=None):
        self.histories += 1
        history = History(self.histories, self.test.path(f"parked-{self.histories}"), mark, before)
        self.test.addCleanup(history.stop_watching)
        return history

    def kill_count(self):
        return sum(self.kills.values())

    # --- Searches

    def keep_searches_running(self):
        while len(self.history.unended()) < SEARCHES_AT_ONCE:
            self.create()

    def create(self):
        """Creates a search in a space of its own. Other histories have another search of the same name."""
        self.created += 1
        number = len(self.history.searches)
        space = FormulaSpace(layers=5, options=3, seed=f"{self.seed} {self.created}")
        edges = space.edges(BUCKETS)
        kind = ("measured", "per-layer", "random", "evolution")[number % 4]
        spec = space.spec("search", cost_per_layer=kind == "per-layer", buckets={"edges": edges})
        table = reference_layernas(space, edges)[1] if kind == "measured" else None
        if kind == "random":
            spec.strategy.random.CopyFrom(spec_pb2.RandomSearch())
        elif kind == "evolution":
            spec.strategy.regularized_evolution.CopyFrom(spec_pb2.RegularizedEvolution(population=8, sample=3))
            spec.objective.targets.append(space.dearest() * 0.7)
        if kind in ("random", "evolution"):
            spec.budget.trainings = TRAININGS
        spec.evaluation.attempts = ATTEMPTS
        name = self.persistently(lambda: self.api.create(spec, request_id=f"search-{self.created}")).name
        self.history.searches[name] = PlannedSearch(name, space, table)
        self.history.watch(self.server.address, name)

    def persistently(self, call):
        """Repeats the call until the controller answers, and restarts what has died."""
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

    def examine(self, searches):
        """Checks searches of the history that runs, and returns {search: [candidate, …]}."""
        known = self.history.known(searches)
        candidates = {name: self.persistently(lambda n=name: self.api.candidates(n)) for name in searches}
        self.findings.add(self.history.examine(known, candidates))
        return candidates

    # --- The controller and its data directory

    def start_controller(self, environment):
        """Returns when the controller serves. If it dies before, that counts as a kill, and it is started again."""
        while True:
            ready_file = self.server.spawn(environment)
            process = self.server.process
            harness.wait_for(lambda: os.path.exists(ready_file) or not process.running(), "the controller's start")
            if process.running():
                self.server.address = self.test.wait_ready(process, ready_file)["address"]
                return
            self.fates.died("controller", process)
            environment = None

    def restart_what_died(self):
        if not self.server.process.running():
            self.fates.died("controller", self.server.process)
            self.restart_controller()
        self.fleet.restart_dead()

    def restart_controller(self):
        self.check(self.server)
        self.start_controller(self.fates.plan(CONTROLLER_POINTS))
        self.examine(self.history.unended())

    def check(self, server):
        code, output = server.check()
        if code != 0 and "no controller data in" not in output:
            self.problems.append(f"--check after {self.kill_count()} kills: {output}")

    def kill_something(self):
        victim = self.draw.choice(("controller", "controller", "worker", "trainer", "trainer"))
        if victim == "controller":
            self.fates.kill("controller", self.server.process)
            self.restart_controller()
        elif victim == "worker":
            self.fleet.kill_worker()
        else:
            self.fleet.kill_trainer()

    def change_history(self, history, copied_from=None):
        """Starts the controller on another store. The controller must have ended; the workers go on."""
        self.check(self.server)
        for worker in self.outlivers:
            worker.gate.acquire()
        self.history.leave(self.server.data_dir)
        if copied_from:
            shutil.copytree(copied_from, self.server.data_dir)
        else:
            history.enter(self.server.data_dir)
        self.history = history
        for worker in self.outlivers:
            worker.history = history
            worker.gate.release()
        self.start_controller(self.fates.plan(CONTROLLER_POINTS))
        history.watch_all(self.server.address)

    # --- Acts

    def twin(self):
        self.fleet.start_twin()

    def restart_worker(self):
        self.fleet.restart_worker()

    def back_up(self):
        """Makes a backup and examines it. It must hold everything that was acknowledged before the request."""
        answers = []

        def made():
            mark = self.history.mark("")
            request = admin_service_pb2.CreateBackupRequest()
            path = self.api.call("CreateBackup", request, timeout_s=BACKUP_DEADLINE_S).backup.path
            answers.append(mark.of(path))

        self.persistently(made)
        (mark,) = answers
        self.marks[self.history] = mark
        self.audit(self.new_history(mark, self.history), mark.path, "backup")

    def restore(self):
        """Kills the controller and starts it on a copy of the latest backup."""
        lost, mark = self.history, self.marks[self.history]
        self.fates.kill("controller", self.server.process, "for a restore")
        self.change_history(self.new_history(mark, lost), copied_from=mark.path)
        self.examine(self.history.unended())
        self.give_up(lost)
        shutil.rmtree(mark.path)

    def give_up(self, history):
        """Examines and deletes the store of a history that never runs again."""
        self.audit(history, history.parked, "given-up")
        shutil.rmtree(history.parked)

    def swap_away(self):
        """Moves the data directory away and starts the controller on an empty one, or on one that was parked."""
        before = self.history
        older = self.parked and self.draw.random() < OLD_ONES
        self.turn_to(self.parked.pop(0) if older else self.new_history())
        self.parked.append(before)
        if len(self.parked) > PARKED:
            self.give_up(self.parked.pop(0))
        self.keep_searches_running()

    def swap_back(self):
        """Returns to the history before swap_away()."""
        history = self.parked.pop()
        self.parked.append(self.history)
        self.turn_to(history)

    def turn_to(self, history):
        if self.draw.random() < 0.5:
            self.fates.kill("controller", self.server.process, "for a swap")
        else:
            self.fates.ended("controller", self.server.process, self.server.stop())
        self.change_history(history)
        self.examine(history.unended())

    def act(self, act):
        getattr(self, act)()
        self.acts[act] += 1

    def audit(self, history, folder, name):
        """Examines a copy of a store that the fleet does not work for. A controller may change what it opens."""
        copy = harness.Controller(self.test, data_dir=self.test.path(f"{name}-copy"), name=name)
        shutil.copytree(folder, copy.data_dir)
        self.check(copy)
        copy.start()
        api = harness.Client(copy.address)
        candidates = {search: api.candidates(search) for search in history.searches}
        self.findings.add(history.examine(history.known(history.searches), candidates))
        api.close()
        copy.kill()
        shutil.rmtree(copy.data_dir)
        self.problems += history.faults()

    # --- The end

    def end_all(self):
        """Runs every history until all of its searches have ended."""
        self.fates.over = True
        while True:
            self.end_searches()
            if not self.parked:
                break
            self.turn_to(self.parked.pop(0))
        for worker in self.outlivers:
            worker.stop()
        self.fleet.end()
        self.server.kill()
        self.check(self.server)

    def end_searches(self):
        history = self.history
        harness.wait_for(lambda: self.restart_what_died() or not history.unended(), f"the end of {history}", 600)
        candidates = self.examine(history.searches)
        for name, planned in history.searches.items():
            search = self.persistently(lambda n=name: self.api.search(n))
            if search.state != search_pb2.SEARCH_STATE_SUCCEEDED:
                self.problems.append(f"{history}: {name} ended in state {search.state}: {search.state_reason}")
            if planned.table:
                if {found.state for found in candidates[name]} != {SUCCEEDED}:
                    self.problems.append(f"{history}: {name} has candidates that have not succeeded")
                if self.persistently(lambda n=name: self.api.buckets(n)) != planned.table:
                    self.problems.append(f"{history}: the final table of {name} differs from the reference")
        self.problems += history.faults()


class ChaosTest(harness.IntegrationTest):

    def test_kills_restores_and_swaps_lose_and_double_nothing(self):
        print(f"{KILLS} kills, seed {SEED}", flush=True)
        begin = time.monotonic()
        chaos = Chaos(self, SEED)
        plan, next_cycle, next_progress = [], 0, PROGRESS
        while chaos.kill_count() < KILLS or plan:
            if not plan and chaos.kill_count() >= next_cycle:
                moments = sorted(chaos.draw.sample(range(next_cycle, next_cycle + CYCLE), len(ORDERS[0])))
                plan = list(zip(moments, chaos.draw.choice(ORDERS)))
                next_cycle += CYCLE
            if chaos.kill_count() >= next_progress:
                print(f"{chaos.kill_count()} kills after {time.monotonic() - begin:.0f} s", flush=True)
                next_progress += PROGRESS
            chaos.keep_searches_running()
            time.sleep(chaos.draw.uniform(0, PAUSE_S))
            chaos.restart_what_died()
            if plan and chaos.kill_count() >= min(plan[0][0], KILLS):
                chaos.act(plan.pop(0)[1])
            if chaos.kill_count() < KILLS:
                chaos.kill_something()
        chaos.end_all()

        findings, acts = chaos.findings, chaos.acts
        print(f"{chaos.kill_count()} kills in {time.monotonic() - begin:.0f} s: {dict(sorted(chaos.kills.items()))}")
        twice = findings.twice + [found for worker in chaos.outlivers for found in worker.twice]
        swaps = acts["swap_away"] + acts["swap_back"]
        refused = sum(worker.refused for worker in chaos.outlivers)
        print(
            f"{chaos.kill_count()} kills, {acts['restore']} restores, {swaps} swaps, {acts['twin']} twins, "
            f"{acts['restart_worker']} restarts under the same id; {chaos.histories} stores, {chaos.created} searches, "
            f"{refused} reports refused; {findings.checked} results checked, {len(findings.wrong)} wrong, "
            f"{len(findings.lost)} lost, {len(twice)} twice",
            flush=True,
        )
        self.assertEqual(findings.wrong, [])
        self.assertEqual(findings.lost, [])
        self.assertEqual(twice, [])
        self.assertEqual(findings.given_up, [])
        self.assertEqual(chaos.problems + chaos.fates.faults, [])
        self.assertEqual([fault for worker in chaos.outlivers for fault in worker.faults], [])
        self.assertGreater(min(acts[act] for act in ORDERS[0]), 0)


if __name__ == "__main__":
    harness.main()
