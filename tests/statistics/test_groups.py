import re
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foolflow.statistics.groups import compact_letters, compare_all
from foolflow.statistics.paired import compare_paired, holm


def victim(right: int, images: int = 100) -> np.ndarray:
    """Right on the first images. So of two victims one is right wherever the other one is."""
    return np.arange(images) < right


def lettered(counts, level=0.05):
    """Return the letters of victims, in any order, each of which is right on `counts` images."""
    tests = compare_all([victim(count) for count in counts])
    order = sorted(range(len(counts)), key=lambda index: -counts[index])
    return compact_letters(order, [pair for pair, p_value in tests.items() if p_value < level])


@pytest.mark.parametrize(
    ("right", "expected"),
    [
        ([], []),
        ([50], ["a"]),
        ([50, 50, 50], ["a", "a", "a"]),
        # k changes in one direction have p = 2 / 2^k. With one test, 6 changes are significant (0.031) and 5 are not.
        ([50, 44], ["a", "b"]),
        ([50, 45], ["a", "a"]),
        # With three tests, the smallest p-value is multiplied by 3: 6 changes (0.094) no longer suffice, 7 (0.047) do.
        ([50, 44, 44], ["a", "a", "a"]),
        # Two equal p-values of 0.0156: the first is multiplied by 3, the second by 2 and then raised to the first.
        ([50, 50, 43], ["a", "a", "b"]),
        # Not transitive: 46 is like 50, and 42 is like 46, but 42 differs from 50 (3 x 0.0078).
        ([50, 46, 42], ["a", "ab", "b"]),
        ([42, 46, 50], ["b", "ab", "a"]),
        # Everybody differs from everybody.
        ([10, 90, 50], ["c", "a", "b"]),
        # A chain in steps of 4 images: neither neighbours nor next neighbours differ (at best 10 x 0.0078).
        ([60, 56, 52, 48, 44], ["a", "ab", "abc", "bc", "c"]),
    ],
)
def test_letters_match_a_calculation_by_hand(right, expected):
    assert lettered(right) == expected


def test_entries_that_are_all_alike_share_one_letter():
    # 1, 2 and 3 are alike; 0 is like 1 alone.
    assert compact_letters([0, 1, 2, 3], [(0, 2), (0, 3)]) == ["a", "ab", "b", "b"]


def test_the_difference_need_not_follow_the_order():
    # The best and the last do not differ (few images decide between them), but both differ from the middle one.
    assert compact_letters([2, 0, 1], [(0, 2), (0, 1)]) == ["b", "a", "a"]


def test_many_letters_stay_readable():
    """A matching of k differing pairs has 2^k largest sets of entries that do not differ."""
    letters = compact_letters(range(12), [(2 * pair, 2 * pair + 1) for pair in range(6)])
    assert letters[0].startswith("abcdefgh")
    assert "a2" in letters[1]
    assert len(set(letters)) == 12


def tokens(letters: str) -> set[str]:
    return {letter + number for letter, number in re.findall(r"([A-Za-z])(\d*)", letters)}


@st.composite
def relations(draw):
    count = draw(st.integers(1, 8))
    pairs = list(combinations(range(count), 2))
    different = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    return draw(st.permutations(range(count))), different


@settings(max_examples=150)
@given(relations())
def test_two_entries_share_a_letter_if_and_only_if_they_do_not_differ(relation):
    order, different = relation
    letters = [tokens(one) for one in compact_letters(order, different)]
    assert all(letters)
    assert "a" in letters[order[0]]
    for pair in combinations(range(len(order)), 2):
        assert bool(letters[pair[0]] & letters[pair[1]]) == (pair not in set(different))
    # Each letter is as large as it can be: nobody without it is like all who have it.
    for letter in set().union(*letters):
        have = [entry for entry in range(len(order)) if letter in letters[entry]]
        for entry in set(range(len(order))) - set(have):
            assert any((min(entry, other), max(entry, other)) in set(different) for other in have)


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_all_pairs_are_compared_and_corrected_together(seed, count):
    random = np.random.default_rng(seed)
    right = [random.random(120) < share for share in random.random(count)]
    found = compare_all(right)
    pairs = list(combinations(range(count), 2))
    assert list(found) == pairs
    assert list(found.values()) == holm([compare_paired(right[one], right[other]).p_value for one, other in pairs])


def test_victims_that_err_on_different_images_do_not_differ():
    first = np.arange(100) < 50
    assert compare_all([first, ~first]) == {(0, 1): pytest.approx(1.0)}


def test_victims_of_different_images_are_refused():
    with pytest.raises(ValueError, match="same images"):
        compare_all([victim(3, 10), victim(3, 11)])
