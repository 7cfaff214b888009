"""The gap that an attack has to close: by how much the right class still leads."""

import torch
from torch import Tensor, nn

from foolflow.attacks.base import margin, rival_logits

ALL = -1


def gap(
    model: nn.Module, images: Tensor, labels: Tensor, targets: Tensor | None, rivals: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """(by how much the wrong class leads, (N,); a gradient that lets it lead by more, (N, C, H, W); logits).

    rivals: int64 (N,), the wrong class (with targets: the class that the target is to lead), or ALL for the strongest.
    ALL has the gradient of the rivals' log-sum-exp, which is smooth where two of them tie. None: ALL for each image.
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
