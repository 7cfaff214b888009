"""What the inspection of a victim says about an accuracy that is close to chance."""

import numpy as np
import pytest
import torch
from torch import nn

from foolflow.attacks.inspection import inspect
from foolflow.data.splits import Split


class Reader(nn.Module):
    """Predicts the class that is written in the two pixels of an image."""

    def __init__(self, classes):
        super().__init__()
        self.classes = classes

    def forward(self, images):
        high, low = (255 * images).flatten(1).round().long().unbind(1)
        return nn.functional.one_hot(256 * high + low, self.classes).float()


def about_chance(predictions, labels, classes):
    """Return the inspection's warning about an accuracy close to chance."""
    pixels = np.stack(np.divmod(predictions, 256), axis=1).astype(np.uint8).reshape(-1, 1, 1, 2)
    names = tuple(map(str, range(classes)))
    found = inspect(Reader(classes), Split(pixels, labels, names), names, torch.device("cpu"), report=lambda _: None)
    return next(line for line in found["warnings"] if "close to chance" in line)


def drawn(count, classes, seed=0):
    return np.random.default_rng(seed).integers(0, classes, count)


def reordered(labels, classes):
    return (labels + 1) % classes


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("count", "classes"), [(100, 1000), (200, 100), (1000, 1000), (2000, 100), (40, 5), (20, 2)])
def test_random_predictions_are_not_put_down_to_the_order_of_the_classes(count, classes, seed):
    labels = np.arange(count) % classes
    predictions = drawn(count, classes, seed)
    assert "another order" not in about_chance(predictions, labels, classes)


def test_a_constant_prediction_is_not_put_down_to_the_order_of_the_classes():
    """With another order, it would be that of the most frequent class."""
    labels = np.where(drawn(500, 10) < 7, 3, drawn(500, 10, 1))
    assert "another order" not in about_chance(np.full(500, 8), labels, 10)


@pytest.mark.parametrize(("count", "classes"), [(500, 10), (40, 10), (2000, 1000)])
@pytest.mark.parametrize("by_class", [False, True])
def test_a_wrong_order_of_the_classes_is_reported(count, classes, by_class):
    labels = np.arange(count) % classes
    labels = np.sort(labels) if by_class else labels
    warning = about_chance(reordered(labels, classes), labels, classes)
    assert "with the classes in another order it would be 100.0 %, so `classes` is probably wrong" in warning


def test_a_handful_of_images_does_not_tell_whether_the_order_is_wrong():
    labels = np.arange(10) % 2
    assert "another order" not in about_chance(reordered(labels, 2), labels, 2)


def test_the_accuracy_in_the_better_order_is_that_on_other_images_than_those_that_chose_it():
    labels = np.arange(500) % 10
    predictions = reordered(labels, 10)
    predictions[::3] = drawn(167, 10)
    warning = about_chance(predictions, labels, 10)
    right = (predictions == reordered(labels, 10)).mean()
    assert f"it would be {100 * right:.1f} %" in warning
