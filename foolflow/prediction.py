"""Predictions of a model on many images, batch by batch."""

import torch
from torch import Tensor, nn

from foolflow.errors import InvalidInput

BATCH_SIZE = 500


def to_float(images: Tensor, device: torch.device) -> Tensor:
    """8-bit images as float32 in [0, 1] on `device`; float images as they are."""
    images = images.to(device)
    return images.float() / 255 if images.dtype == torch.uint8 else images


@torch.no_grad()
def predict(model: nn.Module, images: Tensor, device: torch.device, batch_size: int = BATCH_SIZE) -> Tensor:
    """The class that `model` (in eval mode) gives each image: int64 (N,), on the CPU.

    images: uint8, or float32 in [0, 1], (N, C, H, W), on any device.
    Raises InvalidInput unless the logits are finite, (N, classes).
    """
    return torch.cat([_classes(model(to_float(batch, device)), len(batch)).cpu() for batch in images.split(batch_size)])


def _classes(logits: Tensor, count: int) -> Tensor:
    if logits.ndim != 2 or len(logits) != count:
        raise InvalidInput(
            f"the model returns {tuple(logits.shape)} for {count} images; (N, classes) logits are needed"
        )
    if not logits.isfinite().all():
        raise InvalidInput("the model returns logits that are not finite")
    return logits.argmax(1)
