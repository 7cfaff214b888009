import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap
from sklearn.metrics import roc_auc_score

from foolflow.statistics.detection import area_under, rate_of, roc, threshold_at


@given(scores=st.lists(st.floats(0, 2), min_size=1, max_size=200), share=st.floats(0, 0.99))
def test_the_threshold_is_the_smallest_with_at_most_that_many_false_positives(scores, share):
    values = np.array(scores)
    threshold = threshold_at(values, share)
    assert (values > threshold).mean() <= share + 1e-8
    assert (values >= threshold).mean() > share


def test_five_percent_of_ten_thousand_is_500():
    assert (np.arange(10_000) > threshold_at(np.arange(10_000.0), 0.05)).sum() == 500


def area(clean, adversarial):
    return (clean[:, None] < adversarial).mean() + 0.5 * (clean[:, None] == adversarial).mean()


def test_the_area_matches_its_definition_and_its_interval_a_bootstrap():
    generator = np.random.default_rng(0)
    clean, adversarial = generator.normal(size=150), generator.normal(1, 1.5, size=100).round(1)
    found = area_under(clean, adversarial)
    assert found.area == pytest.approx(area(clean, adversarial))
    expected = bootstrap(
        (clean, adversarial), area, vectorized=False, paired=False, n_resamples=1000, rng=1, method="percentile"
    ).confidence_interval
    np.testing.assert_allclose([found.low, found.high], expected, atol=0.015)


def test_the_interval_has_no_width_if_the_scores_are_separated():
    found = area_under(np.zeros(10), np.ones(5))
    assert (found.area, found.low, found.high) == (1, 1, 1)


def test_one_image_gives_no_area():
    assert np.isnan(area_under(np.zeros(10), np.ones(1)).area)


def test_the_curve_encloses_the_area():
    generator = np.random.default_rng(0)
    clean, adversarial = generator.normal(size=50), generator.normal(1, size=40)
    curve = roc(clean, adversarial)
    expected = roc_auc_score(np.arange(90) >= 50, np.concatenate([clean, adversarial]))
    assert np.trapezoid(curve.detected, curve.false_positives) == pytest.approx(expected)


def test_the_rate_of_no_images_is_nan():
    found = rate_of(np.zeros(0, dtype=bool))
    assert np.isnan(found.rate)
    assert (found.low, found.high) == (0, 1)
