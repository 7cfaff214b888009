"""Find the smallest adversarial flow by iteratively reweighted least squares, for many images at once."""

from collections.abc import Callable

import torch
from torch import Tensor

from foolflow.attacks.lattice import Lattice, stiffness

# (flows (M, 2, H, W), rows (M,), temperature) -> how far each image is from a win (M,), and the gradients of that.
Linearise = Callable[[Tensor, Tensor, float], tuple[Tensor, Tensor]]

FIRST_STEP, LAST_STEP = 1.0, 0.03  # largest movement of any pixel in one step, in pixels
FIRST_TEMPERATURE, LAST_TEMPERATURE = (
    0.5,
    0.005,
)  # of `linearise`; at a high temperature many rivals count, at a low one only the strongest
MEMORY = 0.8  # of the linear model; ReLUs and bilinear samples have kinks, so gradients are averaged
DAMPING = 1.0  # of the step; a lower value lets all pixels shift farther together, which has no flow loss
STEPS_PER_LATTICE = 2  # the quadratic form changes slowly, and factoring it is expensive next to a small network


def reweighted(
    linearise: Linearise, rows: Tensor, start: Tensor, *, largest_pull: Tensor, steps: int, smoothing: float
) -> None:
    """Search for the adversarial flow with the lowest flow loss. `linearise` is called with every flow on the way.

    Each step replaces the flow loss by the quadratic form with the same gradient at the current flow (lagged
    diffusivity, Vogel and Oman 1996) and the condition to win by a linear model, averaged over the last steps. The
    solution is in closed form: that of a linear system on the lattice of pixels, scaled by a multiplier, the pull, so
    that the linear model wins. The flow moves there, or as far in that direction as the step allows. Steps shrink from
    FIRST_STEP to LAST_STEP.

    start: (N, 2, H, W).  rows: (N,), passed to `linearise` with the flows.
    largest_pull: (N,), upper bound of the pull. With 1 / tau, the result minimises the adversarial loss plus tau times
        the flow loss; with infinity, the flow loss alone.
    smoothing: of the flow loss (see `flow_loss`), above 0.
    """
    flows = start.clone()
    slopes, offsets = torch.zeros_like(flows), flows.new_zeros(len(flows))
    for step in range(steps):
        done = step / max(steps - 1, 1)
        lacks, gradients = linearise(flows, rows, _between(FIRST_TEMPERATURE, LAST_TEMPERATURE, done))
        memory = MEMORY if step else 0.0
        slopes = memory * slopes + (1 - memory) * gradients
        offsets = memory * offsets + (1 - memory) * (lacks - _dot(gradients, flows))

        if step % STEPS_PER_LATTICE == 0:
            lattice = Lattice(*stiffness(flows, smoothing), DAMPING)
        relaxed, pulled = lattice.solve(torch.cat([DAMPING * flows, -slopes], 1)).chunk(2, 1)
        pull = (offsets + _dot(slopes, relaxed)) / -_dot(slopes, pulled).clamp_max(-1e-12)
        pull = torch.minimum(pull.clamp_min(0), largest_pull)
        direction = relaxed + pull[:, None, None, None] * pulled - flows
        farthest = direction.abs().amax((1, 2, 3)).clamp_min(1e-9)
        share = (_between(FIRST_STEP, LAST_STEP, done) / farthest).clamp_max(1)
        flows = flows + share[:, None, None, None] * direction


def _between(first: float, last: float, done: float) -> float:
    return first * (last / first) ** done


def _dot(one: Tensor, other: Tensor) -> Tensor:
    return (one * other).sum((1, 2, 3))
