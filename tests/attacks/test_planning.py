"""The number of images of each attack fits the budget."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foolflow.attacks import planning
from foolflow.attacks.planning import FEWEST, OVERHEAD, Speed, plan, rounded_down
from foolflow.attacks.standard import standard_attacks


def attacks(**more):
    counting = {"noise", "fgsm", "pgd", "pgd_margin", "autoattack", "minimal_linf"}
    return [
        {"name": name, "entry": entry | more, "counts": name in counting}
        for name, entry in standard_attacks("linf", 8 / 255).items()
    ]


def test_a_random_victim_takes_longer():
    entry = {"name": "pgd", "counts": True, "entry": {"method": "pgd", "parameters": {"epsilon": 0.1}}}
    seconds = [
        plan([entry], Speed(0.001, 0.003, 1.0, 500, 10, draws=draws), None)["pgd"].seconds - OVERHEAD
        for draws in (1, 10)
    ]
    assert seconds[1] == pytest.approx(10 * seconds[0])


def speed(seconds=0.001, resisting=0.5, images=5000):
    return Speed(forward=seconds, gradient=3 * seconds, resisting=resisting, images=images, classes=10)


def test_without_a_budget_every_attack_gets_all_images_up_to_its_own_limit():
    assert {one.images for one in plan(attacks(), speed(), None).values()} == {5000}
    assert {one.images for one in plan(attacks(images=300), speed(), None).values()} == {300}


@given(
    budget=st.floats(60, 1e5), seconds=st.floats(1e-6, 0.1), resisting=st.floats(0, 1), images=st.integers(1, 20_000)
)
def test_the_plan_fits_the_budget_and_attacks_of_the_worst_case_share_their_images(budget, seconds, resisting, images):
    listed = attacks(images=10_000)
    found = plan(listed, speed(seconds, resisting, images), budget)
    counting = {found[one["name"]].images for one in listed if one["counts"]}
    assert len(counting) == 1
    assert all(min(FEWEST, images) <= one.images <= min(images, 10_000) for one in found.values())
    more = [one.seconds for one in found.values() if one.images > FEWEST]  # the others take what they take
    assert sum(more) <= max(budget, OVERHEAD * len(listed) + budget / 2) * (1 + 1e-9)


def test_time_that_one_attack_does_not_need_goes_to_the_others(monkeypatch):
    costs = {"cheap": 0.001, "dear": 1.0}
    monkeypatch.setattr(planning, "seconds_per_image", lambda entry, speed: costs[entry["method"]])
    listed = [{"name": name, "entry": {"method": name}, "counts": False} for name in costs]
    found = plan(listed, speed(images=1000), 100 + 2 * OVERHEAD)
    assert found["cheap"].images == 1000  # takes 1 of its 50 seconds
    assert found["dear"].images == 80  # 99 are left; 80 is the step below


def test_an_attack_that_is_too_slow_still_gets_a_few_images():
    assert {one.images for one in plan(attacks(), speed(10.0), 60).values()} == {FEWEST}


@given(st.floats(1, 1e6))
def test_numbers_are_rounded_down_to_coarse_steps(count):
    found = rounded_down(count)
    assert found == FEWEST or 0.74 * count <= found <= count
    assert rounded_down(found) == found


@pytest.mark.parametrize(("count", "expected"), [(3, 10), (11.9, 10), (99, 80), (100, 100), (149, 120), (2500, 2500)])
def test_examples_of_rounding(count, expected):
    assert rounded_down(count) == expected


def test_a_short_budget_is_not_all_taken_by_starting_jobs():
    found = plan(attacks(), speed(1e-5, images=60), 30)
    assert {one.images for one in found.values()} == {60}


def test_without_a_gradient_only_attacks_that_need_none_get_images():
    found = plan(attacks(), Speed(0.001, 0.001, 1.0, 500, 10, differentiable=False), None)
    assert {name for name, one in found.items() if one.images} == {"noise", "autoattack"}
    assert all(one.images in (0, 500) for one in found.values())
