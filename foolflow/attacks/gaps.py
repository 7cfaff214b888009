"""The gap between logits that an attack has to close, and its gradient."""

import torch
from torch import Tensor, nn

from foolflow.attacks.base import margin, rival_logits

ALL = -1


def gap(
    model: nn.Module, images: Tensor, labels: Tensor, targets: Tensor | None, rivals: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the lead of the wrong class (N,), a gradient that increases it (N, C, H, W), and the logits (N, K).

    rivals: int64 (N,), the wrong class (with targets: the class that the target has to beat), or ALL for the
        strongest one. ALL uses the gradient of the log-sum-exp of all rivals, which is smooth where two of them tie.
        None means ALL for every image.
    """
    inputs = images.detach().requires_grad_()
    logits = model(inputs)
    chosen = labels if targets is None else targets
    sign = 1 if targets is None else -1
    own = logits.gather(1, chosen[:, None]).squeeze(1)
    together = torch.ones_like(labels, dtype=torch.bool) if rivals is None else rivals == ALL
    one = own if rivals is None else logits.gather(1, rivals.clamp_min(0)[:, None]).squeeze(1)
    smooth = torch.where(together, rival_logits(logits, chosen).logsumexp(1), one) - own
    (gradients,) = torch.autograd.grad(sign * smooth.sum(), inputs)
    gaps = torch.where(together, margin(logits, chosen), one - own)
    return sign * gaps.detach(), gradients, logits.detach()
