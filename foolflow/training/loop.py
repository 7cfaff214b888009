"""One training loop for every victim."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from foolflow.compute.batch_size import default_batch_size
from foolflow.compute.device import training_precision
from foolflow.compute.freezing import frozen
from foolflow.compute.generators import seeded
from foolflow.compute.memory import in_halves_if_needed
from foolflow.compute.prediction import to_float
from foolflow.compute.seeds import derived_seed
from foolflow.defenses.hardening import Harden, Hardening
from foolflow.errors import InvalidInput
from foolflow.jobs.progress import Progress
from foolflow.training.augmentation import shift_and_mirror, to_mirror
from foolflow.training.checkpoints import load_checkpoint, optimizer_tensors, restore_optimizer, save_checkpoint
from foolflow.training.history import Epoch, best_epoch, is_out_of_patience
from foolflow.training.recipe import Recipe, learning_rate_factor, loss_function, make_optimizer

EVALUATION_BATCH = 500  # of small images, like the next
ATTACKED_BATCH = 250
ATTACKED_VAL = 1000  # val images that are attacked after each epoch of adversarial training
INITIALIZED_ON = 5000  # train images at most, the first ones
INITIALIZED_ON_VALUES = INITIALIZED_ON * 3 * 32 * 32  # in these images, so fewer of them if they are large

T = TypeVar("T")


@dataclass(frozen=True)
class Labelled:
    """A labelled split. images: uint8 (N, C, H, W).  labels: int64 (N,). Both on the training device."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Trained:
    """A trained model, with the weights of the epoch with the best score (the earliest, if several are equal)."""

    model: nn.Module
    history: list[Epoch]
    best_epoch: int
    precision: str


def train(
    model: nn.Module,
    train_set: Labelled,
    val_set: Labelled,
    recipe: Recipe,
    *,
    seed: int,
    hardening: Hardening | None = None,
    checkpoint: Path | None = None,
    fingerprint: str = "",
    progress: Progress | None = None,
) -> Trained:
    """Train `model` in place, from its current weights, on the device of `train_set`.

    The order of the images, their augmentation and whatever the model draws depend only on `seed` and the number of the
    epoch, so a training run that resumes at any epoch ends with the same weights as an uninterrupted one.
    hardening: for adversarial training, the attacks on the batches.
    progress: receives the progress (default: printed to standard output).
    checkpoint: written after each epoch; the training resumes from it if it has the same `fingerprint`.
    Raises InvalidInput if the loss becomes infinite or NaN, or if the train split holds a single image.
    """
    precision = training_precision(recipe.precision, train_set.images.device)
    progress = progress or Progress("training", "epochs")
    model.to(train_set.images.device).to(memory_format=torch.channels_last)
    _initialize(model, train_set)
    optimizer = make_optimizer(recipe, model)
    training = _Training(model, optimizer, train_set, val_set, recipe, hardening, precision, seed, progress)
    history: list[Epoch] = []
    best = _copy_state(model)

    if checkpoint is not None and (saved := load_checkpoint(checkpoint)) and saved[1]["fingerprint"] == fingerprint:
        groups, reached = saved
        model.load_state_dict(groups["model"])
        best = groups["best"]
        restore_optimizer(optimizer, groups.get("optimizer", {}))
        history = [Epoch(**row) for row in reached["history"]]
        progress.write(f"resumed after epoch {len(history)} of {recipe.epochs}")

    progress.begin(recipe.epochs, len(history))
    for number in range(len(history) + 1, recipe.epochs + 1):
        if is_out_of_patience(history, recipe.patience):
            progress.write(f"stopped early: no better score for {recipe.patience} epochs")
            break
        epoch = training.run_epoch(number)
        if epoch.score > max((earlier.score for earlier in history), default=-1.0):
            best = _copy_state(model)
        history.append(epoch)
        progress.write(epoch.line(recipe.epochs))
        if checkpoint is not None:
            save_checkpoint(
                checkpoint,
                {"model": model.state_dict(), "best": best, "optimizer": optimizer_tensors(optimizer)},
                {"fingerprint": fingerprint, "history": [asdict(row) for row in history]},
            )

    model.load_state_dict(best)
    model.eval()
    return Trained(model, history, best_epoch(history), str(precision).removeprefix("torch."))


@runtime_checkable
class DataDependent(Protocol):
    """A module whose first weights depend on the train images: float32 (N, C, H, W) in [0, 1]."""

    def initialize_from(self, images: Tensor) -> None: ...


def _initialize(model: nn.Module, train_set: Labelled) -> None:
    images = train_set.images
    for module in model.modules():
        if isinstance(module, DataDependent):
            count = min(INITIALIZED_ON, max(1, INITIALIZED_ON_VALUES // images[0].numel()))
            module.initialize_from(to_float(images[:count], images.device))


def _copy_state(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


@dataclass
class _Training:
    """The parts of a training run that are shared by all epochs. Only the model and the optimizer change state."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    train_set: Labelled
    val_set: Labelled
    recipe: Recipe
    hardening: Hardening | None
    precision: torch.dtype
    seed: int
    progress: Progress

    def __post_init__(self) -> None:
        self.device = self.train_set.images.device
        self.loss_of = loss_function(self.recipe)

    def run_epoch(self, number: int) -> Epoch:
        """Train on each image once, except a last batch of one, then measure.

        Raises InvalidInput if a loss is not finite.
        """
        start = time.perf_counter()
        train_loss, train_accuracy = self._update_weights(number)
        seconds = time.perf_counter() - start
        if not math.isfinite(train_loss):
            raise InvalidInput(f"the loss is {train_loss} in epoch {number}: lower the learning rate of this model")
        with seeded(self.seed, "val", device=self.device):
            val_loss, val_accuracy = self._evaluate()
        if not math.isfinite(val_loss):  # the last update may have diverged
            raise InvalidInput(
                f"the val loss is {val_loss} after epoch {number}: lower the learning rate of this model"
            )
        attacked = {}
        if self.hardening is not None:
            with seeded(self.seed, "attacked val", device=self.device):
                attacked["val_attacked_accuracy"] = self._attacked_accuracy(self.hardening.same)
                attacked["val_pgd_accuracy"] = self._attacked_accuracy(self.hardening.pgd)
        return Epoch(
            epoch=number,
            learning_rate=self.optimizer.param_groups[0]["lr"],
            train_loss=train_loss,
            train_accuracy=train_accuracy,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            seconds=seconds,
            images_per_second=len(self.train_set.labels) / seconds,
            **attacked,
        )

    def _update_weights(self, number: int) -> tuple[float, float]:
        """Return the mean loss and the accuracy on the batches, each measured just before its update."""
        count = len(self.train_set.labels)
        total_loss = torch.zeros((), device=self.device)
        correct = torch.zeros((), device=self.device)
        self.model.train()
        with seeded(self.seed, "dropout", number, device=self.device):
            batches = list(_shuffled(count, self.recipe.batch_size, derived_seed(self.seed, "order", number)))
            if not batches:
                raise InvalidInput("the train split holds a single image; a training needs two or more")
            augmentation, starts = self._generator("augmentation", number), self._generator("attack", number)
            mirror = to_mirror(self.recipe.augmentation.get("flip", False), count, epoch=number, seed=self.seed)
            for step, indices in enumerate(batches):
                progress = (number - 1 + step / len(batches)) / self.recipe.epochs
                self._set_learning_rate(progress)
                mirrored, indices = mirror[indices].to(self.device), indices.to(self.device)
                images, labels = self.train_set.images[indices], self.train_set.labels[indices]
                if self.recipe.augmentation:
                    pad = self.recipe.augmentation["pad"]
                    images = shift_and_mirror(images, pad=pad, mirror=mirrored, generator=augmentation)
                if self.hardening is not None:
                    images = self._attacked(self.hardening.train, images, labels, starts, progress)
                logits = self._logits(images)
                loss = self.loss_of(logits, labels)
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                total_loss += loss.detach() * len(labels)
                correct += (logits.detach().argmax(1) == labels).sum()
                self.progress.update(number - 1 + (step + 1) / len(batches))
        trained_on = sum(map(len, batches))
        return total_loss.item() / trained_on, correct.item() / trained_on

    def _generator(self, purpose: str, *details: int) -> torch.Generator:
        return torch.Generator(self.device).manual_seed(derived_seed(self.seed, purpose, *details))

    def _set_learning_rate(self, progress: float) -> None:
        """Set the learning rate. progress: through the whole training, 0 to 1."""
        rate = self.recipe.learning_rate * learning_rate_factor(self.recipe.schedule, progress)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["rate_factor"]

    def _logits(self, images: Tensor) -> Tensor:
        """Run the model in the training's precision. images: uint8 or float32 (N, C, H, W). Returns float32."""
        inputs = to_float(images, images.device).contiguous(memory_format=torch.channels_last)
        with torch.autocast(images.device.type, self.precision, enabled=self.precision is not torch.float32):
            return self.model(inputs).float()

    @torch.no_grad()
    def _evaluate(self) -> tuple[float, float]:
        """Return loss and accuracy on the val split, in eval mode."""
        self.model.eval()
        images, labels = self.val_set.images, self.val_set.labels

        def measure(rows: range) -> tuple[float, float]:
            truth = labels[rows.start : rows.stop]
            logits = self._logits(images[rows.start : rows.stop])
            return self.loss_of(logits, truth).item() * len(truth), (logits.argmax(1) == truth).sum().item()

        losses, correct = zip(*self._in_batches(measure, labels, EVALUATION_BATCH), strict=True)
        return sum(losses) / len(labels), sum(correct) / len(labels)

    def _attacked_accuracy(self, harden: Harden) -> float:
        """Return the accuracy on the first val images under attack, with the same random starts after each epoch."""
        self.model.eval()
        images, labels = self.val_set.images[:ATTACKED_VAL], self.val_set.labels[:ATTACKED_VAL]
        starts, trained = self._generator("attacked val"), 1.0

        def measure(rows: range) -> int:
            truth = labels[rows.start : rows.stop]
            attacked = self._attacked(harden, images[rows.start : rows.stop], truth, starts, trained)
            with torch.no_grad():
                return int((self._logits(attacked).argmax(1) == truth).sum())

        return sum(self._in_batches(measure, labels, ATTACKED_BATCH)) / len(labels)

    def _in_batches(self, measure: Callable[[range], T], labels: Tensor, largest: int) -> list[T]:
        """Call `measure` on the rows of each batch, of `largest` small images, or of fewer if memory runs out."""
        size = default_batch_size(largest, tuple(self.val_set.images.shape[1:]))
        batches = [range(len(labels))[first : first + size] for first in range(0, len(labels), size)]
        return [one for rows in batches for one in in_halves_if_needed(measure, rows, self.progress.write)]

    def _attacked(
        self, harden: Harden, images: Tensor, labels: Tensor, starts: torch.Generator, progress: float
    ) -> Tensor:
        """Attack the images against the current weights, in eval mode. progress: as in `adversarial_training`."""
        with frozen(self.model):
            return harden(self._logits, to_float(images, images.device), labels, starts, progress)


def _shuffled(count: int, batch_size: int, seed: int) -> Iterator[Tensor]:
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    for batch in order.split(batch_size):
        if len(batch) > 1:  # BatchNorm cannot train on a single image
            yield batch
