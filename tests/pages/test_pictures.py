"""Figures on the page."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from foolflow.pages.pictures import STEPS, pictures


@pytest.fixture
def files(tmp_path):
    generator = np.random.default_rng(0)
    paths = []
    for number in range(3):
        pixels = generator.integers(0, 256, (90, 120, 3), dtype=np.uint8)
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(pixels).save(paths[-1])
    return paths


def opened(picture):
    return Image.open(io.BytesIO(base64.b64decode(picture.data)))


def size(found):
    return sum(len(one.data) for one in found)


def test_figures_keep_their_size_and_their_colours_while_they_fit(files):
    found = pictures(files, limit=10**9)
    for picture, file in zip(found, files, strict=True):
        shown, original = opened(picture).convert("RGB"), Image.open(file)
        assert shown.size == original.size == (picture.width, picture.height)
        difference = np.asarray(shown, int) - np.asarray(original, int)
        assert np.abs(difference).mean() < 30  # noise is the worst case for a palette


def test_figures_shrink_until_they_fit(files):
    largest = pictures(files, limit=10**9)
    for share in (0.8, 0.3, 0.1):
        found = pictures(files, limit=int(share * size(largest)))
        assert size(found) <= share * size(largest)
        assert [(one.width, one.height) for one in found] == [(120, 90)] * 3  # as they are shown
    assert pictures(files, limit=1) == pictures(files, limit=2)  # the last step, whatever the limit
    assert opened(pictures(files, limit=1)[0]).size == (round(120 * STEPS[-1][1]), round(90 * STEPS[-1][1]))


def test_a_flat_figure_with_few_colours_is_unchanged(tmp_path):
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:, 20:] = (200, 30, 40)
    pixels[10:20] = 255
    Image.fromarray(pixels).save(tmp_path / "flat.png")
    (found,) = pictures([tmp_path / "flat.png"], limit=10**6)
    assert (np.asarray(opened(found).convert("RGB")) == pixels).all()
