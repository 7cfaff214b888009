import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foolflow.attacks.selection import select
from foolflow.errors import InvalidInput

LABELS = np.array([3, 1, 3, 0, 2, 1, 0, 3])


def test_by_default_all_images_are_selected_without_targets():
    chosen = select(LABELS, 4, {})
    assert chosen.indices.tolist() == list(range(8))
    assert chosen.targets is None


def test_the_first_images_are_selected_in_total_or_per_class():
    assert select(LABELS, 4, {"images": 3}).indices.tolist() == [0, 1, 2]
    assert select(LABELS, 4, {"per_class": 1}).indices.tolist() == [0, 1, 3, 4]


def test_targets_all_means_every_other_class_once():
    chosen = select(LABELS, 4, {"images": 2, "targets": "all"})
    assert chosen.indices.tolist() == [0, 0, 0, 1, 1, 1]
    assert sorted(chosen.targets[:3]) == [0, 1, 2]
    assert sorted(chosen.targets[3:]) == [0, 2, 3]


def test_a_target_class_selects_the_images_of_the_other_classes():
    chosen = select(LABELS, 4, {"targets": 3})
    assert chosen.indices.tolist() == [1, 3, 4, 5, 6]
    assert set(chosen.targets) == {3}


@pytest.mark.parametrize("targets", ["random", "all", 0])
def test_a_single_class_has_no_targets(targets):
    with pytest.raises(InvalidInput, match="targets: the data set has a single class"):
        select(np.zeros(5, np.int64), 1, {"targets": targets})


@given(st.integers(2, 20), st.integers(1, 60), st.randoms(use_true_random=False))
def test_random_targets_are_other_classes_and_do_not_depend_on_the_selection(classes, count, random):
    labels = np.array([random.randrange(classes) for _ in range(60)])
    everything = select(labels, classes, {"targets": "random"})
    assert (everything.targets != labels).all()
    assert everything.targets.max() < classes
    assert everything.targets.min() >= 0
    some = select(labels, classes, {"targets": "random", "images": count})
    assert (some.targets == everything.targets[:count]).all()
