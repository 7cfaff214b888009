"""Find the smallest adversarial flow by iteratively reweighted least squares, for many images at once."""

from collections.abc import Callable

import torch
from torch import Tensor

from foolflow.attacks.bounds import Bounds
from foolflow.attacks.lattice import Lattice, stiffness
from foolflow.attacks.shortest import column

# (flows (M, 2, H, W), rows (M,), temperature) -> how far each image is from a win (M,), and the gradients of that.
Linearise = Callable[[Tensor, Tensor, float], tuple[Tensor, Tensor]]

FIRST_STEP, LAST_STEP = (
    1.0,
    0.03,
)  # largest movement of a pixel in one step, in pixels, on an image of SIDE pixels per side
SIDE = 28  # pixels per side; on larger images the steps grow in proportion, on smaller ones they do not shrink
FIRST_TEMPERATURE, LAST_TEMPERATURE = 0.5, 0.005  # of `linearise`; at a high one many rivals count, at a low one few
MEMORY = 0.8  # of the linear model; ReLUs and bilinear samples have kinks, so gradients are averaged
DAMPING = 1.0  # of the step; a lower value lets all pixels shift farther together, which has no flow loss
FIRST_ITERATIONS, LAST_ITERATIONS = 1, 4  # of the linear solver; few make smooth steps, which win where exact ones fail
UNBOUNDED = 0.5  # fraction of the steps in which the pull is unbounded
LARGEST_FORCE = 100.0  # on a pixel, in the guess of the pull. The flow loss exerts at most 8


def reweighted(
    linearise: Linearise,
    rows: Tensor,
    start: Tensor,
    *,
    largest_pull: Tensor,
    steps: int,
    smoothing: float,
    bounds: Bounds,
    finished: Callable[[Tensor], Tensor],
) -> None:
    """Search for the adversarial flow with the lowest flow loss. `linearise` is called with every flow on the way.

    Each step replaces the flow loss by the quadratic form with the same gradient at the current flow (lagged
    diffusivity, Vogel and Oman 1996) and the condition to win by a linear model, averaged over the last steps. The
    minimum is the solution of a linear system on the lattice of pixels, with a multiplier, the pull, such that the
    linear model wins. The system is solved approximately, from the last solution. The flow moves there, or as far in
    that direction as the step allows. Steps shrink from FIRST_STEP to LAST_STEP.

    start: (N, 2, H, W), within the bounds.  rows: (N,), passed to `linearise` with the flows.
    largest_pull: (N,), upper bound of the pull in the second half of the search. With 1 / tau, the search ends at a
        minimum of the adversarial loss plus tau times the flow loss; with infinity, of the flow loss alone. The first
        half has no bound, because a bounded pull leaves no flow that is near zero: the flow loss has a kink there.
    smoothing: of the flow loss (see `flow_loss`), above 0.
    bounds: of the flows. Every flow is within them.
    finished: (M,) rows -> bool (M,), the images that leave the search.
    """
    flows = start.clone()
    slopes, pulled = torch.zeros_like(flows), torch.zeros_like(flows)
    offsets, pull = flows.new_zeros(len(flows)), flows.new_zeros(len(flows))
    farthest_step = max(1.0, max(flows.shape[2:]) / SIDE)
    for step in range(steps):
        done = step / max(steps - 1, 1)
        lacks, gradients = linearise(flows, rows, _between(FIRST_TEMPERATURE, LAST_TEMPERATURE, done))
        if (leaving := finished(rows)).any():
            state = (rows, flows, slopes, pulled, offsets, pull, largest_pull, lacks, gradients)
            rows, flows, slopes, pulled, offsets, pull, largest_pull, lacks, gradients = (
                tensor[~leaving] for tensor in state
            )
            if len(rows) == 0:
                return
        memory = MEMORY if step else 0.0
        slopes = memory * slopes + (1 - memory) * gradients
        offsets = memory * offsets + (1 - memory) * (lacks - _dot(gradients, flows))

        lattice = Lattice(*stiffness(flows, smoothing), DAMPING)
        guess = torch.minimum(pull, LARGEST_FORCE / slopes.abs().amax((1, 2, 3)).clamp_min(1e-12))
        forces = -lattice.stretch(flows) - column(guess) * slopes
        project = bounds.tangent(flows, forces)
        iterations = round(FIRST_ITERATIONS + (LAST_ITERATIONS - FIRST_ITERATIONS) * done)
        move = lattice.solve(forces, None, iterations, project)
        pulled = lattice.solve(-slopes, project(pulled), 1, project)  # the slopes change slowly
        pull = guess + (offsets + _dot(slopes, flows + move)) / -_dot(slopes, pulled).clamp_max(-1e-12)
        pull = pull.clamp_min(0)
        if done >= UNBOUNDED:
            pull = torch.minimum(pull, largest_pull)
        direction = move + column(pull - guess) * pulled
        farthest = direction.abs().amax((1, 2, 3)).clamp_min(1e-9)
        share = (farthest_step * _between(FIRST_STEP, LAST_STEP, done) / farthest).clamp_max(1)
        flows = bounds.constrain(flows + column(share) * direction)


def _between(first: float, last: float, done: float) -> float:
    return first * (last / first) ** done


def _dot(one: Tensor, other: Tensor) -> Tensor:
    return (one * other).sum((1, 2, 3))
