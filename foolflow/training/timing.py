"""Time a training recipe on a few batches."""

from torch import nn

from foolflow.compute.speed import clock
from foolflow.defenses.hardening import Hardening
from foolflow.jobs.progress import Progress
from foolflow.training.loop import Labelled, train
from foolflow.training.recipe import Recipe

BATCHES = 2
EPOCHS = 2


def seconds_per_image(
    model: nn.Module, images: Labelled, recipe: Recipe, *, hardening: Hardening | None = None
) -> float:
    """Return the core-seconds that an epoch of `recipe` takes for each image, without the measurements after it.

    model: trained in place.  images: the first BATCHES batches are used.  hardening: as in `train`.
    """
    count = BATCHES * recipe.batch_size
    part = Labelled(images.images[:count], images.labels[:count])
    few = Labelled(images.images[:2], images.labels[:2])

    def seconds(epochs: int) -> float:
        short = Recipe(**{**vars(recipe), "epochs": epochs, "patience": None})
        quiet = Progress("timing", "epochs", write=lambda line: None)
        start = clock(part.images.device)
        train(model, part, few, short, seed=0, hardening=hardening, progress=quiet)
        return clock(part.images.device) - start

    seconds(1)  # prepares memory and kernels
    once = seconds(1)  # with what a training does before its first epoch
    return max(seconds(1 + EPOCHS) - once, 0.0) / (EPOCHS * len(part.labels))
