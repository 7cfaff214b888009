"""Keep a filter's output within [0, 1], which rounding or a codec may leave."""

from torch import Tensor


def bounded(images: Tensor) -> Tensor:
    """Clip `images` to [0, 1]. The backward pass ignores the clipping, so that no saturated pixel hides a gradient."""
    return images + (images.clamp(0, 1) - images).detach()
