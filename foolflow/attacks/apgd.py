"""APGD: projected gradient ascent that halves its step size when it stops making progress."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from foolflow.attacks.ball import project, random_start, steepest
from foolflow.attacks.base import Adversarial, at_each, check_choice, lead, rival_logits, rows_of
from foolflow.attacks.border import for_any_model
from foolflow.attacks.norms import NORMS
from foolflow.attacks.shortest import column
from foolflow.attacks.standing import Standing, rounds
from foolflow.compute.seeds import derived_seed
from foolflow.errors import InvalidInput

FIRST_STEP, LATER_STEP = 2.0, 0.5  # of the radius, in the first round and in the later ones
SHARES = (0.2, 0.3, 0.5)  # of the steps, for all classes aimed at, the better half of them, and the best quarter
INERTIA = 0.75  # share of the new step in the move; the rest is the previous move
ENOUGH = 0.75  # share of the steps between two checkpoints that has to raise the loss
CHECKPOINT, SHORTENING, SHORTEST = 0.22, 0.03, 0.06  # intervals between checkpoints, as fractions of the steps


@for_any_model
def apgd(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    targets: Tensor | None = None,
    epsilon: float | Sequence[float],
    norm: str = "linf",
    loss: str = "cross_entropy",
    target_classes: int = 0,
    steps: int = 100,
    restarts: int = 1,
    seed: int = 0,
) -> Adversarial:
    """Run projected gradient ascent with momentum and an adaptive step size
    (Croce and Hein 2020, arXiv 2003.01690, algorithm 1).

    model: float32 images (N, C, H, W) in [0, 1] to logits (N, classes).
    images: float32 (N, C, H, W) in [0, 1].  labels, targets: int64 (N,). With targets, towards them.
    epsilon: radius of the ball in pixel units, or E of them. With several, each field of the result has a leading
        dimension E.
    norm: `linf` or `l2`.
    loss: `cross_entropy`, `margin` (the lead of the strongest wrong class, or of the class aimed at over the label) or
        `dlr` (the margin divided by the difference between large logits: equation 5; equation 6 for an aim). With fewer
        than 3 classes, or 4 for an aim, `dlr` is the margin. No loss depends on an offset of the logits. `margin`
        and `dlr` do not depend on their unit either; the cross-entropy resembles the margin where logits are large. No
        gradient vanishes.
    target_classes: 0, or the number of most likely wrong classes to aim at. All of them get 20 % of the steps, the
        better half of them 50 %, and the best quarter all steps. The paper gives all steps to all classes.
    steps: gradient steps from each start.
    restarts: number of random starts; each runs on the images that are not fooled yet.  seed: of the starts. All images
        start from the same points of the ball, so that no result depends on the batch.
    An image leaves the batch as soon as it fools the model. For an image that never does, the point of the last start
    with the highest loss is returned. Images that fool the model already are returned unchanged.
    Raises InvalidInput if images leave [0, 1], a label or target is not a class, a parameter is out of range, or the
    model's logits are not finite.
    """
    check_choice("norm", norm, NORMS)
    check_choice("loss", loss, LOSSES)
    if steps < 1 or restarts < 1 or target_classes < 0:
        raise InvalidInput(
            f"steps {steps}, restarts {restarts}: at least 1; target_classes {target_classes}: not negative"
        )

    def attack(radius: float) -> Adversarial:
        standing = Standing(model, images, labels, targets)
        for restart in range(restarts):
            if len(standing):
                ascend = _Ascent(standing, radius, norm, LOSSES[loss])
                ascend.run(target_classes, steps, derived_seed(seed, restart))
        return standing.conclude()

    return at_each(epsilon, attack)


# Returns, for logits (R, K), labels and targets (R,) and the classes aimed at (R,) or None: how good the points are
# (R,), and something whose gradient has the direction of the loss (R,). Their unit does not matter.
Loss = Callable[[Tensor, Tensor, Tensor | None, Tensor | None], tuple[Tensor, Tensor]]


def _cross_entropy(
    logits: Tensor, labels: Tensor, targets: Tensor | None, aims: Tensor | None
) -> tuple[Tensor, Tensor]:
    """An increasing function of the cross-entropy, log(exp(loss) - 1), which does not saturate."""
    goal = targets if aims is None else aims
    chosen = labels if goal is None else goal
    excess = rival_logits(logits, chosen).logsumexp(1) - logits.gather(1, chosen[:, None]).squeeze(1)
    loss = excess if goal is None else -excess
    return loss.detach(), loss


def _margin(logits: Tensor, labels: Tensor, targets: Tensor | None, aims: Tensor | None) -> tuple[Tensor, Tensor]:
    if aims is None or targets is not None:
        gap = lead(logits, labels, targets)
    else:
        gap = (logits.gather(1, aims[:, None]) - logits.gather(1, labels[:, None])).squeeze(1)
    return gap.detach(), gap


def _dlr(logits: Tensor, labels: Tensor, targets: Tensor | None, aims: Tensor | None) -> tuple[Tensor, Tensor]:
    value, gap = _margin(logits, labels, targets, aims)
    aimed = targets is not None or aims is not None
    needed = 4 if aimed else 3
    if logits.shape[1] < needed:
        return value, gap
    top = logits.topk(needed, dim=1).values
    spread = top[:, 0] - (top[:, 2] + top[:, 3]) / 2 if aimed else top[:, 0] - top[:, 2]
    ratio = (gap / spread.clamp_min(torch.finfo(logits.dtype).tiny)).detach()
    # The gradient of gap / spread, times the spread: however large or small the logits are, it stays in range.
    return ratio, gap - ratio * spread


LOSSES: dict[str, Loss] = {"cross_entropy": _cross_entropy, "dlr": _dlr, "margin": _margin}


@dataclass
class _Points:
    """The R points that climb.

    clean, labels, targets, aims: the image of each point and the classes that its loss needs.
    current, gradient, loss: of the last step.  previous: the point before it.  best, best_gradient, best_loss: so far.
    size: of the steps, in pixel units.  rises: steps that raised the loss since the last checkpoint.
    checked: the best loss at the last checkpoint.  halved: whether the step size was halved there.
    """

    clean: Tensor
    labels: Tensor
    targets: Tensor | None
    aims: Tensor | None
    current: Tensor
    previous: Tensor
    gradient: Tensor
    loss: Tensor
    best: Tensor
    best_gradient: Tensor
    best_loss: Tensor
    size: Tensor
    rises: Tensor
    checked: Tensor
    halved: Tensor


class _Ascent:
    """One start from a random point of the ball."""

    def __init__(self, standing: Standing, epsilon: float, norm: str, loss: Loss) -> None:
        self.standing, self.epsilon, self.norm, self.loss = standing, epsilon, norm, loss

    def run(self, target_classes: int, steps: int, seed: int) -> None:
        standing = self.standing
        aims = standing.likely_classes(target_classes) if target_classes else None
        standing.per_image = 1 if aims is None else aims.shape[1]
        schedule = rounds(standing.per_image, steps, SHARES)
        clean = standing.of_points(standing.clean)
        # Each class that is aimed at has a start of its own.
        starts = [
            random_start(clean, self.epsilon, self.norm, derived_seed(seed, rank)) for rank in range(standing.per_image)
        ]
        start = project(clean + torch.cat(starts).repeat(len(standing), 1, 1, 1), clean, self.epsilon, self.norm)
        points = self._climb(start, None if aims is None else aims.flatten(), schedule[0][1], FIRST_STEP)
        for count, steps_of_round in schedule[1:]:
            if len(standing) == 0:
                break
            points = rows_of(points, standing.narrow(points.best_loss, count))
            points = self._climb(points.best, points.aims, steps_of_round, LATER_STEP)
        standing.settle(points.best_loss, points.best)

    def _climb(self, start: Tensor, aims: Tensor | None, steps: int, first_step: float) -> _Points:
        """Run the ascent from these points. Returns those whose images are still standing."""
        standing = self.standing
        points = self._begin(start, aims, first_step)
        checkpoints, last = _checkpoints(steps), 0
        for step in range(1, steps + 1):
            if len(standing) == 0:
                break
            points = self._step(points, first=step == 1, needed=step < steps)
            if step in checkpoints:
                self._adapt(points, step - last)
                last = step
        return points

    def _begin(self, start: Tensor, aims: Tensor | None, first_step: float) -> _Points:
        standing = self.standing
        labels, targets = standing.goals()
        loss, gradient, logits = self._evaluate(start, labels, targets, aims)
        points = _Points(
            clean=standing.of_points(standing.clean),
            labels=labels,
            targets=targets,
            aims=aims,
            current=start,
            previous=start,
            gradient=gradient,
            loss=loss,
            best=start,
            best_gradient=gradient,
            best_loss=loss,
            size=torch.full_like(loss, first_step * self.epsilon),
            rises=torch.zeros_like(labels),
            checked=loss,
            halved=torch.ones_like(labels, dtype=torch.bool),
        )
        return rows_of(points, standing.record(start, logits))

    def _step(self, points: _Points, *, first: bool, needed: bool) -> _Points:
        """Take one step. needed: whether there is another one, which needs a gradient."""
        ahead = points.current + column(points.size) * steepest(points.gradient, self.norm)
        moved = project(ahead, points.clean, self.epsilon, self.norm)
        if not first:
            moved = moved.sub_(points.current).mul_(INERTIA).add_(points.current)
            moved = moved.add_(points.current - points.previous, alpha=1 - INERTIA)
            moved = project(moved, points.clean, self.epsilon, self.norm)
        points.previous, points.current = points.current, moved
        loss, gradient, logits = self._evaluate(moved, points.labels, points.targets, points.aims, needed=needed)
        points.rises = points.rises + (loss > points.loss)
        better = loss > points.best_loss
        points.loss, points.best_loss = loss, torch.where(better, loss, points.best_loss)
        points.best = torch.where(column(better), moved, points.best)
        if needed:
            points.gradient = gradient
            points.best_gradient = torch.where(column(better), gradient, points.best_gradient)
        return rows_of(points, self.standing.record(moved, logits))

    def _adapt(self, points: _Points, steps: int) -> None:
        """At a checkpoint, halve the step size of the points that made too little progress, and restart from the best.

        steps: since the last checkpoint.
        """
        stalled = ~points.halved & (points.best_loss <= points.checked)
        points.halved = (points.rises <= ENOUGH * steps) | stalled
        points.size = torch.where(points.halved, points.size / 2, points.size)
        points.current = torch.where(column(points.halved), points.best, points.current)
        points.gradient = torch.where(column(points.halved), points.best_gradient, points.gradient)
        points.checked, points.rises = points.best_loss, torch.zeros_like(points.rises)

    def _evaluate(
        self, points: Tensor, labels: Tensor, targets: Tensor | None, aims: Tensor | None, *, needed: bool = True
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the loss (R,), its gradient (zeros unless needed), and the logits (R, K)."""

        def loss(logits: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
            goals = (None if classes is None else classes[rows] for classes in (targets, aims))
            return self.loss(logits, labels[rows], *goals)

        if needed:
            logits, gradient = self.standing.gradients(points, lambda logits, rows: loss(logits, rows)[1])
        else:
            logits, gradient = self.standing.forward(points), torch.zeros_like(points)
        return loss(logits, slice(None))[0], gradient, logits


def _checkpoints(steps: int) -> set[int]:
    """Return the steps after which the step size may be halved (section 3.1 of the paper)."""
    found, position, interval = set(), CHECKPOINT, CHECKPOINT
    while position < 1:
        found.add(max(round(position * steps), 1))
        interval = max(interval - SHORTENING, SHORTEST)
        position += interval
    return found
