"""A Slurm of one node for a test, in its folder and on loopback. It runs munged, slurmctld and slurmd of Debian's
slurm-wlm, with two partitions; `urgent` pre-empts `spare`. Needs root."""

import os
import shutil
import socket
import subprocess

import harness

# The number of processors that the node is configured with, whatever it has.
CPUS = 2

_CONFIGURATION = """\
ClusterName=layernas
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
AuthType=auth/munge
# A job that is queued again waits until its old credentials have run out.
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/slurm-state
SlurmdSpoolDir={folder}/slurm-spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
MailProg=/bin/true
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=30
ReturnToService=2
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=4096 State=UNKNOWN
PartitionName=spare Nodes={host} PriorityTier=1 Default=YES MaxTime=INFINITE
PartitionName=urgent Nodes={host} PriorityTier=10 PreemptMode=OFF MaxTime=INFINITE
"""


def why_not():
    """Returns why Slurm cannot run here; empty if it can."""
    for program in ("munged", "slurmctld", "slurmd", "sbatch", "squeue"):
        if not shutil.which(program, path=_PATH):
            return f"{program} is missing: scripts/install-deps --test"
    if os.geteuid() != 0:
        return "slurmd needs root"
    # For example in a bare chroot.
    if not os.path.ismount("/sys/fs/cgroup"):
        return "slurmd does not start without control groups, and none are mounted at /sys/fs/cgroup"
    return ""


# Debian installs the daemons in sbin, which may not be on the PATH.
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"


class Slurm:
    """Jobs find the tested programs on their PATH."""

    def __init__(self, test):
        self._test = test
        self._environment = {
            "SLURM_CONF": test.path("slurm.conf"),
            "PATH": f"{harness.BIN}:{_PATH}",
            "TMPDIR": test.folder,
        }
        self._host = socket.gethostname().split(".")[0]
        for folder in ("slurm-state", "slurm-spool"):
            os.mkdir(test.path(folder))
        ports = {"controller_port": harness.free_port(), "node_port": harness.free_port()}
        text = _CONFIGURATION.format(folder=test.folder, host=self._host, cpus=CPUS, **ports)
        test.write("slurm.conf", text)
        with open(test.path("munge.key"), "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(os.urandom(128))
        self._spawn(
            "munged",
            "--foreground",
            # The parent folders are open to everyone, like /tmp.
            "--force",
            f"--socket={test.path('munge.socket')}",
            f"--key-file={test.path('munge.key')}",
            f"--pid-file={test.path('munged.pid')}",
            f"--seed-file={test.path('munged.seed')}",
            f"--log-file={test.path('munged-own.log')}",
        )
        harness.wait_for(lambda: os.path.exists(test.path("munge.socket")), "munged")
        self._spawn("slurmctld", "-D", "-i", "-f", test.path("slurm.conf"))
        self._spawn("slurmd", "-D", "-N", self._host, "-f", test.path("slurm.conf"))
        harness.wait_for(lambda: set(self._run("sinfo", "-h", "-o", "%T", check=False).split()) == {"idle"}, "the node")

    def _spawn(self, program, *arguments):
        process = self._test.spawn(program, shutil.which(program, path=_PATH), *arguments, environment=self._environment)
        # Before the test's folder is deleted. Each process ends its own children.
        self._test.addCleanup(process.stop)

    def _run(self, *command, environment=None, check=True):
        done = subprocess.run(
            command,
            cwd=self._test.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **self._environment, **(environment or {})},
            timeout=harness.PATIENCE_S,
            check=False,
            text=True,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: {done.stdout}")
        return done.stdout

    def submit(self, *arguments, environment=None):
        """Runs sbatch. Returns the job's id."""
        return self._run("sbatch", "--parsable", *arguments, environment=environment).strip()

    def cancel(self, job):
        self._run("scancel", job)

    def signal(self, job, name):
        """Sends the signal only to the job's shell, as for #SBATCH --signal=B:NAME."""
        self._run("scancel", f"--signal={name}", "--batch", job)

    def states(self, job):
        """Returns {task of the array: state} of what is in the queue; the task of a plain job is "N/A"."""
        lines = self._run("squeue", "-h", "-r", "-j", job, "-o", "%K %T", check=False).splitlines()
        return dict(line.split() for line in lines if len(line.split()) == 2)
