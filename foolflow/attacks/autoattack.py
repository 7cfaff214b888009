"""AutoAttack: an ensemble of attacks, each on the images that the previous ones did not fool."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from foolflow.attacks.apgd import apgd
from foolflow.attacks.base import Adversarial, at_each, check_choice, conclude, is_success
from foolflow.attacks.border import for_any_model
from foolflow.attacks.dichotomy import dichotomy
from foolflow.attacks.fab import fab
from foolflow.attacks.norms import NORMS
from foolflow.attacks.square import square
from foolflow.compute.gradients import why_not_differentiable
from foolflow.compute.seeds import derived_seed
from foolflow.errors import InvalidInput

CLASSES = 9  # wrong classes that the aimed attacks try, the most likely ones
MORE_STARTS = 2
MISCLASSIFIED, NOT_FOOLED = 0, -1


@for_any_model
def autoattack(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    epsilon: float | Sequence[float],
    norm: str = "linf",
    queries: int = 5000,
    seed: int = 0,
) -> Adversarial:
    """Run attack after attack, each on the images that the previous ones did not fool, after the standard version of
    AutoAttack (Croce and Hein 2020, arXiv 2003.01690): APGD on the cross-entropy, APGD and FAB aimed at the most likely
    wrong classes, and Square.

    The aimed attacks give all their steps only to the most promising classes, and APGD aims with the margin instead of
    the DLR loss. The saved steps pay for another attack before Square: two more starts of APGD on the cross-entropy in
    `linf`, and `dichotomy` in `l2`.

    model: float32 images (N, C, H, W) in [0, 1] to logits (N, classes), at least 2. If it has no gradient, only Square
        runs, and a warning (of Python) says so.
    images: float32 (N, C, H, W) in [0, 1].  labels: int64 (N,).
    epsilon: radius of the ball in pixel units, or E of them. With several, each field of the result has a leading
        dimension E.
    norm: `linf` or `l2`.  queries: of Square.  seed: of the starts of APGD and of the windows of Square. All images
        share them, so that no result depends on the batch.
    Images that no attack fools, and misclassified ones, are returned unchanged.
    `details` of the result: `stage` (N,), int64, the attack that fooled an image: 1 for APGD on the cross-entropy, 2
    for aimed APGD, 3 for FAB, 4 for further starts of APGD or for dichotomy, 5 for Square; 0 for images that were
    misclassified before, -1 for those that are not fooled.
    Raises InvalidInput if images leave [0, 1], a label is not a class, a parameter is out of range, or the model's
    logits are not finite.
    """
    check_choice("norm", norm, NORMS)
    if queries < 1:
        raise InvalidInput(f"queries: {queries} is below 1")
    with torch.no_grad():
        predictions = model(images).argmax(1)
    problem = why_not_differentiable(model, images[:1])
    if problem is not None:
        warnings.warn(f"autoattack runs Square alone, since the model has no gradient: {problem}", stacklevel=3)

    def attack(radius: float) -> Adversarial:
        stages = _stages(radius, norm, queries, seed)
        return _run(model, images, labels, predictions, stages, differentiable=problem is None)

    return at_each(epsilon, attack)


Attack = Callable[[nn.Module, Tensor, Tensor], Adversarial]


def _stages(epsilon: float, norm: str, queries: int, seed: int) -> list[Attack]:
    ball: dict[str, Any] = {"epsilon": epsilon, "norm": norm}
    more: Attack = partial(apgd, loss="cross_entropy", restarts=MORE_STARTS, seed=derived_seed(seed, "again"), **ball)
    return [
        partial(apgd, loss="cross_entropy", seed=seed, **ball),
        partial(apgd, loss="margin", target_classes=CLASSES, seed=seed, **ball),
        partial(fab, target_classes=CLASSES, **ball),
        more if norm == "linf" else partial(_shortest_within, epsilon=epsilon, seed=seed),
        partial(square, **ball, queries=queries, seed=seed),
    ]


def _shortest_within(model: nn.Module, images: Tensor, labels: Tensor, *, epsilon: float, seed: int) -> Adversarial:
    """Look for the shortest L2 perturbation; only those within epsilon count as successes."""
    made = dichotomy(model, images, labels, seed=seed)
    return replace(made, success=made.success & (made.details["norms"] <= epsilon))


def _run(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    predictions: Tensor,
    stages: Sequence[Attack],
    *,
    differentiable: bool,
) -> Adversarial:
    """Run the stages, or only the last one if the model is not differentiable. predictions: (N,), of `images`."""
    made, stage = images.clone(), torch.full_like(labels, NOT_FOOLED)
    evaluations, iterations = torch.zeros_like(labels), torch.zeros_like(labels)
    stage[is_success(predictions, labels, None)] = MISCLASSIFIED
    for rank, attack in enumerate(stages, 1):
        rows = (stage == NOT_FOOLED).nonzero().squeeze(1)
        if len(rows) == 0:
            break
        if not differentiable and rank < len(stages):
            continue
        tried = attack(model, images[rows], labels[rows])
        iterations[rows] += tried.iterations
        evaluations[rows] += tried.gradient_evaluations
        fooled = rows[tried.success]
        made[fooled], stage[fooled] = tried.images[tried.success], rank
    return replace(conclude(model, made, labels, None, iterations, evaluations), details={"stage": stage})
