"""Images kept within [0, 1], where rounding or a codec carries a filter's output out of it."""

from torch import Tensor


def bounded(images: Tensor) -> Tensor:
    """`images` cut to [0, 1]; the backward pass is that of `images`, so that nothing that is white hides a gradient."""
    return images + (images.clamp(0, 1) - images).detach()
