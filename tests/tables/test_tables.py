import dataclasses

import numpy as np
import pandas as pd
import pytest
import yaml

from foolflow.tables import accuracy, fgsm_sweep
from foolflow.tables.writing import best_cells


def reference(root, name):
    return yaml.safe_load((root / f"reference/{name}.yaml").read_text())


def sweep_records(wrong_at):
    """Return records of 1,000 images: 10 clean errors, and at each epsilon the first `wrong_at[epsilon]` are wrong."""
    tables = []
    for epsilon, wrong in wrong_at.items():
        index = np.arange(1000)
        tables.append(
            pd.DataFrame(
                {
                    "index": index,
                    "epsilon": epsilon,
                    "label": 0,
                    "clean_prediction": (index < 10).astype(int),
                    "prediction": (index < wrong).astype(int),
                    "prediction_8bit": (index < wrong + 1).astype(int),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def sweep(wrong_at, dataset="mnist", model="lenet", attack="fgsm", noise=None):
    modified = {"epsilon": 0.1, "n": 1000, "correct": 499}
    control = {} if noise is None else {"control": "noise", "noise": sweep_records(noise)}
    return fgsm_sweep.Sweep(dataset, model, attack, 0, sweep_records(wrong_at), modified, **control)


def test_the_published_row_is_next_to_the_sweep(root):
    table = fgsm_sweep.tabulate([sweep({0.05: 12, 0.1: 500, 0.3: 1000})], reference(root, "r4_fgsm_sweep"))
    data = table.data.set_index("epsilon")
    assert data["accuracy"].to_dict() == pytest.approx({0.0: 0.99, 0.05: 0.988, 0.1: 0.5, 0.3: 0.0})
    assert data["accuracy_8bit"].to_dict() == pytest.approx({0.0: 0.99, 0.05: 0.987, 0.1: 0.499, 0.3: 0.0})
    assert data["published_tutorial"].to_dict() == {0.0: 0.9810, 0.05: 0.9426, 0.1: 0.8510, 0.3: 0.0869}
    assert data.loc[0.1, "accuracy_modified"] == 0.499
    assert data.loc[0.1, "right_to_wrong"] == 490


def test_a_drop_of_490_images_is_significant_and_a_drop_of_2_is_not(root):
    table = fgsm_sweep.tabulate([sweep({0.05: 12, 0.1: 500})], reference(root, "r4_fgsm_sweep"))
    data = table.data.set_index("epsilon")
    assert data.loc[0.05, "p_value"] == pytest.approx(0.5)  # two changes, both for the worse: 2 / 2**2
    assert data.loc[0.05, "p_holm"] == pytest.approx(0.5)
    assert data.loc[0.1, "p_holm"] == pytest.approx(2 * data.loc[0.1, "p_value"])
    assert (
        "significantly less accurate from epsilon 0.1 on: its accuracy falls from 99.00 % to 50.00 %"
        in table.findings[0]
    )


def test_the_family_of_a_sweep_is_named_and_seeds_have_a_mean(root):
    seeds = [dataclasses.replace(sweep({0.1: wrong, 0.3: 1000}), seed=seed) for seed, wrong in enumerate((400, 600))]
    table = fgsm_sweep.tabulate(seeds, reference(root, "r4_fgsm_sweep"))
    assert "The epsilons of one victim's sweep are one family (2 tests), corrected after Holm." in table.notes[1]
    shown = table.display["accuracy %, mean ± sd over seeds"].tolist()
    assert shown == ["99.00 ± 0.00", "50.00 ± 14.14", "0.00 ± 0.00"] * 2
    # Student's t with one degree of freedom: 12.706 * 0.1414 * sqrt(1.5) is more than 1
    assert table.display["another seed %"].tolist() == ["99.00 to 99.00", "0.00 to 100.00", "0.00 to 0.00"] * 2
    assert (
        "Published (tutorial): at 1 of 3 epsilons, the accuracy lies where another seed of lenet (mnist, fgsm) would; "
        "at epsilon 0, 0.3, it does not." in table.findings
    )
    controlled = fgsm_sweep.tabulate([sweep({0.1: 500}, noise={0.1: 12})], reference(root, "r4_fgsm_sweep"))
    assert "(1 test), corrected after Holm. Random noise has a family of its own" in controlled.notes[1]
    assert not any("over seeds" in name for name in controlled.display)


def test_a_harmless_attack_is_called_harmless(root):
    table = fgsm_sweep.tabulate([sweep({0.1: 10})], reference(root, "r4_fgsm_sweep"))
    assert "is significantly less accurate at no epsilon" in table.findings[0]


def test_statistically_worse_from_an_epsilon_on_means_at_every_larger_one(root):
    table = fgsm_sweep.tabulate([sweep({0.05: 300, 0.1: 12, 0.2: 500})], reference(root, "r4_fgsm_sweep"))
    assert "significantly less accurate from epsilon 0.2 on" in table.findings[0]
    table = fgsm_sweep.tabulate([sweep({0.1: 500, 0.2: 12})], reference(root, "r4_fgsm_sweep"))
    assert "significantly less accurate only at epsilon 0.1 " in table.findings[0]


def test_two_sweeps_of_one_victim_are_separate(root):
    both = [sweep({0.1: 500}), sweep({0.1: 400, 0.2: 600}, attack="pgd")]
    table = fgsm_sweep.tabulate(both, reference(root, "r4_fgsm_sweep"))
    assert table.data.groupby("attack")["epsilon"].apply(list).to_dict() == {"fgsm": [0, 0.1], "pgd": [0, 0.1, 0.2]}
    assert len([finding for finding in table.findings if "significantly less accurate" in finding]) == 2


def test_there_is_no_published_column_without_published_numbers(root):
    table = fgsm_sweep.tabulate([sweep({0.1: 500}, dataset="cifar10")], reference(root, "r4_fgsm_sweep"))
    assert table.data["published_tutorial"].isna().all()
    assert not any("published" in column for column in table.display)


def test_random_noise_of_the_same_size_has_its_columns_and_its_own_tests(root):
    # The noise has 0, 20 and 40 more errors than the clean images, at these epsilons in another order.
    controlled = sweep({0.05: 12, 0.1: 500, 0.2: 900}, noise={0.2: 50, 0.05: 10, 0.1: 30})
    table = fgsm_sweep.tabulate([controlled], reference(root, "r4_fgsm_sweep"))
    data = table.data.set_index("epsilon")
    assert data["control"].unique().tolist() == ["noise"]
    assert data["control_accuracy"].to_dict() == pytest.approx({0.0: 0.99, 0.05: 0.99, 0.1: 0.97, 0.2: 0.95})
    assert (data["control_low"] < data["control_accuracy"]).all()
    assert (data["control_high"] > data["control_accuracy"]).all()
    # exact McNemar: 20 and 40 changes, all for the worse; Holm over three epsilons
    expected = {0.05: 1.0, 0.1: 2 * 2 * 0.5**20, 0.2: 3 * 2 * 0.5**40}
    assert data["control_p_holm"].iloc[1:].to_dict() == pytest.approx(expected)
    assert data["p_holm"].iloc[1] == pytest.approx(0.5)  # the attack's family is its own
    # against the noise: 2 more errors at 0.05, 470 and 850 more at the others
    expected = {0.05: 0.5, 0.1: 2 * 2 * 0.5**470, 0.2: 3 * 2 * 0.5**850}
    assert data["p_holm_vs_control"].iloc[1:].to_dict() == pytest.approx(expected, abs=0)
    assert table.display["p (Holm), against noise"].tolist()[:2] == ["", "0.500"]
    shown = table.display["random noise %"].tolist()
    assert [text.partition(" (")[0] for text in shown] == ["99.00", "99.00", "97.00", "95.00"]
    assert shown[0] == f"99.00 ({table.display['95 % interval'].iloc[0]})"
    assert table.findings[1] == (
        "Random noise of the same size (noise) changes the accuracy of lenet on mnist (seed 0) significantly at "
        "epsilon 0.1, 0.2: it leaves 95.00 % at epsilon 0.2, where fgsm leaves 10.00 %. fgsm leaves significantly "
        "less than the noise at epsilon 0.1, 0.2 (exact McNemar, Holm-corrected, level 0.05)."
    )
    assert any("random noise" in note for note in table.notes)
    made = {"dataset": "mnist", "model": "lenet", "defense": "none", "seed": 0, "attack": "noise", "source": None}
    assert columns_with_links(table, 2)["random noise %"] == {**made, "epsilon": 0.1}
    assert "attack" not in columns_with_links(table, 0)["random noise %"]


def test_a_sweep_without_a_control_has_no_noise_columns_and_may_stand_next_to_one_with(root):
    alone = fgsm_sweep.tabulate([sweep({0.1: 500})], reference(root, "r4_fgsm_sweep"))
    assert not any("noise" in column for column in alone.display)
    assert not any("noise" in sentence for sentence in [*alone.findings, *alone.notes])
    assert {"control", "control_accuracy", "control_low", "control_high", "control_p_holm"} <= set(alone.data)
    both = [sweep({0.1: 500}), sweep({0.1: 400}, attack="pgd", noise={0.1: 10})]
    table = fgsm_sweep.tabulate(both, reference(root, "r4_fgsm_sweep"))
    interval = table.display["95 % interval"].iloc[0]
    assert table.display["random noise %"].tolist() == ["", "", f"99.00 ({interval})", f"99.00 ({interval})"]
    assert len([finding for finding in table.findings if finding.startswith("Random noise")]) == 1
    assert "significantly at no epsilon" in table.findings[2]


def right(test):
    """Return the accuracy of a victim that classifies this share of each split correctly."""
    return {part: {"n": 1000, "correct": round(1000 * test)} for part in ("train", "val", "test")}


def test_accuracies_of_the_paper_and_the_students_are_next_to_ours(root):
    victims = [accuracy.Victim("mnist", model, 0, right(0.99)) for model in ("A", "A_students")]
    table = accuracy.tabulate("title", victims, reference(root, "r1_stadv"))
    assert table.data["published_paper"].tolist()[0] == pytest.approx(0.9858)
    assert pd.isna(table.data["published_paper"].tolist()[1])
    assert table.data["published_students"].tolist() == pytest.approx([0.9395, 0.9395])
    assert table.display["test %"].tolist() == ["99.00", "99.00"]
    assert "seed" not in table.display


def test_several_seeds_have_a_column(root):
    victims = [accuracy.Victim("mnist", "CNN", seed, right(test)) for seed, test in enumerate((0.99, 0.98))]
    table = accuracy.tabulate("title", victims, reference(root, "r2_minimal"))
    assert table.display["seed"].tolist() == ["0", "1"]
    assert table.display["test %, mean ± sd over seeds"].tolist() == ["98.50 ± 0.71"] * 2


def test_a_data_set_for_evaluation_only_has_just_a_test_accuracy(root):
    supplied = accuracy.Victim("photos", "mine", 0, {"test": {"n": 1000, "correct": 900}})
    table = accuracy.tabulate("title", [supplied], reference(root, "r2_minimal"))
    assert table.display.columns.tolist() == ["data set", "model", "test %", "95 % interval (test)", "n (test)"]
    both = accuracy.tabulate(
        "title", [supplied, accuracy.Victim("mnist", "CNN", 0, right(0.99))], reference(root, "r2_minimal")
    )
    assert both.display["train %"].tolist() == ["", "99.00"]
    assert both.data["val"].tolist() == pytest.approx([np.nan, 0.99], nan_ok=True)


def columns_with_links(table, row):
    return {column: link for (at, column), link in table.images.items() if at == row}


def test_each_epsilon_leads_to_its_images_and_the_clean_row_to_the_victim(root):
    table = fgsm_sweep.tabulate([sweep({0.05: 10, 0.1: 500})], reference(root, "r4_fgsm_sweep"))
    victim = {"dataset": "mnist", "model": "lenet", "defense": "none", "seed": 0}
    clean, harmless, attacked = (columns_with_links(table, row) for row in range(3))
    assert clean == dict.fromkeys(["n", "accuracy %", "95 % interval", "8 bits %"], victim)
    made = {**victim, "attack": "fgsm", "source": None}
    assert harmless["right to wrong"] == {**made, "epsilon": 0.05}  # no image is fooled, so all are shown
    assert attacked["right to wrong"] == {**made, "epsilon": 0.1, "outcome": "fooled"}
    others = [link for column, link in attacked.items() if column != "right to wrong"]
    assert others == [{**made, "epsilon": 0.1}] * 8
    assert not any("ublished" in column or "page" in column for column in attacked)


def test_each_published_accuracy_of_a_sweep_has_a_verdict(root):
    table = fgsm_sweep.tabulate([sweep({0.05: 12, 0.1: 149})], reference(root, "r4_fgsm_sweep"))
    # ours is 99.0, 98.8 and 85.1 %
    assert table.display["vs. published"].tolist() == ["+0.9 higher", "+4.5 higher", "agrees"]
    assert table.display["vs. published: newer page"].tolist() == ["agrees", "+2.7 higher", "\u22122.3 lower"]
    assert table.findings[1:] == [
        "Published (tutorial): the accuracy lies within our 95 % interval in 1 of 3 comparisons; ours is higher in 2, "
        "by up to 4.5 points for epsilon 0.05.",
        "Published (newer tutorial): the accuracy lies within our 95 % interval in 1 of 3 comparisons; ours is 2.7 "
        "points higher for epsilon 0.05; ours is 2.3 points lower for epsilon 0.1.",
    ]


def test_a_sweep_with_one_epsilon_that_fools_nothing_has_a_finding(root):
    table = fgsm_sweep.tabulate([sweep({0.1: 10}, dataset="cifar10")], reference(root, "r4_fgsm_sweep"))
    (finding,) = table.findings
    assert finding.startswith(
        "lenet on cifar10 (seed 0), attacked by fgsm, is significantly less accurate at no epsilon"
    )
    assert not any("vs. published" in column for column in table.display)


def test_networks_are_ordered_by_their_distance_from_the_published_row(root):
    sweeps = [sweep({0.1: 500}), sweep({0.1: 160}, model="lenet_4_epochs"), sweep({0.1: 300}, dataset="cifar10")]
    table = fgsm_sweep.tabulate(sweeps, reference(root, "r4_fgsm_sweep"))
    # R4 has 85.10 %, its newer page 87.43 %; ours are 50 and 84 %, and 99 % when clean, next to 98.10 and 99.12 %
    assert table.findings[-2:] == [
        "Largest distance from the published row (tutorial) on mnist, in points, the nearest network first: "
        "lenet_4_epochs 1.1 (epsilon 0.1), lenet 35.1 (epsilon 0.1).",
        "Largest distance from the published row (newer tutorial) on mnist, in points, the nearest network first: "
        "lenet_4_epochs 3.4 (epsilon 0.1), lenet 37.4 (epsilon 0.1).",
    ]


def test_the_best_and_the_worst_network_of_each_data_set_are_named(root):
    victims = [
        accuracy.Victim(dataset, model, 0, right(share))
        for dataset, model, share in (
            ("mnist", "A", 0.9),
            ("mnist", "B", 0.99),
            ("mnist", "C", 0.99),
            ("digits", "A", 0.5),
            ("other", "A", 0.95),
            ("other", "B", 0.94),
        )
    ]
    table = accuracy.tabulate("title", victims, reference(root, "r1_stadv"))
    assert table.findings[:3] == [
        "On mnist, B and C have the highest test accuracy, 99.00 % of 1,000 images each, and A has the lowest, 90.00 "
        "% of 1,000 images (95 % interval 87.98 to 91.71); the intervals do not overlap.",
        "On digits, A has a test accuracy of 50.00 % of 1,000 images (95 % interval 46.91 to 53.09).",
        "On other, A has the highest test accuracy, 95.00 % of 1,000 images (95 % interval 93.47 to 96.19), and B has "
        "the lowest, 94.00 % of 1,000 images (95 % interval 92.35 to 95.31); the intervals overlap.",
    ]
    assert best_cells(table) == [(1, "test %"), (2, "test %"), (4, "test %")]


def test_networks_that_are_equally_accurate_are_not_ranked(root):
    victims = [accuracy.Victim("mnist", model, 0, right(0.99)) for model in ("X", "Y")]
    table = accuracy.tabulate("title", victims, reference(root, "r1_stadv"))
    assert table.findings == ["On mnist, X and Y have a test accuracy of 99.00 % of 1,000 images each."]
    assert best_cells(table) == []


def test_over_seeds_the_means_are_compared_and_one_seed_has_no_deviation(root):
    victims = [
        accuracy.Victim("digits", model, seed, right(share))
        for model, seed, share in (("A", 0, 0.9), ("A", 1, 0.8), ("B", 0, 0.8), ("B", 1, 0.9), ("C", 0, 0.5))
    ]
    table = accuracy.tabulate("title", victims, reference(root, "r1_stadv"))
    assert table.findings == [
        "On digits, A and B have the highest mean test accuracy over the seeds, 85.00 ± 7.07 %, and C has the lowest, "
        "50.00 %."
    ]
    assert table.display["test %, mean ± sd over seeds"].tolist()[-1] == "50.00"
    assert [cell for cell in best_cells(table) if cell[1] == "test %"] == [(0, "test %"), (3, "test %")]


def test_each_published_accuracy_has_a_verdict_next_to_it(root):
    victims = [accuracy.Victim("mnist", model, 0, right(0.985)) for model in ("B", "C", "B_students")]
    table = accuracy.tabulate("title", victims, reference(root, "r1_stadv"))
    names = table.display.columns.tolist()
    assert names[names.index("published: paper %") + 1] == "vs. published: paper"
    assert table.display["vs. published: paper"].tolist() == ["agrees", "\u22120.6 lower", ""]
    assert table.display["vs. published: students"].tolist() == ["+15.5 higher", "+7.4 higher", "+15.5 higher"]
    assert table.findings[1:] == [
        "Published (paper): the test accuracy lies within our 95 % interval in 1 of 2 comparisons; ours is 0.6 points "
        "lower for C.",
        "Published (students): the test accuracy lies within our 95 % interval in none of 3 comparisons; ours is "
        "higher in 3, by up to 15.5 points for B.",
    ]
    assert any(note.startswith("Vs. published") for note in table.notes)


def test_published_accuracies_of_other_splits_have_no_verdict(root):
    table = accuracy.tabulate("title", [accuracy.Victim("mnist", "CNN", 0, right(0.99))], reference(root, "r2_minimal"))
    assert [name for name in table.display if name.startswith("vs.")] == ["vs. published: test"]
    assert table.findings[-1] == "Published (test): the test accuracy lies within our 95 % interval."


def test_test_accuracies_lead_to_the_victim_and_others_nowhere(root):
    table = accuracy.tabulate("title", [accuracy.Victim("mnist", "A", 2, right(0.98))], reference(root, "r1_stadv"))
    victim = {"dataset": "mnist", "model": "A", "defense": "none", "seed": 2}
    assert columns_with_links(table, 0) == dict.fromkeys(["test %", "95 % interval (test)", "n (test)"], victim)
