"""A network behind an input filter (feature squeezing, blurring, ...)."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from foolflow.errors import InvalidInput, is_out_of_memory

Filter = Callable[[Tensor], Tensor]  # images to images of the same shape

SEEN = 1e-6  # a smaller derivative tells an attack nothing
SEEN_SHARE = 0.01  # of the pixels that have to have a larger one, so that a filter has a gradient


class Filtered(nn.Module):
    """Applies `images_filter` to the images, then the network.

    at: `train`, `test` or both: the modes in which the filter acts (train mode and eval mode of this module).
    straight_through: whether the backward pass takes the filter for the identity (`through_filter` sets it).
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
            return _Identity.apply(images, self.images_filter(images.detach()))
        filtered = _with_own_gradient(self.images_filter, images)
        # A filter that leaves the graph has a gradient of 0, as one that rounds has.
        return filtered if filtered.requires_grad else filtered + (images - images)


def _with_own_gradient(images_filter: Filter, images: Tensor) -> Tensor:
    try:
        return images_filter(images)
    except (RuntimeError, TypeError) as error:  # NumPy and image codecs refuse a tensor that wants a gradient
        if is_out_of_memory(error):
            raise
        return images_filter(images.detach())


class _Identity(torch.autograd.Function):
    """Forward: the filtered images. Backward: as if they were the images themselves."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, filtered: Tensor) -> Tensor:
        return filtered.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


@contextmanager
def through_filter(victim: nn.Module, gradient: str, images: Tensor) -> Iterator[None]:
    """Within, an attack's backward pass sees the victim's filter as `gradient` says; without a filter, no difference.

    gradient: `own`, what the filter's code gives; `straight_through`, the filter is taken for the identity (backward
        pass differentiable approximation, Athalye et al. 2018, arXiv 1802.00420); `auto`, straight-through where the
        filter has no gradient of its own on these `images`, float32 (N, C, H, W).
    Raises InvalidInput if it is none of these.
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
    """Whether a random direction of the filter's output has a derivative at more than a few pixels of the images."""
    with torch.enable_grad():
        inputs = images.detach().requires_grad_()
        filtered = _with_own_gradient(images_filter, inputs)
        if not filtered.requires_grad:
            return False
        direction = torch.randn(filtered.shape, generator=torch.Generator().manual_seed(0)).to(filtered)
        (gradient,) = torch.autograd.grad(filtered, inputs, direction, allow_unused=True)
    return gradient is not None and bool((gradient.abs() > SEEN).float().mean() > SEEN_SHARE)
