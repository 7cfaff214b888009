"""Detection by feature squeezing: an image is suspicious if squeezing it changes the victim's output."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from foolflow.compute.prediction import in_batches, to_float
from foolflow.defenses.filtered import Filter


def squeezing_scores(logits: Tensor, squeezed_logits: Sequence[Tensor]) -> Tensor:
    """Return the L1 distance between the softmax of an image and of each squeezed version of it.

    Xu et al. 2017, arXiv 1704.01155, section V-A.
    logits: (N, classes).  squeezed_logits: (N, classes) for each squeezer, one or more.
    Returns float64 (N, squeezers), from 0 to 2.
    """
    raw = logits.double().softmax(1)
    distances = [(raw - squeezed.double().softmax(1)).abs().sum(1) for squeezed in squeezed_logits]
    return torch.stack(distances, dim=1)


@torch.no_grad()
def score_images(
    victim: nn.Module, images: Tensor | np.ndarray, squeezers: Mapping[str, Filter], device: torch.device
) -> dict[str, Tensor]:
    """Return the victim's predictions and the detection scores of many images, on the CPU.

    victim: in eval mode.  images: uint8, or float32 in [0, 1], (N, C, H, W).  squeezers: one or more, by name.
    Returns the `prediction`, int64 (N,); each squeezer's score under its name, float64 (N,); and the joint `score`, the
    largest of them, float64 (N,). Raises InvalidInput as `in_batches` does.
    """

    def score(clean: Tensor) -> tuple[Tensor, Tensor]:
        logits = victim(clean)
        squeezed = [victim(squeeze(clean)) for squeeze in squeezers.values()]
        return logits.argmax(1).cpu(), squeezing_scores(logits, squeezed).cpu()

    predictions, scores = zip(*in_batches(score, images, device), strict=True)
    each = torch.cat(scores)
    named = dict(zip(squeezers, each.unbind(1), strict=True))
    return {"prediction": torch.cat(predictions), **named, "score": each.amax(1)}


def linf_distances(images: Tensor | np.ndarray, clean: Tensor | np.ndarray) -> np.ndarray:
    """Return the L-infinity distance of each image that is scored from the clean one, in pixel units, float32 (N,).

    images, clean: uint8, or float32 in [0, 1], (N, C, H, W).
    """
    cpu = torch.device("cpu")
    return (to_float(images, cpu) - to_float(clean, cpu)).flatten(1).abs().amax(1).numpy()
