"""A real Slurm with one node: munged, slurmctld and slurmd on this machine's loopback, with all files in one folder."""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.waiting import wait_for

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")
PACKAGES = "slurmctld slurmd slurm-client munge"
DAEMONS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # on Debian: sbin, which users lack

# CPUs and memory are simulated, so that jobs wait only for the one GPU, which is a device that no program opens.
# MinJobAge: finished jobs stay visible.
SLURM_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmctldPort={controller_port}
SlurmdPort={node_port}
StateSaveLocation={folder}/controller
SlurmdSpoolDir={folder}/node
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
MailProg=/bin/true
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
EnforcePartLimits=ALL
MinJobAge=86400
KillWait=2
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=64000 Gres=gpu:pretended:1 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=gpus Nodes=ALL MaxTime=INFINITE State=UP
"""
GRES_CONF = "NodeName={host} Name=gpu Type=pretended File=/dev/null\n"

# The plugin removes SLURM_CONF from a job's environment before it calls srun. Elsewhere, srun reads /etc/slurm.
SRUN = """\
#!/bin/sh
SLURM_CONF={folder}/slurm.conf exec {srun} "$@"
"""


def missing_programs() -> list[str]:
    return [program for program in PROGRAMS if shutil.which(program, path=DAEMONS) is None]


def wait_until(condition: Callable[[], object], what: str, seconds: float = 300) -> None:
    assert wait_for(condition, seconds), f"after {seconds:.0f} s still waiting for: {what}"


@dataclass(frozen=True)
class Job:
    """A job as slurmctld describes it, running or finished."""

    fields: dict[str, str]

    def __getitem__(self, name: str) -> str:
        return self.fields[name]

    @property
    def number(self) -> int:
        return int(self["JobId"])

    @property
    def made_of(self) -> str:
        """The rule of the job; for a group job, the group and its rules."""
        return self["Comment"].partition("_wildcards_")[0].removeprefix("rule_")

    @property
    def gpus(self) -> str:
        """The requested GPUs; empty for none, including a request for 0 GPUs of a model."""
        asked = self.fields.get("TresPerJob", "")
        return "" if asked.endswith(":0") else asked

    @property
    def running(self) -> bool:
        return self["JobState"] == "RUNNING"


@dataclass(frozen=True)
class Cluster:
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a shell that can reach this cluster."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": f"{self.folder / 'bin'}:{DAEMONS}"}

    def call(self, *command: str) -> str:
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{command}: {done.stderr}{done.stdout}"
        return done.stdout

    def jobs(self) -> list[Job]:
        """Return all jobs so far, oldest first."""
        lines = self.call("scontrol", "--oneliner", "show", "job").splitlines()
        jobs = [Job(dict(item.split("=", 1) for item in line.split() if "=" in item)) for line in lines]
        return sorted((job for job in jobs if "JobId" in job.fields), key=lambda job: job.number)

    def cancel(self, *jobs: Job) -> None:
        self.call("scancel", *(str(job.number) for job in jobs))


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def running_daemon(folder: Path, *command: str, **environment: str) -> Iterator[None]:
    with (folder / f"{command[0]}.out").open("w") as output:
        program = shutil.which(command[0], path=DAEMONS)
        daemon = subprocess.Popen(
            [str(program), *command[1:]], env={"PATH": DAEMONS, **environment}, stdout=output, stderr=output
        )
    try:
        yield
    finally:
        daemon.terminate()
        try:
            daemon.wait(20)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


@contextmanager
def running_cluster(folder: Path) -> Iterator[Cluster]:
    """Start the daemons and wait for the node. At the end of the block, stop everything, including jobs."""
    assert len(str(folder)) < 80, f"{folder}: too long for the path of a socket; choose a shorter --basetemp"
    controller_port, node_port = free_ports(2)
    values = {
        "folder": folder,
        "host": socket.gethostname().partition(".")[0],
        "user": subprocess.check_output(["id", "-un"], text=True).strip(),
        "controller_port": controller_port,
        "node_port": node_port,
        "srun": shutil.which("srun", path=DAEMONS),
    }
    for name in ("controller", "node", "bin"):
        (folder / name).mkdir()
    (folder / "slurm.conf").write_text(SLURM_CONF.format(**values))
    (folder / "gres.conf").write_text(GRES_CONF.format(**values))
    (folder / "bin/srun").write_text(SRUN.format(**values))
    (folder / "bin/srun").chmod(0o755)
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o600)

    cluster = Cluster(folder)
    files = {"socket": "socket", "key-file": "key", "seed-file": "seed", "log-file": "log", "pid-file": "pid"}
    munge = [f"--{option}={folder}/munge.{ending}" for option, ending in files.items()]
    configured = {"SLURM_CONF": str(folder / "slurm.conf")}
    with ExitStack() as stack:
        # --force: munged expects a folder that others can read, but pytest's folders are private. That is fine here.
        stack.enter_context(running_daemon(folder, "munged", "--foreground", "--force", "--origin=127.0.0.1", *munge))
        wait_until((folder / "munge.socket").exists, "munged answers")
        stack.enter_context(running_daemon(folder, "slurmctld", "-D", "-c", **configured))
        stack.enter_context(running_daemon(folder, "slurmd", "-D", **configured))
        wait_until(lambda: _node_is_idle(cluster), "the node is idle")
        stack.callback(_end_all_jobs, cluster)
        yield cluster


def _node_is_idle(cluster: Cluster) -> bool:
    command = ["sinfo", "--noheader", "--partition=main", "--format=%t"]
    done = subprocess.run(command, env=cluster.environment, capture_output=True, text=True)
    return done.stdout.strip() == "idle"


def _end_all_jobs(cluster: Cluster) -> None:
    left = [job for job in cluster.jobs() if job["JobState"] in ("PENDING", "RUNNING", "SUSPENDED", "COMPLETING")]
    if left:
        cluster.cancel(*left)
        wait_until(lambda: _node_is_idle(cluster), "the node is idle after its jobs were cancelled")
