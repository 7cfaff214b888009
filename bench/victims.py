"""Load or train the victims that all contenders attack, and load their images."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torchvision.models.resnet import BasicBlock

from foolflow.data.divide import divide
from foolflow.data.readers import digits
from foolflow.data.splits import load_split
from foolflow.defenses.loading import load_hardening
from foolflow.jobs.progress import Progress
from foolflow.models.victims import build_model, load_victim
from foolflow.training.loop import Labelled, train
from foolflow.training.recipe import Recipe

SHAPE = {"channels": 1, "size": 28, "classes": 10}
LARGE = 128  # pixels a side
ROBUST = {"method": "adversarial_training", "parameters": {"epsilon": 0.1, "steps": 5, "random_start": True}}

# A model, its test images (uint8) and their labels.
Victim = tuple[nn.Module, Tensor, Tensor]


def lenet() -> Victim:
    """Train a LeNet."""
    return _trained(_built(lambda: build_model({"architecture": "lenet.LeNet"}, SHAPE)), _digits(), epochs=12)


def robust_lenet() -> Victim:
    """Train a LeNet adversarially, within an L-infinity ball of 0.1."""
    model = _built(lambda: build_model({"architecture": "lenet.LeNet"}, SHAPE))
    return _trained(model, _digits(), epochs=20, defense=ROBUST)


def large_resnet() -> Victim:
    """Train a small residual network with BatchNorm on digits of 3 x 128 x 128 pixels, in a colour each."""
    data = {name: _enlarged(part, seed) for seed, (name, part) in enumerate(_digits().items())}
    return _trained(_built(SmallResNet), data, epochs=4)


class SmallResNet(nn.Module):
    """A residual network of three blocks with BatchNorm."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 7, 4, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.blocks = nn.Sequential(*(BasicBlock(*shape) for shape in self._shapes(width)))
        self.output = nn.Linear(4 * width, 10)

    @staticmethod
    def _shapes(width: int) -> list[tuple[int, int, int, nn.Module | None]]:
        def shortcut(inputs: int) -> nn.Module:
            return nn.Sequential(nn.Conv2d(inputs, 2 * inputs, 1, 2, bias=False), nn.BatchNorm2d(2 * inputs))

        halving = [(inputs, 2 * inputs, 2, shortcut(inputs)) for inputs in (width, 2 * width)]
        return [(width, width, 1, None), *halving]

    def forward(self, images: Tensor) -> Tensor:
        return self.output(self.blocks(self.stem(images)).mean((2, 3)))


@dataclass(frozen=True)
class Trainable:
    """A victim that the benchmark trains itself, on scikit-learn's digits, which need no download.

    name: what the tables call it.  images: how many are attacked at the most.
    attacks: words in the names of the attacks that are affordable on it; all attacks if there are none.
    """

    name: str
    train: Callable[[], Victim]
    images: int
    attacks: tuple[str, ...] = ()


WITHIN = ("noise", "FGSM", "PGD", "APGD", "FAB", "Square", "AutoAttack")
VICTIMS = {
    "lenet": Trainable("LeNet, digits", lenet, 500),
    "robust": Trainable("LeNet trained adversarially, digits", robust_lenet, 200, (*WITHIN, "DeepFool", "minimal")),
    "large": Trainable(
        f"small ResNet, digits of {LARGE} x {LARGE} pixels", large_resnet, 40, ("FGSM", "PGD", "DeepFool", "minimal")
    ),
}


def _digits() -> dict[str, Labelled]:
    splits = divide(digits.read({}, Path()), {"source": "digits", "val": 197, "test": 500}, seed=0)
    return {
        name: Labelled(torch.from_numpy(part.images), torch.from_numpy(part.labels)) for name, part in splits.items()
    }


def _enlarged(part: Labelled, seed: int) -> Labelled:
    """Scale the images, and give each a place and a colour of its own."""
    generator = torch.Generator().manual_seed(seed)
    margin = LARGE // 8
    scaled = interpolate(part.images.float(), LARGE + margin, mode="bilinear", align_corners=False)
    places = torch.randint(margin + 1, (len(scaled), 2), generator=generator).tolist()
    cropped = torch.cat(
        [one[None, :, top : top + LARGE, left : left + LARGE] for one, (top, left) in zip(scaled, places, strict=True)]
    )
    colours = 0.5 + 0.5 * torch.rand((len(scaled), 3, 1, 1), generator=generator)
    return Labelled((cropped * colours).round().to(torch.uint8), part.labels)


def _built(build: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build()


def _trained(
    model: nn.Module, data: Mapping[str, Labelled], epochs: int, defense: Mapping[str, Any] | None = None
) -> Victim:
    recipe = Recipe(epochs=epochs, learning_rate=0.004, schedule="one_cycle", precision="float32")
    silent = Progress("training", "epochs", write=lambda _: None)
    train(model, data["train"], data["val"], recipe, seed=0, hardening=load_hardening(defense or {}), progress=silent)
    model = model.to(memory_format=torch.channels_last).eval()  # as load_victim does
    return model, data["test"].images, data["test"].labels


def load_trained_victim(weights: Path, images: Path, model: Mapping[str, Any] | None) -> Victim:
    """Load a victim of a workflow run, and the images and labels of a split.

    model: the config entry that it was trained from; needed if that entry names the user's own code.
    """
    split = load_split(images)
    return load_victim(weights, model=model), torch.from_numpy(split.images), torch.from_numpy(split.labels)
