"""Look at a victim before it is attacked: is it accurate, is it random, and does it have a gradient?"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from foolflow.attacks.judging import classify
from foolflow.compute.batch_size import default_batch_size
from foolflow.compute.freezing import frozen
from foolflow.compute.gradients import why_not_differentiable
from foolflow.compute.prediction import in_batches, say, to_float
from foolflow.compute.randomness import TRIED, draws_of
from foolflow.data.splits import Split
from foolflow.defenses.filtered import through_filter

NEAR_CHANCE = 0.1  # of the way from chance to certainty
CLEAR_GAIN = 0.3  # of accuracy, by which another order of the classes has to be better
ENOUGH = 20  # images to judge by whether another order would be better
PROBED = 16  # images whose gradients are looked at; fewer if they are large


def inspect(
    victim: nn.Module,
    split: Split,
    class_names: Sequence[str],
    device: torch.device,
    *,
    report: Callable[[str], None] = say,
) -> dict[str, Any]:
    """Classify the clean images, and look for what makes the victim's numbers doubtful.

    victim: in eval mode.  split: the test split.  class_names: of the victim's outputs, those of the split first.
    report: as in `in_batches`.
    Returns `n`, `correct`, `differentiable` (whether the victim has a gradient), `random` (whether repeated passes
    differ) and `warnings`, one sentence each.
    """
    draws = draws_of(victim, to_float(split.images[:TRIED], device))
    predictions = classify(victim, split.images, device, draws=draws, report=report).classes.numpy()
    probed = to_float(split.images[: default_batch_size(PROBED, split.images.shape[1:])], device)
    with frozen(victim), through_filter(victim, "auto", probed):  # as the standard attacks go through it
        problem = why_not_differentiable(victim, to_float(split.images[:1], device))
        if problem is None:
            doubts = _about_gradient(victim, split, device, report)
        else:
            doubts = [f"the model has no gradient, so only attacks that need none apply ({problem})"]
    return {
        "n": len(split),
        "correct": int((predictions == split.labels).sum()),
        "differentiable": problem is None,
        "random": draws > 1,
        "warnings": [*_about_chance(predictions, split, class_names), *_about_randomness(draws), *doubts],
    }


def _about_randomness(draws: int) -> list[str]:
    if draws == 1:
        return []
    return [
        "the model is random: it returns other logits for the same image each time; "
        f"every prediction is that of the mean of {draws} passes, and so are the gradients of attacks without `samples`"
    ]


def _about_chance(predictions: np.ndarray, split: Split, class_names: Sequence[str]) -> list[str]:
    accuracy = float((predictions == split.labels).mean())
    chance = 1 / max(len(split.class_names), 2)
    if accuracy > chance + NEAR_CHANCE * (1 - chance):
        return []
    warning = (
        f"the accuracy on clean images is {100 * accuracy:.1f} %, close to chance ({100 * chance:.1f} %); "
        "check `mean` and `std`, the order of `classes`, and how the images are resized and cropped"
    )
    best = _accuracy_in_best_order(predictions, split.labels, len(class_names))
    # A constant prediction, which a wrong `mean` may cause, would be the most frequent class in another order.
    constant = float(np.bincount(split.labels).max() / len(split))
    if len(split) >= ENOUGH and best > max(accuracy, constant) + CLEAR_GAIN:
        warning += f"; with the classes in another order it would be {100 * best:.1f} %, so `classes` is probably wrong"
    return [warning]


def _accuracy_in_best_order(predictions: np.ndarray, labels: np.ndarray, classes: int) -> float:
    """Return the accuracy with the outputs in the order that suits the labels best.

    The order is fitted to half of the images of each class and scored on the other half, then the other way round. On
    the images that it was fitted to, an order explains random predictions, too, if there are few images of each class.
    """
    by_class = np.argsort(labels, kind="stable")
    halves = (by_class[::2], by_class[1::2])
    correct = 0
    for fitted, scored in (halves, halves[::-1]):
        counts = np.zeros((classes, classes), np.int64)
        np.add.at(counts, (predictions[fitted], labels[fitted]), 1)
        _, label_of = linear_sum_assignment(counts, maximize=True)
        correct += int((label_of[predictions[scored]] == labels[scored]).sum())
    return correct / len(labels)


def _about_gradient(victim: nn.Module, split: Split, device: torch.device, report: Callable[[str], None]) -> list[str]:
    """Warn if the gradient vanishes for some images, which hides them from the attacks that follow it."""

    def vanishes(images: Tensor) -> Tensor:
        inputs = images.requires_grad_()
        logits = victim(inputs)
        (gradient,) = torch.autograd.grad(cross_entropy(logits, logits.argmax(1), reduction="sum"), inputs)
        return gradient.flatten(1).abs().amax(1) == 0

    probed = split.images[: default_batch_size(PROBED, split.images.shape[1:])]
    none = float(torch.cat(in_batches(vanishes, probed, device, report)).float().mean())
    if none == 0:
        return []
    return [
        f"the gradient of the loss is exactly zero for {100 * none:.0f} % of the first {len(probed)} images; "
        "attacks that follow it may fail on images that are not robust (gradient masking)"
    ]
