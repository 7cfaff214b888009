"""A network behind an input filter (feature squeezing, blurring, ...)."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from foolflow.errors import InvalidInput, is_out_of_memory

Filter = Callable[[Tensor], Tensor]  # images to images of the same shape

MIN_DERIVATIVE = 1e-6  # a smaller derivative is of no use to an attack
MIN_SHARE = 0.01  # a filter has a gradient if more than this share of the pixels has a larger derivative


class Filtered(nn.Module):
    """A network that receives its images through `images_filter`.

    at: the modes in which the filter is active: `train` (this module's train mode), `test` (its eval mode) or both.
    straight_through: whether the backward pass treats the filter as the identity (set by `through_filter`).
    """

    straight_through = False

    def __init__(self, network: nn.Module, images_filter: Filter, *, at: Collection[str]) -> None:
        super().__init__()
        self.network = network
        self.images_filter = images_filter
        self.at = frozenset(at)

    def forward(self, images: Tensor) -> Tensor:
        if ("train" if self.training else "test") in self.at:
            filtered = self._filter(images)
            if not isinstance(filtered, Tensor) or filtered.shape != images.shape:
                found = tuple(filtered.shape) if isinstance(filtered, Tensor) else type(filtered).__name__
                raise InvalidInput(f"the defense's filter returns {found} for images of shape {tuple(images.shape)}")
            images = filtered
        return self.network(images)

    def _filter(self, images: Tensor) -> Tensor:
        if not (images.requires_grad and torch.is_grad_enabled()):
            return self.images_filter(images)
        if self.straight_through:
            return StraightThrough.apply(images, self.images_filter(images.detach()))
        filtered = _differentiable_if_possible(self.images_filter, images)
        # A filter that leaves the autograd graph gets a gradient of 0, like a filter that rounds.
        return filtered if filtered.requires_grad else filtered + (images - images)


def _differentiable_if_possible(images_filter: Filter, images: Tensor) -> Tensor:
    try:
        return images_filter(images)
    except (RuntimeError, TypeError) as error:  # NumPy and image codecs reject tensors that require a gradient
        if is_out_of_memory(error):
            raise
        return images_filter(images.detach())


class StraightThrough(torch.autograd.Function):
    """Forward: return `filtered`. Backward: pass the gradient on to `images`, which stand for them."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, filtered: Tensor) -> Tensor:
        return filtered.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


@contextmanager
def through_filter(victim: nn.Module, gradient: str, images: Tensor) -> Iterator[None]:
    """Choose the gradient of the victim's filter inside the context. Nothing happens unless the victim itself is
    a `Filtered`: one inside another module is not seen.

    gradient: `own` is the gradient of the filter's code. `straight_through` treats the filter as the identity in the
        backward pass (backward pass differentiable approximation, Athalye et al. 2018, arXiv 1802.00420). `auto` is
        straight-through if the filter has no gradient on these `images`, float32 (N, C, H, W).
    Raises InvalidInput for any other `gradient`.
    """
    if gradient not in ("own", "straight_through", "auto"):
        raise InvalidInput(f"filter_gradient: {gradient!r} is not own, straight_through or auto")
    if not isinstance(victim, Filtered):
        yield
        return
    before = victim.straight_through
    victim.straight_through = gradient == "straight_through" or (
        gradient == "auto" and not has_gradient(victim.images_filter, images)
    )
    try:
        yield
    finally:
        victim.straight_through = before


def has_gradient(images_filter: Filter, images: Tensor) -> bool:
    """Return whether a random direction of the filter's output has a derivative at more than a few pixels.

    The images are filtered one at a time, so that memory for one is enough.
    """
    shares = [_share_with_derivative(images_filter, image) for image in images.split(1)]
    return sum(shares) > MIN_SHARE * len(shares)


def _share_with_derivative(images_filter: Filter, images: Tensor) -> float:
    with torch.enable_grad():
        inputs = images.detach().requires_grad_()
        filtered = _differentiable_if_possible(images_filter, inputs)
        if not filtered.requires_grad:
            return 0.0
        direction = torch.randn(filtered.shape, generator=torch.Generator().manual_seed(0)).to(filtered)
        (gradient,) = torch.autograd.grad(filtered, inputs, direction, allow_unused=True)
    return 0.0 if gradient is None else float((gradient.abs() > MIN_DERIVATIVE).float().mean())
