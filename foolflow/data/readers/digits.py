"""scikit-learn's hand-written digits."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from foolflow.data.splits import Split

SIZE = 28


def read(dataset: Mapping[str, Any], raw: Path) -> dict[str, Split]:
    """Return all 1,797 digits as `train`: 8 x 8 pixels in 17 grey levels, resized to 28 x 28 (bicubic)."""
    digits = load_digits()
    small = np.round(digits.images * (255 / 16)).astype(np.uint8)
    size = (SIZE, SIZE)
    images = np.stack([np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)) for image in small])
    names = tuple(str(digit) for digit in range(10))
    return {"train": Split(images[:, None], digits.target.astype(np.int64), names)}
