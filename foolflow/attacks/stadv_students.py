"""stAdv as a student project ran it (R1 in reference/), with a parameter to fix each of its mistakes."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from foolflow.attacks.base import (
    Adversarial,
    check_choice,
    clean_scale,
    conclude,
    is_clear_success,
    margin,
    unless_lost,
)
from foolflow.attacks.border import for_any_model
from foolflow.attacks.scipy_lbfgs import minimise_each
from foolflow.attacks.warp import flow_loss, sizes, warp
from foolflow.errors import InvalidInput

SMOOTHING = 1e-4  # the students take the root of d^2 + 1e-8

CHOICES = {
    "scores": ("probabilities", "logits"),
    "neighbours": ("diagonal", "four"),
    "returned": ("converged", "last", "best"),
}


@for_any_model
def stadv_students(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    targets: Tensor | None = None,
    scores: str = "probabilities",
    floor: float = 0.5,
    neighbours: str = "diagonal",
    tau: float = 0.0,
    returned: str = "converged",
    max_evaluations: int = 15000,
) -> Adversarial:
    """Minimise max(max_{i != t} s_i(x_f) - s_t(x_f), floor) + tau * flow loss, image by image, with scipy's L-BFGS-B.

    Every default is that of the student project. The choice of Xiao et al. 2018 (arXiv 1801.02612) is given with each
    parameter; with all of these choices the attack is `stadv` at a fixed tau.

    model: float32 images (N, C, H, W) in [0, 1] to logits (N, classes).
    images: float32 (N, C, H, W) in [0, 1].  labels, targets: int64 (N,); targets are required.
    scores: s, `probabilities` (their networks end in a softmax) or `logits` (the paper).
    floor: lower bound of the adversarial loss. Above 0 it stops before the target wins; the paper's is -kappa, with
        kappa of at least 0.
    neighbours: of the flow loss: `diagonal`, with zeros beyond the border, or `four` (the paper).
    tau: weight of the flow loss; the paper's is 0.05.
    returned: `converged`, the last iterate, or the clean image if L-BFGS-B stopped without converging; `last`, the
        last iterate; `best`, the iterate that reaches the target with the lowest flow loss (the clean image if none
        does).
    max_evaluations: of objective and gradient, per image; the default is scipy's.
    As in the project, the other settings are scipy's defaults, the search starts from zero flow, and the objective is
    float32.
    `details` of the result: `flow` (N, 2, H, W), in pixels, the sizes of each flow (see `foolflow.attacks.warp.sizes`),
    each (N,), and `converged`, bool (N,).
    Raises InvalidInput if there are no targets, images leave [0, 1], a label or target is not a class, a parameter is
    out of range, or the model's logits are not finite.
    """
    if targets is None:
        raise InvalidInput("stadv_students is a targeted attack: it needs targets")
    for name, value in (("scores", scores), ("neighbours", neighbours), ("returned", returned)):
        check_choice(name, value, CHOICES[name])
    if not tau >= 0 or max_evaluations < 1:
        raise InvalidInput(f"tau {tau}: at least 0; max_evaluations {max_evaluations}: at least 1")
    count, _, height, width = images.shape
    best_flow = images.new_zeros(count, 2, height, width)
    best_loss = torch.full((count,), torch.inf, dtype=torch.float64, device=images.device)

    def objective(points: np.ndarray, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows = torch.from_numpy(which).to(images.device)
        flows = torch.from_numpy(points).to(images).view(-1, 2, height, width).requires_grad_()
        logits = model(warp(images[rows], flows))
        values = _adversarial_loss(logits, targets[rows], scores).clamp_min(floor)
        if tau:
            values = values + tau * _roughness(flows, neighbours)
        (gradients,) = torch.autograd.grad(values.sum(), flows)
        losses = flow_loss(flows.detach())
        wins = is_clear_success(logits.detach(), labels[rows], targets[rows], scale[rows])
        better = wins & (losses < best_loss[rows])
        best_loss[rows[better]], best_flow[rows[better]] = losses[better], flows.detach()[better]
        return values.detach().double().cpu().numpy(), gradients.flatten(1).double().cpu().numpy()

    with torch.no_grad():
        clean_logits = model(images)
    scale = clean_scale(clean_logits, labels, targets)
    ends = minimise_each(objective, np.zeros((count, 2 * height * width)), maxfun=max_evaluations)
    converged = torch.from_numpy(ends.converged).to(images.device)
    last = torch.from_numpy(ends.points).to(images).view_as(best_flow)
    flow = {"best": best_flow, "last": last, "converged": last * converged[:, None, None, None]}[returned]
    evaluations = torch.from_numpy(ends.evaluations).to(images.device)
    made = conclude(model, warp(images, flow).clamp(0, 1), labels, targets, evaluations, evaluations)
    flow = unless_lost(flow, made)
    return replace(made, details={"flow": flow, **sizes(flow), "converged": converged})


def _adversarial_loss(logits: Tensor, targets: Tensor, scores: str) -> Tensor:
    values = logits.softmax(1) if scores == "probabilities" else logits
    return margin(values, targets)


def _roughness(flow: Tensor, neighbours: str) -> Tensor:
    """Return the flow loss, float32 (N,), over the four neighbours or, as in the project, over the diagonal ones."""
    if neighbours == "four":
        return flow_loss(flow, SMOOTHING).float()
    return diagonal_flow_loss(flow)


def diagonal_flow_loss(flow: Tensor) -> Tensor:
    """Return the sum of sqrt(|du_p - du_q|^2 + |dv_p - dv_q|^2 + 1e-8) over all pixels p and their 4 diagonal
    neighbours q, with zero flow beyond the border: (N,).

    flow: (N, 2, H, W), in pixels.
    """
    height, width = flow.shape[2:]
    padded = nn.functional.pad(flow, (1, 1, 1, 1))
    corners = [padded[:, :, top : top + height, left : left + width] for top in (0, 2) for left in (0, 2)]
    return torch.stack(
        [((flow - corner).square().sum(1) + SMOOTHING**2).sqrt().flatten(1).sum(1) for corner in corners]
    ).sum(0)
