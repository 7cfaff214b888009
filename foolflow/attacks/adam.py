"""Adam for many independent problems at once."""

import torch
from torch import Tensor

from foolflow.attacks.lbfgs import Objective

DECAYS = (0.9, 0.999)  # of the averages of gradients and of their squares
SAFE = 1e-8


def descend(objective: Objective, start: Tensor, *, steps: int, learning_rate: float) -> Tensor:
    """Lower N functions of D variables by Adam (Kingma and Ba 2015, algorithm 1). Return the last points, (N, D).

    objective(points (M, D), rows (M,)) returns the values, float64 (M,), and the gradients (M, D) of `rows`; it is
    called `steps` times.
    start: (N, D).
    """
    points, rows = start.clone(), torch.arange(len(start), device=start.device)
    mean, square = torch.zeros_like(points), torch.zeros_like(points)
    for step in range(1, steps + 1):
        _, gradients = objective(points, rows)
        mean = torch.lerp(gradients, mean, DECAYS[0])
        square = torch.lerp(gradients.square(), square, DECAYS[1])
        unbiased = [average / (1 - decay**step) for average, decay in zip((mean, square), DECAYS, strict=True)]
        points = points - learning_rate * unbiased[0] / (unbiased[1].sqrt() + SAFE)
    return points
