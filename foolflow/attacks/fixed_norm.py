"""R2's attack at one fixed norm: descend on the confidence over the perturbations of that norm."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from foolflow.attacks.base import Adversarial, at_each, check_choice, conclude, is_clear_success
from foolflow.attacks.border import for_any_model
from foolflow.attacks.norms import NORMS
from foolflow.attacks.search import Search
from foolflow.attacks.shortest import TINY, Shortest, column, length
from foolflow.errors import InvalidInput


@for_any_model
def fixed_norm(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    targets: Tensor | None = None,
    epsilon: float | Sequence[float],
    norm: str = "l2",
    steps: int = 1000,
    learning_rate: float = 0.005,
    seed: int = 0,
) -> Adversarial:
    """Descend with Adam on the confidence in the true label (or on the negative of that in the target) over the
    perturbations r with ||r|| = epsilon, from a random direction (R2, `attack`). The model classifies x + r clipped to
    [0, 1].

    Adam changes all pixels by about the same amount, so in L2 r ends near the signs of the gradient and not along it.
    R2's `dichotomy` runs this search at each norm that its bisection tries. Where an image is known to have an
    adversarial perturbation of that norm, a failure shows that `steps` do not suffice.

    model: float32 images (N, C, H, W) in [0, 1] to logits (N, classes).
    images: float32 (N, C, H, W) in [0, 1].  labels, targets: int64 (N,). With targets, towards them.
    epsilon: norm of r in pixel units before clipping, which shortens it; or E norms. With several, each field of the
        result has a leading dimension E.
    norm: `l2` or `linf`.
    steps: maximum number of steps.  learning_rate: of Adam.
    seed: of the random direction, which is the same for every image.
    An image leaves the batch as soon as it fools the model. Misclassified images are returned unchanged, and so are
    images that are not fooled.
    Raises InvalidInput if images leave [0, 1], a label or target is not a class, a parameter is out of range, or the
    model's logits are not finite.
    """
    check_choice("norm", norm, NORMS)
    if steps < 1 or not learning_rate > 0:
        raise InvalidInput(f"steps {steps}: at least 1; learning_rate {learning_rate}: above 0")
    with torch.no_grad():
        logits = model(images)

    def attack(radius: float) -> Adversarial:
        shortest = Shortest(images, logits, labels, targets, norm)
        search = Search(model, shortest, steps, learning_rate, 0.0, radius, 1.0, seed)
        rows = (~is_clear_success(logits, labels, targets, shortest.scale)).nonzero().squeeze(1)
        descend_at(search, rows, torch.full((len(rows),), radius, device=images.device))
        return conclude(model, shortest.images, labels, targets, search.iterations, search.evaluations)

    return at_each(epsilon, attack)


def descend_at(search: Search, rows: Tensor, norms: Tensor) -> Tensor:
    """Descend on the confidence at the given norm of each image. Returns which images are fooled: bool (N,).

    Adam is written out because fooled images leave the batch.
    """
    model, shortest = search.model, search.shortest
    fooled = torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
    live = torch.arange(len(rows), device=rows.device)
    perturbations = column(norms) * search.random_directions(1)
    mean, variance = torch.zeros_like(perturbations), torch.zeros_like(perturbations)
    for step in range(search.steps + 1):
        tried = (search.clean[rows[live]] + perturbations).clamp(0, 1)
        with torch.no_grad():
            now, _ = shortest.remember(rows[live], tried, model(tried))
        fooled[live[now]] = True
        live, perturbations, mean, variance = (part[~now] for part in (live, perturbations, mean, variance))
        if step == search.steps or len(live) == 0:
            break
        gradients = _confidence_gradient(search, rows[live], perturbations)
        mean = 0.9 * mean + 0.1 * gradients
        variance = 0.999 * variance + 0.001 * gradients.square()
        corrected = (variance / (1 - 0.999 ** (step + 1))).sqrt() + 1e-8
        perturbations = perturbations - search.rate * mean / (1 - 0.9 ** (step + 1)) / corrected
        lengths = length(perturbations, search.norm).clamp_min(TINY)
        perturbations = perturbations * column(norms[live] / lengths)
        search.iterations[rows[live]] += 1
        search.evaluations[rows[live]] += 1
    return fooled


def _confidence_gradient(search: Search, rows: Tensor, perturbations: Tensor) -> Tensor:
    inputs = perturbations.detach().requires_grad_()
    confidences = search.model((search.clean[rows] + inputs).clamp(0, 1)).softmax(1)
    labels, targets = search.shortest.goal(rows)
    loss = confidences.gather(1, labels[:, None]) if targets is None else -confidences.gather(1, targets[:, None])
    return torch.autograd.grad(loss.sum(), inputs)[0]
