"""stAdv: spatially transformed adversarial images."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain
from typing import TypedDict

import numpy as np
import torch
from scipy.optimize import fmin_l_bfgs_b
from torch import Tensor, nn

from foolflow.attacks.adam import descend
from foolflow.attacks.base import (
    Adversarial,
    check_choice,
    clean_scale,
    conclude,
    contested,
    is_clear_success,
    lead,
    rival_logits,
    rounding,
    unless_lost,
)
from foolflow.attacks.border import for_any_model
from foolflow.attacks.bounds import Bounds
from foolflow.attacks.lbfgs import minimise
from foolflow.attacks.reweighted import SIDE, reweighted
from foolflow.attacks.warp import flow_loss, sizes, warp
from foolflow.compute.seeds import derived_seed
from foolflow.errors import InvalidInput

# Bounds of the bisection of `tau: auto`. Above them, nothing moves; below them, distortion costs almost nothing.
LARGEST_TAU, SMALLEST_TAU = 0.1, 1e-4
FARTHEST_SHIFT, SHIFTS = 6.0, 7  # of `init: shift`: pixels in each direction of a SIDE-pixel image, and their number
START = 2.0  # standard deviation, in pixels, of the random shifts or deformations from which restarts begin

SPARE = 1e-3  # extra margin, as a fraction of the logits that compete

Solve = Callable[[Tensor, Tensor, Tensor], None]  # (rows, flows to start from, taus of all images)


STEPS, STEPS_AT_FIXED_TAU = 60, 40  # of `reweighted`; at a fixed tau more steps lower the objective by 3 %
INITS = ("zeros", "gaussian", "shift")
SOLVERS = ("reweighted", "batched", "scipy", "adam")


class Limits(TypedDict):
    """Stopping criteria of L-BFGS."""

    max_evaluations: int
    value_tolerance: float
    gradient_tolerance: float


@for_any_model
def stadv(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    targets: Tensor | None = None,
    tau: float | str = "auto",
    kappa: float = 0.0,
    solver: str = "reweighted",
    init: str = "zeros",
    seed: int = 0,
    smoothing: float = 0.01,
    steps: int | None = None,
    restarts: int = 5,
    max_evaluations: int = 200,
    value_tolerance: float = 1e-4,
    gradient_tolerance: float = 1e-5,
    bisections: int = 4,
    learning_rate: float = 0.05,
    max_flow_loss: float | None = None,
    max_displacement: float | None = None,
    allow_shift: bool = True,
) -> Adversarial:
    """Move pixels instead of changing their values (Xiao et al. 2018, arXiv 1801.02612).

    Minimise over the flow f of an image x: max(max_{i != t} g_i(x_f) - g_t(x_f), -kappa) + tau * flow_loss(f),
    where x_f is x sampled bilinearly at p + f_p, g the logits and t the target; without targets, over
    max(g_y - max_{i != y} g_i, -kappa), y the label. The result is the adversarial iterate with the lowest flow loss,
    not the last iterate: at kappa = 0 the minimum lies on the decision boundary.

    model: float32 images (N, C, H, W) in [0, 1] to logits (N, classes).
    images: float32 (N, C, H, W) in [0, 1].  labels, targets: int64 (N,).
    tau: weight of the flow loss; `auto` finds, for each image, the largest tau that still fools the model.
        `reweighted` minimises the flow loss among adversarial flows; the other solvers bisect the logarithm of tau in
        `bisections` rounds, each from the best flow so far.
    kappa: the margin, in logits, by which the target has to win; the adversarial loss is cut off at -kappa. The
        minimum lies at the cut-off, so an iterate that wins by nine tenths of kappa counts as adversarial.
    solver: `reweighted`, iteratively reweighted least squares for all images at once (see
        `foolflow.attacks.reweighted`). At a fixed tau, only a flow with a lower objective than no flow counts, as in a
        descent from zero flow. `batched`, L-BFGS for all images at once; `scipy`, fmin_l_bfgs_b image by image, the
        reference; `adam`, Adam for all images at once.
    steps: of `reweighted`, one evaluation of objective and gradient each; by default 60, or 40 at a fixed tau.
    init: the first start. `zeros`; `gaussian`, each component of the flow from N(0, 1), the same for every image, from
        `seed`; `shift`, for each image the shift of all pixels, of 49 up to 6 pixels in each direction (more on images
        larger than 28 pixels), after which the target leads most. On many images such a shift alone is a minimum of the
        objective, because it has no flow loss.
    restarts: number of further attempts on images that are not fooled, each from a random shift of all pixels, which
        has no flow loss: normal with a standard deviation of 2 pixels, the same for every image, from `seed`. Without a
        shift, from a random linear deformation that moves the corners about as far.
    smoothing: of the root in the flow loss, in pixels (see `flow_loss`). Flows are compared without smoothing.
    max_evaluations: for all solvers except `reweighted`, per image and tau.
    value_tolerance, gradient_tolerance: for the two L-BFGS solvers. A search ends when a step lowers the objective by
        less than value_tolerance times the larger of the objective and 1, or no component of the gradient exceeds
        gradient_tolerance.
    learning_rate: of `adam`, in pixels.
    max_flow_loss: an adversarial flow counts only if its flow loss, without smoothing, is at most this. `reweighted`
        leaves an image as soon as it has one. Without a maximum, `flow_loss` of the result shows the success at every
        maximum.
    max_displacement: no pixel moves farther than this, in pixels (Euclidean length).
    allow_shift: whether the mean displacement of the pixels may differ from zero. The flow loss does not see a shift
        that all pixels share.
    `details` of the result: `flow` (N, 2, H, W), in pixels, and of each flow (see `foolflow.attacks.warp.sizes`)
    `flow_loss`, `displacement`, `shift` and `deformation`, each (N,); at a fixed tau also `objective` (N,), the lowest
    value of the objective among all iterates, without smoothing. An image that is not fooled has zero flow.
    Raises InvalidInput if images leave [0, 1], a label or target is not a class, a parameter is out of range, or the
    model's logits are not finite.
    """
    automatic = tau == "auto"
    if steps is None:
        steps = STEPS if automatic else STEPS_AT_FIXED_TAU
    if not automatic and (isinstance(tau, str) or tau < 0):
        raise InvalidInput(f"tau: {tau!r} is neither a number of at least 0 nor auto")
    check_choice("solver", solver, SOLVERS)
    check_choice("init", init, INITS)
    if init == "shift" and not allow_shift:
        raise InvalidInput("init: shift needs allow_shift: true")
    if solver == "reweighted" and smoothing <= 0:
        raise InvalidInput(f"smoothing: {smoothing}; the solver reweighted needs a value above 0")
    if min(kappa, smoothing, bisections, restarts) < 0 or min(max_evaluations, steps) < 1:
        raise InvalidInput(
            f"kappa {kappa}, smoothing {smoothing}, bisections {bisections}, restarts {restarts}: not negative; "
            f"max_evaluations {max_evaluations}, steps {steps}: at least 1"
        )
    for name, value in (("max_flow_loss", max_flow_loss), ("max_displacement", max_displacement)):
        if value is not None and not value > 0:
            raise InvalidInput(f"{name}: {value}; expected a number above 0")
    if not learning_rate > 0:
        raise InvalidInput(f"learning_rate: {learning_rate}; expected a number above 0")
    fixed_tau = None if automatic else float(tau)
    bounds = Bounds(max_displacement, allow_shift)
    with torch.no_grad():
        logits = model(images)
        search = _Search(
            model,
            images,
            labels,
            targets,
            kappa=kappa,
            smoothing=smoothing,
            scale=clean_scale(logits, labels, targets),
            bounds=bounds,
            tau=fixed_tau,
            max_flow_loss=torch.inf if max_flow_loss is None else max_flow_loss,
        )
        search.begin(descending=solver == "reweighted")
    limits: Limits = {
        "max_evaluations": max_evaluations,
        "value_tolerance": value_tolerance,
        "gradient_tolerance": gradient_tolerance,
    }
    solve: Solve = {
        "reweighted": lambda rows, flows, taus: reweighted(
            search.linearise,
            rows,
            flows,
            largest_pull=search.scale[rows] / taus[rows],
            steps=steps,
            smoothing=smoothing,
            bounds=bounds,
            finished=search.finished,
        ),
        "batched": lambda rows, flows, taus: _solve_batched(search, rows, flows, taus, limits),
        "scipy": lambda rows, flows, taus: _solve_with_scipy(search, rows, flows, taus, limits),
        "adam": lambda rows, flows, taus: _solve_with_adam(search, rows, flows, taus, max_evaluations, learning_rate),
    }[solver]
    starts = (bounds.constrain(start) for start in _starts(search, init, seed, restarts))
    if automatic and solver != "reweighted":
        _bisect_tau(search, solve, starts, bisections)
    else:
        _solve_until_fooled(search, solve, starts, fixed_tau or 0.0)
    adversarial = warp(images, search.best_flow).clamp(0, 1)
    made = conclude(model, adversarial, labels, targets, search.evaluations, search.evaluations)
    flow = unless_lost(search.best_flow, made)
    details = {"flow": flow, **sizes(flow)}
    return replace(made, details=details if automatic else details | {"objective": search.best_objective})


class _Search:
    """The objective, and the best flow found so far for each image."""

    def __init__(
        self,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        targets: Tensor | None,
        *,
        kappa: float,
        smoothing: float,
        scale: Tensor,
        bounds: Bounds,
        tau: float | None,
        max_flow_loss: float,
    ) -> None:
        """Begin with no flow. scale: (N,), see `clean_scale`.  tau: None if it is not fixed."""
        self.model, self.images, self.labels, self.targets = model, images, labels, targets
        self.kappa, self.smoothing, self.scale, self.bounds, self.tau = kappa, smoothing, scale, bounds, tau
        self.evaluations = torch.zeros_like(labels)
        self.best_flow = images.new_zeros(len(images), 2, *images.shape[2:])
        self.best_loss = torch.full((len(images),), torch.inf, dtype=torch.float64, device=images.device)
        self.best_objective = torch.full_like(self.best_loss, torch.inf)
        self.largest_loss = torch.full_like(self.best_loss, max_flow_loss)
        self.enough = 0.0 if max_flow_loss == torch.inf else max_flow_loss

    def begin(self, *, descending: bool) -> None:
        """Evaluate the clean images. If `descending`, flows whose objective is higher than theirs do not count."""
        self.evaluate(self.best_flow, torch.arange(len(self.images), device=self.images.device))
        if descending and self.tau:
            self.largest_loss = torch.minimum(self.largest_loss, (self.best_objective + self.kappa) / self.tau)

    @property
    def fooled(self) -> Tensor:
        return self.best_loss.isfinite()

    def finished(self, rows: Tensor) -> Tensor:
        """Whether an image has a flow that cannot or need not be improved: bool (M,)."""
        return self.best_loss[rows] <= self.enough

    def objective(self, points: Tensor, rows: Tensor, taus: Tensor) -> tuple[Tensor, Tensor]:
        """Return values, float64 (M,), and gradients (M, D), at the flows `points` (M, D) of the images `rows`.

        The objective is that of the permitted flow closest to the point. Where it or its gradient is not finite, the
        value is infinite and the gradient is zero.
        """
        points = points.detach().requires_grad_()
        flows = self.bounds.constrain(points.view(len(rows), *self.best_flow.shape[1:]))
        _, leads = self.evaluate(flows, rows)
        values = (-leads).clamp_min(-self.kappa).double() + taus[rows].double() * flow_loss(flows, self.smoothing)
        (gradients,) = torch.autograd.grad(values.sum(), points)
        self.evaluations[rows] += 1
        finite = (values.detach() + gradients.sum(1)).isfinite()
        return values.detach().where(finite, torch.inf), gradients.where(finite[:, None], 0.0)

    def linearise(self, flows: Tensor, rows: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        """Return how far each image is from a win (M,), and the gradients of that (M, 2, H, W), at permitted flows.

        Both are fractions of the lead on the clean image, so that no step depends on the unit of the logits.

        The target's rivals are combined by a smooth maximum, because steps against the strongest rival alone oscillate
        between two of them. Its temperature is a fraction of the logits that compete, or of the lead on the clean image
        if all logits share an offset. A win needs slightly more than the margin, to absorb the error of the last step
        and of float32. Both are zero where the logits or the gradient are not finite.
        """
        flows = flows.detach().requires_grad_()
        logits, leads = self.evaluate(flows, rows)
        scale, (labels, targets) = self.scale[rows], self._goal(rows)
        competing = contested(logits.detach(), labels, targets)
        size = torch.where(competing > 0, torch.minimum(competing, scale), scale)
        if self.targets is not None:
            heat = (temperature * size)[:, None]
            rivals = rival_logits(logits, self.targets[rows])
            leads = leads + rivals.amax(1) - heat[:, 0] * (rivals / heat).logsumexp(1)
        (gradients,) = torch.autograd.grad(-leads.sum(), flows)
        self.evaluations[rows] += 1
        spare = torch.maximum(SPARE * size, 2 * rounding(logits.detach(), labels, targets, scale))
        lacks = (self.kappa + spare - leads.detach()) / scale
        gradients = self.bounds.centre(gradients) / scale.view(-1, 1, 1, 1)
        finite = (lacks + gradients.flatten(1).sum(1)).isfinite()
        return lacks.where(finite, 0.0), gradients.where(finite.view(-1, 1, 1, 1), 0.0)

    def evaluate(self, flows: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits and the lead of the target (or of the best wrong class), and remember the wins."""
        logits = self.model(warp(self.images[rows], flows))
        labels, targets = self._goal(rows)
        leads = lead(logits, labels, targets)
        wins = is_clear_success(logits.detach(), labels, targets, self.scale[rows]) & (
            leads.detach() >= 0.9 * self.kappa
        )
        self._remember(flows.detach(), rows, leads.detach(), wins)
        return logits, leads

    def _goal(self, rows: Tensor) -> tuple[Tensor, Tensor | None]:
        return self.labels[rows], None if self.targets is None else self.targets[rows]

    def _remember(self, flows: Tensor, rows: Tensor, leads: Tensor, wins: Tensor) -> None:
        losses = flow_loss(flows)
        better = wins & (losses < self.best_loss[rows]) & (losses <= self.largest_loss[rows])
        self.best_loss[rows[better]] = losses[better]
        self.best_flow[rows[better]] = flows[better]
        if self.tau is not None:
            objective = (-leads).clamp_min(-self.kappa).double() + self.tau * losses
            self.best_objective[rows] = self.best_objective[rows].fmin(objective)


def _solve_batched(search: _Search, rows: Tensor, flows: Tensor, taus: Tensor, limits: Limits) -> None:
    minimise(lambda points, which: search.objective(points, rows[which], taus), flows.flatten(1), **limits)


def _solve_with_adam(
    search: _Search, rows: Tensor, flows: Tensor, taus: Tensor, steps: int, learning_rate: float
) -> None:
    descend(
        lambda points, which: search.objective(points, rows[which], taus),
        flows.flatten(1),
        steps=steps,
        learning_rate=learning_rate,
    )


def _solve_with_scipy(search: _Search, rows: Tensor, flows: Tensor, taus: Tensor, limits: Limits) -> None:
    for row, flow in zip(rows, flows, strict=True):

        def objective(point: np.ndarray, row: Tensor = row, like: Tensor = flow) -> tuple[float, np.ndarray]:
            points = torch.from_numpy(point).to(like)[None]
            values, gradients = search.objective(points, row[None], taus)
            return values.item(), gradients[0].double().cpu().numpy()

        fmin_l_bfgs_b(
            objective,
            flow.flatten().double().cpu().numpy(),
            factr=limits["value_tolerance"] / np.finfo(float).eps,
            pgtol=limits["gradient_tolerance"],
            maxfun=limits["max_evaluations"],
        )


def _starts(search: _Search, init: str, seed: int, restarts: int) -> Iterator[Tensor]:
    """Yield the flows from which the images start, then those of the restarts: (N, 2, H, W), or (1, 2, H, W)."""
    generator = torch.Generator().manual_seed(derived_seed(seed, "flow"))
    height, width = search.images.shape[2:]
    if init == "shift":
        yield _best_shift(search)
    elif init == "gaussian":
        yield torch.randn(1, 2, height, width, generator=generator).to(search.images)
    else:
        yield search.images.new_zeros(1, 2, height, width)
    corners = torch.stack(torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij"))
    for _ in range(restarts):
        if search.bounds.allow_shift:
            start = torch.randn(2, 1, 1, generator=generator).expand(2, height, width)
        else:
            start = torch.einsum("ij,jhw->ihw", torch.randn(2, 2, generator=generator) / 2**0.5, corners)
        yield (START * start)[None].to(search.images)


@torch.no_grad()
def _best_shift(search: _Search) -> Tensor:
    """Return the shift of each image, on a grid, after which the target leads most: (N, 2, H, W)."""
    best, rows = torch.zeros_like(search.best_flow), torch.arange(len(search.images), device=search.images.device)
    best_leads = best.new_full((len(rows),), -torch.inf)
    farthest = FARTHEST_SHIFT * max(1.0, max(best.shape[2:]) / SIDE)
    for offset in torch.cartesian_prod(*[torch.linspace(-farthest, farthest, SHIFTS)] * 2).to(best):
        flows = search.bounds.constrain(offset.view(1, 2, 1, 1).expand(1, *best.shape[1:])).expand_as(best)
        _, leads = search.evaluate(flows, rows)
        better = leads > best_leads
        best, best_leads = torch.where(better.view(-1, 1, 1, 1), flows, best), torch.where(better, leads, best_leads)
    return best


def _solve_until_fooled(search: _Search, solve: Solve, starts: Iterable[Tensor], tau: float) -> None:
    """Solve from each start in turn, for the images that are not fooled yet."""
    for start in starts:
        rows = (~search.fooled).nonzero().squeeze(1)
        if len(rows) == 0:
            return
        taus = torch.full((len(search.fooled),), tau, device=start.device)
        solve(rows, start.expand(len(search.fooled), -1, -1, -1)[rows], taus)


def _bisect_tau(search: _Search, solve: Solve, starts: Iterator[Tensor], bisections: int) -> None:
    """Fool every image first, with the smallest tau if necessary; then bisect between that and the largest tau."""
    low = torch.full((len(search.fooled),), SMALLEST_TAU, device=search.best_flow.device)
    high = torch.full_like(low, LARGEST_TAU)
    middle = (SMALLEST_TAU * LARGEST_TAU) ** 0.5
    first = next(starts)
    _solve_until_fooled(search, solve, [first], middle)
    fooled = search.fooled.clone()
    _solve_until_fooled(search, solve, chain([first], starts), SMALLEST_TAU)
    low[fooled], high[~fooled] = middle, middle
    for _ in range(bisections):
        rows = (search.fooled & (search.best_loss > 0)).nonzero().squeeze(1)
        if len(rows) == 0:
            return
        taus = (low * high).sqrt()
        before = search.best_loss.clone()
        solve(rows, search.best_flow[rows], taus)
        improved = search.best_loss < before
        low, high = torch.where(improved, taus, low), torch.where(improved, high, taus)
