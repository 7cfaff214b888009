"""Load or train the victim that all contenders attack, and load its images."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from foolflow.data.divide import divide
from foolflow.data.readers import digits
from foolflow.data.splits import load_split
from foolflow.jobs.progress import Progress
from foolflow.models.victims import build_model, load_victim
from foolflow.training.loop import Labelled, train
from foolflow.training.recipe import Recipe

SHAPE = {"channels": 1, "size": 28, "classes": 10}


def train_digits_victim() -> tuple[nn.Module, Tensor, Tensor]:
    """Train a LeNet on scikit-learn's digits, which need no download.

    Return it with its test images (uint8) and labels.
    """
    splits = divide(digits.read({}, Path()), {"source": "digits", "val": 197, "test": 500}, seed=0)
    data = {
        name: Labelled(torch.from_numpy(part.images), torch.from_numpy(part.labels)) for name, part in splits.items()
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_model({"architecture": "lenet.LeNet"}, SHAPE)
    recipe = Recipe(epochs=12, learning_rate=0.004, schedule="one_cycle", precision="float32")
    train(
        model, data["train"], data["val"], recipe, seed=0, progress=Progress("training", "epochs", write=lambda _: None)
    )
    model = model.to(memory_format=torch.channels_last).eval()  # as load_victim does
    return model, data["test"].images, data["test"].labels


def load_trained_victim(
    weights: Path, images: Path, model: Mapping[str, Any] | None
) -> tuple[nn.Module, Tensor, Tensor]:
    """Load a victim of a workflow run, and the images and labels of a split.

    model: the config entry that it was trained from; needed if that entry names the user's own code.
    """
    split = load_split(images)
    return load_victim(weights, model=model), torch.from_numpy(split.images), torch.from_numpy(split.labels)
