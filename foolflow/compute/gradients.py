"""Find out whether a model has a gradient with respect to its images."""

import torch
from torch import Tensor, nn

from foolflow.errors import InvalidInput, is_out_of_memory


def why_not_differentiable(model: nn.Module, images: Tensor) -> str | None:
    """Return why the model's logits for these images (N, C, H, W) cannot be differentiated; None if they can."""
    with torch.enable_grad():
        inputs = images.detach().requires_grad_()
        try:
            torch.autograd.grad(model(inputs).sum(), inputs)
        except (InvalidInput, RuntimeError) as error:  # a model that refuses, or logits without a graph
            if is_out_of_memory(error):
                raise
            return str(error) if isinstance(error, InvalidInput) else "PyTorch cannot differentiate its logits"
    return None
