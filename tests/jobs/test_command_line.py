"""The shared part of every program: logs, records, errors, and two runs of the same job at once."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from foolflow.jobs.command_line import add_input, add_named_inputs, add_output, job_parser, named_inputs
from foolflow.jobs.error_reporting import system_error
from foolflow.workflow.code_digest import clear_cache, code_digest
from tests.waiting import wait_for

PROGRAM = """
import sys, time
from pathlib import Path
from foolflow.errors import InvalidInput
from foolflow.jobs.command_line import add_input, add_named_inputs, add_output, job_parser, run_job
from foolflow.jobs.files import write_text

def main(arguments):
    print("at work")
    sys.stdout.flush()
    while arguments.spec.get("held") and not Path("go").exists():
        time.sleep(0.01)
    if arguments.spec.get("fails") == "invalid":
        raise InvalidInput("the input is wrong; replace it")
    if arguments.spec.get("fails") == "unexpected":
        raise ZeroDivisionError("division by zero")
    if arguments.spec.get("fails") == "disk":
        raise OSError(28, "No space left on device", "/full/disk")
    write_text(arguments.made, arguments.read.read_text().upper())
    write_text(arguments.timing, str(time.time()))
    return [arguments.timing]

if __name__ == "__main__":
    parser = job_parser(__doc__)
    add_input(parser, "--read")
    add_output(parser, "--made")
    add_output(parser, "--timing")
    run_job(main, parser)
"""


@pytest.fixture
def start(tmp_path):
    """Return a function that starts the program in the folder of the test."""
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "input").write_text("words")

    running = []

    def started(spec=None, **options):
        given = {
            "spec": json.dumps(spec or {}),
            "read": "input",
            "made": "results/made",
            "timing": "results/timing",
            "code": "0000000000000000 program.py",
            "provenance": "results/provenance/job.json",
            "log": "job.log",
        }
        words = [word for name, value in (given | options).items() for word in (f"--{name}", value)]
        running.append(
            subprocess.Popen(
                [sys.executable, "program.py", *words],
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return running[-1]

    yield started
    for process in running:
        process.kill()


@pytest.fixture
def run(start):
    def ran(*arguments, **options):
        process = start(*arguments, **options)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    return ran


def test_a_job_logs_its_arguments_and_records_its_outputs(run, tmp_path):
    done = run({"a": 1})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "results/made").read_text() == "WORDS"
    log = (tmp_path / "job.log").read_text()
    assert log.startswith("program.py on ")
    assert '  spec: {"a": 1}\n' in log
    assert "  read: input\n" in log
    assert "at work\ndone in " in log
    record = json.loads((tmp_path / "results/provenance/job.json").read_text())
    assert record["config"] == {"a": 1}
    assert list(record["external"]) == ["input"]
    assert {name: sha256 is None for name, sha256 in record["outputs"].items()} == {"made": False, "timing": True}


def test_the_record_names_the_code_that_ran_even_if_the_rule_has_an_older_digest(run, tmp_path, monkeypatch):
    run(code="0000000000000000 program.py")
    record = json.loads((tmp_path / "results/provenance/job.json").read_text())
    monkeypatch.chdir(tmp_path)
    clear_cache()
    assert record["code"] == code_digest("program.py")


@pytest.mark.parametrize("change", ["replaced", "touched"])
def test_a_job_whose_input_is_replaced_while_it_runs_records_nothing(start, tmp_path, change):
    """Its outputs may come from either file. A file with another date and the same content is the same."""
    job = start({"held": True})
    wait_until(tmp_path / "job.log", says="at work")
    (tmp_path / "input").write_text("words" if change == "touched" else "other")
    os.utime(tmp_path / "input", (0, 0))
    (tmp_path / "go").touch()
    _, told = job.communicate(timeout=60)
    record = tmp_path / "results/provenance/job.json"
    if change == "replaced":
        assert told == "results/made: error: input changed while the job ran; run the same command again\n"
        assert (job.returncode, record.exists()) == (1, False)
    else:
        assert (told, job.returncode, record.exists()) == ("", 0, True)


def test_without_a_log_and_a_record_it_prints_and_records_nothing(start, tmp_path):
    words = ["--spec", "{}", "--read", "input", "--made", "made", "--timing", "timing"]
    command = [sys.executable, "program.py", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "at work" in done.stdout
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize(
    ("fails", "reason"),
    [
        ("invalid", "the input is wrong; replace it"),
        (
            "disk",
            "/full/disk: No space left on device; free some space there or choose another folder "
            "(results: in the config), then run again",
        ),
    ],
)
def test_an_error_that_the_user_can_fix_is_one_line_in_log_and_terminal(run, tmp_path, fails, reason):
    done = run({"fails": fails})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"results/made: error: {reason}\n"
    log = (tmp_path / "job.log").read_text()
    assert log.endswith(f"at work\nerror: {reason}\n")
    assert "Traceback" not in log
    assert not (tmp_path / "results/provenance").exists()


def test_any_other_error_has_its_traceback_in_the_log(run, tmp_path):
    done = run({"fails": "unexpected"})
    assert done.returncode == 1
    assert done.stderr == "results/made: error: ZeroDivisionError: division by zero (see the log for the traceback)\n"
    log = (tmp_path / "job.log").read_text()
    assert "Traceback (most recent call last)" in log
    assert log.endswith("ZeroDivisionError: division by zero\n")


def test_leftovers_of_a_killed_job_are_removed(run, tmp_path):
    (tmp_path / "results").mkdir()
    for name in (".made.17.partial", ".timing.17.partial"):
        (tmp_path / "results" / name).write_text("half")
    assert run().returncode == 0
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == ["made", "provenance", "timing"]


def wait_until(log, says):
    assert wait_for(lambda: log.exists() and says in log.read_text(), 30), f"{log} does not say {says!r}"


def test_a_job_that_waited_for_an_identical_job_has_nothing_left_to_do(start, tmp_path):
    """This happens if Snakemake is killed and restarted while its job still runs."""
    first = start({"held": True}, log="first.log")
    wait_until(tmp_path / "first.log", says="at work")
    second = start({"held": True}, log="second.log")
    wait_until(tmp_path / "second.log", says="waiting for that job to end")
    (tmp_path / "go").touch()
    assert first.wait(timeout=60) == second.wait(timeout=60) == 0
    log = (tmp_path / "second.log").read_text()
    assert log.endswith("nothing to do: the job that this one waited for produced the same outputs\n")
    assert "at work" not in log
    assert "results/made: another job is producing it; waiting for that job to end" in second.stderr.read()


@pytest.mark.parametrize("other", ["failed", "killed", "of_another_config", "of_another_input", "of_other_code"])
def test_a_job_that_waited_for_a_different_job_does_its_work(start, tmp_path, other):
    spec = {"held": True} | ({"fails": "invalid"} if other == "failed" else {})
    (tmp_path / "other_input").write_text("other words")
    first = start(spec, log="first.log")
    wait_until(tmp_path / "first.log", says="at work")
    if other == "of_other_code":
        (tmp_path / "program.py").write_text(PROGRAM.replace("upper()", "title()"))
    changed = {"held": True} | ({"other": 1} if other == "of_another_config" else {})
    second = start(changed, log="second.log", **({"read": "other_input"} if other == "of_another_input" else {}))
    wait_until(tmp_path / "second.log", says="waiting for that job to end")
    if other == "killed":
        os.kill(first.pid, signal.SIGKILL)
    (tmp_path / "go").touch()
    first.wait(timeout=60)
    assert second.wait(timeout=60) == 0
    assert "at work" in (tmp_path / "second.log").read_text()
    made = {"of_another_input": "OTHER WORDS", "of_other_code": "Words"}.get(other, "WORDS")
    assert (tmp_path / "results/made").read_text() == made


def test_options_declare_files_as_inputs_or_outputs():
    parser = job_parser(None)
    add_named_inputs(parser)
    add_input(parser, "--other-splits", nargs="*", default=[], required=False)
    add_output(parser, "--csv", nargs="+")
    words = ["--input", "judgements", "a", "b", "--input", "splits", "c", "--csv", "d", "e"]
    arguments = parser.parse_args(words)
    assert {name: list(map(str, files)) for name, files in named_inputs(arguments).items()} == {
        "judgements": ["a", "b"],
        "splits": ["c"],
    }
    assert (arguments.inputs, arguments.outputs) == (["input", "other_splits"], ["csv"])
    assert list(map(str, arguments.csv)) == ["d", "e"]
    assert arguments.other_splits == []


def test_a_system_error_without_a_file_keeps_its_own_words():
    """The numbers of such an error may not be those of the operating system, as of a host that is not found."""
    told = str(system_error(socket.gaierror(socket.EAI_NONAME, "Name or service not known")))
    assert "Name or service not known" in told
    assert "a file" not in told
