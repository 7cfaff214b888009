"""A user's own weights and images through the real command: the numbers, and what a change of each input rebuilds."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image
from torch import nn

from foolflow.attacks.fgsm import fgsm
from tests.conftest import ROOT
from tests.end_to_end.conftest import BARE

ADVERSARIAL = "results/attacks/photos/mine/{}/0/robustness-fgsm/adversarial.safetensors"
NAMES = ["red", "green", "blue"]  # the outputs' order, which is not the folders'
NETWORK = '''from torch import nn


class Colours(nn.Module):
    """Ends in a softmax, and returns a tuple."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)
        )

    def forward(self, images):
        return self.layers(images).softmax(1), None
'''
SHIFT = "def shift(images, file):\n    return (images + float(open(file).read())).clamp(0, 1)\n"
NOISY = "import torch\n\n\ndef noisy(images):\n    return (images + 0.2 * torch.randn_like(images)).clamp(0, 1)\n"


def images_of(label: int, count: int, seed: int) -> np.ndarray:
    """Noisy images, (N, 12, 16, 3) uint8, in which one channel is a little brighter."""
    pixels = np.random.default_rng(seed).normal(110, 40, (count, 12, 16, 3))
    pixels[..., label] += 12
    return pixels.clip(0, 255).astype(np.uint8)


def trained(seed: int) -> nn.Module:
    scope: dict = {}
    exec(NETWORK, scope)
    torch.manual_seed(seed)
    network = scope["Colours"]()
    pixels = np.concatenate([images_of(label, 60, 10 + label) for label in range(3)])
    inputs = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    labels = torch.arange(3).repeat_interleave(60)
    optimizer = torch.optim.Adam(network.parameters(), 0.02)
    for _ in range(60):
        loss = nn.functional.nll_loss(network((inputs - 0.43) / 0.15)[0].log(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network


class User:
    """A folder with a network, weights and images."""

    first_run: subprocess.CompletedProcess

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "network.py").write_text(NETWORK)
        self.give_weights(0)
        for label, name in enumerate(NAMES):
            (folder / "photos" / name).mkdir(parents=True)
            for index, pixels in enumerate(images_of(label, 20, label)):
                Image.fromarray(pixels).save(folder / "photos" / name / f"{index}.png")
        self.configure()

    def give_weights(self, seed: int) -> None:
        self.network = trained(seed)
        torch.save({"state_dict": self.network.state_dict()}, self.folder / "weights.pth")

    def configure(self, model=None, filters=None, **study) -> None:
        mine = {
            "python": "network.py:Colours",
            "weights": "weights.pth",
            "mean": [0.43],
            "std": [0.15],
            "classes": NAMES,
        }
        robustness = {"dataset": "photos", "models": ["mine"], "norm": "linf", "epsilon": "4/255"}
        config = {
            "models": {"mine": mine | (model or {})},
            "datasets": {"photos": {"source": "folder", "path": "photos"}},
            "defenses": {
                "jpeg": {"method": "jpeg", "at": ["test"], "parameters": {"quality": 75}},
                "training": {"method": "adversarial_training", "at": ["train"], "parameters": {"epsilon": 0.1}},
            }
            | (filters or {}),
            "studies": {"robustness": robustness | {"attacks": ["fgsm"], "budget": None} | study},
        }
        (self.folder / "mine.yaml").write_text(yaml.safe_dump(config))

    def evaluate(self, *options: str, ok: bool = True) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "foolflow.cli", "evaluate", "mine.yaml", "--cores", "2", *options]
        environment = BARE | {"PYTHONPATH": os.fspath(ROOT)}
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert (done.returncode == 0) == ok, done.stdout + done.stderr
        return done

    def table(self, *index: str) -> pd.DataFrame:
        return pd.read_csv(self.folder / "results/tables/robustness.csv").set_index(list(index))

    def by_hand(self, classes: Sequence[str] = NAMES) -> tuple[float, float]:
        """Return the accuracy on the clean images and under FGSM, from the files and PyTorch alone."""
        pixels, labels = [], []
        for label, name in enumerate(classes):
            for file in sorted((self.folder / "photos" / name).iterdir()):
                pixels.append(np.asarray(Image.open(file)))
                labels.append(label)
        inputs, truth = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 255, torch.tensor(labels)

        class Logits(nn.Module):
            def forward(_, images):  # noqa: N805
                return self.network.layers((images - 0.43) / 0.15)

        clean = (Logits()(inputs).argmax(1) == truth).double().mean().item()
        made = fgsm(Logits(), inputs, truth, epsilon=4 / 255).images
        return clean, (Logits()(made).argmax(1) == truth).double().mean().item()


def made(folder: Path) -> dict[str, int]:
    return {
        path.relative_to(folder).as_posix(): path.stat().st_mtime_ns
        for path in (folder / "results").rglob("*")
        if path.is_file() and not {"logs", "benchmarks", "provenance"} & set(path.parts)
    }


@pytest.fixture(scope="module")
def user(tmp_path_factory) -> User:
    user = User(tmp_path_factory.mktemp("user"))
    user.first_run = user.evaluate()
    return user


@pytest.fixture(autouse=True)
def _usual_config(user: User) -> Iterator[None]:
    yield
    user.configure()


def rebuilt(user: User, *options: str) -> set[str]:
    before = made(user.folder)
    user.evaluate(*options)
    return {path for path, time in made(user.folder).items() if before.get(path) != time}


def test_the_command_ends_by_naming_the_page_which_speaks_of_the_users_run_alone(user):
    assert user.first_run.stdout.rstrip().endswith("results/index.html")
    page = (user.folder / "results/index.html").read_text(encoding="utf-8")
    words = re.sub(r"<(script|style).*?</\1>", "", page, flags=re.DOTALL)
    assert re.search(r"On photos, within L∞ 4/255|On photos, within <dfn[^>]*>L∞</dfn> 4/255", words)
    assert re.findall(r'<section id="(\w+)"', words) == ["answer", "robustness", "explorer", "provenance"]
    assert not re.search(r"\bR[1-4]\b|MNIST|CIFAR|published", words)
    assert "foolflow evaluate mine.yaml --forcerun results/attacks/photos/mine/none/0/robustness-fgsm" in page


def test_the_numbers_are_those_of_the_network_on_the_images(user):
    clean, attacked = user.by_hand()
    table = user.table("attack")
    assert (table.loc["clean", "accuracy"], table.loc["clean", "n"]) == (pytest.approx(clean), 60)
    assert table.loc["fgsm", "accuracy"] == pytest.approx(attacked)
    assert clean > 0.5
    assert attacked < clean
    assert "ends in a softmax" in table.loc["clean", "warnings"]
    assert not list(user.folder.rglob("*checkpoint*"))


def test_the_command_says_the_answer_and_speaks_of_nothing_else(user):
    done = user.first_run
    assert "Robustness within L∞ 4/255" in done.stdout
    assert "mine classifies " in done.stdout
    assert not any(word in done.stdout + done.stderr for word in ("R1", "R2", "R3", "R4", "Traceback"))


def test_a_second_run_makes_nothing_and_leaves_the_weights_alone(user):
    weights = user.folder / "weights.pth"
    before = weights.read_bytes(), weights.stat().st_mtime_ns
    assert rebuilt(user) == set()
    assert (weights.read_bytes(), weights.stat().st_mtime_ns) == before


def test_each_change_of_an_input_gives_the_new_numbers(user):
    user.give_weights(1)
    changed = rebuilt(user)
    assert not any(path.startswith("results/data/") for path in changed)
    assert ADVERSARIAL.format("none") in changed
    assert user.table("attack").loc[["clean", "fgsm"], "accuracy"].tolist() == pytest.approx(user.by_hand())

    for index, pixels in enumerate(images_of(0, 5, 77)):
        Image.fromarray(pixels).save(user.folder / f"photos/red/{index}.png")
    classes = ["green", "blue", "red"]  # wrong, and so is the accuracy
    user.configure({"classes": classes})
    assert "results/data/photos/test.safetensors" in rebuilt(user)
    table = user.table("attack")
    assert table.loc[["clean", "fgsm"], "accuracy"].tolist() == pytest.approx(user.by_hand(classes))
    wrong = table.loc["clean"]
    assert wrong["accuracy"] < 0.4
    assert "close to chance" in wrong["warnings"]
    assert "with the classes in another order it would be" in wrong["warnings"]


def test_a_training_in_front_of_supplied_weights_is_refused(user):
    user.configure(defenses=["training"])
    done = user.evaluate(ok=False)
    assert "training has to train, but the weights of mine are supplied" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_plan_attacks_nothing_and_a_budget_limits_the_images(user):
    user.configure(epsilon="6/255", attacks=["pgd"], budget="10 s")
    done = user.evaluate("--plan")
    assert "mine/none" in done.stdout
    assert "Nothing has been attacked yet" in done.stdout
    assert not list(user.folder.rglob("robustness-pgd/adversarial.safetensors"))


def test_damaged_weights_are_one_line_and_exit_with_an_error(user):
    weights = user.folder / "weights.pth"
    kept = weights.read_bytes()
    try:
        weights.write_bytes(b"not a state dict")
        done = user.evaluate(ok=False)
    finally:
        weights.write_bytes(kept)
    assert "weights.pth is not a file saved by torch.save" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_name_that_snakemake_cannot_take_is_one_line(user):
    folder = user.folder / "photos/a {brace} folder"
    folder.mkdir()
    Image.new("RGB", (16, 12)).save(folder / "1.png")
    try:
        done = user.evaluate(ok=False)
    finally:
        (folder / "1.png").unlink()
        folder.rmdir()
    assert "contains a brace, which Snakemake reads as a wildcard; rename it" in done.stderr


def test_filters_work_in_front_of_the_weights_and_a_new_file_outdates_only_its_filter(user):
    """One filter of the project and two of the user: one reads a file, one is random."""
    (user.folder / "shift.py").write_text(SHIFT)
    (user.folder / "noisy.py").write_text(NOISY)
    offset = user.folder / "offset.txt"
    offset.write_text("0")
    filters = {
        "shift": {"python": "shift.py:shift", "at": ["test"], "parameters": {"file": "offset.txt"}},
        "noisy": {"python": "noisy.py:noisy", "at": ["test"]},
    }
    names = ["none", "jpeg", "shift", "noisy"]
    user.configure(filters=filters, defenses=names)
    user.evaluate()
    table = user.table("defense", "attack")
    assert table.index.unique("defense").tolist() == names
    assert table.loc[("none", "clean"), "accuracy"] == pytest.approx(user.by_hand()[0])
    assert table.loc[("shift", "clean"), "accuracy"] == table.loc[("none", "clean"), "accuracy"]

    assert "the model is random" in table.loc[("noisy", "clean"), "warnings"]
    assert not any("random" in str(table.loc[(name, "clean"), "warnings"]) for name in ("none", "jpeg", "shift"))
    assert table.loc[("noisy", "fgsm"), "n"] == 60  # the random filter is judged over several draws
    records = {
        path.parent.parent.name: pd.read_parquet(path) for path in (user.folder / "results").rglob("records.parquet")
    }
    assert records["noisy"]["fooled_share"].between(0.01, 0.99).any()
    assert not any("fooled_share" in records[name] for name in ("none", "jpeg", "shift"))
    assert rebuilt(user) == set()

    offset.write_text("0.5")
    changed = rebuilt(user)
    attacked = {name for name in names if ADVERSARIAL.format(name) in changed}
    assert attacked == {"shift"}
    after = user.table("defense", "attack")["accuracy"]
    assert after["shift", "clean"] < table.loc[("shift", "clean"), "accuracy"]
