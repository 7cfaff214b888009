import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from foolflow.statistics.groups import groups
from foolflow.statistics.paired import compare_paired, holm


def victim(right: int, images: int = 100) -> np.ndarray:
    """Right on the first images. So of two victims one is right wherever the other one is."""
    return np.arange(images) < right


def victims(seed: int, count: int, images: int = 120) -> list[np.ndarray]:
    """Victims of quite different accuracy, so that most rankings have several groups."""
    random = np.random.default_rng(seed)
    return [random.random(images) < share for share in random.random(count)]


SEEDS, COUNTS = st.integers(0, 2**32), st.integers(1, 7)


@pytest.mark.parametrize(
    ("right", "expected"),
    [
        ([], []),
        ([50], [1]),
        ([50, 50, 50], [1, 1, 1]),
        # k changes in one direction have p = 2 / 2^k. With one test, 6 changes are significant (0.031) and 5 are not.
        ([50, 44], [1, 2]),
        ([50, 45], [1, 1]),
        # With three tests, the smallest p-value is multiplied by 3: 6 changes (0.094) no longer suffice, 7 (0.047) do.
        ([50, 44, 44], [1, 1, 1]),
        ([50, 50, 43], [1, 1, 2]),
        # Not transitive: 46 is like 50, and 42 is like 46, but 42 differs from 50 (3 x 0.0078).
        ([50, 46, 42], [1, 1, 2]),
        ([42, 46, 50], [2, 1, 1]),
        # Everybody differs from everybody.
        ([10, 90, 50], [3, 1, 2]),
        ([0, 100], [2, 1]),
    ],
)
def test_groups_match_a_calculation_by_hand(right, expected):
    assert groups([victim(count) for count in right]) == expected


def test_a_victim_joins_by_its_distance_from_the_best_of_the_group_not_from_the_last():
    # Steps of 4 images are never significant by themselves; the chain is nevertheless cut.
    assert groups([victim(count) for count in range(60, 20, -4)]) == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4]


def test_the_level_is_that_of_the_corrected_tests():
    pair = [victim(50), victim(44)]  # p = 0.03125
    assert groups(pair, level=0.03125) == [1, 2]
    assert groups(pair, level=0.03) == [1, 1]


def test_victims_that_err_on_different_images_do_not_differ():
    first = np.arange(100) < 50
    assert groups([first, ~first]) == [1, 1]


@settings(max_examples=40)
@given(SEEDS, COUNTS)
def test_the_order_of_the_victims_matters_only_for_ties(seed, count):
    right = victims(seed, count)
    assume(len({one.sum() for one in right}) == count)
    order = np.random.default_rng(seed).permutation(count)
    found = groups(right)
    assert groups([right[index] for index in order]) == [found[index] for index in order]


@settings(max_examples=40)
@given(SEEDS, COUNTS)
def test_groups_follow_the_accuracy_and_keep_their_promise(seed, count):
    right = victims(seed, count)
    found, accuracy = groups(right), [one.sum() for one in right]
    order = sorted(range(count), key=lambda index: -accuracy[index])
    ranked = [found[index] for index in order]
    assert ranked[0] == 1
    assert set(np.diff(ranked)) <= {0, 1}
    pairs = [(one, other) for one in range(count) for other in range(count) if one < other]
    adjusted = holm([compare_paired(right[one], right[other]).p_value for one, other in pairs])
    p_values = dict(zip(pairs, adjusted, strict=True))
    best = {group: order[ranked.index(group)] for group in ranked}
    for index, group in enumerate(found):
        if index != best[group]:
            assert p_values[min(index, best[group]), max(index, best[group])] > 0.05
        elif group > 1:  # it opened the group because it differs from the best of the previous one
            assert p_values[min(index, best[group - 1]), max(index, best[group - 1])] <= 0.05


def test_victims_of_different_images_are_refused():
    with pytest.raises(ValueError, match="same images"):
        groups([victim(3, 10), victim(3, 11)])
