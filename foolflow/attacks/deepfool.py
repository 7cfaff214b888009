"""DeepFool."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from foolflow.attacks.base import (
    Adversarial,
    check_choice,
    clean_scale,
    conclude,
    is_clear_success,
    rival_logits,
    rounding,
    rows_of,
)
from foolflow.attacks.border import for_any_model
from foolflow.attacks.norms import NORMS
from foolflow.attacks.shortest import TINY, dual_length
from foolflow.errors import InvalidInput

# Each step goes a little too far, as in the authors' code, which adds 1e-4 to the gap. Without this, images would stop
# on a tie. It exceeds the rounding errors of the logits and of the pixels, so that it ends at a clear success.
NUDGE = 2.0  # of the rounding error of the gap
LEAST = 2 * torch.finfo(torch.float32).eps  # in pixel units

HARD = 4  # steps after which an image is hard, so that every rival is considered again


@for_any_model
def deepfool(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    steps: int = 50,
    overshoot: float = 0.02,
    norm: str = "l2",
    classes: int = 10,
    nearest: int = 4,
    leave: str = "label",
) -> Adversarial:
    """Step to the nearest linearised decision boundary until the class changes
    (Moosavi-Dezfooli et al. 2016, arXiv 1511.04599, algorithm 2; equation 11 for L-infinity).

    model: float32 images (N, C, H, W) in [0, 1] to logits (N, classes).
    images: float32 (N, C, H, W) in [0, 1].  labels: int64 (N,).
    steps: maximum number of steps.  overshoot: fraction by which the perturbation is extended.
    norm: `l2` or `linf`, the norm to minimise.  classes: number of most likely classes that are considered,
        including the label.
    nearest: the first step computes a gradient for each rival class, the next three only for this many rivals: those
        that are nearest by the current gap and the length of the last known gradient. The paper uses all of them
        (`classes - 1`), which costs up to half as much again and ends at the same images with few exceptions.
        Images that are not fooled by then are hard, and every step on them uses all rivals.
    leave: the class that an image has to leave: its `label`, so that misclassified images are returned unchanged; or
        the `prediction` for the original, as in the paper, whose algorithm knows no labels. It then moves misclassified
        images, too, and some of them become right.
    Each iterate is clipped to [0, 1] before the next step, so that no step is spent on what the clipping undoes.
    Finished images leave the batch.
    Raises InvalidInput if images leave [0, 1], a label is not a class, a parameter is out of range, or the model's
    logits are not finite.
    """
    check_choice("norm", norm, NORMS)
    check_choice("leave", leave, ("label", "prediction"))
    if steps < 0 or overshoot < 0 or classes < 2 or nearest < 1:
        raise InvalidInput(
            f"steps {steps}, overshoot {overshoot}: not negative; classes {classes}: at least 2; "
            f"nearest {nearest}: at least 1"
        )
    adversarial = images.clone()
    iterations, evaluations = torch.zeros_like(labels), torch.zeros_like(labels)
    inputs, logits = _forward(model, images)
    left = labels if leave == "label" else logits.detach().argmax(1)
    active = _start(images, left, logits.detach(), classes)
    for step in range(steps):
        standing = (~is_clear_success(logits.detach(), active.labels, None, active.scale)).nonzero().squeeze(1)
        if len(standing) == 0:
            break
        finished = len(active.rows) - len(standing)
        count = active.rivals.shape[1] if step == 0 or step >= HARD else min(nearest, active.rivals.shape[1])
        active = rows_of(active, standing if finished else None)
        # Backward passes include the finished images, unless a new forward pass without them costs less.
        if finished * count > len(standing):
            inputs, logits = _forward(model, active.current)
            standing = torch.arange(len(active.rows), device=images.device)
        _advance(model, active, inputs, logits, standing, count, norm, overshoot)
        adversarial[active.rows] = active.current
        iterations[active.rows] += 1
        evaluations[active.rows] += count
        if step + 1 < steps:
            inputs, logits = _forward(model, active.current)
    return conclude(model, adversarial, labels, None, iterations, evaluations)


@dataclass
class _Active:
    """The M images that are still in the batch.

    rows: their indices among all images, (M,).  labels: the classes to leave, (M,).
    rivals: the classes to step towards, (M, K).
    lengths: of the last known gradient of each rival's gap, (M, K).  scale: the `clean_scale`, (M,).
    """

    rows: Tensor
    labels: Tensor
    rivals: Tensor
    lengths: Tensor
    scale: Tensor
    current: Tensor


def _start(images: Tensor, labels: Tensor, logits: Tensor, classes: int) -> _Active:
    rivals = rival_logits(logits, labels).topk(min(classes, logits.shape[1]) - 1, dim=1).indices
    rows = torch.arange(len(images), device=images.device)
    # The first step uses all rivals, so these lengths do not matter.
    lengths = torch.ones_like(rivals, dtype=logits.dtype)
    return _Active(rows, labels, rivals, lengths, clean_scale(logits, labels), images)


def _forward(model: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    inputs = images.detach().requires_grad_()
    return inputs, model(inputs)


def _advance(
    model: nn.Module,
    active: _Active,
    inputs: Tensor,
    logits: Tensor,
    standing: Tensor,
    count: int,
    norm: str,
    overshoot: float,
) -> None:
    """Move the active images, the `standing` rows of `inputs`, one step towards the nearest of `count` rivals."""
    error = rounding(logits.detach()[standing], active.labels, None, active.scale)

    def gaps_to(rivals: Tensor, logits: Tensor) -> Tensor:
        return logits[standing].gather(1, rivals) - logits[standing].gather(1, active.labels[:, None])

    distances = _distances(gaps_to(active.rivals, logits.detach()), active.lengths)
    chosen = distances.topk(count, dim=1, largest=False).indices
    gaps = partial(gaps_to, active.rivals.gather(1, chosen))
    gradients = _gradients(model, inputs, logits, gaps)[:, standing]
    lengths = _dual_lengths(gradients, norm)
    active.lengths = active.lengths.scatter(1, chosen, lengths)
    step = _step(gaps(logits.detach()), NUDGE * error, gradients, lengths, norm)
    active.current = (active.current + (1 + overshoot) * step).clamp(0, 1)


def _gradients(model: nn.Module, inputs: Tensor, logits: Tensor, gaps: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the gradient of each column of gaps (M, K) by images (N, C, H, W): (K, N, C, H, W).

    inputs: the images.  logits: (N, classes), with a graph to them.  gaps: of logits.
    One backward pass per column. On a CPU a single vectorised pass takes 1 to 1.5 times as long.
    """
    columns = gaps(logits).unbind(1)
    last = len(columns) - 1
    try:
        found = [
            torch.autograd.grad(column.sum(), inputs, retain_graph=rank < last)[0]
            for rank, column in enumerate(columns)
        ]
    except RuntimeError as error:
        if "retain_graph" not in str(error):
            raise
        # A compiled model permits one backward pass for each forward pass.
        passes = [_forward(model, inputs) for _ in columns]
        found = [torch.autograd.grad(gaps(again)[:, rank].sum(), at)[0] for rank, (at, again) in enumerate(passes)]
    return torch.stack(found)


def _dual_lengths(gradients: Tensor, norm: str) -> Tensor:
    """Return the dual norms by which gaps are divided to give distances: (M, K) for gradients (K, M, C, H, W)."""
    return dual_length(gradients.flatten(0, 1), norm).view(gradients.shape[:2]).T.clamp_min(TINY)


def _distances(gaps: Tensor, lengths: Tensor) -> Tensor:
    """Return the distance of each linearised boundary, infinite where the gap has no gradient (of equal classes)."""
    return torch.where(lengths > TINY, gaps.abs() / lengths, torch.inf)


def _step(gaps: Tensor, nudge: Tensor, gradients: Tensor, lengths: Tensor, norm: str) -> Tensor:
    """Return the shortest step across the nearest linearised boundary: (M, C, H, W)."""
    rows = torch.arange(len(gaps), device=gaps.device)
    nearest = _distances(gaps, lengths).argmin(1)
    gradient = gradients[nearest, rows]
    length = lengths[rows, nearest].view(-1, 1, 1, 1)
    distance = (gaps[rows, nearest].abs() + nudge).view(-1, 1, 1, 1) / length + LEAST
    return distance * (gradient / length if norm == "l2" else gradient.sign())
