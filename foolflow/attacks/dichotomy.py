"""Dichotomy: search for the smallest norm at which a perturbation of that norm fools the model (R2, A)."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from foolflow.attacks.base import Adversarial, conclude, is_clear_success, rival_logits
from foolflow.attacks.border import for_any_model
from foolflow.attacks.gaps import ALL, gap
from foolflow.attacks.shortest import TINY, Shortest, column, dual_length, length
from foolflow.compute.seeds import derived_seed
from foolflow.errors import InvalidInput

DEFAULTS = {"improved": (100, 1.0), "published": (1000, 0.005)}  # steps, learning rate

# The improved variant:
LAST_RATE = 0.05  # final learning rate, as a fraction of the first
SETTLED = 0.6  # fraction of the steps after which the learning rate stays constant
OVERSHOOT = 1.01  # the ratio of a norm to the distance of the linearised boundary
UNDERCUT = 0.999  # upper limit of a norm, as a fraction of the smallest norm that fooled the model
LARGEST_CHANGE = 2.0  # largest factor between the norms of two steps
LEAST_STEPS = 3  # minimum number of steps of each start in each stage
PATIENCE = 6  # once settled, an image leaves after this many steps without progress
NEWTON_STEPS = 4  # to find the scale of a perturbation that is clipped to [0, 1]


@for_any_model
def dichotomy(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    targets: Tensor | None = None,
    norm: str = "l2",
    variant: str = "improved",
    steps: int | None = None,
    learning_rate: float | None = None,
    interval: tuple[float, float] = (0.0, 4.0),
    precision: float = 1e-3,
    seed: int = 0,
) -> Adversarial:
    """Find the shortest adversarial perturbation r: bracket its norm N for each image, and for each N descend over
    the r with ||r|| = N and x + r in [0, 1] (R2, A).

    `published` halves the bracket. At each norm it starts from a random direction, descends with Adam on the confidence
    in the true label (or on the negative of that in the target), and scales r back to N after each step; the model
    classifies x + r clipped to [0, 1]. R2 names neither the optimiser nor the start. Plain gradient descent at R2's
    learning rate does not move an image that the network is certain of.

    `improved` takes one step at each norm. It linearises the gap between the logits and moves the direction by the
    fraction `learning_rate` towards the shortest perturbation in [0, 1] that closes the gap. The next norm, within the
    bracket, is the one at which the linearised gap closes along that direction. Several starts compete by successive
    halving: one descends on the log-sum-exp of the rival logits; without targets, one on each of the most likely
    rivals; the others start at random. Finally, the line to the clean image is bisected.

    model: float32 images (N, C, H, W) in [0, 1] to logits (N, classes).
    images: float32 (N, C, H, W) in [0, 1].  labels, targets: int64 (N,). With targets, towards them.
    norm: `l2` or `linf`.
    steps: maximum number of gradient evaluations: `improved`: per image (100); `published`: per norm (1,000).
    learning_rate: `improved`: 1, falling along a cosine; `published`: of Adam, 0.005.
    interval: the first bracket, in pixel units. It is widened for images that are not fooled at its upper end.
    precision: fraction of its upper end at which a bracket is closed.
    seed: of the random directions, which are the same for every image.
    Misclassified images are returned unchanged, and so are images for which no adversarial image is found. Finished
    images leave the batch. `details` of the result: `norms` (N,) of the perturbations.
    Raises InvalidInput if images leave [0, 1], a label or target is not a class, a parameter is out of range, or the
    model's logits are not finite.
    """
    if norm not in ("l2", "linf") or variant not in DEFAULTS:
        raise InvalidInput(f"norm: {norm!r} is not l2 or linf; or variant: {variant!r} is not improved or published")
    default_steps, default_rate = DEFAULTS[variant]
    steps = default_steps if steps is None else steps
    rate = default_rate if learning_rate is None else learning_rate
    low, high = interval
    if steps < 1 or not rate > 0 or (variant == "improved" and rate > 1):
        raise InvalidInput(f"steps {steps}: at least 1; learning_rate {rate}: above 0, for `improved` at most 1")
    if not 0 <= low < high < math.inf or not 0 < precision < 1:
        raise InvalidInput(f"interval {interval}: 0 <= a < b; precision {precision}: between 0 and 1")
    with torch.no_grad():
        logits = model(images)
    shortest = Shortest(images, logits, labels, targets, norm)
    search = _Search(model, shortest, norm, steps, rate, low, high, precision, seed)
    rows = (~is_clear_success(logits, labels, targets, shortest.scale)).nonzero().squeeze(1)
    if variant == "published":
        _bisect(search, rows)
    else:
        _descend(search, rows, logits)
    adversarial = search.shortest.images
    made = conclude(model, adversarial, labels, targets, search.iterations, search.evaluations)
    return replace(made, details={"norms": length(adversarial - images, norm)})


class _Search:
    """The parameters of a search, its best results and its cost."""

    def __init__(
        self,
        model: nn.Module,
        shortest: Shortest,
        norm: str,
        steps: int,
        rate: float,
        low: float,
        high: float,
        precision: float,
        seed: int,
    ) -> None:
        self.model, self.shortest, self.norm = model, shortest, norm
        self.steps, self.rate, self.low, self.high, self.precision = steps, rate, low, high, precision
        self.seed = seed
        self.iterations = torch.zeros_like(shortest.labels)
        self.evaluations = torch.zeros_like(shortest.labels)

    @property
    def clean(self) -> Tensor:
        return self.shortest.clean

    def furthest(self, rows: Tensor) -> Tensor:
        """Return the norm of the longest perturbation of these images within [0, 1]: (M,)."""
        clean = self.clean[rows]
        return length(torch.maximum(clean, 1 - clean), self.norm)

    def random_directions(self, count: int) -> Tensor:
        """Return (count, C, H, W), each of length 1."""
        generator = torch.Generator().manual_seed(derived_seed(self.seed, "dichotomy"))
        directions = torch.randn(count, *self.clean.shape[1:], generator=generator).to(self.clean.device)
        return directions / column(length(directions, self.norm))


# ---- published ------------------------------------------------------------------------------------------------------


def _bisect(search: _Search, rows: Tensor) -> None:
    """Bisect each image's own bracket. Try its upper end first, and double it until it fools or leaves [0, 1]."""
    low = torch.full((len(rows),), search.low, device=rows.device)
    high = torch.full_like(low, search.high)
    furthest = search.furthest(rows)
    while len(rows):
        confirmed = search.shortest.found[rows]
        trial = torch.where(confirmed, (low + high) / 2, high)
        fooled = _descend_at(search, rows, trial)
        low = torch.where(fooled, low, trial)
        # Clipping to [0, 1] shortens a perturbation, so its norm may be below that of the trial.
        high = torch.where(fooled, torch.minimum(trial, search.shortest.lengths[rows]), high)
        high = torch.where(fooled | confirmed, high, 2 * trial)
        confirmed = confirmed | fooled
        going = torch.where(confirmed, high - low > search.precision * high, low < furthest)
        rows, low, high, furthest = (part[going] for part in (rows, low, high, furthest))


def _descend_at(search: _Search, rows: Tensor, norms: Tensor) -> Tensor:
    """Descend on the confidence at the given norm of each image. Returns which images are fooled: bool (N,).

    Adam is written out because fooled images leave the batch.
    """
    model, shortest = search.model, search.shortest
    fooled = torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
    live = torch.arange(len(rows), device=rows.device)
    perturbations = column(norms) * search.random_directions(1)
    mean, variance = torch.zeros_like(perturbations), torch.zeros_like(perturbations)
    for step in range(search.steps + 1):
        tried = (search.clean[rows[live]] + perturbations).clamp(0, 1)
        with torch.no_grad():
            now, _ = shortest.remember(rows[live], tried, model(tried))
        fooled[live[now]] = True
        live, perturbations, mean, variance = (part[~now] for part in (live, perturbations, mean, variance))
        if step == search.steps or len(live) == 0:
            break
        gradients = _confidence_gradient(search, rows[live], perturbations)
        mean = 0.9 * mean + 0.1 * gradients
        variance = 0.999 * variance + 0.001 * gradients.square()
        corrected = (variance / (1 - 0.999 ** (step + 1))).sqrt() + 1e-8
        perturbations = perturbations - search.rate * mean / (1 - 0.9 ** (step + 1)) / corrected
        lengths = length(perturbations, search.norm).clamp_min(TINY)
        perturbations = perturbations * column(norms[live] / lengths)
        search.iterations[rows[live]] += 1
        search.evaluations[rows[live]] += 1
    return fooled


def _confidence_gradient(search: _Search, rows: Tensor, perturbations: Tensor) -> Tensor:
    inputs = perturbations.detach().requires_grad_()
    confidences = search.model((search.clean[rows] + inputs).clamp(0, 1)).softmax(1)
    labels, targets = search.shortest.goal(rows)
    loss = confidences.gather(1, labels[:, None]) if targets is None else -confidences.gather(1, targets[:, None])
    return torch.autograd.grad(loss.sum(), inputs)[0]


# ---- improved -------------------------------------------------------------------------------------------------------


def _descend(search: _Search, rows: Tensor, logits: Tensor) -> None:
    """Search within the interval; if that fails, within all of [0, 1]; if that fails too, from fixed images."""
    shortest = search.shortest
    upper = torch.full((len(rows),), search.high, device=rows.device)
    _compete(search, rows, logits[rows], upper, None)
    standing = rows[~shortest.found[rows]]
    if len(standing):
        _compete(search, standing, logits[standing], search.furthest(standing), None)
        standing = standing[~shortest.found[standing]]
    if len(standing):
        shortest.start_from_fixed_images(search.model, standing, search.precision)
        standing = standing[shortest.found[standing]]
        start = shortest.images[standing] - search.clean[standing]
        _compete(search, standing, logits[standing], search.furthest(standing), start)
    shortest.shorten(search.model, rows, search.low, search.precision)


def _schedule(steps: int) -> list[tuple[int, int]]:
    """Return (starts, steps) of each stage. The starts halve from stage to stage; each stage costs about the same."""
    halvings = 0
    while (halvings + 2) * 2 ** (halvings + 1) * LEAST_STEPS <= steps:
        halvings += 1
    stages = [(2**power, steps // (halvings + 1) // 2**power) for power in range(halvings, 0, -1)]
    return [*stages, (1, steps - sum(starts * count for starts, count in stages))]


def _share(step: int, total: int) -> float:
    fallen = min(step / (SETTLED * total), 1.0)
    return LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * fallen)) / 2


@dataclass
class _Starts:
    """The state of each start of each image: (M, ...), with the starts of an image next to each other.

    rivals: the class that each start aims at, or ALL.  upper: the largest norm allowed.
    estimate: the norm at which it is expected to fool the model.
    """

    rows: Tensor
    rivals: Tensor
    upper: Tensor
    perturbations: Tensor
    estimate: Tensor

    def keep(self, which: Tensor) -> "_Starts":
        return _Starts(*(part[which] for part in vars(self).values()))


def _compete(search: _Search, rows: Tensor, logits: Tensor, upper: Tensor, start: Tensor | None) -> None:
    """Run the stages on the images `rows` (N,), with norms up to `upper` (N,). start: replaces the first start."""
    stages = _schedule(search.steps)
    starts = _begin(search, rows, logits, upper, start, stages[0][0])
    total, step = sum(count for _, count in stages), 0
    for rank, (per_image, count) in enumerate(stages):
        last = rank + 1 == len(stages)
        reference = search.shortest.lengths[starts.rows]
        stale = torch.zeros_like(starts.rows)
        for _ in range(count):
            if len(starts.rows) == 0:
                return
            share = _share(step, total)
            starts = _step(search, starts, search.rate * share, per_image)
            step += 1
            if last and step > SETTLED * total:
                least = search.shortest.lengths[starts.rows]
                shorter = least < reference * (1 - search.precision)
                reference = torch.where(shorter, least, reference)
                stale = torch.where(shorter, 0, stale + 1)
                going = (stale < PATIENCE) | ~least.isfinite()
                if not going.all():
                    starts, reference, stale = starts.keep(going), reference[going], stale[going]
        if not last:
            starts = starts.keep(_better_half(starts.estimate, per_image))


def _better_half(estimate: Tensor, per_image: int) -> Tensor:
    order = estimate.view(-1, per_image).argsort(dim=1, stable=True)[:, : per_image // 2]
    first = torch.arange(len(order), device=order.device)[:, None] * per_image
    return (first + order).flatten()


def _begin(
    search: _Search, rows: Tensor, logits: Tensor, upper: Tensor, start: Tensor | None, per_image: int
) -> _Starts:
    """Prepare the starts: one against all rivals, one against each of the most likely, the rest at random.

    With targets, no start aims at a single rival, because the target has to beat all of them.
    """
    labels, targets = search.shortest.goal(rows)
    count = min(per_image - 1, logits.shape[1] - 1) if targets is None else 0
    likeliest = rival_logits(logits, labels).topk(count, dim=1).indices
    rivals = torch.full((len(rows), per_image), ALL, device=rows.device)
    rivals[:, 1 : 1 + count] = likeliest
    perturbations = search.clean.new_zeros(len(rows), per_image, *search.clean.shape[1:])
    noises = per_image - 1 - count
    if noises:
        reach = torch.minimum(upper, search.furthest(rows)) / 4
        perturbations[:, 1 + count :] = column(reach)[:, None] * search.random_directions(noises)
    if start is not None:
        perturbations[:, 0] = start
    every = rows.repeat_interleave(per_image)
    upper = upper.repeat_interleave(per_image)
    clean = search.clean[every]
    inside = (clean + perturbations.flatten(0, 1)).clamp(0, 1) - clean
    return _Starts(every, rivals.flatten(), upper, inside, torch.full_like(upper, torch.inf))


def _step(search: _Search, starts: _Starts, rate: float, per_image: int) -> _Starts:
    """Evaluate the gradient of each start, turn its direction, and choose its next norm."""
    rows, current, norm = starts.rows, starts.perturbations, search.norm
    clean = search.clean[rows]
    tried = (clean + current).clamp(0, 1)
    labels, targets = search.shortest.goal(rows)
    gaps, gradients, logits = gap(search.model, tried, labels, targets, search.shortest.scale[rows], starts.rivals)
    _, lengths = search.shortest.remember(rows, tried, logits, per_image)
    search.iterations[rows[::per_image]] += 1
    search.evaluations[rows[::per_image]] += per_image

    moved = lengths > 0
    shortest_reach = torch.where(moved, lengths / LARGEST_CHANGE, 0.0)
    furthest_reach = torch.where(moved, lengths * LARGEST_CHANGE, starts.upper).minimum(starts.upper)
    # The gap is nearly linear only near the image, so this limits how far the linear model is used.
    steepness = dual_length(gradients, norm)
    rise = (gradients * current).flatten(1).sum(1) - gaps
    rise = rise.minimum(steepness * furthest_reach).maximum(steepness * shortest_reach).clamp_min(TINY)
    nearest = shortest_closing(gradients, rise, -clean, 1 - clean, norm)
    nearest_length = length(nearest, norm).clamp_min(TINY)
    share = column(torch.where(moved, rate, 1.0))
    direction = (1 - share) * current / column(lengths.clamp_min(TINY)) + share * nearest / column(nearest_length)
    direction = direction / column(length(direction, norm).clamp_min(TINY))

    slope = (gradients * direction).flatten(1).sum(1)
    estimate = torch.where(slope > 0, rise / slope.clamp_min(TINY), torch.inf) * OVERSHOOT
    estimate = torch.where(moved, estimate, nearest_length * OVERSHOOT)
    norms = estimate.minimum(furthest_reach).maximum(shortest_reach)
    norms = norms.minimum(search.shortest.lengths[rows] * UNDERCUT).minimum(starts.upper).clamp_min(search.low)
    perturbations = (clean + column(norms) * direction).clamp(0, 1) - clean
    return _Starts(rows, starts.rivals, starts.upper, perturbations, estimate)


def shortest_closing(gradients: Tensor, rise: Tensor, low: Tensor, high: Tensor, norm: str) -> Tensor:
    """Return the shortest p in [low, high] with gradients . p = rise: (N, C, H, W).

    If there is none, return the farthest p in that direction. The solution is clip(s * g), or clip(s * sign g) for
    linf. gradients . p is concave in s, so Newton's method converges from below.
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
