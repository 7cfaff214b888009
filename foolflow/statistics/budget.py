"""The threat model of a number: which perturbations count, and how their size is written."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """The largest perturbation that counts. norm: l2 or linf.  epsilon: in pixel units.

    Norms are measured on float32 images, so rounding may leave them slightly above epsilon.
    """

    norm: str
    epsilon: float

    @property
    def largest(self) -> float:
        return self.epsilon * (1 + 1e-6) + 1e-7


def size_in_words(value: float) -> str:
    """Format an epsilon for readers: `8/255` if that is what it is and a decimal would be long, otherwise `0.1`."""
    over_255 = round(value * 255)
    short = f"{value:g}"
    return f"{over_255}/255" if len(short) > 6 and abs(value * 255 - over_255) < 1e-4 and over_255 else short


def ball_in_words(norm: str, epsilon: float) -> str:
    """Return for instance `L∞ 8/255` or `L2 0.5`."""
    return f"{'L∞' if norm == 'linf' else 'L2'} {size_in_words(epsilon)}"
