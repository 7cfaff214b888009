"""The process that supervises a job: it explains the signal that ended the job, and forwards signals to it."""

import os
import signal
import subprocess
import sys
import time

import pytest

from foolflow.jobs.supervision import CRASHED, KILLED

START = "import os, signal, sys, time\nfrom foolflow.jobs.supervision import continue_in_child\ncontinue_in_child()\n"
HANDLES = """
def end(number, frame):
    print(f"received {number}", flush=True)
    sys.exit(7)

for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, end)
print(os.getpid(), os.getppid(), flush=True)
time.sleep(60)
"""


def run(code):
    return subprocess.run([sys.executable, "-c", START + code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("code", [0, 1, 3])
def test_the_exit_status_of_the_job_is_kept(code):
    done = run(f"print('at work'); sys.exit({code})")
    assert (done.returncode, done.stdout, done.stderr) == (code, "at work\n", "")


def test_a_killed_job_is_explained():
    done = run("os.kill(os.getpid(), signal.SIGKILL)")
    assert done.returncode == 128 + signal.SIGKILL
    assert done.stderr == f"error: {KILLED}\n"


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS])
def test_the_explanation_of_a_crash_follows_the_line_that_crashed(number):
    done = run(f"os.kill(os.getpid(), {int(number)})")
    assert done.returncode == 128 + number
    *trace, last = done.stderr.splitlines()
    assert last == f"error: {CRASHED}"
    assert any(line.startswith("Fatal Python error") for line in trace)
    assert any(f'File "<string>", line {START.count(chr(10)) + 1}' in line for line in trace)


def test_a_signal_from_outside_needs_no_explanation():
    done = run("os.kill(os.getpid(), signal.SIGTERM)")
    assert (done.returncode, done.stderr) == (128 + signal.SIGTERM, "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_is_passed_on_to_the_job(number):
    supervisor = subprocess.Popen([sys.executable, "-c", START + HANDLES], stdout=subprocess.PIPE, text=True)
    job, parent = map(int, supervisor.stdout.readline().split())
    assert parent == supervisor.pid != job
    supervisor.send_signal(number)
    assert supervisor.communicate(timeout=10)[0] == f"received {int(number)}\n"
    assert supervisor.returncode == 7
    assert not _is_running(job)


def _is_running(pid):
    for _ in range(20):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.05)
    return True


def test_the_programs_run_under_supervision(root):
    """`python scripts` names an unknown program and keeps the exit status of one that fails."""
    scripts = [sys.executable, str(root / "scripts")]
    unknown = subprocess.run([*scripts, "unknown"], capture_output=True, text=True, check=False)
    assert unknown.returncode == 1
    assert unknown.stderr.startswith("usage: python scripts {attack,")
    missing = subprocess.run([*scripts, "verify"], capture_output=True, text=True, check=False)
    assert missing.returncode == 2
    assert "verify.py: error: the following arguments are required: --results" in missing.stderr
