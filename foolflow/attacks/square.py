"""Square: a random search that needs no gradient."""

import math
from collections.abc import Iterator, Sequence
from functools import cache

import torch
from torch import Tensor, nn

from foolflow.attacks.base import Adversarial, at_each, check_choice, lead
from foolflow.attacks.border import for_any_model
from foolflow.attacks.norms import NORMS
from foolflow.attacks.shortest import TINY, column, length
from foolflow.attacks.standing import Standing
from foolflow.compute.seeds import derived_seed
from foolflow.errors import InvalidInput

# The windows of 10,000 queries, which other numbers of queries stretch: (queries, fraction of the first area).
SCHEDULE = ((10, 1), (50, 2), (200, 4), (500, 8), (1000, 16), (2000, 32), (4000, 64), (6000, 128), (8000, 256))
LAST = 512
FULL_SCHEDULE = 10_000
LEAST_WINDOW = 3  # pixels a side in L2, where a window has a positive and a negative half
TILES = 5  # per side, of the start in L2


@for_any_model
def square(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    targets: Tensor | None = None,
    epsilon: float | Sequence[float],
    norm: str = "linf",
    queries: int = 5000,
    area: float = 0.8,
    seed: int = 0,
) -> Adversarial:
    """Change random windows and keep each change that raises the margin
    (Andriushchenko et al. 2020, arXiv 1912.00049, algorithms 1 to 3).

    model: float32 images (N, C, H, W) in [0, 1] to logits (N, classes). It needs no gradient.
    images: float32 (N, C, H, W) in [0, 1].  labels, targets: int64 (N,). With targets, towards them.
    epsilon: radius of the ball in pixel units, or E of them. With several, each field of the result has a leading
        dimension E.
    norm: `linf` or `l2`.
    queries: number of changes that are tried.  area: fraction of the image that the first windows cover.
    seed: of the windows and their signs. All images try the same ones, so that no result depends on the batch.
    A change that leaves an image as it is counts as tried, but costs no forward pass.
    An image leaves the batch as soon as it fools the model. For an image that never does, the point with the largest
    margin is returned. Images that fool the model already are returned unchanged.
    Raises InvalidInput if images leave [0, 1], a label or target is not a class, a parameter is out of range, or the
    model's logits are not finite.
    """
    check_choice("norm", norm, NORMS)
    if queries < 1 or not 0 < area <= 1:
        raise InvalidInput(f"queries {queries}: at least 1; area {area}: above 0, at most 1")
    search = _linf if norm == "linf" else _l2

    def attack(radius: float) -> Adversarial:
        with torch.no_grad():
            standing = Standing(model, images, labels, targets)
            if len(standing):
                search(standing, radius, list(_sides(images.shape, queries, area)), seed)
            return standing.conclude()

    return at_each(epsilon, attack)


def _sides(shape: torch.Size, queries: int, area: float) -> Iterator[int]:
    """Return the side of the window of each query, in pixels. It never exceeds the image."""
    _, _, height, width = shape
    for query in range(queries):
        position = query * FULL_SCHEDULE / queries
        part = next((part for until, part in SCHEDULE if position <= until), LAST)
        yield min(max(round(math.sqrt(area / part * height * width)), 1), height, width)


def _linf(standing: Standing, epsilon: float, sides: list[int], seed: int) -> None:
    """Set a window of each channel to plus or minus epsilon, starting from vertical stripes."""
    generator = torch.Generator().manual_seed(derived_seed(seed, "square"))
    clean = standing.clean[standing.rows]
    channels, height, width = clean.shape[1:]
    low, high = (clean - epsilon).clamp_min(0), (clean + epsilon).clamp_max(1)
    stripes = _signs((1, channels, 1, width), generator).to(clean.device)
    best = torch.where(stripes > 0, high, low)
    logits = standing.forward(best)
    margins = lead(logits, *standing.goals())
    kept = standing.record(best, logits)
    if kept is not None:
        best, low, high, logits, margins = (part[kept] for part in (best, low, high, logits, margins))
    for side in sides:
        if len(standing) == 0:
            return
        top, left = _corner(height, width, side, generator)
        window = (..., slice(top, top + side), slice(left, left + side))
        raised = (_signs((1, channels, 1, 1), generator) > 0).to(clean.device)
        before, after = best[window].clone(), torch.where(raised, high[window], low[window])
        changed = (before != after).flatten(1).any(1)
        best[window] = after
        tried = _logits(standing, best, changed, logits)
        found = lead(tried, *standing.goals())
        better = found > margins
        kept = standing.record(best, tried)
        best[window] = torch.where(column(better), after, before)
        logits, margins = torch.where(better[:, None], tried, logits), torch.where(better, found, margins)
        if kept is not None:
            best, low, high, logits, margins = (part[kept] for part in (best, low, high, logits, margins))
    standing.settle(margins, best)


def _logits(standing: Standing, points: Tensor, changed: Tensor, logits: Tensor) -> Tensor:
    """Return the logits of the points (M, K). Those of points that have not changed are known already."""
    rows = changed.nonzero().squeeze(1)
    if len(rows) == len(points):
        return standing.forward(points)
    return logits.index_put((rows,), standing.forward(points[rows])) if len(rows) else logits


def _l2(standing: Standing, epsilon: float, sides: list[int], seed: int) -> None:
    """Move the perturbation from one window into another, starting from tiles."""
    generator = torch.Generator().manual_seed(derived_seed(seed, "square"))
    clean = standing.clean[standing.rows]
    channels, height, width = clean.shape[1:]
    start = _tiles(channels, height, width, generator).to(clean.device)
    best = _onto_sphere(clean, start.expand_as(clean), epsilon)
    logits = standing.forward(best)
    margins = lead(logits, *standing.goals())
    kept = standing.record(best, logits)
    if kept is not None:
        best, clean, margins = best[kept], clean[kept], margins[kept]
    for side in sides:
        if len(standing) == 0:
            return
        side = min(max(side, LEAST_WINDOW) | 1, height, width)
        to, source = (_corner(height, width, side, generator) for _ in range(2))
        bump = (_bump(side, generator) * _signs((1, channels, 1, 1), generator)).to(clean.device)
        tried = _onto_sphere(clean, _moved(best - clean, to, source, bump, epsilon), epsilon)
        logits = standing.forward(tried)
        found = lead(logits, *standing.goals())
        better = found > margins
        kept = standing.record(tried, logits)
        best, margins = torch.where(column(better), tried, best), torch.where(better, found, margins)
        if kept is not None:
            best, clean, margins = best[kept], clean[kept], margins[kept]
    standing.settle(margins, best)


def _moved(perturbation: Tensor, to: tuple[int, int], source: tuple[int, int], bump: Tensor, epsilon: float) -> Tensor:
    """Empty the window `source` into the window `to`, and add a bump there (algorithm 3)."""
    side = bump.shape[-1]
    at, origin = ((..., slice(top, top + side), slice(left, left + side)) for top, left in (to, source))
    spare = (epsilon**2 - perturbation.square().flatten(1).sum(1)).clamp_min(0) / perturbation.shape[1]
    inside = torch.zeros_like(perturbation[:1, :1], dtype=torch.bool)
    inside[at] = inside[origin] = True
    budget = (column(spare) + (perturbation * inside).square().sum((2, 3), keepdim=True)).sqrt()
    own = perturbation[at]
    shape = bump + own / own.square().sum((2, 3), keepdim=True).sqrt().clamp_min(TINY)
    perturbation[origin] = 0
    perturbation[at] = budget * shape / shape.square().sum((2, 3), keepdim=True).sqrt().clamp_min(TINY)
    return perturbation


def _onto_sphere(clean: Tensor, perturbation: Tensor, epsilon: float) -> Tensor:
    """Scale the perturbations to the length epsilon, then clip to [0, 1]."""
    return (clean + perturbation * column(epsilon / length(perturbation, "l2").clamp_min(TINY))).clamp_(0, 1)


def _signs(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randint(0, 2, shape, generator=generator) * 2.0 - 1


def _corner(height: int, width: int, side: int, generator: torch.Generator) -> tuple[int, int]:
    """Return the top left corner of a random window."""
    top, left = torch.rand(2, generator=generator).tolist()
    return int(top * (height - side + 1)), int(left * (width - side + 1))


def _tiles(channels: int, height: int, width: int, generator: torch.Generator) -> Tensor:
    """Return the start in L2: bumps of random signs side by side, (1, C, H, W)."""
    side = max(min(height, width) // TILES, 1)
    start = torch.zeros(1, channels, height, width)
    for top in range((height % side) // 2, height - side + 1, side):
        for left in range((width % side) // 2, width - side + 1, side):
            signs = _signs((1, channels, 1, 1), generator)
            start[..., top : top + side, left : left + side] = _bump(side, generator) * signs
    return start


def _bump(side: int, generator: torch.Generator) -> Tensor:
    """Return a window (side, side) of length 1, upright or lying, with a positive and a negative half that both fall
    off from their centres (section 3.4 of the paper)."""
    bump = _upright_bump(side)
    return bump if torch.rand(1, generator=generator) < 0.5 else bump.T


@cache
def _upright_bump(side: int) -> Tensor:
    bump = torch.cat([_hill(side // 2, side), -_hill(side - side // 2, side)])
    return bump / bump.norm()


def _hill(height: int, width: int) -> Tensor:
    """Return a hill (height, width) of nested rectangles, each lower than the one inside it."""
    hill = torch.zeros(height, width)
    rows, columns = height // 2, width // 2
    for ring in range(max(rows, columns) + 1):
        top, left = rows - ring, columns - ring
        hill[max(top, 0) : rows + ring + 1, max(left, 0) : columns + ring + 1] += 1 / (ring + 1) ** 2
    return hill / hill.norm().clamp_min(TINY)
