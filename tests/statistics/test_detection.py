import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap, norm
from sklearn.metrics import roc_auc_score

from foolflow.statistics.detection import Scores, area_under, mean_rate_of, rate_of, roc, threshold_at
from foolflow.statistics.intervals import wilson_interval


@given(found=st.lists(st.floats(0, 2), min_size=1, max_size=200), share=st.floats(0, 0.99))
def test_the_threshold_is_the_smallest_with_at_most_that_many_false_positives(found, share):
    values = np.array(found)
    threshold = threshold_at(values, share)
    assert (values > threshold).mean() <= share + 1e-8
    assert (values >= threshold).mean() > share


def test_five_percent_of_ten_thousand_is_500():
    assert (np.arange(10_000) > threshold_at(np.arange(10_000.0), 0.05)).sum() == 500


def area(clean, adversarial):
    return (clean[:, None] < adversarial).mean() + 0.5 * (clean[:, None] == adversarial).mean()


def scores(values, first=0):
    """Return scores of images with indices from `first` on."""
    return Scores(np.asarray(values, float), np.arange(first, first + len(values)))


@given(st.lists(st.integers(0, 5), min_size=2, max_size=20), st.lists(st.integers(0, 5), min_size=2, max_size=20))
def test_the_area_matches_its_definition(clean, adversarial):
    found = area_under(scores(clean), scores(adversarial))
    assert found.area == pytest.approx(area(np.array(clean), np.array(adversarial)))
    assert 0 <= found.low <= found.high <= 1


def test_the_interval_of_independent_images_matches_scipys_bootstrap():
    generator = np.random.default_rng(0)
    clean, adversarial = generator.normal(size=150), generator.normal(1, 1.5, size=100).round(1)
    found = area_under(scores(clean), scores(adversarial, first=150))
    expected = bootstrap(
        (clean, adversarial), area, vectorized=False, paired=False, n_resamples=1000, rng=1, method="percentile"
    ).confidence_interval
    np.testing.assert_allclose([found.low, found.high], expected, atol=0.015)


def test_the_interval_of_paired_images_matches_scipys_paired_bootstrap():
    generator = np.random.default_rng(0)
    clean = generator.normal(size=150)
    adversarial = clean + generator.normal(0.5, 0.3, size=150)
    found = area_under(scores(clean), scores(adversarial))
    expected = bootstrap(
        (clean, adversarial), area, vectorized=False, paired=True, n_resamples=1000, rng=1, method="percentile"
    ).confidence_interval
    np.testing.assert_allclose([found.low, found.high], expected, atol=0.01)
    apart = area_under(scores(clean), scores(adversarial, first=150))
    assert found.high - found.low < 0.8 * (apart.high - apart.low)


def test_copies_of_an_adversarial_image_add_no_certainty():
    generator = np.random.default_rng(0)
    clean, adversarial = scores(generator.normal(size=80)), scores(generator.normal(1, size=80))
    copies = Scores(np.tile(adversarial.score, 4), np.tile(adversarial.image, 4))
    once, four = area_under(clean, adversarial), area_under(clean, copies)
    assert (four.area, four.low, four.high) == pytest.approx((once.area, once.low, once.high))


def test_intervals_are_reproducible_and_do_not_depend_on_the_order_of_the_rows():
    generator = np.random.default_rng(0)
    clean, adversarial = scores(generator.normal(size=40)), scores(generator.normal(1, size=40))
    order = generator.permutation(40)
    found = area_under(clean, adversarial)
    assert found == area_under(clean, adversarial)
    assert found == area_under(clean, Scores(adversarial.score[order], adversarial.image[order]))


def test_the_interval_has_no_width_if_the_scores_are_separated():
    found = area_under(scores(np.zeros(10)), scores(np.ones(5)))
    assert (found.area, found.low, found.high) == (1, 1, 1)


def test_one_image_gives_no_area():
    assert np.isnan(area_under(scores(np.zeros(10)), scores(np.ones(1))).area)


def test_the_curve_encloses_the_area():
    generator = np.random.default_rng(0)
    clean, adversarial = generator.normal(size=50), generator.normal(1, size=40)
    curve = roc(clean, adversarial)
    expected = roc_auc_score(np.arange(90) >= 50, np.concatenate([clean, adversarial]))
    assert curve.area == pytest.approx(expected)


def test_the_rate_of_no_images_is_nan():
    found = rate_of(np.zeros(0, dtype=bool))
    assert np.isnan(found.rate)
    assert (found.low, found.high) == (0, 1)


def test_the_rate_of_single_images_has_wilsons_interval():
    chosen = np.arange(50) < 20
    for found in (rate_of(chosen), rate_of(chosen, np.arange(50)), rate_of(chosen, np.arange(50)[::-1])):
        assert (found.rate, found.low, found.high) == (0.4, *wilson_interval(20, 50))


def test_several_rows_of_an_image_are_clustered():
    """A linear statistic of clusters of equal size has the bootstrap distribution of the clusters' means."""
    generator = np.random.default_rng(0)
    of_image = generator.random(200)
    chosen = generator.random((200, 4)) < of_image[:, None]
    image = np.repeat(np.arange(200), 4)
    found = rate_of(chosen.ravel(), image)
    means = chosen.mean(1)
    reach = norm.ppf(0.975) * means.std() / np.sqrt(200)
    assert (found.low, found.high) == pytest.approx((means.mean() - reach, means.mean() + reach), abs=0.005)
    naive = wilson_interval(int(chosen.sum()), chosen.size)
    assert found.high - found.low > 1.2 * (naive[1] - naive[0])


@given(st.integers(1, 30), st.integers(2, 4))
def test_copies_add_no_certainty_and_unanimous_rows_have_wilsons_interval_of_the_images(images, copies):
    image = np.tile(np.arange(images), copies)
    assert rate_of(np.ones(len(image), bool), image).low == wilson_interval(images, images)[0]
    assert rate_of(np.zeros(len(image), bool), image).high == wilson_interval(0, images)[1]


def test_the_mean_of_several_rates_gives_each_the_same_weight():
    rng, image = np.random.default_rng(0), np.arange(200)
    many, few = rng.random(200) < 0.9, rng.random(20) < 0.2
    found = mean_rate_of([(many, image), (few, image[:20]), (few[:0], image[:0])])
    assert found.rate == pytest.approx((many.mean() + few.mean()) / 2)
    assert found.total == 200
    assert found.low < found.rate < found.high
    # the same rows twice say nothing new
    assert mean_rate_of([(many, image), (many, image)]).low == pytest.approx(mean_rate_of([(many, image)]).low)
    certain = mean_rate_of([(np.ones(20, bool), image[:20])] * 2)
    assert (certain.low, certain.high) == wilson_interval(20, 20)
    assert np.isnan(mean_rate_of([(few[:0], image[:0])]).rate)


def test_the_mean_of_several_areas_gives_each_the_same_weight():
    clean = scores(np.linspace(0, 1, 50))
    far, near = scores(np.full(40, 2.0)), scores(np.linspace(0, 1, 10))
    found = area_under(clean, far, near, scores(np.zeros(1)))
    assert found.area == pytest.approx((1 + 0.5) / 2)
    assert found.low < found.area < found.high
