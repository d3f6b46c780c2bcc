"""The workers of a chaos run: what they are started with, which of them are twins, and who has died."""

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
# Of how many starts it is decided that they end at a crash point.
ARMED = 0.6


class Fates:
    """Decides which processes die at a crash point, and counts all deaths."""

    def __init__(self, draw, kills):
        self._draw, self.kills = draw, kills
        # Nobody is made to die any more.
        self.over = False
        # Processes that ended otherwise than they were meant to.
        self.faults = []

    def plan(self, points):
        """The environment of a process that may be meant to die at a crash point."""
        if self.over or self._draw.random() > ARMED:
            return None
        point, most = self._draw.choice(points)
        return {"LAYERNAS_CRASH_AT": f"{point}:{self._draw.randint(1, most)}"}

    def died(self, what, process):
        """Without anybody's signal."""
        code = process.wait()
        if code != CRASH_EXIT_CODE:
            self.faults.append(f"{process.name} ended by itself with {code}")
        self.kills[f"{what} at a crash point"] += 1

    def kill(self, what, process, when="at a random moment"):
        process.kill()
        self.kills[f"{what} at a crash point" if process.wait() == CRASH_EXIT_CODE else f"{what} {when}"] += 1

    def ended(self, what, process, code):
        """After a signal that asks it to end."""
        if code == CRASH_EXIT_CODE:
            self.kills[f"{what} at a crash point"] += 1
        elif code != 0:
            self.faults.append(f"{process.name} ended with {code} when it was told to")


class Fleet:
    """Real workers with exec evaluators, which outlive all controllers."""

    def __init__(self, test, address, fates, draw):
        self._test, self._address, self._fates, self._draw = test, address, fates, draw
        trainer = ["--mode", "formula", "--delay"]
        quick = harness.exec_flags(*trainer, "0.05")
        # In the middle of a training whenever a controller is replaced, and longer than that takes.
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
        """And starts another with the same id."""
        name = self._draw.choice(sorted(self.workers))
        self._fates.kill("worker", self.workers[name].process)
        self.workers[name] = self._start(name)

    def restart_worker(self):
        """Asks one to end, and starts another with the same id."""
        name = self._draw.choice(sorted(self.workers))
        self._fates.ended("worker", self.workers[name].process, self.workers[name].stop())
        self.workers[name] = self._start(name)

    def start_twin(self):
        """A second worker with the id of one that runs; an earlier twin is killed."""
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
