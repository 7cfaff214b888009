"""Run the workflow through a real Slurm: requests, results and failures."""

import itertools
import os
import re
import time
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from tests.slurm.cluster import Job, wait_until
from tests.slurm.conftest import HELD, OVERLAY, RETRAINED, STUDY, Submitter, same_artefacts

# The edits of profiles/slurm for the test cluster. Jobs compute on the CPU, because the GPU that Slurm assigns is not
# real.
EDITS = {
    "# slurm-partition-config: partitions.yaml": "slurm-partition-config: partitions.yaml",
    "# set-resources:": "set-resources:",
    "{ gpu_model: a100 }": "{ gpu_model: pretended, device: cpu }",
}
PARTITIONS = {"main": {"max_runtime": 600}, "gpus": {"max_runtime": 600, "max_gpu": 1}}

GPU = "gres:gpu:pretended:1"
# CPUs, memory, time, GPUs, partition. For a group: the largest request of its jobs, and the sum of their times.
REQUESTS = {
    "split_dataset": ("2", "4000M", "01:00:00", "", "main"),
    "train_victim": ("1", "4000M", "04:00:00", GPU, "gpus"),
    "attack_victim": ("1", "6000M", "02:00:00", GPU, "gpus"),
    "judge_victim": ("1", "4000M", "01:00:00", GPU, "gpus"),
    "modified_export_modified_measure_modified": ("1", "4000M", "01:00:00", GPU, "gpus"),
}


def edit_profile(folder: Path) -> None:
    profile = folder / "profiles/slurm/profile.yaml"
    text = profile.read_text()
    for old, new in EDITS.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    profile.write_text(re.sub(r"^#   (\w+: [&*]gpu)", r"  \1", text, flags=re.MULTILINE))
    (folder / "profiles/slurm/partitions.yaml").write_text(yaml.safe_dump({"partitions": PARTITIONS}))


def request(job: Job) -> tuple[str, ...]:
    return job["NumCPUs"], job["MinMemoryNode"], job["TimeLimit"], job.gpus, job["Partition"]


@pytest.fixture(scope="module")
def submitted(submitter: Submitter) -> list[Job]:
    """Submit a whole study and a second training job, and return the jobs."""
    edit_profile(submitter.project.folder)
    submitter.run(*OVERLAY, "--set-threads", "split_dataset=2", "--", *STUDY)
    return submitter.cluster.jobs()


def test_the_artefacts_equal_those_of_a_local_run(here, submitter, submitted):
    endings = (".safetensors", ".parquet", ".png", ".pdf", ".md", ".html")
    assert same_artefacts(here, submitter.project, *endings) > 500
    table = "tables/fgsm_sweep.csv"
    assert (submitter.project.results / table).read_bytes() == (here.results / table).read_bytes()
    assert submitter.project.outdated(*OVERLAY, "--", *STUDY) == set()


def test_each_job_requests_the_resources_of_its_rule(submitted):
    assert {job.made_of: request(job) for job in submitted} == REQUESTS


def test_small_jobs_are_not_submitted(submitted):
    # Two victims are trained, and one of them is attacked with FGSM and with noise.
    assert sorted(job.made_of for job in submitted) == sorted([*REQUESTS, "train_victim", "attack_victim"])


def test_two_jobs_never_share_the_gpu(submitted):
    jobs = sorted((job for job in submitted if job.gpus), key=lambda job: job["StartTime"])
    waited = 0
    for earlier, later in itertools.pairwise(jobs):
        assert earlier["EndTime"] <= later["StartTime"]
        waited += later["SubmitTime"] < earlier["EndTime"]
    assert waited > 0, "no job was ready while another had the GPU, so this tested nothing"


def events(hold: Path) -> list[str]:
    noted = hold / "events"
    return noted.read_text().splitlines() if noted.exists() else []


def attacking(folder: Path) -> set[Path]:
    """Return the processes that run an attack in a folder, without their supervisors."""
    program = [os.fsencode(folder / "scripts"), b"attack"]
    parents = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has just ended
            if (process / "cmdline").read_bytes().split(b"\0")[1:3] == program:
                parents[process] = Path("/proc") / stat(process)[1]
    return {process for process, parent in parents.items() if parent in parents}


def stat(process: Path) -> list[str]:
    """Return the fields of /proc/<pid>/stat from the state on: see `man 5 proc`."""
    return (process / "stat").read_text().rpartition(") ")[2].split()


def at_rest(process: Path) -> bool:
    """Whether the process sleeps at every check, so that it waits for something other than a processor."""
    for _ in range(30):
        if stat(process)[0] != "S":
            return False
        time.sleep(0.1)
    return True


@pytest.fixture
def hold(tmp_path) -> Path:
    """Return the folder in which a held attack logs its events and waits for the file `go`."""
    folder = tmp_path / "hold"
    folder.mkdir()
    return folder


def test_cancelled_jobs_and_jobs_out_of_time_are_retried(here, submitter, submitted, hold):
    """On a cluster without GPUs, a training is cancelled after an epoch, and an attack reaches its time limit."""
    cluster, project = submitter.cluster, submitter.project
    checkpoint = (project.folder / RETRAINED).with_name("checkpoint.safetensors")

    def jobs_of(rule: str) -> list[Job]:
        return [job for job in submitter.cluster.jobs() if job.made_of == rule and job not in submitted]

    call = (*OVERLAY, "--config", "device=cpu", "--", RETRAINED, HELD["lenet"])
    with submitter.started(*call, FOOLFLOW_HOLD=str(hold)) as process:
        wait_until(checkpoint.exists, "a first epoch")
        cluster.cancel(*jobs_of("train_victim"))
        wait_until(lambda: events(hold), "the attack has started")
        # Slurm refuses a time that has passed by the time the request arrives.
        cluster.call("scontrol", "update", f"JobId={jobs_of('attack_victim')[0].number}", "EndTime=now+10")
        wait_until(lambda: jobs_of("attack_victim")[0]["JobState"] == "TIMEOUT", "its time is over")
        (hold / "go").touch()
    assert process.returncode == 0, submitter.log[-5000:]

    assert [job["JobState"] for job in jobs_of("train_victim")] == ["CANCELLED", "COMPLETED"]
    assert [job["JobState"] for job in jobs_of("attack_victim")] == ["TIMEOUT", "COMPLETED"]
    assert request(jobs_of("attack_victim")[1])[1:4] == ("12000M", "04:00:00", "")
    assert "resumed after epoch" in (project.results / "logs/victims/digits/lenet/none/1.log").read_text()
    for name in (RETRAINED, HELD["lenet"]):
        assert (project.folder / name).read_bytes() == (here.folder / name).read_bytes(), name
    assert not checkpoint.exists()


def test_snakemake_is_killed_and_restarted_while_its_job_still_runs(here, submitter, submitted, hold):
    """The restarted Snakemake does not know about the running job, so it submits it again.

    The second job waits for the first one and uses its outputs.
    """
    cluster, project = submitter.cluster, submitter.project
    call = (*OVERLAY, "--config", "device=cpu", "--", HELD["MLP"])
    with submitter.started(*call, FOOLFLOW_HOLD=str(hold)) as process:
        wait_until(lambda: events(hold), "the attack has started")
        process.kill()
    orphan, first = cluster.jobs()[-1], attacking(project.folder)
    assert orphan.running
    assert len(first) == 1

    submitter.run(*OVERLAY, "--unlock")
    with submitter.started(*call, FOOLFLOW_HOLD=str(hold)) as process:
        wait_until(lambda: attacking(project.folder) - first, "a second job has come to the attack")
        (other,) = attacking(project.folder) - first
        wait_until(lambda: at_rest(other), "it waits")
        (hold / "go").touch()
    assert process.returncode == 0, submitter.log[-5000:]

    assert cluster.jobs()[-1] != orphan
    assert events(hold) == [f"start {orphan.number}", f"end {orphan.number}"], (
        "the second job uses the outputs of the first"
    )
    assert (project.folder / HELD["MLP"]).read_bytes() == (here.folder / HELD["MLP"]).read_bytes()
    assert not list(project.results.rglob("*.partial*"))
    assert project.outdated(*OVERLAY, "--", HELD["MLP"]) == set()
