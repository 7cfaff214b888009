import numpy as np
import pytest
import torch
from scipy.ndimage import median_filter as scipys

from foolflow.defenses.median_filter import median_filter
from foolflow.errors import InvalidInput


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_median_filter_equals_scipys(size):
    images = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    expected = scipys(images.numpy(), size=(1, 1, size, size))
    np.testing.assert_allclose(median_filter(images, size=size).numpy(), expected, atol=1e-7)


def test_a_size_below_1_is_rejected():
    with pytest.raises(InvalidInput, match="size must be a whole number of at least 1, not 0"):
        median_filter(torch.rand(1, 1, 4, 4), size=0)
