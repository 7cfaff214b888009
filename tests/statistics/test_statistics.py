import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from statsmodels.stats.proportion import proportion_confint

from foolflow.compute.seeds import derived_seed
from foolflow.statistics.intervals import median_interval, wilson_interval
from foolflow.statistics.minimal import distances, nearest, noise_curve, quantile, security_curve
from foolflow.statistics.paired import compare_paired, holm


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
