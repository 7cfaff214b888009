"""Check the parameters of an attack against the annotations of its function."""

import math
import types
from collections.abc import Mapping, Sequence
from inspect import Parameter
from numbers import Integral, Real
from typing import Any, Union, get_args, get_origin

import numpy as np
from torch import Tensor

from foolflow.errors import InvalidInput

WORDS: dict[Any, str] = {
    float: "a number",
    int: "a whole number",
    bool: "true or false",
    str: "a name",
    Mapping: "a dict",
    types.NoneType: "None",
}
LISTS = (Sequence, tuple, list)
UNCHECKED = (Any, Parameter.empty, Tensor)


def check_kinds(given: Mapping[str, Any], annotations: Mapping[str, Any]) -> None:
    """Raise InvalidInput unless each given parameter is of a kind that its annotation allows.

    A whole number is also a number, an array or a tensor of one dimension also a list. NaN is no number.
    Tensors, and parameters without an annotation, are not checked.
    """
    for name, value in given.items():
        allowed = _options(annotations.get(name, Any))
        if not any(_fits(value, option) for option in allowed):
            shown = " ".join(repr(value).split())
            shown = shown if len(shown) <= 60 else f"{shown[:60]}..."
            raise InvalidInput(f"{name}: {shown} is not {' or '.join(map(_in_words, allowed))}")


def _options(annotation: Any) -> tuple[Any, ...]:
    is_union = isinstance(annotation, types.UnionType) or get_origin(annotation) is Union
    return get_args(annotation) if is_union else (annotation,)


def _kind(option: Any) -> Any:
    return types.NoneType if option is None else get_origin(option) or option


def _fits(value: Any, option: Any) -> bool:
    kind = _kind(option)
    if isinstance(value, np.ndarray | Tensor) and value.ndim == 0:
        value = value.item()
    if kind is float:
        return isinstance(value, Real) and not isinstance(value, bool) and not math.isnan(value)
    if kind is int:
        return isinstance(value, Integral) and not isinstance(value, bool)
    if kind in LISTS:
        return _fits_list(value, get_args(option))
    return kind in UNCHECKED or not isinstance(kind, type) or isinstance(value, kind)


def _fits_list(value: Any, items: tuple[Any, ...]) -> bool:
    if isinstance(value, np.ndarray | Tensor):
        value = value.tolist()
    if not isinstance(value, Sequence) or isinstance(value, str):
        return False
    of_each = items if len(items) > 1 and Ellipsis not in items else items[:1] * len(value)
    return len(of_each) in (0, len(value)) and all(
        any(_fits(one, option) for option in _options(each)) for one, each in zip(value, of_each, strict=False)
    )


def _in_words(option: Any) -> str:
    if _kind(option) not in LISTS:
        return WORDS.get(_kind(option), str(option))
    items = [one for one in get_args(option) if one is not Ellipsis]
    plural = f"{WORDS.get(_kind(items[0]), 'value')}s".removeprefix("a ") if items else "values"
    return f"a list of {f'{len(items)} ' if len(items) > 1 else ''}{plural}"
