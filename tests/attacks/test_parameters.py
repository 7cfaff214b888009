"""Parameters of another kind than an attack's annotations state are rejected in one line, by every attack."""

from collections.abc import Mapping, Sequence
from inspect import Parameter

import numpy as np
import pytest
import torch
from torch import nn

import foolflow
from foolflow.attacks.parameters import check_kinds
from foolflow.errors import InvalidInput
from tests.attacks.cases import CASES

METHODS = sorted({case.method for case in CASES.values()})

FITS = [
    (
        float,
        [0, 0.1, np.float32(0.1), np.int64(1), torch.tensor(0.1), torch.inf],
        ["8/255", None, [0.1], True, 1j, np.nan],
    ),
    (int, [3, np.int64(3), torch.tensor(3)], [2.5, 3.0, "3", None, False, [3]]),
    (int | None, [3, None], [2.5, "3"]),
    (str, ["linf"], [2, None, torch.inf, ["linf"]]),
    (bool, [True, False], [1, 0.0, None, "yes"]),
    (
        float | Sequence[float],
        [0.1, [0.1, 1], (0.1,), np.array([0.1]), torch.tensor([0.1])],
        ["8/255", None, ["8/255"]],
    ),
    (tuple[float, float], [(0, 1), [0.1, 0.2]], [(0.1,), (0, 1, 2), 0.1, ("a", "b")]),
    (Sequence[Mapping[str, int]], [[], [{"a": 1}]], [{"a": 1}, [3], "a", None]),
]


@pytest.mark.parametrize(("annotation", "good", "bad"), FITS, ids=lambda value: str(value)[:40])
def test_kinds(annotation, good, bad):
    for value in good:
        check_kinds({"a": value}, {"a": annotation})
    for value in bad:
        with pytest.raises(InvalidInput, match=r"^a: [^\n]+ is not [^\n]+$"):
            check_kinds({"a": value}, {"a": annotation})


def test_what_has_no_annotation_is_not_checked():
    check_kinds({"a": object(), "b": None, "c": 3}, {"b": torch.Tensor | None, "c": Parameter.empty})


@pytest.mark.parametrize(
    "value", ["8/255", [[0.1]], {"a": 1}, object(), torch.rand(2, 3, 4), b"a"], ids=lambda one: type(one).__name__
)
@pytest.mark.parametrize("name", METHODS)
def test_every_parameter_of_every_attack_is_checked(name, value):
    attack = getattr(foolflow.attacks, name)
    keywords = [one for one in attack.__kwdefaults__ or {} if one != "targets"]
    images, labels = torch.rand(2, 1, 8, 8), torch.zeros(2, dtype=torch.int64)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    needed = next(case.parameters for case in CASES.values() if case.method == name)
    for keyword in keywords:
        with pytest.raises(InvalidInput, match=r"^[^\n]+$") as caught:
            attack(model, images, labels, **{**needed, keyword: value})
        assert keyword in str(caught.value)


def test_the_words():
    with pytest.raises(InvalidInput, match=r"^epsilon: '8/255' is not a number or a list of numbers$"):
        check_kinds({"epsilon": "8/255"}, {"epsilon": float | Sequence[float]})
    with pytest.raises(InvalidInput, match=r"^steps: 2.5 is not a whole number or None$"):
        check_kinds({"steps": 2.5}, {"steps": int | None})
    with pytest.raises(InvalidInput, match=r"^interval: 3 is not a list of 2 numbers$"):
        check_kinds({"interval": 3}, {"interval": tuple[float, float]})
