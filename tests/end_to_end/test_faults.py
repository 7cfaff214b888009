"""What goes wrong ends in one clear line and a non-zero exit, and loses nothing."""

import os
import signal
import subprocess
import time

import pytest

from foolflow.data.sources import IDX_FILES
from tests.end_to_end.conftest import BARE, DEMO, SNAKEMAKE


@pytest.mark.parametrize(
    ("overlay", "line"),
    [
        ("models: {lenet: {training: {epochs: many}}}", "config: models.lenet.training.epochs: 'many' is not of type"),
        ("atacks: {}", "config: atacks: unknown key; allowed are attacks, data_mirror"),
        ("attacks: {mine: {parameters: {}}}", "config: attacks.mine: needs method or python; neither is given"),
        ("studies: {minimal: {models: [RNN]}}", "config: studies.minimal.models: 'RNN' is not among the models: "),
    ],
)
def test_a_broken_config_is_one_line_each(fresh, overlay, line):
    (fresh.folder / "broken.yaml").write_text(overlay)
    done = fresh.snakemake("-n", "--configfile", "broken.yaml", ok=False)
    assert done.returncode != 0
    lines = [text for text in (done.stdout + done.stderr).splitlines() if text.startswith("config: ")]
    assert len(lines) == 1
    assert lines[0].startswith(line)
    assert "Traceback" not in done.stdout + done.stderr


def test_every_problem_of_a_config_is_told_at_once(fresh):
    (fresh.folder / "broken.yaml").write_text("device: gpu\nseeds: []\n")
    done = fresh.snakemake("-n", "--configfile", "broken.yaml", ok=False)
    assert "config: device: 'gpu' is not one of auto, cpu, cuda" in done.stdout + done.stderr
    assert "config: seeds: [] " in done.stdout + done.stderr


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


def test_a_mistyped_target_is_told_as_such(fresh):
    done = fresh.snakemake("-n", "results/demo/victims/digits/lenett/none/0/weights.safetensors", ok=False)
    assert done.returncode != 0
    assert "MissingRuleException" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_checkpoint_of_other_images_is_not_taken_up(fresh):
    """Killed, then another val split: the half-trained weights have seen images that are now set aside."""
    name = "victims/digits/lenet/none/0"
    target = f"results/demo/{name}/weights.safetensors"
    checkpoint = fresh.results / name / "checkpoint.safetensors"
    kill_when(fresh, target, checkpoint.exists)
    fresh.snakemake("--unlock")
    with fresh.edited("config.yaml", "val: 197, test: 500", "val: 198, test: 500"):
        fresh.snakemake("--cores", "1", target)
    assert "resumed" not in (fresh.results / f"logs/{name}.log").read_text()


def test_a_gpu_that_is_demanded_in_vain_is_one_line(fresh):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    target = "results/demo/victims/digits/lenet/none/0/weights.safetensors"
    done = fresh.snakemake("--cores", "1", target, "--config", "device=cuda", ok=False)
    assert done.returncode != 0
    assert "error: device: cuda was asked for, but PyTorch sees no GPU here" in done.stdout + done.stderr


def test_a_gpu_is_asked_for_only_where_there_is_one(fresh):
    """The jobs that train and attack ask for `gpu`; with none to give, Snakemake refuses such a job at once."""
    target = "results/demo/victims/digits/lenet/none/0/weights.safetensors"
    verbose = ("-n", "--cores", "1", target, "--printshellcmds")
    without = fresh.snakemake(*verbose, "--config", "device=cpu")
    assert "--device cpu" in without.stdout + without.stderr
    with_gpu = fresh.snakemake(*verbose, "--config", "device=cuda")
    assert "--device cuda" in with_gpu.stdout + with_gpu.stderr
    probe = "print('gpus', GPUS_PER_JOB)"
    (fresh.folder / "Snakefile").write_text((fresh.folder / "Snakefile").read_text() + f"\n{probe}\n")
    assert "gpus 0" in fresh.snakemake("-n", "--config", "device=cpu").stdout
    assert "gpus 1" in fresh.snakemake("-n", "--config", "device=cuda").stdout


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
        while not condition() and time.monotonic() < deadline:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("number", "line"),
    [
        (
            signal.SIGKILL,
            "error: a job was killed (SIGKILL). If nobody killed it on purpose, the machine ran out of memory",
        ),
        (signal.SIGSEGV, "error: a job crashed in compiled code"),
    ],
)
def test_a_job_that_a_signal_ends_is_told(fresh, number, line):
    """It cannot say a word itself."""
    name = "victims/digits/lenet/none/0"
    ends = f"__import__('os').kill(__import__('os').getpid(), {number:d})"
    with fresh.edited("scripts/train.py", "    spec = arguments.spec\n", f"    {ends}\n"):
        done = fresh.snakemake("--cores", "1", f"results/demo/{name}/weights.safetensors", ok=False)
    assert done.returncode != 0
    (shown,) = [text for text in (done.stdout + done.stderr).splitlines() if text.startswith("error: ")]
    assert shown.startswith(line)
    crashed = number == signal.SIGSEGV
    assert ('scripts/train.py", line' in (fresh.results / f"logs/{name}.log").read_text()) == crashed


def test_killed_while_training_it_goes_on_and_ends_in_the_same_weights(demo, fresh):
    """SIGKILL to Snakemake and all its jobs, in the middle of a training; then the same call again."""
    name = "victims/digits/lenet/none/0"
    target = f"results/demo/{name}/weights.safetensors"
    checkpoint = fresh.results / name / "checkpoint.safetensors"
    kill_when(fresh, target, checkpoint.exists)
    assert checkpoint.exists()
    assert not (fresh.folder / target).exists()

    fresh.snakemake("--unlock")
    fresh.snakemake("--cores", "1", target)
    log = (fresh.results / f"logs/{name}.log").read_text()
    assert "resumed after epoch" in log
    assert (fresh.folder / target).read_bytes() == (demo.folder / target).read_bytes()
    assert not checkpoint.exists()
    assert fresh.outdated(target) == set()


def test_the_same_demo_elsewhere_is_the_same_to_the_byte(demo, fresh):
    """Another folder, one core instead of two: the same table, figure and images."""
    target = "results/demo/figures/fgsm_sweep.png"
    fresh.snakemake("--cores", "1", target)
    timed = ("logs", "benchmarks")
    made = [
        path
        for path in fresh.results.rglob("*")
        if path.is_file() and path.relative_to(fresh.results).parts[0] not in timed
    ]
    compared = 0
    for path in made:
        varying = path.name in ("run.json", "training.json", "history.csv")  # tell how long something took
        if not varying and not path.name.startswith(".snakemake"):
            assert path.read_bytes() == (demo.results / path.relative_to(fresh.results)).read_bytes(), path
            compared += 1
    assert compared > 500
