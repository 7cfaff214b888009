"""Bootstrap over images: intervals for numbers to which one image may contribute several times."""

from collections.abc import Callable, Iterator

import numpy as np

from foolflow.statistics.intervals import CONFIDENCE

RESAMPLES = 2000
SEED = 0


def resamples(images: int) -> Iterator[np.ndarray]:
    """Draw images with replacement, RESAMPLES times. Yield how often each image was drawn, int64 (images,).

    The draws depend on the number of images alone.
    """
    generator = np.random.default_rng([SEED, images])
    for _ in range(RESAMPLES):
        yield np.bincount(generator.integers(0, images, images), minlength=images)


def percentile_interval(images: int, measure: Callable[[np.ndarray], float]) -> tuple[float, float]:
    """Return the percentile interval of a measure (Efron and Tibshirani 1993, chapter 13), clustered by image.

    measure: takes how often each image was drawn, int64 (images,), and returns a number; NaN if a resample has none.
    Everything that belongs to an image must be drawn with it: its clean and all of its adversarial versions.
    NaN if there is no image, or if no resample has a number.
    """
    values = np.array([measure(drawn) for drawn in resamples(images)]) if images else np.array([])
    known = values[~np.isnan(values)]
    if len(known) == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
