import numpy as np
from scipy.stats import bootstrap

from foolflow.statistics.bootstrap import percentile_interval, resamples


def test_as_many_images_are_drawn_as_there_are_and_always_the_same():
    drawn = list(resamples(7))
    assert all(one.sum() == 7 for one in drawn)
    assert all(np.array_equal(one, other) for one, other in zip(drawn, resamples(7), strict=True))
    assert any((one > 1).any() for one in drawn)


def test_the_percentile_interval_of_a_mean_matches_scipy():
    values = np.random.default_rng(0).exponential(size=60)
    found = percentile_interval(60, lambda drawn: float(drawn @ values) / 60)
    expected = bootstrap((values,), np.mean, n_resamples=4000, rng=1, method="percentile").confidence_interval
    np.testing.assert_allclose(found, expected, rtol=0.03)


def test_resamples_without_a_number_are_left_out():
    assert np.isnan(percentile_interval(0, lambda drawn: 1.0)).all()
    assert np.isnan(percentile_interval(3, lambda drawn: float("nan"))).all()
    assert percentile_interval(3, lambda drawn: 2.0 if drawn[0] else float("nan")) == (2.0, 2.0)
