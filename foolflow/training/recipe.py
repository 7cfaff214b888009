"""The training recipe, and the loss, schedule and optimizer that it defines."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, softmax

WARM_UP = 0.2  # of a one_cycle training


@dataclass(frozen=True)
class Recipe:
    """A training recipe. The fields are the keys of `models.<name>.training` in the config, which documents them."""

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
    norm_bias_rate: float = 1.0


def learning_rate_factor(schedule: str, progress: float) -> float:
    """Return the fraction of the peak learning rate at `progress` (0 to 1) through the training.

    `one_cycle` rises linearly for the first fifth and then falls to 0 along a cosine (after Smith 2018). It starts at
    0, so the first update changes nothing. `cosine` falls to 0 along a cosine; `constant` stays.
    """
    if schedule == "constant":
        return 1.0
    warm_up = WARM_UP if schedule == "one_cycle" else 0.0
    if progress < warm_up:
        return progress / warm_up
    return 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up)))


def loss_function(recipe: Recipe) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the loss function, from logits (N, classes) and labels (N,) to the mean over the batch."""

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        if recipe.loss == "cross_entropy_of_softmax":  # R1's mistake: the networks already end in a softmax
            logits = softmax(logits, dim=1)
        return cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)

    return loss


def make_optimizer(recipe: Recipe, model: nn.Module) -> torch.optim.Optimizer:
    """Return the optimizer of the trainable parameters. `rate_factor` of a group multiplies the learning rate."""
    groups = _parameter_groups(recipe, model)
    rate, decay = recipe.learning_rate, recipe.weight_decay
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, rate, momentum=recipe.momentum, weight_decay=decay, nesterov=recipe.momentum > 0)
    # Without weight decay, AdamW is Adam.
    return torch.optim.AdamW(groups, rate, weight_decay=decay, fused=True)


def _parameter_groups(recipe: Recipe, model: nn.Module) -> list[dict[str, Any]]:
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if recipe.norm_bias_rate == 1:
        return [{"params": trainable, "rate_factor": 1.0}]
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    biases = {id(norm.bias) for norm in norms}
    return [
        {"params": [parameter for parameter in trainable if id(parameter) not in biases], "rate_factor": 1.0},
        {
            "params": [parameter for parameter in trainable if id(parameter) in biases],
            "rate_factor": recipe.norm_bias_rate,
            "weight_decay": recipe.weight_decay / recipe.norm_bias_rate,  # as much decay a step as the others have
        },
    ]
