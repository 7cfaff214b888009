"""Look at a victim before it is attacked: is it accurate, does it have a gradient, and how fast is it?"""

import resource
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from foolflow.attacks.judging import classify
from foolflow.attacks.pgd import pgd
from foolflow.compute.freezing import frozen
from foolflow.compute.prediction import to_float
from foolflow.data.splits import Split
from foolflow.errors import InvalidInput

NEAR_CHANCE = 0.1  # of the way from chance to certainty
CLEAR_GAIN = 0.3  # of accuracy, by which another order of the classes has to be better
PROBE_STEPS = 10  # of the attack that tells whether images resist
REPEATS = 2  # timed passes; the fastest counts


def inspect(victim: nn.Module, split: Split, class_names: Sequence[str], device: torch.device) -> dict[str, Any]:
    """Classify the clean images. Return `n`, `correct` and `warnings`, one sentence each.

    victim: in eval mode.  split: the test split.  class_names: of the victim's outputs, those of the split first.
    """
    predictions = classify(victim, split.images, device).classes.numpy()
    correct = int((predictions == split.labels).sum())
    warnings = [*_about_chance(predictions, split, class_names), *_about_gradient(victim, split, device)]
    return {"n": len(split), "correct": correct, "warnings": warnings}


def _about_chance(predictions: np.ndarray, split: Split, class_names: Sequence[str]) -> list[str]:
    accuracy = float((predictions == split.labels).mean())
    chance = 1 / max(len(split.class_names), 2)
    if accuracy > chance + NEAR_CHANCE * (1 - chance):
        return []
    warning = (
        f"the accuracy on clean images is {accuracy:.1%}, close to chance ({chance:.1%}); "
        "check `mean` and `std`, the order of `classes`, and how the images are resized and cropped"
    )
    best = _best_accuracy(predictions, split.labels, len(class_names))
    if best > accuracy + CLEAR_GAIN:
        warning += f"; with the classes in another order it would be {best:.1%}, so `classes` is probably wrong"
    return [warning]


def _best_accuracy(predictions: np.ndarray, labels: np.ndarray, classes: int) -> float:
    """Return the accuracy with the outputs in the order that suits the labels best."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (predictions, labels), 1)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    return float(counts[rows, columns].sum() / len(labels))


def _about_gradient(victim: nn.Module, split: Split, device: torch.device) -> list[str]:
    """Warn if there is no gradient, or if it vanishes for many images, which hides them from gradient attacks."""
    images = to_float(split.images[:32], device)
    try:
        with frozen(victim):
            inputs = images.requires_grad_()
            logits = victim(inputs)
            loss = cross_entropy(logits, logits.argmax(1), reduction="sum")
            (gradient,) = torch.autograd.grad(loss, inputs)
    except (InvalidInput, RuntimeError) as error:
        return [f"the model has no gradient ({' '.join(str(error).split())[:200]}), so only attacks without one apply"]
    none = float((gradient.flatten(1).abs().amax(1) == 0).float().mean())
    if none == 0:
        return []
    return [
        f"the gradient of the loss is exactly zero for {none:.0%} of the first {len(images)} images; "
        "attacks that follow it may fail on images that are not robust (gradient masking)"
    ]


def measure_speed(
    victim: nn.Module, images: np.ndarray, labels: np.ndarray, *, norm: str, epsilon: float, device: torch.device
) -> dict[str, Any]:
    """Time a victim on one batch of images. Return the fields of `planning.Speed`, except `images`, and the memory.

    images: uint8 (N, C, H, W).  labels: int64 (N,).
    memory_mb: the peak memory of this process, in MB (2^20 bytes), after a forward and a backward pass of the batch.
    """
    batch, truth = to_float(images, device), torch.from_numpy(labels).to(device)
    with frozen(victim):
        with torch.no_grad():
            classes = victim(batch).shape[1]
            forward = _seconds(lambda: victim(batch), device) / len(batch)
        gradient, resisting = _gradient_and_resistance(victim, batch, truth, norm, epsilon, device)
    return {
        "forward": forward,
        "gradient": forward if gradient is None else gradient,
        "resisting": resisting,
        "differentiable": gradient is not None,
        "classes": classes,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _gradient_and_resistance(
    victim: nn.Module, images: Tensor, labels: Tensor, norm: str, epsilon: float, device: torch.device
) -> tuple[float | None, float]:
    """Return the seconds per image of a gradient, None if there is none, and which part withstands a short attack."""

    def gradient() -> None:
        inputs = images.detach().requires_grad_()
        torch.autograd.grad(victim(inputs).logsumexp(1).sum(), inputs)

    try:
        seconds = _seconds(gradient, device) / len(images)
        made = pgd(victim, images, labels, norm=norm, epsilon=epsilon, loss="margin", steps=PROBE_STEPS)
    except (InvalidInput, RuntimeError):
        return None, 1.0
    return seconds, float((~made.success).float().mean())


def _seconds(work: Callable[[], Any], device: torch.device) -> float:
    """Return the seconds of the fastest of a few calls, after a first one that is not counted."""
    work()
    found = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        found.append(time.perf_counter() - start)
    return min(found)
