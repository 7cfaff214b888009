"""Check the parameters of filters that count something, such as the pixels of a window."""

from numbers import Integral
from typing import Any

from foolflow.errors import InvalidInput


def check_whole(name: str, value: Any, *, least: int, most: int | None = None, odd: bool = False) -> None:
    """Raise InvalidInput unless `value` is a whole number from `least` to `most`; None: without a limit.

    name: of the filter and the parameter.  odd: whether it must be odd, too.
    """
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if whole and least <= value and (most is None or value <= most) and (value % 2 or not odd):
        return
    limits = f"of at least {least}" if most is None else f"from {least} to {most}"
    raise InvalidInput(f"{name} must be {'an odd' if odd else 'a'} whole number {limits}, not {value!r}")
