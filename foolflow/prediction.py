"""Predictions of a model on many images, batch by batch."""

from functools import partial

import torch
from torch import Tensor, nn

from foolflow.errors import InvalidInput
from foolflow.memory import as_memory_allows

BATCH_SIZE = 500


def to_float(images: Tensor, device: torch.device) -> Tensor:
    """8-bit images as float32 in [0, 1] on `device`; float images as they are."""
    images = images.to(device)
    return images.float() / 255 if images.dtype == torch.uint8 else images


@torch.no_grad()
def predict(model: nn.Module, images: Tensor, device: torch.device, batch_size: int = BATCH_SIZE) -> Tensor:
    """The class that `model` (in eval mode) gives each image: int64 (N,), on the CPU.

    images: uint8, or float32 in [0, 1], (N, C, H, W), on any device.  A batch that does not fit in memory is halved.
    Raises InvalidInput unless the logits are finite, (N, classes); or if a single image does not fit in memory.
    """

    def classes(batch: range) -> Tensor:
        part = images[batch.start : batch.stop]
        return _classes(model(to_float(part, device)), len(part)).cpu()

    rows = range(len(images))
    batches = [rows[first : first + batch_size] for first in range(0, len(rows), batch_size)] or [rows]
    report = partial(print, flush=True)
    return torch.cat([part for batch in batches for part in as_memory_allows(classes, batch, report)])


def _classes(logits: Tensor, count: int) -> Tensor:
    if logits.ndim != 2 or len(logits) != count:
        raise InvalidInput(
            f"the model returns {tuple(logits.shape)} for {count} images; (N, classes) logits are needed"
        )
    if not logits.isfinite().all():
        raise InvalidInput("the model returns logits that are not finite")
    return logits.argmax(1)
