import numpy as np
import pandas as pd
import pytest

from foolflow.tables import minimal, minimal_speed


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
