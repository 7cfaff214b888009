"""Our attacks beside foolbox's: same victim, same images, same parameters, one run, alternating.

    python bench/attacks.py [--images 500] [--threads 2] [--repeats 3]

Prints a Markdown table: images/s (median of the repeats), success, mean L2, and how long the attack takes as a multiple
of its floor: the gradient evaluations that it reports, times the victim's bare forward and backward pass.
The victim is a LeNet trained on scikit-learn's digits, so that nothing has to be downloaded.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from foolflow.attacks.deepfool import deepfool
from foolflow.attacks.fgsm import fgsm
from foolflow.data.divide import divide
from foolflow.data.readers import digits
from foolflow.models.victims import build_model
from foolflow.training import Labelled, Recipe, train


def make_victim(count: int) -> tuple[nn.Module, Tensor, Tensor]:
    splits = divide(*digits.read({}, Path()), {"source": "digits", "val": 197, "test": 500}, seed=0)
    torch.manual_seed(0)
    model = build_model({"architecture": "lenet.LeNet"}, {"channels": 1, "size": 28, "classes": 10})
    data = [Labelled(torch.from_numpy(splits[part].images), torch.from_numpy(splits[part].labels)) for part in splits]
    recipe = Recipe(epochs=12, learning_rate=0.004, schedule="one_cycle", precision="float32")
    train(model, data[0], data[1], recipe, seed=0, report=lambda _: None)
    return model, data[2].images[:count].float() / 255, data[2].labels[:count]


def seconds_of(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def bare_pass(model: nn.Module, images: Tensor, labels: Tensor) -> None:
    inputs = images.clone().requires_grad_()
    torch.autograd.grad(cross_entropy(model(inputs), labels, reduction="sum"), inputs)


def main(arguments: argparse.Namespace) -> None:
    import foolbox

    torch.set_num_threads(arguments.threads)
    model, images, labels = make_victim(arguments.images)
    theirs = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")

    def ours_fgsm() -> tuple[Tensor, int]:
        made = fgsm(model, images, labels, epsilon=0.1)
        return made.images, int(made.gradient_evaluations.sum())

    def ours_deepfool() -> tuple[Tensor, int]:
        made = deepfool(model, images, labels)
        return made.images, int(made.gradient_evaluations.sum())

    contenders: dict[str, Callable[[], tuple[Tensor, int | None]]] = {
        "FGSM 0.1, Foolflow": ours_fgsm,
        "FGSM 0.1, foolbox": lambda: (foolbox.attacks.FGSM()(theirs, images, labels, epsilons=0.1)[1], None),
        "DeepFool L2, Foolflow": ours_deepfool,
        "DeepFool L2, foolbox": lambda: (
            foolbox.attacks.L2DeepFoolAttack(steps=50)(theirs, images, labels, epsilons=[None])[1][0],
            None,
        ),
    }
    bare_pass(model, images, labels)  # warm up
    floor = statistics.median(seconds_of(lambda: bare_pass(model, images, labels)) for _ in range(10)) / len(images)
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(arguments.repeats):
        for name, attack in contenders.items():
            times[name].append(seconds_of(attack))

    print("| attack | images/s | success % | mean L2 | time over floor |")
    print("| --- | --- | --- | --- | --- |")
    right = model(images).argmax(1) == labels
    for name, attack in contenders.items():
        made, evaluations = attack()
        fooled = (model(made).argmax(1) != labels) & right
        length = (made - images).flatten(1).norm(dim=1)[fooled].mean()
        seconds = statistics.median(times[name])
        over = f"{seconds / (floor * evaluations):.2f}" if evaluations else ""
        success = 100 * fooled.sum() / right.sum()
        print(f"| {name} | {len(images) / seconds:,.0f} | {success:.1f} | {length:.3f} | {over} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    main(parser.parse_args())
