"""The workflow runs from any folder, within another workflow, and from a project path that contains a space."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
import yaml
from PIL import Image

from tests.end_to_end.conftest import BARE, SNAKEMAKE, copy_project

NETWORK = """
from torch import nn

from widths import WIDTH


class Small(nn.Module):
    def __init__(self, channels, size, classes):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(channels * size * size, WIDTH), nn.ReLU(), nn.Linear(WIDTH, classes)
        )

    def forward(self, images):
        return self.layers(images)
"""

# A minimal config, without device, seeds, defenses or detectors.
CONFIG = {
    "datasets": {"squares": {"source": "npz", "path": "data/squares.npz", "val": 20}},
    "models": {"small": {"python": "my networks/small.py:Small", "training": {"epochs": 2}}},
    "attacks": {"sweep": {"method": "fgsm", "parameters": {"epsilon": [0.1, 0.3]}}},
    "studies": {
        "fgsm_sweep": {"sweeps": [{"dataset": "squares", "model": "small", "attack": "sweep", "modified_epsilon": 0.3}]}
    },
}
TABLE = "tables/fgsm_sweep.md"


@pytest.fixture(scope="module")
def project(root, tmp_path_factory) -> Path:
    """Return a copy of the project in a folder whose name contains a space and an apostrophe."""
    return copy_project(root, tmp_path_factory.mktemp("anywhere") / "a project's folder").folder


@pytest.fixture
def elsewhere(tmp_path) -> Path:
    """Return a user's folder with images and a network in two files."""
    folder = tmp_path / "the user's folder"
    (folder / "data").mkdir(parents=True)
    (folder / "my networks").mkdir()
    generator = np.random.default_rng(0)
    labels = np.tile([0, 1], 80)
    images = (
        generator.integers(0, 100, (160, 8, 8, 1), dtype=np.uint8)
        + (100 * labels).astype(np.uint8)[:, None, None, None]
    )
    parts = {"x_train": images[:120], "y_train": labels[:120], "x_test": images[120:], "y_test": labels[120:]}
    np.savez(folder / "data/squares.npz", **parts)
    (folder / "my networks/small.py").write_text(NETWORK)
    (folder / "my networks/widths.py").write_text("WIDTH = 8\n")
    return folder


def snakemake(folder: Path, *arguments: object, ok: bool = True) -> str:
    done = subprocess.run([SNAKEMAKE, *map(str, arguments)], cwd=folder, env=BARE, capture_output=True, text=True)
    output = done.stdout + done.stderr
    assert (done.returncode == 0) == ok, output[-3000:]
    assert "Traceback" not in output
    return output


def test_another_working_directory_and_the_demos_overlay_under_ones_own(root, tmp_path):
    (tmp_path / "mine.yaml").write_text("datasets: {digits: {test: 400}}\n")
    target = "results/demo/data/digits/test.safetensors"
    profile = root / "profiles/demo"
    call = ["-s", root / "profiles/demo/Snakefile", "--workflow-profile", profile, "-d", "there", "--cores", 1]
    output = snakemake(tmp_path, *call, "--configfile", "mine.yaml", "--", target)
    assert (tmp_path / "there" / target).exists()
    log = (tmp_path / "there/results/demo/logs/data/digits/split.log").read_text()
    assert "test: 400 images" in log
    assert "Finished jobid" in output


HOST = """
configfile: "host.yaml"


module foolflow:
    snakefile:
        "{project}/Snakefile"
    config:
        config["robustness"]
    prefix:
        "robust"


use rule * from foolflow as foolflow_*


use rule train_victim from foolflow as foolflow_train_victim with:
    threads: 2


rule everything:
    default_target: True
    input:
        rules.foolflow_all.input,
    output:
        "host.txt",
    resources:
        gpu=3, # more than this machine has, but Foolflow sets no limit inside another workflow
    shell:
        "env > {{output}}"
"""


@pytest.fixture
def host(project, elsewhere) -> Path:
    (elsewhere / "Snakefile").write_text(HOST.format(project=project))
    (elsewhere / "host.yaml").write_text(yaml.safe_dump({"robustness": CONFIG | {"results": "measured"}}))
    # The host has files with the same names as files of the project, which must not be confused with them.
    (elsewhere / "scripts").mkdir()
    (elsewhere / "scripts/train.py").write_text("raise SystemExit('the script of the host')\n")
    (elsewhere / "config.yaml").write_text("results: nowhere\n")
    return elsewhere


def test_within_another_workflow_with_a_prefix_and_other_results(host, project):
    snakemake(host, "--cores", 2)
    assert "small" in (host / "robust/measured" / TABLE).read_text()
    assert (host / "robust/measured/manifest.json").exists()
    assert (host / "robust/measured/tables/times.md").exists()
    assert not (host / "results").exists()
    assert not (project / "results").exists()
    environment = (host / "host.txt").read_text()
    assert "PYTHONPATH" not in environment  # no variable leaks into the host's own jobs
    assert "FOOLFLOW" not in environment
    (log,) = (host / "robust/measured/logs/victims").rglob("*.log")
    assert "  threads: 2\n" in log.read_text()  # the host's override
    assert "Nothing to be done" in snakemake(host, "-n")
    # The digest includes a file that the user's network imports.
    (host / "my networks/widths.py").write_text("WIDTH = 9\n")
    assert "train_victim" in snakemake(host, "-n")


def test_the_first_rule_of_the_host_is_its_default_target(host):
    first = "rule mine:\n    output:\n        'mine.txt',\n    shell:\n        'touch {output}'\n\n\n"
    text = (host / "Snakefile").read_text().replace("    default_target: True\n", "")
    (host / "Snakefile").write_text(first + text)
    snakemake(host, "--cores", 1)
    assert (host / "mine.txt").exists()
    assert not (host / "robust").exists()


def test_a_problem_of_the_config_does_not_end_the_host_without_a_word(host):
    (host / "host.yaml").write_text(yaml.safe_dump({"robustness": CONFIG | {"device": "gpu"}}))
    output = snakemake(host, "-n", ok=False)
    assert "config: device: 'gpu' is not one of auto, cpu, cuda" in output
    assert "WorkflowError" in output


def test_the_readmes_own_classifier_runs_as_written(root, project, elsewhere):
    """Everything before the attacks runs, on a network with random weights; the attacks on it would take minutes."""
    readme = (root / "README.md").read_text(encoding="utf-8")
    section = readme.partition("## Your own classifier")[2].partition("\n## ")[0]
    (config,) = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    (command,) = re.findall(r"^    snakemake (.*)$", section, re.MULTILINE)
    (elsewhere / "mine.yaml").write_text(config)
    torch.manual_seed(0)
    torch.save(torchvision.models.resnet18(num_classes=2).state_dict(), elsewhere / "resnet18.pth")
    generator = np.random.default_rng(0)
    for brightness, name in ((0, "dark"), (120, "bright")):
        folder = elsewhere / "photos" / name
        folder.mkdir(parents=True)
        for number in range(2):
            pixels = generator.integers(0, 100, (300, 260, 3), dtype=np.uint8) + np.uint8(brightness)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    words = [word.replace("path/to/foolflow", str(project)) for word in shlex.split(command)]
    planned = snakemake(elsewhere, *words, "--dry-run")
    assert "attack_victim" in planned
    assert words[0] == "page"
    snakemake(elsewhere, "plan", *words[1:])
    assert not (elsewhere / "results/attacks").exists()
    plan = json.loads((elsewhere / "results/robustness/photos/mine/none/0/plan.json").read_text())
    assert [one["available"] for one in plan["attacks"]] == [4] * 8
    weights = torch.load(elsewhere / "resnet18.pth", weights_only=True)
    assert weights["fc.weight"].shape == (2, 512)
    assert not (elsewhere / "results/victims").exists()
    assert not (project / "results").exists()
