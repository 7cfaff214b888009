from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, rankdata, wilcoxon
from statsmodels.stats.proportion import proportion_confint

from foolflow.compute.seeds import derived_seed
from foolflow.statistics.intervals import median_interval, prediction_interval, wilson_interval
from foolflow.statistics.minimal import distances, nearest, noise_curve, quantile, security_curve
from foolflow.statistics.paired import compare_distances, compare_paired, holm


@given(trials=st.integers(1, 10000), share=st.floats(0, 1))
def test_wilson_equals_statsmodels(trials, share):
    successes = round(share * trials)
    ours = wilson_interval(successes, trials)
    assert ours == pytest.approx(proportion_confint(successes, trials, method="wilson"), abs=1e-9)
    assert ours[0] <= successes / trials + 1e-12
    assert ours[1] >= successes / trials - 1e-12


def test_the_interval_of_a_median_comes_from_the_order_statistics():
    values = np.arange(1.0, 101.0)
    # Conover 1999: the 40th and the 61st of 100 values enclose the median with 95 % confidence.
    assert median_interval(values) == (40, 61)
    assert np.isnan(median_interval(np.array([]))).all()


@pytest.mark.parametrize("n", [2, 3, 10])
def test_one_more_value_lies_in_the_prediction_interval_as_often_as_it_says(n):
    values = np.random.default_rng(0).normal(3, 2, (4000, n + 1))
    intervals = [prediction_interval(one[:-1]) for one in values]
    inside = np.mean([low <= one[-1] <= high for (low, high), one in zip(intervals, values, strict=True)])
    assert inside == pytest.approx(0.95, abs=0.012)
    assert np.isnan(prediction_interval(values[0, :1])).all()


def test_without_trials_the_interval_is_0_to_1():
    assert wilson_interval(0, 0) == (0.0, 1.0)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=200))
def test_mcnemar_equals_the_binomial_test_on_the_changes(pairs):
    before, after = np.array(pairs).T
    compared = compare_paired(before, after)
    worse = sum(b and not a for b, a in pairs)
    better = sum(a and not b for b, a in pairs)
    assert (compared.right_to_wrong, compared.wrong_to_right) == (worse, better)
    expected = binomtest(worse, worse + better, 0.5).pvalue if worse + better else 1.0
    assert compared.p_value == pytest.approx(expected)
    assert -0.5 <= compared.cohens_g <= 0.5
    assert (compared.cohens_g > 0) == (worse > better)


FAILING = st.lists(st.tuples(*[st.one_of(st.integers(1, 6).map(float), st.just(np.inf))] * 2), min_size=0, max_size=40)


def enumerated(one, other):
    """The two-sided p-value of the signed-rank test by its definition: every assignment of signs is equally likely."""
    kept = [(a, b) for a, b in zip(one, other, strict=True) if a != b]
    sizes = rankdata([abs(a - b) for a, b in kept])
    observed = sum(size for size, (a, b) in zip(sizes, kept, strict=True) if a > b)
    sums = np.array([np.dot(signs, sizes) for signs in product((0, 1), repeat=len(sizes))])
    return min(1.0, 2 * min((sums <= observed + 1e-9).mean(), (sums >= observed - 1e-9).mean()))


@settings(max_examples=40)
@given(FAILING.filter(lambda pairs: 0 < len(pairs) <= 9))
def test_the_signed_rank_test_is_exact_for_few_images(pairs):
    one, other = np.array(pairs).T
    compared = compare_distances(one, other)
    if all(a == b for a, b in pairs):
        assert (compared.p_value, compared.rank_biserial) == (1.0, 0.0)
    else:
        assert compared.p_value == pytest.approx(enumerated(one, other), abs=1e-9)


def test_the_signed_rank_test_equals_scipys_where_no_attack_fails():
    random = np.random.default_rng(0)
    for images in (20, 50, 51, 300):
        one = random.exponential(size=images)
        other = one + random.normal(0.1, 0.3, images)
        compared = compare_distances(one, other)
        assert compared.p_value == pytest.approx(wilcoxon(one, other).pvalue)
        assert (compared.shorter, compared.longer) == ((one < other).sum(), (one > other).sum())


def test_a_failure_is_longer_than_any_distance_however_long():
    one = np.array([1.0, 2.0, 3.0, 1000.0, np.inf, np.inf])
    other = np.array([1.5, 3.0, 5.0, 1.0, 7.0, np.inf])
    compared = compare_distances(one, other)
    # Differences: -0.5 -1 -2 +999 +inf, and two failures, which are left out. Ranks: -1 -2 -3 +4 +5
    assert (compared.shorter, compared.longer) == (3, 2)
    assert compared.rank_biserial == pytest.approx((-1 - 2 - 3 + 4 + 5) / 15)
    assert compared.p_value == pytest.approx(wilcoxon([-1, -2, -3, 4, 5]).pvalue)
    shared = compare_distances(np.array([1.0, 1.0, 2.0]), np.array([np.inf, np.inf, 1.5]))
    assert shared.rank_biserial == pytest.approx((1 - 2.5 - 2.5) / 6)


@given(FAILING)
def test_exchanging_the_attacks_changes_the_sign_alone(pairs):
    one, other = np.array(pairs).reshape(-1, 2).T
    there, back = compare_distances(one, other), compare_distances(other, one)
    assert there.p_value == pytest.approx(back.p_value)
    assert there.rank_biserial == pytest.approx(-back.rank_biserial)
    assert (there.shorter, there.longer) == (back.longer, back.shorter)
    assert 0 <= there.p_value <= 1
    assert -1 <= there.rank_biserial <= 1
    assert there.first_is_shorter == (there.rank_biserial < 0)


@given(st.lists(st.one_of(st.floats(0, 10), st.just(np.inf)), min_size=6, max_size=60))
def test_the_interval_of_a_median_contains_it_and_covers_95_percent(values):
    """The interval from the j-th to the k-th of n values contains the median of a continuous distribution with the
    probability that a binomial variable of n trials with chance 1/2 lies in [j, k)."""
    ordered = np.sort(values)
    low, high = median_interval(np.array(values))
    assert low <= quantile(pd.Series(values), 0.5) <= high
    at, images = int(np.searchsorted(ordered, low, "right")), len(ordered)  # the last place of a tie
    to = int(np.searchsorted(ordered, high, "left")) + 1  # the first place
    if len(set(values)) == images:
        assert binom.cdf(to - 1, images, 0.5) - binom.cdf(at - 1, images, 0.5) >= 0.95


def test_holm_matches_a_calculation_by_hand():
    # the sorted values times 4, 3, 2, 1, made non-decreasing
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.9, 0.8]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


def test_seeds_depend_on_every_name_and_on_nothing_else():
    assert derived_seed("victims/mnist/A", 1) == derived_seed("victims/mnist/A", 1)
    seeds = {derived_seed(*names) for names in [("a", "b"), ("b", "a"), ("a",), ("a", 1), ("a", 2), ("a/c",)]}
    assert len(seeds) == 6
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_distances_of_fooled_unfooled_and_misclassified_images():
    records = pd.DataFrame(
        {
            "index": [5, 2, 9, 4],
            "label": 0,
            "clean_prediction": [0, 0, 3, 3],
            "success": [True, False, True, False],
            "l2": [1.5, 7.0, 0.2, 0.2],
        }
    )
    assert distances(records).to_dict() == {5: 1.5, 2: np.inf, 9: 0.0, 4: 0.0}


def test_the_nearest_distance_is_taken_image_by_image_in_any_order():
    one, two = pd.Series({1: 3.0, 2: np.inf}), pd.Series({2: 4.0, 1: 5.0})
    assert nearest([one, two]).to_dict() == {1: 3.0, 2: 4.0}


DISTANCES = st.lists(st.one_of(st.floats(0, 10), st.just(np.inf)), min_size=1, max_size=30)


@given(values=DISTANCES, share=st.floats(0.01, 1))
def test_a_quantile_is_the_first_distance_that_covers_the_share(values, share):
    within = quantile(pd.Series(values), share)
    assert within in values
    assert np.mean(np.array(values) <= within) >= share - 1e-9
    assert np.mean(np.array(values) < within) < share + 1e-9


def test_the_quantile_of_no_images_is_nan():
    assert np.isnan(quantile(pd.Series([], dtype=float), 0.5))


@given(values=DISTANCES)
def test_a_security_curve_counts_images_beyond_each_distance(values):
    curve = security_curve(pd.Series(values))
    assert curve.distance[0] == 0
    assert (np.diff(curve.distance) > 0).all()
    for distance, accuracy in zip(curve.distance, curve.accuracy, strict=True):
        assert accuracy == pytest.approx(np.mean([value > distance for value in values]))
    assert curve.accuracy[-1] == pytest.approx(np.isinf(values).mean())
    assert (curve.low <= curve.accuracy + 1e-12).all()
    assert (curve.accuracy <= curve.high + 1e-12).all()


def test_a_noise_curve_has_the_distances_after_clipping_and_starts_with_the_clean_images():
    one = pd.DataFrame({"label": 0, "clean_prediction": [0, 0, 0, 1], "index": range(4)})
    low = one.assign(epsilon=1.0, prediction=[0, 0, 0, 1], l2=[0.5, 0.6, 0.7, 0.0])
    high = one.assign(epsilon=2.0, prediction=[0, 1, 1, 1], l2=[1.0, 1.2, 1.4, 0.0])
    curve = noise_curve(pd.concat([high, low], ignore_index=True))
    assert curve.distance.tolist() == pytest.approx([0, 0.6, 1.2])  # misclassified images stay as they are
    assert curve.accuracy.tolist() == [0.75, 0.75, 0.25]
    assert (curve.low < curve.accuracy).all()
    assert (curve.high > curve.accuracy).all()


def test_noise_that_changes_no_image_is_at_distance_0():
    records = pd.DataFrame({"label": [0], "clean_prediction": 1, "prediction": 1, "l2": 0.0, "epsilon": 1.0})
    assert noise_curve(records).distance.tolist() == [0, 0]


def test_success_within_a_flow_loss_is_read_off_the_records_of_a_minimal_attack():
    records = pd.DataFrame(
        {
            "index": range(4),
            "label": 0,
            "clean_prediction": [0, 0, 0, 1],
            "success": [True, True, False, True],
            "flow_loss": [10.0, 30.0, 0.0, 0.0],
        }
    )
    curve = security_curve(distances(records, "flow_loss"))
    assert curve.distance.tolist() == [0, 10, 30]
    assert curve.accuracy.tolist() == [0.75, 0.5, 0.25]
