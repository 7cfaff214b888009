import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from foolflow.tables.flattery import contests, sentences


def right(standing, n=100, first=0):
    """Return whether each of n images, with indices from `first` on, is right: the first `standing` ones are."""
    return pd.Series(np.arange(n) < standing, index=np.arange(first, first + n))


def test_the_strongest_attacks_of_both_kinds_are_compared_on_the_images_of_both():
    attacks = {
        ("static", "weak"): right(90),
        ("static", "strong"): right(60),
        ("white_box", "fgsm"): right(50),
        ("adaptive", "pgd"): right(10, n=50),
    }
    (found,) = contests({("m", "d", 0): attacks})
    assert (found.static, found.direct) == (("static", "strong"), ("adaptive", "pgd"))
    assert (found.n, found.static_accuracy, found.direct_accuracy) == (50, 1.0, 0.2)
    assert found.p_value == pytest.approx(binomtest(0, 40).pvalue)


def test_the_tests_of_all_victims_are_corrected_together():
    victims = {
        ("m", name, 0): {("static", "s"): right(60), ("white_box", "w"): right(60 - changed)}
        for name, changed in (("one", 6), ("other", 7))
    }
    one, other = contests(victims)
    assert other.p_value == pytest.approx(2 * 2 / 2**7)
    assert one.p_value == pytest.approx(2 / 2**6)


def test_victims_without_one_of_the_two_kinds_have_no_contest():
    assert contests({("m", "d", 0): {("static", "s"): right(5)}, ("m", "e", 0): {("black_box", "b"): right(5)}}) == []
    assert contests({}) == []


def test_over_seeds_the_attacks_are_chosen_by_the_mean_and_the_seeds_with_a_difference_are_counted():
    victims = {
        ("m", "d", seed): {("static", "s"): right(60), ("white_box", "a"): right(a), ("white_box", "b"): right(b)}
        for seed, (a, b) in enumerate([(58, 50), (10, 40)])
    }
    found = contests(victims)
    assert [one.direct[1] for one in found] == ["a", "a"]
    (sentence,) = sentences(found, "")
    assert "leaves d an accuracy of 60.0 ± 0.0 % over 2 seeds" in sentence
    assert sentence.endswith(
        "34.0 ± 33.9 % over 2 seeds on the same images: a difference that is significant for 1 of 2 seeds."
    )


def test_attacks_without_an_epsilon_are_compared_by_method_in_the_same_family():
    victim = ("m", "d", 0)
    stadv = {
        ("static", "stadv_far"): right(90),
        ("adaptive", "stadv_near"): right(85),
        ("adaptive", "other"): right(99),
    }
    others = {"stadv": {victim: stadv}, "deepfool": {victim: {("static", "deepfool"): right(80)}}}
    found = contests({victim: {("static", "s"): right(60), ("white_box", "w"): right(54)}}, others)
    assert [(one.method, one.static[1], one.direct[1]) for one in found] == [
        (None, "s", "w"),
        ("stadv", "stadv_far", "stadv_near"),
    ]
    assert [one.p_value for one in found] == pytest.approx([2 * 2 / 2**6, 2 / 2**5])
    assert list(sentences(found, " of m"))[1] == (
        "Of the attacks of m by stadv, which have no epsilon, the strongest static one (stadv_far) leaves d an "
        "accuracy of 90.0 % of 100 images (95 % interval 82.6 to 94.5). The strongest one made on d itself (adaptive "
        "stadv_near) leaves 85.0 % of 100 images (95 % interval 76.7 to 90.7) on the same images: no significant "
        "difference (exact McNemar test, Holm-corrected p 0.062)."
    )


def test_attacks_without_a_common_image_are_not_described():
    found = contests({("m", "d", 0): {("static", "s"): right(5, 10), ("white_box", "w"): right(5, 10, first=10)}})
    assert [one.n for one in found] == [0]
    assert list(sentences(found, "")) == []
