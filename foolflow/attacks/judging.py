"""Judge adversarial images. Predictions and distances are measured here, in the same way for every attack."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import torch
from kornia.metrics import ssim
from torch import Tensor, nn
from torch.nn import functional

from foolflow.attacks.base import is_success, margin
from foolflow.compute.batch_size import default_batch_size
from foolflow.compute.prediction import checked_logits, in_batches, say, to_float
from foolflow.data.adversarial import AdversarialSet
from foolflow.data.splits import Split
from foolflow.errors import InvalidInput

BLOCK = 1000  # images whose distances are measured at once, if they are small
LIKELY = 5  # classes whose confidence is recorded
WINDOW = 11  # pixels, of the structural similarity


@dataclass(frozen=True)
class Classified:
    """Predictions for N images, on the CPU.

    logits: float32 or float64 (N, K). Of several draws of a random victim: the logarithms of the mean probabilities.
    votes: int64 (D, N), the class that each of D draws predicts; None for a single draw.
    """

    logits: Tensor
    votes: Tensor | None = None

    @property
    def classes(self) -> Tensor:
        """The predicted classes, int64 (N,)."""
        return self.logits.argmax(1)

    def likely(self) -> tuple[Tensor, Tensor]:
        """Return the LIKELY most likely classes, int64 (N, LIKELY), and their softmax probabilities, float64.

        A victim with fewer classes has -1 and NaN in the remaining columns.
        """
        # In float64, because 1 - 1e-8 rounds to 1 in float32. The sort is stable, so ties are as in `argmax`.
        probabilities = self.logits.double().softmax(1)
        classes = self.logits.sort(dim=1, descending=True, stable=True).indices[:, :LIKELY]
        missing = LIKELY - classes.shape[1]
        return (
            functional.pad(classes, (0, missing), value=-1),
            functional.pad(probabilities.gather(1, classes), (0, missing), value=torch.nan),
        )

    def losses(self, labels: Tensor) -> Tensor:
        """Return the cross-entropy of each image, float64 (N,).  labels: int64 (N,)."""
        return functional.cross_entropy(self.logits.double(), labels, reduction="none")

    def margins(self, labels: Tensor) -> Tensor:
        """Return the logit of the label minus the largest other logit, float64 (N,): negative if misclassified.

        labels: int64 (N,).
        """
        return -margin(self.logits.double(), labels)


def to_8_bits(images: Tensor) -> Tensor:
    """Round float32 images in [0, 1] to the nearest of 256 levels. Return uint8 of the same shape."""
    return (images * 255).round().to(torch.uint8)


def rounded(images: Tensor) -> Tensor:
    """Round float32 images in [0, 1] to 256 levels, and return them as float32."""
    return to_8_bits(images).float() / 255


@torch.no_grad()
def classify(
    victim: nn.Module,
    images: Tensor | np.ndarray,
    device: torch.device,
    *,
    change: Callable[[Tensor], Tensor] | None = None,
    draws: int = 1,
    report: Callable[[str], None] = say,
) -> Classified:
    """Classify images batch by batch. A victim's random numbers are the same on every call.

    victim: in eval mode.  images: uint8, or float32 in [0, 1], (N, C, H, W). An array that is mapped into memory is
        read batch by batch.
    change: applied to each batch first, float32 in [0, 1] of the same shape.
    draws: number of passes whose probabilities are averaged, above 1 for a random victim.
    report: as in `in_batches`.
    Raises InvalidInput if the logits are not finite or not (N, classes), or if a single image does not fit in memory.
    """

    def one_batch(batch: Tensor) -> list[Tensor]:
        given = batch if change is None else change(batch)
        return [checked_logits(victim(given), len(batch)).cpu() for _ in range(draws)]

    each = [torch.cat(parts) for parts in zip(*in_batches(one_batch, images, device, report), strict=True)]
    if draws == 1:
        return Classified(each[0])
    shares = torch.stack([logits.double().log_softmax(1) for logits in each]).logsumexp(0)
    return Classified(shares - math.log(draws), torch.stack([logits.argmax(1) for logits in each]))


def judge(
    victim: nn.Module,
    test: Split,
    clean: Classified,
    made: AdversarialSet,
    device: torch.device,
    *,
    origin: str = "set",
    draws: int = 1,
    report: Callable[[str], None] = say,
) -> pd.DataFrame:
    """Judge an adversarial set with one victim. Return one record per image, in the order of the set.

    victim: in eval mode, not necessarily the one that was attacked.  test: the split that the images were made from.
    clean: the victim's predictions for `test`.  origin: the name of the set in error messages.
    draws: as in `classify`. Of several, predictions and confidences are those of the mean probabilities, so that no
        success is one lucky draw.  report: as in `in_batches`.
    Everything is measured on the images as they are stored, in 8 bits for large sets of large images.
    Columns:
        index: in the test split.  epsilon: NaN if the attack has none.  label.  target: -1 if there is none.
        clean_prediction, clean_confidence: on the clean image; the confidence is the softmax probability of the
            predicted class.
        prediction, confidence: on the adversarial image.
        clean_class_2 to clean_class_5, class_2 to class_5: the next most likely classes, -1 if there are no more, and
        clean_confidence_2 to clean_confidence_5, confidence_2 to confidence_5: their softmax probabilities, or NaN.
        clean_loss, loss: the cross-entropy of the label, on the clean and on the adversarial image.
        margin: on the adversarial image, the logit of the label minus the largest other logit.
        success: the prediction is wrong or, if there is a target, it is the target.
        fooled_share: only with several draws, the share of them that are a success.
        prediction_8bit, success_8bit: after rounding to 8 bits, as image files store pixels.
        l0: number of changed pixels, in any channel.  l1, l2, linf: in pixel units.
        ssim: structural similarity with the clean image, at most 1 (Wang et al. 2004, equation 13), over all windows
            that lie within the image.
        iterations, gradient_evaluations, and details of the attack with one number per image, such as flow_loss.
    Raises InvalidInput if the set does not belong to this split, and the errors of `classify`.
    """
    images, index = made.tensors["images"], np.array(made.tensors["index"])
    if images.shape[1:] != test.images.shape[1:] or not ((index >= 0) & (index < len(test))).all():
        raise InvalidInput(f"{origin} was not made from this test split; run the attack again")
    labels, targets = torch.from_numpy(test.labels[index]), torch.from_numpy(np.array(made.tensors["target"]))
    classified = partial(classify, victim, images, device, draws=draws, report=report)
    found = classified()
    found_8bit = (found if made.stored == "uint8" else classified(change=rounded)).classes
    clean_found = Classified(clean.logits[index])
    columns = {
        "index": index,
        "epsilon": made.tensors["epsilon"],
        "label": labels,
        "target": targets,
        **_likely("clean_", clean_found),
        **_likely("", found),
        "clean_loss": clean_found.losses(labels),
        "loss": found.losses(labels),
        "margin": found.margins(labels),
        "success": is_success(found.classes, labels, targets),
        **_fooled_share(found, labels, targets),
        "prediction_8bit": found_8bit,
        "success_8bit": is_success(found_8bit, labels, targets),
        **_distances(made, test.images, index),
        "iterations": made.tensors["iterations"],
        "gradient_evaluations": made.tensors["gradient_evaluations"],
    }
    details = {name: detail for name, detail in made.details.items() if detail.ndim == 1 and name not in columns}
    return pd.DataFrame({name: np.asarray(column) for name, column in (columns | details).items()})


def _fooled_share(found: Classified, labels: Tensor, targets: Tensor) -> dict[str, Tensor]:
    if found.votes is None:
        return {}
    return {"fooled_share": is_success(found.votes, labels, targets).double().mean(0)}


def _likely(prefix: str, found: Classified) -> dict[str, Tensor]:
    """Return the columns of the most likely classes and their confidences."""
    classes, confidences = found.likely()
    columns = {f"{prefix}prediction": classes[:, 0], f"{prefix}confidence": confidences[:, 0]}
    for place in range(1, LIKELY):
        columns[f"{prefix}class_{place + 1}"] = classes[:, place]
        columns[f"{prefix}confidence_{place + 1}"] = confidences[:, place]
    return columns


def _distances(made: AdversarialSet, clean: np.ndarray, index: np.ndarray) -> dict[str, Tensor]:
    """Return the l0, l1, l2 and linf distances from the clean images, and the structural similarity, each (R,)."""
    # Filled in place: small results between large temporaries fragment the memory, by 1 GB for 1,000 large images.
    count = len(made)
    l0 = torch.zeros(count, dtype=torch.int64)
    l1, l2, linf, similarity = torch.zeros(4, count, dtype=torch.float64)
    for rows in _blocks(count, default_batch_size(BLOCK, clean.shape[1:])):
        original = to_float(clean[index[rows]], torch.device("cpu"))
        images = torch.from_numpy(made.images(rows))
        difference = (images - original).flatten(1)
        l0[rows] = (images != original).any(1).flatten(1).sum(1)
        l1[rows] = difference.double().abs().sum(1)
        l2[rows] = difference.double().norm(dim=1)
        linf[rows] = difference.abs().amax(1).double()
        similarity[rows] = structural_similarity(original, images)
    return {"l0": l0, "l1": l1, "l2": l2, "linf": linf, "ssim": similarity}


def structural_similarity(one: Tensor, other: Tensor) -> Tensor:
    """Return the mean structural similarity of each pair of images, float64 (N,).

    one, other: float32 (N, C, H, W) in [0, 1].
    An image smaller than the usual window of 11 pixels is compared in the largest odd window that fits.
    """
    smallest = min(one.shape[2:])
    window = min(WINDOW, smallest - 1 + smallest % 2)
    return ssim(one, other, window, padding="valid").double().flatten(1).mean(1)


def _blocks(count: int, size: int) -> Iterator[slice]:
    return (slice(first, first + size) for first in range(0, max(count, 1), size))
