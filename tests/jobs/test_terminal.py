"""What a job prints goes to its log, except the lines for whoever started the workflow."""

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


def test_everything_goes_to_the_log_and_a_line_for_the_terminal_does_not(tmp_path):
    done = subprocess.run([sys.executable, "-c", JOB], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("before\n", "watch this\n")
    log = (tmp_path / "logs/deep/job.log").read_text()
    assert log.splitlines() == ["from Python", "from a child", "its error", "error"]


def test_a_log_starts_anew_with_each_run(tmp_path):
    for _ in range(2):
        subprocess.run([sys.executable, "-c", JOB], cwd=tmp_path, capture_output=True, check=True)
    assert (tmp_path / "logs/deep/job.log").read_text().count("from Python") == 1


def test_without_a_log_there_is_no_other_place_to_print_to(capfd):
    assert terminal._terminal is None
    terminal.print_to_terminal("line")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("hung_up", [False, True], ids=["closed", "nobody_reads"])
def test_a_closed_terminal_is_no_reason_to_stop(monkeypatch, hung_up):
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
