"""Measure how fast a victim is, and how many images resist a short attack."""

import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from foolflow.compute.freezing import frozen
from foolflow.compute.gradients import why_not_differentiable
from foolflow.compute.prediction import to_float
from foolflow.compute.randomness import draws_of
from foolflow.errors import is_out_of_memory

REPEATS = 2  # timed passes; the fastest counts
PROBE_STEPS = 10


def measure_speed(
    victim: nn.Module, images: np.ndarray, labels: np.ndarray, *, norm: str, epsilon: float, device: torch.device
) -> dict[str, Any]:
    """Time a victim on one batch of images, or on as many of them as fit in memory at once.

    victim: in eval mode.  images: uint8 (N, C, H, W).  labels: int64 (N,).
    norm, epsilon: the ball, `linf` or `l2`, of the short attack that tells which part of the images resists.
    Returns `forward` and `gradient`, core-seconds per image for a forward pass alone and for both passes; `resisting`,
    the fraction of images that withstand the attack; `differentiable`; `classes`; `draws` (see `draws_of`); and
    `memory_mb`, the peak memory of this process in units of 2^20 bytes.
    """
    try:
        return _measured(victim, to_float(images, device), torch.from_numpy(labels).to(device), norm, epsilon)
    except Exception as error:  # the caller's model may raise anything
        if len(images) == 1 or not is_out_of_memory(error):
            raise
    half = len(images) // 2
    return measure_speed(victim, images[:half], labels[:half], norm=norm, epsilon=epsilon, device=device)


def _measured(victim: nn.Module, batch: Tensor, truth: Tensor, norm: str, epsilon: float) -> dict[str, Any]:
    device = batch.device

    def forward() -> Tensor:
        with torch.no_grad():
            return victim(batch)

    with frozen(victim):
        classes = forward().shape[1]
        draws = draws_of(victim, batch)
        seconds = _seconds(forward, device) / len(batch)
        found = {"forward": seconds, "gradient": seconds, "resisting": 1.0, "differentiable": False}
        if why_not_differentiable(victim, batch[:1]) is None:
            found["gradient"] = _seconds(lambda: _gradient(victim, batch, truth), device) / len(batch)
            found["resisting"] = _resisting(victim, batch, truth, norm, epsilon)
            found["differentiable"] = True
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {**found, "classes": classes, "draws": draws, "memory_mb": peak}


def _gradient(victim: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    inputs = images.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(cross_entropy(victim(inputs), labels, reduction="sum"), inputs)
    return gradient


def _resisting(victim: nn.Module, images: Tensor, labels: Tensor, norm: str, epsilon: float) -> float:
    """Take a few steps of ascent, without the care of an attack. Only the fraction that resists matters."""
    tried = images
    for _ in range(PROBE_STEPS):
        gradient = _gradient(victim, tried, labels)
        if norm == "linf":
            step = 2 * epsilon / PROBE_STEPS * gradient.sign()
            tried = images + (tried + step - images).clamp(-epsilon, epsilon)
        else:
            lengths = gradient.flatten(1).norm(dim=1).clamp_min(1e-12).view(-1, 1, 1, 1)
            offset = tried + 2 * epsilon / PROBE_STEPS * gradient / lengths - images
            tried = images + offset * (epsilon / offset.flatten(1).norm(dim=1).clamp_min(epsilon)).view(-1, 1, 1, 1)
        tried = tried.clamp(0, 1)
    with torch.no_grad():
        return float((victim(tried).argmax(1) == labels).float().mean())


def clock(device: torch.device) -> float:
    """Read the clock of the work on a device: on a CPU the core-seconds of this process, which others do not slow."""
    if device.type != "cuda":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


def _seconds(work: Callable[[], Any], device: torch.device) -> float:
    """Return the seconds of the fastest of a few calls, after a first one that is not counted."""
    work()
    found = []
    for _ in range(REPEATS):
        start = clock(device)
        work()
        found.append(clock(device) - start)
    return min(found)
