"""One record per adversarial image. No attack's word is taken: class, norms and box are measured here."""

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from foolflow.attacks.base import Adversarial, is_success
from foolflow.errors import InvalidInput


def to_8_bits(images: Tensor) -> Tensor:
    """float32 in [0, 1] to uint8, rounded to the nearest of the 256 levels."""
    return (images * 255).round().to(torch.uint8)


@torch.no_grad()
def judge(
    victim: nn.Module,
    images: Tensor,
    labels: Tensor,
    targets: Tensor | None,
    adversarial: Adversarial,
    clean_logits: Tensor,
) -> pd.DataFrame:
    """Records of N images that were attacked, in their order.

    victim: in eval mode.  images, labels, targets: what the attack was given.  adversarial: what it made of them.
    clean_logits: float32 (N, classes), the victim's logits of `images`.
    Columns: label, target (-1: none), clean_prediction and clean_confidence (the softmax probability of the predicted
    class), prediction, confidence, success, prediction_8bit and success_8bit (after rounding to 8 bits, as a data set
    is stored), l0 (pixels changed, in any channel), l2, linf (pixel units), iterations, gradient_evaluations; and the
    attack's details that are one number an image, such as flow_loss.
    Raises InvalidInput if what the attack made has another shape, leaves [0, 1] or is not finite.
    """
    made = adversarial.images
    if made.shape != images.shape or made.dtype != torch.float32:
        found = f"{made.dtype} of shape {tuple(made.shape)}"
        raise InvalidInput(
            f"the attack returns {found} for {tuple(images.shape)} images; float32 of that shape is needed"
        )
    if not (made.min() >= 0 and made.max() <= 1):  # written so that NaN fails, too
        raise InvalidInput("the attack returns images that leave [0, 1] or are not finite")
    difference = (made - images).flatten(1)
    logits = victim(made)
    predictions = logits.argmax(1)
    predictions_8bit = victim(to_8_bits(made).float() / 255).argmax(1)
    columns = {
        "label": labels,
        "target": torch.full_like(labels, -1) if targets is None else targets,
        "clean_prediction": clean_logits.argmax(1),
        "clean_confidence": _confidence(clean_logits),
        "prediction": predictions,
        "confidence": _confidence(logits),
        "success": is_success(predictions, labels, targets),
        "prediction_8bit": predictions_8bit,
        "success_8bit": is_success(predictions_8bit, labels, targets),
        "l0": (made != images).any(1).flatten(1).sum(1),
        "l2": difference.double().norm(dim=1),
        "linf": difference.abs().amax(1).double(),
        "iterations": adversarial.iterations,
        "gradient_evaluations": adversarial.gradient_evaluations,
        **{name: detail for name, detail in adversarial.details.items() if detail.ndim == 1},
    }
    return pd.DataFrame({name: np.asarray(column.cpu()) for name, column in columns.items()})


def _confidence(logits: Tensor) -> Tensor:
    """In float64, since 1 - 1e-8 is not 1."""
    return logits.double().softmax(1).amax(1)
