"""The epochs of a training run, the best one, and early stopping."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """One line of history.csv. Accuracies are fractions; train_accuracy is measured on the batches during training.

    learning_rate: of the last batch.  seconds: of the updates alone, without the measurements.

    val_attacked_accuracy, val_pgd_accuracy: only in adversarial training, on the first val images, under the attack of
    the training and under PGD. If the first stays high while the second falls to 0, the network has overfitted to the
    attack of the training (catastrophic overfitting, Wong et al. 2020).
    """

    epoch: int
    learning_rate: float
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float
    images_per_second: float
    val_attacked_accuracy: float | None = None
    val_pgd_accuracy: float | None = None

    @property
    def score(self) -> float:
        """Clean accuracy plus, in adversarial training, PGD accuracy. The weights of the best epoch are kept."""
        return self.val_accuracy + (self.val_pgd_accuracy or 0.0)

    def line(self, epochs: int) -> str:
        """Summarise the epoch for the log. epochs: the total number."""
        attacked = ""
        if self.val_attacked_accuracy is not None:
            attacked = f" (attacked {self.val_attacked_accuracy:.1%}, PGD {self.val_pgd_accuracy:.1%})"
        return (
            f"epoch {self.epoch:3d}/{epochs}  loss {self.train_loss:.4f}  val loss {self.val_loss:.4f}"
            f"  val accuracy {self.val_accuracy:.2%}{attacked}  {self.images_per_second:,.0f} images/s"
        )


def best_epoch(history: Sequence[Epoch]) -> int:
    """Return the number of the epoch with the highest score, the earliest if several are equal."""
    return max(history, key=lambda epoch: epoch.score).epoch


def is_out_of_patience(history: Sequence[Epoch], patience: int | None) -> bool:
    """Whether the score has not improved in the last `patience` epochs."""
    return patience is not None and bool(history) and len(history) - best_epoch(history) >= patience
