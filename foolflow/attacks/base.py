"""What every attack shares: its result and its checks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from foolflow.errors import InvalidInput

# The same image's logits differ by about a millionth from batch to batch, relative to the largest of them.
ROUNDING = 1e-5


@dataclass(frozen=True)
class Adversarial:
    """What an attack made of N images. An attack that is given E epsilons returns each field with E in front.

    images: float32 (N, C, H, W) in [0, 1].
    predictions: int64 (N,), the model's classes of `images`.
    success: bool (N,): the prediction is wrong; if the attack had targets, it is the target.
    iterations: int64 (N,), the steps that each image took.
    gradient_evaluations: int64 (N,), the backward passes that each image went through.
    details: what the attack has to say beyond that: named tensors (N, ...).
    """

    images: Tensor
    predictions: Tensor
    success: Tensor
    iterations: Tensor
    gradient_evaluations: Tensor
    details: Mapping[str, Tensor] = field(default_factory=dict)


def check_images(images: Tensor, labels: Tensor, targets: Tensor | None = None) -> None:
    """Raises InvalidInput unless images are float32 (N, C, H, W) in [0, 1] and labels and targets int64 (N,)."""
    if images.dtype != torch.float32 or images.ndim != 4:
        raise InvalidInput(f"images are {images.dtype} of shape {tuple(images.shape)}; float32 (N, C, H, W) is needed")
    if images.numel() and not (images.min() >= 0 and images.max() <= 1):  # written so that NaN fails, too
        raise InvalidInput(f"images go from {images.min():.4g} to {images.max():.4g}; [0, 1] is needed")
    for name, classes in (("labels", labels), ("targets", targets)):
        if classes is not None and (classes.dtype != torch.int64 or classes.shape != images.shape[:1]):
            found = f"{classes.dtype} of shape {tuple(classes.shape)}"
            raise InvalidInput(f"{name} are {found}; int64 ({len(images)},) is needed")


def check_logits(logits: Tensor, labels: Tensor, targets: Tensor | None = None) -> None:
    """Raises InvalidInput unless logits are finite, (N, classes), and labels and targets are among the classes."""
    if logits.ndim != 2 or len(logits) != len(labels):
        raise InvalidInput(
            f"the model returns {tuple(logits.shape)} for {len(labels)} images; logits (N, classes) are needed"
        )
    if not logits.isfinite().all():
        raise InvalidInput("the model returns logits that are not finite")
    classes = logits.shape[1]
    for name, given in (("labels", labels), ("targets", targets)):
        if given is not None and len(given) and not (given.min() >= 0 and given.max() < classes):
            raise InvalidInput(f"{name} go from {given.min()} to {given.max()}; the model has {classes} classes")


def check_adversarial(made: Adversarial, images: Tensor) -> None:
    """Raises InvalidInput if what an attack made of `images` has another shape, leaves [0, 1] or is not finite."""
    found = made.images
    if found.shape != images.shape or found.dtype != torch.float32:
        raise InvalidInput(
            f"the attack returns {found.dtype} of shape {tuple(found.shape)} for {tuple(images.shape)} images; "
            "float32 of that shape is needed"
        )
    if not (found.min() >= 0 and found.max() <= 1):  # written so that NaN fails, too
        raise InvalidInput("the attack returns images that leave [0, 1] or are not finite")


def rival_logits(logits: Tensor, classes: Tensor) -> Tensor:
    """The logits of all other classes: (N, K), minus infinity at the given class of each image.

    logits: (N, K).  classes: int64 (N,).
    """
    return logits.scatter(1, classes[:, None], -torch.inf)


def margin(logits: Tensor, classes: Tensor) -> Tensor:
    """By how much the strongest other class leads the given one: (N,), negative where the given class leads.

    logits: (N, K), or probabilities.  classes: int64 (N,).
    """
    return rival_logits(logits, classes).amax(1) - logits.gather(1, classes[:, None]).squeeze(1)


def lead(logits: Tensor, labels: Tensor, targets: Tensor | None) -> Tensor:
    """By how many logits an attack wins: (N,), negative where it does not.

    Without targets, the lead of the best wrong class over the label; with targets, of the target over all others.
    logits: (N, K).  labels, targets: int64 (N,).
    """
    return margin(logits, labels) if targets is None else -margin(logits, targets)


def is_clear_success(logits: Tensor, labels: Tensor, targets: Tensor | None = None) -> Tensor:
    """Whether the wrong class (or the target) leads by more than what float32 rounds away: bool (N,).

    An attack that stops on the decision boundary itself is undone by the next batch's rounding.
    """
    return lead(logits, labels, targets) > ROUNDING * logits.abs().amax(1)


def is_success(predictions: Tensor, labels: Tensor, targets: Tensor | None) -> Tensor:
    return predictions != labels if targets is None else predictions == targets


@torch.no_grad()
def conclude(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    targets: Tensor | None,
    iterations: Tensor,
    gradient_evaluations: Tensor,
) -> Adversarial:
    """Judge the finished `images`, each once more by the model itself."""
    predictions = model(images).argmax(1)
    return Adversarial(images, predictions, is_success(predictions, labels, targets), iterations, gradient_evaluations)


def as_epsilons(epsilon: float | Sequence[float]) -> list[float]:
    """One epsilon or several, as a list. Raises InvalidInput if there is none, or one is negative or not finite."""
    values = [float(value) for value in epsilon] if np.ndim(epsilon) else [float(epsilon)]  # type: ignore[arg-type, union-attr]
    if not values or not all(0 <= value < np.inf for value in values):
        raise InvalidInput(f"epsilon: {epsilon} is empty, negative or not finite")
    return values


def stack(made: Sequence[Adversarial]) -> Adversarial:
    """What an attack made at each of its epsilons, as one, with the epsilons in front."""
    return Adversarial(
        images=torch.stack([one.images for one in made]),
        predictions=torch.stack([one.predictions for one in made]),
        success=torch.stack([one.success for one in made]),
        iterations=torch.stack([one.iterations for one in made]),
        gradient_evaluations=torch.stack([one.gradient_evaluations for one in made]),
        details={name: torch.stack([one.details[name] for one in made]) for name in made[0].details},
    )


def unstack(made: Adversarial, rank: int) -> Adversarial:
    """What an attack made at the epsilon of that rank: the inverse of `stack`."""
    return Adversarial(
        images=made.images[rank],
        predictions=made.predictions[rank],
        success=made.success[rank],
        iterations=made.iterations[rank],
        gradient_evaluations=made.gradient_evaluations[rank],
        details={name: tensor[rank] for name, tensor in made.details.items()},
    )
