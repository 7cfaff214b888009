import dataclasses

import numpy as np
import pandas as pd
import pytest

from foolflow.errors import InvalidInput
from foolflow.statistics.budget import Budget
from foolflow.statistics.intervals import wilson_interval
from foolflow.tables.leaderboard import Board, tabulate
from foolflow.tables.writing import best_cells
from tests.tables.boards import attempt

BOARD = Board("zoo", "mnist", None)
STRONG, WEAK = "+" * 12, "-" * 12


def accuracies(table, model, seed="0"):
    rows = table.data[(table.data["model"] == model) & (table.data["seed"] == seed)]
    return dict(zip(rows["against"], rows["accuracy"], strict=True))


def test_the_worst_case_is_taken_image_by_image():
    table = tabulate(BOARD, [attempt("A", "fgsm", "++--"), attempt("A", "deepfool", "+-+-", clean="+++-")])
    assert accuracies(table, "A") == {"clean": 1.0, "fgsm": 0.5, "deepfool": 0.5, "worst case": 0.25}
    row = table.data.iloc[1]
    assert row["against"] == "worst case"
    assert (row["low"], row["high"]) == pytest.approx(wilson_interval(1, 4))
    assert table.display.columns.tolist()[:3] == ["rank", "model", "defense"]
    assert table.display.loc[0, "worst case %"] == "25.0 (4.6 to 69.9)"
    assert table.display.loc[0, "n"] == "4"


def test_all_columns_use_the_images_that_the_attacks_have_in_common():
    attempts = [
        attempt("A", "fgsm", "--++"),
        attempt("A", "deepfool", "++", first=2),
        attempt("B", "fgsm", "++-+"),
        attempt("B", "deepfool", "+-", first=2),
    ]
    table = tabulate(BOARD, attempts)
    assert set(table.data["n"]) == {2}
    assert accuracies(table, "A")["fgsm"] == 1.0
    assert accuracies(table, "B")["worst case"] == 0.0
    with pytest.raises(InvalidInput, match="board zoo: its attacks have no image in common"):
        tabulate(BOARD, [attempt("A", "fgsm", "++"), attempt("A", "deepfool", "++", first=2)])


def test_rows_are_sorted_by_rank_and_all_pairs_are_compared():
    table = tabulate(
        BOARD, [attempt("bad", "fgsm", WEAK), attempt("one", "fgsm", STRONG), attempt("two", "fgsm", STRONG)]
    )
    assert table.display["model"].tolist() == ["one", "two", "bad"]
    assert table.display["rank"].tolist() == ["1", "1", "3"]
    assert table.display["letters"].tolist() == ["a", "a", "b"]
    worst = table.data[table.data["against"] == "worst case"].set_index("model")
    assert worst["letters"].to_dict() == {"one": "a", "two": "a", "bad": "b"}
    # Two p-values of 2 / 2^12, times 3, and one of 1
    assert worst["p_holm_vs_bad/none/0"].tolist()[:2] == pytest.approx([6 / 2**12] * 2)
    assert worst.loc["one", "p_holm_vs_two/none/0"] == worst.loc["two", "p_holm_vs_one/none/0"] == pytest.approx(1.0)
    assert np.isnan(worst.loc["one", "p_holm_vs_one/none/0"])
    assert "3 exact McNemar tests, one family, corrected after Holm" in table.notes[-1]
    assert table.findings == [
        "one and two share first place, with a worst-case accuracy of 100.0 % of 12 images each.",
        "Next is bad, with 0.0 % of 12 images (95 % interval 0.0 to 24.2): the differences are significant "
        "(exact McNemar tests, largest Holm-corrected p 0.001).",
        "2 of 3 pairs of victims differ significantly at 5 %. No significant difference: one and two.",
    ]


def test_the_title_names_the_budget_and_larger_perturbations_do_not_count():
    board = Board.from_entry({"name": "l2", "dataset": "mnist", "norm": "l2", "epsilon": 1.0})
    assert board.budget == Budget("l2", 1.0)
    table = tabulate(board, [attempt("A", "fgsm", "----", l2=[0.5, 1.0, 1.5, 3.0])])
    assert accuracies(table, "A")["worst case"] == 0.5
    assert table.title == "Leaderboard l2: mnist, within L2 1"
    assert "Only a perturbation within L2 1 counts" in table.notes[0]


def test_transferred_sets_have_one_column_per_attack_and_count_in_the_worst_case():
    attempts = [
        attempt("A", "fgsm", "+++-"),
        attempt("B", "fgsm", "++++"),
        attempt("B", "fgsm", "-+++", source="A/none"),
        attempt("B", "fgsm", "+-++", source="C/none"),
    ]
    table = tabulate(BOARD, attempts)
    assert accuracies(table, "B") == {"clean": 1, "fgsm": 1, "fgsm, transferred": 0.5, "worst case": 0.5}
    assert accuracies(table, "A") == {"clean": 1, "fgsm": 0.75, "worst case": 0.75}
    assert table.display.columns.tolist()[4:8] == ["clean %", "worst case %", "fgsm %", "fgsm, transferred %"]
    assert table.display["fgsm, transferred %"].tolist()[0] == ""
    assert any(note.startswith("Transferred") for note in table.notes)


def test_the_notes_say_that_sources_of_transferred_images_face_fewer_sets():
    own = [attempt("A", "fgsm", "+++-"), attempt("B", "fgsm", "++++")]
    to_b, to_a = attempt("B", "fgsm", "-+++", source="A/none"), attempt("A", "fgsm", "-+++", source="B/none")
    elsewhere = [attempt(name, "fgsm", "+-++", source="C/none") for name in "AB"]

    def noted(*transferred):
        return "itself a source has fewer sets" in " ".join(tabulate(BOARD, [*own, *transferred]).notes)

    assert noted(to_b)
    assert not noted(to_b, to_a)  # all victims are sources
    assert not noted(*elsewhere)
    assert not noted()


def test_with_several_seeds_the_mean_comes_first_and_all_victims_are_compared():
    attempts = [
        attempt(model, "fgsm", marks, seed=seed)
        for model, seed, marks in (("A", 0, "+---"), ("A", 1, "++--"), ("B", 0, "+++-"), ("B", 1, "++++"))
    ]
    table = tabulate(BOARD, attempts)
    assert table.display[["model", "seed"]].to_numpy().tolist() == [
        *(["B", seed] for seed in ("mean", "0", "1")),
        *(["A", seed] for seed in ("mean", "0", "1")),
    ]
    mean = table.data[(table.data["seed"] == "mean") & (table.data["against"] == "worst case")]
    assert mean["accuracy"].tolist() == [0.875, 0.375]
    assert mean["sd"].tolist() == pytest.approx([0.125 * 2**0.5] * 2)  # the sample standard deviation of two values
    assert mean["rank"].tolist() == [1, 2]
    assert table.display.loc[0, "worst case %"] == "87.5 ± 17.7"
    assert table.display["letters"].tolist() == ["", "a", "a", "", "a", "a"]
    assert "every pair of the board's 4 victims" in table.notes[-1]
    assert "(6 exact McNemar tests" in table.notes[-1]
    assert "B is first, with a worst-case accuracy of 87.5 ± 17.7 % (mean over the seeds)." in table.findings
    assert table.findings[1:] == [
        "Next is A, with 37.5 ± 17.7 % (mean over the seeds): the difference is significant for 0 of 2 seeds (exact "
        "McNemar test, largest Holm-corrected p 1.000).",
        "0 of 6 pairs of victims differ significantly at 5 %. No significant difference: B (seed 1) and B (seed 0); B "
        "(seed 1) and A (seed 1); B (seed 1) and A (seed 0); B (seed 0) and A (seed 1); B (seed 0) and A (seed 0); A "
        "(seed 1) and A (seed 0).",
    ]


def test_with_one_seed_the_tests_are_said_to_be_about_the_trained_networks():
    def note(*seeds):
        attempts = [attempt(name, "fgsm", "+---", seed=seed) for seed in seeds for name in "AB"]
        return tabulate(BOARD, attempts).notes[-1]

    assert note(0).endswith("and after another training the ranks may differ.")
    assert "another training" not in note(0, 1)


def test_the_seeds_for_which_the_difference_is_significant_are_counted():
    found = tabulate(
        BOARD,
        [
            attempt(model, "fgsm", marks, seed=seed)
            for model, seed, marks in (("A", 0, STRONG), ("A", 1, STRONG), ("B", 0, WEAK), ("B", 1, "+" * 10 + "--"))
        ],
    ).findings
    assert "the difference is significant for 1 of 2 seeds (" in found[1]


def test_not_differing_is_not_transitive():
    images = 40
    table = tabulate(BOARD, [attempt(str(k), "fgsm", "+" * k + "-" * (images - k)) for k in (32, 28, 24)])
    assert table.display["letters"].tolist() == ["a", "ab", "b"]
    assert table.findings[-1] == (
        "1 of 3 pairs of victims differ significantly at 5 %. No significant difference: 32 and 28; 28 and 24."
    )


def test_of_many_pairs_that_do_not_differ_only_some_are_named():
    found = tabulate(BOARD, [attempt(str(number), "fgsm", "++") for number in range(6)]).findings[-1]
    assert found.startswith(
        "0 of 15 pairs of victims differ significantly at 5 %. No significant difference: 0 and 1; "
    )
    assert found.endswith("; 1 and 5; 2 and 3, 5 other pairs (see the letters).")


def test_all_victims_that_tie_in_second_place_are_named_and_compared():
    best, good = "+" * 12, "+" * 6 + "-" * 6
    table = tabulate(BOARD, [attempt("A", "fgsm", best), attempt("B", "fgsm", good), attempt("C", "fgsm", good)])
    assert table.findings[1] == (
        "Next are B and C, with 50.0 % of 12 images each: no significant difference (exact McNemar tests, largest "
        "Holm-corrected p 0.094)."
    )
    # The same accuracy on different images: A differs from C, but not from B.
    marks = {"A": "+" * 16 + "-" * 12, "B": "+" * 8 + "-" * 20, "C": "-" * 20 + "+" * 8}
    found = tabulate(BOARD, [attempt(name, "fgsm", one) for name, one in marks.items()]).findings
    assert found[1].startswith("Next are B and C, with 28.6 % of 28 images each: 1 of 2 pairs differ significantly")


def test_victims_that_tie_with_several_seeds_have_their_own_deviations():
    marks = {"A": ("++--", "++--"), "B": ("+++-", "+---"), "C": ("----", "----")}
    attempts = [
        attempt(model, "fgsm", one, seed=seed) for model, each in marks.items() for seed, one in enumerate(each)
    ]
    found = tabulate(BOARD, attempts).findings
    assert found[0] == "A and B share first place, with a worst-case accuracy of 50.0 % (mean over the seeds)."
    assert found[1].startswith("Next is C, with 0.0 ± 0.0 % (mean over the seeds): the differences are all significant")


def test_victims_at_zero_are_one_group():
    zeros = [attempt(str(number), "fgsm", WEAK) for number in range(6)]
    marks = {"best": STRONG, "low": "+" + WEAK[1:]}
    found = tabulate(BOARD, [*(attempt(name, "fgsm", one) for name, one in marks.items()), *zeros]).findings
    assert found[-1] == (
        "7 of 28 pairs of victims differ significantly at 5 %. No significant difference: any two of the 6 victims at "
        "zero; low and each of these 6."
    )
    assert found[1].startswith("Next is low")
    pair = tabulate(BOARD, [attempt("best", "fgsm", STRONG), *zeros[:2]]).findings
    assert pair[1:] == [
        "Next are 0 and 1, with 0.0 % of 12 images each: the differences are significant (exact McNemar tests, "
        "largest Holm-corrected p 0.001).",
        "2 of 3 pairs of victims differ significantly at 5 %. No significant difference: 0 and 1.",
    ]


def test_means_that_are_equal_up_to_rounding_share_a_rank():
    marks = {"A": ("+--", "++-", "+++"), "B": ("+++", "+--", "++-"), "C": ("---", "---", "---")}
    attempts = [
        attempt(model, "fgsm", one, seed=seed) for model, each in marks.items() for seed, one in enumerate(each)
    ]
    data = tabulate(BOARD, attempts).data
    assert data[(data["seed"] == "mean") & (data["against"] == "clean")]["rank"].tolist() == [1, 1, 3]


def test_a_board_with_one_victim_has_no_letters():
    table = tabulate(BOARD, [attempt("A", "fgsm", "+-")])
    assert "letters" not in table.display
    assert not any("McNemar" in note for note in table.notes)


def test_a_first_place_without_a_significant_lead_is_reported_as_such():
    table = tabulate(BOARD, [attempt("A", "fgsm", "+++-"), attempt("B", "fgsm", "++--")])
    assert table.findings == [
        "A is first, with a worst-case accuracy of 75.0 % of 4 images (95 % interval 30.1 to 95.4).",
        "Next is B, with 50.0 % of 4 images (95 % interval 15.0 to 85.0): no significant difference (exact McNemar "
        "test, Holm-corrected p 1.000).",
        "No significant difference: A and B.",
    ]


def test_only_the_best_clean_and_worst_case_are_marked():
    """Under FGSM alone, the victim that masks its gradient has the highest accuracy."""
    attempts = [
        attempt("masks", "fgsm", "++++", clean="++++"),
        attempt("masks", "pgd", "----", clean="++++"),
        attempt("holds", "fgsm", "+++-", clean="+++-"),
        attempt("holds", "pgd", "++--", clean="+++-"),
    ]
    table = tabulate(BOARD, attempts)
    assert table.display["model"].tolist() == ["holds", "masks"]
    assert best_cells(table) == [(0, "worst case %"), (1, "clean %")]


def test_one_victim_and_victims_that_tie_are_described():
    alone = tabulate(BOARD, [attempt("A", "fgsm", "+-")])
    assert alone.findings == [
        "A/none is the only victim; its worst-case accuracy is 50.0 % of 2 images (95 % interval 9.5 to 90.5)."
    ]
    tied = tabulate(BOARD, [attempt("A", "fgsm", "+-"), attempt("B", "fgsm", "-+")])
    assert tied.findings[0] == "A and B share first place, with a worst-case accuracy of 50.0 % of 2 images each."
    assert not any(finding.startswith("Next") for finding in tied.findings)
    assert best_cells(tied) == []
    apart = tabulate(BOARD, [attempt("A", "fgsm", STRONG), attempt("B", "fgsm", WEAK)])
    assert apart.findings[-1] == "All pairs of victims differ significantly at 5 %."


def test_each_column_leads_to_its_set_or_to_all_of_its_sets():
    attempts = [
        attempt("A", "fgsm", "+++-"),
        attempt("B", "fgsm", "++++"),
        attempt("B", "fgsm", "-+++", source="A/none"),
        attempt("B", "fgsm", "+-++", source="C/none"),
        attempt("A", "fgsm", "++-+", source="C/none"),
    ]
    table = tabulate(BOARD, attempts)
    row = table.display["model"].tolist()
    a, b = ({"dataset": "mnist", "model": name, "defense": "none", "seed": 0} for name in "AB")
    assert table.images[row.index("A"), "fgsm %"] == {**a, "attack": "fgsm", "source": None}
    assert table.images[row.index("A"), "fgsm, transferred %"] == {**a, "attack": "fgsm", "source": "C/none"}
    several = {**b, "attacks": ["fgsm"]}
    assert table.images[row.index("B"), "fgsm, transferred %"] == several  # of two sources
    assert table.images[row.index("B"), "worst case %"] == several
    for column in ("clean %", "n"):
        assert table.images[row.index("B"), column] == b
    assert not any(column in ("rank", "letters") for _, column in table.images)


def test_of_a_sweep_the_images_of_the_epsilon_that_counts_are_shown():
    sweep = attempt("A", "fgsm", "++--")
    records = pd.concat([sweep.records.assign(epsilon=epsilon, linf=epsilon) for epsilon in (0.05, 0.1, 0.3)])
    board = Board.from_entry({"name": "linf", "dataset": "mnist", "norm": "linf", "epsilon": 0.1})
    table = tabulate(board, [dataclasses.replace(sweep, records=records, epsilon_norm="linf")])
    assert table.images[0, "fgsm %"]["epsilon"] == 0.1
    # The images of any of the epsilons may count if their norm is another.
    table = tabulate(board, [dataclasses.replace(sweep, records=records, epsilon_norm="l2")])
    assert "epsilon" not in table.images[0, "fgsm %"]
    assert "epsilon" not in tabulate(BOARD, [sweep]).images[0, "fgsm %"]


def test_means_over_seeds_have_no_images():
    attempts = [attempt("A", "fgsm", marks, seed=seed) for seed, marks in ((0, "+---"), (1, "++--"))]
    table = tabulate(BOARD, attempts)
    assert table.display["seed"].tolist() == ["mean", "0", "1"]
    assert {row for row, _ in table.images} == {1, 2}
    assert table.images[2, "fgsm %"]["seed"] == 1
