"""Shared by all attacks: the result type, checks of inputs and logits, margins and success."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from foolflow.compute.acceleration import unaccelerated
from foolflow.errors import InvalidInput
from foolflow.models.outputs import is_masked

Rows = TypeVar("Rows", bound=Any)

# The logits of an image vary between batches: by about 1e-6 of what the network builds up, which can be much more than
# the lead of an uncertain image, and by the spacing of floating-point numbers of their size.
ROUNDING = 1e-4  # of the lead on the clean image
SPACINGS = 2  # of the larger of the two logits that are compared, which each vary by one
BUILT_UP = 2e-6  # of the distance between the highest and the median logit, for images that are nearly on a boundary


@dataclass(frozen=True)
class Adversarial:
    """The result of an attack on N images. With E epsilons, each field has a leading dimension E.

    images: float32 (N, C, H, W) in [0, 1].
    predictions: int64 (N,), the classes that the model predicts for `images`.
    success: bool (N,): the prediction is wrong or, for a targeted attack, is the target.
    iterations: int64 (N,), number of steps on each image; of `apgd`, `fab` and `square` the points that were tried,
        with the start; of `stadv` and `stadv_students` the gradients, of which a solver may use several for one step.
    gradient_evaluations: int64 (N,), number of backward passes of each image.
    details: further results that are specific to the attack: named tensors (N, ...). What describes the perturbation,
        such as a flow or a norm, is that of `images`, and 0 where the original is returned.
    """

    images: Tensor
    predictions: Tensor
    success: Tensor
    iterations: Tensor
    gradient_evaluations: Tensor
    details: Mapping[str, Tensor] = field(default_factory=dict)


def check_choice(name: str, given: str, allowed: Collection[str]) -> None:
    """Raise InvalidInput unless the parameter `name` has one of the allowed values."""
    if given not in allowed:
        *others, last = allowed
        raise InvalidInput(f"{name}: {given!r} is not {', '.join(others)} or {last}")


def has_answer(logits: Tensor) -> Tensor:
    """Return for which images (N,) the logits (N, K) were finite: `border.Attacked` returns 0 for all others."""
    return (logits != 0).any(1)


def rows_of(one: Rows, rows: Tensor | None) -> Rows:
    """Return a dataclass of tensors (N, ...), or None, with these rows of each. rows: None for all of them."""
    if rows is None:
        return one
    parts = {part.name: getattr(one, part.name) for part in fields(one)}
    return replace(one, **{name: part[rows] for name, part in parts.items() if part is not None})


def check_adversarial(made: Adversarial, images: Tensor) -> None:
    """Raise InvalidInput unless an attack returned float32 images in [0, 1] of the same shape as `images`."""
    found = made.images
    if found.shape != images.shape or found.dtype != torch.float32:
        raise InvalidInput(
            f"the attack returns {found.dtype} of shape {tuple(found.shape)} for {tuple(images.shape)} images; "
            "expected float32 of the same shape"
        )
    if not (found.min() >= 0 and found.max() <= 1):  # written so that NaN fails, too
        raise InvalidInput("the attack returns images that leave [0, 1] or are not finite")


def rival_logits(logits: Tensor, classes: Tensor) -> Tensor:
    """Return the logits (N, K) with minus infinity at the given class of each image.

    logits: (N, K).  classes: int64 (N,).
    """
    return logits.scatter(1, classes[:, None], -torch.inf)


def margin(logits: Tensor, classes: Tensor) -> Tensor:
    """Return by how much the strongest other class leads the given one: (N,), negative where the given class leads.

    logits: (N, K), or probabilities.  classes: int64 (N,).
    """
    return rival_logits(logits, classes).amax(1) - logits.gather(1, classes[:, None]).squeeze(1)


def lead(logits: Tensor, labels: Tensor, targets: Tensor | None) -> Tensor:
    """Return the margin by which an attack succeeds: (N,), negative where it fails.

    Without targets: the lead of the best wrong class over the label. With targets: the lead of the target over all
    other classes.
    logits: (N, K).  labels, targets: int64 (N,).
    """
    return margin(logits, labels) if targets is None else -margin(logits, targets)


def clean_scale(logits: Tensor, labels: Tensor, targets: Tensor | None = None) -> Tensor:
    """Return the scale of a network's logits around each clean image, the size of the lead to overcome: (N,).

    It depends only on the classes that compete: not on a class that is masked by a huge negative logit, and not on an
    offset that all logits share. It is above 0: at a tie it is what rounding leaves of the logits, or else 1.
    logits: (N, K), of the clean images.  labels, targets: int64 (N,).
    """
    spacing = torch.finfo(logits.dtype).eps * contested(logits, labels, targets)
    scale = torch.maximum(lead(logits, labels, targets).abs(), spacing)
    return torch.where(scale > 0, scale, 1.0)


def contested(logits: Tensor, labels: Tensor, targets: Tensor | None = None) -> Tensor:
    """Return the size of the larger of the two logits whose difference is the `lead`: (N,)."""
    chosen = labels if targets is None else targets
    own = logits.gather(1, chosen[:, None]).squeeze(1)
    return torch.maximum(own.abs(), rival_logits(logits, chosen).amax(1).abs())


def rounding(logits: Tensor, labels: Tensor, targets: Tensor | None, scale: Tensor) -> Tensor:
    """Return a bound of the rounding error of the lead: (N,). A network that computes in half precision can exceed it.

    logits: (N, K).  labels, targets: int64 (N,).  scale: (N,), the `clean_scale` of these images.
    """
    spacing = torch.finfo(logits.dtype).eps * contested(logits, labels, targets)
    typical = logits.masked_fill(is_masked(logits), torch.nan).nanmedian(1).values
    built_up = logits.amax(1) - typical  # masked classes and a common offset change nothing
    return torch.maximum(torch.maximum(ROUNDING * scale, SPACINGS * spacing), BUILT_UP * built_up)


def is_clear_success(logits: Tensor, labels: Tensor, targets: Tensor | None, scale: Tensor) -> Tensor:
    """Whether a wrong class (or the target) leads by more than the rounding error: bool (N,).

    The class of an image right on the decision boundary depends on the rounding, which differs between batches.
    logits: (N, K).  labels, targets: int64 (N,).  scale: (N,), the `clean_scale` of these images.
    """
    return lead(logits, labels, targets) > rounding(logits, labels, targets, scale)


def is_success(predictions: Tensor, labels: Tensor, targets: Tensor | None) -> Tensor:
    """Whether each prediction is wrong or, with targets, is the target: bool (N,). A target of -1 means none."""
    wrong = predictions != labels
    return wrong if targets is None else torch.where(targets < 0, wrong, predictions == targets)


@torch.no_grad()
def conclude(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    targets: Tensor | None,
    iterations: Tensor,
    gradient_evaluations: Tensor,
) -> Adversarial:
    """Classify the finished `images` and return the result of the attack.

    The prediction for an image whose logits are not finite is -1, which is no success.
    """
    with unaccelerated():
        logits = getattr(model, "exactly", model)(images)
    finite = logits.isfinite().all(1)
    predictions = torch.where(finite, logits.argmax(1), -1)
    success = finite & is_success(predictions, labels, targets)
    return Adversarial(images, predictions, success, iterations, gradient_evaluations)


def unless_lost(values: Tensor, made: Adversarial) -> Tensor:
    """Return values (N, ...) that describe a perturbation, with 0 for each image that `for_any_model` replaces by the
    original because its logits are not finite.

    made: what `conclude` returned.
    """
    lost = (made.predictions < 0).view(-1, *[1] * (values.ndim - 1))
    return values.masked_fill(lost, 0)


def as_epsilons(epsilon: float | Sequence[float]) -> list[float]:
    """Return the epsilons as a list. Raises InvalidInput if there is none, or if one is negative or not finite."""
    values = [float(value) for value in epsilon] if np.ndim(epsilon) else [float(epsilon)]  # type: ignore[arg-type, union-attr]
    if not values or not all(0 <= value < np.inf for value in values):
        raise InvalidInput(f"epsilon: {epsilon} is empty, negative or not finite")
    return values


def at_each(epsilon: float | Sequence[float], attack: Callable[[float], Adversarial]) -> Adversarial:
    """Run an attack within each radius, and stack the results if there are several."""
    made = [attack(radius) for radius in as_epsilons(epsilon)]
    return _field_by_field(torch.stack, made) if np.ndim(epsilon) else made[0]


def unstack(made: Adversarial, rank: int) -> Adversarial:
    """Return the result at one of several epsilons. rank: the index of the epsilon."""
    return _field_by_field(lambda tensors: tensors[0][rank], [made])


def without_graph(made: Adversarial) -> Adversarial:
    """Return the result with every tensor detached."""
    return _field_by_field(lambda tensors: tensors[0].detach(), [made])


def _field_by_field(combine: Callable[[list[Tensor]], Tensor], made: Sequence[Adversarial]) -> Adversarial:
    """Return a result of which each field, and each detail, is combined from those of the given results."""
    names = [one.name for one in fields(Adversarial) if one.name != "details"]
    details = {name: combine([one.details[name] for one in made]) for name in made[0].details}
    return Adversarial(**{name: combine([getattr(one, name) for one in made]) for name in names}, details=details)
