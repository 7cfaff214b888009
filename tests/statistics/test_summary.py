"""The summary of one victim: rates, intervals, the worst case, medians, and warnings next to what they concern."""

import numpy as np
import pandas as pd
import pytest

from foolflow.statistics.budget import Budget, ball_in_words
from foolflow.statistics.intervals import wilson_interval
from foolflow.statistics.summary import CLEAN, WORST, Tried, headline, summarise, warnings_of

BUDGET = Budget("linf", 0.1)


def records(fooled, *, linf=0.1, l2=1.0, wrong=0, first=0, epsilon=np.nan):
    """Build the records of an attack on len(fooled) images, of which the first `wrong` are clean errors."""
    count = len(fooled)
    label = np.zeros(count, int)
    clean = np.where(np.arange(count) < wrong, 1, 0)
    prediction = np.where(np.asarray(fooled, bool) | (clean == 1), 1, 0)
    return pd.DataFrame(
        {
            "index": np.arange(first, first + count),
            "epsilon": epsilon,
            "label": label,
            "clean_prediction": clean,
            "prediction": prediction,
            "success": prediction != label,
            "linf": linf,
            "l2": l2,
        }
    )


def tried(name, fooled, *, counts=True, distance=None, norm=None, **more):
    return Tried(name, records(fooled, **more), counts, distance, norm)


def rows(table):
    return table.set_index("attack")


def test_rates_count_clean_errors_as_errors_and_fooled_counts_only_correct_images():
    found = rows(summarise(1000, 900, [tried("pgd", [1, 1, 1, 0, 0, 0, 0, 0, 0, 0], wrong=1)], BUDGET))
    assert found.loc[CLEAN, "accuracy"] == 0.9
    assert (found.loc["pgd", "correct"], found.loc["pgd", "n"]) == (7, 10)
    assert found.loc["pgd", "fooled"] == pytest.approx(2 / 9)
    assert (found.loc["pgd", "low"], found.loc["pgd", "high"]) == wilson_interval(7, 10)
    assert (found.loc["pgd", "fooled_low"], found.loc["pgd", "fooled_high"]) == wilson_interval(2, 9)


def test_the_worst_case_is_the_worst_on_each_image_that_all_counting_attacks_tried():
    attacks = [
        tried("fgsm", [1, 0, 0, 0, 0, 0]),
        tried("pgd", [0, 1, 0, 0]),
        tried("stadv", [1, 1, 1, 1], counts=False),
    ]
    found = rows(summarise(6, 6, attacks, BUDGET))
    assert (found.loc[WORST, "n"], found.loc[WORST, "correct"]) == (4, 2)
    assert found.loc[WORST, "fooled"] == 0.5


def test_perturbations_beyond_the_budget_count_only_where_no_budget_applies():
    far = {"linf": 0.2}
    found = rows(
        summarise(
            4,
            4,
            [tried("minimal_linf", [1, 1, 0, 0], **far), tried("stadv", [1, 1, 0, 0], counts=False, **far)],
            BUDGET,
        )
    )
    assert found.loc["minimal_linf", "accuracy"] == 1
    assert found.loc["stadv", "accuracy"] == 0.5


def test_the_median_counts_failures_as_infinitely_far():
    half = tried("minimal_l2", [1, 1, 1, 0], counts=False, distance="l2", l2=[1.0, 2.0, 3.0, 0.0])
    assert rows(summarise(4, 4, [half], BUDGET)).loc["minimal_l2", "median"] == 2
    few = tried("minimal_l2", [1, 0, 0, 0], counts=False, distance="l2")
    assert rows(summarise(4, 4, [few], BUDGET)).loc["minimal_l2", "median"] == np.inf


def test_the_median_is_over_images_and_any_wrong_class_fools():
    """As in the fraction that is fooled next to it, although the success of a targeted attack is to reach its class."""
    each = records([1, 1, 0, 1, 1, 0], l2=[3.0, 1.0, 0.5, 2.0, 4.0, 0.5]).assign(index=[0, 0, 0, 1, 1, 2])
    each["success"] &= each["l2"] > 2
    one = Tried("minimal_l2", each, counts=False, distance="l2")
    found = rows(summarise(3, 3, [one], BUDGET)).loc["minimal_l2"]
    assert (found["fooled"], found["median"]) == (pytest.approx(2 / 3), 2)


def test_too_few_images_are_mentioned_at_their_rows_only():
    found = warnings_of([tried("pgd", [0] * 30), tried("stadv", [0] * 200, counts=False)], BUDGET)
    assert set(found) == {"pgd", WORST}
    assert found["pgd"] == found[WORST]
    assert "only 30 images" in found["pgd"][0]


def test_the_worst_case_is_as_small_as_its_smallest_attack_and_has_no_warning_of_an_attack():
    few = [tried("pgd", [0] * 20), tried("fgsm", [1] * 90), tried("stadv", [0] * 7, counts=False)]
    found = warnings_of(few, BUDGET)
    assert [found[name][0].split(",")[0] for name in ("pgd", "fgsm", "stadv")] == [
        "only 20 images",
        "only 90 images",
        "only 7 images",
    ]
    assert any("gradient masking" in warning for warning in found["pgd"])
    assert found[WORST] == ["only 20 images, so the interval is wide"]


def test_the_worst_case_is_as_small_as_what_its_attacks_have_in_common():
    found = warnings_of([tried("pgd", [0] * 120), tried("fgsm", [0] * 110, first=80)], BUDGET)
    assert found == {WORST: ["only 40 images, so the interval is wide"]}
    found = warnings_of([tried("pgd", [0] * 120), tried("fgsm", [0] * 110, first=120)], BUDGET)
    assert found == {WORST: ["only 0 images, so the interval is wide"]}


def test_an_attack_that_beats_the_iterative_one_is_a_sign_of_masking_at_the_iterative_one():
    weak, strong = [0] * 200, [1] * 50 + [0] * 150
    found = warnings_of([tried("fgsm", strong), tried("pgd", weak), tried("noise", weak)], BUDGET)
    assert list(found) == ["pgd"]
    assert "gradient masking" in found["pgd"][0]
    assert "fgsm" in found["pgd"][0]
    assert not warnings_of([tried("fgsm", weak), tried("pgd", strong), tried("noise", weak)], BUDGET)


def test_a_minimal_perturbation_beyond_the_budget_is_no_sign_of_masking():
    weak, strong = [0] * 200, [1] * 200
    far = tried("minimal_linf", strong, linf=0.5)
    near = tried("minimal_linf", strong, linf=0.05)
    little = tried("minimal_linf", [1] * 10 + [0] * 190, linf=0.05)
    assert not warnings_of([tried("pgd", weak), far], BUDGET)
    assert not warnings_of([tried("pgd", weak), little], BUDGET)
    assert "gradient masking" in warnings_of([tried("pgd", weak), near], BUDGET)["pgd"][0]


def test_an_iterative_attack_of_another_norm_is_not_suspected():
    """Its images leave the ball, so attacks that stay within it fool more images."""
    weak, strong = [0] * 200, [1] * 200
    other = tried("pgd", weak, epsilon=1.0, norm="l2")
    controls = [tried("fgsm", strong, epsilon=0.1, norm="linf"), tried("noise", strong, epsilon=0.1, norm="linf")]
    assert not warnings_of([other, *controls, tried("minimal_linf", strong, norm="linf")], BUDGET)
    same = tried("pgd", weak, epsilon=0.1, norm="linf")
    assert len(warnings_of([same, *controls, tried("minimal_linf", strong, norm="linf")], BUDGET)["pgd"]) == 3


def test_an_attack_of_any_norm_that_succeeds_within_the_budget_is_a_sign_of_masking():
    weak, strong = [0] * 200, [1] * 200
    suspect = tried("pgd", weak, epsilon=0.1, norm="linf")
    for other in (tried("l2", strong, epsilon=1.0, norm="l2"), tried("mine", strong, epsilon=8.0)):
        assert "gradient masking" in warnings_of([suspect, other], BUDGET)["pgd"][0]


def test_an_iterative_attack_with_a_larger_epsilon_than_the_budget_is_not_suspected():
    wide = tried("pgd", [0] * 200, epsilon=0.2, norm="linf")
    assert not warnings_of([wide, tried("fgsm", [1] * 200, epsilon=0.1, norm="linf")], BUDGET)


def test_the_headline_names_accuracies_numbers_and_the_bound():
    table = summarise(1000, 890, [tried("pgd", [1] * 90 + [0] * 10)], BUDGET)
    assert headline(table, "mine", "L∞ 8/255") == (
        "mine classifies 89.0 % of 1,000 clean images correctly, and 10.0 % of 100 under the worst attack on each "
        "image within L∞ 8/255 (95 % interval 5.5 % to 17.4 %)."
    )


@pytest.mark.parametrize(
    ("norm", "epsilon", "words"),
    [
        ("linf", 8 / 255, "L∞ 8/255"),
        ("linf", 0.3, "L∞ 0.3"),
        ("l2", 0.5, "L2 0.5"),
        ("linf", 0.5 / 255, "L∞ 0.00196078"),
    ],
)
def test_the_ball_in_words(norm, epsilon, words):
    assert ball_in_words(norm, epsilon) == words
