"""One training loop for every victim."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, softmax

from foolflow.compute.device import training_precision
from foolflow.compute.freezing import frozen
from foolflow.compute.prediction import to_float
from foolflow.compute.seeds import derived_seed
from foolflow.defenses.hardening import Harden, Hardening
from foolflow.errors import InvalidInput
from foolflow.jobs.progress import Progress
from foolflow.training.augmentation import shift_and_flip
from foolflow.training.checkpoints import load_checkpoint, optimizer_tensors, restore_optimizer, save_checkpoint

ATTACKED_VAL = 1000  # val images that are attacked after each epoch of adversarial training


@dataclass(frozen=True)
class Recipe:
    """How a model is trained. Each field is a key of `models.<name>.training` in the config, described there."""

    epochs: int
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    momentum: float = 0.0
    weight_decay: float = 0.0
    schedule: str = "constant"
    batch_size: int = 128
    augmentation: Mapping[str, Any] = field(default_factory=dict)
    label_smoothing: float = 0.0
    loss: str = "cross_entropy"
    patience: int | None = None
    precision: str = "auto"


@dataclass(frozen=True)
class Epoch:
    """One line of history.csv. Accuracies are fractions; train_accuracy is that of the batches as they were trained on.

    val_attacked_accuracy, val_pgd_accuracy: of adversarial training, on the first ATTACKED_VAL val images as the
    training's own attack and as PGD changes them. Where the first stays high while the second falls to nothing, the
    network has overfitted to its attack (catastrophic overfitting, Wong et al. 2020).
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
        """By this the epoch whose weights are kept is chosen: clean and, where there is one, robust accuracy."""
        return self.val_accuracy + (self.val_pgd_accuracy or 0.0)


@dataclass(frozen=True)
class Trained:
    """model: with the weights of the epoch with the best `score` (the earliest, if several are equal)."""

    model: nn.Module
    history: list[Epoch]
    best_epoch: int
    precision: str


@dataclass(frozen=True)
class Labelled:
    """images: uint8 (N, C, H, W).  labels: int64 (N,). Both on the device that trains."""

    images: Tensor
    labels: Tensor


def learning_rate_factor(schedule: str, progress: float) -> float:
    """The share of the peak learning rate at `progress` (0 to 1) through the training.

    `one_cycle` climbs linearly for the first fifth and then falls to 0 along a cosine (after Smith 2018).
    """
    if schedule == "constant":
        return 1.0
    warm_up = 0.2 if schedule == "one_cycle" else 0.0
    if progress < warm_up:
        return progress / warm_up
    return 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up)))


def loss_function(recipe: Recipe) -> Callable[[Tensor, Tensor], Tensor]:
    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        if recipe.loss == "cross_entropy_of_softmax":  # R1's mistake: its networks end in a softmax of their own
            logits = softmax(logits, dim=1)
        return cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)

    return loss


def make_optimizer(recipe: Recipe, model: nn.Module) -> torch.optim.Optimizer:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    rate, decay = recipe.learning_rate, recipe.weight_decay
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(
            parameters, rate, momentum=recipe.momentum, weight_decay=decay, nesterov=recipe.momentum > 0
        )
    # Decoupled decay (AdamW) is Adam where weight_decay is 0.
    return torch.optim.AdamW(parameters, rate, weight_decay=decay, fused=True)


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
    """Train `model` in place, from the weights it has, on the device it is on.

    The order of the images, their augmentation and dropout are drawn from `seed` and the epoch's number alone, so
    that a training resumed at any epoch ends in the same weights as an undisturbed one.
    hardening: of adversarial training, what attacks the batches.
    progress: tells how far it is (default: on standard output).
    checkpoint: written after each epoch; taken up if it carries the same `fingerprint`.
    Raises InvalidInput if the loss is no longer finite.
    """
    device = train_set.images.device
    precision = training_precision(recipe.precision, device)
    model.to(device).to(memory_format=torch.channels_last)
    optimizer = make_optimizer(recipe, model)
    progress = progress or Progress("training", "epochs")
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
        if _out_of_patience(history, recipe.patience):
            progress.write(f"stopped early: no better val accuracy for {recipe.patience} epochs")
            break
        epoch = _train_one_epoch(
            model, optimizer, train_set, val_set, recipe, hardening, precision, number, seed, progress
        )
        if epoch.score > max((row.score for row in history), default=-1.0):
            best = _copy_state(model)
        history.append(epoch)
        progress.write(_line(epoch, recipe.epochs))
        if checkpoint is not None:
            save_checkpoint(
                checkpoint,
                {"model": model.state_dict(), "best": best, "optimizer": optimizer_tensors(optimizer)},
                {"fingerprint": fingerprint, "history": [asdict(row) for row in history]},
            )

    model.load_state_dict(best)
    model.eval()
    return Trained(model, history, _best_epoch(history), str(precision).removeprefix("torch."))


def _line(epoch: Epoch, epochs: int) -> str:
    """An epoch, for the log."""
    attacked = ""
    if epoch.val_attacked_accuracy is not None:
        attacked = f" (attacked {epoch.val_attacked_accuracy:.1%}, PGD {epoch.val_pgd_accuracy:.1%})"
    return (
        f"epoch {epoch.epoch:3d}/{epochs}  loss {epoch.train_loss:.4f}  val loss {epoch.val_loss:.4f}"
        f"  val accuracy {epoch.val_accuracy:.2%}{attacked}  {epoch.images_per_second:,.0f} images/s"
    )


def _train_one_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    train_set: Labelled,
    val_set: Labelled,
    recipe: Recipe,
    hardening: Hardening | None,
    precision: torch.dtype,
    number: int,
    seed: int,
    progress: Progress,
) -> Epoch:
    device = train_set.images.device
    loss_of = loss_function(recipe)
    start = time.perf_counter()
    total_loss = torch.zeros((), device=device)
    correct = torch.zeros((), device=device)
    rate = 0.0
    model.train()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(derived_seed(seed, "dropout", number))
        batches = list(_shuffled(len(train_set.labels), recipe.batch_size, derived_seed(seed, "order", number)))
        generator = torch.Generator(device).manual_seed(derived_seed(seed, "augmentation", number))
        starts = torch.Generator(device).manual_seed(derived_seed(seed, "attack", number))
        for step, indices in enumerate(batches):
            rate = recipe.learning_rate * learning_rate_factor(
                recipe.schedule, (number - 1 + step / len(batches)) / recipe.epochs
            )
            for group in optimizer.param_groups:
                group["lr"] = rate
            indices = indices.to(device)
            images, labels = train_set.images[indices], train_set.labels[indices]
            if recipe.augmentation:
                images = shift_and_flip(images, **recipe.augmentation, generator=generator)
            if hardening is not None:
                images = _hardened(hardening.train, model, images, labels, precision, starts)
            logits = _logits(model, images, precision)
            loss = loss_of(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total_loss += loss.detach() * len(labels)
            correct += (logits.detach().argmax(1) == labels).sum()
            progress.update(number - 1 + (step + 1) / len(batches))
    train_loss = total_loss.item() / len(train_set.labels)
    if not math.isfinite(train_loss):
        raise InvalidInput(f"the loss is {train_loss} in epoch {number}: lower the learning rate of this model")
    seconds = time.perf_counter() - start
    val_loss, val_accuracy = evaluate(model, val_set, loss_of, precision)
    if not math.isfinite(val_loss):  # the last step of all may have been the one too far
        raise InvalidInput(f"the val loss is {val_loss} after epoch {number}: lower the learning rate of this model")
    attacked: dict[str, float] = {}
    if hardening is not None:
        for name, harden in (("val_attacked_accuracy", hardening.same), ("val_pgd_accuracy", hardening.pgd)):
            attacked[name] = _attacked_accuracy(harden, model, val_set, precision, seed)
    return Epoch(
        epoch=number,
        learning_rate=rate,
        train_loss=train_loss,
        train_accuracy=correct.item() / len(train_set.labels),
        val_loss=val_loss,
        val_accuracy=val_accuracy,
        seconds=seconds,
        images_per_second=len(train_set.labels) / seconds,
        **attacked,
    )


@torch.no_grad()
def evaluate(
    model: nn.Module, data: Labelled, loss_of: Callable[[Tensor, Tensor], Tensor], precision: torch.dtype
) -> tuple[float, float]:
    """Mean loss and accuracy in eval mode, in the precision of the training."""
    model.eval()
    loss = correct = 0.0
    for images, labels in zip(data.images.split(500), data.labels.split(500), strict=True):
        logits = _logits(model, images, precision)
        loss += loss_of(logits, labels).item() * len(labels)
        correct += (logits.argmax(1) == labels).sum().item()
    return loss / len(data.labels), correct / len(data.labels)


def _hardened(
    harden: Harden, model: nn.Module, images: Tensor, labels: Tensor, precision: torch.dtype, starts: torch.Generator
) -> Tensor:
    """The images as the attack changes them, with the network of the moment in eval mode."""
    with frozen(model):
        return harden(partial(_logits, model, precision=precision), to_float(images, images.device), labels, starts)


def _attacked_accuracy(harden: Harden, model: nn.Module, val_set: Labelled, precision: torch.dtype, seed: int) -> float:
    """On the first val images, attacked; from the same random starts after each epoch."""
    model.eval()
    images, labels = val_set.images[:ATTACKED_VAL], val_set.labels[:ATTACKED_VAL]
    starts = torch.Generator(images.device).manual_seed(derived_seed(seed, "attacked val"))
    correct = 0
    for batch, truth in zip(images.split(250), labels.split(250), strict=True):
        attacked = _hardened(harden, model, batch, truth, precision, starts)
        with torch.no_grad():
            correct += int((_logits(model, attacked, precision).argmax(1) == truth).sum())
    return correct / len(labels)


def _logits(model: nn.Module, images: Tensor, precision: torch.dtype) -> Tensor:
    inputs = to_float(images, images.device).contiguous(memory_format=torch.channels_last)
    with torch.autocast(images.device.type, precision, enabled=precision is not torch.float32):
        return model(inputs).float()


def _shuffled(count: int, batch_size: int, seed: int) -> Iterator[Tensor]:
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    for batch in order.split(batch_size):
        if len(batch) > 1:  # BatchNorm cannot train on a single image
            yield batch


def _copy_state(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def _best_epoch(history: list[Epoch]) -> int:
    return max(history, key=lambda row: row.score).epoch


def _out_of_patience(history: list[Epoch], patience: int | None) -> bool:
    return patience is not None and bool(history) and len(history) - _best_epoch(history) >= patience
