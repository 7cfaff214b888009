import numpy as np
import pandas as pd
import pytest

from foolflow.studies.defenses import minimal_cells
from foolflow.tables.defenses_distances import Attacked, tabulate

N = 60


def attacked(defense, sizes, fooled=N, attack="stadv", seed=0, wrong=0, flow=True, n=N):
    """Return an attack on n images: `wrong` clean errors, then `fooled` successes, at these distances."""
    index = np.arange(n)
    success = (index >= wrong) & (index < wrong + fooled)
    sizes = np.broadcast_to(np.asarray(sizes, float), n)
    records = pd.DataFrame(
        {"index": index, "label": 0, "clean_prediction": (index < wrong).astype(int), "success": success}
        | {"l2": sizes, "ssim": 1 - sizes / 100}
        | ({"flow_loss": 10 * sizes, "displacement": sizes, "shift": 0.0, "deformation": sizes} if flow else {})
    )
    cell = {"dataset": "mnist", "model": "B", "defense": defense, "seed": seed, "attack": attack, "kind": "adaptive"}
    return Attacked(cell | {"source": None}, records)


def test_an_image_that_is_not_fooled_is_infinitely_far():
    table = tabulate("title", [attacked("none", np.arange(1, N + 1)), attacked("hard", 2, fooled=20)])
    easy, hard = table.data.to_dict("records")
    assert (easy["n"], easy["fooled"], easy["median_l2"], easy["median_flow_loss"]) == (N, N, 30, 300)
    assert easy["median_ssim"] == pytest.approx(0.7)
    assert easy["median_ssim_low"] < 0.7 < easy["median_ssim_high"]
    assert (hard["fooled"], hard["median_l2"], hard["median_l2_high"]) == (20, np.inf, np.inf)
    assert np.isnan(hard["median_ssim"])
    assert pd.isna(hard["times_none"])
    shown = table.display.set_index("defense")
    assert shown.loc["hard", "median flow loss"] == "∞"
    assert shown.loc["hard", "median SSIM"] == ""
    assert table.findings == [
        "hard: stadv fools 33.3 % of the images, too few for a median; on the images that both classify correctly, "
        "significantly farther than without the defense."
    ]


def test_the_main_size_is_compared_with_the_undefended_victim_on_the_images_that_both_get_right():
    table = tabulate(
        "title",
        [
            attacked("none", np.linspace(1, 2, N)),
            attacked("far", np.linspace(3, 6, N)),
            attacked("near", np.linspace(0.1, 0.2, N), wrong=10, fooled=50),
            attacked("none", 4, attack="deepfool", flow=False),
            attacked("same", 4, attack="deepfool", flow=False),
        ],
    )
    data = table.data.set_index(["defense", "attack"])
    assert data.loc[("far", "stadv"), "times_none"] == pytest.approx(3)
    assert data["compared"].tolist() == ["flow_loss"] * 3 + ["l2"] * 2
    assert data.loc[("near", "stadv"), ["n", "success"]].tolist() == [50, 1]
    assert data["holm_p"].isna().tolist() == [True, False, False, True, False]
    assert data.loc[("same", "deepfool"), ["times_none", "holm_p"]].tolist() == [1, 1]
    first, second, third = table.findings
    assert first.endswith("the flow loss is 3.00 times that without the defense in the median (significantly farther).")
    assert "(significantly nearer)" in second
    assert third == (
        "same: deepfool fools 100.0 % of the images, with a median L2 of 4.00; on the images that both classify "
        "correctly, the L2 is 1.00 times that without the defense in the median (not significantly nearer or farther)."
    )
    assert "3 Wilcoxon signed-rank tests, one family" in table.notes[1]


def test_the_ratio_is_that_of_the_images_that_both_get_right():
    """The defended victim is right only on the 40 images that are hard to attack without the defense, too."""
    without = attacked("none", [0.1] * 60 + [5] * 40, fooled=100, n=100)
    table = tabulate("title", [without, attacked("hard", 4.9, wrong=60, fooled=40, n=100)])
    none, hard = table.data.to_dict("records")
    assert (none["median_l2"], hard["median_l2"]) == (0.1, 4.9)  # over each victim's own correct images
    assert hard["times_none"] == pytest.approx(0.98)
    assert table.findings == [
        "hard: stadv fools 100.0 % of the images, with a median flow loss of 49.0; on the images that both classify "
        "correctly, the flow loss is 0.98 times that without the defense in the median (significantly nearer)."
    ]


def test_a_ratio_that_disagrees_with_the_test_is_mixed():
    """A defense that makes 90 far images near and moves 109 slightly farther."""
    near = np.arange(199) < 90
    before = np.random.default_rng(0).normal(40, 1, 199)
    after = np.where(near, 0.3 * before, before + 2.5)
    table = tabulate("title", [attacked("none", before, fooled=199, n=199), attacked("hard", after, fooled=199, n=199)])
    hard = table.data.iloc[1]
    assert (hard["way"], hard["farther"], hard["nearer"]) == ("nearer", 109, 90)
    assert hard["holm_p"] < 0.05
    assert hard["times_none"] == pytest.approx(np.quantile(after / before, 0.5, method="inverted_cdf"))
    assert table.display["farther / nearer"].tolist() == ["", "109 / 90"]
    assert table.findings[0].endswith(
        "the flow loss is 1.06 times that without the defense in the median (mixed: farther on 109, nearer on 90 "
        "images)."
    )


def test_the_ratio_is_the_median_of_the_ratios_of_the_images_and_not_the_ratio_of_the_medians():
    before = np.array([1.0] * 20 + [10.0] * 21 + [100.0] * 19)
    after = np.array([2.0] * 20 + [20.0] * 11 + [5.0] * 10 + [200.0] * 19)
    table = tabulate("title", [attacked("none", before), attacked("hard", after)])
    assert table.data["times_none"].iloc[1] == 2


def test_images_that_are_fooled_on_neither_victim_have_no_ratio():
    before, after = attacked("none", 1, fooled=20), attacked("hard", 3, fooled=20)
    table = tabulate("title", [before, after])
    assert table.data["times_none"].iloc[1] == 3
    assert table.data[["farther", "nearer"]].iloc[1].tolist() == [20, 0]


def test_a_median_that_is_infinite_on_the_common_images_has_no_ratio():
    # Of the undefended victim's images, 40 of 60 are fooled, but none of the 20 that the defended one gets right.
    table = tabulate("title", [attacked("none", 1, fooled=40), attacked("hard", 2, wrong=40)])
    assert table.data["median_l2"].tolist() == [1, 2]
    assert table.data["times_none"].isna().all()
    assert table.findings == [
        "hard: stadv fools 100.0 % of the images, with a median flow loss of 20.0; on the images that both classify "
        "correctly, significantly nearer than without the defense."
    ]


def test_victims_without_a_common_correct_image_are_not_compared():
    late, other = attacked("none", 1, wrong=30), attacked("hard", 1, wrong=30)
    early = Attacked(other.cell, other.records.assign(index=N - 1 - other.records["index"]))
    table = tabulate("title", [late, early])
    assert table.data[["times_none", "holm_p"]].isna().all(axis=None)
    assert table.findings == []


def test_a_victim_without_a_correct_image_or_an_undefended_one_has_no_comparison():
    table = tabulate("title", [attacked("none", 1, wrong=N, fooled=0), attacked("hard", 1), attacked("a", 1, seed=1)])
    assert table.data["holm_p"].isna().all()
    assert table.display["n"].tolist() == ["0", "60", "60"]
    assert table.findings == []


def test_only_minimal_attacks_on_the_victims_themselves_are_listed_once():
    config = {
        "seeds": [0],
        "models": {"B": {"architecture": "stadv.B"}},
        "defenses": {"blur": {"method": "gaussian_blur", "at": ["test"]}},
        "attacks": {
            "deepfool": {"method": "deepfool"},
            "pgd": {"method": "pgd", "parameters": {"epsilon": 0.1}},
            "moved": {"method": "corrupt", "parameters": {"kind": "translation", "strength": 3}},
            "stadv": {"method": "stadv", "parameters": {"tau": "auto"}},
            "confident": {"method": "stadv", "parameters": {"kappa": 5}},
            "fixed_tau": {"method": "stadv", "parameters": {"tau": 0.05}},
            "students": {"method": "stadv_students"},
        },
        "studies": {"defenses": {"evaluations": []}},
    }
    entry = {"dataset": "mnist", "models": ["B"], "defenses": ["none", "blur"], "static": ["deepfool"]}
    entry |= {"white_box": ["pgd", "stadv", "fixed_tau"], "adaptive": ["stadv", "confident", "students"]}
    entry |= {"black_box": ["moved"]}
    found = [(cell["defense"], cell["kind"], cell["attack"]) for cell in minimal_cells(config, entry)]
    assert found == [("none", "white_box", "stadv"), ("blur", "white_box", "stadv")]
