"""Find out whether a model has a gradient with respect to its images."""

import re

import torch
from torch import Tensor, nn

from foolflow.errors import InvalidInput, in_one_line, is_out_of_memory

# What PyTorch says where a forward pass leaves the graph of the gradient.
LEAVES_THE_GRAPH = re.compile(
    r"numpy\(\) on Tensor that requires grad|export tensors that require grad|don't support automatic differentiation"
    r"|cannot be differentiated"  # as our own OnnxRuntime says
)
RNN_ON_GPU = "cudnn RNN backward"  # PyTorch says this where an RNN is in eval mode


def why_not_differentiable(model: nn.Module, images: Tensor) -> str | None:
    """Return why the model's logits for these images (N, C, H, W) have no gradient; None if they have one.

    There is none if no graph leads from the logits to the images. Raises InvalidInput if the model fails for another
    reason.
    """
    with torch.enable_grad():
        inputs = images.detach().requires_grad_()
        try:
            logits = model(inputs)
            if not logits.requires_grad:
                return "its logits do not require grad"
            (gradient,) = torch.autograd.grad(logits.sum(), inputs, allow_unused=True)
        except Exception as error:  # the caller's model may raise anything
            if is_out_of_memory(error):
                raise
            if LEAVES_THE_GRAPH.search(str(error)):
                return str(error) if isinstance(error, InvalidInput) else in_one_line(error)
            if isinstance(error, InvalidInput):
                raise
            raise InvalidInput(_failure(error)) from error
    return "its logits do not depend on the images" if gradient is None else None


def _failure(error: Exception) -> str:
    hint = "; if it has no gradient, let it run within torch.no_grad()"
    if RNN_ON_GPU in str(error):
        hint = "; call the attack within torch.backends.cudnn.flags(enabled=False)"
    return f"the gradient of the model fails with {in_one_line(error)[:300]}{hint}"
