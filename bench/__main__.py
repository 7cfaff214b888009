"""Compare our attacks with those of other libraries on the same victims, images and parameters, timed in turn.

    python -m bench [--victims lenet robust large] [--images 500] [--repeats 3] [--threads 2]

Writes bench.csv, bench.md, bench.png and bench.pdf. The victims are trained on scikit-learn's digits, which need no
download: a LeNet, a LeNet trained adversarially, and a small ResNet on large images. To attack a victim of a workflow
run instead:

    python -m bench --weights results/victims/mnist/lenet/none/0/weights.safetensors \\
        --split results/data/mnist/test.safetensors
"""

import argparse
import json
import platform
import sys
from collections.abc import Collection, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from bench.contenders import SLOW, Task, all_tasks
from bench.measuring import CLOCKS, Measured, measure, pose
from bench.rendering import draw, table, write_table
from bench.victims import VICTIMS, Victim, load_trained_victim
from foolflow.compute.device import compute_on, describe_device
from foolflow.errors import InvalidInput
from foolflow.figures.style import save_figure

PEERS = ("foolbox", "torchattacks", "adv-lib", "adversarial-robustness-toolbox", "pyautoattack")


def main(arguments: argparse.Namespace) -> None:
    if (arguments.weights is None) != (arguments.split is None):
        raise InvalidInput("give both --weights and --split, or neither")
    if arguments.images < SLOW:
        raise InvalidInput(f"--images: {arguments.images}; a ratio of speeds needs {SLOW} or more")
    device = compute_on(arguments.device, arguments.threads)
    title = f"Images per second, {describe_device(device)}"
    notes = [
        f"Up to {arguments.images} images in batches of {arguments.batch_size}, {arguments.repeats} repeats, "
        f"{arguments.clock} clock. {_processor()}; torch {torch.__version__}"
        + "".join(f", {peer} {found}" for peer in PEERS if (found := _version(peer)))
        + "."
    ]
    measured: list[tuple[str, Task, list[Measured]]] = []
    for name, tasks, (model, images, labels) in _victims(arguments):
        problem = pose(
            model.to(device),
            (images[: arguments.images].float() / 255).to(device),
            labels[: arguments.images].to(device),
            batch_size=arguments.batch_size,
            clock=arguments.clock,
        )
        for task in tasks:  # write after each task, so that a long run can be inspected or stopped early
            rows = measure(problem, task, arguments.repeats, report=lambda line: print(line, flush=True))
            measured.append((name, task, rows))
            data = table(measured)
            write_table(data, title, notes, arguments.out)
            save_figure(draw(data, title), arguments.out / "bench.png", arguments.out / "bench.pdf")
    print((arguments.out / "bench.md").read_text(encoding="utf-8"))


def _victims(arguments: argparse.Namespace) -> Iterator[tuple[str, list[Task], Victim]]:
    """Yield the name of each victim, the tasks to run on it, and the victim with its images."""
    tasks = chosen_tasks(arguments.attacks, arguments.gradients)
    if arguments.weights is not None:
        name = arguments.name or str(arguments.weights)
        yield name, tasks, load_trained_victim(arguments.weights, arguments.split, arguments.model)
        return
    for key in arguments.victims:
        victim = VICTIMS[key]
        affordable = {task.name for task in chosen_tasks(victim.attacks, arguments.gradients)}
        model, images, labels = victim.train()
        chosen = [task for task in tasks if task.name in affordable]
        yield victim.name, chosen, (model, images[: victim.images], labels[: victim.images])


def chosen_tasks(words: Collection[str], gradients: int = 100) -> list[Task]:
    """Return the tasks with one of these words in their name, or all tasks if there are no words.

    gradients: see `all_tasks`.
    """
    tasks = all_tasks(gradients)
    names = [set(task.name.lower().replace(",", "").split()) for task in tasks]
    wanted = {word.lower() for word in words}
    if unknown := wanted - set().union(*names):
        raise InvalidInput(f"--attacks: no attack has {', '.join(sorted(unknown))} in its name")
    return [task for task, own in zip(tasks, names, strict=True) if not wanted or wanted & own]


def _processor() -> str:
    """Return the name of the processor: from /proc/cpuinfo on Linux, elsewhere from Python."""
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor())


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="weights of a victim from a workflow run")
    parser.add_argument("--split", type=Path, help="images to attack: a split of a workflow run")
    parser.add_argument("--model", type=json.loads, help="the model's config entry as JSON, if it is your own model")
    parser.add_argument("--name", help="name of the victim, for the title")
    parser.add_argument(
        "--attacks",
        nargs="+",
        default=[],
        help="only attacks with one of these words in their name, such as FGSM",
    )
    parser.add_argument("--victims", nargs="+", choices=sorted(VICTIMS), default=list(VICTIMS))
    parser.add_argument(
        "--gradients", type=int, default=100, help="of each contender of the minimal attacks, such as 300 or 1000"
    )
    parser.add_argument("--images", type=int, default=500, help=f"at least {SLOW}; slow contenders attack fewer")
    parser.add_argument("--batch-size", type=int, default=250)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--clock", choices=sorted(CLOCKS), default="wall", help="cpu: for one thread on a busy machine")
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=2, help="CPU threads to compute with")
    try:
        main(parser.parse_args())
    except InvalidInput as error:
        sys.exit(f"error: {error}")
