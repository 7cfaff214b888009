"""The gap between logits that an attack has to close, and its gradient."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from foolflow.attacks.base import margin, rival_logits, rounding

ALL = -1
NOISE = 0.5  # largest change of a pixel by the noise of the first step
FADED = 0.8  # fraction of the steps after which there is no noise
TEMPERATURE = 0.1  # of the log-sum-exp, as a fraction of the scale of the logits


def gap(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    targets: Tensor | None,
    scale: Tensor,
    rivals: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return by how much the wrong class leads beyond the rounding error (N,), a gradient that increases this lead
    (N, C, H, W), and the logits (N, K).

    The lead and the gradient of each image are divided by the largest component of the gradient, so that no step
    depends on the unit of the logits.
    scale: (N,), the `clean_scale` of the images.
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
    heat = TEMPERATURE * scale
    smooth = torch.where(together, heat * (rival_logits(logits, chosen) / heat[:, None]).logsumexp(1), one) - own
    (gradients,) = torch.autograd.grad(sign * smooth.sum(), inputs)
    gaps = torch.where(together, margin(logits, chosen), one - own)
    steepest = gradients.flatten(1).abs().amax(1)
    unit = torch.where(steepest > 0, steepest, 1.0)
    leads = sign * gaps.detach() - rounding(logits.detach(), labels, targets, scale)
    return leads / unit, gradients / unit.view(-1, 1, 1, 1), logits.detach()


def fading_noise(steps: int, shape: Sequence[int], seed: int) -> Iterator[Tensor]:
    """Yield uniform noise (1, C, H, W) for each step, the same for all images, on the CPU. It fades away.

    Networks that have learned to ignore small changes have no gradient there. A gradient at a noisy image sees past
    their thresholds.
    shape: (C, H, W).
    """
    generator = torch.Generator().manual_seed(seed)
    for step in range(steps):
        amplitude = NOISE * max(1 - step / (FADED * steps), 0.0)
        yield amplitude * (2 * torch.rand((1, *shape), generator=generator) - 1)
