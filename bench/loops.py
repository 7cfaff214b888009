"""Baselines of the batched attacks: loops over single images, as in the four projects."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import nll_loss

from foolflow.attacks.base import Adversarial
from foolflow.attacks.stadv import stadv


def fgsm_loop(model: nn.Module, images: Tensor, labels: Tensor, *, epsilon: float) -> Tensor:
    """Run FGSM as in the tutorial that R4 follows, with its batch size of 1."""
    made = []
    for image, label in zip(images.split(1), labels.split(1), strict=True):
        inputs = image.clone().requires_grad_()
        logits = model(inputs)
        if logits.argmax(1) != label:
            made.append(image)
            continue
        loss = nll_loss(logits.log_softmax(1), label)
        (gradient,) = torch.autograd.grad(loss, inputs)
        made.append((image + epsilon * gradient.sign()).clamp(0, 1))
    return torch.cat(made)


def deepfool_loop(
    model: nn.Module, images: Tensor, labels: Tensor, *, steps: int, overshoot: float, norm: str = "l2"
) -> Tensor:
    """Run algorithm 2 of the DeepFool paper, with one gradient per class and step."""
    made = []
    for image, label in zip(images.split(1), labels.tolist(), strict=True):
        current, perturbation = image, torch.zeros_like(image)
        for _ in range(steps):
            inputs = current.clone().requires_grad_()
            logits = model(inputs)[0]
            if logits.argmax() != label:
                break
            nearest, step = torch.inf, torch.zeros_like(image)
            for rival in range(len(logits)):
                if rival == label:
                    continue
                gap = logits[rival] - logits[label]
                (gradient,) = torch.autograd.grad(gap, inputs, retain_graph=True)
                length = gradient.norm() if norm == "l2" else gradient.abs().sum()
                distance = ((gap.abs() + 1e-4) / length).item()
                if distance < nearest:
                    nearest = distance
                    step = distance * (gradient / length if norm == "l2" else gradient.sign())
            perturbation = perturbation + step
            current = (image + (1 + overshoot) * perturbation).clamp(0, 1)
        made.append(current)
    return torch.cat(made)


def dichotomy_loop(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    steps: int,
    learning_rate: float,
    interval: tuple[float, float],
    precision: float,
) -> Tensor:
    """Run R2's attack A: gradient descent on r with ||r||_2 = N, and bisection on N.

    R2 names no optimiser; this is Adam.
    """
    made = []
    for image, label in zip(images.split(1), labels.tolist(), strict=True):
        (low, high), best = interval, image
        if model(image).argmax() != label:
            made.append(image)
            continue
        while high - low > precision * high:
            norm = (low + high) / 2
            tried = _descend(model, image, label, norm, steps, learning_rate)
            if tried is None:
                low = norm
            else:
                high, best = norm, tried
        made.append(best)
    return torch.cat(made)


def _descend(
    model: nn.Module, image: Tensor, label: int, norm: float, steps: int, learning_rate: float
) -> Tensor | None:
    """Return the first misclassified iterate, or None."""
    generator = torch.Generator().manual_seed(0)
    perturbation = torch.randn(image.shape, generator=generator).to(image.device)
    perturbation = (norm * perturbation / perturbation.norm()).requires_grad_()
    optimizer = torch.optim.Adam([perturbation], lr=learning_rate)
    for _ in range(steps):
        tried = (image + perturbation).clamp(0, 1)
        logits = model(tried)[0]
        if logits.argmax() != label:
            return tried.detach()
        optimizer.zero_grad()
        logits.softmax(0)[label].backward()
        optimizer.step()
        with torch.no_grad():
            perturbation.mul_(norm / perturbation.norm())
    return None


def automatic_loop(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    steps: int,
    learning_rate: float,
    thresholds: tuple[float, float],
) -> Tensor:
    """Run R2's attack B and return the smallest perturbation that fooled. R2 names no optimiser; this is Adam."""
    made = []
    for image, label in zip(images.split(1), labels.tolist(), strict=True):
        perturbation = torch.zeros_like(image, requires_grad=True)
        optimizer = torch.optim.Adam([perturbation], lr=learning_rate)
        best, shortest = image, torch.inf
        for _ in range(steps + 1):
            tried = (image + perturbation).clamp(0, 1)
            logits = model(tried)[0]
            if logits.argmax() != label:
                length = (tried - image).norm().item()
                if length == 0:
                    break
                if length < shortest:
                    best, shortest = tried.detach(), length
            confidence = logits.softmax(0)[label]
            if confidence > thresholds[0]:
                loss = confidence
            elif confidence > thresholds[1]:
                loss = confidence + perturbation.norm()
            else:
                loss = perturbation.norm()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        made.append(best)
    return torch.cat(made)


def stadv_loop(model: nn.Module, images: Tensor, labels: Tensor, *, targets: Tensor, **search: Any) -> Adversarial:
    """Run R1's attack: SciPy's L-BFGS, image by image."""
    return stadv(model, images, labels, targets=targets, solver="scipy", **search)
