"""Corruptions: changes of an image that use no gradient, as a control for attacks of the same size."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from foolflow.attacks.ball import steepest
from foolflow.attacks.base import (
    Adversarial,
    as_epsilons,
    conclude,
    is_success,
    stack,
)
from foolflow.attacks.border import for_any_model
from foolflow.compute.seeds import derived_seed
from foolflow.errors import InvalidInput

# The constants of SplitMix64 (Steele, Lea and Flood 2014), as signed integers.
GOLDEN, FIRST, SECOND = -0x61C8864680B583EB, -0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15


@for_any_model
def corrupt(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    kind: str = "noise",
    epsilon: float | Sequence[float],
    norm: str = "linf",
    draws: int = 1,
    seed: int = 0,
) -> Adversarial:
    """Corrupt images without looking at the model, as a control for attacks of the same size.

    model: float32 images (N, C, H, W) in [0, 1] to logits (N, classes). It needs no gradient.
    images: float32 (N, C, H, W) in [0, 1].  labels: int64 (N,).
    kind: `noise`. With norm `linf`, each value changes by plus or minus epsilon, the size of an FGSM perturbation; with
        `l2`, the image moves by epsilon in a Gaussian direction. Then it is clipped to [0, 1], which shortens the
        perturbation: on black and white pixels about half of it is lost.
    epsilon: size in pixel units, or E of them. With several, each field of the result has a leading dimension E.
    draws: number of corruptions of each image; the first that fools the model is returned, or else the last.
    seed: of the draws. The random numbers also depend on the image itself: a result depends neither on the other images
        of the batch nor on the device.
    Misclassified images are returned unchanged.
    Raises InvalidInput if images leave [0, 1], a label is not a class, a parameter is out of range, or the model's
    logits are not finite.
    """
    epsilons = as_epsilons(epsilon)
    if kind not in KINDS or norm not in ("linf", "l2") or draws < 1:
        raise InvalidInput(f"kind {kind!r}: {', '.join(KINDS)}; norm {norm!r}: linf or l2; draws {draws}: at least 1")
    with torch.no_grad():
        logits = model(images)
        wrong = is_success(logits.argmax(1), labels, None)
        made = [_corrupted(model, images, labels, wrong, KINDS[kind], value, norm, draws, seed) for value in epsilons]
    return stack(made) if np.ndim(epsilon) else made[0]


def _corrupted(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    wrong: Tensor,
    change: Callable[..., Tensor],
    epsilon: float,
    norm: str,
    draws: int,
    seed: int,
) -> Adversarial:
    made = images.clone()
    iterations = torch.zeros_like(labels)
    standing = (~wrong).nonzero().squeeze(1)
    for draw in range(draws):
        if len(standing) == 0:
            break
        made[standing] = change(images[standing], epsilon, norm, derived_seed(seed, "corrupt", draw)).clamp(0, 1)
        iterations[standing] += 1
        if draw + 1 < draws:
            standing = standing[model(made[standing]).argmax(1) == labels[standing]]
    return conclude(model, made, labels, None, iterations, torch.zeros_like(labels))


def _noise(images: Tensor, epsilon: float, norm: str, seed: int) -> Tensor:
    first, second = _random_numbers(images, seed), _random_numbers(images, seed + 1)
    normal = (-2 * (1 - first).log()).sqrt() * (2 * math.pi * second).cos()  # Box and Muller 1958
    return images + epsilon * steepest(normal.float(), norm)


# Each: (images, epsilon, norm, seed) -> changed images, which are then clipped to [0, 1].
KINDS: dict[str, Callable[[Tensor, float, str, int], Tensor]] = {"noise": _noise}


def _random_numbers(images: Tensor, seed: int) -> Tensor:
    """Return numbers in [0, 1) of the shape of the images, float64. Those of an image depend on it and on the seed."""
    bits = images.flatten(1).contiguous().view(torch.int32).long()
    place = torch.arange(1, bits.shape[1] + 1, device=images.device) * GOLDEN
    image = (bits * _mixed(place)).sum(1, keepdim=True)  # int64 wraps around
    mixed = _mixed(_mixed(image + seed) + place)
    return (_shifted(mixed, 11).double() / 2**53).view_as(images)


def _mixed(numbers: Tensor) -> Tensor:
    """Return the output function of SplitMix64, a bijection of the 64-bit integers."""
    numbers = (numbers ^ _shifted(numbers, 30)) * FIRST
    numbers = (numbers ^ _shifted(numbers, 27)) * SECOND
    return numbers ^ _shifted(numbers, 31)


def _shifted(numbers: Tensor, by: int) -> Tensor:
    """Shift to the right, filling with zeros."""
    return (numbers >> by) & ((1 << (64 - by)) - 1)
