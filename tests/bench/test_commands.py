"""Small runs of the commands, because `make bench` runs too rarely to notice when it breaks."""

import subprocess
import sys

import pytest
import torch

from bench.__main__ import chosen_tasks
from bench.contenders import all_tasks
from bench.victims import VICTIMS
from foolflow.errors import InvalidInput
from foolflow.training.recipe import Recipe


@pytest.fixture
def bench(root):
    def run(module: str, *options: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", module, *options]
        return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)

    return run


def test_an_unknown_attack_gives_a_one_line_error():
    with pytest.raises(InvalidInput, match="--attacks: no attack has rotation in its name"):
        chosen_tasks(["FGSM", "rotation"])


def test_attacks_are_chosen_by_the_words_of_their_names():
    assert [task.name for task in chosen_tasks(["L2"], gradients=300)] == [
        "PGD l2 1",
        "AutoAttack l2 1",
        "DeepFool l2",
        "minimal l2, 300 gradients",
    ]
    assert [task.name for task in chosen_tasks([])] == [task.name for task in all_tasks()]


def test_no_ratio_rests_on_fewer_than_20_images(bench):
    counts = [one.images for task in all_tasks() for one in task.contenders if one.images is not None]
    assert min(counts) >= 20
    assert all(victim.images >= 20 for victim in VICTIMS.values())
    done = bench("bench", "--images", "19")
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1] == "error: --images: 19; a ratio of speeds needs 20 or more"


@pytest.mark.parametrize("name", ["robust", "large"])
def test_victims_are_trained_and_have_their_attacks(name, monkeypatch):
    """Training them in full takes a minute, so one epoch must do."""
    monkeypatch.setattr("bench.victims.Recipe", lambda **given: Recipe(**given | {"epochs": 1}))
    monkeypatch.setattr("bench.victims.LARGE", 64)
    model, images, labels = VICTIMS[name].train()
    assert model(images[:2].float() / 255).shape == (2, 10)
    assert len(images) == len(labels) >= VICTIMS[name].images
    assert images.dtype == torch.uint8
    assert 0 < len(chosen_tasks(VICTIMS[name].attacks)) < len(all_tasks())


def test_the_overhead_of_the_workflow_is_measured(bench):
    done = bench("bench.scaling", "--shards", "3")
    assert done.returncode == 0, done.stderr
    *_, row = done.stdout.splitlines()
    jobs, *costs = (cell.strip() for cell in row.strip("|").split("|"))
    assert jobs == "3"
    assert len(costs) == 5
    assert all(float(cost) > 0 for cost in costs)
