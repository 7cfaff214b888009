import numpy as np
import pandas as pd
import pytest
from scipy.stats import wilcoxon
from statsmodels.stats.multitest import multipletests

from foolflow.tables import minimal, minimal_speed
from foolflow.tables.writing import best_cells


def minimal_records(l2, wrong_before=1):
    """Return records of images from index 10 on. Infinite: not fooled. The first `wrong_before` are clean errors."""
    l2 = np.asarray(l2, float)
    return pd.DataFrame(
        {
            "index": np.arange(10, 10 + len(l2)),
            "label": 0,
            "clean_prediction": (np.arange(len(l2)) < wrong_before).astype(int),
            "success": np.isfinite(l2),
            "l2": np.where(np.isfinite(l2), l2, 9.0),  # the distance of a failed attack must not count
            "gradient_evaluations": np.arange(len(l2)),
        }
    )


def minimal_table(**attacks):
    attacked = [minimal.Attacked("mnist", "CNN", 0, name, records) for name, records in attacks.items()]
    return minimal.tabulate(attacked)


def test_minimal_perturbations_match_a_calculation_by_hand():
    short = minimal_records([0.0, 1.0, 2.0, 3.0, np.inf])  # the first is a clean error
    long = minimal_records([0.0, 2.0, 1.0, 3.02, 4.0])
    table = minimal_table(short=short, long=long)
    data = table.data.set_index("attack")
    assert data["n"].tolist() == [4, 4]
    assert data["fooled"].tolist() == [3, 4]
    assert data["success"].tolist() == [0.75, 1.0]
    assert data["median_l2"].tolist() == [2.0, 2.0]
    assert data["mean_l2"].tolist() == pytest.approx([2.0, 2.505])
    assert data["q05_l2"].tolist() == [1.0, 1.0]
    assert data["q95_l2"].tolist() == [np.inf, 4.0]
    assert data["to_best"].tolist() == [1.0, 1.0]
    assert data["shortest"].tolist() == [0.5, 0.75]  # 3.02 is within 1 % of 3
    assert data["missed"].tolist() == [1, 0]
    assert data["gradient_evaluations"].tolist() == [2.5, 2.5]
    assert table.display["95 %"].tolist() == ["∞", "4.000"]


def test_unfooled_images_increase_the_median():
    half = minimal_records([0.0, 1.0, np.inf, np.inf])
    none = minimal_records([0.0, np.inf, np.inf, np.inf])
    data = minimal_table(half=half, none=none, all=minimal_records([0, 4, 5, 6])).data.set_index("attack")
    assert data["median_l2"].tolist() == [np.inf, np.inf, 5.0]
    assert data["to_best"].tolist() == [np.inf, np.inf, 1.0]
    assert data.loc["half", "mean_l2"] == 1.0
    assert np.isnan(data.loc["none", "mean_l2"])
    assert data["missed"].tolist() == [2, 3, 0]


def test_ratios_are_computed_within_a_network():
    attacked = [
        minimal.Attacked("mnist", model, 0, attack, minimal_records([0.0, distance, distance]))
        for model, attack, distance in (("MLP", "a", 1), ("MLP", "b", 2), ("CNN", "a", 6), ("CNN", "b", 4))
    ]
    data = minimal.tabulate(attacked).data
    assert data["to_best"].tolist() == [1.0, 2.0, 1.5, 1.0]


def test_a_network_without_correct_images_has_a_row_without_distances():
    table = minimal_table(any=minimal_records([0.0, 0.0], wrong_before=2))
    assert table.data.loc[0, "n"] == 0
    assert table.display.loc[0, ["success %", "median L2", "ratio to best"]].tolist() == ["", "", ""]


def test_speeds_have_a_row_per_attack_and_a_column_per_network():
    runs = [
        minimal_speed.Run("mnist", model, 0, attack, {"seconds": 2.0, "images_per_second": speed, "device": "cpu"})
        for model, attack, speed in (("MLP", "b", 1234.5), ("MLP", "a", 0.567), ("CNN", "b", 99.6), ("CNN", "a", 10.2))
    ]
    table = minimal_speed.tabulate(runs)
    assert table.display.columns.tolist() == ["attack", "MLP", "CNN"]
    assert table.display.to_numpy().tolist() == [["b", "1,234", "100"], ["a", "0.57", "10"]]
    assert table.data["images_per_second"].tolist() == [1234.5, 0.567, 99.6, 10.2]


def on(model, attack, l2, seed=0):
    return minimal.Attacked("mnist", model, seed, attack, minimal_records([0.0, *l2]))


def lengths(factor, images=20):
    """Return distances of many images, so that a factor is a significant difference."""
    return factor * np.linspace(1, 2, images)


def test_the_attack_that_finds_significantly_shorter_perturbations_is_named():
    attacked = [
        on("MLP", "a", lengths(1)),
        on("MLP", "b", [*lengths(2, 19), np.inf]),
        on("CNN", "a", lengths(2)),
        on("CNN", "b", lengths(3)),
        on("LeNet", "a", lengths(9)),
        on("LeNet", "b", lengths(6)),
    ]
    table = minimal.tabulate(attacked)
    assert table.findings == [
        "Image by image, a finds significantly shorter perturbations than every other attack on 2 of 3 networks; its "
        "median L2 distance is 1.474 to 2.947, that of the next, b, 3.000 to 4.421.",
        "On these networks, it fools 100.0 % of the 20 images with a perturbation at most 1 % longer than the shortest "
        "that any attack finds.",
        "Image by image, b finds significantly shorter perturbations than every other attack on 1 of 3 networks; its "
        "median L2 distance is 8.842, that of the next, a, 13.263.",
        "On that network, it fools 100.0 % of the 20 images with a perturbation at most 1 % longer than the shortest "
        "that any attack finds.",
        "Images that another attack fools on the same network, but not this one: b 1.",
    ]
    assert table.display["letters"].tolist() == ["a", "b", "a", "b", "b", "a"]
    assert [cell for cell in best_cells(table) if cell[1] == "median L2"] == [
        (0, "median L2"),
        (2, "median L2"),
        (5, "median L2"),
    ]
    assert [cell for cell in best_cells(table) if cell[1] == "success %"] == [(0, "success %")]  # equal elsewhere


def test_the_tests_of_all_networks_are_one_family():
    pairs = [("MLP", lengths(1), lengths(2)), ("CNN", lengths(1), lengths(1) + np.tile([0.1, -0.1], 10))]
    attacked = [on(model, name, l2) for model, *both in pairs for name, l2 in zip("ab", both, strict=True)]
    table = minimal.tabulate(attacked)
    raw = [wilcoxon(one, other).pvalue for _, one, other in pairs]
    found = table.data["p_holm_vs_b"].tolist()
    assert [found[0], found[2]] == pytest.approx(multipletests(raw, method="holm")[1])
    assert table.data["p_holm_vs_a"].tolist()[1] == found[0]
    assert "2 Wilcoxon signed-rank tests on 2 networks, one family, corrected after Holm" in table.notes[1]


def test_medians_have_intervals_from_the_order_statistics():
    table = minimal_table(
        a=minimal_records([0.0, *range(1, 101)]), b=minimal_records([0.0, *[1.0] * 50, *[np.inf] * 50])
    )
    # Conover 1999: the 40th and the 61st of 100 values enclose the median with 95 % confidence.
    assert table.data["median_low"].tolist() == [40.0, 1.0]
    assert table.data["median_high"].tolist() == [61.0, np.inf]
    assert table.display["95 % interval (median)"].tolist() == ["40.000 to 61.000", "1.000 to ∞"]


def test_a_smaller_median_that_is_not_significant_is_no_claim():
    noise = np.tile([0.1, -0.1], 10)
    table = minimal.tabulate(
        [on("CNN", "a", lengths(1)), on("CNN", "b", lengths(1) + noise), on("CNN", "c", lengths(3))]
    )
    (finding,) = table.findings
    assert finding.startswith(
        "On CNN (mnist, seed 0), no attack finds significantly shorter perturbations than all others; "
    )
    assert finding.endswith(
        (", and does not differ significantly from a.", ", and does not differ significantly from b.")
    )
    assert table.display["letters"].tolist() == ["a", "a", "b"]


def test_the_letters_follow_the_tests_where_the_medians_say_otherwise():
    few_longer = lengths(1.0) * np.where(np.arange(20) == 9, 1.5, 0.99)
    few_longer[10] *= 1.5
    table = minimal.tabulate([on("CNN", "a", lengths(1)), on("CNN", "b", few_longer)])
    a, b = table.data.to_dict("records")
    assert a["median_l2"] < b["median_l2"]
    assert (a["letters"], b["letters"]) == ("b", "a")
    assert (a["beats"], b["beats"]) == (0, 1)
    assert table.findings[0].startswith("Image by image, b finds significantly shorter")


def test_equal_attacks_are_not_told_apart():
    table = minimal.tabulate([on("CNN", "a", [1, 1]), on("CNN", "b", [1, 1])])
    assert table.findings == [
        "On CNN (mnist, seed 0), no attack finds significantly shorter perturbations than all others; "
        "a has the smallest median, 1.000, "
        "and does not differ significantly from b."
    ]
    assert best_cells(table) == []


def test_networks_that_no_attack_fools_are_left_out():
    never = [np.inf] * 20
    table = minimal.tabulate(
        [on("CNN", "a", never), on("CNN", "b", never), on("MLP", "a", lengths(1)), on("MLP", "b", never)]
    )
    assert table.findings[:2] == [
        "On 1 of 2 networks, no attack fools half of the images, so no median distance is finite.",
        "Image by image, a finds significantly shorter perturbations than every other attack on 1 of 1 network; its "
        "median L2 distance is 1.474, that of the next, b, ∞.",
    ]
    assert table.findings[-1] == "Images that another attack fools on the same network, but not this one: b 20."


def test_one_attack_is_not_called_the_best():
    table = minimal.tabulate([on("CNN", "a", [1, 1]), on("MLP", "a", [3, 3])])
    assert table.findings == ["a is the only attack; its median L2 distance is 1.000 to 3.000."]
    assert "letters" not in table.display
    assert not any("Wilcoxon" in note for note in table.notes)
    empty = minimal_table(any=minimal_records([0.0, 0.0], wrong_before=2))
    assert empty.findings == []
    assert empty.display.loc[0, "gradients"] == ""


def test_each_distance_leads_to_its_images():
    table = minimal.tabulate([on("CNN", "a", [1, np.inf]), on("CNN", "b", [np.inf, np.inf])])
    made = {"dataset": "mnist", "model": "CNN", "defense": "none", "seed": 0, "attack": "a", "source": None}
    assert table.images[0, "median L2"] == made
    assert table.images[0, "mean L2"] == {**made, "outcome": "fooled"}
    assert table.images[0, "missed"] == made  # 0: no image to select
    assert table.images[1, "missed"] == {**made, "attack": "b", "outcome": "resisted"}
    assert (1, "mean L2") not in table.images  # b fools nothing
    assert (0, "model") not in table.images


def speed(model, attack, images_per_second):
    run = {"seconds": 2.0, "images_per_second": images_per_second, "device": "cpu"}
    return minimal_speed.Run("mnist", model, 0, attack, run)


def test_speeds_are_shown_but_not_compared():
    """The attacks of the table differ in norm and images."""
    runs = [speed("MLP", "a", 100.0), speed("MLP", "b", 50.0), speed("CNN", "a", 30.0), speed("CNN", "b", 0.123)]
    table = minimal_speed.tabulate(runs)
    assert table.display.to_dict("list") == {"attack": ["a", "b"], "MLP": ["100", "50"], "CNN": ["30", "0.12"]}
    assert (table.findings, best_cells(table), table.images) == ((), [], {})


def test_several_seeds_have_a_mean_and_a_standard_deviation():
    attacked = [on("CNN", "a", lengths(factor), seed=seed) for seed, factor in enumerate((1.0, 2.0, 3.0))]
    table = minimal.tabulate([*attacked, on("CNN", "b", [np.inf] * 20), on("CNN", "b", [1.0] * 20, seed=1)])
    medians = 1.4737 * np.array([1, 2, 3])
    spread = f"{medians.mean():.3f} ± {medians.std(ddof=1):.3f}"
    shown = table.display.set_index(["attack", "seed"])["median L2, mean ± sd over seeds"]
    assert shown["a"].tolist() == [spread] * 3
    assert shown["b"].tolist() == ["∞", "∞"]
    assert any(note.startswith("Mean ± sample standard deviation") for note in table.notes)


def test_distances_are_measured_in_the_norm_of_the_comparison():
    records = minimal_records([0.0, 1.0, 2.0, 3.0]).assign(l1=[0.0, 10.0, 20.0, 30.0])
    table = minimal.tabulate([minimal.Attacked("mnist", "CNN", 0, "a", records)], "l1", "In L1")
    assert table.title == "In L1"
    assert table.data["median_l1"].tolist() == [20.0]
    assert table.display["median L1"].tolist() == ["20.000"]
    assert table.findings == ["a is the only attack; its median L1 distance is 20.000."]
    assert (0, "median L1") in table.images
    assert not any("L2" in name for name in table.display)


def test_a_defended_network_is_compared_with_the_undefended_one_on_the_images_that_both_classify_correctly():
    def defended(attack, l2, defense, wrong_before=1):
        records = minimal_records([0.0] * wrong_before + list(l2), wrong_before)
        return minimal.Attacked("mnist", "CNN", 0, attack, records, defense)

    table = minimal.tabulate(
        [
            defended("a", [*lengths(1), 1.0], "none"),
            defended("b", [*lengths(3), 1.0], "none"),
            defended("a", lengths(4), "pgd_training", wrong_before=2),
            defended("b", [*lengths(2, 19), np.inf], "pgd_training", wrong_before=2),
        ]
    )
    assert table.display["defense"].tolist() == ["none"] * 2 + ["pgd_training"] * 2
    assert table.display["clean %"].tolist() == ["95.45"] * 2 + ["90.91"] * 2
    # On the defended network, attack b finds shorter perturbations, except on the last image, which it does not fool.
    finding = table.findings[-1]
    assert finding.startswith(
        "CNN with pgd_training (mnist, seed 0): the shortest perturbation of any attack has a median L2 of "
    )
    assert "without the defense, significantly longer (Wilcoxon signed-rank test on the 20 images" in finding
    assert [name for name in table.data if name.startswith("p_holm")]


def test_speeds_on_a_defended_network_have_a_column_of_their_own():
    run = {"seconds": 2.0, "images_per_second": 10.0, "device": "cpu"}
    runs = [minimal_speed.Run("mnist", "CNN", 0, "a", run, defense) for defense in ("none", "pgd_training")]
    assert minimal_speed.tabulate(runs).display.columns.tolist() == ["attack", "CNN", "CNN, pgd_training"]
