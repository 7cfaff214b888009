"""What the inspection of a victim says about its accuracy and the order of its classes."""

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


def about_accuracy(predictions, labels, classes):
    """Return the inspection's warning about the accuracy, or an empty text."""
    pixels = np.stack(np.divmod(predictions, 256), axis=1).astype(np.uint8).reshape(-1, 1, 1, 2)
    names = tuple(map(str, range(classes)))
    found = inspect(Reader(classes), Split(pixels, labels, names), names, torch.device("cpu"), report=lambda _: None)
    return next((line for line in found["warnings"] if line.startswith("the accuracy")), "")


def drawn(count, classes, seed=0):
    return np.random.default_rng(seed).integers(0, classes, count)


def reordered(labels, classes):
    return (labels + 1) % classes


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("count", "classes"), [(100, 1000), (200, 100), (1000, 1000), (2000, 100), (40, 5), (20, 2)])
def test_random_predictions_are_not_put_down_to_the_order_of_the_classes(count, classes, seed):
    labels = np.arange(count) % classes
    predictions = drawn(count, classes, seed)
    assert "another order" not in about_accuracy(predictions, labels, classes)


def test_a_constant_prediction_is_not_put_down_to_the_order_of_the_classes():
    """With another order, it would be that of the most frequent class."""
    labels = np.where(drawn(500, 10) < 7, 3, drawn(500, 10, 1))
    warning = about_accuracy(np.full(500, 8), labels, 10)
    assert "another order" not in warning
    assert "since every image is classified as '8'" in warning


@pytest.mark.parametrize(("count", "classes"), [(500, 10), (40, 10), (2000, 1000)])
@pytest.mark.parametrize("by_class", [False, True])
def test_a_wrong_order_of_the_classes_is_reported(count, classes, by_class):
    labels = np.arange(count) % classes
    labels = np.sort(labels) if by_class else labels
    warning = about_accuracy(reordered(labels, classes), labels, classes)
    assert "with the classes in another order it would be 100.0 %, so their order (in a config, `classes`)" in warning
    assert "close to chance" in warning


def test_a_handful_of_images_does_not_tell_whether_the_order_is_wrong():
    labels = np.arange(10) % 2
    assert "another order" not in about_accuracy(reordered(labels, 2), labels, 2)


def test_the_accuracy_in_the_better_order_is_that_on_other_images_than_those_that_chose_it():
    labels = np.arange(500) % 10
    predictions = reordered(labels, 10)
    predictions[::3] = drawn(167, 10)
    warning = about_accuracy(predictions, labels, 10)
    right = (predictions == reordered(labels, 10)).mean()
    assert f"it would be {100 * right:.1f} %" in warning


def swapped(labels, first, second):
    return np.select([labels == first, labels == second], [second, first], labels)


def inaccurate(labels, classes, accuracy, seed=0):
    """Return predictions of which the others than this share are drawn at random."""
    generator = np.random.default_rng(seed)
    return np.where(generator.random(len(labels)) < accuracy, labels, generator.integers(0, classes, len(labels)))


def test_two_classes_in_the_wrong_place_are_reported_by_name():
    labels = np.arange(500) % 10
    warning = about_accuracy(swapped(inaccurate(labels, 10, 0.95), 3, 5), labels, 10)
    assert "close to chance" not in warning
    assert "'3' is classified as '5', '5' is classified as '3'" in warning
    assert warning.count("is classified as") == 2


def test_an_order_that_is_right_for_some_classes_is_reported():
    labels = np.arange(500) % 10
    order = np.array([0, 2, 1, 4, 5, 3, 6, 9, 7, 8])
    warning = about_accuracy(order[inaccurate(labels, 10, 0.95)], labels, 10)
    assert warning.endswith(
        "'1' is classified as '2', '2' is classified as '1', '3' is classified as '4', '4' is classified as '5', ..."
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("accuracy", [0.1, 0.3, 0.6, 0.9])
@pytest.mark.parametrize(("count", "classes"), [(20, 2), (40, 2), (60, 3), (200, 10), (1000, 10), (1000, 100)])
def test_inaccurate_models_are_not_put_down_to_the_order_of_the_classes(count, classes, accuracy, seed):
    labels = drawn(count, classes, seed)
    assert "another order" not in about_accuracy(inaccurate(labels, classes, accuracy, seed + 1), labels, classes)


def test_classes_that_a_model_confuses_are_not_put_down_to_their_order():
    labels = np.arange(500) % 10
    cars_are_trucks = np.where((labels == 1) & (drawn(500, 10) < 7), 9, labels)
    mostly_two_classes = np.where(drawn(500, 10, 1) < 7, labels // 5 * 5, labels)
    each_as_its_neighbour = np.where(drawn(500, 10, 2) < 5, (labels + 1) % 10, labels)
    for predictions in (cars_are_trucks, mostly_two_classes, each_as_its_neighbour):
        assert about_accuracy(predictions, labels, 10) == ""


def test_a_constant_prediction_of_the_most_frequent_class_is_reported():
    labels = np.where(np.arange(200) < 180, 1, 0)
    warning = about_accuracy(np.ones(200, int), labels, 2)
    assert (
        "90.0 %, close to chance (90.0 % by always predicting '1'), since every image is classified as '1'" in warning
    )


def test_an_accuracy_is_compared_with_the_share_of_the_most_frequent_class():
    labels = np.where(np.arange(200) < 180, 1, 0)
    assert "close to chance (90.0 % by always predicting '1'); check" in about_accuracy(drawn(200, 2), labels, 2)
    assert about_accuracy(np.where(np.arange(200) < 190, labels, 1), labels, 2) == ""


def test_images_of_a_single_class_are_not_a_constant_prediction():
    assert about_accuracy(np.full(50, 3), np.full(50, 3), 10) == ""
