"""stAdv: spatially transformed adversarial images."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from scipy.optimize import fmin_l_bfgs_b
from torch import Tensor, nn

from foolflow.attacks.base import Adversarial, check_images, check_logits, conclude, frozen, is_clear_success
from foolflow.attacks.lbfgs import minimise
from foolflow.attacks.warp import flow_loss, warp
from foolflow.errors import InvalidInput
from foolflow.seeds import derived_seed

# `tau: auto` looks for each image's tau between these; above, nothing moves, below, distortion costs next to nothing.
LARGEST_TAU, SMALLEST_TAU = 0.1, 1e-4


def stadv(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    targets: Tensor | None = None,
    tau: float | str = "auto",
    kappa: float = 0.0,
    solver: str = "batched",
    init: str = "zeros",
    seed: int = 0,
    smoothing: float = 0.01,
    max_evaluations: int = 200,
    value_tolerance: float = 1e-4,
    gradient_tolerance: float = 1e-5,
    bisections: int = 4,
) -> Adversarial:
    """Move pixels instead of changing their values (Xiao et al. 2018, arXiv 1801.02612).

    Minimises over the flow f, from an image x: max(max_{i != t} g_i(x_f) - g_t(x_f), -kappa) + tau * flow_loss(f),
    where x_f is x sampled bilinearly at p + f_p, g the logits and t the target; without targets, over
    max(g_y - max_{i != y} g_i, -kappa), y the label. The best adversarial iterate is returned, which is the one with
    the least flow loss, and not the last one: at kappa = 0 the minimum lies on the decision boundary.

    model: float32 images (N, C, H, W) in [0, 1] to logits (N, classes).
    images: float32 (N, C, H, W) in [0, 1].  labels, targets: int64 (N,).
    tau: weight of the flow loss; `auto` searches, for each image, the largest tau that still fools, by bisection on its
        logarithm in `bisections` rounds, each from the best flow so far.
    kappa: the margin, in logits, by which the target has to win; the adversarial loss has its floor at -kappa. The
        minimum lies on the edge of that floor, so an iterate that wins by nine tenths of it counts.
    solver: `batched`, L-BFGS for all images at once; `scipy`, fmin_l_bfgs_b image by image, the reference.
    init: `zeros`, or `gaussian`: each component of the flow from N(0, 1), the same for every image, from `seed`.
    smoothing: of the flow loss's root, in pixels (see `flow_loss`). The least flow loss is judged unsmoothed.
    max_evaluations: of objective and gradient, per image and tau.
    value_tolerance, gradient_tolerance: a search ends when a step lowers the objective by less than this share, or no
        component of the gradient exceeds this.
    `details` of the result: `flow`, (N, 2, H, W) in pixels, and `flow_loss`, (N,).
    Raises InvalidInput if images leave [0, 1], a label or target is no class, a parameter is out of range, or the
    model's logits are not finite.
    """
    automatic = tau == "auto"
    if not automatic and (isinstance(tau, str) or tau < 0):
        raise InvalidInput(f"tau: {tau!r} is neither a number from 0 nor auto")
    if solver not in ("batched", "scipy") or init not in ("zeros", "gaussian"):
        raise InvalidInput(f"solver {solver!r}: batched or scipy; init {init!r}: zeros or gaussian")
    if kappa < 0 or smoothing < 0 or max_evaluations < 1 or bisections < 0:
        raise InvalidInput(
            f"kappa {kappa}, smoothing {smoothing}, bisections {bisections}: not negative; "
            f"max_evaluations {max_evaluations}: at least 1"
        )
    check_images(images, labels, targets)
    with frozen(model):
        with torch.no_grad():
            check_logits(model(images), labels, targets)
        search = _Search(model, images, labels, targets, kappa, smoothing)
        start = _initial_flow(images, init, seed)

        def solve(rows: Tensor, flows: Tensor, taus: Tensor) -> None:
            (_solve_batched if solver == "batched" else _solve_with_scipy)(
                search, rows, flows, taus, max_evaluations, value_tolerance, gradient_tolerance
            )

        everything = torch.arange(len(images), device=images.device)
        if automatic:
            _search_tau(search, solve, everything, start, bisections)
        else:
            solve(everything, start, torch.full((len(images),), float(tau), device=images.device))
        adversarial = warp(images, search.best_flow).clamp(0, 1)
        made = conclude(model, adversarial, labels, targets, search.evaluations, search.evaluations)
        return replace(made, details={"flow": search.best_flow, "flow_loss": flow_loss(search.best_flow)})


class _Search:
    """The objective, and for each image the best flow of all that were tried."""

    def __init__(
        self, model: nn.Module, images: Tensor, labels: Tensor, targets: Tensor | None, kappa: float, smoothing: float
    ) -> None:
        self.model, self.images, self.labels, self.targets = model, images, labels, targets
        self.kappa, self.smoothing = kappa, smoothing
        self.evaluations = torch.zeros_like(labels)
        self.best_flow = images.new_zeros(len(images), 2, *images.shape[2:])
        self.best_loss = torch.full((len(images),), torch.inf, dtype=torch.float64, device=images.device)

    @property
    def fooled(self) -> Tensor:
        return self.best_loss.isfinite()

    def __call__(self, points: Tensor, rows: Tensor, taus: Tensor) -> tuple[Tensor, Tensor]:
        """Values, float64 (M,), and gradients (M, D), of the flows `points` (M, D) of the images `rows`."""
        inputs = points.view(len(rows), *self.best_flow.shape[1:]).detach().requires_grad_()
        logits = self.model(warp(self.images[rows], inputs))
        labels, targets = self.labels[rows], None if self.targets is None else self.targets[rows]
        rough = flow_loss(inputs, self.smoothing)
        lead = self._lead(logits, labels, targets)
        values = (-lead).clamp_min(-self.kappa).double() + taus[rows].double() * rough
        (gradients,) = torch.autograd.grad(values.sum(), inputs)
        self.evaluations[rows] += 1
        wins = is_clear_success(logits.detach(), labels, targets) & (lead.detach() >= 0.9 * self.kappa)
        self._remember(inputs.detach(), rows, wins)
        return values.detach(), gradients.flatten(1)

    def _lead(self, logits: Tensor, labels: Tensor, targets: Tensor | None) -> Tensor:
        """By how much the target (without targets, the best wrong class) leads: (M,)."""
        chosen = (labels if targets is None else targets)[:, None]
        own = logits.gather(1, chosen).squeeze(1)
        others = logits.scatter(1, chosen, -torch.inf).amax(1)
        return others - own if targets is None else own - others

    def _remember(self, flows: Tensor, rows: Tensor, wins: Tensor) -> None:
        losses = flow_loss(flows)
        better = wins & (losses < self.best_loss[rows])
        self.best_loss[rows[better]] = losses[better]
        self.best_flow[rows[better]] = flows[better]


def _solve_batched(
    search: _Search,
    rows: Tensor,
    flows: Tensor,
    taus: Tensor,
    max_evaluations: int,
    value_tolerance: float,
    gradient_tolerance: float,
) -> None:
    minimise(
        lambda points, which: search(points, rows[which], taus),
        flows.flatten(1),
        max_evaluations=max_evaluations,
        value_tolerance=value_tolerance,
        gradient_tolerance=gradient_tolerance,
    )


def _solve_with_scipy(
    search: _Search,
    rows: Tensor,
    flows: Tensor,
    taus: Tensor,
    max_evaluations: int,
    value_tolerance: float,
    gradient_tolerance: float,
) -> None:
    for row, flow in zip(rows, flows, strict=True):

        def objective(point: np.ndarray, row: Tensor = row, like: Tensor = flow) -> tuple[float, np.ndarray]:
            points = torch.from_numpy(point).to(like)[None]
            values, gradients = search(points, row[None], taus)
            return values.item(), gradients[0].double().cpu().numpy()

        fmin_l_bfgs_b(
            objective,
            flow.flatten().double().cpu().numpy(),
            factr=value_tolerance / np.finfo(float).eps,
            pgtol=gradient_tolerance,
            maxfun=max_evaluations,
        )


def _initial_flow(images: Tensor, init: str, seed: int) -> Tensor:
    shape = (1, 2, *images.shape[2:])
    if init == "zeros":
        flow = torch.zeros(shape)
    else:
        flow = torch.randn(shape, generator=torch.Generator().manual_seed(derived_seed(seed, "flow")))
    return flow.to(images).expand(len(images), -1, -1, -1).clone()


def _search_tau(
    search: _Search,
    solve: Callable[[Tensor, Tensor, Tensor], None],
    everything: Tensor,
    start: Tensor,
    bisections: int,
) -> None:
    """First fool every image with the smallest tau, then bisect between the largest and the smallest that fools."""
    low = torch.full((len(everything),), SMALLEST_TAU, device=start.device)
    high = torch.full_like(low, LARGEST_TAU)
    middle = (low * high).sqrt()
    solve(everything, start, middle)
    fooled = search.fooled.clone()
    missed = (~fooled).nonzero().squeeze(1)
    if len(missed):
        solve(missed, start[missed], low)
    low, high = torch.where(fooled, middle, low), torch.where(fooled, high, middle)
    for _ in range(bisections):
        rows = search.fooled.nonzero().squeeze(1)
        if len(rows) == 0:
            return
        middle = (low * high).sqrt()
        before = search.best_loss.clone()
        solve(rows, search.best_flow[rows], middle)
        improved = search.best_loss < before
        low, high = torch.where(improved, middle, low), torch.where(improved, high, middle)
