"""The least flow that fools: iteratively reweighted least squares, for many images at once."""

from collections.abc import Callable

import torch
from torch import Tensor

from foolflow.attacks.lattice import Lattice, stiffness

# (flows (M, 2, H, W), rows (M,), temperature) -> by how much each lacks the win (M,), and the gradients of that.
Linearise = Callable[[Tensor, Tensor, float], tuple[Tensor, Tensor]]

FIRST_STEP, LAST_STEP = 1.0, 0.03  # no pixel moves farther in one step, in pixels
FIRST_TEMPERATURE, LAST_TEMPERATURE = 0.5, 0.005  # of `linearise`; hot, many rivals count, cold, the strongest
MEMORY = 0.8  # of the linear model; one gradient alone says little, as ReLUs and bilinear samples have kinks
DAMPING = 1.0  # of the step; the less, the farther all pixels are shifted, which costs no flow loss
STEPS_A_LATTICE = 2  # the quadratic form changes slowly, and factoring it takes a good part of a small network's time


def reweighted(
    linearise: Linearise, rows: Tensor, start: Tensor, *, largest_pull: Tensor, steps: int, smoothing: float
) -> None:
    """Walk towards the least flow loss among the flows that win; `linearise` sees every flow on the way.

    Each step replaces the flow loss by the quadratic form that has its gradient here (its weights are those of the
    last flow: lagged diffusivity, Vogel and Oman 1996) and the win by a linear model, averaged over the last steps.
    What is left has a solution in closed form: a linear system on the lattice of pixels, scaled by a multiplier, the
    pull, so that the linear model wins. The flow moves there, or as far in that direction as the step allows; steps
    shrink from FIRST_STEP to LAST_STEP.

    start: (N, 2, H, W).  rows: (N,), handed to `linearise` with the flows.
    largest_pull: (N,), the pull is cut off there: at 1 / tau this minimises the loss of the win plus tau times the flow
        loss; at infinity, the flow loss alone.
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

        if step % STEPS_A_LATTICE == 0:
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
