"""The answer: what the verdict says, which victims differ, and which images are shown."""

import numpy as np
import pytest

from foolflow.pages.answer import Board, Rate, Standing, board, verdict, victim_name
from tests.pages.pages import Attack, World

NAMES = ("zero", "one", "two")


def standing(name, clean, worst, differs=False, n=100, rank=2):
    victim = {"dataset": "digits", "model": name, "defense": "none", "seed": 0}
    kept = worst / clean if clean else 0.0
    rates = Rate.of(clean, n), Rate.of(worst, n), Rate.of(worst, n)
    return Standing(name, victim, *rates, kept, rank, "b" if differs else "a", differs, "pgd", victim)


def judged(*standings, threat="L∞ 8/255", bounded=True):
    return Board("digits_linf", "digits", threat, bounded, 100, list(standings))


@pytest.mark.parametrize(
    ("worst", "words"),
    [
        (0, "keeps almost none of its accuracy"),
        (8, "keeps almost none of its accuracy"),
        (30, "loses more than half of its accuracy"),
        (60, "loses a good part of its accuracy"),
        (79, "keeps most of its accuracy"),
    ],
)
def test_the_verdict_on_one_victim_says_how_much_it_keeps(worst, words):
    text = verdict(judged(standing("lenet", 90, worst)))
    assert text == f"On digits, within L∞ 8/255, lenet {words} under attack: {worst}.0\u00a0% instead of 90.0\u00a0%."


def test_the_verdict_on_several_victims_names_the_best_and_those_that_do_not_differ():
    best, close, far = standing("a", 90, 60, rank=1), standing("b", 91, 58), standing("c", 95, 5, differs=True)
    assert "a is the most robust of 2 victims: it" in verdict(judged(best, far))
    assert verdict(judged(best, far)).endswith("instead of 90.0\u00a0%; the others are significantly less robust.")
    assert verdict(judged(best, close)).endswith("; the others do not differ significantly.")
    text = verdict(judged(best, close, far))
    start = "On digits, within L∞ 8/255, a has the highest worst-case accuracy of 3 victims: it loses a good part of"
    assert text.startswith(start)
    assert text.endswith("; b does not differ significantly.")
    several = [standing(name, 90, 57) for name in "bcdefg"]
    assert verdict(judged(best, *several[:2], far)).endswith("; b and c do not differ significantly.")
    assert verdict(judged(best, *several, far)).endswith("; b, c, d, e and 2 others do not differ significantly.")


def test_victims_that_share_the_first_place_are_named_together():
    first = [standing(name, 90, 60, rank=1) for name in "ab"]
    close, far = standing("c", 90, 55), standing("d", 95, 5, differs=True)
    text = verdict(judged(*first))
    start = "On digits, within L∞ 8/255, both victims share the highest worst-case accuracy, 60.0\u00a0%."
    assert text == start
    assert verdict(judged(*first, far)).endswith("60.0\u00a0%; the others are significantly less robust.")
    assert "a and b share the highest worst-case accuracy" in verdict(judged(*first, close, far))


def test_if_the_best_keeps_nothing_none_is_robust():
    text = verdict(judged(standing("a", 90, 1), standing("b", 99, 0), bounded=False))
    assert text == (
        "On digits, under all attacks of this run, neither victim is robust: the accuracy of the best one falls from "
        "90.0\u00a0% to 1.0\u00a0%."
    )


def test_a_victim_that_is_never_right_has_a_verdict():
    assert "0.0\u00a0% instead of 0.0\u00a0%" in verdict(judged(standing("a", 0, 0)))


def test_a_victim_is_named_by_what_tells_it_apart():
    cell = {"dataset": "digits", "model": "lenet", "defense": "jpeg", "seed": 3}
    assert victim_name(cell) == "lenet with jpeg"
    assert victim_name(cell | {"defense": "none"}, several_seeds=True) == "lenet (seed 3)"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("results"))
    made.add_dataset("digits", NAMES)
    for victim in ("a", "b"):
        made.add_set("digits", (victim, "none", 0), Attack("weak", (0.05,)))
        made.add_set("digits", (victim, "none", 0), Attack("strong", (0.2,)))
        made.judge("digits", (victim, "none", 0), [("weak", None), ("strong", None)], NAMES, "leaderboard")
    return made


def built(world, *, norm="linf", epsilon=0.2, table=None, is_shown=lambda cell, row: True):
    cells = [cell | {"study": "leaderboard"} for cell in world.cells]
    spec = {"title": "board", "dataset": "digits", "norm": norm, "epsilon": epsilon, "table": table}
    return board(spec | {"attempts": cells}, world.artefacts, is_shown)


def by_hand(world, victim, attacks):
    """Return for each test image whether the victim is right on it, clean and under each of these attacks."""
    right = np.ones(12, bool)
    for attack in attacks:
        records = world.artefacts.records({"dataset": "digits", "model": victim, "defense": "none", "seed": 0} | attack)
        clean = records["clean_prediction"] == records["label"]
        right &= (clean & (records["prediction"] == records["label"])).to_numpy()
    return right


def test_the_worst_case_is_over_all_attacks_within_the_budget(world):
    both = [{"attack": name, "source": None} for name in ("weak", "strong")]
    for one in built(world).standings:
        right = by_hand(world, one.cell["model"], both)
        assert (one.worst.value, one.worst.n) == (right.mean(), 12)
        assert one.worst.low < one.worst.value < one.worst.high or one.worst.value in (0, 1)
        assert one.hardest == "strong"
    assert built(world).threat == "L∞ 0.2"
    assert built(world, norm=None, epsilon=None).threat == "changes of any size"


def test_a_model_may_be_named_like_a_number(tmp_path):
    made = World(tmp_path)
    made.add_dataset("digits", NAMES)
    made.add_set("digits", ("1", "none", 0), Attack("fgsm", (0.1,)))
    made.judge("digits", ("1", "none", 0), [("fgsm", None)], NAMES, "leaderboard")
    file = tmp_path / "tables/leaderboard/digits.csv"
    file.parent.mkdir(parents=True)
    rows = ("clean,12,0.75,0.5,0.9", "worst case,12,0.25,0.1,0.5")
    header = "model,defense,seed,against,n,accuracy,low,high"
    file.write_text("\n".join([header, *(f"1,none,0,{row}" for row in rows)]))
    made.files["tables"] = [file]
    (one,) = built(made, table="leaderboard/digits").standings
    assert (one.name, one.clean.value, one.worst.value) == ("1", 0.75, 0.25)


def test_a_larger_perturbation_than_the_budget_does_not_count(world):
    weak = by_hand(world, "a", [{"attack": "weak", "source": None}]).mean()
    assert {one.worst.value for one in built(world, epsilon=0.05).standings} == {weak}  # equal victims
    assert weak > max(one.worst.value for one in built(world).standings)
    for one in built(world, epsilon=0.01).standings:
        assert one.worst.value == one.clean.value


def test_a_more_robust_victim_comes_first_and_equals_share_a_rank_and_a_letter(tmp_path):
    made = World(tmp_path)
    made.add_dataset("digits", NAMES)
    for victim, epsilon in (("a", 0.2), ("b", 0.2), ("robust", 0.05)):
        made.add_set("digits", (victim, "none", 0), Attack("fgsm", (epsilon,)))
        made.judge("digits", (victim, "none", 0), [("fgsm", None)], NAMES, "leaderboard")
    found = [(one.name, one.rank, one.letters, one.differs) for one in built(made).standings]
    assert found == [("robust", 1, "a", False), ("a", 2, "b", True), ("b", 2, "b", True)]


def test_victims_attacked_on_different_images_are_ranked_on_those_they_share(tmp_path):
    """As with a budget. On the three that they share, both are right; the larger set says less of the first one."""
    made = World(tmp_path)
    made.add_dataset("digits", NAMES)
    for victim, count in (("many", 12), ("few", 3)):
        made.add_set("digits", (victim, "none", 0), Attack("fgsm", (0.05,)), indices=range(count))
        made.judge("digits", (victim, "none", 0), [("fgsm", None)], NAMES, "leaderboard")
    found = built(made)
    assert found.compared == 3
    assert [one.rank for one in found.standings] == [1, 1]
    assert {one.worst.n for one in found.standings} == {3, 12}
    assert "of the 3 images that every attack tried" in verdict(found)


def test_the_examples_are_fooled_images_that_the_page_holds(world):
    for one in built(world).standings:
        assert 0 < len(one.examples) <= 8
        assert len({example.index for example in one.examples}) == len(one.examples)
        fooled = [example.after != example.label for example in one.examples]
        assert fooled == sorted(fooled, reverse=True)
        assert all(example.before == example.label for example in one.examples)
    few = built(world, is_shown=lambda cell, row: row < 2)
    assert all(example.row < 2 for one in few.standings for example in one.examples)
    assert built(world, is_shown=lambda cell, row: False).standings[0].examples == []


def test_attacks_on_different_images_have_no_worst_case(tmp_path):
    apart = World(tmp_path)
    apart.add_dataset("digits", NAMES)
    apart.add_set("digits", ("a", "none", 0), Attack("weak", (0.05,)), indices=range(6))
    apart.add_set("digits", ("a", "none", 0), Attack("strong", (0.2,)), indices=range(6, 12))
    apart.judge("digits", ("a", "none", 0), [("weak", None), ("strong", None)], NAMES, "leaderboard")
    assert built(apart).standings == []
