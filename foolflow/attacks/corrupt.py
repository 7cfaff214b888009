"""Corruptions: changes of an image that use no gradient, as controls for attacks."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from foolflow.attacks.base import Adversarial, at_each, conclude, has_answer, is_success
from foolflow.attacks.border import for_any_model
from foolflow.attacks.corruptions import CORRUPTIONS, Draw
from foolflow.attacks.kinds import NOISES, STRENGTHS, corruption_problem
from foolflow.compute.seeds import derived_seed
from foolflow.errors import InvalidInput


@for_any_model
def corrupt(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    kind: str = "noise",
    epsilon: float | Sequence[float] | None = None,
    strength: float | Sequence[float] | None = None,
    norm: str = "linf",
    draws: int = 1,
    up_to: bool = False,
    seed: int = 0,
) -> Adversarial:
    """Corrupt images without looking at the model, as a control for attacks.

    model: float32 images (N, C, H, W) in [0, 1] to logits (N, classes). It needs no gradient.
    images: float32 (N, C, H, W) in [0, 1].  labels: int64 (N,).
    kind: noise of the size `epsilon`, a control for attacks in a ball:
        `sign_noise`: each value changes by plus or minus the same amount, like an FGSM perturbation.
        `gaussian_noise`, `uniform_noise`: independent numbers, scaled to the norm.
        `noise`: sign_noise in linf and gaussian_noise in l2.
        Or one of these, whose size is a `strength`:
        `rotation`: about the centre, by this many degrees (0 to 180), clockwise or anticlockwise at random.
        `translation`: by this many pixels along one axis or both, in one of 8 directions at random.
        `scale`: larger by this fraction, or smaller by the same factor, at random: 0.1 is 1.1 or 1 / 1.1.
        `crop`: cuts off this fraction of the height and of the width, and enlarges the rest (0 to 0.9).
        `stretch`: like `scale`, along one axis alone, drawn at random.
        `blur`: with a Gaussian of this standard deviation in pixels; images are mirrored beyond their border.
        `contrast`: differences from the mean grey of an image are multiplied by this factor; 1 changes nothing.
        `jpeg`: real compression at this quality, 1 to 100 as in Pillow and libjpeg, which also rounds to 8 bits.
        Rotation, translation, scale, crop and stretch are bilinear, and black comes in from beyond the border.
    epsilon: norm of the noise in pixel units, or E of them. With several, each field of the result has a leading
        dimension E. It is the norm before the image is clipped to [0, 1], which shortens the perturbation: on black and
        white pixels about half of it is lost.
    strength: size of the other kinds in their unit, or E of them, as for epsilon.
    norm: `linf` or `l2`, of the noise.
    draws: number of corruptions of each image; the first that fools the model is returned, or else the last.
    up_to: for rotation, translation, scale and stretch: `strength` is the largest size, and each draw has a uniform
        one, in each direction. With ten draws this is the worst-of-10 spatial attack of Engstrom et al. 2019 (arXiv
        1712.02779), for one kind of transformation at a time.
    seed: of the draws. The random numbers also depend on the image itself: a result depends neither on the other images
        of the batch nor on the device.
    Misclassified images are returned unchanged. details: `strength` (N,), if the kind has one.
    Raises InvalidInput if images leave [0, 1], a label is not a class, a parameter is out of range or not for this
    kind, or the model's logits are not finite.
    """
    given = {"kind": kind, "epsilon": epsilon, "strength": strength, "norm": norm, "draws": draws, "up_to": up_to}
    if problem := corruption_problem(given):
        raise InvalidInput(problem)
    size = epsilon if kind in NOISES else strength
    assert size is not None
    if kind == "jpeg" and images.shape[1] not in (1, 3):
        raise InvalidInput(f"jpeg: images have {images.shape[1]} channels; 1 or 3 are needed")
    with torch.no_grad():
        logits = model(images)
        wrong = is_success(logits.argmax(1), labels, None)
        plans = [Draw(derived_seed(seed, "corrupt", draw), norm, up_to) for draw in range(draws)]
        return at_each(size, lambda value: _corrupted(model, images, labels, wrong, kind, value, plans))


def _corrupted(
    model: nn.Module, images: Tensor, labels: Tensor, wrong: Tensor, kind: str, size: float, plans: Sequence[Draw]
) -> Adversarial:
    """Corrupt the images that the model classifies correctly, at one size, once for each plan until one fools it."""
    made = images.clone()
    iterations = torch.zeros_like(labels)
    standing = (~wrong).nonzero().squeeze(1)
    for plan in plans:
        if len(standing) == 0:
            break
        made[standing] = _changed(images[standing], kind, size, plan)
        iterations[standing] += 1
        if plan is not plans[-1]:
            logits = model(made[standing])
            standing = standing[(logits.argmax(1) == labels[standing]) | ~has_answer(logits)]
    found = conclude(model, made, labels, None, iterations, torch.zeros_like(labels))
    if kind in NOISES:
        return found
    return replace(
        found, details={"strength": torch.full(labels.shape, size, dtype=torch.float64, device=labels.device)}
    )


def _changed(images: Tensor, kind: str, size: float, plan: Draw) -> Tensor:
    if kind in STRENGTHS and size == STRENGTHS[kind].identity:
        return images  # exactly, which an interpolation is not
    return CORRUPTIONS[kind](images, size, plan).clamp(0, 1)
