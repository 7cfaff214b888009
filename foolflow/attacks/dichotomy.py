"""Dichotomy: search for the smallest norm at which a perturbation of that norm fools the model (R2, A)."""

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from foolflow.attacks.base import Adversarial, check_choice, conclude, is_clear_success, unless_lost
from foolflow.attacks.border import for_any_model
from foolflow.attacks.fixed_norm import descend_at
from foolflow.attacks.linearised import descend
from foolflow.attacks.norms import NORMS
from foolflow.attacks.search import Search
from foolflow.attacks.shortest import Shortest, length
from foolflow.attacks.variants import with_defaults
from foolflow.errors import InvalidInput


@for_any_model
def dichotomy(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    targets: Tensor | None = None,
    norm: str = "l2",
    variant: str = "improved",
    steps: int | None = None,
    learning_rate: float | None = None,
    interval: tuple[float, float] = (0.0, 4.0),
    precision: float = 1e-3,
    seed: int = 0,
) -> Adversarial:
    """Find the shortest adversarial perturbation r: bracket its norm N for each image, and for each N descend over
    the r with ||r|| = N and x + r in [0, 1] (R2, A).

    `published` halves the bracket. At each norm it starts from a random direction, descends with Adam on the confidence
    in the true label (or on the negative of that in the target), and scales r back to N after each step; the model
    classifies x + r clipped to [0, 1]. R2 names neither the optimiser nor the start. Plain gradient descent at R2's
    learning rate does not move an image that the network is certain of.

    `improved` takes one step at each norm. It linearises the gap between the logits, averages this linear model over
    the last steps, and moves the direction by the fraction `learning_rate` towards the shortest perturbation in [0, 1]
    that closes the gap. The next norm, within the bracket, is the one at which the linearised gap closes along that
    direction. The steps are divided among three phases. In the first, several starts compete by successive halving: one
    descends on the log-sum-exp of the rival logits; without targets, one on each of the most likely rivals; the others
    start at random. In the second, one start follows the gradients of images with noise, which fades: it sees past the
    thresholds of networks that ignore small changes, as adversarially trained ones do. The third refines the shortest
    perturbation. Finally, the line to the clean image is bisected.

    model: float32 images (N, C, H, W) in [0, 1] to logits (N, classes).
    images: float32 (N, C, H, W) in [0, 1].  labels, targets: int64 (N,). With targets, towards them.
    norm: `l2` or `linf`.
    steps: maximum number of gradient evaluations: `improved`: per image (100); `published`: per norm (1,000).
    learning_rate: `improved`: 1, falling along a cosine; `published`: of Adam, 0.005.
    interval: the first bracket, in pixel units. It is widened for images that are not fooled at its upper end, which
        for `improved` limits the first step alone. The search aims at no norm below its lower end,
        but clipping, and the search on networks without a useful gradient, may end there.
    precision: fraction of its upper end at which a bracket is closed.
    seed: of the random directions and of the noise, which are the same for every image.
    Misclassified images are returned unchanged, and so are images for which no adversarial image is found. Finished
    images leave the batch. `details` of the result: `norms` (N,) of the perturbations.
    Raises InvalidInput if images leave [0, 1], a label or target is not a class, a parameter is out of range, or the
    model's logits are not finite.
    """
    check_choice("norm", norm, NORMS)
    steps, rate = with_defaults(variant, steps, learning_rate)
    low, high = interval
    if steps < 1 or not rate > 0 or (variant == "improved" and rate > 1):
        raise InvalidInput(f"steps {steps}: at least 1; learning_rate {rate}: above 0, for `improved` at most 1")
    if not 0 <= low < high < math.inf or not 0 < precision < 1:
        raise InvalidInput(f"interval {interval}: 0 <= a < b; precision {precision}: between 0 and 1")
    with torch.no_grad():
        logits = model(images)
    shortest = Shortest(images, logits, labels, targets, norm)
    search = Search(model, shortest, steps, rate, low, high, precision, seed)
    rows = (~is_clear_success(logits, labels, targets, shortest.scale)).nonzero().squeeze(1)
    if variant == "published":
        _bisect(search, rows)
    else:
        descend(search, rows, logits)
    adversarial = search.shortest.images
    made = conclude(model, adversarial, labels, targets, search.iterations, search.evaluations)
    return replace(made, details={"norms": unless_lost(length(adversarial - images, norm), made)})


def _bisect(search: Search, rows: Tensor) -> None:
    """Bisect each image's own bracket. Try its upper end first, and double it until it fools or leaves [0, 1]."""
    low = torch.full((len(rows),), search.low, device=rows.device)
    high = torch.full_like(low, search.high)
    furthest = search.furthest(rows)
    while len(rows):
        confirmed = search.shortest.found[rows]
        trial = torch.where(confirmed, (low + high) / 2, high)
        fooled = descend_at(search, rows, trial)
        low = torch.where(fooled, low, trial)
        # Clipping to [0, 1] shortens a perturbation, so its norm may be below that of the trial.
        high = torch.where(fooled, torch.minimum(trial, search.shortest.lengths[rows]), high)
        high = torch.where(fooled | confirmed, high, 2 * trial)
        confirmed = confirmed | fooled
        going = torch.where(confirmed, high - low > search.precision * high, low < furthest)
        rows, low, high, furthest = (part[going] for part in (rows, low, high, furthest))
