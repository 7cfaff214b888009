import numpy as np
import pandas as pd
import pytest
import yaml

from foolflow.tables.defenses import Cell, Roles, tabulate

ROLES = Roles(iterative="pgd", single_step="fgsm", huge="pgd_huge")


def cell(defense, kind, attack, wrong, n=100, seed=0):
    """Return a cell whose first five images are wrong when clean, and the first `wrong` under the attack."""
    index = np.arange(n)
    columns = {
        "epsilon": np.nan if attack == "deepfool" else 0.1,
        "label": 0,
        "clean_prediction": (index < 5).astype(int),
        "prediction": (index < wrong).astype(int),
    }
    return Cell("six_conv", defense, seed, kind, attack, pd.DataFrame({"index": index, **columns}))


def made(cells, root, dataset="cifar10", roles=None):
    return tabulate("title", dataset, cells, roles, yaml.safe_load((root / "reference/r3_defenses.yaml").read_text()))


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


def test_only_static_attacks_have_published_numbers(cells, root):
    table = made(cells, root)
    assert row(table, "none", "static", "fgsm")["published"] == pytest.approx(0.001)
    assert row(table, "feature_squeezing", "static", "fgsm")["published"] == pytest.approx(0.453)
    assert np.isnan(row(table, "feature_squeezing", "adaptive", "pgd")["published"])
    assert table.display["published: deepfool %"].tolist() == ["7.40", ""]
    assert "published: deepfool %" not in made(cells, root, "digits").display


def test_the_worst_case_counts_images_that_stay_correct_under_every_attack(cells, root):
    worst = row(made(cells, root), "feature_squeezing", "worst case", "all")
    assert (worst["n"], worst["accuracy"], worst["clean"]) == (50, 0.0, pytest.approx(0.9))
    # DeepFool, which has no epsilon, leaves 0.05
    assert row(made(cells, root), "none", "worst case", "all")["accuracy"] == pytest.approx(0.10)
    assert row(made(cells[1:2], root), "none", "worst case", "all")["accuracy"] == pytest.approx(0.05)


def test_each_defense_is_compared_with_none_under_the_same_attack(cells, root):
    data = made(cells, root).data
    assert data["holm_p"].notna().sum() == 1
    assert row(made(cells, root), "feature_squeezing", "static", "fgsm")["holm_p"] < 1e-10


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
    assert "adaptive pgd_adaptive leaves an accuracy of 0.0%" in finding
    assert "pgd_huge, whose radius allows any image to become grey, still leaves an accuracy of 95.0%" in finding


def test_the_attack_with_a_huge_radius_is_not_part_of_the_worst_case(root):
    shown = [cell("none", "white_box", "pgd", 50), cell("none", "white_box", "pgd_huge", 100)]
    assert row(made(shown, root, roles=ROLES), "none", "worst case", "all")["accuracy"] == 0.5


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
