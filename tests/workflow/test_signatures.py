import ast

import pytest

from foolflow.workflow.signatures import is_expressible, type_problem


def annotation(text):
    return ast.parse(text, mode="eval").body if text else None


@pytest.mark.parametrize(
    ("value", "text", "fits"),
    [
        (3, "int", True),
        (True, "int", False),
        (3, "float", True),
        (3.5, "int", False),
        (None, "int | None", True),
        (None, "Optional[int]", True),
        ("a", "Optional[int]", False),
        (0.1, "Union[float, Tensor]", True),
        ("a", "Union[float, Tensor]", False),
        ([1], "float | Sequence[float]", True),
        ("l2", "Literal['l1', 'l2']", True),
        ("l3", "Literal['l1', 'l2']", False),
        (False, "Union[Literal[False], None, str]", True),
        (1, "Union[Literal[False], None, str]", False),
        ("a", "'int | float'", False),
        ({"a": 1}, "dict[str, int] | None", True),
        ("a", "Penalty", True),  # an unknown type accepts everything
        ("a", "Penalty | int", True),
        ("a", None, True),
    ],
)
def test_a_value_must_fit_the_annotation(value, text, fits):
    problem = type_problem(value, annotation(text))
    assert (problem is None) == fits, problem
    assert problem is None or problem.startswith(f"{value!r} is not of type ")


@pytest.mark.parametrize(
    ("text", "expressible"),
    [
        ("int", True),
        ("Optional[Attack]", False),
        ("Callable", False),
        ("Optional[Tensor]", False),
        ("float | Tensor", True),
        (None, True),
    ],
)
def test_types_that_a_config_cannot_express_are_recognised(text, expressible):
    assert is_expressible(annotation(text)) == expressible
