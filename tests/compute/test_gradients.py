import numpy as np
import pytest
import torch
from torch import nn

from foolflow.compute.gradients import why_not_differentiable
from foolflow.errors import InvalidInput

IMAGES = torch.rand(2, 1, 4, 4)
LAYER = nn.Linear(16, 3).requires_grad_(False)


def linear(images):
    return LAYER(images.flatten(1))


def without_graph(images):
    with torch.no_grad():
        return linear(images)


WITHOUT = {
    "no_grad": without_graph,
    "detached": lambda x: linear(x.detach()),
    "other leaves only": lambda x: linear(x.detach()) * torch.ones(3, requires_grad=True),
    "numpy": lambda x: linear(torch.from_numpy(x.numpy())),
    "asarray": lambda x: linear(torch.from_numpy(np.asarray(x))),
    "dlpack": lambda x: linear(torch.from_dlpack(np.from_dlpack(x))),
    "out": lambda x: torch.add(linear(x), 1, out=torch.empty(2, 3)),
    "whole numbers": lambda x: (10 * linear(x)).long(),
}


@pytest.mark.parametrize("kind", WITHOUT)
def test_a_model_that_leaves_the_graph_has_no_gradient(kind):
    assert why_not_differentiable(WITHOUT[kind], IMAGES)


@pytest.mark.parametrize("model", [linear, lambda x: linear(x).round(), lambda x: 0 * linear(x)])
def test_a_gradient_of_zero_is_one(model):
    assert why_not_differentiable(model, IMAGES) is None


class Failing(torch.autograd.Function):
    message = "of the model"

    @staticmethod
    def forward(ctx, values):
        return values.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise RuntimeError(Failing.message)


def test_an_error_is_raised_in_one_line(monkeypatch):
    def fails(images):
        raise RuntimeError("of the\nmodel")

    with pytest.raises(
        InvalidInput, match=r"^the gradient of the model fails with RuntimeError: of the model; if it has"
    ):
        why_not_differentiable(fails, IMAGES)
    with pytest.raises(
        InvalidInput, match=r"^the gradient of the model fails with RuntimeError: of the model; if it has"
    ):
        why_not_differentiable(lambda x: Failing.apply(linear(x)), IMAGES)
    monkeypatch.setattr(Failing, "message", "cudnn RNN backward can only be called in training mode")
    with pytest.raises(InvalidInput, match=r"call the attack within torch\.backends\.cudnn\.flags\(enabled=False\)$"):
        why_not_differentiable(lambda x: Failing.apply(linear(x)), IMAGES)


def test_too_little_memory_is_no_property_of_the_model():
    def fails(images):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        why_not_differentiable(fails, IMAGES)
