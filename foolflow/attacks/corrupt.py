"""Corruptions: changes of an image that use no gradient, as a control for attacks of the same size."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from foolflow.attacks.base import (
    Adversarial,
    as_epsilons,
    check_images,
    check_logits,
    conclude,
    is_success,
    stack,
)
from foolflow.compute.freezing import frozen
from foolflow.compute.seeds import derived_seed
from foolflow.errors import InvalidInput


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
    seed: of the draws. All images share each draw, so that the result for an image depends on that image alone.
    Misclassified images are returned unchanged.
    Raises InvalidInput if images leave [0, 1], a label is not a class, a parameter is out of range, or the model's
    logits are not finite.
    """
    epsilons = as_epsilons(epsilon)
    if kind not in KINDS or norm not in ("linf", "l2") or draws < 1:
        raise InvalidInput(f"kind {kind!r}: {', '.join(KINDS)}; norm {norm!r}: linf or l2; draws {draws}: at least 1")
    check_images(images, labels)
    with frozen(model), torch.no_grad():
        logits = model(images)
        check_logits(logits, labels)
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
        generator = torch.Generator().manual_seed(derived_seed(seed, "corrupt", draw))
        made[standing] = change(images[standing], epsilon=epsilon, norm=norm, generator=generator).clamp(0, 1)
        iterations[standing] += 1
        if draw + 1 < draws:
            standing = standing[model(made[standing]).argmax(1) == labels[standing]]
    return conclude(model, made, labels, None, iterations, torch.zeros_like(labels))


def _noise(images: Tensor, *, epsilon: float, norm: str, generator: torch.Generator) -> Tensor:
    noise = torch.randn((1, *images.shape[1:]), generator=generator)
    direction = noise.sign() if norm == "linf" else noise / noise.norm()
    return images + epsilon * direction.to(images)


# Each function maps images (N, C, H, W) to changed ones, which are then clipped to [0, 1].
KINDS: dict[str, Any] = {"noise": _noise}
