"""The real workers of a chaos run, and which processes die at a crash point."""

import os
import signal

import harness

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
# Share of the starts with a crash point set.
ARMED = 0.6


class Fates:
    """Decides which processes die at a crash point, and counts all kills."""

    def __init__(self, draw, kills):
        self._draw, self.kills = draw, kills
        # No further crash points are set.
        self.over = False
        # Messages about processes that ended in an unexpected way.
        self.faults = []

    def plan(self, points):
        """Returns the environment of a new process, which may set a crash point; None for no change."""
        if self.over or self._draw.random() > ARMED:
            return None
        point, most = self._draw.choice(points)
        return {"LAYERNAS_CRASH_AT": f"{point}:{self._draw.randint(1, most)}"}

    def died(self, what, process):
        """Records that the process ended without a signal."""
        code = process.wait()
        if code != CRASH_EXIT_CODE:
            self.faults.append(f"{process.name} ended by itself with {code}")
        self.kills[f"{what} at a crash point"] += 1

    def kill(self, what, process, when="at a random moment"):
        process.kill()
        self.kills[f"{what} at a crash point" if process.wait() == CRASH_EXIT_CODE else f"{what} {when}"] += 1

    def ended(self, what, process, code):
        """Records the exit code after SIGTERM."""
        if code == CRASH_EXIT_CODE:
            self.kills[f"{what} at a crash point"] += 1
        elif code != 0:
            self.faults.append(f"{process.name} ended with {code} when it was told to")


class Fleet:
    """Real workers with exec evaluators. They outlive all controllers."""

    def __init__(self, test, address, fates, draw):
        self._test, self._address, self._fates, self._draw = test, address, fates, draw
        trainer = ["--mode", "formula", "--delay"]
        quick = harness.exec_flags(*trainer, "0.05")
        # A training takes longer than replacing a controller, so that this worker reports to another store.
        slow = harness.exec_flags(*trainer, "1")
        self._flags = {"exec-1": ["--slots=2", *quick], "exec-2": quick, "slow": ["--slots=2", *slow]}
        self._twin_of = {}
        self.workers = {name: self._start(name) for name in self._flags}

    def _start(self, name):
        worker_id = self._twin_of.get(name, name)
        return harness.Worker(
            self._test,
            self._address,
            name,
            *self._flags[worker_id],
            environment=self._fates.plan(WORKER_POINTS),
            worker_id=worker_id,
        )

    def restart_dead(self):
        for name, worker in self.workers.items():
            if not worker.process.running():
                self._fates.died("worker", worker.process)
                self.workers[name] = self._start(name)

    def kill_worker(self):
        """Kills a worker and starts another with the same id."""
        name = self._draw.choice(sorted(self.workers))
        self._fates.kill("worker", self.workers[name].process)
        self.workers[name] = self._start(name)

    def restart_worker(self):
        """Stops a worker with SIGTERM and starts another with the same id."""
        name = self._draw.choice(sorted(self.workers))
        self._fates.ended("worker", self.workers[name].process, self.workers[name].stop())
        self.workers[name] = self._start(name)

    def start_twin(self):
        """Starts a second worker with the id of a running one, after killing the previous twin."""
        for name in list(self._twin_of):
            self._fates.kill("worker", self.workers.pop(name).process)
            del self._twin_of[name]
        original = self._draw.choice(sorted(self._flags))
        name = f"{original}-twin"
        self._twin_of[name] = original
        self.workers[name] = self._start(name)

    def kill_trainer(self):
        trainers = self._test.evaluator_processes()
        if trainers:
            try:
                os.kill(self._draw.choice(trainers), signal.SIGKILL)
                self._fates.kills["trainer at a random moment"] += 1
            except ProcessLookupError:
                pass

    def end(self):
        for worker in self.workers.values():
            worker.process.kill()
