import numpy as np
import pandas as pd
import pytest

from foolflow.statistics.paired import compare_paired
from foolflow.tables.other_ways import Way, tabulate


def records(wrong_at, *, size="epsilon", target=-1, reached=0.0, l2=1.0):
    """Return records of 100 images: 2 clean errors, and at each size the first `wrong_at[size]` images are wrong."""
    parts = []
    for value, wrong in wrong_at.items():
        index = np.arange(100)
        parts.append(
            pd.DataFrame(
                {
                    "index": index[::-1],
                    "epsilon": value if size == "epsilon" else np.nan,
                    "strength": value if size == "strength" else np.nan,
                    "label": 0,
                    "target": target,
                    "clean_prediction": (index[::-1] < 2).astype(int),
                    "prediction": (index[::-1] < wrong).astype(int),
                    "success": index[::-1] < (wrong if target < 0 else 2 + reached * 98),
                    "l2": np.where(index[::-1] < 2, 0.0, l2 * value),
                    "linf": np.where(index[::-1] < 2, 0.0, value),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def way(attack, way, unit="epsilon", source=None, seed=0, **given):
    size = "epsilon" if unit == "epsilon" else "strength"
    return Way("mnist", "lenet", seed, attack, way, unit, records(size=size, **given), source)


WAYS = [
    way("fgsm", "white box", wrong_at={0.1: 30, 0.2: 60}, l2=20),
    way("aimed", "white box, targeted", wrong_at={0.1: 20, 0.2: 40}, target=3, reached=0.25),
    way("square", "black box", wrong_at={0.2: 62}),
    way("fgsm", "black box, transfer", source="CNN/none", wrong_at={0.1: 4, 0.2: 10}),
    way("rotated", "control", unit="degrees", wrong_at={30.0: 30}, l2=0.3),
    way("stretched", "control", unit="fraction of a side", wrong_at={0.5: 90}),
]


@pytest.fixture(scope="module")
def table():
    return tabulate(WAYS)


def test_the_clean_images_come_first_and_each_way_has_a_row_per_size(table):
    data = table.data
    assert data["way"].iloc[0] == "clean"
    assert len(data) == 1 + 2 + 2 + 1 + 2 + 1 + 1
    assert data["accuracy"].tolist() == pytest.approx([0.98, 0.7, 0.4, 0.8, 0.6, 0.38, 0.96, 0.9, 0.7, 0.1])
    assert (data["n"] == 100).all()
    assert data["size"].tolist()[1:] == [0.1, 0.2, 0.1, 0.2, 0.2, 0.1, 0.2, 30.0, 0.5]


def test_distances_and_targets_are_of_the_images_that_were_right_when_clean(table):
    data = table.data
    assert data["l2"].tolist()[1:3] == pytest.approx([2.0, 4.0])  # two clean errors did not move
    aimed = data[data["attack"] == "aimed"]
    assert aimed["target_reached"].tolist() == pytest.approx([25 / 98, 25 / 98], abs=0.01)
    assert data[data["attack"] != "aimed"]["target_reached"].isna().all()


def test_each_way_is_tested_against_the_first_attack_at_the_same_epsilon(table):
    data = table.data
    tested = data[data["p_first_holm"].notna()]
    assert tested["attack"].tolist() == ["aimed", "aimed", "square", "fgsm", "fgsm"]
    # At 0.1, the first attack has 26 more errors than the transferred images; of 5 tests, it is the second smallest.
    transferred = tested[(tested["source"] == "CNN/none") & (tested["size"] == 0.1)].iloc[0]
    first = np.arange(100) >= 30
    assert transferred["p_first_holm"] == pytest.approx(
        4 * compare_paired(first, np.arange(100) >= 4).p_value, rel=1e-9
    )
    assert tested[tested["attack"] == "square"]["p_first_holm"].iloc[0] > 0.05
    assert data["p_holm"].notna().sum() == 9


def test_findings_say_what_a_target_a_black_box_and_a_control_cost(table):
    aimed, square, transferred, rotated, stretched = table.findings
    assert aimed == (
        "aimed on lenet (mnist, seed 0) (white box, targeted) leaves a significantly higher accuracy than fgsm "
        "(white box) at epsilon 0.1, 0.2, and a significantly lower one at no epsilon (exact McNemar, Holm-corrected, "
        "level 0.05); at epsilon 0.2, 60.00 % next to 40.00 %. There, it reaches its target on 25.5 % of the images "
        "that were classified correctly."
    )
    assert "than fgsm (white box) at no epsilon, and a significantly lower one at no epsilon" in square
    assert "(black box, transfer, made on CNN/none) leaves a significantly higher accuracy" in transferred
    assert rotated == (
        "rotated on lenet (mnist, seed 0) (control, 30 degrees) leaves 70.00 % at a mean L2 distance of 9.000; fgsm "
        "already leaves no more at epsilon 0.1, 70.00 %, at a mean L2 distance of 2.000."
    )
    assert stretched.endswith("fgsm leaves more at every epsilon.")


def test_numbers_lead_to_their_images(table):
    found = {row: link for (row, column), link in table.images.items() if column == "accuracy %"}
    assert 0 not in found
    assert found[1]["epsilon"] == 0.1
    assert found[1]["source"] is None
    assert found[6]["source"] == "CNN/none"
    assert "epsilon" not in found[8]


def test_seeds_are_families_of_their_own_and_have_a_mean():
    table = tabulate([way("fgsm", "white box", seed=seed, wrong_at={0.1: 30 + 10 * seed}) for seed in (0, 1)])
    assert table.display["accuracy %, mean ± sd over seeds"].tolist() == ["98.00 ± 0.00", "65.00 ± 7.07"] * 2
    assert any("each is a family of its own" in note for note in table.notes)
    assert table.findings == []
