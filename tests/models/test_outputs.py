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
        ([1.0, 2.0, -1e9], [1.0, 2.0001, -1e9], True),
        ([5.0, -2.0, -1e9], [1.0, 2.0, -1e9], False),
        ([1.0, 2.0, -1e9], [1.0, 2.0, -1e9 - 64], True),  # adjacent float32 numbers
        ([1.0, 2.0, -1e9], [1.0, 2.0, -1e8], False),
        ([0.0, 0.0, -3.0], [0.0, 1e-6, -3.0], True),  # low, but no mask
    ],
)
def test_logits_are_compared_on_the_scale_of_those_that_mask_no_class(found, wanted, close):
    assert are_close(torch.tensor([found]), torch.tensor([wanted]), 1e-4) == close
