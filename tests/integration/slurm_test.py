"""Runs deploy/slurm on a Slurm of one node: an array job of workers, one of which is pre-empted during a training."""

import json
import os
import subprocess
import unittest

import harness
import slurm
from layernas.v1 import search_pb2
from spaces import Space

WORKER = os.path.join(harness.REPOSITORY, "deploy/slurm/worker.sbatch")
CONTROLLER = os.path.join(harness.REPOSITORY, "deploy/slurm/controller.sbatch")
TRAININGS = 12
WHY_NOT = slurm.why_not()


@unittest.skipIf(WHY_NOT, f"{WHY_NOT}: deploy/slurm was NOT tried")
class SlurmTest(harness.IntegrationTest):

    def setUp(self):
        super().setUp()
        self.space = Space(layers=3, options=3, seed=19)
        self.table = self.space.write_table(self.path("table.csv"))
        self.slurm = slurm.Slurm(self)

    def started(self):
        """Returns the tasks whose training was started, once per start."""
        if not os.path.exists(self.path("trainings.jsonl")):
            return []
        with open(self.path("trainings.jsonl"), encoding="utf-8") as file:
            notes = [json.loads(line) for line in file if line.endswith("\n")]
        return [note["task"] for note in notes if note["event"] == "start"]

    def submit_workers(self, address):
        """Submits as many workers as the node has processors. None ends a training while the file `hold` exists."""
        evaluator = ("--table", self.table, "--log", self.path("trainings.jsonl"), "--hold-while", self.path("hold"))
        return self.slurm.submit(
            f"--array=1-{slurm.CPUS}",
            WORKER,
            *harness.exec_flags(*evaluator),
            environment={"LAYERNAS_CONTROLLER": address},
        )

    def test_flags_of_the_caller_win(self):
        """Also on a node with a GPU, here one that only its variables and tools claim to have."""
        tools = self.path("tools")
        os.mkdir(tools)
        real = os.path.join(harness.BIN, "layernas-worker")
        says = f'case " $* " in *" --print-config "*) exec {real} "$@";; esac; printf "%s\\n" "$@"'
        for name, script in (("nvidia-smi", "echo 'NVIDIA Test'"), ("layernas-worker", says)):
            path = os.path.join(tools, name)
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"#!/bin/sh\n{script}\n")
            os.chmod(path, 0o755)
        environment = {
            "PATH": f"{tools}:{os.environ['PATH']}", "HOME": self.folder, "SLURMD_NODENAME": "n1", "SLURM_JOB_PARTITION": "p",
            "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "1", "SLURM_JOB_USER": "ann", "SLURM_CPUS_PER_TASK": "3",
        }
        gpu = {"CUDA_VISIBLE_DEVICES": "0"}
        file = self.write("worker.yaml", "command: sh\nslots: 4\n")

        def flags(*given, with_labels=False, **variables):
            done = subprocess.run(["bash", WORKER, *given], env={**environment, **variables}, capture_output=True, text=True,
                                  timeout=harness.PATIENCE_S, check=True)
            said = done.stdout.splitlines()
            options = ("--id", "--slots", "--evaluator-grace", "--command", *(["--label"] if with_labels else []))
            return {option: [said[at + 1] for at, word in enumerate(said) if word == option] for option in options}

        defaults = {"--id": ["slurm-7-1"], "--evaluator-grace": ["20s"]}
        self.assertEqual(flags(), {**defaults, "--slots": ["3"], "--command": []})
        self.assertEqual(flags(**gpu), {**defaults, "--slots": ["1"], "--command": ["layernas-trainer --device cuda"]})
        for node in ({}, gpu):
            self.assertEqual(flags("--command", "sh", "--slots", "2", "--evaluator-grace", "60s", "--id", "i", **node),
                             {"--id": ["i"], "--slots": ["2"], "--evaluator-grace": ["60s"], "--command": ["sh"]})
            self.assertEqual(flags("--config", file, **node), {**defaults, "--slots": [], "--command": []})
            self.assertEqual(flags(LAYERNAS_COMMAND="sh", LAYERNAS_SLOTS="2", **node), {**defaults, "--slots": [], "--command": []})
            tabular = flags(LAYERNAS_EVALUATOR="tabular", **node)
            self.assertEqual((tabular["--command"], tabular["--evaluator-grace"]), ([], []))
            # Labels are added to those of the caller.
            device = [f"device={'gpu' if node else 'cpu'}", *(["gpu=nvidia-test"] if node else [])]
            self.assertEqual(flags(with_labels=True, LAYERNAS_LABEL="team=a node=mine", **node)["--label"],
                             ["team=a", "node=mine", "partition=p", *device])
            self.assertEqual(sorted(flags("--label", "device=mine", with_labels=True, **node)["--label"]),
                             sorted(["device=mine", "node=n1", "partition=p", *device[1:]]))
            odd = self.write("odd.yaml", """label: ["note=a, b", 'say=x"y', 'path=c:\\d', 'both="q\\, r"']\n""")
            self.assertEqual(flags("--config", odd, with_labels=True, **node)["--label"],
                             ["note=a, b", 'say=x"y', "path=c:\\d", 'both="q\\, r"', "node=n1", "partition=p", *device])
            # Each task of the array needs its own id.
            self.assertEqual(flags(LAYERNAS_ID="shared", **node)["--id"], ["slurm-7-1"])

    def test_a_pre_empted_worker_loses_no_attempt(self):
        # A lease that is not returned lasts longer than the test, and a candidate only has one
        # attempt.
        server = self.controller("--lease-duration=600s")
        api = self.client(server)
        spec = self.space.random_spec("spare-time", trainings=TRAININGS)
        spec.evaluation.attempts = 1
        spec.evaluation.require.update({"partition": "spare", "device": "cpu"})
        search = api.create(spec).name

        self.write("hold", "")
        job = self.submit_workers(server.address)
        harness.wait_for(lambda: len(self.started()) == slurm.CPUS, "a training of each worker")
        urgent = self.slurm.submit("--partition=urgent", "--output=urgent.log", "--wrap=sleep 600")
        harness.wait_for(lambda: self.slurm.states(urgent) == {"N/A": "RUNNING"}, "the urgent job to run")
        # One worker was pre-empted and has returned its task.
        self.assertEqual(sorted(self.slurm.states(job).values()), ["PENDING", "RUNNING"])
        self.assertEqual(api.search(search).progress.leased, slurm.CPUS - 1)
        self.assertEqual(len(api.candidates(search, states=[search_pb2.CANDIDATE_STATE_QUEUED])), 1)

        self.slurm.cancel(urgent)
        harness.wait_for(lambda: len(self.started()) == slurm.CPUS + 1, "the pre-empted worker to be back")
        os.unlink(self.path("hold"))
        ended = api.wait_for_end(search)
        self.assertEqual(ended.state, search_pb2.SEARCH_STATE_SUCCEEDED, ended.state_reason)
        candidates = api.candidates(search)
        self.assertEqual(len(candidates), TRAININGS)
        for candidate in candidates:
            self.assertEqual(candidate.state, search_pb2.CANDIDATE_STATE_SUCCEEDED, candidate.name)
            self.assertEqual(list(candidate.failures), [], candidate.name)
            self.assertRegex(candidate.worker, rf"^slurm-{job}-\d$")
        # Only that one was started twice.
        self.assertEqual(len(self.started()), TRAININGS + 1)
        self.slurm.cancel(job)
        harness.wait_for(lambda: not self.slurm.states(job), "the workers to end")

    def test_a_controller_whose_time_is_up_goes_on_where_it_was(self):
        address = f"127.0.0.1:{harness.free_port()}"
        ready_file = self.path("ready.json")
        flags = (f"--listen={address}", "--metrics-listen=127.0.0.1:0", f"--ready-file={ready_file}")
        job = self.slurm.submit(CONTROLLER, self.path("controller-data"), *flags)
        harness.wait_for(lambda: os.path.exists(ready_file), "the controller to serve")
        api = harness.Client(address)
        self.addCleanup(api.close)
        search = api.create(self.space.spec("long")).name

        os.unlink(ready_file)
        self.slurm.signal(job, "USR1")
        harness.wait_for(lambda: os.path.exists(ready_file), "the controller to serve again")
        self.assertEqual(api.search(search).state, search_pb2.SEARCH_STATE_RUNNING)
        # A user who cancels the job does not want it requeued.
        self.slurm.cancel(job)
        harness.wait_for(lambda: not self.slurm.states(job), "the controller to end")


if __name__ == "__main__":
    harness.main()
