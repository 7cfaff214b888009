"""Check the values in a config against a function's annotations, which are read from its syntax tree."""

import ast
from collections.abc import Iterator
from typing import Any

# The types of a config value that fit each annotation.
TYPES: dict[str, Any] = {
    "bool": bool,
    "int": int,
    "float": (int, float),
    "str": str,
    "Sequence": list,
    "list": list,
    "List": list,
    "tuple": list,
    "Tuple": list,
    "dict": dict,
    "Dict": dict,
    "None": type(None),
}
# Types that a config cannot express. They are ignored in unions.
OBJECTS = {"Tensor", "torch.Tensor", "np.ndarray", "numpy.ndarray"}


def type_problem(value: Any, annotation: ast.expr | None) -> str | None:
    """Explain why the value does not fit the annotation, or return None. Annotations with unknown types are ignored."""
    allowed = [option for option in _options(annotation) if ast.unparse(option) not in OBJECTS]
    if not allowed or not all(_is_known(option) for option in allowed) or any(_fits(value, one) for one in allowed):
        return None
    names = [name for option in allowed for name in _names(option)]
    return f"{value!r} is not of type {' or '.join(names)}"


def is_expressible(annotation: ast.expr | None) -> bool:
    """Whether the annotation allows a value, other than None, that a config can express."""
    options = list(_options(annotation))
    return not options or any(_is_known(option) and ast.unparse(option) != "None" for option in options)


def _options(annotation: ast.expr | None) -> Iterator[ast.expr]:
    """Yield int and None for `int | None`, `Union[int, None]`, `Optional[int]` and `"int | None"`."""
    match annotation:
        case None:
            return
        case ast.Constant(value=str(text)):
            yield from _options(ast.parse(text, mode="eval").body)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            yield from _options(left)
            yield from _options(right)
        case ast.Subscript(value=ast.Name(id="Union"), slice=ast.Tuple(elts=options)):
            for option in options:
                yield from _options(option)
        case ast.Subscript(value=ast.Name(id="Optional"), slice=option):
            yield from _options(option)
            yield ast.Constant(None)
        case _:
            yield annotation


def _is_known(option: ast.expr) -> bool:
    return _base(option) in TYPES or _base(option) == "Literal"


def _fits(value: Any, option: ast.expr) -> bool:
    if _base(option) == "Literal":
        return any(value == allowed and type(value) is type(allowed) for allowed in _literals(option))
    # True is also an int
    return isinstance(value, TYPES[_base(option)]) and (_base(option) == "bool" or not isinstance(value, bool))


def _names(option: ast.expr) -> list[str]:
    return [repr(value) for value in _literals(option)] if _base(option) == "Literal" else [_base(option)]


def _base(option: ast.expr) -> str:
    return ast.unparse(option).partition("[")[0]


def _literals(option: ast.expr) -> list[Any]:
    assert isinstance(option, ast.Subscript)
    values = ast.literal_eval(option.slice)
    return list(values) if isinstance(values, tuple) else [values]
