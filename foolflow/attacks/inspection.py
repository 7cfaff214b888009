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
CLEAR_GAIN = 0.1  # of accuracy, by which another order of the classes has to be better
CERTAIN = 3  # standard errors by which it has to be better, too
ENOUGH = 20  # images to judge by whether another order would be better
MOST_CLASSES = 4000  # among which a better order is searched, in about a second
NAMED = 4  # classes in a warning
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
        "warnings": [*_about_accuracy(predictions, split, class_names), *_about_randomness(draws), *doubts],
    }


def _about_randomness(draws: int) -> list[str]:
    if draws == 1:
        return []
    return [
        "the model is random: it returns other logits for the same image each time; "
        f"every prediction is that of the mean of {draws} passes, and so are the gradients of attacks without `samples`"
    ]


def _about_accuracy(predictions: np.ndarray, split: Split, class_names: Sequence[str]) -> list[str]:
    accuracy = float((predictions == split.labels).mean())
    shares = np.bincount(split.labels) / len(split)
    most_frequent = int(shares.argmax())
    chance, how = 1 / max(len(split.class_names), 2), ""
    if chance < shares[most_frequent] < 1:  # images of one class say nothing about a constant prediction
        chance, how = float(shares[most_frequent]), f" by always predicting {class_names[most_frequent]!r}"
    clauses = []
    if accuracy <= chance + NEAR_CHANCE * (1 - chance):
        constant = len(np.unique(predictions)) == 1 and shares.max() < 1
        cause = f", since every image is classified as {class_names[predictions[0]]!r}" if constant else ""
        clauses.append(
            f"close to chance ({100 * chance:.1f} %{how}){cause}; check the normalisation (in a config, `mean` and "
            "`std`), the order of the classes (`classes`), and how the images are resized and cropped"
        )
    clauses += _about_order(predictions, split.labels, class_names)
    return [f"the accuracy on clean images is {100 * accuracy:.1f} %, {'; '.join(clauses)}"] if clauses else []


def _about_order(predictions: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> list[str]:
    """Return a clause if the predictions suit the labels clearly better with the classes in another order."""
    occurring, numbers = np.unique(np.concatenate([predictions, labels]), return_inverse=True)
    if len(labels) < ENOUGH or len(occurring) > MOST_CLASSES:
        return []
    outputs, truth = numbers[: len(labels)], numbers[len(labels) :]
    right, reordered = outputs == truth, _right_in_best_order(outputs, truth, len(occurring))
    # A constant prediction, which a wrong normalisation may cause, would be the most frequent class in another order.
    constant = float(np.bincount(truth).max() / len(truth))
    gained, changed = int(reordered.sum()) - int(right.sum()), int((right != reordered).sum())
    best = float(reordered.mean())
    if gained < CERTAIN * changed**0.5 or best <= max(float(right.mean()), constant) + CLEAR_GAIN:
        return []
    label_of = _best_order(outputs, truth, len(occurring))
    moved = (label_of[outputs] == truth) & ~right
    pairs = list(dict.fromkeys(zip(truth[moved].tolist(), outputs[moved].tolist(), strict=True)))
    name = [class_names[number] for number in occurring]
    shown = ", ".join(f"{name[label]!r} is classified as {name[output]!r}" for label, output in sorted(pairs)[:NAMED])
    return [
        f"but with the classes in another order it would be {100 * best:.1f} %, so their order (in a config, "
        f"`classes`) is probably wrong: {shown}{', ...' if len(pairs) > NAMED else ''}"
    ]


def _right_in_best_order(outputs: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Return which images are classified correctly with the outputs in the order that suits the labels best.

    The order is fitted to half of the images of each class and applied to the other half, then the other way round. On
    the images that it was fitted to, an order explains random predictions, too, if there are few images of each class.
    """
    by_class = np.argsort(labels, kind="stable")
    halves = (by_class[::2], by_class[1::2])
    right = np.zeros(len(labels), bool)
    for fitted, scored in (halves, halves[::-1]):
        label_of = _best_order(outputs[fitted], labels[fitted], classes)
        right[scored] = label_of[outputs[scored]] == labels[scored]
    return right


def _best_order(outputs: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Return the label of each output that suits the images best. Ties keep the given order."""
    counts = np.eye(classes)
    np.add.at(counts, (outputs, labels), 2)
    return linear_sum_assignment(counts, maximize=True)[1]


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
