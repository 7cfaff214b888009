"""Per-job GPU assignment. The GPUs are only numbers here; nothing computes on them."""

import itertools
import os
import signal
import subprocess
import sys

import pytest

from foolflow.jobs.gpus import own_gpu, visible_gpus

HOLDER = """
import os, sys, time
from foolflow.jobs.gpus import own_gpu
with own_gpu() as gpu:
    print(gpu, os.environ["CUDA_VISIBLE_DEVICES"], time.monotonic(), flush=True)
    time.sleep(float(sys.argv[1]))
    print(time.monotonic(), flush=True)
"""


@pytest.fixture
def machine(tmp_path):
    """Return a machine with two GPUs and no other jobs."""
    return os.environ | {"CUDA_VISIBLE_DEVICES": "3,GPU-5e", "TMPDIR": str(tmp_path)}


def start(machine, seconds):
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(seconds)], env=machine, stdout=subprocess.PIPE, text=True
    )


def test_no_two_jobs_share_a_gpu(machine):
    jobs = [start(machine, 0.3) for _ in range(6)]
    spans = {}
    for job in jobs:
        *_, first, last = job.communicate()[0].splitlines()
        gpu, visible, begin = first.split()
        assert job.returncode == 0
        assert visible == gpu
        spans.setdefault(gpu, []).append((float(begin), float(last)))
    for taken in spans.values():
        taken.sort()
        assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(taken))


def test_a_job_waits_while_all_gpus_are_taken_and_gets_that_of_a_killed_job(machine):
    holders = [start(machine, 60) for _ in range(2)]
    taken = [job.stdout.readline().split()[0] for job in holders]
    assert sorted(taken) == ["3", "GPU-5e"]
    third = start(machine, 0)
    assert "in use; waiting" in third.stdout.readline()
    os.kill(holders[0].pid, signal.SIGKILL)
    assert third.stdout.readline().split()[0] == taken[0]
    assert third.wait(timeout=10) == 0
    holders[1].kill()
    for job in holders:
        job.wait()


def test_jobs_within_an_allocation_of_several_gpus_do_not_share_one(machine):
    holders = [start(machine | {"SLURM_JOB_ID": job}, 60) for job in ("7", "7", "8", "8")]
    taken = [job.stdout.readline().split()[0] for job in holders]
    assert sorted(taken[:2]) == sorted(taken[2:]) == ["3", "GPU-5e"]
    for job in holders:
        job.kill()
        job.wait()


def test_the_environment_is_unchanged_under_slurm_and_without_gpus(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    with own_gpu() as gpu:
        assert gpu is None
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert visible_gpus() == []  # a Slurm job that was given none, on whatever machine
    monkeypatch.delenv("SLURM_JOB_ID")
    for hidden in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        assert visible_gpus() == []
        with own_gpu() as gpu:
            assert gpu is None
            assert os.environ["CUDA_VISIBLE_DEVICES"] == hidden


def test_the_environment_is_restored(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    with own_gpu() as gpu:
        assert (gpu, os.environ["CUDA_VISIBLE_DEVICES"]) == ("2", "2")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "2,3"
    assert "CUDA_DEVICE_ORDER" not in os.environ
