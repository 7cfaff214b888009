"""Change an image without looking at the model: a control for the attacks that do."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from foolflow.attacks.ball import project, steepest
from foolflow.attacks.base import Adversarial, check_images, check_logits, conclude
from foolflow.errors import InvalidInput

# The constants of SplitMix64 (Steele, Lea and Flood 2014), as signed integers.
GOLDEN, FIRST, SECOND = -0x61C8864680B583EB, -0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15


@torch.no_grad()
def corrupt(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    kind: str = "noise",
    epsilon: float,
    norm: str = "linf",
    seed: int = 0,
) -> Adversarial:
    """Corrupt each image once. No gradient is computed.

    model: float32 images (N, C, H, W) in [0, 1] to logits (N, classes).
    images: float32 (N, C, H, W) in [0, 1].  labels: int64 (N,).
    kind: `noise`: in `linf`, each value changes by epsilon up or down; in `l2`, the image moves by epsilon in a random
        direction. Clipping to [0, 1] shortens the perturbation, as it does that of an attack.
    epsilon: size in pixel units.  norm: `linf` or `l2`.
    seed: of the random numbers, which also depend on the image itself: a result depends neither on the other images
        of the batch nor on the device.
    Raises InvalidInput if images leave [0, 1], a label is not a class, a parameter is unknown or out of range, or the
    model's logits are not finite.
    """
    if kind not in KINDS or norm not in ("linf", "l2") or not 0 <= epsilon < math.inf:
        raise InvalidInput(
            f"kind {kind!r}: one of {', '.join(KINDS)}; norm {norm!r}: linf or l2; epsilon {epsilon}: >= 0"
        )
    check_images(images, labels)
    check_logits(model(images[:1]), labels[:1])
    none = torch.zeros_like(labels)
    return conclude(model, KINDS[kind](images, epsilon, norm, seed), labels, None, none, none)


def _noise(images: Tensor, epsilon: float, norm: str, seed: int) -> Tensor:
    first, second = _random_numbers(images, seed), _random_numbers(images, seed + 1)
    normal = (-2 * (1 - first).log()).sqrt() * (2 * math.pi * second).cos()  # Box and Muller 1958
    return project(images + epsilon * steepest(normal.float(), norm), images, epsilon, norm)


# Each: (images, epsilon, norm, seed) -> the corrupted images in [0, 1].
KINDS: dict[str, Callable[[Tensor, float, str, int], Tensor]] = {"noise": _noise}


def _random_numbers(images: Tensor, seed: int) -> Tensor:
    """Return numbers in [0, 1) of the shape of the images, float64. Those of an image depend on it and on the seed."""
    bits = images.flatten(1).contiguous().view(torch.int32).long()
    place = torch.arange(1, bits.shape[1] + 1, device=images.device) * GOLDEN
    image = (bits * _mixed(place)).sum(1, keepdim=True)  # int64 wraps around
    mixed = _mixed(_mixed(image + seed * SECOND) + place)
    return (_shifted(mixed, 11).double() / 2**53).view_as(images)


def _mixed(numbers: Tensor) -> Tensor:
    """Return the output function of SplitMix64, a bijection of the 64-bit integers."""
    numbers = (numbers ^ _shifted(numbers, 30)) * FIRST
    numbers = (numbers ^ _shifted(numbers, 27)) * SECOND
    return numbers ^ _shifted(numbers, 31)


def _shifted(numbers: Tensor, by: int) -> Tensor:
    """Shift to the right, filling with zeros."""
    return (numbers >> by) & ((1 << (64 - by)) - 1)
