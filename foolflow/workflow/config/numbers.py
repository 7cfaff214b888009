"""Find numbers in a config that YAML reads as text, and numbers that are not finite."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from foolflow.workflow.config.names import join

# YAML 1.1, which PyYAML implements, requires a point in the mantissa and a sign in the exponent.
_WITH_EXPONENT = re.compile(r"([-+]?)(\d+|\d+\.\d*|\.\d+)[eE]([-+]?)(\d+)")


def read_as_text(value: Any, *, integer: bool = False) -> str | None:
    """Explain that YAML reads `5e-2` as text and `5.0e-2` as a number. Returns None for any other value.

    integer: whether only a whole number is allowed here; then the advice is to write 1e3 as 1000.
    """
    written = _WITH_EXPONENT.fullmatch(value) if isinstance(value, str) else None
    if written is None:
        return None
    sign, mantissa, direction, exponent = written.groups()
    if "." in mantissa and direction:
        return None  # YAML reads this as a number, so it was put in quotes
    if integer:
        number = float(value)
        return _advice(value, str(int(number))) if number.is_integer() else None
    return _advice(value, f"{sign}{mantissa if '.' in mantissa else mantissa + '.0'}e{direction or '+'}{exponent}")


def _advice(value: str, better: str) -> str:
    return f"YAML reads {value} as text, not as a number; write {better}"


def numbers_read_as_text(value: Any, key: str) -> Iterator[str]:
    """Yield one line for each number that YAML reads as text, anywhere in `value`. key: that of `value`."""
    for leaf_key, leaf in _leaves(value, key):
        if problem := read_as_text(leaf):
            yield f"{leaf_key}: {problem}"


def not_finite(config: Any) -> Iterator[str]:
    """Yield one line for each number that is not finite. A schema cannot reject NaN, which is below every maximum.

    A key named `norm` may be infinite.
    """
    for key, value in _leaves(config, ""):
        if isinstance(value, float) and not math.isfinite(value) and not (key.endswith(".norm") and value > 0):
            yield f"{key}: {value} is not a finite number"


def _leaves(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping | list):
        for name, part in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _leaves(part, join(key, name))
    else:
        yield key, value
