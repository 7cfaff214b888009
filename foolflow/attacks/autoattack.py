"""An ensemble of attacks in the manner of AutoAttack (Croce and Hein 2020, arXiv 2003.01690)."""

from dataclasses import replace
from importlib.util import find_spec

import torch
from torch import Tensor, nn

from foolflow.attacks.base import Adversarial, as_epsilons, conclude, is_success
from foolflow.attacks.border import for_any_model
from foolflow.attacks.pgd import pgd
from foolflow.compute.gradients import why_not_differentiable
from foolflow.errors import InvalidInput

PACKAGE = "pyautoattack"
NORMS = {"linf": "Linf", "l2": "L2"}
LOSSES = ("margin", "cross_entropy")
PACKAGE_STAGE = len(LOSSES) + 1
STEPS = 20  # of each of the first attacks, which only have to fool the images that are easy to fool


@for_any_model
def autoattack(
    model: nn.Module, images: Tensor, labels: Tensor, *, epsilon: float, norm: str = "linf", seed: int = 0
) -> Adversarial:
    """Run attack after attack on the images that the previous ones did not fool: PGD on the margin, PGD on the
    cross-entropy, and the standard version of AutoAttack from the package pyautoattack: APGD on the cross-entropy,
    targeted APGD, targeted FAB and Square.

    With 2 or 3 classes, targeted APGD uses the cross-entropy, because its own loss needs 4 classes.

    model: float32 images (N, C, H, W) in [0, 1] to logits (N, classes). If it has no gradient, only Square runs.
    images: float32 (N, C, H, W) in [0, 1].  labels: int64 (N,).
    epsilon: radius of the ball in pixel units.  norm: `linf` or `l2`.  seed: of PGD's starts. The random numbers of the
        package depend on the images that reach it, so its result for an image can depend on the batch.
    Images that no attack fools, and misclassified ones, are returned unchanged.
    `details` of the result: `stage` (N,), int64: 0 for images that were misclassified before, 1 for those fooled by
    PGD on the margin, 2 by PGD on the cross-entropy, 3 by the package, -1 for those that are not fooled.
    Raises InvalidInput if images leave [0, 1], a label is not a class, a parameter is out of range, the model's logits
    are not finite, or an image is left for the package and the package is not installed.
    """
    if norm not in NORMS:
        raise InvalidInput(f"norm: {norm!r} is not linf or l2")
    as_epsilons(epsilon)
    made, stage = images.clone(), torch.full_like(labels, -1)
    evaluations, iterations = torch.zeros_like(labels), torch.zeros_like(labels)
    with torch.no_grad():
        logits = model(images)
    stage[is_success(logits.argmax(1), labels, None)] = 0
    differentiable = why_not_differentiable(model, images[:1]) is None
    for rank in range(1 if differentiable else PACKAGE_STAGE, PACKAGE_STAGE + 1):
        rows = (stage == -1).nonzero().squeeze(1)
        if len(rows) == 0:
            break
        if rank < PACKAGE_STAGE:
            loss = LOSSES[rank - 1]
            tried = pgd(
                model, images[rows], labels[rows], epsilon=epsilon, norm=norm, loss=loss, steps=STEPS, seed=seed
            )
        else:
            tried = _package(model, images[rows], labels[rows], epsilon, norm, differentiable)
        iterations[rows] += tried.iterations
        evaluations[rows] += tried.gradient_evaluations
        fooled = rows[tried.success]
        made[fooled], stage[fooled] = tried.images[tried.success], rank
    result = conclude(model, made, labels, None, iterations, evaluations)
    return replace(result, details={"stage": stage})


def _package(
    model: nn.Module, images: Tensor, labels: Tensor, epsilon: float, norm: str, differentiable: bool
) -> Adversarial:
    if find_spec(PACKAGE) is None:
        raise InvalidInput(f"attack autoattack needs {PACKAGE}; run `pip install {PACKAGE}`")
    # Imported here: most images never get this far, and code digests of other attacks should not include it.
    from foolflow.attacks.peers.running import load_peer

    ball = {"epsilon": epsilon, "norm": NORMS[norm]}
    if differentiable:
        return load_peer("autoattack:standard", ball)(model, images, labels)
    return load_peer("autoattack:custom", ball | {"attacks": ["square"]})(model, images, labels)
