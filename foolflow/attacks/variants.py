"""R2's attacks in two variants: improved, and as published."""

from foolflow.attacks.base import check_choice

DEFAULTS = {"improved": (100, 1.0), "published": (1000, 0.005)}  # steps, learning rate


def with_defaults(variant: str, steps: int | None, learning_rate: float | None) -> tuple[int, float]:
    """Return the number of steps and the learning rate of a variant; those that are None are its own.

    Raises InvalidInput if there is no such variant.
    """
    check_choice("variant", variant, DEFAULTS)
    own_steps, own_rate = DEFAULTS[variant]
    return own_steps if steps is None else steps, own_rate if learning_rate is None else learning_rate
