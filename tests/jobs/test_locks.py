"""Two processes on one artefact: one after the other, and the second does not do again what the first has done."""

import itertools
import os
import signal
import subprocess
import sys
import time

import pytest

HOLDER = """
import sys, time
from pathlib import Path
from foolflow.jobs.locks import only_job_on
output, job, seconds, fails = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4] == "fails"
with only_job_on(output, job) as made_meanwhile:
    print(f"in {time.monotonic()} {made_meanwhile}", flush=True)
    time.sleep(seconds)
    print(f"out {time.monotonic()}", flush=True)
    if fails:
        sys.exit(1)
"""


def start(output, job="job", seconds=0.5, fails="well"):
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(output), job, str(seconds), fails], stdout=subprocess.PIPE, text=True
    )


def entered(process):
    """Whether it found the work done, once it is in."""
    for line in process.stdout:
        if line.startswith("in "):
            return line.split()[2] == "True"
    raise AssertionError("it never came in")


def test_the_second_waits_and_learns_that_the_same_was_made(tmp_path):
    output = tmp_path / "new" / "weights.safetensors"
    first = start(output)
    assert entered(first) is False
    second = start(output)
    assert entered(second) is True
    assert first.wait() == second.wait() == 0
    assert list(output.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("job", "fails"), [("another job", "well"), ("job", "fails"), ("", "well")], ids=["other", "failed", "untold"]
)
def test_the_second_makes_what_the_first_did_not(tmp_path, job, fails):
    first = start(tmp_path / "x", job="" if job == "" else "job", fails=fails)
    assert entered(first) is False
    second = start(tmp_path / "x", job=job)
    assert entered(second) is False
    assert first.wait() == (1 if fails == "fails" else 0)
    assert second.wait() == 0
    assert list(tmp_path.iterdir()) == []


def test_a_killed_job_leaves_no_lock_behind(tmp_path):
    first = start(tmp_path / "x", seconds=60)
    entered(first)
    second = start(tmp_path / "x", seconds=0)
    time.sleep(0.2)
    os.kill(first.pid, signal.SIGKILL)
    assert entered(second) is False
    assert second.wait(timeout=10) == 0
    assert first.wait() == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == []


def test_of_many_no_two_are_ever_inside(tmp_path):
    """Lock files are removed and made again while others wait: the time that breaks a careless lock."""
    many = [start(tmp_path / "x", job=f"job {number}", seconds=0.02) for number in range(12)]
    spans = []
    for process in many:
        lines = [line.split() for line in process.communicate()[0].splitlines()]
        times = [float(words[1]) for words in lines if words[0] in ("in", "out")]
        assert process.returncode == 0
        spans.append(times)
    spans.sort()
    assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(spans))
    assert list(tmp_path.iterdir()) == []
