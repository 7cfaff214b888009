from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml

from foolflow.statistics.masking import Roles
from foolflow.tables.defenses import Cell, tabulate
from foolflow.tables.writing import MINUS, best_cells

ROLES = Roles(iterative="pgd", single_step="fgsm", huge="pgd_huge")


def cell(defense, kind, attack, wrong, n=100, seed=0):
    """Return a cell whose first five images are wrong when clean, and the first `wrong` under the attack."""
    index = np.arange(n)
    columns = {
        "epsilon": np.nan if attack == "deepfool" else 0.1,
        "label": 0,
        "clean_prediction": (index < 5).astype(int),
        "prediction": (index < wrong).astype(int),
        "prediction_8bit": (index < wrong - 3).astype(int),
        "clean_loss": 0.25,
        "loss": wrong / 10,
    }
    return Cell("six_conv", defense, seed, kind, attack, pd.DataFrame({"index": index, **columns}))


def made(cells, root, dataset="cifar10", roles=None, model="six_conv"):
    """Return the table, with R3's numbers as those of a model and of defenses with short names."""
    reference = yaml.safe_load((root / "reference/r3_defenses.yaml").read_text())
    (published,) = reference["accuracy"]["cifar10"].values()
    reference["accuracy"]["cifar10"] = {model: {name.removesuffix("_students"): published[name] for name in published}}
    reference["protocol"] = {name.removesuffix("_students"): said for name, said in reference["protocol"].items()}
    return tabulate("title", dataset, cells, roles, reference)


@pytest.fixture
def cells():
    return [
        cell("none", "static", "fgsm", 90),
        cell("none", "static", "deepfool", 95),
        cell("feature_squeezing", "static", "fgsm", 40),
        cell("feature_squeezing", "adaptive", "pgd", 98, n=50),
    ]


def row(table, defense, kind, attack):
    data = table.data
    (found,) = data[(data["defense"] == defense) & (data["kind"] == kind) & (data["attack"] == attack)].to_dict(
        "records"
    )
    return found


def test_adaptive_attacks_have_no_published_numbers(cells, root):
    table = made(cells, root)
    assert row(table, "none", "static", "fgsm")["published"] == pytest.approx(0.001)
    assert row(table, "feature_squeezing", "static", "fgsm")["published"] == pytest.approx(0.453)
    assert np.isnan(row(table, "feature_squeezing", "adaptive", "pgd")["published"])
    assert table.display["published: deepfool %"].tolist() == ["7.40", "", ""]
    assert "published: deepfool %" not in made(cells, root, "digits").display


def test_the_loss_stands_next_to_each_accuracy(cells, root):
    table = made(cells, root)
    assert table.display["static: fgsm %"].tolist()[:2] == [
        "10.00 (5.5 to 17.4; loss 9.00)",
        "60.00 (50.2 to 69.1; loss 4.00)",
    ]
    assert row(table, "feature_squeezing", "adaptive", "pgd")["loss"] == pytest.approx(9.8)
    assert row(table, "feature_squeezing", "adaptive", "pgd")["clean_loss"] == 0.25
    assert "loss" not in table.display["worst case %"].iloc[0]


@pytest.fixture
def both_protocols():
    shown = [cell("none", "static", attack, wrong) for attack, wrong in (("fgsm", 90), ("deepfool", 95))]
    for kind, wrong in (("static", 66), ("white_box", 2)):
        shown += [cell("adversarial_training", kind, attack, wrong) for attack in ("fgsm", "deepfool")]
    shown += [cell("none", "white_box", "pgd", 100), cell("feature_squeezing", "static", "fgsm", 55)]
    return shown


def test_published_numbers_are_compared_under_both_protocols(root, both_protocols):
    table = made(both_protocols, root, roles=ROLES)
    shown = table.display.set_index("defense").loc["adversarial_training"]
    assert shown["published: fgsm %"] == "76.90"
    assert shown["vs. published: fgsm, static"] == f"{MINUS}42.9 lower"
    assert shown["vs. published: fgsm, white box"] == "+21.1 higher"
    found = [one for one in table.findings if one.startswith(("Published for", "No accuracy"))]
    assert found == [
        "Published for no defense under deepfool: 7.4 %. Ours is 5.0 % of 100 images (95 % interval 2.2 to 11.2); "
        "rounding these images to 8 bits makes it 8.0 %.",
        "Published for no defense under fgsm: 0.1 %. Ours is 10.0 % of 100 images (95 % interval 5.5 to 17.4); pgd, of "
        "many steps, leaves 0.0 % of 100 images (95 % interval 0.0 to 3.7).",
        "No accuracy of adversarial_training under deepfool was published. Ours is 34.0 % of 100 images (95 % interval "
        "25.5 to 43.7) static and 98.0 % of 100 images (95 % interval 93.0 to 99.4) white box. deepfool has no "
        "epsilon: made on a victim itself, it goes on until the prediction changes, so its accuracy says little about "
        "a defense; the size of its perturbations would.",
        "Published for adversarial_training under fgsm: 76.9 %. Ours is 34.0 % of 100 images (95 % interval 25.5 to "
        "43.7) static and 98.0 % of 100 images (95 % interval 93.0 to 99.4) white box. The text says that the attack "
        "is applied again after the training, so white box is the likelier comparison.",
        "Published for feature_squeezing under fgsm: 45.3 %. Ours is 45.0 % of 100 images (95 % interval 35.6 to 54.8) "
        "static. The text says that the attacks are made on the clean model, so static is the only comparison.",
    ]


def test_the_comparison_with_published_numbers_names_its_seed_if_there_are_several(root):
    shown = [cell("feature_squeezing", "static", "fgsm", 55, seed=seed) for seed in (3, 4)]
    (finding,) = [one for one in made(shown, root).findings if one.startswith("Published for")]
    assert "Ours (seed 3) is 45.0 %" in finding


def test_the_summary_of_agreement_counts_each_published_number_once(root, both_protocols):
    (finding,) = [one for one in made(both_protocols, root).findings if one.startswith("Published (students)")]
    assert "of 7 comparisons" in finding  # three clean ones, two undefended, and one of each defense
    assert "21.1 points for adversarial_training under fgsm" in finding


def test_the_worst_case_counts_images_that_stay_correct_under_every_attack(cells, root):
    worst = row(made(cells, root), "feature_squeezing", "worst case", "all")
    assert (worst["n"], worst["accuracy"], worst["clean"]) == (50, 0.0, pytest.approx(0.9))
    # DeepFool, which has no epsilon, leaves 0.05
    assert row(made(cells, root), "none", "worst case", "all")["accuracy"] == pytest.approx(0.10)
    assert row(made(cells[1:2], root), "none", "worst case", "all")["accuracy"] == pytest.approx(0.05)


def test_the_worst_case_counts_a_clean_error_that_the_attacks_correct_as_an_error(root):
    """An adversary may leave the image unchanged. A single attack is described as it is."""
    shown = [cell("none", "static", "fgsm", 90)]
    shown += [cell("trained", kind, "fgsm", wrong) for kind, wrong in (("static", 2), ("white_box", 1))]
    table = made(shown, root, "digits")
    assert row(table, "trained", "white_box", "fgsm")["accuracy"] == pytest.approx(0.99)
    assert row(table, "trained", "worst case", "all")["accuracy"] == pytest.approx(0.95)
    (finding,) = [one for one in table.findings if one.startswith("Of the attacks in the worst case")]
    assert "an accuracy of 95.0 % of 100" in finding
    assert "leaves 95.0 % of 100 images" in finding
    corrected = [cell("trained", "white_box", "fgsm", 0), cell("other", "white_box", "fgsm", 5)]
    assert row(made(corrected, root), "trained", "worst case", "all")["p_holm_vs_six_conv/other/0"] == 1


def test_each_defense_is_compared_with_none_under_the_same_attack_unless_it_is_static(cells, root):
    direct = [cell("none", "white_box", "fgsm", 90), cell("feature_squeezing", "white_box", "fgsm", 40)]
    table = made([*cells, *direct], root)
    assert table.data["holm_p"].notna().sum() == 1
    assert row(table, "feature_squeezing", "white_box", "fgsm")["holm_p"] < 1e-10
    assert not made(cells, root).data["holm_p"].notna().any()


def test_published_numbers_stand_next_to_the_network_that_repeats_the_recipe_alone(cells, root):
    """R3's are about its own layers and training, not about another network with a defense of that name."""
    table = made(cells, root, model="six_conv_students")
    assert not table.data[["published", "published_clean"]].notna().any(axis=None)
    assert not any("ublished" in one for one in [*table.findings, *table.notes, *table.display.columns])


def test_a_protocol_that_the_text_states_excludes_the_other(root):
    shown = [cell("feature_squeezing", kind, "fgsm", 55) for kind in ("static", "white_box")]
    shown += [cell("adversarial_training", kind, "fgsm", 55) for kind in ("static", "white_box")]
    known = made(shown, root).data.set_index(["defense", "kind"])["published"]
    assert known["feature_squeezing", "static"] == pytest.approx(0.453)
    assert np.isnan(known["feature_squeezing", "white_box"])
    assert known["adversarial_training", "static"] == known["adversarial_training", "white_box"] == pytest.approx(0.769)


def test_any_static_attack_that_beats_many_steps_on_the_victim_itself_is_a_sign_of_masking(root):
    """Whatever its name: PGD with all its steps for other networks has another one than PGD that stops early."""
    shown = [cell("bits", "white_box", "pgd", 10), cell("bits", "static", "pgd_transfer", 50)]
    (warning,) = made(shown, root, roles=ROLES).data["warnings"].unique()
    assert warning.startswith("transferred pgd_transfer leaves an accuracy of 50.0 %")


def test_an_adaptive_attack_is_compared_with_the_white_box_attack_that_it_repeats_without_a_filter(root):
    shown = [cell("none", "white_box", "pgd", 90), cell("squeeze", "white_box", "pgd", 20)]
    adaptive = cell("squeeze", "adaptive", "pgd_adaptive", 88)
    table = made([*shown, replace(adaptive, repeats="pgd")], root, "digits")
    assert row(table, "squeeze", "adaptive", "pgd_adaptive")["holm_p"] == 0.5  # two images of 100
    same = "Not significantly different from the undefended victim at 5 %: squeeze under adaptive pgd_adaptive"
    assert table.findings[-1].startswith(same)
    (note,) = [one for one in table.notes if one.startswith("Each defense")]
    assert "an adaptive attack with the white-box one that it repeats on a victim without a filter" in note


def test_attacks_that_were_not_compared_with_none_are_named(root):
    shown = [cell(name, "white_box", "pgd", wrong) for name, wrong in (("none", 90), ("squeeze", 20))]
    assert made(shown, root, "digits").findings[-1] == (
        "Each defense differs significantly from none at 5 % under every attack (1 test)."
    )
    others = [cell("squeeze", "adaptive", "pgd_adaptive", 88)]
    others += [cell(name, "white_box", "pgd_huge", 100) for name in ("none", "squeeze")]
    assert made([*shown, *others], root, "digits", ROLES).findings[-1] == (
        "Each defense differs significantly from none at 5 % under every attack that was tested (1 test). Not tested: "
        "adaptive pgd_adaptive and white box pgd_huge."
    )
    elsewhere = [replace(cell("squeeze", "white_box", "pgd", 20), model="lenet")]
    assert (
        made([*shown, *elsewhere], root, "digits")
        .findings[-1]
        .endswith("(1 test). Not tested: squeeze (lenet, seed 0) under white box pgd.")
    )


def test_masking_is_flagged_in_its_row_and_explained_in_a_finding(root):
    shown = [
        cell("none", "white_box", "pgd", 100),
        cell("blind", "white_box", "pgd", 5),
        cell("blind", "white_box", "fgsm", 5),
        cell("blind", "white_box", "pgd_huge", 5),
        cell("blind", "adaptive", "pgd_adaptive", 100),
    ]
    table = made(shown, root, roles=ROLES)
    assert table.display["gradient masking"].tolist() == ["no sign", "SUSPECTED"]
    (finding,) = [
        finding for finding in table.findings if finding.startswith("Gradient masking is suspected for blind")
    ]
    assert "adaptive pgd_adaptive leaves an accuracy of 0.0 %" in finding
    assert "pgd_huge, whose radius allows any image to become grey, still leaves an accuracy of 95.0 %" in finding


def test_a_single_step_collapse_is_seen_in_a_defense_and_not_in_the_undefended_victim(root):
    def shown(undefended):
        return [
            cell("none", "white_box", "fgsm", 100 - undefended),
            cell("none", "white_box", "pgd", 100),
            cell("single_step", "white_box", "fgsm", 30),
            cell("single_step", "white_box", "pgd", 99),
        ]

    table = made(shown(undefended=7), root, "digits", ROLES)
    assert table.display["gradient masking"].tolist() == ["no sign", "SUSPECTED"]
    (finding,) = [one for one in table.findings if one.startswith("Gradient masking")]
    assert (
        "a single-step collapse: white-box pgd leaves an accuracy of 1.0 %, fgsm 70.0 % on the same images" in finding
    )
    curved = made(shown(undefended=70), root, "digits", ROLES)
    assert curved.display["gradient masking"].tolist() == ["no sign", "no sign"]


def test_the_attack_with_a_huge_radius_is_not_part_of_the_worst_case(root):
    shown = [cell("none", "white_box", "pgd", 50), cell("none", "white_box", "pgd_huge", 100)]
    table = made(shown, root, roles=ROLES)
    assert row(table, "none", "worst case", "all")["accuracy"] == 0.5
    words = "pgd_huge, whose radius only reveals gradient masking, does not count."
    assert table.notes[0].endswith(words)
    assert not any(words in note for note in made(shown, root).notes)


def test_several_seeds_have_a_mean_and_a_standard_deviation(root):
    shown = [cell("none", "white_box", "pgd", wrong, seed=seed) for seed, wrong in enumerate((40, 50, 60))]
    table = made(shown, root)
    assert table.data["mean_over_seeds"].unique() == pytest.approx([0.5])
    assert table.data["sd_over_seeds"].unique() == pytest.approx([0.1])
    assert table.display["seed"].tolist() == ["0", "1", "2", "mean ± sd"]
    assert table.display["white box: pgd %"].tolist()[-1] == "50.00 ± 10.00"


def test_an_attack_without_an_epsilon_is_not_a_sign_of_masking(root):
    """stAdv and DeepFool are not limited by an epsilon, so their success says nothing about the gradient."""
    shown = [cell("honest", "white_box", "pgd", 20), cell("honest", "adaptive", "deepfool", 100)]
    assert made(shown, root, roles=ROLES).display["gradient masking"].tolist() == ["no sign"]
    bounded = [cell("honest", "white_box", "pgd", 20), cell("honest", "adaptive", "pgd_adaptive", 100)]
    assert made(bounded, root, roles=ROLES).display["gradient masking"].tolist() == ["SUSPECTED"]
    suspect, stronger = (replace(one, epsilon_norm=norm) for one, norm in zip(bounded, ("l2", "linf"), strict=True))
    assert made([suspect, stronger], root, roles=ROLES).display["gradient masking"].tolist() == ["no sign"]


def test_the_best_defense_and_the_flattery_of_static_attacks_are_reported(root):
    shown = [
        cell("none", "static", "fgsm", 90),
        cell("none", "white_box", "pgd", 100),
        cell("squeeze", "static", "fgsm", 40),
        cell("squeeze", "static", "deepfool", 99),  # without an epsilon, it is not part of the worst case
        cell("squeeze", "white_box", "pgd", 50),
        cell("squeeze", "adaptive", "pgd_adaptive", 95),
        cell("train", "static", "fgsm", 30),
        cell("train", "white_box", "pgd", 20),
    ]
    table = made(shown, root, dataset="digits")
    assert table.findings[:3] == [
        "The worst-case accuracy is highest with train: 70.0 % of 100 images (95 % interval 60.4 to 78.1); next is "
        "squeeze with 5.0 % of 100 images (95 % interval 2.2 to 11.2), a significant difference (exact McNemar test, "
        "Holm-corrected p 1e-19); without a defense it is 0.0 % of 100 images (95 % interval 0.0 to 3.7).",
        "Of the attacks in the worst case, the strongest static one (fgsm) leaves squeeze an accuracy of 60.0 % of 100 "
        "images (95 % interval 50.2 to 69.1). The strongest one made on squeeze itself (adaptive pgd_adaptive) leaves "
        "5.0 % of 100 images (95 % interval 2.2 to 11.2) on the same images: 55.0 points less (exact McNemar test, "
        "Holm-corrected p 1e-16).",
        "Of the attacks in the worst case, the strongest static one (fgsm) leaves train an accuracy of 70.0 % of 100 "
        "images (95 % interval 60.4 to 78.1). The strongest one made on train itself (white box pgd) leaves 80.0 % of "
        "100 images (95 % interval 71.1 to 86.7) on the same images: 10.0 points more (exact McNemar test, "
        "Holm-corrected p 0.002).",
    ]
    assert table.findings[3] == (
        "Each defense differs significantly from none at 5 % under every attack that was tested (2 tests). Not tested: "
        "adaptive pgd_adaptive."
    )


def test_attacks_without_an_epsilon_are_compared_static_and_direct(root):
    """They are not part of the worst case, so the strongest attacks there say nothing of them."""
    shown = [
        cell("squeeze", "static", "fgsm", 40),
        cell("squeeze", "white_box", "pgd", 50),
        cell("squeeze", "static", "deepfool", 10),
        cell("squeeze", "white_box", "deepfool", 100),
    ]
    shown = [replace(one, method="deepfool" if one.attack == "deepfool" else "pgd") for one in shown]
    table = made(shown, root, dataset="digits")
    assert table.findings[2] == (
        "Of the attacks by deepfool, which have no epsilon, the strongest static one (deepfool) leaves squeeze an "
        "accuracy of 90.0 % of 100 images (95 % interval 82.6 to 94.5). The strongest one made on squeeze itself "
        "(white box deepfool) leaves 0.0 % of 100 images (95 % interval 0.0 to 3.7) on the same images: 90.0 points "
        "less (exact McNemar test, Holm-corrected p 3e-27)."
    )
    assert any("2 exact McNemar tests, a family of its own" in note for note in table.notes)


def test_a_defense_without_a_significant_difference_is_named(root):
    shown = [cell(name, "white_box", "fgsm", wrong) for name, wrong in (("none", 50), ("same", 51), ("good", 5))]
    table = made(shown, root, dataset="digits")
    assert (
        table.findings[-1]
        == "Not significantly different from the undefended victim at 5 %: same under white box fgsm (p = 1.000)."
    )
    assert any("2 exact McNemar tests, one family over all defenses, attacks and seeds" in note for note in table.notes)


def test_one_victim_and_ties_are_described_without_a_ranking(root):
    assert made([cell("none", "white_box", "pgd", 60)], root, "digits").findings == [
        "The worst-case accuracy with no defense is 40.0 % of 100 images (95 % interval 30.9 to 49.8)."
    ]
    tied = made([cell("a", "white_box", "pgd", 60), cell("b", "white_box", "pgd", 60)], root, "digits")
    assert tied.findings == ["The worst-case accuracy with a and b is 40.0 % of 100 images each."]
    assert best_cells(tied) == []


def test_over_seeds_the_means_are_compared(root):
    shown = [
        cell(defense, "white_box", "pgd", wrong, seed=seed)
        for defense, wrongs in (("none", (100, 100)), ("a", (40, 60)))
        for seed, wrong in enumerate(wrongs)
    ]
    table = made(shown, root, dataset="digits")
    assert table.findings[0] == (
        "The worst-case accuracy is highest with a: 50.0 ± 14.1 % over 2 seeds; next is no defense with 0.0 ± 0.0 % "
        "over 2 seeds, a difference that is significant for 2 of 2 seeds."
    )
    best = [cell for cell in best_cells(table) if cell[1] == "worst case %"]
    assert [(table.display.loc[row, "defense"], table.display.loc[row, "seed"]) for row, _ in best] == [
        ("a", "0"),
        ("a", "1"),
        ("a", "mean ± sd"),
    ]
    assert not any(table.display.loc[row, "seed"] == "mean ± sd" for row, _ in table.images)


def test_published_numbers_of_defenses_have_verdicts(root):
    shown = [cell("none", "static", "fgsm", 100), cell("none", "static", "deepfool", 95, n=1000)]
    table = made(shown, root)  # published: clean 88.5, fgsm 0.1, deepfool 7.4
    many, few = (row for _, row in table.display.iterrows())
    assert (many["n"], few["n"]) == ("1,000", "100")
    assert many["vs. published: clean"] == "+11.0 higher"  # 995 of 1,000
    assert few["vs. published: clean"] == ""
    assert few["vs. published: fgsm, static"] == "agrees"
    assert many["vs. published: deepfool, static"] == "+83.1 higher"
    assert table.findings[1] == (
        "Published (students): the accuracy lies within our 95 % interval in 1 of 3 comparisons; ours is higher in 2, "
        "by up to 83.1 points for none under deepfool."
    )
    assert not any("vs. published" in name for name in made(shown, root, "digits").display)


def test_each_cell_leads_to_its_images(cells, root):
    table = made(cells, root)
    victim = {"dataset": "cifar10", "model": "six_conv", "defense": "feature_squeezing", "seed": 0}
    assert table.display["n"].tolist() == ["100", "100", "50"]
    assert table.images[1, "clean %"] == table.images[2, "clean %"] == victim
    assert table.images[2, "worst case %"] == {**victim, "attacks": ["fgsm", "pgd"]}
    assert table.images[1, "static: fgsm %"] == {**victim, "attack": "fgsm", "source": "six_conv/none"}
    assert table.images[2, "adaptive: pgd %"] == {**victim, "attack": "pgd", "source": None}
    undefended = {**victim, "defense": "none"}
    assert table.images[0, "static: fgsm %"] == {**undefended, "attack": "fgsm", "source": None}
    assert (1, "static: deepfool %") not in table.images  # not attacked
    assert not any("published" in column for _, column in table.images)


def test_all_numbers_of_a_row_are_on_its_n_images(cells, root):
    table = made(cells, root)
    shown = table.display.set_index(["defense", "n"])
    assert list(shown.index) == [("none", "100"), ("feature_squeezing", "100"), ("feature_squeezing", "50")]
    assert shown.loc[("feature_squeezing", "100"), "static: fgsm %"].startswith("60.00")
    assert shown.loc[("feature_squeezing", "100"), "adaptive: pgd %"] == ""
    assert shown.loc[("feature_squeezing", "100"), "worst case %"] == ""
    assert shown.loc[("feature_squeezing", "50"), "worst case %"].startswith("0.00")
    clean = ["95.00 (loss 0.25)", "95.00 (loss 0.25)", "90.00 (loss 0.25)"]  # of 100, 100 and 50 images
    assert shown["clean %"].tolist() == clean
    same = made([cells[0], cells[2]], root).display
    assert same[["defense", "n"]].to_numpy().tolist() == [["none", "100"], ["feature_squeezing", "100"]]


def test_the_worst_cases_of_all_pairs_of_victims_are_compared(root):
    wrong = {"none": 100, "strong": 20, "close": 24, "middle": 28}
    table = made([cell(name, "white_box", "pgd", count) for name, count in wrong.items()], root, "digits")
    assert table.display.set_index("defense")["letters"].to_dict() == {
        "none": "c",
        "strong": "a",
        "close": "ab",
        "middle": "b",
    }
    worst = table.data[table.data["kind"] == "worst case"].set_index("defense")
    # Changes: 72, 76 and 80, then 8 (2 / 2^8, of six tests the fourth smallest p-value), then 4 twice
    assert worst.loc["strong", "p_holm_vs_six_conv/middle/0"] == pytest.approx(3 * 2 / 2**8)
    assert worst.loc["strong", "p_holm_vs_six_conv/close/0"] == pytest.approx(2 * 2 / 2**4)
    assert "no significant difference (exact McNemar test, Holm-corrected p 0.250)" in table.findings[0]
    assert any("every pair of the 4 victims" in note and "6 exact McNemar tests" in note for note in table.notes)


def test_static_and_direct_attacks_are_compared_on_the_images_of_both(root):
    shown = [
        cell("none", "static", "fgsm", 90),
        cell("squeeze", "static", "fgsm", 40),
        cell("squeeze", "adaptive", "pgd", 44, n=50),
    ]
    (finding,) = [one for one in made(shown, root, "digits").findings if one.startswith("Of the attacks")]
    assert "leaves squeeze an accuracy of 20.0 % of 50 images" in finding
    assert "leaves 12.0 % of 50 images (95 % interval 5.6 to 23.8) on the same images: no significant" in finding


def test_a_single_attack_is_no_contest(root):
    shown = [cell(name, "white_box", "pgd_huge", wrong) for name, wrong in (("none", 100), ("blind", 5))]
    shown += [cell(name, "white_box", "pgd", wrong) for name, wrong in (("none", 90), ("blind", 80))]
    marked = {column for _, column in best_cells(made(shown, root, roles=ROLES))}
    assert marked == {"worst case %"}
