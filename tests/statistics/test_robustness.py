import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foolflow.errors import InvalidInput
from foolflow.statistics.budget import Budget
from foolflow.statistics.robustness import (
    in_common,
    outcomes,
    ranks,
    worst_case,
)


def records(prediction, *, clean=None, l2=1.0, linf=0.1, index=None, epsilon=np.nan):
    """Return records of images of class 0. clean: the predictions before the attack."""
    images = len(prediction)
    return pd.DataFrame(
        {
            "index": range(images) if index is None else index,
            "epsilon": epsilon,
            "label": 0,
            "clean_prediction": [0] * images if clean is None else clean,
            "prediction": prediction,
            "l2": l2,
            "linf": linf,
        }
    )


def right(*arguments):
    return outcomes(*arguments)["right"].tolist()


def test_a_clean_error_stays_wrong_even_if_the_attack_corrects_it():
    found = outcomes(records([0, 1, 0, 1], clean=[0, 0, 1, 1]), None)
    assert found["clean"].tolist() == [True, True, False, False]
    assert found["right"].tolist() == [True, False, False, False]


def test_a_perturbation_beyond_the_budget_does_not_count():
    attacked = records([1, 1, 1, 0], l2=[0.5, 1.0, 1.1, 2.0], linf=[0.3, 0.1, 0.1, 0.1])
    assert right(attacked, Budget("l2", 1.0)) == [False, False, True, True]
    assert right(attacked, Budget("linf", 0.1)) == [True, False, False, True]
    assert right(attacked, None) == [False, False, False, True]


def test_float32_rounding_does_not_exceed_the_budget():
    epsilon = 0.03137
    reached = float(np.abs(np.float32(0.7) + np.float32(epsilon) - np.float32(0.7)))
    assert reached != epsilon
    assert right(records([1], linf=reached), Budget("linf", epsilon)) == [False]
    assert right(records([1], linf=epsilon * 1.001), Budget("linf", epsilon)) == [True]


def test_the_largest_epsilon_within_the_budget_counts():
    sweep = pd.concat(
        [
            records([1, 0], epsilon=0.1, linf=0.1),
            records([0, 1], epsilon=0.3, linf=0.3),
            records([0, 0], epsilon=0.2, linf=0.2),
        ]
    )
    assert right(sweep, Budget("linf", 0.25), "linf") == [True, True]
    assert right(sweep, Budget("linf", 0.1), "linf") == [False, True]
    assert right(sweep, None) == right(sweep, None, "linf") == [True, False]
    with pytest.raises(InvalidInput, match=r"epsilons \[0.1, 0.2, 0.3\] is within"):
        outcomes(sweep, Budget("linf", 0.05), "linf")


@pytest.mark.parametrize("norm", ["linf", None])
def test_epsilons_of_another_norm_are_not_compared_with_the_budget(norm):
    """The larger one is below the budget, too, but its images are beyond it."""
    sweep = pd.concat([records([1, 0], epsilon=0.03, l2=0.9), records([1, 1], epsilon=0.9, l2=[20.0, 0.8])])
    assert right(sweep, Budget("l2", 1.0), norm) == [False, False]
    assert right(sweep, Budget("l2", 1.0), "l2") == [True, False]
    assert right(sweep, Budget("l2", 0.01), norm) == [True, True]


def test_one_success_among_several_images_is_enough_and_its_row_is_reported():
    attacked = records([0, 0, 1, 0], index=[7, 3, 7, 3])
    found = outcomes(attacked, None)
    assert found.index.tolist() == [3, 7]
    assert found["right"].tolist() == [True, False]
    assert found["row"].tolist() == [1, 2]


def test_images_in_common_are_those_of_every_attack():
    tables = [outcomes(records([0] * len(index), index=index), None) for index in ([4, 2, 9], [9, 4], [1, 4, 9])]
    assert in_common(tables).tolist() == [4, 9]


@given(st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=1, max_size=4))
def test_the_worst_case_is_no_better_than_any_attack(attacks):
    columns = [pd.Series(one) for one in attacks]
    robust = worst_case(columns)
    assert robust.tolist() == [all(one[place] for one in attacks) for place in range(6)]
    assert all(robust.sum() <= one.sum() for one in columns)


def test_the_worst_case_uses_the_images_that_all_attacks_have_in_common():
    robust = worst_case([pd.Series([True, True, False], index=[4, 2, 9]), pd.Series([True, False], index=[9, 2])])
    assert robust.to_dict() == {2: False, 9: False}


def test_ties_share_a_rank():
    assert ranks([5, 9, 5, 1]) == [2, 1, 2, 4]
