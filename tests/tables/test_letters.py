import numpy as np
import pytest

from foolflow.tables.letters import LETTERS, lettered, versus


def test_each_row_has_its_letters_and_its_test_against_each_other_row():
    p_values = {(0, 1): 0.2, (0, 2): 0.04, (1, 2): 0.05}
    found = lettered(["x", "y", "z"], [2, 1, 0], p_values)
    assert found[LETTERS].tolist() == ["b", "ab", "a"]  # 0.05 is not below 0.05
    assert found[versus("y")].tolist() == pytest.approx([0.2, np.nan, 0.05], nan_ok=True)
    assert found[versus("z")].tolist() == pytest.approx([0.04, 0.05, np.nan], nan_ok=True)


def test_a_single_row_has_nothing_to_be_compared_with():
    found = lettered(["x"], [0], {})
    assert found.to_dict("list") == {LETTERS: [""]}
