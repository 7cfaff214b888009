"""The command line: what is passed to Snakemake, and mistakes in one line."""

import io
import json
import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from foolflow import cli
from foolflow.workflow.answer import answer, planned
from foolflow.workflow.watching import Watch, limits

CONFIG = """
models: { mine: { architecture: mlp.MLP, weights: w.pth } }
datasets: { d: { source: folder, path: photos } }
studies: { robustness: { dataset: d, models: [mine], norm: linf, epsilon: 8/255 } }
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(CONFIG)
    return path


def command(config, *options):
    return cli._snakemake("robustness", config, options)


def test_the_target_comes_first_because_configfile_takes_what_follows_it(config):
    found = command(config)
    assert found[1:4] == ["-m", "snakemake", "robustness"]
    assert found[found.index("--configfile") + 1] == str(config)
    assert found[found.index("--configfile") + 2].startswith("-")
    assert "--replace-workflow-config" in found


@pytest.mark.parametrize(
    ("options", "default"),
    [
        ([], True),
        (["--forceall"], True),
        (["--cores", "1"], False),
        (["--cores=1"], False),
        (["-c1"], False),
        (["-j", "4"], False),
        (["--profile", "profiles/slurm"], False),
        (["--executor", "slurm"], False),
    ],
)
def test_all_cores_are_used_unless_an_option_says_where_jobs_run(config, options, default):
    assert (command(config, *options).count("all") == 1) == default


@pytest.mark.parametrize(
    ("options", "cores"), [(["--cores", "3"], 3), (["--cores=3"], 3), (["-c3"], 3), ([], os.cpu_count())]
)
def test_the_time_left_counts_the_jobs_that_run_at_a_time(options, cores):
    assert cli._cores(options) == cores


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (None, "does not exist"),
        ("studies: [", "line 1"),
        ("", "no keys"),
        ("models: {}", "`studies` has no `robustness`"),
        ("studies: { fgsm_sweep: {} }", "`studies` has no `robustness`"),
        ("studies: [robustness]", "`studies` has no `robustness`"),
        ("a: !unknown 3", "cannot be read: ConstructorError"),
        ("? [a, b]\n: 3", "cannot be read: ConstructorError"),
        ("a: 2024-13-45", "cannot be read: ValueError"),
        (CONFIG.encode("utf-16"), "cannot be read: UnicodeDecodeError"),
    ],
)
def test_a_config_that_cannot_be_meant_is_explained_before_anything_starts(tmp_path, capsys, text, line):
    path = tmp_path / "mine.yaml"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert cli.main(["evaluate", str(path)]) == 2
    captured = capsys.readouterr()
    assert line in captured.err
    assert "Traceback" not in captured.err


def test_options_before_the_config_are_explained(config, capsys):
    assert cli.main(["evaluate", "--cores", "2", str(config)]) == 2
    assert "2 is not a file; write the config first, then Snakemake's options" in capsys.readouterr().err


SHORT = [
    "-n",
    "-np",
    "-pn",
    "-Fn",
    "-S",
    "-v",
    "-t",
    "--rulegraph",
    "--touch",
    "--version",
    "--list-rules",
    "--dag=dot",
]


@pytest.mark.parametrize("option", [*SHORT, "--delete-all-output", "--unlock", "--dry", "--lint"])
def test_with_an_option_that_runs_no_jobs_snakemake_is_called_once(config, monkeypatch, option):
    calls = []

    def called(command, check):
        calls.append(command)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(cli.subprocess, "run", called)
    monkeypatch.setattr(cli, "_run", None)
    assert cli.main(["evaluate", str(config), option]) == 0
    assert len(calls) == 1
    assert option in calls[0]


@pytest.mark.parametrize(
    "option", ["-F", "-p", "-k", "-j4", "-c2", "-Un", "--forceall", "--nolock", "--report-after-run"]
)
def test_with_other_options_the_jobs_run(option):
    assert not cli._is_short_of_running(option)


@pytest.mark.parametrize(
    ("up_to_date", "written", "shown"),
    [(False, 100, True), (True, -100, True), (False, -100, False), (False, None, False)],
)
def test_an_older_answer_is_not_shown_as_new(config, monkeypatch, capsys, up_to_date, written, shown):
    """It is shown if this run has written the page, or found it up to date."""
    monkeypatch.chdir(config.parent)
    tables = config.parent / "results/tables"
    tables.mkdir(parents=True)
    if written is not None:
        (tables / "robustness.md").write_text("# Robustness\n\n| attack | n |\n| :-- | :-- |\n| clean | 10 |\n")
        page = config.parent / "results/index.html"
        page.write_text("")
        os.utime(page, (time.time() + written,) * 2)
    monkeypatch.setattr(cli, "_run", lambda command, watch: (0, up_to_date))
    assert cli.main(["evaluate", str(config)]) == 0
    assert ("Robustness" in capsys.readouterr().out) == shown


@pytest.mark.parametrize("message", ["Nothing to be done (all is up to date).", "2 of 2 steps done"])
def test_snakemake_says_whether_there_was_anything_to_do(tmp_path, message):
    watch = Watch(tmp_path, 1, io.StringIO())
    assert cli._run([sys.executable, "-c", f"print({message!r})"], watch) == (0, message.startswith("Nothing"))


@pytest.mark.parametrize("during", ["the progress line", "the dry run of the plan"])
def test_an_interrupt_at_any_moment_ends_the_command_in_one_line(config, monkeypatch, capsys, during):
    def interrupted(*ignored, **options):
        raise KeyboardInterrupt

    monkeypatch.chdir(config.parent)
    monkeypatch.setattr(cli.signal, "signal", lambda *ignored: None)
    seconds = 1.5 if during == "the progress line" else 0
    monkeypatch.setattr(cli, "_snakemake", lambda *given: [sys.executable, "-c", f"import time; time.sleep({seconds})"])
    monkeypatch.setattr(*((Watch, "update") if seconds else (cli.subprocess, "run")), interrupted)
    assert cli.main(["evaluate", str(config), "--plan"]) == 128 + signal.SIGINT
    assert capsys.readouterr().err == "interrupted; run the same command again to go on\n"


def test_without_snakemake_one_line_says_what_to_install(config, capsys, monkeypatch):
    monkeypatch.setattr(cli.importlib.util, "find_spec", lambda name: None)
    assert cli.main(["evaluate", str(config)]) == 2
    assert 'pip install "foolflow[workflow]"' in capsys.readouterr().err


PLAN = {
    "victim": "mine/none",
    "budget": 600.0,
    "memory_mb": 700.0,
    "attacks": [
        {"attack": "fgsm", "images": 100, "available": 1000, "seconds": 60.0},
        {"attack": "pgd", "images": 100, "available": 1000, "seconds": 120.0},
        {"attack": "stadv", "images": 1000, "available": 1000, "seconds": 30.0},
    ],
}


@pytest.fixture
def run(tmp_path):
    """A results folder in which one of three planned attacks has ended, one is half done, and one has not started.

    It also holds an earlier config's plan and attack.
    """
    for model in ("mine", "earlier"):
        inspected = tmp_path / "robustness/d" / model / "none/0"
        inspected.mkdir(parents=True)
        (inspected / "plan.json").write_text(json.dumps(PLAN | {"victim": f"{model}/none"}))
        ended = tmp_path / "attacks/d" / model / "none/0/robustness-fgsm"
        ended.mkdir(parents=True)
        (ended / "run.json").write_text(json.dumps({"seconds": 120.0}))
    logs = tmp_path / "logs/attacks/d/mine/none/0"
    logs.mkdir(parents=True)
    (logs / "robustness-pgd.log").write_text("x: 1 of 10 batches, 90 s left\nx: 5 of 10 batches, 50 s left\n")
    return tmp_path


def test_the_progress_line_scales_the_plan_by_what_finished_attacks_took(run):
    watch = Watch(run, 2, io.StringIO())
    watch._start -= 5  # it started before the log was written
    assert "preparing" in watch._line()
    watch.planned(yaml.safe_load(CONFIG))
    line = watch._line()
    assert line.startswith("1 of 3 attacks done (pgd 50%), ")
    assert line.endswith(("about 90 s left", "about 2 min left"))  # (60 + 30) * 2 / 2 jobs


SNAKEMAKE = ["results/a: 3 of 8 batches, 40 s left", "Using workflow specific profile x", "", "RuleException:"]


def test_what_concerns_the_user_stands_above_the_line_and_the_rest_is_left_out(run):
    terminal = io.StringIO()
    watch = Watch(run, 1, terminal)
    told = ["config: models.x: missing", "photos: notice: 3 files", "results/a: error: no", "error: a job was killed"]
    for line in [*SNAKEMAKE, *told]:
        watch.heard(line)
    watch.close(failed=True)
    assert terminal.getvalue().splitlines() == told


@pytest.mark.parametrize("failed", [True, False])
def test_a_failure_that_nothing_explains_shows_what_snakemake_wrote(run, failed):
    terminal = io.StringIO()
    watch = Watch(run, 1, terminal)
    waits = "results/a: another job is producing it; waiting for that job to end"
    for line in [*SNAKEMAKE, "photos: notice: 3 files", waits]:
        watch.heard(line)
    watch.close(failed=failed)
    assert ("RuleException:" in terminal.getvalue()) == failed


def test_what_the_budget_limits_is_said_once(run):
    terminal = io.StringIO()
    watch = Watch(run, 1, terminal)
    watch.planned(yaml.safe_load(CONFIG))
    watch.tell_limits()
    watch.update()
    lines = terminal.getvalue().splitlines()
    assert lines == ["mine/none: to fit the budget of 10 min, 100 of 1,000 images for fgsm, pgd"]
    assert limits(PLAN | {"budget": None})[0].startswith("mine/none: 100 of 1,000")


def test_the_plan_names_jobs_images_time_and_memory():
    text = planned([PLAN], "job  count\n-----\nattack 3\ntotal          17\n")
    assert "17 jobs are left to run" in text
    assert "100 of 1,000" in text
    assert "4 min on one core" in text
    assert "700 MB" in text
    slow = PLAN | {"budget": 60.0}
    assert "with the time to start the jobs, this takes longer than the budget of 60 s" in planned([slow], "")
    few = slow | {"attacks": [one | {"images": 10} for one in PLAN["attacks"]]}
    assert "no attack gets fewer than 10 images" in planned([few], "")
    all_of_them = slow | {"attacks": [one | {"images": 8, "available": 8} for one in PLAN["attacks"]]}
    assert "so this takes longer than the budget of 60 s" in planned([all_of_them], "")


def test_the_results_folder_is_the_one_that_snakemake_gets(config):
    read = cli._config(config, [])
    assert cli._results(read, ["--cores", "2"]) == Path("results")
    assert cli._results(read, ["--config", "results=out", "device=cpu"]) == Path("out")
    assert cli._results(read, ["--config=results=out"]) == cli._results(read, ["-Cresults=out"]) == Path("out")


def test_the_answer_shows_the_table_and_its_notes_and_ends_by_naming_the_page(tmp_path):
    tables = tmp_path / "tables"
    tables.mkdir()
    (tables / "robustness.md").write_text(
        "# Robustness within L2 1\n\n| attack | n |\n| :-- | :-- |\n| clean | 1,000 |\n\nmine is.\n\n[1] A note.\n"
    )
    lines = answer(tmp_path).splitlines()
    assert lines[1] == "Robustness within L2 1"
    assert [line.split() for line in lines if line.startswith("clean")] == [["clean", "1,000"]]
    assert "[1] A note." in lines
    assert str(tmp_path / "tables/robustness.csv") in lines[-2]
    assert lines[-1] == f"The page with the images: {tmp_path / 'index.html'}"


@pytest.mark.parametrize("options", [["-d", "elsewhere"], ["-delsewhere"], ["--directory", "x"], ["--directory=x"]])
def test_another_working_directory_is_rejected_in_one_line(config, capsys, options):
    """The command would look for the results in this one."""
    assert cli.main(["evaluate", str(config), *options]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "foolflow: results are written where this command is called, so it takes no --directory; use cd"
    ]


@pytest.mark.parametrize("options", [["--configfile", "more.yaml"], ["--configfile=more.yaml"], ["--configfiles", "x"]])
def test_a_second_config_is_rejected_in_one_line(config, capsys, options):
    """Snakemake would read it in the place of the first."""
    assert cli.main(["evaluate", str(config), *options]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"foolflow: {config} is the whole config, so this takes no --configfile; "
        "write everything in that file, or change single keys with --config"
    ]
