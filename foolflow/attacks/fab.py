"""FAB: the fast adaptive boundary attack, which looks for the smallest perturbation."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from foolflow.attacks.base import Adversarial, as_epsilons, check_choice, is_clear_success, lead, rounding, rows_of
from foolflow.attacks.border import for_any_model
from foolflow.attacks.hyperplane import to_hyperplane
from foolflow.attacks.norms import NORMS
from foolflow.attacks.shortest import TINY, column, length
from foolflow.attacks.standing import Standing, rounds
from foolflow.errors import InvalidInput

BIAS = 0.1  # largest weight of the step from the clean image
NUDGE = 2.0  # of the rounding error of the gap: each step aims that far beyond the boundary, where a success is clear
OVERSHOOT = {"linf": 1.05, "l2": 1.1}
# Of the steps, for all classes aimed at, the better half of them, and the best quarter.
SHARES = {"linf": (0.2, 0.3, 0.5), "l2": (0.4, 0.3, 0.3)}
BLOCK = 32  # points that are moved at once, so that they stay in the cache
BACKWARD = {"linf": 0.9, "l2": 0.8}  # how far from the clean image a point that fools the model is moved back to


@for_any_model
def fab(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    targets: Tensor | None = None,
    epsilon: float | None = None,
    norm: str = "linf",
    target_classes: int = 9,
    steps: int = 100,
) -> Adversarial:
    """Step to linearised decision boundaries, with a bias towards the clean image, and back from behind them
    (Croce and Hein 2020, arXiv 1907.02044, algorithm 1; the targeted version of arXiv 2003.01690).

    model: float32 images (N, C, H, W) in [0, 1] to logits (N, classes).
    images: float32 (N, C, H, W) in [0, 1].  labels, targets: int64 (N,). With targets, towards them.
    epsilon: radius within which a perturbation counts as a success, in pixel units; the search for an image ends there.
        None: the nearest image that fools the model is returned, however far it is. Unlike other attacks,
        this one takes no list of radii.
    norm: `linf` or `l2`, the norm to minimise.
    target_classes: number of most likely wrong classes to aim at. All of them get 20 % of the steps (40 % in `l2`), the
        better half of them 50 % (70 %), and the best quarter all steps. The paper gives all steps to all classes.
    steps: for each of these classes; each takes one forward and one backward pass.
    In `linf`, a point that was moved back steps to the boundary that was linearised before it was; in `l2`, its own
    boundary is linearised first, which finds shorter perturbations there.
    Images that are not fooled, and those that fool the model already, are returned unchanged.
    Raises InvalidInput if images leave [0, 1], a label or target is not a class, a parameter is out of range, or the
    model's logits are not finite.
    """
    check_choice("norm", norm, NORMS)
    if steps < 1 or target_classes < 1:
        raise InvalidInput(f"steps {steps}, target_classes {target_classes}: at least 1")
    if epsilon is not None:
        as_epsilons(epsilon)
    standing = Standing(model, images, labels, targets)
    if len(standing):
        _search(standing, epsilon, norm, target_classes, steps)
    return standing.conclude()


@dataclass
class _Points:
    """The R points of the search, each aiming at one class.

    clean, labels, targets, aims, scale: the image of each point, its classes, and its `clean_scale`.
    nearest: (R, C, H, W), the nearest image that fools the model, at the distance `least` (R,), infinite if none does.
    """

    clean: Tensor
    labels: Tensor
    targets: Tensor | None
    aims: Tensor
    scale: Tensor
    current: Tensor
    nearest: Tensor
    least: Tensor


def _search(standing: Standing, epsilon: float | None, norm: str, target_classes: int, steps: int) -> None:
    aims = standing.likely_classes(target_classes)
    standing.per_image = aims.shape[1]
    clean = standing.of_points(standing.clean)
    points = _Points(
        clean=clean,
        labels=standing.goals()[0],
        targets=standing.goals()[1],
        aims=aims.flatten(),
        scale=standing.of_points(standing.scale),
        current=clean,
        nearest=clean,
        least=torch.full_like(clean[:, 0, 0, 0], torch.inf),
    )
    schedule = rounds(standing.per_image, steps, SHARES[norm])
    for rank, (count, steps_of_round) in enumerate(schedule):
        points = rows_of(points, standing.narrow(-points.least, count))
        last_round = rank + 1 == len(schedule)
        for step in range(steps_of_round + last_round):
            points = _step(standing, points, epsilon, norm, last=last_round and step == steps_of_round)
            if len(standing) == 0:
                return
    if epsilon is None:
        standing.settle(-points.least, points.nearest)


def _step(standing: Standing, points: _Points, epsilon: float | None, norm: str, *, last: bool) -> _Points:
    """Judge the current points and, unless this is the last step, move them."""

    def gap(logits: Tensor, rows: slice) -> Tensor:
        if points.targets is not None:
            return lead(logits, points.labels[rows], points.targets[rows])
        pairs = torch.stack([points.aims[rows], points.labels[rows]], 1)
        aim, own = logits.gather(1, pairs).unbind(1)
        return aim - own

    if last:
        logits = standing.forward(points.current)
        gradients = points.current
    else:
        logits, gradients = standing.gradients(points.current, gap)
    fooled = is_clear_success(logits, points.labels, points.targets, points.scale)
    distances = length(points.current - points.clean, norm)
    nearer = fooled & (distances < points.least)
    points.least = torch.where(nearer, distances, points.least)
    points.nearest = torch.where(column(nearer), points.current, points.nearest)
    inside = distances <= (-1 if epsilon is None else epsilon)
    gaps = gap(logits, slice(None)) - NUDGE * rounding(logits, points.labels, points.targets, points.scale)
    kept = standing.record(points.current, logits, inside)
    if kept is not None:
        points, gradients, gaps, fooled = rows_of(points, kept), gradients[kept], gaps[kept], fooled[kept]
    if not last and len(standing):
        points.current = torch.cat(
            [
                _moved(points.clean[block], points.current[block], gradients[block], gaps[block], fooled[block], norm)
                for block in (slice(first, first + BLOCK) for first in range(0, len(gaps), BLOCK))
            ]
        )
    return points


def _moved(clean: Tensor, current: Tensor, gradients: Tensor, gaps: Tensor, fooled: Tensor, norm: str) -> Tensor:
    """Return the next points: (R, C, H, W)."""
    back = clean + BACKWARD[norm] * (current - clean)
    origin = torch.where(column(fooled), back, current)
    unit = gradients.flatten(1).abs().amax(1).clamp_min(torch.finfo(gradients.dtype).tiny)
    slopes = (gradients / column(unit)).flatten(1)

    def to_boundary(start: Tensor) -> Tensor:
        covered = (slopes * (start - current).flatten(1)).sum(1)
        return to_hyperplane(start.flatten(1), slopes, -gaps / unit - covered, norm).view_as(start)

    step, from_clean = to_boundary(origin), to_boundary(clean)
    own, direct = length(step, norm), length(from_clean, norm)
    weight = column((own / (own + direct).clamp_min(TINY)).clamp_max(BIAS))
    moved = torch.lerp(origin + OVERSHOOT[norm] * step, clean + OVERSHOOT[norm] * from_clean, weight).clamp(0, 1)
    return moved if norm == "linf" else torch.where(column(fooled), back, moved)
