"""What goes wrong ends in one clear line and a non-zero exit, and loses nothing."""

import os
import signal
import subprocess
import time
from contextlib import suppress

import pytest

from foolflow.data.sources import IDX_FILES
from foolflow.training.checkpoints import load_checkpoint
from tests.bad_input.conftest import contents
from tests.end_to_end.conftest import BARE, DEMO, SNAKEMAKE

# By the stage of the check: names are looked up only once the config fits the schema.
BROKEN = {
    "schema": (
        """
models: { lenet: { training: { epochs: many } }, ../../x: {} }
atacks: {}
attacks: { mine: { parameters: {} } }
device: gpu
device: gpu
seeds: []
""",
        [
            "atacks: unknown key; allowed are attacks, data_mirror",
            "attacks.mine: needs method or python; neither is given",
            "broken.yaml, line 6: device is given twice; keep one",
            "device: 'gpu' is not one of auto, cpu, cuda",
            "models.../../x: needs one of architecture",
            "models.../../x: not a usable name; letters, digits, _ and -, 64 at most",
            "models.lenet.training.epochs: 'many' is not of type",
            "seeds: [] ",
        ],
    ),
    "names": (
        """
studies: { minimal: { models: [RNN] } }
results: config.yaml
""",
        ["results: config.yaml is not a folder", "studies.minimal.models: 'RNN' is not among the models: "],
    ),
}


@pytest.mark.parametrize(("config", "expected"), BROKEN.values(), ids=BROKEN)
def test_every_problem_of_a_config_is_reported_in_one_line_and_nothing_is_made(fresh, config, expected):
    (fresh.results / "tables").mkdir(parents=True)
    (fresh.results / "tables/a.csv").write_text("made before\n")
    (fresh.folder / "broken.yaml").write_text(config)
    before = contents(fresh.folder / "results")
    done = fresh.snakemake("--cores", "1", "--configfile", "broken.yaml", ok=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout + done.stderr
    output = (done.stdout + done.stderr).replace(f"{fresh.folder}/", "")
    lines = sorted(line for line in output.splitlines() if line.startswith("config: "))
    for line, words in zip(lines, expected, strict=True):
        assert line.startswith(f"config: {words}")
    assert contents(fresh.folder / "results") == before


def mirror(folder, content):
    (folder / "mnist").mkdir(parents=True)
    for name in IDX_FILES:
        (folder / "mnist" / name).write_bytes(content)
    return str(folder)


def test_a_damaged_download_is_named_and_leaves_nothing(fresh, tmp_path):
    source = mirror(tmp_path / "mirror", b"truncated")
    target = "results/demo/data/mnist/train.safetensors"
    done = fresh.snakemake("--cores", "1", target, ok=False, FOOLFLOW_DATA_MIRROR=source)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert f"error: {source}/mnist/{IDX_FILES[0]} (9 bytes) has MD5 " in output
    assert "replace or remove this file in the data mirror" in output
    assert "Traceback" not in output
    assert not list((fresh.results / "data").rglob("*.gz"))


def test_a_mirror_that_is_not_there_is_named(fresh):
    (fresh.folder / "mine.yaml").write_text("data_mirror: nowhere\n")
    target = "results/demo/data/mnist/train.safetensors"
    overlay = ("--configfile", "mine.yaml")
    done = fresh.snakemake("--cores", "1", target, *overlay, "--retries", "0", ok=False)
    assert done.returncode != 0
    assert "error: data_mirror: nowhere is not a folder" in done.stdout + done.stderr


def test_a_mistyped_target_is_reported_as_such(fresh):
    done = fresh.snakemake("-n", "results/demo/victims/digits/lenett/none/0/weights.safetensors", ok=False)
    assert done.returncode != 0
    assert "MissingRuleException" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(("device", "gpus"), [("cpu", 0), ("cuda", 1)])
def test_a_gpu_is_asked_for_only_where_there_is_one(fresh, device, gpus):
    """The jobs that train and attack ask for `gpu`; with none to give, Snakemake refuses such a job at once.

    If the config demands a GPU that is not there, Snakemake gives one, and the job says in one line that there is none.
    """
    target = "results/demo/victims/digits/lenet/none/0/weights.safetensors"
    probe = "print('gpus', GPUS_PER_JOB, 'of', workflow.global_resources['gpu'].value)"
    with (fresh.folder / "Snakefile").open("a") as snakefile:
        snakefile.write(f"\n{probe}\n")
    done = fresh.snakemake("-n", target, "--printshellcmds", "--config", f"device={device}", CUDA_VISIBLE_DEVICES="")
    assert f"--device {device}" in done.stdout + done.stderr
    assert f"gpus {gpus} of 1\n" in done.stdout


def kill_when(project, target, condition):
    """Start a run and, as soon as the condition holds, SIGKILL it with all its jobs."""
    command = [SNAKEMAKE, *DEMO, "--cores", "1", target]
    with subprocess.Popen(
        command,
        cwd=project.folder,
        env=BARE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + 120
        try:
            while not condition():
                assert process.poll() is None, "it ended before it could be killed"
                assert time.monotonic() < deadline, "the condition did not hold within two minutes"
                time.sleep(0.005)
        finally:
            with suppress(ProcessLookupError):  # it has ended
                os.killpg(process.pid, signal.SIGKILL)


def test_a_job_that_a_signal_ends_is_reported(fresh):
    """It cannot say a word itself."""
    name = "victims/digits/lenet/none/0"
    ends = f"__import__('os').kill(__import__('os').getpid(), {signal.SIGSEGV:d})"
    with fresh.edited("scripts/train.py", "    spec = arguments.spec\n", f"    {ends}\n"):
        done = fresh.snakemake("--cores", "1", f"results/demo/{name}/weights.safetensors", ok=False)
    assert done.returncode != 0
    (shown,) = [text for text in (done.stdout + done.stderr).splitlines() if text.startswith("error: ")]
    assert shown.startswith("error: a job crashed in compiled code")
    assert 'scripts/train.py", line' in (fresh.results / f"logs/{name}.log").read_text()


def test_killed_while_training_it_goes_on_and_ends_in_the_same_weights(demo, fresh):
    """SIGKILL to Snakemake and all its jobs, in the middle of a training; then the same call again."""
    name = "victims/digits/lenet/none/0"
    target = f"results/demo/{name}/weights.safetensors"
    checkpoint = fresh.results / name / "checkpoint.safetensors"
    kill_when(fresh, target, checkpoint.exists)
    (_, reached) = load_checkpoint(checkpoint)
    assert reached["fingerprint"]  # by which a training with other images or code ignores it
    assert not (fresh.folder / target).exists()

    fresh.snakemake("--unlock")
    fresh.snakemake("--cores", "1", target)
    log = (fresh.results / f"logs/{name}.log").read_text()
    assert "resumed after epoch" in log
    assert (fresh.folder / target).read_bytes() == (demo.folder / target).read_bytes()
    assert not checkpoint.exists()
    assert fresh.outdated(target) == set()
