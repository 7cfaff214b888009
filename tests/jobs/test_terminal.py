"""Output of a job goes to its log, except the lines for the terminal."""

import os
import subprocess
import sys

import pytest

from foolflow.jobs import terminal

JOB = """
import subprocess, sys
from pathlib import Path
from foolflow.jobs.terminal import print_to_terminal, redirect_to
print("before")
redirect_to(Path("logs/deep/job.log"))
print("from Python")
sys.stdout.flush()
subprocess.run(["sh", "-c", "echo from a child; echo its error >&2"], check=True)
print("error", file=sys.stderr)
print_to_terminal("watch this")
"""


def test_only_lines_for_the_terminal_do_not_go_to_the_log(tmp_path):
    done = subprocess.run([sys.executable, "-c", JOB], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("before\n", "watch this\n")
    log = (tmp_path / "logs/deep/job.log").read_text()
    assert log.splitlines() == ["from Python", "from a child", "its error", "error"]


def test_each_run_starts_a_new_log(tmp_path):
    for _ in range(2):
        subprocess.run([sys.executable, "-c", JOB], cwd=tmp_path, capture_output=True, check=True)
    assert (tmp_path / "logs/deep/job.log").read_text().count("from Python") == 1


def test_without_a_log_lines_for_the_terminal_are_dropped(capfd):
    assert terminal._terminal is None
    terminal.print_to_terminal("line")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("hung_up", [False, True], ids=["closed", "nobody_reads"])
def test_a_closed_terminal_does_not_stop_the_job(monkeypatch, hung_up):
    reading, writing = os.pipe()
    os.close(reading)
    if not hung_up:
        os.close(writing)
    monkeypatch.setattr(terminal, "_terminal", writing)
    terminal.print_to_terminal("line")
    assert terminal._terminal is None
    terminal.print_to_terminal("line")
    if hung_up:
        os.close(writing)
