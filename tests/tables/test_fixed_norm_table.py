import numpy as np
import pandas as pd
import pytest

from foolflow.tables.fixed_norm import Fixed, tabulate

RIGHT = np.arange(41) > 0  # the first image is a clean error


def records(fooled_at, steps=10):
    """Return records of 41 images at several norms, of which the images up to `fooled_at[norm]` are fooled."""
    index = np.arange(41)
    return pd.concat(
        pd.DataFrame(
            {
                "index": index,
                "epsilon": norm,
                "label": 0,
                "clean_prediction": (~RIGHT).astype(int),
                "success": index <= fooled,
                "l2": 0.9 * norm,
                "iterations": np.where(index <= fooled, steps, 1000),
            }
        )
        for norm, fooled in fooled_at.items()
    ).reset_index(drop=True)


def known(longest):
    """Return records of an attack that finds distances from 0 to `longest`, equally spaced."""
    index = np.arange(41)
    frame = pd.DataFrame({"index": index, "label": 0, "clean_prediction": (~RIGHT).astype(int), "success": True})
    return frame.assign(l2=longest * index / 40)


def test_images_with_a_known_perturbation_that_is_not_found_are_missed():
    table = tabulate([Fixed("mnist", "CNN", 0, "fixed", "short", records({1.0: 8, 2.0: 40}), known(4.0))])
    data = table.data
    assert data["n"].tolist() == [40, 40]
    assert data["within"].tolist() == [0.25, 0.5]  # 10 and 20 of 40 images
    assert data["fooled"].tolist() == [0.2, 1.0]
    assert data["missed"].tolist() == [2, 0]
    # 2 discordant pairs, all to one side: p = 2 / 2**2; 20 of them: 2 / 2**20, times 2 after Holm
    assert data["p_holm"].tolist() == pytest.approx([0.5, 4 / 2**20])
    assert data["median_steps"].tolist() == [10, 10]
    assert table.findings == [
        "Of 30 pairs of an image and a norm within which short finds a perturbation (1 network), the attack at the "
        "fixed norm misses 2."
    ]
    assert table.images[0, "fooled %"]["epsilon"] == 1.0


def test_nothing_is_claimed_where_no_perturbation_is_known():
    table = tabulate([Fixed("mnist", "CNN", 0, "fixed", "short", records({0.01: 0}), known(4.0))])
    assert table.findings[0].startswith("At none of these norms does short find a perturbation")
    assert table.display["median steps"].tolist() == [""]
    fine = tabulate([Fixed("mnist", "CNN", 0, "fixed", "short", records({1.0: 10}), known(4.0))])
    assert fine.findings[0].endswith("misses 0: its steps suffice.")
