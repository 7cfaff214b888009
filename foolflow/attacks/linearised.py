"""Search for the shortest adversarial perturbation with averaged linear models of the gap between logits."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from foolflow.attacks.base import rival_logits, rows_of
from foolflow.attacks.gaps import ALL, fading_noise, gap
from foolflow.attacks.search import Search
from foolflow.attacks.shortest import TINY, column, dual_length, length
from foolflow.compute.seeds import derived_seed

OVERSHOOT = 1.01  # the ratio of a norm to the distance of the linearised boundary
SEEKING = 1.04  # a further factor for images that nothing has fooled: boundaries may bend away from the linear model
UNDERCUT = 0.999  # upper limit of a norm, as a fraction of the smallest norm that fooled the model
LARGEST_CHANGE = 2.0  # largest factor between the norms of two steps
PATIENCE = 6  # once settled, an image leaves the last phase after this many steps without progress
NEWTON_STEPS = 4  # to find the scale of a perturbation that is clipped to [0, 1]

# The phases share the steps: starts compete, noise explores, and the best perturbation is refined.
COMPETING, EXPLORING = 0.3, 0.4
FEWEST_TO_EXPLORE = 20  # steps in all, below which the starts only compete
LEAST_STEPS = 3  # minimum number of steps of each start in each stage of the competition

# The learning rate falls along a cosine from the first to the last rate, and then stays.
LAST_RATE = 0.05  # as a fraction of the first
SETTLED = 0.6  # fraction of a phase after which the learning rate stays
REFINING_RATE = 0.3  # the first rate of the refinement, as a fraction of that of the other phases


def descend(search: Search, rows: Tensor, logits: Tensor) -> None:
    """Let starts compete, explore, and refine the best perturbation. If there is none, refine one of fixed images.

    rows: (M,), the images to search for.  logits: (N, K), of all clean images.
    """
    shortest = search.shortest
    explores = search.steps >= FEWEST_TO_EXPLORE
    competing = round(COMPETING * search.steps) if explores else search.steps
    exploring = round(EXPLORING * search.steps) if explores else 0
    _compete(search, rows, logits[rows], competing)
    if explores:
        _explore(search, rows, exploring)
    shortest.start_from_fixed_images(search.model, rows[~shortest.found[rows]], search.precision)
    _refine(search, rows, search.steps - competing - exploring)
    shortest.shorten(search.model, rows, search.low, search.precision)


@dataclass
class _Starts:
    """The state of each start of each image: (M, ...), with the starts of an image next to each other.

    rivals: the class that each start aims at, or ALL.  upper: the norm of the longest perturbation within [0, 1].
    estimate: the norm at which it is expected to fool the model.
    gradients, rises: the averaged linear model of the gap: it closes at a perturbation p if gradients . p = rise.
    """

    rows: Tensor
    rivals: Tensor
    upper: Tensor
    perturbations: Tensor
    estimate: Tensor
    gradients: Tensor
    rises: Tensor

    @classmethod
    def at(cls, search: Search, rows: Tensor, rivals: Tensor, perturbations: Tensor) -> "_Starts":
        upper = search.furthest(rows)
        zeros = torch.zeros_like(upper)
        return cls(rows, rivals, upper, perturbations, zeros + torch.inf, torch.zeros_like(perturbations), zeros)


# ---- Phases ---------------------------------------------------------------------------------------------------------


def _schedule(steps: int) -> list[tuple[int, int]]:
    """Return (starts, steps) of each stage. The starts halve from stage to stage; each stage costs about the same."""
    halvings = 0
    while (halvings + 2) * 2 ** (halvings + 1) * LEAST_STEPS <= steps:
        halvings += 1
    stages = [(2**power, steps // (halvings + 1) // 2**power) for power in range(halvings, 0, -1)]
    return [*stages, (1, steps - sum(starts * count for starts, count in stages))]


def _compete(search: Search, rows: Tensor, logits: Tensor, steps: int) -> None:
    """Descend from several starts, and keep the better half after each stage."""
    stages = _schedule(steps)
    starts = _begin(search, rows, logits, stages[0][0])
    total, step = sum(count for _, count in stages), 0
    for per_image, count in stages:
        if per_image < stages[0][0]:
            starts = rows_of(starts, _better_half(starts.estimate, 2 * per_image))
        for _ in range(count):
            starts = _step(search, starts, search.rate * _share(step, total), per_image, step=step)
            step += 1


def _explore(search: Search, rows: Tensor, steps: int) -> None:
    """Descend on linear models of images with `fading_noise`."""
    starts = _Starts.at(search, rows, torch.full_like(rows, ALL), torch.zeros_like(search.clean[rows]))
    noises = fading_noise(steps, search.clean.shape[1:], derived_seed(search.seed, "noise"))
    for step, noise in enumerate(noises):
        rate = search.rate * _share(step, steps)
        there = noise.to(search.clean.device) if noise.any() else None
        starts = _step(search, starts, rate, 1, step=step, memory=LONG_MEMORY, noise=there)


def _refine(search: Search, rows: Tensor, steps: int) -> None:
    """Descend from the shortest perturbation found so far. Images without progress leave."""
    shortest = search.shortest
    rows = rows[shortest.found[rows]]
    starts = _Starts.at(search, rows, torch.full_like(rows, ALL), shortest.images[rows] - search.clean[rows])
    reference = shortest.lengths[rows]
    stale = torch.zeros_like(rows)
    for step in range(steps):
        if len(starts.rows) == 0:
            return
        rate = search.rate * REFINING_RATE * _share(step, steps)
        starts = _step(search, starts, rate, 1, step=step)
        least = shortest.lengths[starts.rows]
        shorter = least < reference * (1 - search.precision)
        reference = torch.where(shorter, least, reference)
        stale = torch.where(shorter, 0, stale + 1)
        going = stale < PATIENCE
        if step > SETTLED * steps and not going.all():
            starts, reference, stale = rows_of(starts, going), reference[going], stale[going]


def _share(step: int, total: int) -> float:
    fallen = min(step / (SETTLED * total), 1.0)
    return LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * fallen)) / 2


def _better_half(estimate: Tensor, per_image: int) -> Tensor:
    order = estimate.view(-1, per_image).argsort(dim=1, stable=True)[:, : per_image // 2]
    first = torch.arange(len(order), device=order.device)[:, None] * per_image
    return (first + order).flatten()


def _begin(search: Search, rows: Tensor, logits: Tensor, per_image: int) -> _Starts:
    """Prepare the starts: one against all rivals, one against each of the most likely, the rest at random.

    With targets, no start aims at a single rival, because the target has to beat all of them.
    """
    labels, targets = search.shortest.goal(rows)
    count = min(per_image - 1, logits.shape[1] - 1) if targets is None else 0
    likeliest = rival_logits(logits, labels).topk(count, dim=1).indices
    rivals = torch.full((len(rows), per_image), ALL, device=rows.device)
    rivals[:, 1 : 1 + count] = likeliest
    perturbations = search.clean.new_zeros(len(rows), per_image, *search.clean.shape[1:])
    random = per_image - 1 - count
    if random:
        reach = search.furthest(rows).clamp_max(search.high) / 4
        perturbations[:, 1 + count :] = column(reach)[:, None] * search.random_directions(random)
    every = rows.repeat_interleave(per_image)
    clean = search.clean[every]
    inside = (clean + perturbations.flatten(0, 1)).clamp(0, 1) - clean
    return _Starts.at(search, every, rivals.flatten(), inside)


# ---- One step -------------------------------------------------------------------------------------------------------

# ReLUs, pooling and learned thresholds give the gap kinks, so a single gradient says little about it. The memory is the
# weight of the previous steps in the averaged linear model.
MEMORY, LONG_MEMORY = 0.8, 0.9


def _step(
    search: Search,
    starts: _Starts,
    rate: float,
    per_image: int,
    *,
    step: int,
    memory: float = MEMORY,
    noise: Tensor | None = None,
) -> _Starts:
    """Evaluate the gradient of each start, update its linear model, turn its direction, and choose its next norm.

    step: number of gradients in the linear model so far.
    noise: (1, C, H, W), added to the images that the gradients are of.
    """
    rows, current, norm = starts.rows, starts.perturbations, search.norm
    clean = search.clean[rows]
    tried = (clean + (current if noise is None else current + noise)).clamp(0, 1)
    labels, targets = search.shortest.goal(rows)
    gaps, gradients, logits = gap(search.model, tried, labels, targets, search.shortest.scale[rows], starts.rivals)
    if noise is None:
        _, lengths = search.shortest.remember(rows, tried, logits, per_image)
    else:  # the noise takes the images to norms that are not being tried
        lengths = length(current, norm)
    search.iterations[rows[::per_image]] += 1
    search.evaluations[rows[::per_image]] += per_image

    rises = (gradients * (tried - clean)).flatten(1).sum(1) - gaps
    if step:
        memory = min(memory, step / (step + 1))
        gradients = starts.gradients.lerp(gradients, 1 - memory)
        rises = starts.rises.lerp(rises, 1 - memory)

    moved = lengths > 0
    shortest_reach = torch.where(moved, lengths / LARGEST_CHANGE, 0.0)
    furthest_reach = torch.where(moved, lengths * LARGEST_CHANGE, search.high).minimum(starts.upper)
    # The gap is nearly linear only near the image, so this limits how far the linear model is used.
    steepness = dual_length(gradients, norm)
    rise = rises.minimum(steepness * furthest_reach).maximum(steepness * shortest_reach).clamp_min(TINY)
    nearest = shortest_closing(gradients, rise, -clean, 1 - clean, norm)
    nearest_length = length(nearest, norm).clamp_min(TINY)
    share = column(torch.where(moved, rate, 1.0))
    direction = (1 - share) * current / column(lengths.clamp_min(TINY)) + share * nearest / column(nearest_length)
    direction = direction / column(length(direction, norm).clamp_min(TINY))

    slope = (gradients * direction).flatten(1).sum(1)
    estimate = torch.where(slope > 0, rise / slope.clamp_min(TINY), torch.inf) * OVERSHOOT
    estimate = torch.where(moved, estimate, nearest_length * OVERSHOOT)
    sought = estimate * torch.where(search.shortest.found[rows], 1.0, SEEKING)
    norms = sought.minimum(furthest_reach).maximum(shortest_reach)
    norms = norms.minimum(search.shortest.lengths[rows] * UNDERCUT).minimum(starts.upper).clamp_min(search.low)
    perturbations = (clean + column(norms) * direction).clamp(0, 1) - clean
    return _Starts(rows, starts.rivals, starts.upper, perturbations, estimate, gradients, rises)


def shortest_closing(gradients: Tensor, rise: Tensor, low: Tensor, high: Tensor, norm: str) -> Tensor:
    """Return the shortest p in [low, high] with gradients . p = rise: (N, C, H, W).

    If there is none, return the farthest p in that direction. The solution is clip(s * g), or clip(s * sign g) for
    linf. gradients . p is concave in s, so Newton's method converges from below; a few steps may stop short.
    """
    direction = gradients if norm == "l2" else gradients.sign()
    gain = gradients * direction
    scale = rise / gain.flatten(1).sum(1).clamp_min(TINY)
    for _ in range(NEWTON_STEPS):
        free = column(scale) * direction
        inside = (free > low) & (free < high)
        reached = (gradients * free.clamp(low, high)).flatten(1).sum(1)
        slope = (gain * inside).flatten(1).sum(1)
        scale = scale + torch.where(slope > TINY, (rise - reached) / slope.clamp_min(TINY), 0.0)
    return (column(scale) * direction).clamp(low, high)
