"""The threat model of a number: which perturbations count."""

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
