"""Run attacks of other libraries and judge them like our own.

Predictions, norms and the range of pixels are measured on the images that a library returns. An image that is not
finite or has become blank counts as a failure. Gradient evaluations are counted on the victim itself.
"""

import hashlib
import importlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from foolflow.attacks.base import Adversarial, conclude, is_success
from foolflow.attacks.border import EXCESS, for_any_model
from foolflow.compute.generators import seeded
from foolflow.errors import InvalidInput, in_one_line, is_out_of_memory

BLANK = 1e-6


class Counted(nn.Module):
    """The victim, with counters of the images in its forward passes and of the gradients in its backward passes.

    classes: number of classes of the victim.
    """

    def __init__(self, victim: nn.Module, classes: int) -> None:
        super().__init__()
        self.victim = victim
        self.classes = classes
        self.queries = 0
        self.gradients = 0
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        self.queries += len(images)
        logits = self.victim(images)
        if logits.requires_grad:
            logits.register_hook(self._count)
        return logits

    def _count(self, gradient: Tensor) -> None:
        self.gradients += len(gradient)


# (model, images, labels, targets or None) -> the adversarial images
MakeImages = Callable[[Counted, Tensor, Tensor, Tensor | None], Tensor]


def load_peer(method: str, parameters: Mapping[str, Any]) -> Callable[..., Adversarial]:
    """Return the attack `library:name`, called like our own: attack(model, images, labels, targets=None).

    Images that already fool the model are not passed to the library. Gradient evaluations are counted per batch and
    divided evenly among the images that the library was given, because it may process them in any order. The detail
    `queries` counts forward passes in the same way, including those for checks and searches. The detail `rejected`
    marks the images that came back blank or not finite; they are replaced by the originals and count as failures.
    Random numbers come from a seed that depends on the method and the images; the caller's generators are left
    unchanged.
    Raises InvalidInput if the library is unknown or fails, or returns anything except images of the same shape in
    [0, 1].
    """
    library, _, name = method.partition(":")
    try:
        make_images = importlib.import_module(f"foolflow.attacks.peers.{library}").make(name, parameters)
    except Exception as error:  # any error of the library, on import or for its parameters
        raise _failed(method, error) from error
    return partial(run_peer, make_images, method)


def run_peer(
    make_images: MakeImages,
    method: str,
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    targets: Tensor | None = None,
) -> Adversarial:
    """Run `make_images` on a batch, as described in `load_peer`."""
    return for_any_model(partial(_run, make_images, method))(model, images, labels, targets=targets)


def _run(
    make_images: MakeImages,
    method: str,
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    targets: Tensor | None = None,
) -> Adversarial:
    none = torch.zeros_like(labels)
    with torch.no_grad():
        logits = model(images)
    standing = ~is_success(logits.argmax(1), labels, targets)
    if not standing.any():
        return replace(conclude(model, images, labels, targets, none, none), details=_details(none, none != 0))
    given = images[standing]
    counted = Counted(model, logits.shape[1])
    with seeded(method, hashlib.sha256(given.cpu().numpy().tobytes()).hexdigest(), device=images.device):
        try:
            theirs = make_images(
                counted, given.clone(), labels[standing], None if targets is None else targets[standing]
            )
        except Exception as error:  # any error of the library
            if isinstance(error, InvalidInput) or is_out_of_memory(error):
                raise  # the model's fault, or the caller retries with fewer images
            raise _failed(method, error) from error
    accepted, replaced = _accept(theirs, given, method)
    made, rejected = images.clone(), torch.zeros_like(standing)
    made[standing], rejected[standing] = accepted, replaced
    concluded = conclude(model, made, labels, targets, none, _spread(counted.gradients, standing))
    return replace(concluded, details=_details(_spread(counted.queries, standing), rejected))


def _failed(method: str, error: Exception) -> InvalidInput:
    return InvalidInput(f"attack {method} failed: {in_one_line(error)}")


def _details(queries: Tensor, rejected: Tensor) -> dict[str, Tensor]:
    return {"queries": queries, "rejected": rejected}


def _accept(theirs: Any, given: Tensor, method: str) -> tuple[Tensor, Tensor]:
    """Clip the images to [0, 1] and replace unusable ones. Return them, and which were replaced: bool (N,)."""
    if not isinstance(theirs, Tensor) or theirs.shape != given.shape or not theirs.is_floating_point():
        found = f"{theirs.dtype} {tuple(theirs.shape)}" if isinstance(theirs, Tensor) else type(theirs).__name__
        raise InvalidInput(
            f"attack {method} returns {found}; expected {given.dtype} images of shape {tuple(given.shape)}"
        )
    made = theirs.detach().to(given)
    finite = made.flatten(1).isfinite().all(1)
    low, high = (made[finite].min(), made[finite].max()) if finite.any() else (0, 1)
    if low < -EXCESS or high > 1 + EXCESS:
        raise InvalidInput(f"attack {method} returns images that leave [0, 1]: from {low:.4g} to {high:.4g}")
    rejected = ~finite | (_is_blank(made) & ~_is_blank(given))
    return torch.where(rejected[:, None, None, None], given, made.clamp(0, 1)), rejected


def _is_blank(images: Tensor) -> Tensor:
    pixels = images.flatten(1)
    return pixels.amax(1) - pixels.amin(1) <= BLANK


def _spread(total: int, among: Tensor) -> Tensor:
    """Divide `total` into integers, as evenly as possible, over the rows where `among` is true: int64 (N,)."""
    each, rest = divmod(total, int(among.sum()))
    rank = among.cumsum(0)
    return torch.where(among, each + (rank <= rest).long(), 0)
