"""Two processes with the same output run one after the other."""

import itertools
import os
import signal
import subprocess
import sys

import pytest

from foolflow.jobs import locks
from foolflow.jobs.locks import only_job_on

HOLDER = """
import sys, time
from pathlib import Path
from foolflow.jobs.locks import only_job_on
output, seconds, fails = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "fails"
with only_job_on(output) as waited:
    print(f"in {time.monotonic()} {waited}", flush=True)
    sys.stdin.readline() if seconds == "until told" else time.sleep(float(seconds))
    print(f"out {time.monotonic()}", flush=True)
    if fails:
        sys.exit(1)
"""


@pytest.fixture
def start(tmp_path):
    """Start a process that holds an output, in the folder of the test."""

    def started(output="weights", seconds="until told", fails="works"):
        command = [sys.executable, "-c", HOLDER, str(output), str(seconds), fails]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        return subprocess.Popen(command, cwd=tmp_path, text=True, **pipes)

    return started


def entered(process):
    """Wait until the process holds its output; return whether it had to wait."""
    for line in process.stdout:
        if line.startswith("in "):
            return line.split()[2] == "True"
    raise AssertionError("the process ended without holding its output")


def end_while_it_waits(first, second):
    """Let the first process end as soon as the second one waits for it."""
    assert "waiting for that job to end" in second.stdout.readline()
    first.communicate("go\n")


def files_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("fails", ["works", "fails"])
def test_the_second_process_waits_and_knows_it(start, tmp_path, fails):
    first = start("new/weights.safetensors", fails=fails)
    assert entered(first) is False
    second = start("new/weights.safetensors", seconds=0)
    end_while_it_waits(first, second)
    assert entered(second) is True
    assert (first.wait(), second.wait()) == (int(fails == "fails"), 0)
    assert files_in(tmp_path) == [".snakemake"]


def test_different_spellings_of_a_path_are_one_output(start, tmp_path):
    first = start("weights")
    assert entered(first) is False
    second = start(tmp_path / "weights", seconds=0)
    end_while_it_waits(first, second)
    assert entered(second) is True
    assert first.wait() == second.wait() == 0


def test_processes_with_other_outputs_do_not_wait(start):
    first = start("weights")
    entered(first)
    assert entered(start("history", seconds=0)) is False
    first.kill()
    first.wait()


def test_a_waiting_process_reports_it(start):
    first = start()
    entered(first)
    second = start(seconds=0)
    assert second.stdout.readline() == "weights: another job is producing it; waiting for that job to end\n"
    first.kill()
    assert second.wait(timeout=10) == 0
    first.wait()


def test_a_killed_job_leaves_no_lock_behind(start, tmp_path):
    first = start()
    entered(first)
    second = start(seconds=0)
    assert "waiting" in second.stdout.readline()
    os.kill(first.pid, signal.SIGKILL)
    assert entered(second) is True
    assert second.wait(timeout=10) == 0
    assert first.wait() == -signal.SIGKILL
    assert files_in(tmp_path) == [".snakemake"]


def test_no_two_of_many_processes_hold_the_lock_at_once(start, tmp_path):
    many = [start(seconds=0.02) for _ in range(12)]
    spans = []
    for process in many:
        lines = [line.split() for line in process.communicate()[0].splitlines()]
        times = [float(words[1]) for words in lines if words[0] in ("in", "out")]
        assert process.returncode == 0
        spans.append(times)
    spans.sort()
    assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(spans))
    assert files_in(tmp_path) == [".snakemake"]


def test_a_job_runs_without_a_lock_if_locks_are_not_supported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".snakemake").write_text("a file where the folder should be")
    with only_job_on(tmp_path / "weights") as waited:
        assert waited is False
    monkeypatch.setattr(locks, "FOLDER", tmp_path / "locks")

    def unsupported(*args, **options):
        raise NotImplementedError("FileSystem does not appear to support flock")

    monkeypatch.setattr(locks.FileLock, "acquire", unsupported)
    with only_job_on(tmp_path / "weights") as waited:
        assert waited is False
