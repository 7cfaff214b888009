"""Choose how many images each attack gets, so that all attacks on a victim fit a time budget.

This module does not import PyTorch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from foolflow.attacks.standard import needs_gradient
from foolflow.jobs.costs import Cost, passes

FEWEST = 10  # images of an attack, however slow it is
OVERHEAD = 4.0  # seconds for a job to start and to load its victim
# Planned numbers of images within a factor of ten; coarse, so that noise in the timing changes none.
STEPS = (10, 12, 15, 20, 25, 30, 40, 50, 60, 80)


@dataclass(frozen=True)
class Speed:
    """How fast one victim is, measured on one batch.

    forward, gradient: seconds per image for a forward pass, and for a forward and a backward pass together.
    resisting: the fraction of images that withstood a short attack. They cost an attack more than the others.
    images: number of test images.  classes: number of the victim's outputs.
    differentiable: whether the victim has a gradient. Attacks that need one get no images otherwise.
    shape: (C, H, W) of the images, which some attacks' own computations depend on.
    draws: what `samples: auto` means for this victim, 1 unless it is random.
    """

    forward: float
    gradient: float
    resisting: float
    images: int
    classes: int
    differentiable: bool = True
    shape: tuple[int, ...] | None = None
    draws: int = 1


@dataclass(frozen=True)
class Planned:
    """What one attack gets. images: their number.  available: the number without a budget.  seconds: an estimate."""

    images: int
    available: int
    seconds: float


def plan(attacks: Sequence[Mapping[str, Any]], speed: Speed, budget: float | None) -> dict[str, Planned]:
    """Return the plan of each attack, by name.

    attacks: each a `name`, the config `entry` and whether it `counts` in the worst case. These attacks get the same
        number of images, because the worst case needs images that all of them attacked.
    budget: seconds for all attacks, one after another on one core; None: no limit. Every attack has an equal share of
        it, and what one does not need goes to the others. No attack gets fewer than FEWEST images.
    """
    none = {
        one["name"]: Planned(0, 0, 0.0) for one in attacks if needs_gradient(one["entry"]) and not speed.differentiable
    }
    attacks = [one for one in attacks if one["name"] not in none]
    cost = {one["name"]: seconds_per_image(one["entry"], speed) for one in attacks}
    available = {one["name"]: min(speed.images, one["entry"].get("images", speed.images)) for one in attacks}
    counting = [one["name"] for one in attacks if one["counts"]]
    groups = [group for group in (counting, *([one["name"]] for one in attacks if not one["counts"])) if group]
    images = dict(available)
    if budget is not None:
        # Most of a short budget goes into starting jobs. Half of it is for the attacks even then.
        images |= _fitted(groups, cost, available, max(budget - OVERHEAD * len(attacks), budget / 2))
    return none | {
        name: Planned(images[name], available[name], OVERHEAD + images[name] * cost[name]) for name in images
    }


def _fitted(
    groups: list[list[str]], cost: Mapping[str, float], available: Mapping[str, int], seconds: float
) -> dict[str, int]:
    """Divide the time among the groups in proportion to their attacks. Each group's attacks get equally many images."""
    images: dict[str, int] = {}
    waiting = sorted(groups, key=lambda group: _needed(group, cost, available) / len(group))
    while waiting:
        share = max(seconds, 0) / sum(map(len, waiting))
        group = waiting.pop(0)  # the one that needs the least for each attack, so that what it leaves helps the others
        fits = _needed(group, cost, available) <= share * len(group)
        for name in group:
            count = rounded_down(share * len(group) / sum(cost[one] for one in group))
            images[name] = available[name] if fits else min(count, available[name])
        seconds -= sum(images[name] * cost[name] for name in group)
    return images


def _needed(group: Sequence[str], cost: Mapping[str, float], available: Mapping[str, int]) -> float:
    return sum(available[name] * cost[name] for name in group)


def rounded_down(count: float) -> int:
    """Return the largest of the planned numbers of images up to `count`, at least FEWEST."""
    if count < FEWEST:
        return FEWEST
    scale = 10 ** (len(str(int(count))) - 2)
    return max(step * scale for step in STEPS if step * scale <= count)


def seconds_per_image(entry: Mapping[str, Any], speed: Speed) -> float:
    """Return the estimated time of an attack, by its config entry, on one image of a victim of this speed."""
    typical = passes(entry, speed.classes, speed.shape, speed.draws)
    most = typical.at_most
    return (1 - speed.resisting) * _seconds(typical, speed) + speed.resisting * _seconds(most, speed) + typical.seconds


def _seconds(cost: Cost, speed: Speed) -> float:
    """Return the time of these passes. Each backward pass follows one of the forward passes."""
    return (cost.forward - cost.backward) * speed.forward + cost.backward * speed.gradient
