"""Define the contenders of each task: our attack, those of other libraries, and the loop of the original projects.

All contenders get the same parameters. Where a library's parameters differ or have another name, this module says so.
"""

import importlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from bench import loops
from foolflow.attacks.base import Adversarial
from foolflow.attacks.peers.running import Counted

# (model, images, labels, targets or None) -> the adversarial images, alone or with their success.
Attack = Callable[[Counted, Tensor, Tensor, Tensor | None], Tensor | Adversarial]

OURS = "Foolflow"
LOOP = "image by image"
NAMES = {"advlib": "adv-lib", "art": "ART", "autoattack": "pyautoattack"}
SLOW = 20  # images that a slow contender attacks: the fewest that a ratio may rest on
# Libraries whose attacks also classify the adversarial images. The others only return the images.
JUDGES_ITSELF = {"foolbox"}


@dataclass(frozen=True)
class Contender:
    """An attack of one library.

    library: its name.  how: what distinguishes it from another row of the same library.
    images: how many of the first images a slow contender attacks (None: all).
    judged: the attack already classifies the images it returns.
    missing: why it cannot run; `attack` is then None.
    """

    library: str
    attack: Attack | None
    how: str = ""
    images: int | None = None
    judged: bool = False
    missing: str = ""

    @property
    def name(self) -> str:
        return f"{self.library}, {self.how}" if self.how else self.library


@dataclass(frozen=True)
class Task:
    """An attack that several contenders run. The first contender is ours.

    distance: the size of a perturbation is measured as `l2`, `linf` or `flow_loss`.
    """

    name: str
    distance: str
    contenders: Sequence[Contender]
    targeted: bool = False


def ours(name: str, *, how: str = "", images: int | None = None, **parameters: Any) -> Contender:
    def run(model: Counted, given: Tensor, labels: Tensor, targets: Tensor | None) -> Adversarial:
        aim = {} if targets is None else {"targets": targets}
        attack = getattr(importlib.import_module(f"foolflow.attacks.{name}"), name)
        return attack(model, given, labels, **aim, **parameters)

    return Contender(OURS, run, how, images, judged=True)


def peer(method: str, *, how: str = "", images: int | None = None, **parameters: Any) -> Contender:
    library, _, name = method.partition(":")
    module = importlib.import_module(f"foolflow.attacks.peers.{library}")
    shown = NAMES.get(library, library)
    try:
        attack = module.make(name, parameters)
    except ImportError as error:
        return Contender(shown, None, how, missing=f"{shown} is left out ({error}): {module.INSTALL}")
    return Contender(shown, attack, how, images, judged=library in JUDGES_ITSELF)


def loop(function: Callable[..., Tensor | Adversarial], *, images: int, **parameters: Any) -> Contender:
    def run(model: Counted, given: Tensor, labels: Tensor, targets: Tensor | None) -> Tensor | Adversarial:
        aim = {} if targets is None else {"targets": targets}
        return function(model, given, labels, **aim, **parameters)

    return Contender(LOOP, run, images=images)


def all_tasks(gradients: int = 100) -> list[Task]:
    """Return every task. gradients: how many each contender of the minimal attacks may take for an image."""
    within = [
        noise(),
        fgsm(),
        pgd("linf"),
        pgd("l2"),
        apgd(),
        fab(),
        square(),
        autoattack("linf", 0.1),
        autoattack("l2", 1),
    ]
    minimal = [deepfool("l2"), deepfool("linf"), minimal_l2(gradients), minimal_linf(gradients)]
    return [*within, *minimal, dichotomy(), automatic(), stadv(0.005), stadv("auto")]


def noise(epsilon: float = 0.1) -> Task:
    """Compare uniform noise, the control."""
    return Task(
        f"noise {epsilon:g}",
        "linf",
        [
            ours("corrupt", kind="noise", epsilon=epsilon),
            peer("foolbox:LinfAdditiveUniformNoiseAttack", epsilon=epsilon),
        ],
    )


def fgsm(epsilon: float = 0.1) -> Task:
    return Task(
        f"FGSM {epsilon:g}",
        "linf",
        [
            ours("fgsm", epsilon=epsilon),
            peer("foolbox:LinfFastGradientAttack", epsilon=epsilon),
            peer("torchattacks:FGSM", epsilon=epsilon),
            peer("art:FastGradientMethod", epsilon=epsilon),
            loop(loops.fgsm_loop, images=100, epsilon=epsilon),
        ],
    )


def pgd(norm: str, steps: int = 40) -> Task:
    """Compare PGD. Every contender gets one random start. Only ours stops on an image that is already fooled."""
    epsilon = {"linf": 0.1, "l2": 1.0}[norm]
    step = 2.5 * epsilon / steps
    foolbox, torchattacks = {"linf": ("LinfPGD", "PGD"), "l2": ("L2PGD", "PGDL2")}[norm]
    contenders = [
        ours("pgd", norm=norm, epsilon=epsilon, steps=steps, step_size=step),
        ours("pgd", how="all steps", norm=norm, epsilon=epsilon, steps=steps, step_size=step, early_stop=False),
        peer(f"foolbox:{foolbox}", epsilon=epsilon, steps=steps, abs_stepsize=step),
        peer(f"torchattacks:{torchattacks}", epsilon=epsilon, steps=steps, alpha=step),
        peer(
            "art:ProjectedGradientDescentPyTorch",
            norm={"linf": math.inf, "l2": 2}[norm],
            epsilon=epsilon,
            eps_step=step,
            max_iter=steps,
            num_random_init=1,
        ),
    ]
    if norm == "linf":
        contenders.append(peer("advlib:pgd_linf", epsilon=epsilon, steps=steps, absolute_step_size=step))
    return Task(f"PGD {norm} {epsilon:g}", norm, contenders)


def apgd(epsilon: float = 0.1, steps: int = 100) -> Task:
    """Compare APGD on the cross-entropy. adv-lib's default loss, DLR, is left out."""
    return Task(
        f"APGD linf {epsilon:g}",
        "linf",
        [
            ours("apgd", epsilon=epsilon, steps=steps),
            peer("autoattack:custom", epsilon=epsilon, attacks=["apgd-ce"]),
            peer("advlib:apgd", norm=math.inf, epsilon=epsilon, n_iter=steps, loss_function="ce"),
        ],
    )


def fab(epsilon: float = 0.1, steps: int = 100, images: int = SLOW) -> Task:
    """Compare FAB, aimed at nine classes."""
    return Task(
        f"FAB linf {epsilon:g}",
        "linf",
        [
            ours("fab", epsilon=epsilon, steps=steps),
            peer("autoattack:custom", images=images, epsilon=epsilon, attacks=["fab-t"]),
            peer(
                "advlib:fab",
                images=images,
                norm=math.inf,
                epsilon=epsilon,
                n_iter=steps,
                restarts=9,
                targeted_restarts=True,
            ),
        ],
    )


def square(epsilon: float = 0.1, queries: int = 5000, images: int = SLOW) -> Task:
    """Compare Square. pyautoattack fixes the number of queries at 5,000."""
    return Task(
        f"Square linf {epsilon:g}",
        "linf",
        [
            ours("square", images=images, epsilon=epsilon, queries=queries),
            peer("autoattack:custom", images=images, epsilon=epsilon, attacks=["square"]),
        ],
    )


def autoattack(norm: str, epsilon: float, images: int = SLOW) -> Task:
    return Task(
        f"AutoAttack {norm} {epsilon:g}",
        norm,
        [
            ours("autoattack", images=images, norm=norm, epsilon=epsilon),
            peer("autoattack:standard", images=images, norm={"linf": "Linf", "l2": "L2"}[norm], epsilon=epsilon),
        ],
    )


def minimal_l2(gradients: int = 100) -> Task:
    """Compare the attacks that look for the shortest perturbation, at the same number of gradients.

    SuperDeepFool ends sooner, when every image is fooled. adv-lib's DDN does not round to 256 levels, here and in
    `dichotomy`, which it does by default.
    """
    return Task(
        f"minimal l2, {gradients} gradients",
        "l2",
        [
            ours("dichotomy", steps=gradients),
            peer("advlib:alma", how="ALMA", num_steps=gradients),
            peer("advlib:fmn", how="FMN", norm=2, steps=gradients),
            peer("advlib:ddn", how="DDN", steps=gradients, levels=None),
            peer("advlib:sdf", how="SuperDeepFool", steps=gradients),
        ],
    )


def minimal_linf(gradients: int = 100) -> Task:
    return Task(
        f"minimal linf, {gradients} gradients",
        "linf",
        [
            ours("dichotomy", norm="linf", steps=gradients),
            peer("advlib:fmn", how="FMN", norm=math.inf, steps=gradients),
        ],
    )


def deepfool(norm: str, steps: int = 50, overshoot: float = 0.02) -> Task:
    """Compare DeepFool.

    ART runs with its default overshoot of 1e-6, which our adapter does not change, both with its default batch size of
    1 and in batches.
    """
    foolbox, order = {"linf": ("LinfDeepFoolAttack", math.inf), "l2": ("L2DeepFoolAttack", 2)}[norm]
    contenders = [
        ours("deepfool", norm=norm, steps=steps, overshoot=overshoot),
        peer("advlib:df", norm=order, steps=steps, overshoot=overshoot),
        peer(f"foolbox:{foolbox}", steps=steps, overshoot=overshoot),
    ]
    if norm == "l2":
        contenders += [
            peer("art:DeepFool", how="in batches", images=100, max_iter=steps),
            peer("art:DeepFool", how="its default", images=SLOW, max_iter=steps, batch_size=1),
            peer("torchattacks:DeepFool", images=SLOW, steps=steps, overshoot=overshoot),
        ]
    contenders.append(loop(loops.deepfool_loop, images=SLOW, norm=norm, steps=steps, overshoot=overshoot))
    return Task(f"DeepFool {norm}", norm, contenders)


def dichotomy(steps: int = 1000) -> Task:
    """Compare R2's attack A.

    No other library has it. Their closest attack is DDN, which gets as many gradient evaluations as ours takes at most.
    steps: at each norm, of R2's recipe.
    """
    published = {"steps": steps, "learning_rate": 0.005, "interval": (0.0, 4.0), "precision": 1e-3}
    return Task(
        "dichotomy",
        "l2",
        [
            ours("dichotomy"),
            ours("dichotomy", how="as published", images=SLOW, variant="published", **published),
            peer("advlib:ddn", how="DDN", steps=100, levels=None),
            peer("foolbox:DDNAttack", how="DDN", steps=100),
            loop(loops.dichotomy_loop, images=SLOW, **published),
        ],
    )


def automatic(steps: int = 1000) -> Task:
    """Compare R2's attack B. steps: of R2's recipe."""
    published = {"steps": steps, "learning_rate": 0.005, "thresholds": (0.2, 0.1)}
    return Task(
        "automatic",
        "l2",
        [
            ours("automatic"),
            ours("automatic", how="as published", images=100, variant="published", **published),
            loop(loops.automatic_loop, images=SLOW, **published),
        ],
    )


def stadv(tau: float | str, **search: Any) -> Task:
    """Compare R1's attack.

    search: limits for all solvers.
    """
    return Task(
        f"stAdv, tau {tau}",
        "flow_loss",
        [
            ours("stadv", tau=tau, **search),
            ours("stadv", how="L-BFGS", tau=tau, solver="batched", **search),
            ours("stadv", how="Adam", tau=tau, solver="adam", **search),
            loop(loops.stadv_loop, images=SLOW, tau=tau, **search),
        ],
        targeted=True,
    )
