"""Judge adversarial images: a record for each. Classes, norms and box are measured here, whoever made the images."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from foolflow.attacks.base import is_success
from foolflow.compute.generators import seeded
from foolflow.compute.prediction import checked_logits, in_batches
from foolflow.data.adversarial import AdversarialSet
from foolflow.data.splits import Split
from foolflow.errors import InvalidInput


@dataclass(frozen=True)
class Classified:
    """classes: int64 (N,).  confidences: float64 (N,), the softmax probabilities of these classes. On the CPU."""

    classes: Tensor
    confidences: Tensor


def to_8_bits(images: Tensor) -> Tensor:
    """Round float32 images in [0, 1] to the nearest of 256 levels: uint8 of the same shape."""
    return (images * 255).round().to(torch.uint8)


@torch.no_grad()
def classify(victim: nn.Module, images: Tensor, device: torch.device) -> Classified:
    """Classify images batch by batch. A victim's random numbers are the same on every call.

    victim: in eval mode.  images: uint8, or float32 in [0, 1], (N, C, H, W).
    Raises InvalidInput unless the logits are finite, (N, classes); or if a single image does not fit in memory.
    """

    def one_batch(batch: Tensor) -> tuple[Tensor, Tensor]:
        logits = checked_logits(victim(batch), len(batch))
        # In float64, since 1 - 1e-8 is 1 in float32.
        return logits.argmax(1).cpu(), logits.double().softmax(1).amax(1).cpu()

    with seeded("classify", device=device):
        classes, confidences = zip(*in_batches(one_batch, images, device), strict=True)
    return Classified(torch.cat(classes), torch.cat(confidences))


def judge(
    victim: nn.Module,
    test: Split,
    clean: Classified,
    made: AdversarialSet,
    device: torch.device,
    *,
    origin: str = "set",
) -> pd.DataFrame:
    """Return one record for each image of an adversarial set, in its order, as one victim sees it.

    victim: in eval mode; it need not be the one that was attacked.  test: the split that the images were made from.
    clean: what the victim makes of `test`.  origin: names the set in errors.
    Columns: index (place in the test split), epsilon (NaN: none), label, target (-1: none), clean_prediction and
    clean_confidence (the softmax probability of the predicted class), prediction, confidence, success (the prediction
    is wrong; with a target, it is the target), prediction_8bit and success_8bit (after rounding to 8 bits, as a data
    set is stored), l0 (pixels changed, in any channel), l2, linf (pixel units), iterations, gradient_evaluations; and
    the attack's details that are one number an image, such as flow_loss.
    Raises InvalidInput if the set does not belong to this split, or as `classify` does.
    """
    images, index = torch.from_numpy(made.tensors["images"]), made.tensors["index"]
    if images.shape[1:] != test.images.shape[1:] or not ((index >= 0) & (index < len(test))).all():
        raise InvalidInput(f"{origin}: not made from this test split; run the attack again")
    labels, targets = torch.from_numpy(test.labels[index]), torch.from_numpy(made.tensors["target"])
    found = classify(victim, images, device)
    found_8bit = classify(victim, to_8_bits(images), device).classes
    columns = {
        "index": index,
        "epsilon": made.tensors["epsilon"],
        "label": labels,
        "target": targets,
        "clean_prediction": clean.classes[index],
        "clean_confidence": clean.confidences[index],
        "prediction": found.classes,
        "confidence": found.confidences,
        "success": _success(found.classes, labels, targets),
        "prediction_8bit": found_8bit,
        "success_8bit": _success(found_8bit, labels, targets),
        **_distances(images, test.images, index),
        "iterations": made.tensors["iterations"],
        "gradient_evaluations": made.tensors["gradient_evaluations"],
        **{name: detail for name, detail in made.details.items() if detail.ndim == 1},
    }
    return pd.DataFrame({name: np.asarray(column) for name, column in columns.items()})


def _success(predictions: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    return torch.where(targets < 0, is_success(predictions, labels, None), is_success(predictions, labels, targets))


def _distances(images: Tensor, clean: np.ndarray, index: np.ndarray) -> dict[str, Tensor]:
    """From the clean images: l0, l2 and linf, each (R,)."""
    found: dict[str, list[Tensor]] = {"l0": [], "l2": [], "linf": []}
    for rows in _blocks(len(images)):
        original = torch.from_numpy(clean[index[rows]]).float() / 255
        difference = (images[rows] - original).flatten(1)
        found["l0"].append((images[rows] != original).any(1).flatten(1).sum(1))
        found["l2"].append(difference.double().norm(dim=1))
        found["linf"].append(difference.abs().amax(1).double())
    return {name: torch.cat(parts) for name, parts in found.items()}


def _blocks(count: int, size: int = 1000) -> Iterable[slice]:
    return (slice(first, first + size) for first in range(0, max(count, 1), size))
