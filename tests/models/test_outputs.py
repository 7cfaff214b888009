import pytest
import torch

from foolflow.models.outputs import are_close

INFINITE = float("inf")


@pytest.mark.parametrize(
    ("found", "wanted", "close"),
    [
        ([1.0, 2.0], [1.0, 2.0001], True),
        ([1.0, 2.0], [1.0, 2.01], False),
        ([1.0, 2.0, -INFINITE], [1.0, 2.0, -INFINITE], True),
        ([5.0, -2.0, -INFINITE], [1.0, 2.0, -INFINITE], False),
        ([1.0, 2.0, -INFINITE], [1.0, 2.0, INFINITE], False),
        ([1.0, float("nan")], [1.0, float("nan")], True),
        ([1.0], [1.0, 2.0], False),
    ],
)
def test_logits_are_compared_on_the_scale_of_the_finite_ones(found, wanted, close):
    assert are_close(torch.tensor([found]), torch.tensor([wanted]), 1e-4) == close
